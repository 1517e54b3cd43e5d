"""Plain files as a `Storage`."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from gt_workflow.adapters.bulk import GrowingFile, read_each
from gt_workflow.adapters.files import (
    TEMPORARY,
    TemporaryFile,
    buffered,
    held,
    sweep,
    sync_folder,
    translated,
)
from gt_workflow.errors import ObjectNotFoundError, StorageError, UsageError
from gt_workflow.object_store import RefusedError
from gt_workflow.ports import Outcome, Stat

_NO_NAME = {
    errno.ENAMETOOLONG: "its name is too long for this system",
    errno.ELOOP: "it is a link that leads back to itself",
}


class LocalFiles:
    """Plain paths, absolute or from the current folder; links are followed, loops are not."""

    def __init__(self) -> None:
        """Begin; what killed processes left in a folder goes when the first file is made there."""
        self._swept = set[str]()

    def open(self, uri: str) -> BinaryIO:
        """Open a file for reading."""
        with _files(uri):
            if Path(uri).is_dir():
                raise ObjectNotFoundError("is a folder, not a file", uri=uri)
            return Path(uri).open("rb")

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        """Write a file beside its place and move it there at a clean exit."""
        with _files(uri):
            folder, name, mode, made = _target(uri)
            if folder not in self._swept:
                sweep(Path(folder))
                self._swept.add(folder)
        temporary = TemporaryFile(folder, uri, hashed=False)
        try:
            with buffered(temporary) as buffer:
                yield buffer
            with _files(uri):
                temporary.sync()
                _move(temporary.name, folder, name, mode)
        except BaseException:
            temporary.discard()
            _remove_empty(made)
            raise
        temporary.close()

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
        """Read one file after the other; nothing is waited for, as one would for a pipe."""
        return read_each(uris, limit=limit, path_of=str, open_=_open_regular)

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Hold the folder itself, made where missing; made in vain, it goes again."""
        path = Path(folder)
        with _files(folder):
            made = _missing(path)
            try:
                path.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise UsageError(f"{folder} is no folder; name another --out") from None
        with held(path, os.O_RDONLY | os.O_DIRECTORY, uri=folder):
            try:
                yield
            except BaseException:
                _remove_empty(made)
                raise

    def place(self, uri: str) -> str:
        """Follow all links."""
        with _files(uri):
            return os.path.realpath(uri)

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> GrowingFile:
        """Grow a file beside its place."""
        with _files(uri):
            folder, name, mode, _ = _target(uri)
        return GrowingFile(
            Path(folder),
            uri,
            lambda file: _move(str(file.path), folder, name, mode),
            token,
            size,
            name=name,
        )


def _target(uri: str) -> tuple[str, str, int | None, list[Path]]:
    """Return a file's folder and name, its mode if it is there, and the folders made for it.

    Raises StorageError for a folder. Thousands of files are written in a row: nothing is asked
    twice, and paths are text, since a `Path` takes as long as a file.
    """
    target, made = str(Path(uri)) if "/." in uri or "//" in uri else uri, list[Path]()
    mode = _mode(target, follow=False)
    if mode is not None and stat.S_ISLNK(mode):
        # Through a link, as any program writes: the link stays, its target changes.
        target = os.path.realpath(target)
        mode = _mode(target)
    folder, name = os.path.split(target)
    folder = folder or "."
    if name in {"", ".", ".."} or uri.endswith("/") or (mode is not None and stat.S_ISDIR(mode)):
        raise StorageError("is a folder, not a file", uri=uri)
    if mode is None and not os.path.isdir(folder):  # noqa: PTH112
        made = _missing(Path(folder))
        Path(folder).mkdir(parents=True, exist_ok=True)
    return folder, name, mode, made


def _missing(folder: Path) -> list[Path]:
    """Return a folder and those above it as far as they are not there, the deepest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # others have put something there
            folder.rmdir()


def _open_regular(uri: str) -> BinaryIO:
    """Open a regular file; `RefusedError` for what is there and none."""
    with _files(uri):
        descriptor = os.open(uri, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise ObjectNotFoundError("is a folder, not a file", uri=uri)
    raise RefusedError("InvalidURI", "it is no regular file", uri=uri)


def _mode(path: str, *, follow: bool = True) -> int | None:
    """Return a file's mode, None if there is none."""
    try:
        return os.stat(path, follow_symlinks=follow).st_mode  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None


def _move(path: str, folder: str, name: str, mode: int | None) -> None:
    """Put a finished file in its place, with the rights of the one that was there."""
    if mode is not None:
        os.chmod(path, stat.S_IMODE(mode))  # noqa: PTH101
    os.replace(path, f"{folder}/{name}")  # noqa: PTH105
    sync_folder(folder)


class _files(translated):  # noqa: N801
    """Turns what the operating system raises into `StorageError`, `RefusedError` for no name."""

    __slots__ = ()

    def __init__(self, uri: str) -> None:
        if "\0" in uri:
            raise RefusedError("InvalidURI", "its name holds a null character", uri=uri)
        super().__init__(uri)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        cause = error.__cause__ if isinstance(error, StorageError) else error
        if isinstance(cause, OSError) and (why := _NO_NAME.get(cause.errno or 0)):
            raise RefusedError("InvalidURI", why, uri=self.uri) from cause
        if isinstance(cause, FileNotFoundError | NotADirectoryError):
            raise ObjectNotFoundError("there is no such file", uri=self.uri) from cause
        super().__exit__(kind, error, trace)


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
