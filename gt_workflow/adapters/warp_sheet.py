"""A contact sheet: pictures side by side with their boxes drawn, to be looked at."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import PIL.Image
from PIL import ImageDraw
from PIL.Image import Image, Resampling
from PIL.PngImagePlugin import PngInfo

from gt_workflow.adapters.images import quiet
from gt_workflow.core.boxes import Box
from gt_workflow.errors import DataError

_CELL: Final = 300
_TITLE: Final = 16
_GAP: Final = 6
_MARK: Final = "contact sheet of gt_workflow"  # who finds it may write over the file
_HEAD: Final = 4096  # bytes in which it stands


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a sheet: a JPEG or PNG, and boxes in its pixels."""

    title: str
    image: bytes
    boxes: Sequence[Box]


def contact_sheet(cells: Sequence[Cell], *, form: str = "JPEG") -> bytes:
    """Return a JPEG or PNG with the pictures in rows, from the upper left.

    Raises `DataError` for a picture that cannot be decoded.
    """
    columns = min(4, max(1, len(cells)))
    step = _CELL + _GAP
    pictures = [_shown(cell) for cell in cells]
    rows = [pictures[first : first + columns] for first in range(0, len(pictures), columns)]
    heights = [max(picture.height for picture, _ in row) + _TITLE + _GAP for row in rows]
    sheet = PIL.Image.new("RGB", (columns * step + _GAP, sum(heights) + _GAP), "#e8e8e8")
    pen = ImageDraw.Draw(sheet)
    for index, (cell, (picture, scale)) in enumerate(zip(cells, pictures, strict=True)):
        left = _GAP + index % columns * step
        top = _GAP + sum(heights[: index // columns])
        pen.text((left, top), cell.title, fill="black")
        sheet.paste(picture, (left, top + _TITLE))
        for box in cell.boxes:
            edges = (box.left, box.top, box.right, box.bottom)
            x0, y0, x1, y1 = (edge * scale for edge in edges)
            corners = (left + x0, top + _TITLE + y0, left + x1 - 1, top + _TITLE + y1 - 1)
            pen.rectangle(_ordered(corners), outline="#ff2020", width=2)
    buffer = io.BytesIO()
    if form == "PNG":
        marked = PngInfo()
        marked.add_text("Comment", _MARK)
        sheet.save(buffer, "PNG", pnginfo=marked)
    else:
        sheet.save(buffer, "JPEG", quality=92, comment=_MARK)
    return buffer.getvalue()


def is_sheet(path: Path) -> bool:
    """Tell whether a file is a contact sheet, so that another may take its place."""
    try:
        with path.open("rb") as file:
            return _MARK.encode() in file.read(_HEAD)
    except OSError:
        return False


def _shown(cell: Cell) -> tuple[Image, float]:
    """Return a picture as large as a cell, and how much smaller that is."""
    try:
        with quiet():
            picture = PIL.Image.open(io.BytesIO(cell.image)).convert("RGB")
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise DataError(f"it cannot be decoded: {error}", uri=cell.title) from error
    scale = _CELL / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Resampling.LANCZOS), scale


def _ordered(corners: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Return corners that can be drawn: a box smaller than a pixel of the sheet has none left."""
    x0, y0, x1, y1 = corners
    return x0, y0, max(x0, x1), max(y0, y1)
