"""S3 behind a boto3 client: what is written goes through a temporary file, then up in one go.

`translated` is the one place where botocore's errors become `StorageError`. Reading fetches
blocks that grow while it is sequential, so that a header costs one small request and a whole
object few large ones; the ETag of the first block guards all others. botocore tries a call again,
but not a body that is cut off on its way; that is asked for anew here.
"""

from __future__ import annotations

import io
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Any, BinaryIO

from gt_workflow.adapters.files import content_type
from gt_workflow.adapters.folder.keys import split_uri
from gt_workflow.adapters.s3_growing import PART_BYTES, S3Growing
from gt_workflow.adapters.whole_answers import demand_whole
from gt_workflow.errors import ObjectNotFoundError, StorageError
from gt_workflow.object_store import DEFAULT_TYPE
from gt_workflow.ports import Outcome, Stat

_FIRST_BLOCK = 256 * 1024
_MAX_BLOCK = 8 * 1024 * 1024
_MULTIPART_BYTES = 8 * 1024 * 1024
_ATTEMPTS = 5  # at one block whose body does not come whole
_AHEAD = 8  # requests under way while many objects are read: a request waits longer than it works
_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "NotFound", "404"})
_REASONS = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "access is denied",
    "403": "access is denied",
    "PreconditionFailed": "it was changed while it was read",
    "412": "it was changed while it was read",
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"),
        "the AWS credentials are expired or not valid; renew them (aws sso login, or whatever "
        "issued them), then run the same command again",
    ),
}


