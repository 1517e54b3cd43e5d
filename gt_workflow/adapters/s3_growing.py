"""An object that grows in S3: a multipart upload whose id is the token for a later run.

Parts are sent by threads while the next one fills up, and end where a call of `append` ends. An
object that never fills a part is put in one go. S3 wants 5 MiB a part, all but the last, and takes
10,000 of them, so that parts become larger towards the end of a very large object. Bucket owners
had better have a lifecycle rule that aborts uploads which nobody goes on with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Final

from gt_workflow.adapters.files import content_type
from gt_workflow.adapters.folder.keys import split_uri
from gt_workflow.object_store import DEFAULT_TYPE

PART_BYTES: Final = 16 << 20
"""What a part has at least; S3 asks for 5 MiB."""

_SENDING = 2  # parts under way
_LARGER_EVERY = 1000  # parts, after which they grow by PART_BYTES


class S3Growing:
    """See `ports.Growing`."""

    step = 1  # each part is worth a note

    def __init__(
        self,
        client: Any,
        uri: str,
        *,
        token: str,
        size: int,
        part: int,
        translated: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        """Go on with an upload whose first parts make exactly `size` bytes, or begin one."""
        self._client = client
        self._uri = uri
        self._translated = translated
        self._part = part
        bucket, key = split_uri(uri)
        self._object = {"Bucket": bucket, "Key": key}
        self._kind = content_type(key) or DEFAULT_TYPE
        self._upload = token
        self._parts: list[dict[str, Any]] = []
        self._sending: deque[tuple[Future[dict[str, Any]], int]] = deque()
        self._waiting: list[bytes] = []
        self._filled = 0
        self.kept = self._resume(size) if token else 0
        self.size = self.kept
        self._pool = ThreadPoolExecutor(_SENDING)

    @property
    def token(self) -> str:
        """The upload's id; "" as long as there is none."""
        return self._upload

    def append(self, buffers: Sequence[bytes]) -> None:
        """Collect bytes, and send them once they fill a part."""
        self._waiting += buffers
        size = sum(map(len, buffers))
        self._filled += size
        self.size += size
        if self._filled >= self._part * (1 + self._number() // _LARGER_EVERY):
            self._send()
        while self._sending and self._sending[0][0].done():
            self._take()

    def hasten(self) -> None:
        """Parts are on their way as soon as they are full."""

    def seal(self) -> None:
        """Send the last part; an object that would have no other is not worth an upload."""
        if self._filled and self._upload:
            self._send()
        while self._sending and self._sending[0][0].done():
            self._take()

    def publish(self) -> None:
        """Send the rest and complete the upload."""
        with self._translated(self._uri):
            if not self._upload:
                body = b"".join(self._waiting)
                self._client.put_object(**self._object, Body=body, ContentType=self._kind)
            else:
                if self._filled:
                    self._send()
                while self._sending:
                    self._take()
                self._client.complete_multipart_upload(
                    **self._object,
                    UploadId=self._upload,
                    MultipartUpload={"Parts": self._parts},
                )
        self.close()

    def discard(self) -> None:
        """Abort the upload."""
        self.close()
        if self._upload:
            with self._translated(self._uri):
                self._abort()

    def close(self) -> None:
        """Wait for what is under way and leave the upload; idempotent."""
        self._pool.shutdown()

    def _number(self) -> int:
        return len(self._parts) + len(self._sending)

    def _resume(self, size: int) -> int:
        """Take the parts that make up `size`; without them abort, so that a new upload begins."""
        with self._translated(self._uri):
            kept = 0
            try:
                pages = self._client.get_paginator("list_parts")
                for page in pages.paginate(**self._object, UploadId=self._upload):
                    for part in page.get("Parts", ()):
                        if kept < size and part["PartNumber"] == len(self._parts) + 1:
                            self._parts.append(_claim(part["PartNumber"], part))
                            kept += part["Size"]
            except self._client.exceptions.NoSuchUpload:
                self._parts.clear()
                kept = 0
            if kept != size or not size:
                self._abort()
                self._upload = ""
                self._parts.clear()
                kept = 0
        return kept

    def _abort(self) -> None:
        try:
            self._client.abort_multipart_upload(**self._object, UploadId=self._upload)
        except self._client.exceptions.NoSuchUpload:
            return  # completed, or aborted by a rule of the bucket

    def _send(self) -> None:
        """Send what is waiting as the next part."""
        while len(self._sending) >= _SENDING:
            self._take()
        with self._translated(self._uri):
            if not self._upload:
                self._upload = self._client.create_multipart_upload(
                    **self._object, ContentType=self._kind, ChecksumAlgorithm="CRC32"
                )["UploadId"]
        body, size, number = b"".join(self._waiting), self._filled, self._number() + 1
        self._waiting, self._filled = [], 0
        self._sending.append((self._pool.submit(self._put, number, body), size))

    def _put(self, number: int, body: bytes) -> dict[str, Any]:
        answer = self._client.upload_part(
            **self._object,
            UploadId=self._upload,
            PartNumber=number,
            Body=body,
            ChecksumAlgorithm="CRC32",
        )
        return _claim(number, answer)

    def _take(self) -> None:
        """Wait for the oldest part under way."""
        future, size = self._sending[0]
        with self._translated(self._uri):
            claim = future.result()
        self._sending.popleft()
        self._parts.append(claim)
        self.kept += size


def _claim(number: int, told: dict[str, Any]) -> dict[str, Any]:
    """Name a part as its upload's completion wants it."""
    names = ("ETag", "ChecksumCRC32")
    return {"PartNumber": number, **{name: told[name] for name in names if told.get(name)}}
