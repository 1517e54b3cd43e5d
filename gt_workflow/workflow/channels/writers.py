"""The three forms a channel is written in; each takes one image at a time.

    recordio   recordio/train/train.rec, recordio/validation/validation.rec, each alone in its
               folder; recordio/index/*.idx and *.lst, outside what a channel's prefix matches
    image      image/train/, validation/, train_annotation/, validation_annotation/: one JSON per
               image with its stem; image/files.jsonl says which photograph each one was
    manifest   manifest/train.manifest, manifest/validation.manifest: the usable lines, ids renamed

Formats: detector_channels of the SageMaker guide ("Common data formats", "Input/output interface
for the object detection algorithm"). Coordinates are rounded to whole pixels in the JSON forms,
as documented there; RecordIO keeps fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, Protocol

import msgspec

from gt_workflow.config import Form
from gt_workflow.core import recordio
from gt_workflow.core.boxes import Box
from gt_workflow.core.manifest import with_members
from gt_workflow.core.split import SIDES, Side
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels.images import Raster
from gt_workflow.workflow.channels.labels import ChannelClass, whole_pixels


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One line that a channel takes; `objects` are class id, left, top, width, height in pixels.

    `kept` are the places of those boxes among the label's annotations, `stem` the image's name.
    """

    line: int
    side: Side
    source_ref: str
    stem: str
    width: int
    height: int
    objects: list[tuple[int, float, float, float, float]]
    kept: list[int]
    raw: bytes

    def boxes(self) -> list[tuple[int, Box]]:
        """Give the objects as class id and box."""
        return [(class_id, Box(*edges)) for class_id, *edges in self.objects]


class Writer(Protocol):
    """Writes one form.

    `files` are the form's files that any number of images share, path under OUT and size;
    `written` the paths of those that hold one image each.
    """

    needs_whole_images: bool
    files: dict[str, int]
    written: set[str]

    def add(self, sample: Sample, image: bytes, raster: Raster) -> None:
        """Write one image; called in the channel's order."""
        ...


class RecordIOWriter:
    """Two `.rec` files with their indexes and lists."""

    needs_whole_images: bool = True

    def __init__(self, out: str, storage: Storage, stack: ExitStack) -> None:
        """Open the files; they appear when the stack closes without an error."""
        self.files: dict[str, int] = {}
        self.written: set[str] = set()
        self._outputs: dict[str, BinaryIO] = {}
        for side in SIDES:
            for path in (_rec(side), _index(side, "idx"), _index(side, "lst")):
                self.files[path] = 0
                self._outputs[path] = stack.enter_context(storage.create(f"{out}/{path}"))

    def add(self, sample: Sample, image: bytes, raster: Raster) -> None:
        """Append a record; its id is the line's number from 0, as Ground Truth counts."""
        side, number = sample.side, sample.line - 1
        label = recordio.detection_label(sample.width, sample.height, sample.boxes())
        buffers = recordio.record(number, label, image)
        offset = self.files[_rec(side)]
        self._outputs[_rec(side)].writelines(buffers)
        self.files[_rec(side)] = offset + sum(map(len, buffers))
        self._append(_index(side, "idx"), recordio.index_line(number, offset))
        path = f"{side}/{sample.stem}{raster.suffix}"
        self._append(_index(side, "lst"), recordio.list_line(number, label, path))

    def _append(self, path: str, data: bytes) -> None:
        self._outputs[path].write(data)
        self.files[path] += len(data)


def _rec(side: Side) -> str:
    return f"recordio/{side}/{side}.rec"


def _index(side: Side, suffix: str) -> str:
    return f"recordio/index/{side}.{suffix}"


