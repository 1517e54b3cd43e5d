"""Files by the thousand and files that grow over several runs, with as few system calls as can be.

A growing file lies under a temporary name, so that no listing shows it. What is in the page cache
outlives the process, not the machine: a token holds good for one boot, whose id it carries.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

from gt_workflow.adapters.files import TEMPORARY, remove_unheld, sweep, translated, try_lock
from gt_workflow.errors import StorageError
from gt_workflow.ports import Outcome

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_LARGE = 16 << 20
_NAMED = 12  # hex digits of a temporary name that tell what grows there
_SYNC_FILE_RANGE_WRITE: Final = 2  # linux/fs.h
_TOGETHER = 512  # buffers in one call; Linux takes 1,024


def read_each(
    uris: Iterable[str],
    *,
    limit: int,
    path_of: Callable[[str], str],
    open_: Callable[[str], BinaryIO],
) -> Iterator[Outcome[str, bytes]]:
    """Read at most `limit` bytes of each; `open_` reads, or explains, what is no plain file."""
    _reuse_memory()
    for uri in uris:
        try:
            yield Outcome(item=uri, value=_read(path_of(uri), limit))
            continue
        except (OSError, ValueError, StorageError):
            pass  # told below, in the storage's own words
        try:
            with open_(uri) as file, translated(uri):
                data = file.read(limit)
        except StorageError as error:
            yield Outcome(item=uri, error=error)
        else:
            yield Outcome(item=uri, value=data)


@cache
def _reuse_memory() -> None:
    """Have the memory of files that were read go to the next ones instead of to the system.

    glibc returns it at every 128 KiB by default, and each page of it is then made and cleared
    anew: half of all that packing costs. Whoever frees a large block is taken to want more like
    it; no page of this one is ever touched. Other libraries take no notice.
    """
    bytes(_LARGE)


def _read(path: str, limit: int) -> bytes:
    # No waiting for a writer of a pipe; no link, since a storage may not follow one.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError
        size = min(status.st_size, limit)
        data = os.read(descriptor, size)
        if len(data) != size or not size:
            raise OSError
        return data
    finally:
        os.close(descriptor)


class GrowingFile:
    """A file that is written in one or several runs, then published; see `ports.Growing`."""

    step = 256 << 20

    def __init__(
        self,
        folder: Path,
        uri: str,
        publish: Callable[[GrowingFile], None],
        token: str,
        size: int,
        *,
        name: str,
    ) -> None:
        """Go on with the file that a token names if its first `size` bytes stand, or begin one.

        `publish` moves `path`, whose `descriptor` is open, to its place. By `name`, which is what
        will grow there and nothing else in this folder, other beginnings of it are known: those of
        processes that were killed before they noted a token are deleted.
        """
        self.uri = uri
        self.size = 0
        self._hastened = 0
        self._publish = publish
        self.descriptor = -1
        known, _, boot = token.partition(" ")
        start = ".gt-" + hashlib.sha256(os.fsencode(name)).hexdigest()[:_NAMED]
        with translated(uri):
            if TEMPORARY.fullmatch(known.encode()) is not None:
                self.path = folder / known
                if boot and boot == _boot():
                    self._resume(size)
                if self.descriptor < 0:
                    remove_unheld(self.path)
            if self.descriptor < 0:
                self.path = folder / f"{start}{secrets.token_hex(12 - _NAMED // 2)}.part"
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self.descriptor = os.open(self.path, flags, 0o666)
                try_lock(self.descriptor)
            sweep(folder, start=start, end=".part")  # this one is held

    def _resume(self, size: int) -> None:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        if not try_lock(descriptor) or os.fstat(descriptor).st_size < size:
            os.close(descriptor)
            return
        os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)
        self.descriptor, self.size = descriptor, size

    @property
    def token(self) -> str:
        """The file's name and the boot that it is good for."""
        return f"{self.path.name} {_boot()}"

    @property
    def kept(self) -> int:
        """The kernel has all of them."""
        return self.size

    def append(self, buffers: Sequence[bytes]) -> None:
        """Append bytes, gathered by the kernel."""
        with translated(self.uri):
            for start in range(0, len(buffers), _TOGETHER):
                some = buffers[start : start + _TOGETHER]
                size = sum(map(len, some))
                written = os.writev(self.descriptor, some)
                if written < size:  # more than 2 GiB, or a disk that is nearly full
                    rest = memoryview(b"".join(some))[written:]
                    while rest:
                        rest = rest[os.write(self.descriptor, rest) :]
                self.size += size

    def hasten(self) -> None:
        """Have the system begin to write what it was not yet told to; else it waits for `publish`.

        No more than a hint, which Linux alone takes; `publish` tells what goes wrong.
        """
        _begin_writing()(self.descriptor, self._hastened, self.size - self._hastened)
        self._hastened = self.size

    def seal(self) -> None:
        """Nothing waits."""

    def publish(self) -> None:
        """Force it to the disk and move it to its place."""
        with translated(self.uri):
            os.fsync(self.descriptor)
            self._publish(self)
        self.close()

    def discard(self) -> None:
        """Delete it."""
        self.close()
        with translated(self.uri):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave it; idempotent."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@cache
def _begin_writing() -> Callable[[int, int, int], object]:
    """Return what begins to write a stretch of a file to the disk and does not wait (Linux)."""
    try:
        import ctypes

        call = ctypes.CDLL(None).sync_file_range
    except (ImportError, OSError, AttributeError, TypeError):
        return lambda _descriptor, _start, _size: None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda descriptor, start, size: call(descriptor, start, size, _SYNC_FILE_RANGE_WRITE)


def _boot() -> str:
    """Name this boot of the machine; "" where the system does not tell."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
