"""Every odd image gets its stated treatment; what needs none keeps its bytes."""

from __future__ import annotations

import io
import pickle
import struct
import threading
import warnings
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageStat, JpegImagePlugin

from gt_workflow.adapters.headers import read_size
from gt_workflow.adapters.images import PillowImages
from gt_workflow.errors import DataError

IMAGES = PillowImages()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 0x0112


def picture(size=(96, 64), mode="RGB"):
    """Smooth in colour, different in every corner, so that turns and losses show."""
    width, height = size
    red = Image.linear_gradient("L").resize(size)
    green = Image.linear_gradient("L").rotate(90).resize(size)
    blue = Image.radial_gradient("L").resize(size)
    image = Image.merge("RGB", (red, green, blue))
    image.paste((250, 20, 20), (0, 0, width // 4, height // 4))
    return image.convert(mode)


def encode(image, form="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decode(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on broken EXIF
        image = Image.open(io.BytesIO(data))
        image.load()
        image.getexif()
    return image


def exif(orientation, **tags):
    block = Image.Exif()
    block[ORIENTATION] = orientation
    for tag, value in tags.items():
        block[int(tag.removeprefix("t"), 16)] = value
    return block.tobytes()


def difference(a, b):
    """The largest difference of any channel of any pixel."""
    return max(high for _, high in ImageChops.difference(a.convert("RGB"), b).getextrema())


def mean_difference(a, b):
    """Averaged over the pixels, of the worst channel: losses of chroma hide at edges alone."""
    return max(ImageStat.Stat(ImageChops.difference(a, b)).mean)


def is_normal(inspection):
    """What every stored image promises."""
    stored = decode(inspection.stored)
    assert inspection.reason == ""
    assert {"MPO": "JPEG"}.get(stored.format, stored.format) == inspection.format
    assert stored.mode == "RGB"
    assert stored.size == (inspection.width, inspection.height)
    assert stored.getexif().get(ORIENTATION, 1) == 1
    assert not stored.has_transparency_data
    assert IMAGES.read_size(io.BytesIO(inspection.stored)) == stored.size
    return stored


KEPT = {
    "jpeg": encode(picture(), quality=80),
    "jpeg, progressive, 4:4:4": encode(picture(), progressive=True, subsampling=0),
    "jpeg with orientation 1": encode(picture(), exif=exif(1)),
    "jpeg with a profile": encode(picture(), icc_profile=PROFILE),
    "jpeg with bytes behind its end": encode(picture()) + b"\xff\xda trailing film" * 9,
    "png": encode(picture(), "PNG"),
    "png with a profile": encode(picture(), "PNG", icc_profile=PROFILE),
    "mpo": encode(picture(), "MPO", save_all=True, append_images=[picture()]),
}


@pytest.mark.parametrize("data", KEPT.values(), ids=KEPT.keys())
def test_an_image_that_needs_nothing_keeps_its_bytes(data):
    inspection = IMAGES.inspect(data)
    assert inspection.stored is data
    assert inspection.note == ""
    is_normal(inspection)


def palette(**options):
    return encode(picture().quantize(64), "PNG", **options)


def sixteen_bit_rgb():
    """A PNG of 2 x 1 pixels with 16 bits a channel, which Pillow cannot write."""
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    row = b"\0" + struct.pack(">6H", 65535, 0, 32768, 257, 514, 771)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


CONVERTED = {
    "gray jpeg": (encode(picture(mode="L")), "JPEG", "grayscale"),
    "gray png": (encode(picture(mode="L"), "PNG"), "PNG", "grayscale"),
    "black and white png": (encode(picture(mode="1"), "PNG"), "PNG", "black and white"),
    "palette png": (palette(), "PNG", "palette"),
    "palette png, one colour clear": (palette(transparency=3), "PNG", "transparency laid over"),
    "palette png, shades clear": (palette(transparency=bytes(64)), "PNG", "transparency laid"),
    "alpha png": (encode(picture(mode="RGBA"), "PNG"), "PNG", "opaque alpha channel removed"),
    "gray alpha png": (encode(picture(mode="LA"), "PNG"), "PNG", "opaque alpha"),
    "png with a clear colour": (
        encode(picture(), "PNG", transparency=(250, 20, 20)),
        "PNG",
        "transparency laid over white",
    ),
    "16-bit gray png": (
        encode(Image.new("I;16", (9, 7), 40_000), "PNG"),
        "PNG",
        "16-bit grayscale reduced",
    ),
    "16-bit png": (sixteen_bit_rgb(), "PNG", "16 bits a channel reduced to 8"),
    "16-bit tiff": (encode(Image.new("I;16", (9, 7), 4), "TIFF"), "PNG", "TIFF converted; 16-bit"),
    "cmyk jpeg": (encode(picture(mode="CMYK")), "JPEG", "CMYK converted to RGB"),
    "cmyk tiff": (encode(picture(mode="CMYK"), "TIFF"), "PNG", "CMYK converted to RGB"),
    "lab tiff": (encode(Image.new("LAB", (8, 8)), "TIFF"), "PNG", "LAB converted to RGB"),
    "gif": (encode(picture().quantize(64), "GIF"), "PNG", "GIF converted"),
    "bmp": (encode(picture(), "BMP"), "PNG", "BMP converted"),
    "tiff": (encode(picture(), "TIFF"), "PNG", "TIFF converted"),
    "tiff of jpeg": (encode(picture(), "TIFF", compression="jpeg"), "JPEG", "TIFF converted"),
    "tiff of pages": (
        encode(picture(), "TIFF", save_all=True, append_images=[picture()]),
        "PNG",
        "first page of several",
    ),
    "webp": (encode(picture(), "WEBP"), "JPEG", "WEBP converted"),
    "webp, lossless": (encode(picture(), "WEBP", lossless=True), "PNG", "WEBP converted"),
    "webp, lossless with profile": (
        encode(picture(), "WEBP", lossless=True, icc_profile=PROFILE),
        "PNG",
        "WEBP converted",
    ),
    "mpo with orientation": (
        encode(picture(), "MPO", save_all=True, append_images=[picture()], exif=exif(8)),
        "JPEG",
        "orientation 8",
    ),
    "png with orientation": (encode(picture(), "PNG", exif=exif(6)), "PNG", "orientation 6"),
    "webp with orientation": (encode(picture(), "WEBP", exif=exif(8)), "JPEG", "orientation 8"),
    "orientation 0": (encode(picture(), exif=exif(0)), "JPEG", "meaningless EXIF orientation 0"),
    "broken exif": (encode(picture(), exif=b"Exif\0\0no TIFF inside"), "JPEG", "unreadable EXIF"),
}


@pytest.mark.parametrize(("data", "form", "note"), CONVERTED.values(), ids=CONVERTED.keys())
def test_an_odd_image_is_converted_with_a_note(data, form, note):
    inspection = IMAGES.inspect(data)
    assert note in inspection.note
    assert inspection.format == form
    stored = is_normal(inspection)
    assert IMAGES.inspect(data) == inspection, "the same bytes again"
    again = IMAGES.inspect(inspection.stored)
    assert again.stored == inspection.stored, "nothing is left to be done"
    assert stored.size in {decode(data).size, decode(data).size[::-1]}


@pytest.mark.parametrize("form", ["BMP", "TIFF", "PNG", "GIF"])
def test_a_lossless_source_keeps_every_pixel(form):
    source = picture(mode="L")
    stored = decode(IMAGES.inspect(encode(source, form)).stored)
    assert difference(source, stored) == 0


def test_sixteen_bits_are_scaled_not_clipped():
    deep = IMAGES.inspect(encode(Image.new("I;16", (4, 4), 40_000), "PNG"))
    assert decode(deep.stored).getpixel((0, 0)) == (155, 155, 155)
    assert decode(IMAGES.inspect(sixteen_bit_rgb()).stored).getpixel((0, 0)) == (255, 0, 128)


def test_transparent_pixels_become_white_whatever_colour_they_hide():
    image = picture(mode="RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 40, 40))
    stored = decode(IMAGES.inspect(encode(image, "PNG")).stored)
    assert stored.getpixel((10, 10)) == (255, 255, 255)
    assert difference(picture().crop((50, 50, 96, 64)), stored.crop((50, 50, 96, 64))) == 0


def test_a_cmyk_jpeg_is_not_inverted():
    stored = decode(IMAGES.inspect(encode(picture(mode="CMYK"), quality=95)).stored)
    assert mean_difference(picture(), stored) < 2


def test_a_profile_that_no_longer_fits_is_left_out():
    gray = encode(picture(mode="L"), icc_profile=PROFILE[:16] + b"GRAY" + PROFILE[20:])
    assert "icc_profile" not in decode(IMAGES.inspect(gray).stored).info
    broken = encode(picture(mode="CMYK"), icc_profile=PROFILE[:16] + b"CMYK" + PROFILE[20:60])
    inspection = IMAGES.inspect(broken)
    assert inspection.note == "CMYK converted to RGB"
    assert "icc_profile" not in decode(inspection.stored).info


TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_orientation_is_applied_to_the_pixels_and_the_tag_removed(orientation, subsampling):
    options = {"quality": 88, "subsampling": subsampling, "icc_profile": PROFILE}
    plain = encode(picture(), **options)
    tagged = encode(picture(), **options, exif=exif(orientation, t10f="maker", t8298="owner"))
    inspection = IMAGES.inspect(tagged)
    stored = is_normal(inspection)
    assert inspection.note == f"EXIF orientation {orientation} applied"
    assert inspection.format == "JPEG"
    assert mean_difference(decode(plain).transpose(TURNS[orientation]), stored) < 1.5
    assert stored.info["icc_profile"] == PROFILE
    assert JpegImagePlugin.get_sampling(stored) == subsampling
    assert dict(stored.getexif()) == {0x10F: "maker", 0x8298: "owner"}
    assert all(
        mine <= theirs
        for index, table in decode(plain).quantization.items()
        for mine, theirs in zip(stored.quantization[index], table, strict=True)
    )


def test_orientation_in_a_tiff_is_applied():
    tiff = encode(picture(), "TIFF", tiffinfo={ORIENTATION: 6})
    stored = is_normal(IMAGES.inspect(tiff))
    assert difference(picture().transpose(TURNS[6]), stored) == 0


def test_orientation_that_only_the_xmp_tells_is_applied_too():
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    inspection = IMAGES.inspect(encode(picture(), xmp=xmp))
    assert inspection.note == "EXIF orientation 3 applied"
    is_normal(inspection)


JPEG = encode(picture(), quality=90)
PROGRESSIVE = encode(picture(), quality=90, progressive=True)
PNG = encode(picture(), "PNG")


def broken_checksum():
    at = PNG.index(b"IDAT") + 60
    return PNG[:at] + bytes([PNG[at] ^ 0xFF]) + PNG[at + 1 :]


def claims(width, height):
    """A small file whose header speaks of a giant image."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    at = PNG.index(b"IHDR")
    return PNG[:at] + header + struct.pack(">I", zlib.crc32(header)) + PNG[at + 21 :]


def giant_jpeg():
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", 60_000, 60_000) + JPEG[at + 4 :]


FRAMES = [picture().rotate(turn) for turn in (0, 30, 60)]
REFUSED = {
    "empty": (b"", "the file is empty"),
    "text": (b"not an image at all", "it is damaged, or none of JPEG, PNG"),
    "html": (b"<html>404</html>" * 9, "it is damaged, or none of"),
    "pdf": (b"%PDF-1.7 " * 30, "it is damaged, or none of"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is damaged, or none"),
    "jpeg, first bytes": (JPEG[:3], "it is damaged, or none of"),
    "jpeg, half": (JPEG[: len(JPEG) // 2], "it is truncated"),
    "jpeg, header alone": (JPEG[:400], "it is truncated"),
    "jpeg, end missing": (JPEG[:-40], "it is truncated"),
    "jpeg, zeros at the end": (JPEG[:-40] + bytes(4000), "the end of the image is missing"),
    "progressive, half": (PROGRESSIVE[: len(PROGRESSIVE) // 2], "it is truncated"),
    "png, half": (PNG[: len(PNG) // 2], "it is "),
    "png, end missing": (PNG[:-12], "it is "),
    "png, a bit flipped": (broken_checksum(), "it is damaged"),
    "bmp, half": (encode(picture(), "BMP")[:5000], "it is truncated"),
    "tiff, half": (encode(picture(), "TIFF")[:5000], "it is "),
    "webp, half": (encode(picture(), "WEBP")[:300], "it is damaged"),
    "gif, half": (encode(picture().quantize(64), "GIF")[:900], "it is truncated"),
    "gif film": (
        encode(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
        "it is an animation",
    ),
    "webp film": (
        encode(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
        "it is an animation",
    ),
    "png film": (
        encode(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
        "it is an animation",
    ),
    "floats": (encode(picture(mode="F"), "TIFF"), "it has 32 bits a channel"),
    "integers": (encode(picture(mode="I"), "TIFF"), "it has 32 bits a channel"),
    "bomb above Pillow's limit": (claims(50_000, 50_000), "more than 100 million pixels"),
    "bomb above ours": (claims(10_001, 10_000), "more than 100 million pixels"),
    "jpeg bomb": (giant_jpeg(), "more than 100 million pixels"),
    "no pixels": (claims(0, 10), "it is damaged"),
}


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_useless_image_is_refused_with_its_reason(data, reason):
    inspection = IMAGES.inspect(data)
    assert inspection.reason.startswith(reason) or reason in inspection.reason
    assert inspection.stored == b""
    assert "\n" not in inspection.reason


def test_limits_are_checked_before_anything_is_decoded():
    assert "more than the 0.001 MB" in PillowImages(max_bytes=1000).inspect(JPEG).reason
    assert "million pixels" in PillowImages(max_pixels=6143).inspect(JPEG).reason
    assert PillowImages(max_pixels=6144, max_bytes=len(JPEG)).inspect(JPEG).stored is JPEG


def test_a_png_that_would_be_too_big_becomes_a_jpeg_or_is_refused():
    noise = Image.effect_noise((200, 200), 90)
    lossless = encode(noise, "WEBP", lossless=True)
    png = len(IMAGES.inspect(lossless).stored)
    assert png > len(lossless)
    inspection = PillowImages(max_bytes=png - 1).inspect(lossless)
    assert inspection.format == "JPEG"
    assert inspection.note.endswith("JPEG of quality 95, as a PNG would be too big")
    small = encode(noise, "WEBP", quality=10)
    assert (
        "MB that a labeling job takes" in PillowImages(max_bytes=len(small)).inspect(small).reason
    )


def test_odd_metadata_raises_no_warnings_and_filters_stay(recwarn):
    IMAGES.inspect(palette(transparency=bytes(range(64))))
    IMAGES.inspect(encode(picture(), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff"))
    assert not recwarn.list


def test_threads_may_share_it_and_processes_may_be_sent_it():
    images = pickle.loads(pickle.dumps(IMAGES))  # noqa: S301 - what the engine does
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(images.inspect(JPEG))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [IMAGES.inspect(JPEG)] * 4


SAMPLES = [JPEG, PROGRESSIVE, PNG, *(data for data, _, _ in CONVERTED.values())]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=12),
    st.integers(1, 8000),
)
def test_hostile_bytes_never_raise(sample, changes, length):
    data = bytearray(sample[:length])
    for at, value in changes:
        data[at % len(data)] = value
    inspection = IMAGES.inspect(bytes(data))
    assert bool(inspection.stored) != bool(inspection.reason)
    if inspection.stored:
        is_normal(inspection)


@given(st.sampled_from([JPEG, PNG, PROGRESSIVE]), st.binary(max_size=40), st.integers(0, 600))
def test_reading_a_size_ends_whatever_the_bytes_are(sample, junk, at):
    data = sample[:at] + junk + sample[at + len(junk) :]
    try:
        width, height = read_size(io.BytesIO(data))
    except DataError:
        return
    assert width > 0
    assert height > 0


def test_a_size_is_the_stored_rasters():
    assert read_size(io.BytesIO(encode(picture((96, 64)), exif=exif(6)))) == (96, 64)
    assert read_size(io.BytesIO(encode(picture((7, 9)), "PNG"))) == (7, 9)
    padded = JPEG[:2] + b"\xff\xff\xff" + JPEG[2:]
    assert read_size(io.BytesIO(padded)) == (96, 64)
    stray = JPEG[:2] + b"stray" + JPEG[2:]
    assert read_size(io.BytesIO(stray)) == (96, 64)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", PNG[:20], JPEG[:2], b"\xff\xd8" + b"\xff\x01" * 9]
)
def test_a_size_that_cannot_be_read_is_an_error(data):
    with pytest.raises(DataError, match=r"image: .*(no JPEG and no PNG|gives no size)"):
        read_size(io.BytesIO(data))


def test_real_photographs_are_kept_or_noted(shared):
    paths = sorted((shared / "data" / "raccoons" / "images").glob("*.jpg"))[:40]
    for path in paths:
        data = path.read_bytes()
        inspection = IMAGES.inspect(data)
        is_normal(inspection)
        assert (inspection.stored == data) == (inspection.note == "")
