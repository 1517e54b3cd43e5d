"""Objects in a folder: `s3://bucket/key` is the file `ROOT/bucket/key`, and every file is one.

What a person drops into a bucket's folder is an object at once; what a program writes appears
whole or not at all: a temporary file on the same file system, fsync, rename, fsync of the folder.
Nothing that is written or read through a key lies outside of ROOT, and no symbolic link below
ROOT is followed. ETags are computed while the bytes pass. Of the local S3 servers that could be
had from a package index none did this: bodies were held in memory, nothing was forced to the
disk, and there was no conditional put.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from gt_workflow.adapters.files import (
    TemporaryFile,
    content_type,
    delete_below,
    is_folder,
    move_below,
    regular,
    translated,
)
from gt_workflow.adapters.folder import keys as folder_keys
from gt_workflow.adapters.folder.buckets import FolderBuckets
from gt_workflow.adapters.folder.index import Fingerprint
from gt_workflow.adapters.folder.keys import uri_of
from gt_workflow.adapters.folder.scan import Found
from gt_workflow.adapters.folder.uploads import FolderUploads
from gt_workflow.errors import StorageError
from gt_workflow.object_store import (
    DEFAULT_TYPE,
    Attributes,
    Condition,
    MissingError,
    Object,
    Page,
    RefusedError,
)

ALWAYS = Condition()

_BUFFER = 1 << 17
_LAST = b"\xff"  # sorts behind all UTF-8
_READ_BYTES = 1 << 20


class FolderObjects(FolderBuckets):
    """The object store over one folder; for many threads, and for several processes at once."""

    def __init__(self, root: Path, own: Path | None = None) -> None:
        """Open the folder, creating it and its `.gt` (or `own`, to read alone) where missing."""
        super().__init__(root, own)
        self.uploads = FolderUploads(self.own, writer=self.writer)

    def head(self, bucket: str, key: str) -> Object:
        """Describe one object; a file nobody knows yet is read once for its ETag."""
        with translated(uri_of(bucket, key)):
            found = self._find(bucket, key)
            known = self.index.find(bucket, key, found.fingerprint)
            if known is not None:
                return _object(bucket, found, *known)
        described, file = self.get(bucket, key)
        file.close()
        return described

    def get(self, bucket: str, key: str) -> tuple[Object, BinaryIO]:
        """Open one object; file and description belong together, whatever is written meanwhile."""
        file = self.open(bucket, key)
        try:
            with translated(uri_of(bucket, key)):
                fingerprint = Fingerprint.of(os.fstat(file.fileno()))
                found = Found(key, Path(), fingerprint)
                known = self.index.find(bucket, key, fingerprint)
                if known is None:
                    known = self._learn(bucket, key, file), None
                return _object(bucket, found, *known), file
        except BaseException:
            file.close()
            raise

    def open(self, bucket: str, key: str) -> BinaryIO:
        """Open one object's bytes."""
        with translated(uri_of(bucket, key)):
            for _ in range(100):
                found = self._find(bucket, key)
                try:
                    descriptor = os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                except FileNotFoundError:
                    continue  # deleted or moved since it was found
                return open(descriptor, "rb", buffering=_BUFFER)  # noqa: PTH123 - a descriptor
            raise _no_key(bucket, key)

    def exists(self, bucket: str, key: str) -> bool:
        """Tell whether the object is there."""
        try:
            self.stat(bucket, key)
        except MissingError:
            return False
        return True

    def stat(self, bucket: str, key: str) -> Found:
        """Return size and time of an object without reading it."""
        with translated(uri_of(bucket, key)):
            return self._find(bucket, key)

    def writer(self, bucket: str, key: str) -> FolderWriter:
        """Begin to write an object."""
        self.folder(bucket, key)
        folder_keys.check_key(key, uri=uri_of(bucket, key))
        return FolderWriter(self, bucket, key)

    def delete(self, bucket: str, key: str, condition: Condition = ALWAYS) -> None:
        """Delete an object; one that is not there is no error."""
        folder = self.folder(bucket, key)
        uri = uri_of(bucket, key)
        folder_keys.check_key(key, uri=uri)
        with translated(uri), self.locked(bucket, key):
            self.check(bucket, key, condition)
            odd = self.odd(bucket)
            for path, top in (
                (self._plain(folder, key), folder),
                (odd / folder_keys.escaped(key), odd),
            ):
                if path is not None and regular(path) is not None:
                    delete_below(top, path)
            self.index.forget(bucket, key)

    def page(
        self, bucket: str, *, prefix: str = "", delimiter: str = "", after: str = "", limit: int
    ) -> Page:
        """List keys that sort behind `after` (by UTF-8 bytes), grouped by `delimiter` if set."""
        taken: list[Found] = []
        prefixes: list[str] = []
        last = after
        truncated = False
        start = after.encode()
        if delimiter and _group(after, prefix, delimiter) == after:
            start += _LAST
        with translated(uri_of(bucket, prefix)):
            scan = self.scan(bucket, prefix=prefix, after=start)
            for found in scan:
                if truncated := len(taken) + len(prefixes) >= limit:
                    break
                group = _group(found.key, prefix, delimiter) if delimiter else None
                if group is None:
                    taken.append(found)
                else:
                    prefixes.append(group)
                    scan.after = group.encode() + _LAST
                last = group or found.key
            return Page(self._describe_all(bucket, taken), prefixes, truncated, last)

    # What writers and uploads need

    def check(self, bucket: str, key: str, condition: Condition) -> Found | None:
        """Return what is there now, or refuse with `PreconditionFailed`; call it locked."""
        try:
            found = self._find(bucket, key)
        except MissingError:
            if condition.if_match is not None:
                raise
            return None
        if condition.if_none_match or (
            condition.if_match not in {None, "*"}
            and condition.if_match != self._describe_found(bucket, found).etag
        ):
            raise RefusedError(
                "PreconditionFailed",
                "at least one of the preconditions did not hold",
                uri=uri_of(bucket, key),
            )
        return found

    def publish(self, temporary: Path, bucket: str, key: str) -> None:
        """Move a finished file to where its key lies; call it locked."""
        folder = self.folder(bucket)
        relative = folder_keys.plain(key)
        odd = self.odd(bucket)
        hidden = odd / folder_keys.escaped(key)
        if relative is not None and move_below(folder, temporary, folder / relative):
            if regular(hidden) is not None:
                delete_below(odd, hidden)
            return
        if not move_below(odd, temporary, hidden):
            raise StorageError("cannot be stored below .gt/odd", uri=uri_of(bucket, key))

    # Inside

    def _plain(self, folder: Path, key: str) -> Path | None:
        """Return where a key lies as it reads, if no link or file bars the way."""
        relative = folder_keys.plain(key)
        if relative is None:
            return None
        for parent in list(relative.parents)[-2::-1]:
            if not is_folder(folder / parent):
                return None
        return folder / relative

    def _find(self, bucket: str, key: str) -> Found:
        folder = self.folder(bucket, key)
        folder_keys.check_key(key, uri=uri_of(bucket, key))
        for path in (self._plain(folder, key), self.odd(bucket) / folder_keys.escaped(key)):
            if path is not None and (status := regular(path)) is not None:
                return Found(key, path, Fingerprint.of(status))
        raise _no_key(bucket, key)

    def _describe_found(self, bucket: str, found: Found) -> Object:
        known = self.index.find(bucket, found.key, found.fingerprint)
        return self.head(bucket, found.key) if known is None else _object(bucket, found, *known)

    def _describe_all(self, bucket: str, taken: Sequence[Found]) -> list[Object]:
        """Describe files; those that came by hand are read, and remembered all at once."""
        described: list[Object] = []
        learned: list[tuple[str, Fingerprint, str]] = []
        for found in taken:
            known = self.index.find(bucket, found.key, found.fingerprint)
            if known is None:
                with suppress(FileNotFoundError), found.path.open("rb") as file:
                    etag = _md5(file)
                    if Fingerprint.of(os.fstat(file.fileno())) == found.fingerprint:
                        learned.append((found.key, found.fingerprint, etag))
                    known = etag, None
            if known is not None:  # else it was deleted since it was seen
                described.append(_object(bucket, found, *known))
        self.index.learn(bucket, learned)
        return described

    def _learn(self, bucket: str, key: str, file: BinaryIO) -> str:
        """Compute the ETag of a file that came by hand, and remember it."""
        before = Fingerprint.of(os.fstat(file.fileno()))
        etag = _md5(file)
        file.seek(0)
        if Fingerprint.of(os.fstat(file.fileno())) == before:  # else it is still being written
            self.index.learn(bucket, [(key, before, etag)])
        return etag