class ImageWriter:
    """Four folders of images and JSON; images without boxes are not for them."""

    needs_whole_images: bool = True

    def __init__(
        self, out: str, storage: Storage, stack: ExitStack, *, classes: Sequence[ChannelClass]
    ) -> None:
        """Open the list of files; images appear one by one."""
        self._out = out
        self._storage = storage
        self._list = stack.enter_context(storage.create(f"{out}/image/files.jsonl"))
        self.files = {"image/files.jsonl": 0}
        self.written: set[str] = set()
        self._categories = [{"class_id": entry.class_id, "name": entry.name} for entry in classes]

    def add(self, sample: Sample, image: bytes, raster: Raster) -> None:
        """Write an image and its annotations."""
        if not sample.objects:
            return
        name = f"{sample.stem}{raster.suffix}"
        annotation = {
            "file": name,
            "image_size": [{"width": sample.width, "height": sample.height, "depth": 3}],
            "annotations": _annotations(sample),
            "categories": self._categories,
        }
        self._put(f"image/{sample.side}/{name}", image)
        self._put(
            f"image/{sample.side}_annotation/{sample.stem}.json", msgspec.json.encode(annotation)
        )
        entry = {
            "line": sample.line,
            "source-ref": sample.source_ref,
            "file": f"{sample.side}/{name}",
        }
        line = msgspec.json.encode(entry) + b"\n"
        self._list.write(line)
        self.files["image/files.jsonl"] += len(line)

    def _put(self, path: str, data: bytes) -> None:
        with self._storage.create(f"{self._out}/{path}") as file:
            file.write(data)
        self.written.add(path)


class ManifestWriter:
    """Two augmented manifests; every line has the image and a label with boxes."""

    needs_whole_images: bool = False

    def __init__(
        self,
        out: str,
        storage: Storage,
        stack: ExitStack,
        *,
        attribute: str,
        classes: Sequence[ChannelClass],
    ) -> None:
        """Open the files; they appear when the stack closes without an error."""
        self._attribute = attribute
        self._names = {entry.class_id: entry.name for entry in classes}
        self.files: dict[str, int] = {}
        self.written: set[str] = set()
        self._outputs: dict[str, BinaryIO] = {}
        for side in SIDES:
            path = f"manifest/{side}.manifest"
            self.files[path] = 0
            self._outputs[path] = stack.enter_context(storage.create(f"{out}/{path}"))

    def add(self, sample: Sample, image: bytes, raster: Raster) -> None:  # noqa: ARG002 - the form
        """Write the line with the channel's class ids; every other member stays as it is."""
        if not sample.objects:
            return
        line = channel_line(sample, attribute=self._attribute, names=self._names) + b"\n"
        path = f"manifest/{sample.side}.manifest"
        self._outputs[path].write(line)
        self.files[path] += len(line)


def _annotations(sample: Sample) -> list[dict[str, int]]:
    return [
        {"class_id": class_id} | whole_pixels(box, width=sample.width, height=sample.height)
        for class_id, box in sample.boxes()
    ]


_metadata_of = msgspec.json.Decoder(dict[str, Any]).decode


def channel_line(sample: Sample, *, attribute: str, names: Mapping[int, str]) -> bytes:
    """Rewrite a manifest line's label: boxes that are kept, ids of the channel, metadata to match.

    Members of the line that are not the label's own keep their bytes.
    """
    metadata: dict[str, Any] = msgspec.json.decode(
        msgspec.json.decode(sample.raw, type=dict[str, msgspec.Raw])[f"{attribute}-metadata"],
        type=dict[str, Any],
    )
    if metadata.get("objects"):
        metadata["objects"] = [metadata["objects"][index] for index in sample.kept]
    present = sorted({class_id for class_id, *_ in sample.objects})
    metadata["class-map"] = {str(class_id): names[class_id] for class_id in present}
    value = {
        "image_size": [{"width": sample.width, "height": sample.height, "depth": 3}],
        "annotations": _annotations(sample),
    }
    return with_members(sample.raw, {attribute: value, f"{attribute}-metadata": metadata})


def open_writer(
    form: Form,
    *,
    out: str,
    storage: Storage,
    stack: ExitStack,
    attribute: str,
    classes: Sequence[ChannelClass],
) -> Writer:
    """Open the writer of a form; see the module for what it writes where."""
    if form == "recordio":
        return RecordIOWriter(out, storage, stack)
    if form == "image":
        return ImageWriter(out, storage, stack, classes=classes)
    return ManifestWriter(out, storage, stack, attribute=attribute, classes=classes)
