"""The three forms a channel is written in: which files, and what one image is in each of them.

    recordio   recordio/train/train.rec, recordio/validation/validation.rec, each alone in its
               folder; recordio/index/*.idx and *.lst, outside what a channel's prefix matches
    image      image/train/, validation/, train_annotation/, validation_annotation/: one JSON per
               image with its stem; image/files.jsonl says which photograph each one was
    manifest   manifest/train.manifest, manifest/validation.manifest: the usable lines in their
               order, as they stand or, where that does not do, with their label rewritten

Formats: detector_channels of the SageMaker guide ("Common data formats", "Input/output interface
for the object detection algorithm"). Coordinates are rounded to whole pixels in the JSON forms,
as documented there; RecordIO keeps fractions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from gt_workflow.config import Form
from gt_workflow.core import recordio
from gt_workflow.core.boxes import Box
from gt_workflow.core.manifest import with_members
from gt_workflow.core.split import SIDES, Side
from gt_workflow.workflow.channels.labels import ChannelClass, whole_pixels

Object: TypeAlias = tuple[int, float, float, float, float]
"""Class id, left, top, width, height; in pixels."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One line that a channel takes.

    `kept` are the places of those boxes among the label's annotations, `stem` the image's name.
    """

    line: int
    side: Side
    source_ref: str
    stem: str
    width: int
    height: int
    objects: list[Object]
    kept: list[int]
    raw: bytes

    def boxes(self) -> list[tuple[int, Box]]:
        """Give the objects as class id and box."""
        return [(class_id, Box(*edges)) for class_id, *edges in self.objects]


class Forms(msgspec.Struct, frozen=True):
    """The forms that a run writes, and where each image goes in them; can be pickled."""

    out: str
    forms: tuple[Form, ...]
    attribute: str
    classes: tuple[ChannelClass, ...]

    @property
    def needs_whole_images(self) -> bool:
        """A manifest's images stay where they are."""
        return "recordio" in self.forms or "image" in self.forms

    def texts(self, form: Form) -> tuple[str, ...]:
        """Name the form's files of lines, as paths under OUT; `channels.passing` writes its own."""
        if form == "recordio":
            return tuple(index(side, kind) for side in SIDES for kind in ("idx", "lst"))
        return ("image/files.jsonl",) if form == "image" else ()

    def shared(self, form: Form) -> tuple[str, ...]:
        """Name all files of the form that are not one image's own, as paths under OUT."""
        made = {"recordio": rec, "manifest": lines_path}.get(form)
        return self.texts(form) if made is None else (*self.texts(form), *map(made, SIDES))

    def label(self, sample: Sample) -> tuple[float, ...] | None:
        """Build the label of the sample's record, if records are written."""
        if "recordio" not in self.forms:
            return None
        return recordio.detection_label(sample.width, sample.height, sample.boxes())

    def lines(
        self, sample: Sample, suffix: str, label: tuple[float, ...] | None
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the lines that tell of an image, with the path of their file.

        The line of the `.idx` is not among them: it takes the record's place in the file.
        """
        name = f"{sample.side}/{sample.stem}{suffix}"
        if label is not None:
            yield index(sample.side, "lst"), recordio.list_line(sample.line - 1, label, name)
        if not sample.objects:
            return  # images without boxes are for RecordIO alone
        if "image" in self.forms:
            entry = {"line": sample.line, "source-ref": sample.source_ref, "file": name}
            yield "image/files.jsonl", msgspec.json.encode(entry) + b"\n"

    def paths(self, sample: Sample, suffix: str) -> tuple[str, ...]:
        """Name the files under OUT that this image has for itself: its own, and its boxes'."""
        if "image" not in self.forms or not sample.objects:
            return ()
        side, stem = sample.side, sample.stem
        return f"image/{side}/{stem}{suffix}", f"image/{side}_annotation/{stem}.json"

    def files(self, sample: Sample, suffix: str, image: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the files that `paths` names, as addresses, with what is in them."""
        paths = self.paths(sample, suffix)
        if not paths:
            return
        annotation = {
            "file": f"{sample.stem}{suffix}",
            "image_size": [{"width": sample.width, "height": sample.height, "depth": 3}],
            "annotations": _annotations(sample),
            "categories": [{"class_id": one.class_id, "name": one.name} for one in self.classes],
        }
        for path, data in zip(paths, (image, msgspec.json.encode(annotation)), strict=True):
            yield f"{self.out}/{path}", data


def lines_path(side: Side) -> str:
    """Name a side's manifest, as a path under OUT."""
    return f"manifest/{side}.manifest"


def rec(side: Side) -> str:
    """Name a side's records, alone in their folder, as a path under OUT."""
    return f"recordio/{side}/{side}.rec"


def index(side: Side, kind: str) -> str:
    """Name a side's `idx` or `lst`."""
    return f"recordio/index/{side}.{kind}"


def _annotations(sample: Sample) -> list[dict[str, int]]:
    return [
        {"class_id": class_id} | whole_pixels(box, width=sample.width, height=sample.height)
        for class_id, box in sample.boxes()
    ]


_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_metadata_of = msgspec.json.Decoder(dict[str, Any]).decode


def channel_line(sample: Sample, *, attribute: str, names: Mapping[int, str]) -> bytes:
    """Rewrite a manifest line's label: boxes that are kept, ids of the channel, metadata to match.

    Members of the line that are not the label's own keep their bytes.
    """
    raw = _members_of(sample.raw)[f"{attribute}-metadata"]
    try:
        metadata = _metadata_of(raw)
    except msgspec.ValidationError:  # a number somewhere that no double holds
        metadata = {key: _respelt(value) for key, value in _members_of(raw).items()}
    if metadata.get("objects"):
        metadata["objects"] = [metadata["objects"][index] for index in sample.kept]
    present = sorted({class_id for class_id, *_ in sample.objects})
    metadata["class-map"] = {str(class_id): names[class_id] for class_id in present}
    value = {
        "image_size": [{"width": sample.width, "height": sample.height, "depth": 3}],
        "annotations": _annotations(sample),
    }
    return with_members(sample.raw, {attribute: value, f"{attribute}-metadata": metadata})


def _respelt(value: msgspec.Raw) -> Any:
    """Return a value, or its bytes where a number in it cannot be had; of an array item by item."""
    try:
        return msgspec.json.decode(value)
    except msgspec.ValidationError:
        return [*map(_respelt, _items_of(value))] if bytes(value).startswith(b"[") else value
