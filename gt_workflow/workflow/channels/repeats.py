"""How many addresses came before, among millions, by keys of eight bytes in a temporary file."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import ExitStack

from gt_workflow.core.plain_lines import PARTS
from gt_workflow.workflow.channels.report import Spool

_HELD = 1 << 18  # bytes of keys that wait to be spooled


class Repeats:
    """Takes keys in parts; they are gone when the stack closes."""

    def __init__(self, stack: ExitStack) -> None:
        """Begin empty."""
        self._spool = Spool(stack, held=0)
        self._waiting = [bytearray() for _ in range(PARTS)]
        self._held = 0
        self._pieces: list[list[int]] = [[] for _ in range(PARTS)]  # places in the spool

    def add(self, parts: Sequence[bytearray]) -> None:
        """Take keys as `core.plain_lines` parts them; one part at a time is counted."""
        for waiting, keys in zip(self._waiting, parts, strict=True):
            waiting.extend(keys)
            self._held += len(keys)
        if self._held > _HELD:
            self._write()

    def _write(self) -> None:
        for waiting, pieces in zip(self._waiting, self._pieces, strict=True):
            pieces.append(len(self._spool))
            self._spool.append(bytes(waiting))
            waiting.clear()
        self._held = 0

    def count(self) -> int:
        """Count the keys that came before, with all that were taken."""
        repeated = 0
        for waiting, pieces in zip(self._waiting, self._pieces, strict=True):
            keys = array("Q", bytes(waiting))
            for piece in pieces:
                keys.frombytes(self._spool[piece])
            repeated += len(keys) - len(set(keys))
        return repeated
