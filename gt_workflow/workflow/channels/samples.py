"""From the manifest to samples in the channel's order, and a note of each line that gave none.

Many samples wait in a temporary file, so that memory holds sixteen bytes and a name per image,
however many boxes there are. The sides come one after the other, each shuffled by a hash of the
image's address: MXNet shuffles only within what it has read ahead, and manifests come sorted by
whoever named the photographs.
"""

from __future__ import annotations

import hashlib
import io
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, Literal, cast

import msgspec
from msgspec import UNSET

from gt_workflow.core.manifest import Record
from gt_workflow.core.split import SIDES, Side
from gt_workflow.errors import DataError
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels.labels import ChannelClass, Judged, judge
from gt_workflow.workflow.channels.names import Names
from gt_workflow.workflow.channels.report import HELD, Event, Spool
from gt_workflow.workflow.channels.writers import Object, Sample

_CHUNK = 1 << 20


@contextmanager
def snapshot(storage: Storage, uri: str) -> Iterator[tuple[BinaryIO, str]]:
    """Copy an object, a large one to a temporary file; give it and the SHA-256 of its bytes.

    A stage that reads a manifest several times must see the same one each time.
    """
    digest = hashlib.sha256()
    with ExitStack() as temporary, storage.open(uri) as file:
        copy: BinaryIO = io.BytesIO()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if isinstance(copy, io.BytesIO) and copy.tell() + len(chunk) > HELD:
                small, copy = copy, temporary.enter_context(_temporary_file())
                copy.write(small.getbuffer())
            copy.write(chunk)
        copy.seek(0)
        yield copy, digest.hexdigest()


def _temporary_file() -> BinaryIO:
    import tempfile  # what it imports takes longer than reading a small manifest

    return cast("BinaryIO", tempfile.TemporaryFile())


class Rules(msgspec.Struct, frozen=True):
    """What decides about a line's place in the channels; see `ConvertSettings`.

    `manifest` is named in notes of its lines where there are two.
    """

    min_side: float
    keep_empty: bool
    order: Literal["shuffled", "manifest"]
    salt: str
    side_of: Callable[[str], Side]
    manifest: str | None = None


class Samples:
    """The samples of a run, in order, and the notes made on the way."""

    def __init__(self, samples: Spool, events: Spool, rejects: Spool) -> None:
        """Use three empty spools."""
        self._samples = samples
        self._keys = array("Q")
        self._sides = bytearray()
        self._names = Names()
        self.events = events
        self.rejects = rejects

    def reject(self, raw: bytes, error: DataError, *, manifest: str | None = None) -> None:
        """Keep a line that could not be read."""
        self.rejects.append(raw + b"\n")
        why = error.reason if error.field is None else f"{error.field}: {error.reason}"
        self._note(Event(line=error.line, what="rejected", why=why, manifest=manifest))

    def fill(
        self, records: Iterator[Record], rules: Rules, classes: tuple[ChannelClass, ...]
    ) -> None:
        """Read all records of a manifest once."""
        ids = {entry.name: entry.class_id for entry in classes}
        for record in records:
            sample = take(record, rules, ids, names=self._names, told=self)
            if sample is None:
                continue
            self._samples.append(msgspec.msgpack.encode(sample))
            self._keys.append(self._key(sample, rules))
            self._sides.append(SIDES.index(sample.side))

    def _key(self, sample: Sample, rules: Rules) -> int:
        if rules.order == "manifest":
            return sample.line
        text = f"{rules.salt}\0{sample.source_ref}\0{sample.line}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def tell(self, judged: Judged, *, kept_empty: bool, manifest: str | None) -> None:
        """Note what a line has that no channel takes."""
        line, ref = judged.record.line, judged.record.source_ref
        if judged.absence is not None:
            why = judged.record.failure.reason if judged.record.failure else None
            if kept_empty:
                why = "kept in validation"
            event = Event(line, judged.absence, source_ref=ref, why=why, manifest=manifest)
            self._note(event)
        for what, boxes in (
            ("boxes clipped", judged.clipped),
            ("boxes left out", judged.dropped),
        ):
            if boxes:
                event = Event(line, what, ref, boxes=list(boxes), manifest=manifest)
                self._note(event)

    def _note(self, event: Event) -> None:
        self.events.append(msgspec.json.encode(event))

    def __len__(self) -> int:
        return len(self._samples)

    def encoded(self, start: int = 0) -> Iterator[tuple[Side, bytes]]:
        """Yield samples as MessagePack with their side: all of train, then all of validation."""
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        for index in sorted(order, key=self._sides.__getitem__)[start:]:
            yield SIDES[self._sides[index]], self._samples[index]


def take(
    record: Record,
    rules: Rules,
    ids: Mapping[str, int],
    *,
    names: Names | None = None,
    told: Samples | None = None,
) -> Sample | None:
    """Make a line's sample, None if it gives none; what is left out is noted where it is `told`.

    `ids` are the channel's classes; without `names` the sample has no stem.
    """
    side = rules.side_of(record.origin)
    stem = _no_stem if names is None else names.stem
    if (found := _as_drawn(record, rules.min_side, ids)) is not None:
        width, height, objects = found
        return Sample(
            line=record.line,
            side=side,
            source_ref=record.source_ref,
            stem=stem(record.source_ref, line=record.line),
            width=width,
            height=height,
            objects=objects,
            kept=list(range(len(objects))),
            raw=record.raw,
        )
    judged = judge(record, min_side=rules.min_side)
    kept_empty = judged.absence == "no boxes" and rules.keep_empty and side == "validation"
    if told is not None:
        told.tell(judged, kept_empty=kept_empty, manifest=rules.manifest)
    label = judged.label
    if label is None or not (judged.boxes or kept_empty):
        return None
    return Sample(
        line=record.line,
        side=side,
        source_ref=record.source_ref,
        stem=stem(record.source_ref, line=record.line),
        width=label.width,
        height=label.height,
        objects=[
            (
                ids[kept.annotation.label],
                kept.box.left,
                kept.box.top,
                kept.box.width,
                kept.box.height,
            )
            for kept in judged.boxes
        ],
        kept=[kept.index for kept in judged.boxes],
        raw=record.raw,
    )


def _no_stem(_source_ref: str, *, line: int) -> str:  # noqa: ARG001 - as `Names.stem`
    return ""


def _as_drawn(
    record: Record, min_side: float, ids: Mapping[str, int]
) -> tuple[int, int, list[Object]] | None:
    """Return the raster's size and the objects of a label of which `judge` would take all.

    None for every other line. No label is built for it, which saves a third of reading a line.
    """
    content = record.content
    if not isinstance(content, tuple):
        return None
    label, names = content[0], content[1].class_map
    size = label.image_size[0]
    width, height = size.width, size.height
    objects: list[Object] = []
    for box in label.annotations:
        left, top, across, down = box.left, box.top, box.width, box.height
        if (
            left < 0
            or top < 0
            or left + across > width
            or top + down > height
            or across < min_side
            or down < min_side
            or names is UNSET
        ):
            return None
        objects.append((ids[names[box.class_id]], left, top, across, down))
    return (width, height, objects) if objects else None
