"""Variants to the pixel: a rectangle is drawn, warped and found again where its box went."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageChops, ImageDraw, ImageStat, JpegImagePlugin

from gt_workflow.adapters import warp_lossless
from gt_workflow.adapters.warp import Warp
from gt_workflow.adapters.warp_jpeg import decode, encode, quality_of
from gt_workflow.core.boxes import Box
from gt_workflow.core.variant_boxes import Keeping, follow
from gt_workflow.core.variants import DRAWN, SEED_TEN, Geometry, Recipe, Variant, draw, recipe
from gt_workflow.errors import DataError, UsageError
from gt_workflow.ports import Look

PATHS = [pytest.param(True, id="fast"), pytest.param(False, id="pillow")]
ALL = (*SEED_TEN, *DRAWN, "rotate-33.5")


def recipes(names, size, *, expand=False, boxes=(), seed=0):
    width, height = size
    variants = [
        draw(name, width=width, height=height, boxes=boxes, seed=seed, key="k") for name in names
    ]
    return [recipe(one, width=width, height=height, expand=expand) for one in variants]


def saved(image, form="JPEG", **options):
    buffer = io.BytesIO()
    if form == "JPEG":
        options = {"quality": 98, "subsampling": "4:2:0"} | options
    image.save(buffer, form, **options)
    return buffer.getvalue()


def opened(rendered):
    image = PIL.Image.open(io.BytesIO(rendered.data))
    image.load()
    return image


def photograph(size, mode="RGB"):
    """Smooth colours that are nowhere symmetric, so that a wrong place shows."""
    across = PIL.Image.linear_gradient("L").rotate(90).resize(size)
    down = PIL.Image.linear_gradient("L").resize(size)
    both = PIL.Image.radial_gradient("L").resize(size)
    picture = PIL.Image.merge("RGB", (across, down, both))
    if mode == "RGBA":
        picture.putalpha(across)
        return picture
    return picture.convert(mode)


def psnr(one, other):
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    error = sum(band**2 for band in ImageStat.Stat(difference).rms) / 3
    return 99.0 if error == 0 else 20 * math.log10(255 / error**0.5)


@st.composite
def drawn_rectangles(draw_from):
    width, height = draw_from(st.integers(24, 110)), draw_from(st.integers(24, 110))
    left, top = draw_from(st.integers(0, width - 12)), draw_from(st.integers(0, height - 12))
    box = Box.from_corners(
        left,
        top,
        draw_from(st.integers(left + 12, width)),
        draw_from(st.integers(top + 12, height)),
    )
    return (width, height), box


@pytest.mark.parametrize("fast", PATHS)
@pytest.mark.parametrize("expand", [False, True], ids=["kept", "grown"])
@settings(max_examples=25)
@given(case=drawn_rectangles(), seed=st.integers(0, 1000), mode=st.sampled_from(["RGB", "L"]))
def test_a_drawn_rectangle_is_where_its_box_went(fast, expand, case, seed, mode):
    size, box = case
    image = PIL.Image.new("L", size, 20)
    edges = (box.left, box.top, box.right - 1, box.bottom - 1)
    ImageDraw.Draw(image).rectangle(edges, fill=235)
    data = saved(image.convert(mode))
    asked = recipes([n for n in ALL if n != "noise"], size, expand=expand, boxes=[box], seed=seed)
    keeping = Keeping("rectangle", 0.0, 4.0)
    rendered = Warp(fast).render(data, asked, look=Look(fill=(20, 20, 20)), uri="x")
    for made, one in zip(rendered, asked, strict=True):
        found = opened(made).convert("L")
        assert found.size == (one.geometry.width, one.geometry.height)
        box_now = follow(box, one.geometry, width=size[0], height=size[1], keeping=keeping)
        if box_now is None:
            continue
        low, high = found.getextrema()
        if min(box_now.width, box_now.height) < 8 or high - low < 150:
            continue  # a sliver at the frame: it covers no pixel by half
        whole = follow(
            box,
            one.geometry,
            width=size[0],
            height=size[1],
            keeping=replace(keeping, min_visible=1),
        )
        # Where the frame cuts a slanted box, its tip covers little of its last pixels.
        share, limit = (0.4, 1.0) if whole else (0.12, 1.5)
        if one.blur:  # a blurred corner is rounder than it was
            limit += 0.5
        lit = [255 * (value > low + share * (high - low)) for value in range(256)]
        bounds = found.point(lit).getbbox()
        expected = (box_now.left, box_now.top, box_now.right, box_now.bottom)
        assert bounds == pytest.approx(expected, abs=limit), one.name


@pytest.mark.parametrize("fast", PATHS)
@pytest.mark.parametrize("size", [(64, 48), (65, 47), (17, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("chroma", ["4:4:4", "4:2:2", "4:2:0"])
def test_every_variant_of_every_size_can_be_made(fast, size, mode, chroma):
    asked = recipes(ALL, size)
    data = saved(photograph(size, mode), subsampling=chroma)
    for made, one in zip(Warp(fast).render(data, asked, look=Look(), uri="x"), asked, strict=True):
        image = opened(made)
        assert image.size == (one.geometry.width, one.geometry.height)
        assert image.mode == mode
        tiny = min(*size, *(min(one.geometry.width, one.geometry.height) for one in asked)) < 3
        assert made.how == ("planes" if fast and not tiny else "pillow")
        if mode == "RGB":
            same = JpegImagePlugin.get_sampling(PIL.Image.open(io.BytesIO(data)))
            assert JpegImagePlugin.get_sampling(image) == same


@pytest.mark.parametrize("fast", PATHS)
@pytest.mark.parametrize("size", [(96, 64), (95, 63)])
@pytest.mark.parametrize("name", ["flip-lr", "flip-tb", "rotate-180"])
def test_flipped_twice_is_the_photograph(fast, size, name):
    data = saved(photograph(size), quality=95)
    (once,) = Warp(fast).render(data, recipes([name], size), look=Look(), uri="x")
    (twice,) = Warp(fast).render(once.data, recipes([name], size), look=Look(), uri="x")
    assert psnr(PIL.Image.open(io.BytesIO(data)), opened(twice)) > 42


@pytest.mark.parametrize("name", SEED_TEN)
def test_the_fast_path_shows_what_pillow_shows(name):
    size = (151, 97)
    data = saved(photograph(size))
    fast, slow = (
        opened(next(Warp(path).render(data, recipes([name], size), look=Look(), uri="x")))
        for path in (True, False)
    )
    inner = (30, 30, fast.width - 30, fast.height - 30)
    assert psnr(fast.crop(inner), slow.crop(inner)) > 34


def without_loss(data, asked):
    """Return a variant; None where its library is missing, which must have been told."""
    rendered = Warp().render(data, asked, look=Look(lossless=True), uri="x")
    try:
        warp_lossless.require()
    except UsageError:
        with pytest.raises(UsageError, match="apt-get install libturbojpeg0"):
            next(rendered)
        return None
    return next(rendered)


@pytest.mark.parametrize("name", ["flip-lr", "flip-tb", "rotate-90", "rotate-180", "rotate-270"])
def test_lossless_moves_the_decoded_pixels_exactly_where_blocks_allow(name):
    data = saved(photograph((96, 64)), quality=70)
    asked = recipes([name], (96, 64))
    made = without_loss(data, asked)
    if made is None:
        return
    (plain,) = Warp(fast=False).render(
        saved(PIL.Image.open(io.BytesIO(data)), "PNG"), asked, look=Look(), uri="x"
    )
    assert made.how == "lossless"
    assert psnr(opened(made), opened(plain)) > 48  # chroma's upsampling is not symmetric
    odd = saved(photograph((95, 63)), quality=70)
    made = without_loss(odd, recipes([name], (95, 63)))
    assert made.how == "planes"
    assert opened(made).size in {(95, 63), (63, 95)}


def test_a_crop_is_lossless_on_blocks():
    data = saved(photograph((200, 120)), quality=70)
    (one,) = recipes(["crop"], (200, 120), boxes=[Box(120, 60, 30, 30)])
    made = without_loss(data, [one])
    if made is None:
        return
    to = one.geometry
    window = (int(-to.c), int(-to.f), int(-to.c) + to.width, int(-to.f) + to.height)
    assert made.how == "lossless"
    assert psnr(opened(made), PIL.Image.open(io.BytesIO(data)).crop(window)) > 48


@pytest.mark.parametrize("fast", PATHS)
def test_quality_chroma_and_profile_stay(fast):
    profile = bytes(range(256)) * 300  # more than one segment holds
    data = saved(photograph((64, 48)), quality=83, subsampling="4:2:2", icc_profile=profile)
    source = PIL.Image.open(io.BytesIO(data))
    for made in Warp(fast).render(data, recipes(ALL, (64, 48)), look=Look(), uri="x"):
        image = opened(made)
        assert image.info["icc_profile"] == profile
        assert image.quantization == source.quantization
    look = Look(quality=40, chroma="4:4:4")
    (made,) = Warp(fast).render(data, recipes(["rotate-15"], (64, 48)), look=look, uri="x")
    assert quality_of(opened(made).quantization) == 40
    assert JpegImagePlugin.get_sampling(opened(made)) == 0


@pytest.mark.parametrize("quality", range(5, 101, 5))
def test_a_standard_tables_quality_is_known(quality):
    image = PIL.Image.open(io.BytesIO(saved(photograph((8, 8)), quality=quality)))
    assert quality_of(image.quantization) == quality


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_a_png_stays_one_with_its_channels(mode):
    picture = photograph((33, 21), "RGBA").convert(mode)
    asked = recipes(ALL, (33, 21))
    for made in Warp().render(saved(picture, "PNG"), asked, look=Look(), uri="x"):
        assert made.format == "PNG"
        assert made.how == "pillow"
        assert opened(made).mode == mode
    (flipped,) = Warp().render(
        saved(picture, "PNG"), recipes(["flip-lr"], (33, 21)), look=Look(), uri="x"
    )
    (back,) = Warp().render(flipped.data, recipes(["flip-lr"], (33, 21)), look=Look(), uri="x")
    assert opened(back).tobytes() == picture.tobytes()


@pytest.mark.parametrize(
    ("mode", "clear", "alpha"), [("L", 0, "LA"), ("RGB", (0, 0, 0), "RGBA"), ("P", 0, "RGBA")]
)
def test_a_png_whose_one_colour_is_transparent_stays_so(mode, clear, alpha):
    picture = PIL.Image.new(mode, (40, 30))
    picture.paste(1 if mode == "P" else PIL.Image.new(mode, (20, 30), "white"), (20, 0, 40, 30))
    data = saved(picture, "PNG", transparency=clear)
    (made,) = Warp().render(data, recipes(["flip-lr"], (40, 30)), look=Look(), uri="x")
    image = opened(made)
    assert image.mode == alpha
    assert image.getchannel("A").getpixel((35, 10)) == 0
    assert image.getchannel("A").getpixel((5, 10)) == 255


def test_what_pillow_remarks_on_an_image_is_not_told(recwarn):
    exif = PIL.Image.Exif()
    exif[0x010E] = "text"
    block = exif.tobytes()
    data = saved(photograph((9500, 9500), "L"), exif=block[:-9])  # above Pillow's own limit
    list(Warp().render(data, recipes(["crop"], (9500, 9500)), look=Look(), uri="x"))
    assert not recwarn.list


@pytest.mark.parametrize("fast", PATHS)
def test_the_ground_has_the_colour_asked_for(fast):
    data = saved(photograph((60, 60)))
    look = Look(fill=(250, 120, 10))
    (made,) = Warp(fast).render(data, recipes(["rotate-45"], (60, 60)), look=look, uri="x")
    assert opened(made).getpixel((1, 1)) == pytest.approx((250, 120, 10), abs=6)


@pytest.mark.parametrize("fast", PATHS)
def test_the_same_bytes_every_time(fast):
    data, asked = saved(photograph((71, 53))), recipes(ALL, (71, 53))
    first, second = (
        [made.data for made in Warp(fast).render(data, order, look=Look(), uri="x")]
        for order in (asked, asked[::-1])
    )
    assert first == second[::-1]


@pytest.mark.parametrize("fast", PATHS)
def test_forty_megapixels(fast):
    size = (8000, 5000)
    data = saved(photograph((400, 250)).resize(size), quality=80)
    for made in Warp(fast).render(
        data, recipes(["flip-lr", "rotate-15"], size), look=Look(), uri="x"
    ):
        assert PIL.Image.open(io.BytesIO(made.data)).size == size


@pytest.mark.parametrize("fast", PATHS)
def test_an_image_that_is_not_upright_is_an_error(fast):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    data = saved(photograph((32, 32)), exif=exif)
    with pytest.raises(DataError, match="orientation is 6"):
        list(Warp(fast).render(data, recipes(["flip-lr"], (32, 32)), look=Look(), uri="x"))


@pytest.mark.parametrize("fast", PATHS)
@pytest.mark.parametrize("damage", [b"", b"no image", "cut"])
def test_a_damaged_image_is_an_error_with_its_place(fast, damage):
    whole = saved(photograph((200, 200)))
    data = whole[: len(whole) // 2] if damage == "cut" else damage
    with pytest.raises(DataError, match="place"):
        list(Warp(fast).render(data, recipes(["flip-lr"], (200, 200)), look=Look(), uri="place"))


def test_cmyk_is_refused_with_what_to_do():
    data = saved(photograph((32, 32)).convert("CMYK"), subsampling=0)
    with pytest.raises(DataError, match="CMYK; ingest"):
        list(Warp().render(data, recipes(["flip-lr"], (32, 32)), look=Look(), uri="x"))


@pytest.mark.parametrize("size", [(96, 64), (95, 63)])
@pytest.mark.parametrize("expand", [False, True])
def test_a_half_turn_more_is_the_turn_upside_down_and_no_byte_depends_on_company(size, expand):
    data = saved(photograph(size), quality=95)
    names = ["rotate-15", "rotate-75", "rotate-195", "rotate-255"]
    asked = recipes(names, size, expand=expand)
    together = [made.data for made in Warp().render(data, asked, look=Look(), uri="x")]
    alone = [next(Warp().render(data, [one], look=Look(), uri="x")).data for one in asked]
    assert together == alone
    for first, second in ((0, 2), (1, 3)):
        one, other = (
            PIL.Image.open(io.BytesIO(together[index])).convert("L") for index in (first, second)
        )
        assert psnr(one, other.rotate(180)) > 36


@pytest.mark.parametrize("chroma", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("size", [(64, 48), (65, 47), (65, 48), (64, 47)])
def test_flips_and_right_angles_are_the_same_alone_together_and_in_any_order(size, chroma):
    data = saved(photograph(size), subsampling=chroma)
    asked = recipes(("rotate-270", "crop", *SEED_TEN[:5]), size)
    for look in (Look(), Look(chroma="4:2:0"), Look(chroma="4:4:4")):
        for some in (asked, asked[::-1], asked[2:5]):
            made = [one.data for one in Warp().render(data, some, look=look, uri="x")]
            alone = [next(Warp().render(data, [one], look=look, uri="x")).data for one in some]
            assert made == alone


def test_a_half_turn_of_another_name_leaves_the_photograph_as_it_is():
    """Nothing is flipped in its place that is the photograph's own."""
    data = saved(photograph((64, 48)))
    turn = Variant("half", "rotate", {"degrees": -180.0})
    asked = [recipe(turn, width=64, height=48, expand=False), *recipes(["flip-lr"], (64, 48))]
    (_, after) = [one.data for one in Warp().render(data, asked, look=Look(), uri="x")]
    assert after == next(Warp().render(data, asked[1:], look=Look(), uri="x")).data


