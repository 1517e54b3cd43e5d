"""Walks a folder's files in the order in which S3 lists keys: by the bytes of the whole key.

A directory sorts as its name with a slash behind it, so a sorted walk needs only one directory
in memory at a time. Symbolic links, sockets and the like are no objects and are not followed.
"""

from __future__ import annotations

import heapq
import logging
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gt_workflow.adapters import folder_keys
from gt_workflow.adapters.folder_index import Fingerprint

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is an object."""

    key: str
    path: Path
    fingerprint: Fingerprint


class Scan:
    """An iterator over the keys that start with `prefix` and sort behind `after`.

    `after` may be moved on while iterating: what lies between is passed over without a look
    into it, which is how a listing with a delimiter leaves a directory it has named.
    """

    def __init__(self, plain: Path, odd: Path, *, prefix: str = "", after: bytes = b"") -> None:
        """Scan a bucket's own folder and its folder of odd keys."""
        self._prefix = prefix.encode()
        self.after = after
        self._stream = self._merged(plain, odd)

    def __iter__(self) -> Iterator[Found]:
        """Yield in order."""
        return self._stream

    def _merged(self, plain: Path, odd: Path) -> Iterator[Found]:
        streams = (self._walk(plain, b""), self._walk_odd(odd, PurePosixPath()))
        last = None
        for found in heapq.merge(*streams, key=lambda found: found.key.encode()):
            # The plain file comes first in a merge, and is what a reader gets.
            if found.key != last and found.key.encode() > self.after:
                yield found
            last = found.key

    def _walk(self, directory: Path, above: bytes) -> Iterator[Found]:
        for name, is_directory in _entries(directory):
            key = above + name
            if self._beyond(key, subtree=is_directory):
                continue
            path = directory / os.fsdecode(name.rstrip(b"/"))
            if is_directory:
                yield from self._walk(path, key)
            elif (found := _found(key, path)) is not None:
                yield found

    def _walk_odd(self, directory: Path, above: PurePosixPath) -> Iterator[Found]:
        for name, is_directory in _entries(directory, order=_odd_order):
            inner = above / os.fsdecode(name)
            path = directory / inner.name
            if is_directory:
                yield from self._walk_odd(path, inner)
                continue
            key = folder_keys.unescaped(inner)
            if key is None or self._beyond(key.encode(), subtree=False):
                continue
            if (found := _found(key.encode(), path)) is not None:
                yield found

    def _beyond(self, key: bytes, *, subtree: bool) -> bool:
        """Tell whether a key, or all keys that start with it, cannot be asked for."""
        if subtree:
            if not key.startswith(self._prefix) and not self._prefix.startswith(key):
                return True
            return key < self.after and not self.after.startswith(key)
        return key <= self.after or not key.startswith(self._prefix)


def _odd_order(name: bytes, *, is_directory: bool) -> bytes:
    # Escaped names are compared without their suffix: a shorter key comes before its extensions.
    return name if is_directory else name.removesuffix(b".o")


def _plain_order(name: bytes, *, is_directory: bool) -> bytes:
    del is_directory  # its name carries the slash
    return name


def _entries(
    directory: Path, *, order: Callable[..., bytes] = _plain_order
) -> Iterator[tuple[bytes, bool]]:
    """Yield (name, whether it is a directory) in order; in plain order `/` ends a directory."""
    slash = b"/" if order is _plain_order else b""
    names: list[tuple[bytes, bool]] = []
    try:
        with os.scandir(os.fsencode(directory)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    names.append((entry.name + slash, True))
                elif entry.is_file(follow_symlinks=False):
                    names.append((entry.name, False))
    except (FileNotFoundError, NotADirectoryError):
        return  # deleted since it was seen
    names.sort(key=lambda pair: (order(pair[0], is_directory=pair[1]), pair[1]))
    yield from names


def _found(key: bytes, path: Path) -> Found | None:
    try:
        text = key.decode()
    except UnicodeDecodeError:
        _log.warning("%r is left out: its name is no UTF-8, so no S3 key can hold it", key)
        return None
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Found(key=text, path=path, fingerprint=Fingerprint.of(status))
