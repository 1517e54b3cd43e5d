"""Files that appear whole and stay: temporary, forced to the disk, renamed; errors translated.

`translated` is the one place where an operating system's error becomes a `StorageError`.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gt_workflow.errors import BusyError, StorageError

if TYPE_CHECKING:
    import mimetypes

TEMPORARY = re.compile(rb"\.gt-[0-9a-f]{24}\.(part|tmp)")
"""Names of files on their way: a `tmp` is its process's alone, a `part` may be gone on with."""

_COPY_BYTES = 1 << 20
_BUFFER = 1 << 16


def content_type(key: str) -> str | None:
    """Return the media type that a name's ending tells, as the AWS CLI does."""
    return _types().guess_type(key)[0]


@cache
def _types() -> mimetypes.MimeTypes:
    """Return the built-in table, which is the same on every machine."""
    import mimetypes

    return mimetypes.MimeTypes()


class translated:  # noqa: N801 - read as a verb, as `contextlib.suppress` is
    """A context that turns what the operating system raises into `StorageError`.

    It is entered several times for every file, where a generator would take six times as long.
    """

    __slots__ = ("uri",)

    def __init__(self, uri: str) -> None:
        """Errors name this file."""
        self.uri = uri

    def __enter__(self) -> None:
        """There is nothing to do."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise `StorageError` for an `OSError`."""
        if isinstance(error, OSError):
            raise StorageError(error.strerror or str(error), uri=self.uri) from error


class TemporaryFile:
    """A file nobody knows yet, hashed as it is written; `publish` or `discard` ends it."""

    def __init__(self, folder: Path | str, uri: str, *, hashed: bool = True) -> None:
        """Create it in a folder on the file system of its later place.

        Where nobody asks for its `etag` it need not be `hashed`: MD5 takes as long as writing.
        """
        self._uri = uri
        self._digest = hashlib.md5(usedforsecurity=False) if hashed else None
        self.size = 0
        with translated(uri):
            self.name, self.descriptor = _begun(folder)

    @property
    def path(self) -> Path:
        """Where it is until it moves to its place."""
        return Path(self.name)

    @property
    def etag(self) -> str:
        """The MD5 of what was written so far, as hexadecimal; empty if it is not hashed."""
        return self._digest.hexdigest() if self._digest else ""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Append bytes."""
        if self._digest:
            self._digest.update(data)
        self.size += len(data)
        with translated(self._uri):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        return len(data)

    def append(self, path: Path) -> None:
        """Append a file's bytes without hashing them, inside the kernel where it can."""
        with path.open("rb") as source:
            left = size = os.fstat(source.fileno()).st_size
            while left:
                copied = copy_some(source.fileno(), self.descriptor, left)
                if not copied:
                    raise StorageError("a part has shrunk", uri=self._uri)
                left -= copied
        self.size += size

    def sync(self) -> os.stat_result:
        """Force the bytes to the disk; the result is still the file's when it is renamed."""
        os.fsync(self.descriptor)
        return os.fstat(self.descriptor)

    def close(self) -> None:
        """Let go of the file, which has moved to its place; idempotent."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def discard(self) -> None:
        """Forget everything; idempotent, and nothing once the file is closed."""
        if self.descriptor >= 0:
            self.close()
            with suppress(FileNotFoundError):
                os.unlink(self.name)  # noqa: PTH108 - as below


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


def buffered(writer: TemporaryFile) -> io.BufferedWriter:
    """Return a sequential file in front of a writer."""
    return io.BufferedWriter(_Sink(writer), _BUFFER)


def _begun(folder: Path | str) -> tuple[str, int]:
    """Create a temporary file and hold it, so that nobody takes it for a dead process's.

    Thousands are made in a row, and a `Path` takes as long as the file.
    """
    while True:
        path = f"{folder}/.gt-{secrets.token_hex(12)}.tmp"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError:  # no locks on this file system: nobody can sweep there either
            return path, descriptor
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # swept in the moment before it was held


def sweep(folder: Path, *, start: str = "", end: str = ".tmp") -> None:
    """Delete the temporary files of processes that were killed: those that nobody holds."""
    with os.scandir(folder) as entries:
        found = [entry.name for entry in entries if entry.name.endswith(end)]
    for name in found:
        if name.startswith(start) and TEMPORARY.fullmatch(os.fsencode(name)):
            remove_unheld(folder / name)


def remove_unheld(path: Path) -> None:
    """Delete a temporary file unless a process holds it, or nobody can on this file system."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)


@contextmanager
def held(path: Path, flags: int, *, uri: str) -> Iterator[None]:
    """Hold a file, or a folder as it is, for one run; nothing stays behind, even of a killed one.

    Raises `BusyError` if another run holds it. Where a file system has no locks nothing is guarded.
    """
    with translated(uri):
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
    try:
        if not try_lock(descriptor) or not os.fstat(descriptor).st_nlink:
            raise BusyError(uri)  # without a link it was removed by the one that held it
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock an open file unless another process has; where there are no locks it counts as ours."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system
        return True
    return True


class FileLock:
    """An exclusive lock on a file; a second one waits, be it of a thread or of a process."""

    def __init__(self, path: Path) -> None:
        """Lock this file, which is created where missing."""
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        """Wait for the lock."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        """Release it."""
        os.close(self._descriptor)


def copy_some(source: int, target: int, count: int) -> int:
    """Copy up to `count` bytes between descriptors; return how many (0 at the end)."""
    try:
        return os.copy_file_range(source, target, count)
    except (AttributeError, OSError):  # not on this system, or not between these files
        data = os.read(source, min(count, _COPY_BYTES))
        written = os.write(target, data) if data else 0
        os.lseek(source, written - len(data), os.SEEK_CUR)
        return written


def regular(path: Path) -> os.stat_result | None:
    """Stat a regular file; None for everything else, links included."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def is_folder(path: Path) -> bool:
    """Tell whether it is a directory and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def sync_folder(path: Path | str) -> None:
    """Make what was renamed, made or deleted in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_below(top: Path, source: Path, target: Path) -> bool:
    """Rename a file to a path below `top`, durably; False if anything but folders bars the way."""
    while True:
        try:
            if not _make_folders(top, target.parent):
                return False
            source.replace(target)
        except (IsADirectoryError, NotADirectoryError):
            return False
        except FileNotFoundError:
            if not source.exists():
                raise
            continue  # a deletion pruned the folder in between
        _sync_nearest(target.parent, top)
        return True


def delete_below(top: Path, target: Path) -> None:
    """Delete a file and the folders that this leaves empty, durably; S3 has no folders."""
    target.unlink(missing_ok=True)
    folder = target.parent
    while folder != top:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass  # another deletion was faster
        except OSError:
            break  # not empty
        folder = folder.parent
    _sync_nearest(folder, top)


def _sync_nearest(folder: Path, top: Path) -> None:
    """Sync a folder, or the nearest one above it if it was pruned meanwhile."""
    while True:
        try:
            return sync_folder(folder)
        except FileNotFoundError:
            if folder == top:
                raise
            folder = folder.parent


def _make_folders(top: Path, folder: Path) -> bool:
    """Create the folders from `top` on, durably; False if something else is in the way."""
    if folder != top and not _make_folders(top, folder.parent):
        return False
    while not is_folder(folder):
        try:
            folder.mkdir(parents=folder == top)
        except FileExistsError:
            return is_folder(folder)
        except FileNotFoundError:
            return _make_folders(top, folder)
        sync_folder(folder.parent)
    return True
