"""Class shares of a split, held within a tolerance by moving as few photographs as can be.

The hash order alone gives every side its share by chance. Where a class is further off than the
tolerance, photographs change sides, those nearest to the border between two sides first, each only
if it brings the classes nearer to their shares, until all are within. Who moves hangs on the
photographs that are there, so of those that were there before only such can change sides when
others are added: the ones corrected before or after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

from gt_workflow.core.split import share_of

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")

PHOTOGRAPHS = ""
"""Counted like a class: how many photographs there are."""

_LEAST = 1e-9  # a smaller gain is the arithmetic's


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of validation and test, train having the rest, and how far off a class may be."""

    validation: float
    test: float = 0.0
    tolerance: float = 0.05

    def of(self, part: int) -> float:
        """Return a part's share; parts are numbered as in `PARTS`."""
        return (1 - self.validation - self.test, self.validation, self.test)[part]

    def reach(self, part: int) -> tuple[float, float]:
        """Return the hashes that fall to a part; validation's are those of `split.side`."""
        held = self.validation + self.test
        return ((held, 1.0), (0.0, self.validation), (self.validation, held))[part]

    def part(self, digest: int) -> int:
        """Return the part to which a digest falls by itself."""
        drawn = share_of(digest)
        if drawn < self.validation:
            return 1
        return 2 if drawn < self.validation + self.test else 0

    def parts(self) -> tuple[int, ...]:
        """Return the parts that have a share."""
        return (0, 1, 2) if self.test else (0, 1)

    def distance(self, digest: int, part: int) -> float:
        """Tell how far a digest is from falling to a part."""
        begin, end = self.reach(part)
        drawn = share_of(digest)
        return max(begin - drawn, drawn - end, 0.0)


@dataclass(frozen=True, slots=True)
class Unit:
    """Photographs that stay together: their digest, their part, what is on them by class."""

    digest: int
    part: int
    counts: Mapping[str, int]


class Totals:
    """What each part has of each class, and how far that is from its share."""

    def __init__(self, shares: Shares) -> None:
        """Begin with nothing."""
        self._shares = shares
        self.parts: tuple[Counter[str], ...] = tuple(Counter[str]() for _ in PARTS)
        self.photographs = Counter[str]()  # that have a class

    def add(self, part: int, names: Iterable[str]) -> None:
        """Count one photograph by the classes of its objects."""
        counts = Counter(names)
        counts[PHOTOGRAPHS] = 1
        self.parts[part].update(counts)
        self.photographs.update(counts.keys())

    def of(self, name: str) -> int:
        """Count a class's objects on all parts."""
        return sum(part[name] for part in self.parts)

    def move(self, unit: Unit, part: int) -> None:
        """Take a unit from its part to another."""
        self.parts[unit.part].subtract(unit.counts)
        self.parts[part].update(unit.counts)

    def bounds(self, name: str, part: int) -> tuple[int, int]:
        """Return how few and how many objects of a class a part may have, in whole objects.

        A class that is on as many photographs as there are parts is on each of them.
        """
        total, share = self.of(name), self._shares.of(part)
        needed = int(self.photographs[name] >= len(self._shares.parts()))
        low = floor((share - self._shares.tolerance) * total)
        return max(low, needed), max(ceil((share + self._shares.tolerance) * total), needed)

    def off(self, name: str, part: int, more: int = 0) -> float:
        """Tell by what share of a class a part is out of bounds, were there so many `more`."""
        low, high = self.bounds(name, part)
        number = self.parts[part][name] + more
        return max(low - number, number - high, 0) / (self.of(name) or 1)

    def uneven(self) -> list[tuple[str, int]]:
        """Return each class and part that is out of bounds."""
        names = sorted({name for part in self.parts for name in part})
        return [(n, part) for n in names for part in self._shares.parts() if self.off(n, part)]

    def gain(self, unit: Unit, part: int) -> float:
        """Tell how much nearer to their shares the classes were if a unit went to a part."""
        return sum(
            self.off(name, unit.part)
            + self.off(name, part)
            - self.off(name, unit.part, -count)
            - self.off(name, part, count)
            for name, count in sorted(unit.counts.items())
        )


def correct(units: Sequence[Unit], totals: Totals, shares: Shares) -> dict[int, int]:
    """Return the part of each unit (by its digest) that has to change; `totals` follow.

    The order of the units does not matter. Some class may stay out of bounds: where its objects
    are on too few units.
    """
    left = {unit.digest: unit for unit in units}
    order = sorted(
        (shares.distance(unit.digest, part), unit.digest, part)
        for unit in units
        for part in shares.parts()
        if part != unit.part
    )
    moved: dict[int, int] = {}
    before = -1
    while totals.uneven() and before < len(moved):
        before = len(moved)
        for _, digest, part in order:
            unit = left.get(digest)
            if unit is None or totals.gain(unit, part) <= _LEAST:
                continue
            totals.move(unit, part)
            moved[digest] = part
            del left[digest]  # each moves once: this ends
            if not totals.uneven():
                break
    return moved
