"""One photograph, in a worker process: its variants are made and stored, its lines given back.

Names follow from the photograph's own (its path in the folder, its line in a manifest), so that a
photograph's variants are the same files whenever, wherever and in which order it is done.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from gt_workflow.core.boxes import Box
from gt_workflow.core.label_schema import LOOK
from gt_workflow.core.manifest import Record, input_line, read
from gt_workflow.core.objects import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS
from gt_workflow.core.variants import Recipe, choose, draw, recipe
from gt_workflow.errors import DataError, ObjectNotFoundError, StorageError
from gt_workflow.ports import Folders, Images, Storage, Warper
from gt_workflow.workflow.augment.lines import Labelled, unlabelled
from gt_workflow.workflow.augment.settings import AugmentSettings, Item
from gt_workflow.workflow.channels.packing import MissingImageError

_SUFFIXES: Final = {"JPEG": "jpg", "PNG": "png"}


@dataclass(frozen=True, slots=True)
class Made:
    """What became of it: lines for the manifest in order, counts, and why it was left out."""

    lines: tuple[bytes, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Vary:
    """Makes the variants of one item; can be pickled if its parts can be."""

    storage: Storage
    folders: Folders
    images: Images
    warper: Warper
    settings: AugmentSettings
    attribute: str | None
    out: str  # where images go, without a slash at the end

    def __call__(self, item: Item) -> Made:
        """Make and store the variants.

        Raises `DataError` for an image of a manifest that cannot be used, unless bad lines are
        skipped, and `StorageError`.
        """
        return self._line(item) if item.raw else self._photograph(item)

    def _photograph(self, item: Item) -> Made:
        try:
            data = self._file(item.where)
        except StorageError as error:
            return _left_out(error.reason)
        found = self.images.inspect(data)
        if found.reason:
            return _left_out(found.reason)
        stem = _stem(item.name)
        first = f"{self.out}/{stem}.{_SUFFIXES[found.format]}"
        names = {"origin": hashlib.sha256(data).hexdigest()[:16], "photograph": item.name}
        if found.perceptual_hash:
            names[LOOK] = found.perceptual_hash
        whole = input_line(first, names)
        record = Record(0, whole, first, names["origin"])
        try:
            size = (found.width, found.height)
            made = self._variants(record, found.stored, size, key=item.name, stem=stem)
        except DataError as error:
            return _left_out(error.reason)
        lines = []
        if self.settings.originals:
            self._write(first, found.stored)
            lines.append(whole)
        counts = made.counts + Counter(photographs=1, originals=len(lines))
        return Made((*lines, *made.lines), counts)

    def _line(self, item: Item) -> Made:
        own = (item.raw,) if self.settings.originals else ()
        counts = Counter(originals=len(own))
        missing = Counter[str]() if own else Counter(lines_not_listed=1)
        if not item.vary:
            counts["lines_unreadable"] += bool(item.reason)
            return Made(own, counts + missing, item.reason)
        (record,) = read((item.raw,), uri=self.settings.source, attribute=self.attribute)
        try:
            made = self._labelled(record, item.line)
        except DataError as error:
            if self.settings.on_bad_line == "stop":
                raise _with_cure(error) from error
            return Made(own, counts + missing + Counter(photographs_left_out=1), error.reason)
        return Made((*own, *made.lines), counts + made.counts)

    def _labelled(self, record: Record, line: int) -> Made:
        """Make the variants of a manifest's line, which may have no label yet."""

        def refuse(reason: str, where: str) -> DataError:
            return DataError(reason, uri=self.settings.source, line=line, field=where)

        if "\0" in record.source_ref:
            raise refuse("no image's address has a null character", "source-ref")
        try:
            data = self._image(record.source_ref)
        except StorageError as error:
            reason = f"its image {record.source_ref} cannot be read: {error.reason}"
            refusal = refuse(reason, "source-ref")
            if isinstance(error, ObjectNotFoundError):
                refusal = MissingImageError(
                    reason, uri=refusal.uri, line=refusal.line, field=refusal.field
                )
                refusal.source_ref = record.source_ref
            raise refusal from error
        try:
            size = self.images.read_size(io.BytesIO(data))
        except DataError as error:
            raise refuse(f"{record.source_ref}: {error.reason}", "source-ref") from error
        if size[0] * size[1] > MAX_IMAGE_PIXELS:
            reason = f"has more than {MAX_IMAGE_PIXELS / 1e6:g} million pixels; scale it down"
            raise refuse(f"{record.source_ref} {reason}", "source-ref")
        label = record.label
        if label is not None and (label.width, label.height) != size:
            raise refuse(
                f"the label is of an image of {label.width}x{label.height} pixels, but "
                f"{record.source_ref} has {size[0]}x{size[1]}",
                f"{label.attribute}.image_size",
            )
        try:
            name = record.source_ref
            made = self._variants(record, data, size, key=name, stem=_stem(name, record.raw))
        except DataError as error:
            where = error.field or "source-ref"
            raise refuse(f"{record.source_ref}: {error.reason}", where) from error
        counts = made.counts + Counter(photographs=1)
        if label is not None:
            counts["boxes_before"] += len(label.annotations)
        return Made(made.lines, counts)

    def _variants(
        self, record: Record, data: bytes, size: tuple[int, int], *, key: str, stem: str
    ) -> Made:
        """Make and store the variants, in files that `stem` names; chance comes from `key`."""
        width, height = size
        label, asked = record.label, self.settings
        boxes: list[Box] = [one.box for one in label.annotations] if label else []
        suffix = "png" if data.startswith(b"\x89PNG") else "jpg"
        wanted: list[tuple[str, Recipe]] = []
        lines, counts = [], Counter[str]()
        told = Labelled(record, label, asked.keeping) if label else None
        for name in choose(asked.names, per_image=asked.per_image, seed=asked.seed, key=key):
            variant = draw(name, width=width, height=height, boxes=boxes, seed=asked.seed, key=key)
            made = recipe(variant, width=width, height=height, expand=asked.expand)
            uri = f"{self.out}/{stem}-{name}.{suffix}"
            if told is None:
                line: bytes | None = unlabelled(record, variant, uri=uri)
            else:
                line, kept = told.line(variant, made.geometry, uri=uri)
                counts["boxes"] += kept
                counts["boxes_left_out"] += len(boxes) - kept
                counts["variants_without_a_box_left"] += line is None
            if line is not None:
                wanted.append((uri, made))
                lines.append(line)
        rendered = self.warper.render(data, [made for _, made in wanted], look=asked.look, uri=key)
        for (uri, _), image in zip(wanted, rendered, strict=True):
            self._write(uri, image.data)
            counts[f"images_{image.how}"] += 1
        counts += Counter(variants=len(lines))
        return Made(tuple(lines), counts)

    def _image(self, uri: str) -> bytes:
        """Return the bytes of an image that a manifest names."""
        try:
            return self._file(uri)
        except StorageError:
            # Nothing of a folder's that was listed, so it has not vanished.
            if not uri.startswith("s3://") and not self.storage.exists(uri):
                raise ObjectNotFoundError("there is no such file", uri=uri) from None
            raise

    def _file(self, where: str) -> bytes:
        """Return an image's bytes; a photograph of a folder without waiting for a pipe."""
        if not where.startswith("s3://"):
            return self.folders.read(where, limit=MAX_IMAGE_BYTES + 1)
        with self.storage.open(where) as file:
            return file.read()

    def _write(self, uri: str, data: bytes) -> None:
        with self.storage.create(uri) as file:
            file.write(data)


def _with_cure(error: DataError) -> DataError:
    """Say what else can be done about a line whose image cannot be used."""
    cured = type(error)(
        f"{error.reason}; repair it, or leave it out with --on-bad-line skip",
        uri=error.uri,
        line=error.line,
        field=error.field,
    )
    if isinstance(error, MissingImageError) and isinstance(cured, MissingImageError):
        cured.source_ref = error.source_ref
    return cured


def _left_out(reason: str) -> Made:
    return Made(counts=Counter(photographs_left_out=1), reason=reason)


def _stem(name: str, line: bytes = b"") -> str:
    """Return a file's name that tells people whose it is, and no two photographs share.

    Nor do two lines of a manifest that name one photograph: where it is cut, their boxes decide.
    """
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", PurePosixPath(name).stem).strip("-")[:60]
    digest = hashlib.sha256(name.encode(errors="surrogatepass"))
    if line:
        digest.update(b"\0" + line)
    return f"{readable or 'image'}-{digest.hexdigest()[:10]}"
