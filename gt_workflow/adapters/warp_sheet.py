"""A contact sheet: pictures side by side with their boxes drawn, to be looked at."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import PIL.Image
from PIL import ImageDraw
from PIL.Image import Resampling

from gt_workflow.core.boxes import Box

_CELL: Final = 300
_TITLE: Final = 16
_GAP: Final = 6


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a sheet: a JPEG or PNG, and boxes in its pixels."""

    title: str
    image: bytes
    boxes: Sequence[Box]


def contact_sheet(cells: Sequence[Cell], *, form: str = "JPEG") -> bytes:
    """Return a JPEG or PNG with the pictures in rows, from the upper left."""
    columns = min(4, max(1, len(cells)))
    rows = math.ceil(len(cells) / columns)
    step = _CELL + _GAP
    size = (columns * step + _GAP, rows * (step + _TITLE) + _GAP)
    sheet = PIL.Image.new("RGB", size, "#e8e8e8")
    pen = ImageDraw.Draw(sheet)
    for index, cell in enumerate(cells):
        left = _GAP + index % columns * step
        top = _GAP + index // columns * (step + _TITLE)
        pen.text((left, top), cell.title, fill="black")
        picture = PIL.Image.open(io.BytesIO(cell.image)).convert("RGB")
        scale = _CELL / max(picture.size)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        sheet.paste(picture.resize((width, height), Resampling.LANCZOS), (left, top + _TITLE))
        for box in cell.boxes:
            edges = (box.left, box.top, box.right, box.bottom)
            x0, y0, x1, y1 = (edge * scale for edge in edges)
            corners = (left + x0, top + _TITLE + y0, left + x1 - 1, top + _TITLE + y1 - 1)
            pen.rectangle(_ordered(corners), outline="#ff2020", width=2)
    buffer = io.BytesIO()
    sheet.save(buffer, form, quality=92)
    return buffer.getvalue()


def _ordered(corners: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Return corners that can be drawn: a box smaller than a pixel of the sheet has none left."""
    x0, y0, x1, y1 = corners
    return x0, y0, max(x0, x1), max(y0, y1)
