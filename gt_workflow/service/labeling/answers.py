"""What a worker may answer, checked before anything is stored; pure.

A worker's browser is not trusted: an answer names one of the job's labels per box, lies in the
raster of the image that was handed out, and is small. A box may overhang the raster by half a
pixel, which a page's rounding explains, and is then cut; anything beyond is refused. What a
template's other form fields say is kept in the worker response and read by nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gt_workflow.core.boxes import Box
from gt_workflow.service.faults import invalid
from gt_workflow.service.labeling.records import Kind

MAX_BOXES: Final = 500
MAX_ANSWER_BYTES: Final = 256 * 1024
MAX_COMMENT_CHARACTERS: Final = 2_000
MAX_FIELDS: Final = 50
OVERHANG: Final = 0.5  # pixels
_SIDES: Final = ("left", "top", "width", "height")


@dataclass(frozen=True, slots=True)
class Answer:
    """One checked answer. `content` is what the worker response shows as `answerContent`.

    A label or adjustment has `boxes`, each with its label; a verification has `category` and
    perhaps a `comment`.
    """

    content: dict[str, Any]
    boxes: tuple[tuple[str, Box], ...] = ()
    category: str | None = None
    comment: str | None = None

    def to_json(self) -> str:
        """Return the content as stored; equal answers give equal texts."""
        return json.dumps(self.content, ensure_ascii=False, sort_keys=True, allow_nan=False)


def check(answer: object, *, kind: Kind, labels: Sequence[str], width: int, height: int) -> Answer:
    """Return the answer as it will be kept, or raise a ValidationException `Fault`.

    `answer` is decoded JSON: `{"boundingBox": {"boundingBoxes": [{label, left, top, width,
    height}], "inputImageProperties": {width, height}}}`; for a verification `{NAME: {"label":
    CATEGORY, "workerComment": TEXT}}`, the comment optional, or beside it as "explanation".
    `width` and `height` are the raster's. A checked answer's content passes again and stays what
    it is.
    """
    if not isinstance(answer, Mapping) or not all(isinstance(key, str) for key in answer):
        raise invalid("The answer must be a JSON object")
    if len(answer) > MAX_FIELDS:
        raise invalid(f"The answer has {len(answer)} fields; {MAX_FIELDS} are allowed")
    if kind == "verify":
        checked = _verification(answer, labels)
    else:
        checked = _boxes(answer, labels, width, height)
    try:
        size = len(checked.to_json().encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid("The answer cannot be kept as JSON in UTF-8") from error
    if size > MAX_ANSWER_BYTES:
        raise invalid(f"The answer has {size:,} bytes; {MAX_ANSWER_BYTES:,} are allowed")
    return checked


def _boxes(answer: Mapping[str, Any], labels: Sequence[str], width: int, height: int) -> Answer:
    name = _only(answer, "boundingBoxes")
    given = answer[name]
    size = given.get("inputImageProperties")
    if not isinstance(size, Mapping) or not (
        _same(size.get("width"), width) and _same(size.get("height"), height)
    ):
        raise invalid(
            f"{name}.inputImageProperties must be the stored image's size, {width} x {height}"
        )
    entries = given["boundingBoxes"]
    if entries is None:  # AWS's own page says so for "nothing to label"
        entries = []
    if not isinstance(entries, list):
        raise invalid(f"{name}.boundingBoxes must be a list")
    if len(entries) > MAX_BOXES:
        raise invalid(f"The answer has {len(entries)} boxes; {MAX_BOXES} are allowed")
    boxes = [
        _box(entry, f"{name}.boundingBoxes[{index}]", labels, width, height)
        for index, entry in enumerate(entries)
    ]
    kept: dict[str, Any] = {
        "boundingBoxes": boxes,
        "inputImageProperties": {"width": width, "height": height},
    }
    modified = given.get("initialValueModified")
    if isinstance(modified, bool):
        kept["initialValueModified"] = modified
    return Answer(
        content={**answer, name: kept},
        boxes=tuple(
            (box["label"], Box(*(float(box[side]) for side in _SIDES)))  # in Box's own order
            for box in boxes
        ),
    )


def _box(
    entry: object, place: str, labels: Sequence[str], width: int, height: int
) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise invalid(f"{place} must be an object")
    label = entry.get("label")
    if not isinstance(label, str) or label not in labels:
        raise invalid(f"{place}.label is not one of the job's labels: {_shown(label)}")
    left, top, wide, high = (_number(entry.get(side), f"{place}.{side}") for side in _SIDES)
    if wide <= 0 or high <= 0:
        raise invalid(f"{place} has no area")
    left, wide = _inside(left, wide, width, f"{place} lies outside of the image's width {width}")
    top, high = _inside(top, high, height, f"{place} lies outside of the image's height {height}")
    return {"label": label, "left": left, "top": top, "width": wide, "height": high}


def _inside(start: float, length: float, limit: int, complaint: str) -> tuple[float, float]:
    """Cut an overhang of rounding; what lies inside keeps its very numbers."""
    end = start + length
    if start >= 0 and end <= limit:
        return start, length
    if start < -OVERHANG or end > limit + OVERHANG:
        raise invalid(complaint)
    start, end = max(start, 0), min(end, limit)
    if end <= start:
        raise invalid(complaint)
    return start, end - start


def _number(value: object, place: str) -> float:
    # The bound also refuses NaN, infinity and integers too long for a float.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and -1e9 <= value <= 1e9:
        return value
    raise invalid(f"{place} must be a number of pixels: {_shown(value)}")


def _verification(answer: Mapping[str, Any], labels: Sequence[str]) -> Answer:
    name = _only(answer, "label")
    category = answer[name]["label"]
    if not isinstance(category, str) or category not in labels:
        raise invalid(f"{name}.label is not one of the job's labels: {_shown(category)}")
    comment = answer.get("explanation", answer[name].get("workerComment"))
    if comment is not None and not isinstance(comment, str):
        raise invalid("explanation must be text")
    comment = (comment or "").strip()
    if len(comment) > MAX_COMMENT_CHARACTERS:
        raise invalid(
            f"explanation has {len(comment)} characters; {MAX_COMMENT_CHARACTERS} are allowed"
        )
    return Answer(content=dict(answer), category=category, comment=comment or None)


def _only(answer: Mapping[str, Any], member: str) -> str:
    """Return the one field that holds the element's value; its name is the template's choice."""
    names = [key for key, value in answer.items() if isinstance(value, Mapping) and member in value]
    if len(names) != 1:
        raise invalid(f"The answer must have exactly one field with `{member}`: {len(names)} have")
    return names[0]


def _same(value: object, expected: int) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == expected


def _shown(value: object) -> str:
    """Quote a worker's value, shortened, so that a message stays a message."""
    text = repr(value) if isinstance(value, (str, int, float, type(None))) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
