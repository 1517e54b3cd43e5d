"""A manifest cut into stretches of whole lines, which other processes read for themselves.

To send the bytes would cost as much as counting what is in them. What a process reads must be what
was hashed here, which a checksum tells.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from gt_workflow.core.json_lines import blocks, lines_of, whole_lines
from gt_workflow.core.split import Side
from gt_workflow.errors import DataError
from gt_workflow.ports import Storage

_BLOCKS: Final = 8  # in a stretch: a MiB, some milliseconds of work
_BOM: Final = b"\xef\xbb\xbf"


class Blocks:
    """A manifest's blocks (`core.json_lines.blocks`), read anew at each call, and their SHA-256.

    A call ends with DataError if the bytes are others than at the first one, or than `sha256` says.
    """

    def __init__(
        self, storage: Storage, uri: str, *, sha256: str = "", side: Side | None = None
    ) -> None:
        """Read nothing yet; `sha256` is that of the manifest that was planned.

        All lines are of the `side`, if there is one.
        """
        self.storage = storage
        self.uri = uri
        self._side = side
        self._planned = bool(sha256)
        self.sha256 = sha256
        self._marks = 0

    def __call__(self) -> Iterator[bytes]:
        """Yield the blocks."""
        digest = hashlib.sha256()
        beginning = b""

        with self.storage.open(self.uri) as file:

            def read(size: int) -> bytes:
                nonlocal beginning
                data = file.read(size)
                digest.update(data)
                if len(beginning) < 2 * len(_BOM):
                    beginning += data[: 2 * len(_BOM)]
                    rest = beginning.removeprefix(_BOM).removeprefix(_BOM)
                    self._marks = len(beginning) - len(rest)
                return data

            yield from blocks(read, uri=self.uri)
        found = digest.hexdigest()
        if self.sha256 not in ("", found):
            raise _changed(self.uri, "the conversion was planned" if self._planned else "")
        self.sha256 = found

    def stretches(self, head: int) -> Iterator[Stretch]:
        """Yield the blocks in stretches; the label attribute is not known in the first lines."""
        waiting: list[bytes] = []
        known = head <= 0
        start = -1
        for now, block in _halved(self(), head):
            if waiting and (now != known or len(waiting) == _BLOCKS):
                yield self._stretch(start, waiting, known=known)
                start += sum(map(len, waiting))
                waiting = []
            if start < 0:
                start = self._marks
            known = now
            waiting.append(block)
        if waiting:
            yield self._stretch(start, waiting, known=known)

    def _stretch(self, start: int, found: list[bytes], *, known: bool) -> Stretch:
        return Stretch(self.storage, self.uri, start, found, known=known, side=self._side)


def _halved(found: Iterator[bytes], head: int) -> Iterator[tuple[bool, bytes]]:
    """Tell of blocks whether they come behind the first lines; cut the one in which these end."""
    for block in found:
        at = 0
        while head > 0 and at < len(block):
            at = block.find(b"\n", at) + 1 or len(block)
            head -= 1
        if at:
            yield False, block[:at]
        if at < len(block):
            yield True, block[at:]


class Stretch:
    """Some `blocks`; `known` tells that the label attribute is known in them.

    All their lines are of the `side`, if there is one.
    """

    def __init__(
        self,
        storage: Storage,
        uri: str,
        start: int,
        found: list[bytes],
        *,
        known: bool,
        side: Side | None = None,
    ) -> None:
        """Take the blocks, of which the first begins `start` bytes into the file."""
        self._storage = storage
        self.uri = uri
        self._start = start
        self.blocks = found
        self.known = known
        self.side = side

    def lines(self) -> list[bytes]:
        """Return the blocks' lines."""
        return [line for block in self.blocks for line in lines_of(block)]

    def __reduce__(self) -> tuple[Callable[..., Stretch], tuple[object, ...]]:
        """Travel without the blocks."""
        length = sum(map(len, self.blocks))
        place = (self._storage, self.uri, self._start, length, _checksum(self.blocks))
        return _fetch, (*place, self.known, self.side)


def _fetch(  # noqa: PLR0917 - as `Stretch.__reduce__` sends them
    storage: Storage,
    uri: str,
    start: int,
    length: int,
    checksum: int,
    known: bool,
    side: Side | None,
) -> Stretch:
    """Read a stretch in another process; DataError if it is not what was read in the first."""
    left = length
    with storage.open(uri) as file:
        file.seek(start)

        def read(size: int) -> bytes:
            nonlocal left
            data = file.read(min(size, left))
            left -= len(data)
            return data

        found = list(whole_lines(read))
    if left or checksum != _checksum(found):
        raise _changed(uri, "")
    return Stretch(storage, uri, start, found, known=known, side=side)


def _checksum(blocks: list[bytes]) -> int:
    """Compute the CRC-32 of blocks, however they are cut."""
    checksum = 0
    for block in blocks:
        checksum = zlib.crc32(block, checksum)
    return checksum


def _changed(uri: str, since: str) -> DataError:
    return DataError(f"has changed since {since or 'it was first read'}", uri=uri)
