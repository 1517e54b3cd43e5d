"""Perceptual hashes of real photographs: what stays near, what stays apart."""

from __future__ import annotations

import io
from itertools import combinations

import pytest
from PIL import Image, ImageEnhance

from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.perceptual import perceptual_hash
from gt_workflow.core.near_duplicates import NEAR


@pytest.fixture(scope="module")
def raccoons(shared):
    """Every fourth photograph, decoded, by its number."""
    folder = shared / "data" / "raccoons" / "images"
    return {
        number: Image.open(folder / f"raccoon-{number}.jpg").convert("RGB")
        for number in range(1, 200, 4)
    }


def distance(one, other):
    return (int(perceptual_hash(one), 16) ^ int(perceptual_hash(other), 16)).bit_count()


def encoded(image, form="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def again(image, **options):
    return Image.open(io.BytesIO(encoded(image, **options))).convert("RGB")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: again(image, quality=30), id="quality 30"),
        pytest.param(lambda image: again(image, form="PNG"), id="PNG"),
        pytest.param(lambda image: image.convert("L").convert("RGB"), id="gray"),
        pytest.param(lambda image: ImageEnhance.Contrast(image).enhance(0.8), id="contrast"),
        pytest.param(
            lambda image: again(image.resize((image.width // 3, image.height // 3)), quality=50),
            id="a third",
        ),
    ],
)
def test_photographs_that_were_saved_again_are_near(raccoons, change):
    assert max(distance(image, change(image)) for image in raccoons.values()) <= NEAR


def test_different_photographs_are_apart(raccoons):
    near = [
        {one, other}
        for one, other in combinations(raccoons, 2)
        if distance(raccoons[one], raccoons[other]) <= NEAR
    ]
    assert near == [{21, 45}]  # the set has them twice


def test_a_caption_does_not_hide_a_photograph(shared):
    folder = shared / "data" / "raccoons" / "images"
    plain, captioned = (Image.open(folder / f"raccoon-{number}.jpg") for number in (51, 85))
    assert plain.tobytes() != captioned.tobytes()
    assert 0 < distance(plain, captioned) <= NEAR


def test_a_hash_is_sixteen_digits_and_always_the_same(raccoons):
    found = {perceptual_hash(image) for image in (raccoons[1], raccoons[1].copy())}
    assert len(found) == 1
    assert len(found.pop()) == 16
    assert perceptual_hash(raccoons[1].transpose(Image.Transpose.ROTATE_90)) not in found


@pytest.mark.parametrize("size", [(1, 1), (5000, 1), (33, 32), (127, 129), (256, 300)])
def test_a_flat_image_has_no_hash_and_any_size_is_taken(size):
    assert perceptual_hash(Image.new("RGB", size, (200, 30, 40))) == ""
    if min(size) > 1:
        assert len(perceptual_hash(Image.linear_gradient("L").resize(size).convert("RGB"))) == 16


def test_what_is_stored_is_hashed_not_what_was_found(raccoons):
    """An image on its side, and what its viewer shows, look alike: both are stored upright."""
    upright = raccoons[5]
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    images = PillowImages()
    found = images.inspect(encoded(lying, quality=95, exif=exif.tobytes()))
    assert found.note
    assert (found.width, found.height) == upright.size
    stored = int(found.perceptual_hash, 16)
    assert (stored ^ int(images.inspect(found.stored).perceptual_hash, 16)).bit_count() <= 2
    assert (stored ^ int(perceptual_hash(upright), 16)).bit_count() <= NEAR


def test_an_image_that_cannot_be_read_has_none():
    assert PillowImages().inspect(b"\xff\xd8\xff no image").perceptual_hash == ""
