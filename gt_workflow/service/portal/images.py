"""The images of tasks, streamed to whoever has a good link; see `image_links`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gt_workflow.errors import ObjectNotFoundError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.service.faults import not_found
from gt_workflow.service.labeling.jobs import Jobs
from gt_workflow.service.portal.image_links import ImageLinks, Seal

_CHUNK: Final = 1 << 18
_SIGNATURES: Final = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


class Images:
    """What image links lead to."""

    def __init__(self, *, jobs: Jobs, storage: Storage, links: ImageLinks) -> None:
        """`links` checks who may see what."""
        self._jobs = jobs
        self._storage = storage
        self._links = links

    async def serve(self, request: Request) -> Response:
        """Stream the image of the task that a good link names."""
        return await self._answer(request, None)

    async def serve_other(self, request: Request) -> Response:
        """Stream another image, one that the task's template has asked for."""
        return await self._answer(request, request.query_params.get("uri", ""))

    async def stream(self, uri: str) -> Response:
        """Stream an image to whom somebody else has let in."""
        file, size, media_type = await run_in_threadpool(self._file, uri)
        headers = {"Cache-Control": "private, max-age=900", "Content-Length": str(size)}
        return _FileResponse(file, media_type=media_type, headers=headers)

    async def _answer(self, request: Request, uri: str | None) -> Response:
        file, size, media_type = await run_in_threadpool(
            self._open, request.path_params["task_id"], Seal.of(request.query_params), uri
        )
        headers = {
            # The link itself expires; a copy in this browser may outlive it.
            "Cache-Control": "private, max-age=900",
            "Content-Length": str(size),
            # Shown in a sandboxed frame, whose origin is nobody's. Without leave to read it
            # (CORS) the frame's scripts cannot get at the pixels.
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return _FileResponse(file, media_type=media_type, headers=headers)

    def _open(self, task_id: str, seal: Seal, other: str | None) -> tuple[BinaryIO, int, str]:
        self._links.check(task_id=task_id, seal=seal, uri=other)
        # The link is good only as long as the task is the worker's: both refuse otherwise.
        if other is None:
            return self._file(self._jobs.image_uri(seal.worker_id, task_id))
        self._jobs.task(seal.worker_id, task_id)
        return self._file(other)

    def _file(self, uri: str) -> tuple[BinaryIO, int, str]:
        try:
            file = self._storage.open(uri)
        except (ObjectNotFoundError, UsageError):
            raise not_found("The image is not there any more.") from None
        try:
            head = file.read(8)
            size = file.seek(0, 2)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        for signature, media_type in _SIGNATURES:
            if head.startswith(signature):
                return file, size, media_type
        file.close()
        raise HTTPException(415, "The object is neither a JPEG nor a PNG image.")


class _FileResponse(StreamingResponse):
    """Streams a file and closes it, even if nobody stays to listen."""

    def __init__(self, file: BinaryIO, *, media_type: str, headers: dict[str, str]) -> None:
        self._file = file
        content = iterate_in_threadpool(_chunks(file))
        super().__init__(content, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
