"""Gold questions: images whose boxes are known, shown to workers among the others.

On a box task the one practice of crowd work that was found to help is gold that workers see the
answer to at once. A job names its gold in its request's tags, which AWS keeps and does not read:

    gt-workflow:gold        the s3:// URI of a manifest: lines with a source-ref and a box label
    gt-workflow:gold-rate   the share of a worker's tasks that are gold, 0.01 to 0.5 [0.1]

So the request keeps Ground Truth's form, and on an account such a job runs without gold. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gt_workflow.core.agreement import Named, pairs
from gt_workflow.core.boxes import Box
from gt_workflow.core.manifest import read
from gt_workflow.errors import DataError

URI_TAG: Final = "gt-workflow:gold"
RATE_TAG: Final = "gt-workflow:gold-rate"
DEFAULT_RATE: Final = 0.1
LEAST_RATE: Final = 0.01
MOST_RATE: Final = 0.5
MOST_QUESTIONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """One known image: where it is, and the boxes in it, in pixels of the stored raster."""

    uri: str
    boxes: tuple[Named, ...]


def questions(lines: Iterable[bytes], *, uri: str, labels: Sequence[str]) -> Iterator[Question]:
    """Read a gold manifest; `DataError` for a line without boxes or with a label unknown here."""
    count = 0
    for record in read(lines, uri=uri):
        count += 1
        if count > MOST_QUESTIONS:
            raise DataError(f"there are more than {MOST_QUESTIONS:,} gold questions", uri=uri)
        fault = partial(DataError, uri=uri, line=record.line)
        if not record.source_ref.startswith("s3://"):
            raise fault("the image must be an s3:// URI", field="source-ref")
        if record.label is None:
            raise fault("a gold question needs a box label; this line has none")
        boxes = tuple((one.label, one.box) for one in record.label.annotations)
        for label, _ in boxes:
            if label not in labels:
                raise fault(f"the label {label!r} is none of the job's")
        yield Question(record.source_ref, boxes)
    if not count:
        raise DataError("there is no gold question in it", uri=uri)


def rate_of(text: str) -> float:
    """Read a rate; `ValueError` says which there are."""
    rate = float(text)
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise ValueError(f"a gold rate is {LEAST_RATE} to {MOST_RATE}, not {text}")
    return rate


def due(*, handed: int, gold: int, rate: float, salt: str) -> bool:
    """Tell whether a worker who was handed so many tasks, so many of them gold, gets gold now.

    One falls into every stretch of `1 / rate` tasks, at a place that `salt` draws: nobody can
    count up to it, and the rate holds all the same.
    """
    digest = hashlib.sha256(f"{salt}:{gold}".encode()).digest()
    drawn = int.from_bytes(digest[:8], "big") / 2**64
    return handed >= int((gold + drawn) / rate)


def feedback(drawn: Sequence[Named], known: Sequence[Named]) -> dict[str, Any]:
    """Compare a worker's boxes with the known ones; what the worker is told, as JSON.

    `iou` is the mean over matched boxes, None without any; `score` the sum of their IoU over the
    larger number of boxes, 0 to 1; `missed`, `extra` and `known` are boxes with their labels.
    """
    matched = pairs(drawn, known)
    overlap = sum(one for one, _, _ in matched)
    most = max(len(drawn), len(known))
    mine, theirs = {at for _, at, _ in matched}, {at for _, _, at in matched}
    return {
        "score": round(overlap / most, 4) if most else 1.0,
        "iou": round(overlap / len(matched), 4) if matched else None,
        "matched": len(matched),
        "drawn": len(drawn),
        "expected": len(known),
        "missed": [_dict(*one) for at, one in enumerate(known) if at not in theirs],
        "extra": [_dict(*one) for at, one in enumerate(drawn) if at not in mine],
        "known": [_dict(*one) for one in known],
    }


def _dict(label: str, box: Box) -> dict[str, Any]:
    return {
        "label": label,
        "left": box.left,
        "top": box.top,
        "width": box.width,
        "height": box.height,
    }
