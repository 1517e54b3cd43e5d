"""From a manifest line to what a channel may hold: is the label of use, and which boxes are kept.

A box is clipped to the raster and left out if less than `min_side` pixels of it remain. An image
whose boxes are all left out so is left out too: it is no image with nothing on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from gt_workflow.core.boxes import Box, clip
from gt_workflow.core.manifest import Annotation, Label, Record
from gt_workflow.errors import DataError

Absence = Literal["failed", "untouched", "no boxes", "no box left"]
"""Why a line has nothing to train on; `no boxes` is a label that says that nothing is there."""

# Averaged boxes carry float noise; an edge moved by less than this, in pixels, is not reported.
_NOISE = 1e-3


class Kept(Struct, frozen=True, gc=False):
    """A box that a channel holds; `index` is its place in the label's annotations."""

    index: int
    annotation: Annotation
    box: Box


class Judged(Struct, frozen=True, gc=False):
    """What became of one line: its boxes, or why there are none."""

    record: Record
    label: Label | None
    boxes: tuple[Kept, ...] = ()
    clipped: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    absence: Absence | None = None


def judge(record: Record, *, min_side: float) -> Judged:
    """Decide what a channel may take from one line."""
    label = record.label
    if label is None:
        return Judged(record, None, absence="failed" if record.failure else "untouched")
    if not label.annotations:
        return Judged(record, label, absence="no boxes")
    kept, clipped, dropped = [], [], []
    for index, annotation in enumerate(label.annotations):
        box = clip(annotation.box, width=label.width, height=label.height)
        if box is None or box.width < min_side or box.height < min_side:
            dropped.append(index)
            continue
        if _moved(annotation.box, box):
            clipped.append(index)
        kept.append(Kept(index, annotation, box))
    return Judged(
        record,
        label,
        boxes=tuple(kept),
        clipped=tuple(clipped),
        dropped=tuple(dropped),
        absence=None if kept else "no box left",
    )


def _moved(before: Box, after: Box) -> bool:
    return before is not after and (
        abs(before.left - after.left) > _NOISE
        or abs(before.top - after.top) > _NOISE
        or abs(before.right - after.right) > _NOISE
        or abs(before.bottom - after.bottom) > _NOISE
    )


def whole_pixels(box: Box, *, width: int, height: int) -> dict[str, int]:
    """Round a box's edges to whole pixels, as the detector's JSON formats are documented.

    The box lies inside the raster, and so does the result; a side is never less than a pixel.
    """
    left, right = _edges(box.left, box.right, width)
    top, bottom = _edges(box.top, box.bottom, height)
    return {"left": left, "top": top, "width": right - left, "height": bottom - top}


def _edges(low: float, high: float, limit: int) -> tuple[int, int]:
    first = min(max(math.floor(low + 0.5), 0), limit - 1)
    return first, max(min(math.floor(high + 0.5), limit), first + 1)


class ChannelClass(Struct, frozen=True):
    """One class of a channel: its id there, its exact name, its ids in the manifest."""

    class_id: int
    name: str
    manifest_ids: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the class for JSON."""
        return {
            "class_id": self.class_id,
            "name": self.name,
            "class_ids_in_manifest": list(self.manifest_ids),
        }


class ClassTable:
    """The union of the lines' class maps, and the contiguous ids that a channel uses instead.

    Without fixed names the ids follow the order of the manifest's. With fixed names (so that a
    model can be trained on from an older one) labels are matched by name, the manifest's ids do
    not matter, and a name that is not among them is refused.
    """

    def __init__(self, fixed: tuple[str, ...] | None, *, uri: str) -> None:
        """Begin with no class, or with the fixed ones; `uri` is the manifest, for errors."""
        self._fixed = fixed
        self.uri = uri
        self._seen: dict[tuple[int, str], tuple[str, int]] = {}  # where first, manifest and line
        self._names: dict[int, str] = {}
        self._ids: dict[str, int] = {}

    def add(self, class_map: Mapping[int, str], *, line: int) -> None:
        """Take in one line's class map; DataError if it contradicts an earlier line's."""
        for class_id, name in class_map.items():
            if (class_id, name) in self._seen:
                continue
            if self._fixed is None:
                self._check(class_id, name, line)
            elif name not in self._fixed:
                known = ", ".join(map(repr, self._fixed))
                raise DataError(
                    f"class {name!r} is none of the fixed classes {known}", uri=self.uri, line=line
                )
            self._seen[class_id, name] = self.uri, line
            self._names.setdefault(class_id, name)
            self._ids.setdefault(name, class_id)

    def _check(self, class_id: int, name: str, line: int) -> None:
        other_name = self._names.get(class_id, name)
        other_id = self._ids.get(name, class_id)
        if other_name != name:
            first = self._place(class_id, other_name)
            what = f"class {class_id} is {name!r} here and {other_name!r} on {first}"
        elif other_id != class_id:
            first = self._place(other_id, name)
            what = f"{name!r} is class {class_id} here and class {other_id} on {first}"
        else:
            return
        raise DataError(
            f"{what}; fix the order of the classes to match labels by their names",
            uri=self.uri,
            line=line,
        )

    def _place(self, class_id: int, name: str) -> str:
        uri, line = self._seen[class_id, name]
        return f"line {line}" if uri == self.uri else f"line {line} of {uri}"

    def classes(self) -> tuple[ChannelClass, ...]:
        """List the channel's classes in the order of their ids."""
        names = self._fixed
        if names is None:
            names = tuple(self._names[class_id] for class_id in sorted(self._names))
        ids: dict[str, list[int]] = {name: [] for name in names}
        for class_id, name in sorted(self._seen):
            ids[name].append(class_id)
        return tuple(
            ChannelClass(number, name, tuple(ids[name])) for number, name in enumerate(names)
        )
