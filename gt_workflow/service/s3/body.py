"""A request's body on its way into a writer: unframed, counted, verified, with flat memory.

The event loop only collects what arrives, a mebibyte at a time; unframing, hashing and writing
happen in a thread. A body is accepted only when it is complete and every digest that the
client stated is right; until then nothing is visible. The `aws-chunked` framing, with and without
signatures and trailers, is that of S3's documentation on Signature Version 4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Generic, TypeVar

from gt_workflow.object_store import CHECKSUMS, Checksum, Writer, as_text
from gt_workflow.service.faults import Fault
from gt_workflow.service.s3.request import stated_checksums
from gt_workflow.service.s3.signatures import ChunkSigner

T = TypeVar("T")
W = TypeVar("W", bound=Writer)
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Run = Callable[..., Awaitable[Any]]

_MAX_PUT_BYTES = 5 * 1024**3
_GATHER_BYTES = 1 << 20
_MAX_LINE = 4096
_MAX_TRAILER = 16384
_HEX = re.compile(rb"[0-9a-fA-F]{1,16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DisconnectedError(Exception):
    """The client went away before its body was complete; nobody is there to be answered."""


class Intake(Generic[W]):
    """Takes a body into its `writer`; used by one thread at a time."""

    def __init__(
        self,
        writer: W,
        headers: Mapping[str, str],
        chunks: ChunkSigner | None,
        *,
        length_required: bool = True,
    ) -> None:
        """Read from the headers how the body is framed and what it must amount to."""
        self.writer = writer
        self._lock = threading.Lock()
        try:
            self._expect(headers, chunks, length_required=length_required)
        except BaseException:
            writer.discard()
            raise

    def _expect(
        self, headers: Mapping[str, str], chunks: ChunkSigner | None, *, length_required: bool
    ) -> None:
        stated = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        codings = headers.get("content-encoding", "").split(",")
        self._exact = True
        self._decoder: ChunkedDecoder | None = None
        if stated.startswith("STREAMING-") or "aws-chunked" in (c.strip() for c in codings):
            signed = stated.startswith("STREAMING-AWS4-HMAC-SHA256")
            self._decoder = ChunkedDecoder(chunks if signed else None)
        length = headers.get("x-amz-decoded-content-length" if self._decoder else "content-length")
        if length is None and not length_required:
            length = str(_MAX_PUT_BYTES)
            self._exact = False
        if length is None or not (length.isascii() and length.isdigit()):
            raise Fault(
                "MissingContentLength", "You must provide the Content-Length header.", status=411
            )
        self._length = int(length)
        if self._length > _MAX_PUT_BYTES:
            raise Fault(
                "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size"
            )
        self._md5 = _md5(headers.get("content-md5"))
        self._sha256 = stated if _SHA256.fullmatch(stated) else None
        self._stated = stated_checksums(headers, "x-amz-checksum-")
        names = set(self._stated)
        announced = headers.get("x-amz-trailer", "").strip().lower()
        self._announced = {name for name in CHECKSUMS if f"x-amz-checksum-{name}" == announced}
        names |= self._announced
        if self._sha256 is not None:
            names.add("sha256")
        self._running: dict[str, Checksum] = {name: CHECKSUMS[name]() for name in names}

    def feed(self, pieces: Sequence[bytes]) -> None:
        """Take what has arrived."""
        with self._lock:
            for piece in pieces:
                for data in self._decoder.feed(piece) if self._decoder else (piece,):
                    for checksum in self._running.values():
                        checksum.update(data)
                    self.writer.write(data)
            if self.writer.size > self._length:
                raise _incomplete()

    def finish(self) -> dict[str, str]:
        """Return the body's checksums (those that the client stated), or refuse it."""
        with self._lock:
            if self._decoder is not None:
                self._decoder.finish()
                trailing = stated_checksums(self._decoder.trailers, "x-amz-checksum-")
                if set(trailing) != self._announced:
                    raise Fault(
                        "MalformedTrailerError", "The trailing headers are not those announced."
                    )
                self._stated |= trailing
            if self._exact and self.writer.size != self._length:
                raise _incomplete()
            if self._sha256 is not None and self._running["sha256"].digest().hex() != self._sha256:
                raise Fault(
                    "XAmzContentSHA256Mismatch",
                    "The provided 'x-amz-content-sha256' header does not match what was computed.",
                )
            if self._md5 is not None and self.writer.etag != self._md5:
                raise Fault(
                    "BadDigest", "The Content-MD5 you specified did not match what we received."
                )
            for name, value in self._stated.items():
                if as_text(self._running[name]) != value:
                    raise Fault(
                        "BadDigest",
                        f"The {name.upper()} you specified did not match the calculated checksum.",
                    )
            return dict(self._stated)

    def discard(self) -> None:
        """Forget everything; idempotent. Waits for a thread that is still writing."""
        with self._lock:
            self.writer.discard()


