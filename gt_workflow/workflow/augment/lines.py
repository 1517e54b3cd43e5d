"""A variant's manifest line: its photograph's, with the boxes where the variant has them.

The line keeps every member of its photograph's (origin, name, what the photograph looks like,
metadata of jobs) but labels of other jobs' boxes, which nobody moved. `variant` names what it was
made from, how, and with which parameters. Numbers are rounded here, to a millionth of a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gt_workflow.core.json_lines import members, spans_of, with_members, with_spans
from gt_workflow.core.label_schema import SUFFIX, VARIANT, box_attributes
from gt_workflow.core.manifest import Record
from gt_workflow.core.records import Label
from gt_workflow.core.variant_boxes import Keeping, follow
from gt_workflow.core.variants import Geometry, Variant
from gt_workflow.errors import DataError

_PARTS: Final = 1_000_000  # of a pixel, to which a box's edges are rounded


def provenance(variant: Variant, *, source_ref: str) -> dict[str, Any]:
    """Return the `variant` member: whoever has it can make the image again."""
    numbers = {key: _number(value) for key, value in variant.parameters.items()}
    return {"of": source_ref, "name": variant.name, "kind": variant.kind, "parameters": numbers}


def unlabelled(record: Record, variant: Variant, *, uri: str) -> bytes:
    """Return the line of a variant of a photograph without labels."""
    changes = {
        "source-ref": uri,
        "origin": record.origin,
        VARIANT: provenance(variant, source_ref=record.source_ref),
    }
    return with_members(record.raw, changes)


class Labelled:
    """A labelled photograph, its line read once for all its variants."""

    def __init__(self, record: Record, label: Label, keeping: Keeping) -> None:
        """Take the line apart; `label` is the record's own.

        Raises `DataError` if it holds beside the boxes what cannot be written again.
        """
        self._record, self._label, self._keeping = record, label, keeping
        attribute, metadata_key = label.attribute, label.attribute + SUFFIX
        table = members(record.raw)
        self._value = _whole(record, attribute, table[attribute])
        self._metadata = _whole(record, metadata_key, table[metadata_key])
        others = {name for names in box_attributes(table) for name in names} - {attribute}
        stale = [member for name in sorted(others) for member in (name, name + SUFFIX)]
        bare = with_members(record.raw, {attribute: 0, metadata_key: 0}, drop=stale)
        self._spans = spans_of(bare)

    def line(self, variant: Variant, geometry: Geometry, *, uri: str) -> tuple[bytes | None, int]:
        """Return the line of a variant, and how many boxes it has.

        There is no line if it would say that nothing is there where something may be: every box of
        the photograph was lost.
        """
        label, kept = self._label, self._kept(geometry)
        if label.annotations and not kept:
            return None, 0
        boxes = list(kept.values())
        size = {"width": geometry.width, "height": geometry.height}
        metadata = dict(self._metadata)
        if "objects" in metadata:
            metadata["objects"] = [metadata["objects"][index] for index in kept]
        if "class-map" in metadata:
            metadata["class-map"] = _classes(metadata["class-map"], boxes)
        changes = {
            "source-ref": uri,
            "origin": self._record.origin,
            label.attribute: self._value
            | {"image_size": [self._value["image_size"][0] | size], "annotations": boxes},
            label.attribute + SUFFIX: metadata,
            VARIANT: provenance(variant, source_ref=self._record.source_ref),
        }
        return with_spans(self._spans, changes), len(kept)

    def _kept(self, geometry: Geometry) -> dict[int, dict[str, Any]]:
        """Return the annotations that are kept, by their place among the photograph's."""
        label, kept = self._label, dict[int, dict[str, Any]]()
        for index, annotation in enumerate(label.annotations):
            box = follow(
                annotation.box,
                geometry,
                width=label.width,
                height=label.height,
                keeping=self._keeping,
            )
            if box is not None:
                left, width = _edges(box.left, box.width)
                top, height = _edges(box.top, box.height)
                edges = {"left": left, "top": top, "width": width, "height": height}
                kept[index] = self._value["annotations"][index] | edges
        return kept


def _whole(record: Record, member: str, raw: msgspec.Raw) -> dict[str, Any]:
    """Return all that a member holds: what is not ours is passed on."""
    try:
        return dict(msgspec.json.decode(raw))
    except (msgspec.DecodeError, RecursionError) as error:
        reason = str(error).partition(" - at")[0]
        raise DataError(
            f"it holds what cannot be passed on to variants: {reason}",
            uri=record.source_ref,
            field=member,
        ) from error


def _classes(names: Mapping[str, str], boxes: list[dict[str, Any]]) -> dict[str, str]:
    """Return the class map of these boxes only, as Ground Truth writes it."""
    used = {box["class_id"] for box in boxes}
    return {key: name for key, name in names.items() if int(key) in used}


def _edges(near: float, length: float) -> tuple[float, float]:
    """Round both edges, so that a box that ends at the frame does not leave it."""
    first, last = round(near * _PARTS), round((near + length) * _PARTS)
    return _pixels(first), _pixels(last - first)


def _pixels(parts: int) -> float:
    return parts / _PARTS if parts % _PARTS else parts // _PARTS


def _number(value: float) -> float:
    return int(value) if value == int(value) else value
