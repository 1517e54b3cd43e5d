"""Image heads against files that Pillow writes, and against damage."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.core import recordio
from gt_workflow.errors import ObjectNotFoundError
from gt_workflow.workflow.channels import images as channel_images
from gt_workflow.workflow.channels.images import (
    CutShortError,
    RasterError,
    check,
    check_end,
    load,
    raster,
)


def encoded(mode="RGB", size=(31, 17), image_format="JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 1).save(buffer, image_format, **options)
    return buffer.getvalue()


def with_orientation(value: int, image_format: str) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "a maker whose name is longer than four bytes"
    exif[0x0112] = value
    return encoded(image_format=image_format, exif=exif)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(), ("jpeg", "RGB", ".jpg", "image/jpeg")),
        (encoded(progressive=True), ("jpeg", "RGB", ".jpg", "image/jpeg")),
        (encoded("L"), ("jpeg", "grey", ".jpg", "image/jpeg")),
        (encoded("CMYK"), ("jpeg", "CMYK", ".jpg", "image/jpeg")),
        (encoded(image_format="PNG"), ("png", "RGB", ".png", "image/png")),
        (encoded("L", image_format="PNG"), ("png", "grey", ".png", "image/png")),
        (encoded("1", image_format="PNG"), ("png", "grey", ".png", "image/png")),
        (encoded("P", image_format="PNG"), ("png", "palette", ".png", "image/png")),
        (
            encoded("P", image_format="PNG", transparency=0),
            ("png", "alpha", ".png", "image/png"),
        ),
        (encoded("RGBA", image_format="PNG"), ("png", "alpha", ".png", "image/png")),
        (encoded("LA", image_format="PNG"), ("png", "alpha", ".png", "image/png")),
        (encoded("I;16", image_format="PNG"), ("png", "16 bit", ".png", "image/png")),
    ],
)
def test_size_and_mode_are_read(data, expected):
    found = raster(data)
    assert (found.width, found.height, found.orientation) == (31, 17, 1)
    assert (found.format, found.mode, found.suffix, found.content_type) == expected
    check_end(data, found)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_found(orientation, image_format):
    assert raster(with_orientation(orientation, image_format)).orientation == orientation


def test_a_big_endian_orientation_is_found():
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    data = encoded()
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff
    assert raster(data[:2] + segment + data[2:]).orientation == 6


def test_fill_bytes_and_bare_markers_are_passed_over():
    data = encoded()
    assert raster(data[:2] + b"\xff\xff\xff\x01" + b"\xff\xd0" + data[2:]).width == 31


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II*\0",
        b"nonsense, but long enough",
        b"II*\0" + struct.pack("<I", 4000),
        b"II*\0" + struct.pack("<IH", 8, 900),
        b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHIHH", 0x0112, 3, 1, 99, 0),
    ],
)
def test_exif_that_makes_no_sense_is_no_orientation(exif):
    data = encoded()
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif
    assert raster(data[:2] + segment + data[2:]).orientation == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (encoded(image_format="GIF"), "GIF"),
        (encoded(image_format="WEBP"), "WEBP"),
        (encoded(image_format="BMP"), "BMP"),
        (encoded(image_format="TIFF"), "TIFF"),
        (b"<html>403 Forbidden</html>", "neither a JPEG nor a PNG"),
        (b"\xff\xd8\xff\xd9\0\0", "no frame"),
        (b"\xff\xd8\xff\xe0\0\x04abnonsense", "no marker"),
        (b"\xff\xd8\xff\xc3\0\x11" + bytes(20), "lossless"),
        (b"\xff\xd8\xff\xc0\0\x04\x08\0", "too short"),
        (b"\xff\xd8\xff\xc0\0\x08\x0c\0\x10\0\x10\x03", "12 bits"),
        (b"\xff\xd8\xff\xc0\0\x08\x08\0\x10\0\x10\x07", "7 components"),
        (b"\xff\xd8\xff\xc0\0\x08\x08\0\0\0\x10\x03", "16 x 0 pixels"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "broken PNG"),
    ],
)
def test_what_is_no_image_for_a_channel_is_refused(data, reason):
    with pytest.raises(RasterError, match=reason):
        raster(data)


def test_a_png_wider_than_opencv_reads_is_refused():
    head = struct.pack(">IIBBBBB", (1 << 20) + 1, 1, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    data = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDR" + head + crc + b"\0\0\0\0IDAT"
    with pytest.raises(RasterError, match="1048577 x 1"):
        raster(data)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_every_cut_in_the_head_asks_for_more(image_format):
    data = with_orientation(6, image_format)
    whole = raster(data)
    for length in range(8, len(data)):
        try:
            assert raster(data[:length]) == whole
        except CutShortError:
            continue


@given(
    data=st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=60).map(b"\xff\xd8\xff".__add__),
        st.binary(max_size=60).map(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".__add__),
    )
)
def test_no_bytes_break_the_reader(data):
    with suppress(RasterError):
        raster(data)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_file_without_its_end_is_told(image_format):
    data = encoded(size=(200, 200), image_format=image_format)
    found = raster(data)
    with pytest.raises(CutShortError, match="the end of the image is missing"):
        check_end(data[:-20], found)


def test_a_head_longer_than_usual_is_read_to_its_end():
    segment = b"\xff\xe2" + struct.pack(">H", 65535) + bytes(65533)
    data = encoded()
    data = data[:2] + segment * 9 + data[2:]
    storage = MemoryStorage({"s3://b/a.jpg": data})
    for whole in (True, False):
        loaded, found = load(storage, "s3://b/a.jpg", whole=whole)
        assert (loaded, found.width) == (data, 31)


def test_only_the_head_is_read_where_that_is_enough():
    data = encoded() + bytes(channel_images.HEAD) + b"\xff\xd9"
    storage = MemoryStorage({"s3://b/a.jpg": data})
    assert load(storage, "s3://b/a.jpg", whole=True)[0] == data
    assert len(load(storage, "s3://b/a.jpg", whole=False)[0]) == channel_images.HEAD


class Bottomless:
    """A storage whose only object begins like a JPEG and does not end."""

    def open(self, _uri):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __init__(self):
        self._head = encoded() + bytes(1 << 20)
        self.given = 0

    def read(self, size):
        data = self._head[:size] if not self.given else Long()
        self.given += len(data)
        return data


class Long(bytes):
    def __len__(self):
        return 100 << 20


def test_an_image_larger_than_a_record_is_refused_before_it_fills_the_memory():
    source = Bottomless()
    with pytest.raises(RasterError, match="more than"):
        load(source, "s3://b/a.jpg", whole=True)
    assert source.given < 2 * recordio.LIMIT


def test_a_missing_image_is_told_apart():
    with pytest.raises(ObjectNotFoundError):
        load(MemoryStorage(), "s3://b/a.jpg", whole=True)


@pytest.mark.parametrize(
    ("data", "size", "reason"),
    [
        (with_orientation(6, "JPEG"), (31, 17), "EXIF orientation is 6"),
        (encoded(), (17, 31), "the sides are swapped"),
        (encoded(), (31, 18), "its raster is 31 x 17, its label was drawn on 31 x 18$"),
        (encoded("CMYK"), (31, 17), "pixels are CMYK"),
    ],
)
def test_an_image_must_fit_its_label(data, size, reason):
    with pytest.raises(RasterError, match=reason):
        check(raster(data), width=size[0], height=size[1], any_mode=False)


def test_other_modes_may_pass_but_no_orientation():
    check(raster(encoded("CMYK")), width=31, height=17, any_mode=True)
    with pytest.raises(RasterError, match="orientation"):
        check(raster(with_orientation(3, "PNG")), width=31, height=17, any_mode=True)