class ChunkedDecoder:
    """Undoes `aws-chunked`: size lines, chunks, an empty chunk, trailing headers."""

    def __init__(self, signer: ChunkSigner | None) -> None:
        """Verify the chunks' signatures if there is a signer."""
        self.trailers: dict[str, str] = {}
        self._signer = signer
        self._line = bytearray()
        self._left = 0  # bytes of this chunk still to come
        self._expect = self._size_line
        self._digest = hashlib.sha256()
        self._signature = ""
        self._signed_lines = b""
        self._trailers_signed = False
        self._trailer_bytes = 0
        self._done = False

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """Yield the payload in some framed bytes."""
        view = memoryview(data)
        while view:
            if self._left:
                payload, view = view[: self._left], view[self._left :]
                self._left -= len(payload)
                if self._signer is not None:
                    self._digest.update(payload)
                yield payload
                continue
            end = data.find(b"\n", len(data) - len(view))
            taken = len(view) if end < 0 else end + 1 - (len(data) - len(view))
            self._line += view[:taken]
            view = view[taken:]
            if len(self._line) > _MAX_LINE or self._done:
                raise _incomplete()
            if self._line.endswith(b"\n"):
                line = bytes(self._line).rstrip(b"\r\n")
                self._line.clear()
                self._expect(line)

    def finish(self) -> None:
        """Refuse a body that ended early."""
        if self._signer is not None and self.trailers and not self._trailers_signed:
            raise Fault("MalformedTrailerError", "The trailing headers are not signed.")
        # Some clients leave out the empty line at the end if no trailer follows.
        if not self._done and (self._expect != self._trailer_line or self._line):
            raise _incomplete()

    def _size_line(self, line: bytes) -> None:
        size, _, extension = line.partition(b";")
        if _HEX.fullmatch(size) is None:
            raise _incomplete()
        self._left = int(size, 16)
        name, _, value = extension.partition(b"=")
        self._signature = value.decode("ascii", "replace") if name == b"chunk-signature" else ""
        if self._left:
            self._expect = self._chunk_end
        else:
            self._verify_chunk()
            self._expect = self._trailer_line

    def _chunk_end(self, line: bytes) -> None:
        if line:
            raise _incomplete()
        self._verify_chunk()
        self._expect = self._size_line

    def _trailer_line(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _MAX_TRAILER:
            raise _incomplete()
        if not line:
            self._done = True
            return
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "x-amz-trailer-signature":
            if self._signer is not None:
                self._signer.check_trailer(self._signed_lines, value.strip())
                self._trailers_signed = True
            return
        self._trailers_signed = False
        self.trailers[name.strip().lower()] = value.strip()
        self._signed_lines += f"{name.strip().lower()}:{value.strip()}\n".encode("latin-1")

    def _verify_chunk(self) -> None:
        if self._signer is not None:
            self._signer.check_chunk(self._digest.hexdigest(), self._signature)
            self._digest = hashlib.sha256()


class Document:
    """A writer into memory, for bodies that are documents of a limited size."""

    def __init__(self, limit: int) -> None:
        """Take at most `limit` bytes."""
        self._limit = limit
        self.data = bytearray()

    @property
    def etag(self) -> str:
        """The MD5 as hexadecimal."""
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Append bytes."""
        if len(self.data) + len(data) > self._limit:
            raise Fault("MaxMessageLengthExceeded", "Your request was too big")
        self.data += data
        return len(data)

    def discard(self) -> None:
        """Forget the bytes."""
        self.data.clear()


async def take(
    receive: Receive, run: Run, begin: Callable[[], Intake[W]], end: Callable[[Intake[W]], T]
) -> T:
    """Take a whole body in; `begin`, `end` and all between run in threads, one at a time.

    A body of up to a mebibyte costs a single change of threads.
    """
    intake: Intake[W] | None = None
    more = True

    def step(pieces: Sequence[bytes], *, last: bool) -> T | None:
        nonlocal intake
        if intake is None:
            intake = begin()
        intake.feed(pieces)
        return end(intake) if last else None

    try:
        while more:
            pieces: list[bytes] = []
            size = 0
            while more and size < _GATHER_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise DisconnectedError
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                more = message.get("more_body", False)
            result = await run(lambda pieces=pieces, last=not more: step(pieces, last=last))
    finally:
        if intake is not None:
            intake.discard()
    return result  # type: ignore[no-any-return]  # what `end` returned


def _md5(header: str | None) -> str | None:
    if header is None:
        return None
    try:
        digest = base64.b64decode(header.strip(), validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise Fault("InvalidDigest", "The Content-MD5 you specified was invalid.")
    return digest.hex()


def _incomplete() -> Fault:
    return Fault(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
