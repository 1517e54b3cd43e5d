"""Boxes: the one convention of this package, and the arithmetic on it.

`left, top, width, height` in pixels of the stored raster, origin top-left, edges half-open:
a box covers `left <= x < left + width`. Floats inside; rounded once, at the border. Other
conventions (corners, fractions) exist only where a format is read or written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct


class Box(Struct, frozen=True, gc=False):
    """An axis-parallel rectangle in pixels; `width` and `height` may be zero, never negative."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def from_corners(cls, left: float, top: float, right: float, bottom: float) -> Box:
        """Build a box from its half-open edges; `right >= left` and `bottom >= top`."""
        return cls(left, top, right - left, bottom - top)

    @property
    def right(self) -> float:
        """The first pixel column behind the box."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The first pixel row below the box."""
        return self.top + self.height

    @property
    def area(self) -> float:
        """Width times height, in square pixels."""
        return self.width * self.height


def intersection(a: Box, b: Box) -> float:
    """Return the area that two boxes share, in square pixels."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return width * height if width > 0 and height > 0 else 0.0


def iou(a: Box, b: Box) -> float:
    """Return intersection over union (Jaccard), 0 to 1; two empty boxes have 0."""
    shared = intersection(a, b)
    union = a.area + b.area - shared
    # A sum of edges may be a last bit off, so that equal boxes share more than they have.
    return min(1.0, shared / union) if union > 0 else 0.0


def clip(box: Box, *, width: float, height: float) -> Box | None:
    """Return the part of a box inside a raster of this size, or None if no area is left.

    A box that already lies inside is returned as it is, so that its floats stay exact.
    """
    if box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height:
        return box if box.area > 0 else None
    left, top = max(box.left, 0.0), max(box.top, 0.0)
    right, bottom = min(box.right, width), min(box.bottom, height)
    if right <= left or bottom <= top:
        return None
    return Box.from_corners(left, top, right, bottom)


def mean(boxes: Sequence[Box]) -> Box:
    """Average boxes edge by edge; at least one. Their order does not matter, to the last bit."""
    return Box(
        _mean([box.left for box in boxes]),
        _mean([box.top for box in boxes]),
        _mean([box.width for box in boxes]),
        _mean([box.height for box in boxes]),
    )


def _mean(values: list[float]) -> float:
    # From the least upwards, so that equal values give exactly that value.
    least = min(values)
    return least + math.fsum([value - least for value in values]) / len(values)
