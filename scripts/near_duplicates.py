"""`scripts/bench split --distances`: what is joined and missed at which distance: raccoons."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from itertools import combinations

import augment_set
from PIL import Image, ImageEnhance

from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.perceptual import perceptual_hash

DISTANCES = (2, 4, 6, 8, 10, 12)
_Change = Callable[[Image.Image], Image.Image]


def compare() -> None:
    """Hash the photographs and changed versions of each, and count pairs within each distance.

    Photographs of the same bytes count once; any pair of others is told by name, since the set
    itself has near-duplicates.
    """
    files = {file.read_bytes(): file for file in augment_set.raccoons()}
    images = {file.stem: Image.open(file).convert("RGB") for file in files.values()}
    hashes = {name: int(perceptual_hash(image), 16) for name, image in images.items()}
    pairs = {
        (one, other): (hashes[one] ^ hashes[other]).bit_count()
        for one, other in combinations(hashes, 2)
    }
    _tell_cost(list(images.values()))
    print(f"{len(images)} raccoons of different bytes, {len(pairs):,} pairs of them\n")
    print(f"{'bits':28}" + "".join(f"{bits:>7}" for bits in DISTANCES))
    counts = [sum(found <= bits for found in pairs.values()) for bits in DISTANCES]
    print(f"{'pairs joined':28}" + "".join(f"{count:7}" for count in counts))
    for name, change in _changes().items():
        far = [
            (hashes[one] ^ int(perceptual_hash(change(image)) or "0", 16)).bit_count()
            for one, image in images.items()
        ]
        shares = [sum(bits < found for found in far) / len(far) for bits in DISTANCES]
        print(f"{'missed: ' + name:28}" + "".join(f"{share:7.1%}" for share in shares))
    print()
    for (one, other), found in sorted(pairs.items(), key=lambda item: item[1]):
        if found <= max(DISTANCES):
            print(f"{found} bits: {one} and {other}")


def _tell_cost(images: list[Image.Image]) -> None:
    """Measure a hash beside what ingest does with an image in all, in processor time."""
    large = _saved(images[0].resize((4000, 3000)), 90)
    for what, some in (("a raccoon", images), ("12 megapixels", [large] * 5)):
        encoded = []
        for image in some:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=90)
            encoded.append(buffer.getvalue())
        begun = time.process_time()
        for image in some:
            perceptual_hash(image)
        hashed = time.process_time()
        for data in encoded:
            PillowImages().inspect(data)
        ended = time.process_time()
        each = 1e3 / len(some)
        print(
            f"{what}: {(hashed - begun) * each:.1f} ms to hash, "
            f"of {(ended - hashed) * each:.1f} ms that ingest takes to look inside"
        )


def _changes() -> dict[str, _Change]:
    return {
        "JPEG, quality 30": lambda image: _saved(image, 30),
        "half as large": lambda image: _scaled(image, 2),
        "a third, quality 50": lambda image: _saved(_scaled(image, 3), 50),
        "20 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
        "gray": lambda image: image.convert("L").convert("RGB"),
        "2 % cropped": lambda image: _cropped(image, 0.02),
        "5 % cropped": lambda image: _cropped(image, 0.05),
        "10 % cropped": lambda image: _cropped(image, 0.1),
        "turned by 2 degrees": lambda image: image.rotate(2, Image.Resampling.BICUBIC),
    }


def _saved(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _scaled(image: Image.Image, divisor: int) -> Image.Image:
    return image.resize((image.width // divisor, image.height // divisor), Image.Resampling.BICUBIC)


def _cropped(image: Image.Image, share: float) -> Image.Image:
    """Cut a share of width and height away, half of it on each side."""
    left, top = int(image.width * share / 2), int(image.height * share / 2)
    return image.crop((left, top, image.width - left, image.height - top))
