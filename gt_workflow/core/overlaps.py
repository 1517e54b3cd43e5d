"""The overlaps of many boxes with many others at once, each the very number that `boxes.iou` gives.

For a few boxes Python's own arithmetic is as quick, and NumPy need not be imported; from `MANY`
pairs on it is the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TypeAlias

from gt_workflow.core.boxes import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

MANY: Final = 20_000


def sides(boxes: Iterable[Box]) -> Floats:
    """Return a column for each box: left, top, width, height."""
    import numpy as np

    rows = [(box.left, box.top, box.width, box.height) for box in boxes]
    return np.array(rows, dtype=np.float64).reshape(-1, 4).T


def overlaps(ours: Floats, theirs: Floats) -> Floats:
    """Return every IoU of boxes as `sides` gives them, a row for each of ours."""
    import numpy as np

    left, top, width, height = ours[:, :, None]
    left_, top_, width_, height_ = theirs[:, None, :]
    across = np.minimum(left + width, left_ + width_) - np.maximum(left, left_)
    down = np.minimum(top + height, top_ + height_) - np.maximum(top, top_)
    shared = np.where((across > 0) & (down > 0), across * down, 0.0)
    union = width * height + width_ * height_ - shared
    found: Floats = np.zeros_like(union)
    np.divide(shared, union, out=found, where=union > 0)
    np.minimum(found, 1.0, out=found)
    return found
