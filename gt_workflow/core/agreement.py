"""How well a worker's boxes agree with the label that came of all answers.

A box agrees with the box of the same class that it overlaps most, from an IoU of a half upwards,
the usual measure for detectors; each box is matched once, best pairs first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, TypeAlias

from gt_workflow.core.boxes import Box, iou
from gt_workflow.core.overlaps import MANY, overlaps, sides

SAME_OBJECT: Final = 0.5

Named: TypeAlias = tuple[str, Box]  # a class's name, and where


def matches(drawn: Sequence[Named], label: Sequence[Named]) -> list[float]:
    """Return the IoU of every matched pair, best first; neither list's order matters."""
    return [overlap for overlap, _, _ in pairs(drawn, label)]


def pairs(drawn: Sequence[Named], label: Sequence[Named]) -> list[tuple[float, int, int]]:
    """Return every matched pair, best first: its IoU, and where the two stand in their lists."""
    find = _pairs if len(drawn) * len(label) < MANY else _pairs_of_many
    return list(find(drawn, label))


def _pairs(drawn: Sequence[Named], label: Sequence[Named]) -> Iterator[tuple[float, int, int]]:
    candidates = sorted(
        (
            (overlap, one, other)
            for one, (name, box) in enumerate(drawn)
            for other, (wanted, truth) in enumerate(label)
            if name == wanted and (overlap := iou(box, truth)) >= SAME_OBJECT
        ),
        key=lambda pair: (-pair[0], *_order(drawn, pair[1]), pair[2]),
    )
    free_drawn, free_label = set(range(len(drawn))), set(range(len(label)))
    for overlap, one, other in candidates:
        if one in free_drawn and other in free_label:
            free_drawn.remove(one)
            free_label.remove(other)
            yield overlap, one, other


def _order(drawn: Sequence[Named], at: int) -> tuple[float, float, int]:
    """Say which of two drawn boxes comes first, if both overlap a box of the label alike."""
    box = drawn[at][1]
    return box.left, box.top, at


def _pairs_of_many(
    drawn: Sequence[Named], label: Sequence[Named]
) -> Iterator[tuple[float, int, int]]:
    """Yield what `_pairs` does, in a fraction of the time where boxes lie on one heap."""
    import numpy as np

    rows = sorted(range(len(drawn)), key=partial(_order, drawn))
    found = overlaps(sides(drawn[at][1] for at in rows), sides(box for _, box in label))
    classes = {name: number for number, (name, _) in enumerate((*drawn, *label))}
    ours = np.array([classes[drawn[at][0]] for at in rows])
    found[ours[:, None] != np.array([classes[name] for name, _ in label])] = 0.0
    while True:
        # Of equal ones the first, row by row: the very order of `_pairs`.
        row, column = divmod(int(found.argmax()), len(label))
        overlap = float(found[row, column])
        if overlap < SAME_OBJECT:
            return
        yield overlap, rows[row], column
        found[row, :] = found[:, column] = 0.0