def test_rows_may_become_columns_beside_right_angles():
    picture = photograph((64, 48))
    places = [
        (Geometry(0, 1, 0, 1, 0, 0, 48, 64), PIL.Image.Transpose.TRANSPOSE),
        (Geometry(0, -1, 48, -1, 0, 64, 48, 64), PIL.Image.Transpose.TRANSVERSE),
        (Geometry(0, 1, 0, -1, 0, 64, 48, 64), PIL.Image.Transpose.ROTATE_90),
        (Geometry(0, -1, 48, 1, 0, 0, 48, 64), PIL.Image.Transpose.ROTATE_270),
    ]
    asked = [Recipe(str(number), to) for number, (to, _) in enumerate(places)]
    made = Warp().render(saved(picture), asked, look=Look(), uri="x")
    for one, (_, same) in zip(made, places, strict=True):
        assert psnr(opened(one), picture.transpose(same)) > 36


def test_planes_are_the_files_own_to_the_bit():
    picture = photograph((64, 48))
    for chroma, factors in (("4:4:4", (1, 1)), ("4:2:2", (2, 1)), ("4:2:0", (2, 2))):
        data = saved(picture, subsampling=chroma, quality=60)
        found = decode(data)
        assert found is not None
        assert found.factors == factors
        own = PIL.Image.open(io.BytesIO(data))
        own.draft("YCbCr", own.size)
        assert found.planes[0].tobytes() == own.getchannel("Y").tobytes()
        again = decode(encode(found, 100))
        assert again is not None
        for plane, copy in zip(found.planes, again.planes, strict=True):
            assert abs(plane.astype(int) - copy).max() <= 2


@pytest.mark.parametrize("fast", PATHS)
def test_metadata_stray_bytes_and_progressive_scans_are_no_hindrance(fast):
    picture = photograph((64, 48))
    exif = PIL.Image.Exif()
    exif[0x010E] = "a description"
    data = saved(picture, exif=exif, comment=b"a comment", progressive=True)
    data = data[:2] + b"\xff" + data[2:] + b"trailing"
    (made,) = Warp(fast).render(data, recipes(["flip-lr"], (64, 48)), look=Look(), uri="x")
    assert made.how == ("planes" if fast else "pillow")
    assert psnr(opened(made).transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT), picture) > 35


def test_an_rgb_jpeg_is_left_to_pillow():
    data = saved(photograph((64, 48)), keep_rgb=True, subsampling="4:4:4")
    (made,) = Warp().render(data, recipes(["flip-lr"], (64, 48)), look=Look(), uri="x")
    assert made.how == "pillow"
    assert opened(made).mode == "RGB"
