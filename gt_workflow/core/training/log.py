"""What the training container writes into its log: the detector's mAP after every epoch.

One line an epoch, `#quality_metric: host=algo-1, epoch=3, validation mAP <score>=(0.1234)`, as the
example notebooks of the algorithm show and match it; what stands around the score varies.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

MAP: Final = r"validation mAP <score>=\(([0-9.eE+-]+)\)"

_MAP = re.compile(MAP)
_EPOCH = re.compile(r"\bepoch\s*[=:]\s*([0-9]{1,6})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training images: its number if the line tells it, its mAP from 0 to 1."""

    number: int | None
    mean_average_precision: float


def read_epoch(line: str) -> Epoch | None:
    """Read one line of the log; None if it tells no mAP, or one that is no number."""
    found = _MAP.search(line)
    if found is None:
        return None
    try:
        value = float(found[1])
    except ValueError:
        return None
    epoch = _EPOCH.search(line)
    return Epoch(int(epoch[1]) if epoch else None, value) if math.isfinite(value) else None
