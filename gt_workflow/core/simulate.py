"""Workers who are not there: known boxes, spoilt as people spoil them, the same way every time.

Every draw is a hash of (seed, key, what for, which box): neither the order of the tasks nor a
changed rate elsewhere changes it. A box that is missed at a rate is missed at every higher one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gt_workflow.core.boxes import Box, clip

_SMALLEST = 1.0
"""Pixels; the page lets nobody draw less."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How badly a worker draws.

    `position` is the standard deviation of each edge, as a fraction of the box's side; `miss` and
    `wrong_class` are the share of boxes not drawn or named wrongly; `false_box` is the share of
    photographs with a box around nothing.
    """

    position: float = 0.0
    miss: float = 0.0
    false_box: float = 0.0
    wrong_class: float = 0.0

    def __post_init__(self) -> None:
        """Refuse rates outside 0 to 1."""
        for name in ("position", "miss", "false_box", "wrong_class"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")


def answer_boxes(
    truth: Iterable[tuple[str, Box]],
    *,
    width: int,
    height: int,
    labels: Sequence[str],
    noise: Noise,
    key: str,
    seed: int,
) -> list[tuple[str, Box]]:
    """Return what a worker would draw on a raster of `width` times `height` pixels.

    `key` names worker and photograph. Boxes of a class that is not among `labels` cannot be drawn.
    All boxes lie inside the raster; with noise in their position they end on whole pixels, as on
    the page.
    """
    dice = _Dice(f"{seed}\0{key}")
    answer = []
    for index, (label, box) in enumerate(truth):
        if label not in labels or dice.share("miss", index) < noise.miss:
            continue
        drawn = clip(_shaken(box, noise.position, dice, index), width=width, height=height)
        if drawn is not None:
            name = label
            if len(labels) > 1 and dice.share("wrong", index) < noise.wrong_class:
                others = [other for other in labels if other != label]
                name = others[int(dice.share("which", index) * len(others))]
            answer.append((name, drawn))
    if labels and dice.share("false", 0) < noise.false_box:
        wide = max(_SMALLEST, _whole(width * (0.05 + 0.25 * dice.share("wide", 0))))
        high = max(_SMALLEST, _whole(height * (0.05 + 0.25 * dice.share("high", 0))))
        left = _whole((width - wide) * dice.share("left", 0))
        top = _whole((height - high) * dice.share("top", 0))
        name = labels[int(dice.share("name", 0) * len(labels))]
        answer.append((name, Box(left, top, wide, high)))
    return answer


def _shaken(box: Box, position: float, dice: _Dice, index: int) -> Box:
    if position == 0:
        return box
    across, down = position * box.width, position * box.height
    left = _whole(box.left + across * dice.normal("left", index))
    top = _whole(box.top + down * dice.normal("top", index))
    right = _whole(box.right + across * dice.normal("right", index))
    bottom = _whole(box.bottom + down * dice.normal("bottom", index))
    return Box(left, top, max(_SMALLEST, right - left), max(_SMALLEST, bottom - top))


def _whole(value: float) -> float:
    return float(round(value))


class _Dice:
    """Numbers that depend on nothing but the key, the purpose and the box."""

    def __init__(self, key: str) -> None:
        self._key = key

    def _words(self, purpose: str, index: int) -> list[float]:
        text = f"{self._key}\0{purpose}\0{index}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return [int.from_bytes(digest[at : at + 4], "big") / 2**32 for at in range(0, 32, 4)]

    def share(self, purpose: str, index: int) -> float:
        """Return a number from 0 to below 1, all equally likely."""
        return self._words(purpose, index)[0]

    def normal(self, purpose: str, index: int) -> float:
        """Return a nearly normal number, mean 0, deviation 1: sums only, alike on every machine."""
        return float((sum(self._words(purpose, index)) - 4) * (12 / 8) ** 0.5)
