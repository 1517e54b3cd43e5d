"""What a long run over a manifest has done so far, beside the output that it will become.

A part holds `PART` lines behind one of counts, the last part fewer; each appears whole. Parts bear
the digest of what decides about their content, so that another run's are never taken for ours.
"""

from __future__ import annotations

import msgspec

from gt_workflow.ports import Storage

PART = 200
"""Lines that are kept together; so many at most are worked on again after an interruption."""


class Counts(msgspec.Struct, kw_only=True):
    """What became of lines: answered (with how many boxes in all), or without an answer."""

    answered: int = 0
    missing: int = 0
    boxes: int = 0

    def add(self, other: Counts) -> None:
        """Add up."""
        self.answered += other.answered
        self.missing += other.missing
        self.boxes += other.boxes


class Parts:
    """The parts of one output."""

    def __init__(self, out: str, digest: str, storage: Storage) -> None:
        """Name them after the output and what decides about it."""
        self._out = out
        self._base = f"{out}.part-{digest[:16]}-"
        self._storage = storage

    def _uri(self, number: int) -> str:
        return f"{self._base}{number:06}"

    def count(self) -> int:
        """Tell how many stand, from the first one on without a gap."""
        number = 0
        while self._storage.exists(self._uri(number)):
            number += 1
        return number

    def write(self, number: int, lines: list[tuple[bytes, Counts]]) -> None:
        """Keep the part of this number, from 0."""
        counts = Counts()
        for _, one in lines:
            counts.add(one)
        with self._storage.create(self._uri(number)) as file:
            file.write(msgspec.json.encode(counts) + b"\n")
            file.writelines(line + b"\n" for line, _ in lines)

    def join(self) -> Counts:
        """Write the output from all parts and add their counts up."""
        total = Counts()
        with self._storage.create(self._out) as out:
            for number in range(self.count()):
                with self._storage.open(self._uri(number)) as part:
                    head, _, lines = part.read().partition(b"\n")
                total.add(msgspec.json.decode(head, type=Counts))
                out.write(lines)
        return total

    def clear(self) -> None:
        """Delete them, and those that runs with other settings left behind."""
        for found in list(self._storage.list(f"{self._out}.part-")):
            self._storage.delete(found.uri)
