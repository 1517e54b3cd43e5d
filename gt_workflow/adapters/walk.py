"""Folders as people have them: links, loops, pipes, odd names, files that vanish or change.

    hidden files and folders, Thumbs.db      skipped, with all that is below
    pipes, sockets, devices                  skipped, never opened
    links to files                           read like files
    links to folders                         walked, unless that folder was or will be walked anyway
    links to nothing, no permission, ...     told with the reason

A folder is walked once, however many links lead to it: real folders first, then links in the
order of their names, so that what is found does not depend on the disk's own order.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gt_workflow.errors import StorageError
from gt_workflow.ports import Found

_LITTER: Final = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx", "icon\r"})
_REASONS: Final = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOENT: "it vanished while it was looked at",
    errno.ESTALE: "it vanished while it was looked at",
    errno.ELOOP: "a link that leads back to itself",
    errno.ENAMETOOLONG: "its path is too long for this system",
}

_Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LocalFolders:
    """The folders of the machine this runs on; `read_some` is how a descriptor is read."""

    read_some: Callable[[int, int], bytes] = os.read

    def walk(self, folder: str, *, exclude: Iterable[str] = ()) -> Iterator[Found]:
        """Yield every file below a folder once; `StorageError` if the folder is none."""
        try:
            if not stat.S_ISDIR(Path(folder).stat().st_mode):
                raise StorageError("it is no folder", uri=folder)
            os.scandir(folder).close()
        except OSError as error:
            missing = error.errno == errno.ENOENT
            why = "there is no such folder" if missing else _reason(error)
            raise StorageError(why, uri=folder) from error
        walk = _Walk(excluded=frozenset(_identities(exclude)))
        yield from walk.below(folder)

    def read(self, path: str, *, limit: int) -> bytes:
        """Return the first `limit` bytes of a regular file."""
        try:
            return self._read(path, limit)
        except OSError as error:
            raise StorageError(_reason(error), uri=_printable(path)) from error

    def _read(self, path: str, limit: int) -> bytes:
        # O_NONBLOCK: what was a file when it was listed may be a pipe by now, and nobody writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise StorageError("it is no regular file", uri=_printable(path))
            pieces: list[bytes] = []
            left = min(limit, before.st_size)
            while left and (piece := self.read_some(descriptor, left)):
                pieces.append(piece)
                left -= len(piece)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if left or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise StorageError("it changed while it was read", uri=_printable(path))
        return b"".join(pieces)


@dataclass(slots=True)
class _Walk:
    """One walk: the folders that need not be walked (again), and the links left for later."""

    excluded: frozenset[_Identity]
    walked: set[_Identity] = field(default_factory=set)
    links: deque[tuple[str, str]] = field(default_factory=deque)

    def below(self, folder: str) -> Iterator[Found]:
        yield from self._tree("", folder)
        while self.links:
            name, path = self.links.popleft()
            yield from self._tree(name, path)

    def _tree(self, name: str, path: str) -> Iterator[Found]:
        """Yield what is in one folder and the real folders below it."""
        waiting = [(name, path)]
        while waiting:
            name, path = waiting.pop()
            try:
                identity = _identity(path)
                if identity in self.excluded:
                    yield Found(_printable(name), path, skip="left out as asked")
                    continue
                if identity in self.walked:
                    yield Found(_printable(name), path, skip="folder already read")
                    continue
                self.walked.add(identity)
                with os.scandir(path) as scan:
                    entries = sorted(scan, key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                problem = f"the folder cannot be listed: {_reason(error)}"
                yield Found(_printable(name), path, problem=problem, is_folder=True)
                continue
            inner: list[tuple[str, str]] = []
            for entry in entries:
                below = f"{name}/{entry.name}" if name else entry.name
                found = self._entry(below, entry, inner)
                if found is not None:
                    yield found
            waiting.extend(reversed(inner))

    def _entry(
        self, name: str, entry: os.DirEntry[str], inner: list[tuple[str, str]]
    ) -> Found | None:
        """Describe a file; note a folder for later and return None."""
        shown = _printable(name)
        if entry.name.startswith(".") or entry.name.lower() in _LITTER:
            return Found(shown, entry.path, skip="hidden")
        try:
            status = entry.stat()
        except OSError as error:
            gone = error.errno == errno.ENOENT and entry.is_symlink()
            problem = "a link to nothing" if gone else _reason(error)
            return Found(shown, entry.path, problem=problem)
        if stat.S_ISDIR(status.st_mode):
            (self.links if entry.is_symlink() else inner).append((name, entry.path))
            return None
        if not stat.S_ISREG(status.st_mode):
            return Found(shown, entry.path, skip="no regular file")
        return Found(shown, entry.path, size=status.st_size, modified=status.st_mtime_ns)


def _identities(paths: Iterable[str]) -> Iterator[_Identity]:
    for path in paths:
        try:
            yield _identity(path)
        except OSError:
            continue  # what is not there need not be left out


def _identity(path: str) -> _Identity:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def _printable(path: str) -> str:
    r"""Return a path as valid Unicode; bytes that are no UTF-8 are written `\xff`."""
    return os.fsencode(path).decode(errors="backslashreplace")
