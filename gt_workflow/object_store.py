"""What an object store that speaks S3 keeps, hands out and refuses: values shared by both sides.

`service.objects` speaks the protocol, `adapters.folder` keeps the bytes; they meet here and know
nothing of each other. Methods block: whoever has an event loop calls them from a thread.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO, Protocol

from msgspec import Struct, field

from gt_workflow.errors import ObjectNotFoundError, StorageError

DEFAULT_TYPE = "binary/octet-stream"
MAX_KEY_BYTES = 1024
MIN_PART_BYTES = 5 * 1024 * 1024


class RefusedError(StorageError):
    """The store will not do that; `code` is the S3 error code, e.g. `BucketNotEmpty`."""

    def __init__(self, code: str, message: str, *, uri: str) -> None:
        """Keep the code apart from the sentence."""
        super().__init__(message, uri=uri)
        self.code = code


class MissingError(RefusedError, ObjectNotFoundError):
    """There is no such key, bucket or upload (`NoSuchKey`, `NoSuchBucket`, `NoSuchUpload`)."""


class Attributes(Struct, frozen=True):
    """What a writer says about an object besides its bytes."""

    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # e.g. cache-control, lower case
    metadata: Mapping[str, str] = field(default_factory=dict)  # x-amz-meta-*, without the prefix
    checksums: Mapping[str, str] = field(default_factory=dict)  # e.g. crc32 -> base64
    checksum_type: str | None = None  # FULL_OBJECT | COMPOSITE


class Condition(Struct, frozen=True):
    """What must hold at the moment of the change."""

    if_match: str | None = None  # the ETag that must be there, or "*" for any
    if_none_match: bool = False  # nothing may be there


class Object(Struct, frozen=True):
    """One stored object; `etag` is bare (no quotes), `modified` aware and in UTC."""

    bucket: str
    key: str
    size: int
    modified: datetime
    etag: str
    attributes: Attributes = field(default_factory=Attributes)


class Bucket(Struct, frozen=True):
    """A top folder."""

    name: str
    created: datetime
    region: str


class Page(Struct, frozen=True):
    """A part of a listing; `last` is the key or prefix to go on behind, if `truncated`."""

    objects: Sequence[Object]
    prefixes: Sequence[str]
    truncated: bool
    last: str


class Upload(Struct, frozen=True):
    """A multipart upload that is neither completed nor aborted."""

    id: str
    bucket: str
    key: str
    started: datetime
    attributes: Attributes
    algorithm: str | None = None  # of the checksums that its parts carry, e.g. crc32


class Part(Struct, frozen=True):
    """An uploaded part; numbers run from 1 to 10,000."""

    number: int
    size: int
    etag: str
    modified: datetime
    checksums: Mapping[str, str] = field(default_factory=dict)


class PartClaim(Struct, frozen=True):
    """What a client says at completion about a part; it must be true."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


class Checksum(Protocol):
    """A running checksum, as `hashlib` has them."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take more bytes in."""
        ...

    def digest(self) -> bytes:
        """Return the checksum of all bytes."""
        ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


# CRC32C and CRC64NVME are left out: no library among our dependencies computes them at speed.
CHECKSUMS: Mapping[str, Callable[[], Checksum]] = {
    "crc32": _Crc32,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


def as_text(checksum: Checksum) -> str:
    """Return a checksum as S3 writes it: base64 of the big-endian bytes."""
    return base64.b64encode(checksum.digest()).decode()


class Writer(Protocol):
    """Bytes on their way in; invisible until committed."""

    @property
    def etag(self) -> str:
        """The MD5 of what was written so far, as hexadecimal."""
        ...

    @property
    def size(self) -> int:
        """How many bytes were written so far."""
        ...

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Append bytes."""
        ...

    def discard(self) -> None:
        """Forget everything; idempotent, and nothing after a commit."""
        ...


class ObjectWriter(Writer, Protocol):
    """A writer of an object."""

    def commit(
        self, attributes: Attributes, condition: Condition = ..., *, etag: str | None = None
    ) -> Object:
        """Publish at once and durably, if the condition holds; `etag` overrides the MD5."""
        ...


class PartWriter(Writer, Protocol):
    """A writer of a part."""

    def commit(self, checksums: Mapping[str, str]) -> Part:
        """Make the part durable and known to its upload."""
        ...


class UploadStore(Protocol):
    """Multipart uploads; raises `RefusedError`, `MissingError`, `StorageError`."""

    def start(
        self, bucket: str, key: str, attributes: Attributes, *, algorithm: str | None
    ) -> Upload:
        """Begin an upload."""
        ...

    def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Describe an upload that is under way, or refuse with `NoSuchUpload`."""
        ...

    def under_way(self, bucket: str) -> Sequence[Upload]:
        """Return the uploads under way, sorted by key and time."""
        ...

    def writer(self, upload: Upload, number: int) -> PartWriter:
        """Begin to write a part; a part of that number is replaced."""
        ...

    def parts(self, upload: Upload) -> Sequence[Part]:
        """Return the parts that are there, by number."""
        ...

    def complete(
        self,
        upload: Upload,
        claims: Iterable[PartClaim],
        condition: Condition = ...,
        *,
        full_checksum: bool = False,
        checksums: Mapping[str, str] | None = None,
    ) -> Object:
        """Join parts to the object and forget the upload.

        `full_checksum` asks for the checksum of the whole instead of the parts' checksums;
        `checksums` is what it must amount to.
        """
        ...

    def abort(self, upload: Upload) -> None:
        """Forget the upload and its parts; idempotent."""
        ...


class ObjectStore(Protocol):
    """Buckets and objects; raises `RefusedError`, `MissingError`, `StorageError`."""

    @property
    def uploads(self) -> UploadStore:
        """The multipart uploads."""
        ...

    def buckets(self) -> Sequence[Bucket]:
        """Return all buckets, sorted by name."""
        ...

    def bucket(self, name: str) -> Bucket:
        """Describe one bucket."""
        ...

    def create_bucket(self, name: str, region: str) -> None:
        """Create a bucket; `BucketAlreadyOwnedByYou` if it is there."""
        ...

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket."""
        ...

    def cors(self, bucket: str) -> str | None:
        """Return the bucket's CORS configuration as it was set."""
        ...

    def set_cors(self, bucket: str, text: str | None) -> None:
        """Keep or forget a CORS configuration."""
        ...

    def head(self, bucket: str, key: str) -> Object:
        """Describe one object."""
        ...

    def get(self, bucket: str, key: str) -> tuple[Object, BinaryIO]:
        """Open one object; file and description belong together, whatever is written meanwhile."""
        ...

    def writer(self, bucket: str, key: str) -> ObjectWriter:
        """Begin to write an object."""
        ...

    def delete(self, bucket: str, key: str, condition: Condition = ...) -> None:
        """Delete an object; one that is not there is no error."""
        ...

    def page(self, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int) -> Page:
        """List keys that sort behind `after` (by UTF-8 bytes), grouped by `delimiter` if set."""
        ...
