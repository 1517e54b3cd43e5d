"""Many images at a time: read, checked, framed, wherever the engine works; nothing is kept there.

A shard is a run of samples in the channels' order. What becomes of it comes back as bytes, which
whoever called joins to the others': frames one behind the other, offsets shifted, lines appended.
Images of the form `image`, one object each, are written from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Literal

import msgspec

from gt_workflow.core import recordio
from gt_workflow.errors import ObjectNotFoundError, StorageError
from gt_workflow.object_store import RefusedError
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels import images
from gt_workflow.workflow.channels.images import Raster, RasterError
from gt_workflow.workflow.channels.report import Event
from gt_workflow.workflow.channels.writers import Forms, Sample

SENT = 8 << 20
"""Bytes of images in a shard that an engine works on, several requests under way."""

HERE = 1 << 20
"""The same where files are read one by one: what was read is written while the cache has it."""

_FIRST, _MOST = 16, 256  # images in the first shard, and in any

_decode = msgspec.msgpack.Decoder(Sample).decode
_search = cache(recordio.quick_search)


class Done(msgspec.Struct, frozen=True, array_like=True):
    """What became of a sample: its image's format and its record's size, or why it is refused."""

    format: Literal["jpeg", "png"] | None
    size: int = 0
    event: Event | None = None

    @property
    def suffix(self) -> str:
        """The ending of the image's name."""
        return images.SUFFIXES[self.format or "jpeg"]


class Shard:
    """Samples as `channels.samples` keeps them; `first` is the place of the first among all."""

    __slots__ = ("_samples", "encoded", "first", "write")

    def __init__(self, first: int, encoded: Sequence[bytes], *, write: bool) -> None:
        """Without `write` the images are only looked at."""
        self.first = first
        self.encoded = encoded
        self.write = write
        self._samples: list[Sample] | None = None

    def __reduce__(self) -> tuple[Callable[..., Shard], tuple[int, Sequence[bytes], bool]]:
        """Travel without what was decoded."""
        return _shard, (self.first, self.encoded, self.write)

    @property
    def samples(self) -> list[Sample]:
        """The samples."""
        if self._samples is None:
            self._samples = [_decode(data) for data in self.encoded]
        return self._samples


def _shard(first: int, encoded: Sequence[bytes], write: bool) -> Shard:
    return Shard(first, encoded, write=write)


class Packed(msgspec.Struct):
    """What became of a shard.

    `frames` are the images' records, `lines` what is to be appended to the files of this path.
    """

    done: list[Done] = msgspec.field(default_factory=list)
    frames: list[bytes] = msgspec.field(default_factory=list)
    lines: dict[str, bytes] = msgspec.field(default_factory=dict)
    read: int = 0


class Feed:
    """Cuts samples into shards of about `target` bytes, by how large the images were so far."""

    def __init__(
        self, samples: Iterator[tuple[str, bytes]], *, first: int, target: int = SENT
    ) -> None:
        """Take samples with their side; a shard has samples of one side alone."""
        self._samples = samples
        self._target = target
        self._place = first
        self._images = self._bytes = 0
        self.write = True

    def learn(self, packed: Packed) -> None:
        """Take note of how large images are."""
        self._images += len(packed.done)
        self._bytes += packed.read

    def __iter__(self) -> Iterator[Shard]:
        taken: list[bytes] = []
        before = ""
        for side, encoded in self._samples:
            if taken and (side != before or len(taken) >= self._size()):
                yield self._cut(taken)
                taken = []
            before = side
            taken.append(encoded)
        if taken:
            yield self._cut(taken)

    def _cut(self, taken: list[bytes]) -> Shard:
        made = Shard(self._place, taken, write=self.write)
        self._place += len(taken)
        return made

    def _size(self) -> int:
        if not self._bytes:
            return _FIRST
        return min(max(self._target * self._images // self._bytes, 1), _MOST)


class PackShard(msgspec.Struct, frozen=True):
    """Works on a shard; a value, so that an engine may send it to other processes."""

    storage: Storage
    forms: Forms
    any_mode: bool

    def __call__(self, shard: Shard) -> Packed:
        """Read, check and frame; raises StorageError for what is no image's fault."""
        packed = Packed()
        lines: dict[str, list[bytes]] = {}
        search = _search() if "recordio" in self.forms.forms else recordio.search
        whole, alone = self.forms.needs_whole_images, "image" in self.forms.forms
        samples = shard.samples
        found = self.storage.read_all(
            (sample.source_ref for sample in samples),
            limit=images.LARGEST + 1 if whole else images.HEAD,
        )
        for sample, outcome in zip(samples, found, strict=True):
            try:
                if outcome.error is not None:
                    raise outcome.error
                image = outcome.result()
                packed.read += len(image)
                image, raster = self._checked(sample, image, whole=whole)
            except (ObjectNotFoundError, RasterError, RefusedError) as error:
                packed.done.append(Done(None, event=_event(sample, error)))
                continue
            if not shard.write:
                packed.done.append(Done(raster.format))
                continue
            size = 0
            label = self.forms.label(sample)
            if label is not None:
                frames = recordio.record(sample.line - 1, label, image, search=search)
                size = sum(map(len, frames))
                packed.frames += frames
            for path, line in self.forms.lines(sample, raster.suffix, label):
                lines.setdefault(path, []).append(line)
            if alone:
                self._write(sample, raster, image)
            packed.done.append(Done(raster.format, size))
        packed.lines = {path: b"".join(some) for path, some in lines.items()}
        return packed

    def _write(self, sample: Sample, raster: Raster, image: bytes) -> None:
        """Write what an image has for itself."""
        for path, data in self.forms.files(sample, raster.suffix, image):
            with self.storage.create(path) as file:
                file.write(data)

    def _checked(self, sample: Sample, image: bytes, *, whole: bool) -> tuple[bytes, Raster]:
        if whole:
            if len(image) > images.LARGEST:
                raise RasterError(f"it has more than {images.LARGEST} bytes")
            raster = images.raster(image)
            images.check_end(image, raster)
        else:
            try:
                raster = images.raster(image)
            except images.CutShortError:
                if len(image) < images.HEAD:
                    raise
                image, raster = images.load(self.storage, sample.source_ref, whole=False)
        images.check(raster, width=sample.width, height=sample.height, any_mode=self.any_mode)
        return image, raster


def _event(sample: Sample, error: ObjectNotFoundError | RasterError | RefusedError) -> Event:
    missing = isinstance(error, ObjectNotFoundError)
    reason = error.reason if isinstance(error, StorageError) else str(error)
    return Event(
        line=sample.line,
        what="image missing" if missing else "image unusable",
        source_ref=sample.source_ref,
        why=None if missing else reason,
    )
