"""Which file holds which key: the plain one a person would expect, or an escaped one.

`s3://bucket/a/b.jpg` is `ROOT/bucket/a/b.jpg`. A key that no such file can hold (`a//b`, `.`,
`../x`, `a/`, a component over 255 bytes, a NUL) lies below `ROOT/.gt/odd/bucket/`, named by the
hexadecimal of its UTF-8 bytes: reversible, in the same order, and blind to every special name.
The same place takes a key whose plain path is barred, as `a/b` is by a file `a`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from gt_workflow.errors import StorageError
from gt_workflow.object_store import MAX_KEY_BYTES, RefusedError

_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_COMPONENT_BYTES = 255
_CHUNK = 200
_SUFFIX = ".o"


def split_uri(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into bucket and key; the key may be empty."""
    if not uri.startswith("s3://"):
        raise StorageError("is no s3:// address", uri=uri)
    bucket, _, key = uri[5:].partition("/")
    check_bucket(bucket, uri=uri)
    return bucket, key


def uri_of(bucket: str, key: str) -> str:
    """Return the `s3://` form."""
    return f"s3://{bucket}/{key}"


def is_bucket(name: str) -> bool:
    """Tell whether S3 would accept this bucket name."""
    return _BUCKET.fullmatch(name) is not None


def check_bucket(name: str, *, uri: str) -> None:
    """Refuse a name that S3 would not accept for a bucket."""
    if not is_bucket(name):
        raise RefusedError("InvalidBucketName", "the bucket name is not valid", uri=uri)


def check_key(key: str, *, uri: str) -> None:
    """Refuse an empty key, one over 1,024 bytes, and one that is no UTF-8."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise RefusedError("InvalidURI", "the key is no valid UTF-8", uri=ascii(uri)) from None
    if not length:
        raise RefusedError("InvalidRequest", "the key is empty", uri=uri)
    if length > MAX_KEY_BYTES:
        raise RefusedError("KeyTooLongError", "the key is longer than 1,024 bytes", uri=uri)


def plain(key: str) -> PurePosixPath | None:
    """Return where in the bucket's folder a key lies as it reads, or None if it cannot."""
    if "\0" in key:
        return None
    for component in key.split("/"):
        if component in {"", ".", ".."} or len(component.encode()) > _COMPONENT_BYTES:
            return None
    return PurePosixPath(key)


def escaped(key: str) -> PurePosixPath:
    """Return where below the bucket's folder of odd keys a key lies; for every key."""
    digits = key.encode().hex()
    chunks = [digits[start : start + _CHUNK] for start in range(0, len(digits), _CHUNK)]
    return PurePosixPath(*chunks[:-1], chunks[-1] + _SUFFIX)


def unescaped(path: PurePosixPath) -> str | None:
    """Undo `escaped`; None for a file that it did not name."""
    if path.suffix != _SUFFIX:
        return None
    try:
        key = bytes.fromhex("".join(path.with_suffix("").parts)).decode()
    except ValueError:
        return None
    return key if escaped(key) == path else None
