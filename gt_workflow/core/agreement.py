"""How well a worker's boxes agree with the label that came of all answers.

A box agrees with the box of the same class that it overlaps most, from an IoU of a half upwards,
the usual measure for detectors; each box is matched once, best pairs first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from gt_workflow.core.boxes import Box, iou

SAME_OBJECT: Final = 0.5

Named: TypeAlias = tuple[str, Box]  # a class's name, and where


def matches(drawn: Sequence[Named], label: Sequence[Named]) -> list[float]:
    """Return the IoU of every matched pair, best first; neither list's order matters."""
    return [overlap for overlap, _, _ in pairs(drawn, label)]


def pairs(drawn: Sequence[Named], label: Sequence[Named]) -> list[tuple[float, int, int]]:
    """Return every matched pair, best first: its IoU, and where the two stand in their lists."""
    candidates = sorted(
        (
            (overlap, one, other)
            for one, (name, box) in enumerate(drawn)
            for other, (wanted, truth) in enumerate(label)
            if name == wanted and (overlap := iou(box, truth)) >= SAME_OBJECT
        ),
        key=lambda pair: (-pair[0], drawn[pair[1]][1].left, drawn[pair[1]][1].top, pair[1:]),
    )
    free_drawn, free_label = set(range(len(drawn))), set(range(len(label)))
    found = []
    for overlap, one, other in candidates:
        if one in free_drawn and other in free_label:
            free_drawn.remove(one)
            free_label.remove(other)
            found.append((overlap, one, other))
    return found
