"""Walks a folder's files in the order in which S3 lists keys: by the bytes of the whole key.

A directory sorts as its name with a slash behind it, so a sorted walk needs only one directory
in memory at a time. Symbolic links, sockets and the like are no objects and are not followed.
Large directories that rest are remembered sorted, since a listing comes back for every page.
"""

from __future__ import annotations

import heapq
import logging
import os
import threading
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from gt_workflow.adapters.files import regular
from gt_workflow.adapters.folder import keys as folder_keys
from gt_workflow.adapters.folder.index import Fingerprint

_log = logging.getLogger(__name__)

_WORTH_NAMES = 256
_MAX_NAMES = 2_000_000
_REST_NS = 1_000_000_000

Names = Callable[[Path], list[bytes]]


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is an object."""

    key: str
    path: Path
    fingerprint: Fingerprint


class Listings:
    """The sorted names in directories; those of large ones are kept while these do not change."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[tuple[int, int], list[bytes]]] = OrderedDict()

    def __call__(self, directory: Path) -> list[bytes]:
        """Return the names, sorted; `/` ends that of a directory. The list is not to be changed."""
        try:
            status = directory.stat()
            state = (status.st_ino, status.st_mtime_ns)
            with self._lock:
                kept = self._kept.get(directory)
                if kept is not None and kept[0] == state:
                    self._kept.move_to_end(directory)
                    return kept[1]
            names = _names(directory)
        except (FileNotFoundError, NotADirectoryError):
            return []  # deleted since it was seen
        # Two changes in one tick of the file system's clock look the same: what has only just
        # changed may have changed since it was read.
        rests = time.time_ns() - status.st_mtime_ns > _REST_NS
        if len(names) >= _WORTH_NAMES and rests:
            with self._lock:
                self._kept[directory] = (state, names)
                while sum(len(kept[1]) for kept in self._kept.values()) > _MAX_NAMES:
                    self._kept.popitem(last=False)
        return names


class Scan:
    """An iterator over the keys that start with `prefix` and sort behind `after`.

    `after` may be moved on while iterating: what lies between is passed over without a look
    into it, which is how a listing with a delimiter leaves a directory it has named.
    """

    def __init__(
        self, plain: Path, odd: Path, *, names: Names, prefix: str = "", after: bytes = b""
    ) -> None:
        """Scan a bucket's own folder and its folder of odd keys."""
        self._names = names
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
        names = self._names(directory)
        for name in islice(names, self._first(names, above), None):
            key = above + name
            if key > self._prefix and not key.startswith(self._prefix):
                return  # and so are all that follow
            is_directory = name.endswith(b"/")
            if self._beyond(key, subtree=is_directory):
                continue
            path = directory / os.fsdecode(name.rstrip(b"/"))
            if is_directory:
                yield from self._walk(path, key)
            elif (found := _found(key, path)) is not None:
                yield found

    def _first(self, names: list[bytes], above: bytes) -> int:
        """Return where in a directory the first name may be that is asked for."""
        start = 0
        for bound in (self._prefix, self.after):
            if bound.startswith(above):
                component = bound[len(above) :].partition(b"/")[0]
                start = max(start, bisect_left(names, component))
        return start

    def _walk_odd(self, directory: Path, above: PurePosixPath) -> Iterator[Found]:
        for name in sorted(self._names(directory), key=_odd_order):
            inner = above / os.fsdecode(name.rstrip(b"/"))
            path = directory / inner.name
            if name.endswith(b"/"):
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


def _odd_order(name: bytes) -> bytes:
    # Without suffix and slash: a key comes before the longer ones that start with it.
    return name.removesuffix(b".o").rstrip(b"/")


def _names(directory: Path) -> list[bytes]:
    names: list[bytes] = []
    with os.scandir(os.fsencode(directory)) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                names.append(entry.name + b"/")
            elif entry.is_file(follow_symlinks=False):
                names.append(entry.name)
    names.sort()
    return names


def _found(key: bytes, path: Path) -> Found | None:
    try:
        text = key.decode()
    except UnicodeDecodeError:
        _log.warning("%r is left out: its name is no UTF-8, so no S3 key can hold it", key)
        return None
    status = regular(path)
    return None if status is None else Found(text, path, Fingerprint.of(status))
