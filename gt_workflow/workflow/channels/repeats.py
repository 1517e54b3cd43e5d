"""How many addresses came before, among millions, by keys of eight bytes in a temporary file."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Sequence
from contextlib import ExitStack

from gt_workflow.core.plain_lines import PARTS

_HELD = 1 << 20  # bytes of keys that wait to be written
_KEY = 8


class Repeats:
    """Takes keys in parts; the file is gone when the stack closes."""

    def __init__(self, stack: ExitStack) -> None:
        """Begin empty."""
        self._file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        self._waiting = [bytearray() for _ in range(PARTS)]
        self._held = 0
        self._pieces: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]  # place, length

    def add(self, parts: Sequence[bytearray]) -> None:
        """Take keys as `core.plain_lines` parts them; one part at a time is counted."""
        for waiting, keys in zip(self._waiting, parts, strict=True):
            waiting.extend(keys)
            self._held += len(keys)
        if self._held > _HELD:
            self._write()

    def _write(self) -> None:
        for waiting, pieces in zip(self._waiting, self._pieces, strict=True):
            pieces.append((self._file.tell(), len(waiting)))
            self._file.write(waiting)
            waiting.clear()
        self._held = 0

    def count(self) -> int:
        """Count the keys that came before, with all that were taken."""
        repeated = 0
        for waiting, pieces in zip(self._waiting, self._pieces, strict=True):
            keys = array("Q", bytes(waiting))
            for place, length in pieces:
                self._file.seek(place)
                keys.frombytes(self._file.read(length))
            repeated += len(keys) - len(set(keys))
        self._file.seek(0, 2)
        return repeated
