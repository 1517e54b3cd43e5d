"""One exchange over ASGI: the request as it came, the answer on its way, where a path points.

A file is sent in stretches that a thread reads, and no further than the client listens.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes

from gt_workflow.errors import StorageError
from gt_workflow.object_store import RefusedError
from gt_workflow.service.faults import Fault
from gt_workflow.service.s3 import xml
from gt_workflow.service.s3.body import Receive
from gt_workflow.service.s3.request import Answer, Content

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Run = Callable[..., Awaitable[Any]]

_log = logging.getLogger(__name__)

_SEND_BYTES = 1 << 18
_DRAIN_BYTES = 1 << 20
_HOST_ID = "gt-workflow"
_STATUS = {
    "NoSuchKey": 404,
    "NoSuchBucket": 404,
    "NoSuchUpload": 404,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "PreconditionFailed": 412,
}


class Exchange:
    """A request as ASGI hands it over, and the way back."""

    def __init__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, request_id: str
    ) -> None:
        """Read what the scope tells."""
        self.id = request_id
        self.method: str = scope["method"]
        self.path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            self.headers[name] = f"{self.headers[name]},{value}" if name in self.headers else value
        self._receive = receive
        self._send = send
        self._body_ended = False

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next ASGI message."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._body_ended = True
        return message

    async def drain(self) -> None:
        """Read what little is left of a refused body, so that the client reads the refusal.

        A client that asked whether to send (`Expect`) is told no by not being told to go on.
        """
        if "expect" in self.headers:
            return
        left = _DRAIN_BYTES
        while left > 0 and not self._body_ended:
            left -= len((await self.receive()).get("body", b""))

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers."""
        sent = {"x-amz-request-id": self.id, "x-amz-id-2": _HOST_ID}
        raw = [
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in {**sent, **headers}.items()
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send_body(self, body: bytes, *, more: bool) -> None:
        """Send a stretch of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def send_answer(self, answer: Answer, extra: Mapping[str, str], run: Run) -> None:
        """Send a whole answer."""
        headers = {**answer.headers, **extra}
        if isinstance(answer.body, Content):
            await self._send_file(answer.status, headers, answer.body, run)
            return
        if answer.status not in {204, 304}:
            headers.setdefault("content-length", str(len(answer.body)))
        await self.start(answer.status, headers)
        await self.send_body(b"" if self.method == "HEAD" else answer.body, more=False)

    async def _send_file(
        self,
        status: int,
        headers: Mapping[str, str],
        content: Content,
        run: Run,
    ) -> None:
        gone = asyncio.ensure_future(self._disconnected())
        left = content.length
        try:
            await self.start(status, headers)
            while left and not gone.done():
                data = await run(content.file.read, min(left, _SEND_BYTES))
                if not data:
                    raise OSError(errno.EIO, "the file has shrunk while it was sent")
                left -= len(data)
                await self.send_body(data, more=left > 0)
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            content.file.close()

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def place(exchange: Exchange) -> tuple[str, str]:
    """Return bucket and key, from the path or from a host such as `bucket.localhost`."""
    try:
        path = unquote_to_bytes(exchange.path.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise Fault("InvalidURI", "Couldn't parse the specified URI.") from None
    host = exchange.headers.get("host", "").partition(":")[0]
    bucket = host.removesuffix(".localhost")
    if bucket != host and bucket:
        return bucket, path.removeprefix("/")
    bucket, _, key = path.removeprefix("/").partition("/")
    return bucket, key


def refusal(refused: Fault | StorageError, exchange: Exchange) -> Answer:
    """Return S3's error document for a refusal."""
    match refused:
        case Fault():
            code, message, status = refused.code, refused.message, refused.status
        case RefusedError():
            code, message = refused.code, refused.reason
            status = _STATUS.get(code, 400)
        case _:
            cause = refused.__cause__
            full = isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}
            # 507 is not retried by AWS's clients: a full disk does not mend itself.
            code, status = ("InsufficientStorage", 507) if full else ("InternalError", 500)
            message = refused.reason
            _log.error("%s %s: %s", exchange.method, exchange.path, refused)
    headers = {"content-type": "application/xml"}
    body = xml.error(
        code,
        message,
        resource=exchange.path,
        request_id=exchange.id,
        host_id=_HOST_ID,
    )
    return Answer(status, headers, b"" if exchange.method == "HEAD" else body)
