"""A folder whose buckets are folders and whose objects are files, as a `Storage`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gt_workflow.adapters.bulk import GrowingFile, read_each
from gt_workflow.adapters.files import buffered, held, translated
from gt_workflow.adapters.folder.keys import split_uri, uri_of
from gt_workflow.adapters.folder.objects import FolderObjects
from gt_workflow.errors import ObjectNotFoundError
from gt_workflow.ports import Outcome, Stat


class FolderStorage:
    """`s3://bucket/key` is `ROOT/bucket/key`; a bucket that is written to is made.

    It can be sent to another process: it is opened anew there.
    """

    def __init__(self, root: Path, own: Path | None = None) -> None:
        """Open the folder; see `FolderObjects`."""
        self.objects = FolderObjects(root, own)

    def __reduce__(self) -> tuple[type[FolderStorage], tuple[Path, Path]]:
        """Open the same folder where it is unpickled."""
        return type(self), (self.objects.root, self.objects.own)

    def open(self, uri: str) -> BinaryIO:
        """Open an object for reading."""
        return self.objects.open(*split_uri(uri))

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        """Write an object; sequential, it cannot seek."""
        bucket, key = split_uri(uri)
        self.objects.ensure_bucket(bucket)
        writer = self.objects.writer(bucket, key)
        try:
            with buffered(writer) as buffer:
                yield buffer
            writer.commit(None)
        finally:
            writer.discard()

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield matching objects, sorted by UTF-8 bytes."""
        bucket, start = split_uri(prefix)
        with translated(prefix):
            for found in self.objects.scan(bucket, prefix=start):
                yield Stat(
                    uri_of(bucket, found.key), found.fingerprint.size, found.fingerprint.modified
                )

    def exists(self, uri: str) -> bool:
        """Tell whether the object is there."""
        try:
            self.stat(uri)
        except ObjectNotFoundError:
            return False
        return True

    def stat(self, uri: str) -> Stat:
        """Describe one object."""
        found = self.objects.stat(*split_uri(uri))
        return Stat(uri, found.fingerprint.size, found.fingerprint.modified)

    def delete(self, uri: str) -> None:
        """Delete one object."""
        bucket, key = split_uri(uri)
        self.objects.delete(bucket, key)

    def read_all(self, uris: Iterable[str], *, limit: int) -> Iterator[Outcome[str, bytes]]:
        """Read one object after the other; a folder is looked into once."""
        folders: dict[str, str] = {}

        def path_of(uri: str) -> str:
            prefix, _, name = uri.rpartition("/")
            if (folder := folders.get(prefix)) is None:
                found = self.objects.stat(*split_uri(uri)).path
                folder = folders[prefix] = str(found.parent) if found.name == name else ""
            if not folder:
                raise ValueError  # a key that no plain file can have
            return f"{folder}/{name}"

        return read_each(uris, limit=limit, path_of=path_of, open_=self.open)

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Hold a file of the prefix's own below `.gt/locks`."""
        name = "run-" + hashlib.sha256(folder.rstrip("/").encode()).hexdigest()[:24]
        with held(self.objects.own / "locks" / name, os.O_RDWR | os.O_CREAT, uri=folder):
            yield

    def place(self, uri: str) -> str:
        """Name the file; no link below ROOT is followed."""
        return str(self.objects.root / uri.removeprefix("s3://"))

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> GrowingFile:
        """Grow a file below `.gt/tmp`; its ETag is computed when somebody asks for it."""
        bucket, key = split_uri(uri)
        self.objects.ensure_bucket(bucket)
        self.objects.writer(bucket, key).discard()  # refuses a key that could not be written

        def publish(file: GrowingFile) -> None:
            with self.objects.locked(bucket, key):
                self.objects.index.forget(bucket, key)
                self.objects.publish(file.path, bucket, key)

        return GrowingFile(self.objects.own / "tmp", uri, publish, token, size, name=uri)