class FolderWriter(TemporaryFile):
    """An object on its way in; only `commit` makes it visible."""

    def __init__(self, store: FolderObjects, bucket: str, key: str) -> None:
        """Open a temporary file on the store's own file system."""
        super().__init__(store.own / "tmp", uri_of(bucket, key))
        self._store = store
        self._bucket = bucket
        self._key = key

    def commit(
        self,
        attributes: Attributes | None,
        condition: Condition = ALWAYS,
        *,
        etag: str | None = None,
    ) -> Object:
        """Publish at once and durably, if the condition holds; `etag` overrides the MD5.

        `attributes` None stands for a file that nobody said anything about.
        """
        store, bucket, key = self._store, self._bucket, self._key
        etag = etag or self.etag
        with translated(self._uri):
            fingerprint = Fingerprint.of(self.sync())
            with store.locked(bucket, key):
                there = store.check(bucket, key, condition)
                store.index.put(
                    bucket,
                    key,
                    fingerprint,
                    etag=etag,
                    attributes=attributes,
                    keep=None if there is None else there.fingerprint,
                    durable=etag != self.etag or not _told_by_file(key, attributes),
                )
                store.publish(self.path, bucket, key)
        self.discard()
        return _object(bucket, Found(key, self.path, fingerprint), etag, attributes)


def _md5(file: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    while data := file.read(_READ_BYTES):
        digest.update(data)
    return digest.hexdigest()


def _object(bucket: str, found: Found, etag: str, attributes: Attributes | None) -> Object:
    if attributes is None:
        # It came without the protocol, so nobody has said its type.
        attributes = Attributes(content_type=content_type(found.key))
    return Object(
        bucket=bucket,
        key=found.key,
        size=found.fingerprint.size,
        modified=found.fingerprint.modified,
        etag=etag,
        attributes=attributes,
    )


def _told_by_file(key: str, said: Attributes | None) -> bool:
    """Tell whether the file alone says the same, so that nothing is lost with its row.

    A checksum of the whole only repeats the bytes: whoever misses it gets none.
    """
    if said is None:
        return True
    kind = content_type(key) or DEFAULT_TYPE
    return (
        (said.content_type or DEFAULT_TYPE) == kind
        and not said.headers
        and not said.metadata
        and said.checksum_type != "COMPOSITE"
    )


def _no_key(bucket: str, key: str) -> MissingError:
    return MissingError("NoSuchKey", "there is no such object", uri=uri_of(bucket, key))


def _group(key: str, prefix: str, delimiter: str) -> str | None:
    """Return the common prefix that a key falls under, if any."""
    if not key.startswith(prefix):
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]
