"""A small JPEG of a large image, for a page that shows many at once.

The raster is shown as it is stored, whatever an EXIF orientation says: boxes are drawn over it.
"""

from __future__ import annotations

import io
from typing import BinaryIO, Final

from gt_workflow.adapters.headers import read_size
from gt_workflow.core.objects import MAX_IMAGE_PIXELS
from gt_workflow.errors import DataError

SIDE: Final = 480  # pixels of the longer side: a tile on a screen of twice the density
_QUALITY: Final = 80


def thumbnail(file: BinaryIO) -> bytes:
    """Return a JPEG whose longer side is at most `SIDE`; `file` is seekable and at its start.

    Raises `DataError` for what is no JPEG and no PNG, is damaged, or is above Ground Truth's
    limits, which is told from the header, before a pixel is decoded.
    """
    from PIL import Image

    width, height = read_size(file)
    if width * height > MAX_IMAGE_PIXELS:
        raise DataError("the image has more pixels than a labeling job takes", uri=_name(file))
    file.seek(0)
    try:
        with Image.open(file, formats=("JPEG", "PNG")) as image:
            image.draft("RGB", (SIDE, SIDE))  # a JPEG is decoded no larger than there is need to
            small = image.convert("RGB")
            small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
            small.info = {}
            written = io.BytesIO()
            small.save(written, "JPEG", quality=_QUALITY)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        raise DataError(f"the image is damaged: {error}", uri=_name(file)) from error
    return written.getvalue()


def _name(file: BinaryIO) -> str:
    return str(getattr(file, "name", ""))
