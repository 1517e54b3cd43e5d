"""What a trained detector answers → a label on a manifest line, such as workers can adjust.

The answer is `{"prediction": [[class, score, xmin, ymin, xmax, ymax], ...]}` with corners as
fractions of the image, class ids as places in the training's order; developer guide, "Object
Detection Request and Response Formats". Boxes become pixels of the image, unrounded, cut off at
its edges; the score becomes the confidence, and the label says that no human drew it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from gt_workflow.core.boxes import Box, clip
from gt_workflow.core.label_schema import BOXES, JOB_PREFIX
from gt_workflow.errors import DataError


@dataclass(frozen=True, slots=True)
class Prediction:
    """One box that a detector is `score` (0 to 1) sure of; in pixels, inside the image."""

    class_id: int
    score: float
    box: Box


class _Answer(msgspec.Struct):
    prediction: list[tuple[float, float, float, float, float, float]]


_decode = msgspec.json.Decoder(_Answer).decode


def read_answer(
    data: bytes, *, width: int, height: int, classes: int, threshold: float, uri: str
) -> tuple[Prediction, ...]:
    """Return the boxes of one answer that score at least `threshold`, the surest first.

    `width` and `height` are the image's, in pixels; `classes` is how many the model has learnt.
    `uri` names the answer in errors. Boxes without area inside the image are left out, and rows
    with a class below 0, which fill answers up. Raises `DataError` for what is no such answer and
    for a class that the model has not learnt.
    """
    try:
        rows = _decode(data).prediction
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"is no answer of an object detector: {error}", uri=uri) from error
    found = []
    for index, (class_id, score, *corners) in enumerate(rows):
        if class_id < 0 or score < threshold:
            continue
        if class_id != int(class_id) or class_id >= classes or not 0 <= score <= 1:
            raise DataError(
                f"class {class_id:g} with score {score:g}, where there are the classes 0 to "
                f"{classes - 1} and scores up to 1: are the classes those of this model?",
                uri=uri,
                field=f"prediction[{index}]",
            )
        left, top, right, bottom = corners
        if right <= left or bottom <= top:
            continue
        box = Box.from_corners(left * width, top * height, right * width, bottom * height)
        inside = clip(box, width=width, height=height)
        if inside is not None:
            found.append(Prediction(int(class_id), score, inside))
    # Equal scores keep the detector's order.
    return tuple(sorted(found, key=lambda one: -one.score))


def label_value(found: Iterable[Prediction], *, width: int, height: int) -> dict[str, Any]:
    """Return the value of the label attribute."""
    return {
        "image_size": [{"width": width, "height": height, "depth": 3}],
        "annotations": [
            {
                "class_id": one.class_id,
                "left": one.box.left,
                "top": one.box.top,
                "width": one.box.width,
                "height": one.box.height,
            }
            for one in found
        ],
    }


def label_metadata(
    found: Sequence[Prediction], *, classes: Sequence[str], job_name: str, created: datetime
) -> dict[str, Any]:
    """Return the value of `<attribute>-metadata`; `classes` in the training's order.

    `created` is aware and in UTC, `job_name` says who predicted.
    """
    used = sorted({one.class_id for one in found})
    return {
        "objects": [{"confidence": one.score} for one in found],
        "class-map": {str(class_id): classes[class_id] for class_id in used},
        "type": BOXES,
        "human-annotated": "no",
        "creation-date": created.replace(tzinfo=None).isoformat(timespec="microseconds"),
        "job-name": f"{JOB_PREFIX}{job_name}",
    }
