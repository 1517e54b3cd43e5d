"""What augmentation does with one photograph, in a worker process: images out, lines back.

Names follow from the photograph's own (its path in the folder, its `source-ref` in a manifest), so
that a photograph's variants are the same files whenever, wherever and in which order it is done.
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
from gt_workflow.core.manifest import Record, input_line, read
from gt_workflow.core.objects import MAX_IMAGE_BYTES
from gt_workflow.core.variant_boxes import Keeping
from gt_workflow.core.variants import choose, draw, recipe
from gt_workflow.errors import DataError, StorageError
from gt_workflow.ports import Folders, Images, Look, Storage, Warper
from gt_workflow.workflow.augment_lines import labelled, unlabelled

ORIGINAL: Final = "original"
_SUFFIXES: Final = {"JPEG": "jpg", "PNG": "png"}


@dataclass(frozen=True, slots=True)
class Recipes:
    """Which variants every photograph gets; see `AugmentSettings`."""

    names: tuple[str, ...]
    per_image: int | None
    seed: int
    expand: bool
    keeping: Keeping
    look: Look


@dataclass(frozen=True, slots=True)
class Item:
    """One photograph: a file (`name`, `where`), or a line of a manifest (`raw`, its number).

    A line with `vary` False is passed on as it is.
    """

    name: str = ""
    where: str = ""
    raw: bytes = b""
    line: int = 0
    vary: bool = True


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
    recipes: Recipes
    source: str
    attribute: str | None
    originals: bool
    out: str  # where images go, without a slash at the end

    def __call__(self, item: Item) -> Made:
        """Make and store the variants.

        Raises `DataError` for an image of a manifest that cannot be used, `StorageError`.
        """
        return self._line(item) if item.raw else self._photograph(item)

    def _photograph(self, item: Item) -> Made:
        try:
            data = self._file(item.where)
        except StorageError as error:
            return Made(counts=Counter(photographs_left_out=1), reason=error.reason)
        found = self.images.inspect(data)
        if found.reason:
            return Made(counts=Counter(photographs_left_out=1), reason=found.reason)
        stem = _stem(item.name)
        first = f"{self.out}/{stem}.{_SUFFIXES[found.format]}"
        names = {"origin": hashlib.sha256(data).hexdigest()[:16], "photograph": item.name}
        whole = input_line(first, names)
        lines = []
        if self.originals:
            self._write(first, found.stored)
            lines.append(whole)
        record = Record(0, whole, first, names["origin"])
        made = self._variants(record, found.stored, (found.width, found.height), item.name, stem)
        counts = made.counts + Counter(photographs=1, originals=len(lines))
        return Made((*lines, *made.lines), counts)

    def _line(self, item: Item) -> Made:
        own = (item.raw,) if self.originals else ()
        counts = Counter(originals=len(own))
        if not item.vary:
            return Made(own, counts)
        (record,) = read((item.raw,), uri=self.source, attribute=self.attribute)
        place = f"{self.source}:{item.line}"
        try:
            data = self._file(record.source_ref)
        except StorageError as error:
            raise DataError(
                f"its image {record.source_ref} cannot be read: {error.reason}",
                uri=self.source,
                line=item.line,
                field="source-ref",
            ) from error
        try:
            size = self.images.read_size(io.BytesIO(data))
        except DataError as error:
            raise DataError(error.reason, uri=f"{place}: {record.source_ref}") from error
        label = record.label
        if label is not None and (label.width, label.height) != size:
            raise DataError(
                f"the label is of an image of {label.width}x{label.height} pixels, but "
                f"{record.source_ref} has {size[0]}x{size[1]}",
                uri=self.source,
                line=item.line,
                field=f"{label.attribute}.image_size",
            )
        stem = _stem(record.source_ref)
        made = self._variants(record, data, size, record.source_ref, stem, place=place)
        counts += made.counts + Counter(photographs=1)
        if label is not None:
            counts["boxes_before"] += len(label.annotations)
        return Made((*own, *made.lines), counts)

    def _variants(
        self,
        record: Record,
        data: bytes,
        size: tuple[int, int],
        key: str,
        stem: str,
        *,
        place: str = "",
    ) -> Made:
        width, height = size
        label, asked = record.label, self.recipes
        boxes: list[Box] = [one.box for one in label.annotations] if label else []
        names = choose(asked.names, per_image=asked.per_image, seed=asked.seed, key=key)
        variants = [
            draw(name, width=width, height=height, boxes=boxes, seed=asked.seed, key=key)
            for name in names
        ]
        suffix = "png" if data.startswith(b"\x89PNG") else "jpg"
        wanted, lines, counts = [], [], Counter[str]()
        for variant in variants:
            made = recipe(variant, width=width, height=height, expand=asked.expand)
            uri = f"{self.out}/{stem}-{variant.name}.{suffix}"
            if label is None:
                line: bytes | None = unlabelled(record, variant, uri=uri)
            else:
                line, found = labelled(
                    record, label, variant, made.geometry, uri=uri, keeping=asked.keeping
                )
                counts += found
            if line is not None:
                wanted.append((uri, made))
                lines.append(line)
        where = f"{place}: {record.source_ref}" if place else key
        rendered = self.warper.render(
            data, [made for _, made in wanted], look=asked.look, uri=where
        )
        for (uri, _), image in zip(wanted, rendered, strict=True):
            self._write(uri, image.data)
            counts[f"images_{image.how}"] += 1
        counts["variants"] += len(lines)
        return Made(tuple(lines), counts)

    def _file(self, where: str) -> bytes:
        """Return an image's bytes; a photograph of a folder without waiting for a pipe."""
        if not where.startswith("s3://"):
            return self.folders.read(where, limit=MAX_IMAGE_BYTES + 1)
        with self.storage.open(where) as file:
            return file.read()

    def _write(self, uri: str, data: bytes) -> None:
        with self.storage.create(uri) as file:
            file.write(data)


def _stem(name: str) -> str:
    """Return a file's name that tells people whose it is, and no two photographs share."""
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", PurePosixPath(name).stem).strip("-")[:60]
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:10]
    return f"{readable or 'image'}-{digest}"
