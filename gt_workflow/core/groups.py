"""Which of the boxes that several workers drew of one class are of one object.

Pairs of boxes are joined from the most similar downwards, and pairs that share a box grow together,
as long as no worker is in a group twice.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Final, TypeAlias

from gt_workflow.core.boxes import Box, iou
from gt_workflow.core.overlaps import MANY, overlaps, sides

if TYPE_CHECKING:
    from gt_workflow.core.overlaps import Floats

_CANDIDATES: Final = 3  # boxes of one worker that are tried for one box of another
_SLAB: Final = 64  # boxes that are compared with another worker's at once

_Pair: TypeAlias = tuple[float, int, int]  # minus the overlap, and the two places, the lower first


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box, and who drew it."""

    worker: str
    box: Box


def groups(boxes: Iterable[Drawn], *, threshold: float) -> list[list[Box]]:
    """Return groups of boxes, at most one of each worker; the order of `boxes` does not matter.

    Two boxes can be of one object from an intersection over union of `threshold` on, above 0.
    """
    drawn = sorted(boxes, key=_order)
    find = _pairs if len(drawn) * len(drawn) < 2 * MANY else _pairs_of_many
    bits = {worker: 1 << at for at, worker in enumerate({one.worker for one in drawn})}
    workers_in = [bits[one.worker] for one in drawn]
    members = [[i] for i in range(len(drawn))]
    group_of = list(range(len(drawn)))
    for _, i, j in sorted(find(drawn, threshold)):
        ours, theirs = group_of[i], group_of[j]
        # A group shares a worker with itself.
        if not workers_in[ours] & workers_in[theirs]:
            workers_in[ours] |= workers_in[theirs]
            for k in members[theirs]:
                group_of[k] = ours
            members[ours] += members[theirs]
            members[theirs] = []
    return [[drawn[k].box for k in group] for group in sorted(map(sorted, members)) if group]


def _order(drawn: Drawn) -> tuple[float, float, float, float, str]:
    box = drawn.box
    return (box.left, box.top, box.width, box.height, drawn.worker)


def _pairs(drawn: Sequence[Drawn], threshold: float) -> Iterator[_Pair]:
    """Yield the pairs that could be of one group.

    A box matches one of each worker's: boxes heaped on one place, by mistake or malice, must not
    make a pair of any two. So of each other worker's, among those that stand behind a box in the
    order of `drawn`, only the best few are tried for it.
    """
    for i, one in enumerate(drawn):
        rivals: dict[str, list[_Pair]] = {}
        furthest = _furthest(one.box, threshold)
        for j in range(i + 1, len(drawn)):
            other = drawn[j]
            if other.box.left > furthest:
                break
            if other.worker != one.worker:
                overlap = iou(one.box, other.box)
                if overlap >= threshold:
                    rivals.setdefault(other.worker, []).append((-overlap, i, j))
        for candidates in rivals.values():
            yield from heapq.nsmallest(_CANDIDATES, candidates)


def _furthest(box: Box, threshold: float) -> float:
    """Return how far to the right a match may begin: it shares so much of the box's width."""
    return box.left + box.width * (1 - threshold) + 1e-6 * (1 + box.width)  # and for rounding


def _pairs_of_many(drawn: Sequence[Drawn], threshold: float) -> Iterator[_Pair]:
    """Yield what `_pairs` does, for thousands of boxes on one heap in a second instead of many."""
    places: dict[str, list[int]] = {}
    for i, one in enumerate(drawn):
        places.setdefault(one.worker, []).append(i)
    known = {worker: sides(drawn[i].box for i in found) for worker, found in places.items()}
    for mine, other in permutations(places, 2):
        theirs = places[other]
        for start in range(0, len(places[mine]), _SLAB):
            ours = places[mine][start : start + _SLAB]
            reach = max(_furthest(drawn[i].box, threshold) for i in ours)
            near = slice(
                bisect_right(theirs, ours[0]),
                bisect_right(theirs, reach, key=lambda j: drawn[j].box.left),
            )
            found = overlaps(known[mine][:, start : start + _SLAB], known[other][:, near])
            for overlap, row, column in _best(found, ours, theirs[near], threshold):
                yield -overlap, ours[row], theirs[near][column]


def _best(
    found: Floats, ours: Sequence[int], theirs: Sequence[int], threshold: float
) -> Iterator[tuple[float, int, int]]:
    """Yield the best few of each row, with row and column, whose place is behind the row's."""
    import numpy as np

    found[np.asarray(ours)[:, None] > np.asarray(theirs)] = 0.0
    rows = np.arange(len(ours))
    for _ in range(min(_CANDIDATES, len(theirs))):
        best = found.argmax(axis=1)  # of equal ones the first, as in the order of `drawn`
        values = found[rows, best]
        good = (values >= threshold).nonzero()[0]
        yield from zip(values[good].tolist(), good.tolist(), best[good].tolist(), strict=True)
        found[rows, best] = 0.0
