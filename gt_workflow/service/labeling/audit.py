"""What an adjustment or verification job shows: the boxes of an earlier job, from the line itself.

Which attribute is audited stands nowhere in the request. The worker template names it (`task.
input.manifestLine.ATTRIBUTE.annotations`); without such a template it is the one attribute of
the line, other than the job's own, whose metadata has the type `groundtruth/object-detection`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gt_workflow.core.boxes import Box, clip
from gt_workflow.core.json_lines import members
from gt_workflow.core.manifest import BOXES
from gt_workflow.service.labeling.records import Kind


class UnfitLineError(Exception):
    """A line has no boxes that could be shown; the text is the reason for its failure."""


class _Annotation(msgspec.Struct):
    class_id: int
    left: float
    top: float
    width: float
    height: float


class _Value(msgspec.Struct):
    annotations: list[_Annotation]


class _Metadata(msgspec.Struct, rename="kebab"):
    class_map: dict[str, str]


class _Peek(msgspec.Struct):
    type: str | None = None


_value = msgspec.json.Decoder(_Value).decode
_metadata = msgspec.json.Decoder(_Metadata).decode
_peek = msgspec.json.Decoder(_Peek).decode


@dataclass(frozen=True, slots=True)
class Shown:
    """The boxes of an earlier job on one line, each with its label."""

    attribute: str
    boxes: tuple[tuple[str, Box], ...]

    def within(self, width: int, height: int) -> tuple[tuple[str, Box], ...]:
        """Return the boxes cut to the raster; those outside of it are not shown.

        A worker could not submit them again: answers must lie in the raster.
        """
        cut = ((label, clip(box, width=width, height=height)) for label, box in self.boxes)
        return tuple((label, box) for label, box in cut if box is not None)


def shown(
    line: bytes, *, audited: str | None, own: str, kind: Kind, labels: Iterable[str]
) -> Shown:
    """Return the boxes that a line's earlier job drew; `UnfitLineError` if it has none to show.

    Boxes to adjust must have labels of this job, since the worker's answer must.
    """
    present = members(line)
    attribute = audited or _found(present, own)
    if attribute not in present or attribute + "-metadata" not in present:
        raise UnfitLineError(f"The data object has no label under {attribute} to {kind}")
    try:
        value = _value(present[attribute])
        classes = _metadata(present[attribute + "-metadata"]).class_map
        boxes = tuple(
            (classes[str(box.class_id)], Box(box.left, box.top, box.width, box.height))
            for box in value.annotations
        )
    except (msgspec.DecodeError, KeyError) as error:
        raise UnfitLineError(f"The label under {attribute} is no box label: {error}") from error
    if kind == "adjust":
        known = set(labels)
        for label, _ in boxes:
            if label not in known:
                raise UnfitLineError(
                    f"The box label {label!r} under {attribute} is not in the label category file"
                )
    return Shown(attribute, boxes)


def _found(present: Mapping[str, Any], own: str) -> str:
    names = []
    for key, raw in present.items():
        if key.endswith("-metadata") and key != f"{own}-metadata":
            try:
                kind = _peek(raw).type
            except msgspec.ValidationError:
                continue  # somebody's own member, by chance of this name
            if kind == BOXES:
                names.append(key.removesuffix("-metadata"))
    if len(names) != 1:
        raise UnfitLineError(
            "The worker template names no attribute and the data object has "
            f"{len(names)} box labels to choose from; exactly one is needed"
        )
    return names[0]
