"""What is known to be on photographs, by name: from Pascal VOC files and from label manifests.

VOC files come from strangers: a document type, and with it every entity, is refused, so nothing
can expand or be fetched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import msgspec

from gt_workflow.core.boxes import Box
from gt_workflow.core.manifest import Record
from gt_workflow.errors import DataError

Boxes: TypeAlias = tuple[tuple[str, Box], ...]
Truth: TypeAlias = Mapping[str, Boxes]
"""Every name of a photograph to its boxes; an empty tuple says that nothing is on it."""

_LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Voc:
    """One VOC file; `width` and `height` in pixels, as the file tells them."""

    filename: str
    width: int
    height: int
    boxes: Boxes


def parse_voc(text: str | bytes, *, uri: str) -> Voc:
    """Read a Pascal VOC annotation; its corners are taken as edges, as labelImg writes them.

    So `width` is `xmax - xmin`. Raises `DataError` naming the element.
    """
    root = _tree(text, uri=uri)
    if root.tag != "annotation":
        raise DataError(f"the root is <{root.tag}>, not <annotation>", uri=uri)
    size = _Place(root, uri, "annotation").child("size")
    boxes = []
    for index, element in enumerate(root.findall("object")):
        place = _Place(element, uri, f"object[{index}]")
        corners = place.child("bndbox")
        left, top, right, bottom = (
            corners.number(name) for name in ("xmin", "ymin", "xmax", "ymax")
        )
        if right < left or bottom < top:
            raise DataError("the box ends before it begins", uri=uri, field=corners.path)
        boxes.append((place.text("name"), Box.from_corners(left, top, right, bottom)))
    return Voc(
        filename=_Place(root, uri, "annotation").text("filename"),
        width=size.pixels("width"),
        height=size.pixels("height"),
        boxes=tuple(boxes),
    )


def from_voc(annotations: Iterable[Voc]) -> dict[str, Boxes]:
    """Return the truth that VOC files tell, under every name a photograph may be asked for."""
    return _by_name(((annotation.filename,), annotation.boxes) for annotation in annotations)


def from_manifest(records: Iterable[Record]) -> dict[str, Boxes]:
    """Return the truth that a label manifest tells; failed and untouched lines tell none."""
    return _by_name(
        (
            _names(record),
            tuple([(one.label, one.box) for one in record.label.annotations]),
        )
        for record in records
        if record.label is not None
    )


def _names(record: Record) -> tuple[str, ...]:
    """Return what a photograph is called on its line: here, at its origin, by its owner."""
    photograph = msgspec.json.decode(record.raw, type=_Named).photograph
    names = (record.source_ref, record.origin, photograph)
    return tuple([name for name in names if isinstance(name, str) and name])


class _Named(msgspec.Struct):
    photograph: object = None  # somebody else's, perhaps


def find(truth: Truth, *names: str) -> Boxes | None:
    """Return the boxes of the photograph that goes by any of these names, best name first.

    A name is a URI, a path or a bare file name. Its folders may be missing on one side, and its
    extension may differ; a name that would fit several photographs fits none.
    """
    for name in names:
        for form in _forms(name):
            if (boxes := truth.get(form)) is not None:
                return boxes
    return None


def _forms(name: str) -> tuple[str, str, str]:
    """Return a name in full, without folders, and without its extension."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return name, base, base.rpartition(".")[0] or base


def _by_name(entries: Iterable[tuple[tuple[str, ...], Boxes]]) -> dict[str, Boxes]:
    """Enter boxes under every form of their names but those that lead to different boxes."""
    found: dict[str, Boxes] = {}
    vague: set[str] = set()
    for names, boxes in entries:
        for form in {form for name in names for form in _forms(name)}:
            if found.setdefault(form, boxes) != boxes:
                vague.add(form)
    return {name: boxes for name, boxes in found.items() if name not in vague}


def _tree(text: str | bytes, *, uri: str) -> Element:
    """Parse XML that may not define anything."""
    if len(text) > _LARGEST:
        raise DataError(f"the file is larger than {_LARGEST:,} bytes", uri=uri)
    parser = expat.ParserCreate()
    builder = TreeBuilder()

    def refuse(*_: object) -> None:
        raise DataError(
            "a document type is not read: it could define entities",
            uri=uri,
            line=parser.CurrentLineNumber,
        )

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text, True)  # noqa: FBT003 - expat's own signature
    except expat.ExpatError as error:
        reason = f"no XML: {expat.ErrorString(error.code)}"
        raise DataError(reason, uri=uri, line=error.lineno) from error
    except (LookupError, UnicodeError, ValueError) as error:
        raise DataError(f"no XML: {error}", uri=uri) from error
    return builder.close()


@dataclass(frozen=True, slots=True)
class _Place:
    """An element and how to name it in an error."""

    element: Element
    uri: str
    path: str

    def child(self, name: str) -> _Place:
        found = self.element.find(name)
        if found is None:
            raise DataError(f"<{name}> is missing", uri=self.uri, field=self.path)
        return _Place(found, self.uri, f"{self.path}.{name}")

    def text(self, name: str) -> str:
        place = self.child(name)
        if not (text := (place.element.text or "").strip()):
            raise DataError("must not be empty", uri=self.uri, field=place.path)
        return text

    def number(self, name: str) -> float:
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or abs(value) > 1e9:
            raise DataError(
                f"{text[:40]!r} is no number", uri=self.uri, field=f"{self.path}.{name}"
            )
        return value

    def pixels(self, name: str) -> int:
        value = self.number(name)
        if value < 1 or value != int(value):
            raise DataError(
                f"{value:g} is no number of pixels", uri=self.uri, field=f"{self.path}.{name}"
            )
        return int(value)
