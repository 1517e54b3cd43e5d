"""Thumbnails: small, in the stored raster's own shape, and no trouble from hostile bytes."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from gt_workflow.adapters.thumbnail import SIDE, thumbnail
from gt_workflow.errors import DataError


def encoded(size, form="JPEG", mode="RGB", **options):
    image = Image.effect_noise(size, 40).convert(mode)
    image.paste(image.getpixel((0, 0)), (0, 0, size[0] // 2, size[1] // 2))
    written = io.BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def made(data):
    picture = thumbnail(io.BytesIO(data))
    return picture, Image.open(io.BytesIO(picture))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 3000), (SIDE, SIDE * 3 // 4)),
        ((3000, 4000), (SIDE * 3 // 4, SIDE)),
        ((SIDE * 9, 9), (SIDE, 1)),
        ((64, 48), (64, 48)),
        ((1, 1), (1, 1)),
    ],
)
def test_it_is_as_large_as_it_has_to_be(size, expected):
    picture, image = made(encoded(size))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", expected)
    assert len(picture) < 100_000


def test_the_raster_is_shown_as_stored_and_nothing_is_carried_along():
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "somebody's garden"
    picture, image = made(encoded((800, 600), exif=exif, comment=b"secret"))
    assert image.size == (SIDE, SIDE * 3 // 4)
    assert not image.getexif()
    assert b"garden" not in picture
    assert b"secret" not in picture


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_a_png_of_any_kind(mode):
    _, image = made(encoded((600, 300), "PNG", mode))
    assert (image.mode, image.size) == ("RGB", (SIDE, SIDE // 2))


def bomb():
    """A PNG whose header promises a hundred thousand pixels a side."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(1_000_000))
    chunks = b"".join(
        struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one))
        for one in (header, pixels, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg onload='alert(1)'/>",
        encoded((64, 48), "GIF"),
        encoded((640, 480))[:2000],
        encoded((640, 480), "PNG")[:2000],
        bomb(),
    ],
    ids=["nothing", "svg", "gif", "half a jpeg", "half a png", "bomb"],
)
def test_what_is_no_whole_image_is_refused(data):
    with pytest.raises(DataError):
        thumbnail(io.BytesIO(data))
