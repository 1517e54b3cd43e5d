"""The storages: plain files, a folder that holds `s3://` objects, S3 itself, and their router."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain, groupby
from pathlib import Path
from typing import BinaryIO

from gt_workflow.adapters.bulk import GrowingFile, read_each
from gt_workflow.adapters.files import TEMPORARY, TemporaryFile, sync_folder, translated
from gt_workflow.adapters.folder.keys import split_uri, uri_of
from gt_workflow.adapters.folder.objects import FolderObjects
from gt_workflow.adapters.s3_storage import S3Storage
from gt_workflow.errors import ObjectNotFoundError, StorageError
from gt_workflow.object_store import RefusedError
from gt_workflow.ports import Growing, Outcome, Stat, Storage

__all__ = ["FolderStorage", "LocalFiles", "Router", "S3Storage"]

_BUFFER = 1 << 16


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
            with io.BufferedWriter(_Sink(writer), _BUFFER) as buffer:
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

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> GrowingFile:
        """Grow a file below `.gt/tmp`; its ETag is computed when somebody asks for it."""
        bucket, key = split_uri(uri)
        self.objects.ensure_bucket(bucket)
        self.objects.writer(bucket, key).discard()  # refuses a key that could not be written

        def publish(file: GrowingFile) -> None:
            with self.objects.locked(bucket, key):
                self.objects.index.forget(bucket, key)
                self.objects.publish(file.path, bucket, key)

        return GrowingFile(self.objects.own / "tmp", uri, publish, token, size)


class LocalFiles:
    """Plain paths, absolute or from the current folder; links are followed, loops are not."""

    def open(self, uri: str) -> BinaryIO:
        """Open a file for reading."""
        with _files(uri):
            if Path(uri).is_dir():
                raise ObjectNotFoundError("is a folder, not a file", uri=uri)
            return Path(uri).open("rb")

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        """Write a file beside its place and move it there at a clean exit."""
        target = _target(uri)
        temporary = TemporaryFile(target.parent, uri, hashed=False)
        try:
            with io.BufferedWriter(_Sink(temporary), _BUFFER) as buffer:
                yield buffer
            with _files(uri):
                temporary.sync()
                _move(temporary.path, target)
        finally:
            temporary.discard()

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield files whose path starts with `prefix`, sorted by the path's bytes."""
        head, slash, name = prefix.rpartition("/")
        with _files(prefix):
            yield from _walk(head + slash, name.encode(), ())

    def exists(self, uri: str) -> bool:
        """Tell whether the file is there."""
        with _files(uri):
            return Path(uri).is_file()

    def stat(self, uri: str) -> Stat:
        """Describe one file."""
        with _files(uri):
            status = Path(uri).stat()
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNotFoundError("is no file", uri=uri)
        return Stat(uri, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def delete(self, uri: str) -> None:
        """Delete one file; its folders stay."""
        with _files(uri):
            Path(uri).unlink(missing_ok=True)

    def read_all(self, uris: Iterable[str], *, limit: int) -> Iterator[Outcome[str, bytes]]:
        """Read one file after the other."""
        return read_each(uris, limit=limit, path_of=str, open_=self.open)

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> GrowingFile:
        """Grow a file beside its place."""
        target = _target(uri)
        return GrowingFile(target.parent, uri, lambda file: _move(file.path, target), token, size)


class Router:
    """Sends `s3://` addresses to one storage and plain paths to another."""

    def __init__(self, *, s3: Storage, local: Storage) -> None:
        """Take the two."""
        self._s3 = s3
        self._local = local

    def _of(self, uri: str) -> Storage:
        scheme = _scheme(uri)
        if not scheme:
            return self._local
        if scheme != "s3":
            raise RefusedError("InvalidURI", "is neither an s3:// address nor a path", uri=uri)
        return self._s3

    def open(self, uri: str) -> BinaryIO:
        """Open an object for reading."""
        return self._of(uri).open(uri)

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        """Write an object."""
        with self._of(uri).create(uri) as file:
            yield file

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield matching objects."""
        return self._of(prefix).list(prefix)

    def exists(self, uri: str) -> bool:
        """Tell whether the object is there."""
        return self._of(uri).exists(uri)

    def stat(self, uri: str) -> Stat:
        """Describe one object."""
        return self._of(uri).stat(uri)

    def delete(self, uri: str) -> None:
        """Delete one object."""
        self._of(uri).delete(uri)

    def read_all(self, uris: Iterable[str], *, limit: int) -> Iterator[Outcome[str, bytes]]:
        """Read runs of addresses of one kind together."""
        for _, run in groupby(uris, _scheme):
            first = next(run)
            try:
                storage = self._of(first)
            except RefusedError as error:
                for uri in (first, *run):
                    yield Outcome(item=uri, error=RefusedError(error.code, error.reason, uri=uri))
                continue
            yield from storage.read_all(chain((first,), run), limit=limit)

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> Growing:
        """Begin an object, or go on with it."""
        return self._of(uri).grow(uri, token=token, size=size)


def _scheme(uri: str) -> str:
    scheme, colon, _ = uri.partition("://")
    return scheme if colon else ""


class _Sink(io.RawIOBase):
    """Makes a writer a raw file, so that C code buffers small writes before they are hashed."""

    def __init__(self, writer: TemporaryFile) -> None:
        self._writer = writer

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        return self._writer.write(memoryview(data))  # type: ignore[arg-type]  # a bytes-like object

    def tell(self) -> int:
        return self._writer.size


def _target(uri: str) -> Path:
    """Return the file that a path means, its folder made; StorageError for a folder."""
    target = Path(uri)
    with _files(uri):
        if not target.name or uri.endswith("/") or target.is_dir():
            raise StorageError("is a folder, not a file", uri=uri)
        if target.is_symlink():
            # Through a link, as any program writes: the link stays, its target changes.
            target = target.resolve()
        # Most folders are there; asking costs less than making what cannot be made.
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _move(path: Path, target: Path) -> None:
    """Put a finished file in its place, with the rights of the one that was there."""
    with suppress(FileNotFoundError):
        path.chmod(stat.S_IMODE(target.stat().st_mode))
    path.replace(target)
    sync_folder(target.parent)


@contextmanager
def _files(uri: str) -> Iterator[None]:
    """Turn what the operating system raises into `StorageError`."""
    try:
        with translated(uri):
            yield
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise ObjectNotFoundError("there is no such file", uri=uri) from error.__cause__
        raise


def _walk(folder: str, start: bytes, above: tuple[tuple[int, int], ...]) -> Iterator[Stat]:
    """Yield the files below `folder` (a path as given, with its slash) in order."""
    try:
        status = Path(folder or ".").stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(status.st_mode):
        return
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return  # a link that leads back up
    for name in _names(folder):
        path = folder + os.fsdecode(name)
        if name.endswith(b"/"):
            if name.startswith(start) or start.startswith(name):
                yield from _walk(path, b"", (*above, identity))
        elif name.startswith(start):
            status = Path(path).stat()
            yield Stat(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _names(folder: str) -> list[bytes]:
    """Return what is in a folder in the order of whole paths; `/` ends a folder's name."""
    names: list[bytes] = []
    with os.scandir(os.fsencode(folder) or b".") as entries:
        for entry in entries:
            if entry.is_dir():
                names.append(entry.name + b"/")
            elif entry.is_file() and not TEMPORARY.fullmatch(entry.name):
                names.append(entry.name)
    return sorted(names)