class S3Storage:
    """Objects in S3, or in whatever speaks its protocol."""

    def __init__(self, client: Any, *, part: int = PART_BYTES) -> None:
        """Use a boto3 S3 client; it may be shared by threads. `part` is what `grow` sends."""
        demand_whole(client)
        self._client = client
        self._part = part

    def open(self, uri: str) -> BinaryIO:
        """Open an object for reading; its first block is fetched at once."""
        return io.BufferedReader(_Reader(self._client, uri), 64 * 1024)

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        """Collect the bytes in a temporary file and send them at a clean exit."""
        bucket, key = split_uri(uri)
        with tempfile.SpooledTemporaryFile(max_size=_MULTIPART_BYTES) as file:
            with io.BufferedWriter(_Kept(file)) as buffer:
                yield buffer
            size = file.tell()
            file.seek(0)
            kind = {"ContentType": content_type(key) or DEFAULT_TYPE}
            with translated(uri):
                if size < _MULTIPART_BYTES:
                    # Bytes go out in one piece, a file in many small ones that wait for each other.
                    self._client.put_object(Bucket=bucket, Key=key, Body=file.read(), **kind)
                else:
                    self._client.upload_fileobj(_Kept(file), bucket, key, ExtraArgs=kind)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield matching objects, page after page."""
        bucket, start = split_uri(prefix)
        with translated(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=bucket, Prefix=start):
                for item in page.get("Contents", ()):
                    yield Stat(f"s3://{bucket}/{item['Key']}", item["Size"], item["LastModified"])

    def exists(self, uri: str) -> bool:
        """Tell whether the object is there."""
        try:
            self.stat(uri)
        except ObjectNotFoundError:
            return False
        return True

    def stat(self, uri: str) -> Stat:
        """Describe one object."""
        bucket, key = split_uri(uri)
        with translated(uri):
            answer = self._client.head_object(Bucket=bucket, Key=key)
        return Stat(uri, answer["ContentLength"], answer["LastModified"])

    def delete(self, uri: str) -> None:
        """Delete one object."""
        bucket, key = split_uri(uri)
        with translated(uri):
            self._client.delete_object(Bucket=bucket, Key=key)

    def read_all(self, uris: Iterable[str], *, limit: int) -> Iterator[Outcome[str, bytes]]:
        """Fetch objects with one request each, a few at a time."""
        source = iter(uris)
        under_way: deque[Future[Outcome[str, bytes]]] = deque()
        with ThreadPoolExecutor(_AHEAD) as pool:
            try:
                for uri in source:
                    under_way.append(pool.submit(self._fetched, uri, limit))
                    if len(under_way) > _AHEAD:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def exclusive(self, folder: str) -> AbstractContextManager[None]:  # noqa: ARG002 - S3 has no locks
        """Guard nothing; see `Storage`."""
        return nullcontext()

    def place(self, uri: str) -> str:
        """Return the address: an object has one."""
        return uri

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> S3Growing:
        """Grow an object by a multipart upload, or go on with one."""
        return S3Growing(
            self._client, uri, token=token, size=size, part=self._part, translated=translated
        )

    def _fetched(self, uri: str, limit: int) -> Outcome[str, bytes]:
        """Fetch the first `limit` bytes of an object, which may be all of it."""
        try:
            bucket, key = split_uri(uri)
            with translated(uri):
                _, data = _whole(self._client, limit, Bucket=bucket, Key=key)
        except StorageError as error:
            return Outcome(item=uri, error=error)
        return Outcome(item=uri, value=data)


class _Reader(io.RawIOBase):
    """A seekable view of an object that holds one block of it."""

    def __init__(self, client: Any, uri: str) -> None:
        self._client = client
        self._uri = uri
        self._bucket, self._key = split_uri(uri)
        self._position = 0
        self._start = 0  # where the block begins
        self._block = b""
        self._ahead = _FIRST_BLOCK
        self._etag: str | None = None
        self._size = _FIRST_BLOCK  # until the first answer tells it
        self._fetch()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        if self._position >= self._size:
            return 0
        within = self._position - self._start
        if not 0 <= within < len(self._block):
            if within == len(self._block):
                self._ahead = min(self._ahead * 2, _MAX_BLOCK)
            else:
                self._ahead = _FIRST_BLOCK
            self._fetch()
            within = 0
        view = memoryview(buffer).cast("B")
        data = self._block[within : within + len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _fetch(self) -> None:
        """Fetch the block that begins at the position."""
        end = min(self._position + self._ahead, self._size) - 1
        guard = {} if self._etag is None else {"IfMatch": self._etag}
        with translated(self._uri):
            try:
                answer, self._block = _whole(
                    self._client,
                    Bucket=self._bucket,
                    Key=self._key,
                    Range=f"bytes={self._position}-{end}",
                    **guard,
                )
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in {"InvalidRange", "416"}:
                    raise
                # An empty object has no first byte.
                self._size = self._client.head_object(Bucket=self._bucket, Key=self._key)[
                    "ContentLength"
                ]
                if self._size:
                    raise
                return
        self._start = self._position
        self._etag = answer["ETag"]
        self._size = int(answer["ContentRange"].rpartition("/")[2])


def _whole(client: Any, limit: int | None = None, /, **call: Any) -> tuple[dict[str, Any], bytes]:
    """Get an object with its body; one that is cut off or stalls is asked for again at once.

    The call itself has been tried, with pauses, by botocore; so has the request that follows.
    No more than `limit` bytes of the body are read.
    """
    from botocore.exceptions import HTTPClientError, IncompleteReadError

    attempts = 0
    while True:
        answer = client.get_object(**call)
        attempts += 1
        more = limit is not None and answer["ContentLength"] > limit
        try:
            # Not `with body`: that hands out the raw stream, which checks no length and no
            # digest.
            with closing(answer["Body"]) as body:
                return answer, body.read(limit) if more else body.read()
        except (HTTPClientError, IncompleteReadError):
            if attempts == _ATTEMPTS:
                raise


class _Kept(io.RawIOBase):
    """A file that survives being closed, as boto3 and writers with their own idea do."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return int(self._file.write(data))

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self._file.read(size)
        return data


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turn what boto3 raises into `StorageError`."""
    # Here and not above: whoever has a client has paid for these imports, nobody else should.
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError  # no BotoCoreError, unlike all others

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code = str(said.get("Code", ""))
        reason = _REASONS.get(code) or str(said.get("Message") or code)
        if code in _MISSING:
            reason = _REASONS.get(code, "there is no such object")
            raise ObjectNotFoundError(reason, uri=uri) from error
        raise StorageError(f"{reason} [{code}]", uri=uri) from error
    except (BotoCoreError, Boto3Error, ResponseParserError) as error:
        raise StorageError(str(error), uri=uri) from error
