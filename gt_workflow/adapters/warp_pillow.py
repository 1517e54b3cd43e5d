"""Geometry and tone by Pillow alone: PNG, JPEGs of other colours, machines without the fast path.

Turns are bilinear. A JPEG keeps its quantisation tables and chroma subsampling unless told
otherwise; a PNG keeps its channels, palettes become colours.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any, Final

import PIL.Image
from PIL import ImageChops, ImageFilter, JpegImagePlugin
from PIL.Image import Image, Resampling, Transform, Transpose

from gt_workflow.core.variants import Geometry, Recipe
from gt_workflow.ports import Look

_MOVES: Final = {
    (-1, 0, 0, 1): Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Transpose.ROTATE_180,
    (0, 1, -1, 0): Transpose.ROTATE_90,
    (0, -1, 1, 0): Transpose.ROTATE_270,
}
_CHROMA: Final = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
_NOISE: Final = 255 / 24**0.5  # standard deviation of the mean of two even bytes


def plain(image: Image) -> Image:
    """Return the picture with 8-bit channels and its alpha; `ValueError` for other depths."""
    mode = image.mode
    if mode in {"1", "L", "P", "RGB"} and image.has_transparency_data:  # a colour's, or a palette's
        return image.convert("LA" if mode in {"1", "L"} else "RGBA")
    if mode in {"L", "LA", "RGB", "RGBA"}:
        return image
    if mode in {"1", "P"}:
        return image.convert("L" if mode == "1" else "RGB")
    raise ValueError(f"it has the colours {mode}; ingest brings photographs into 8-bit RGB")


def vary(image: Image, recipe: Recipe, *, fill: tuple[int, int, int]) -> Image:
    """Return a variant of a picture that `plain` returned."""
    return _toned(_moved(image, recipe.geometry, fill), recipe)


def encode(made: Image, source: Image, look: Look) -> tuple[bytes, str]:
    """Return a variant as the source is: JPEG or PNG, with its ICC profile; and which of them."""
    buffer = io.BytesIO()
    made.info = {}
    profile = source.info.get("icc_profile")
    if source.format not in {"JPEG", "MPO"}:
        made.save(buffer, "PNG", icc_profile=profile)
        return buffer.getvalue(), "PNG"
    quality: dict[str, Any] = {"quality": look.quality}
    tables = getattr(source, "quantization", {})
    if look.quality is None:
        quality = {"qtables": [tables[index] for index in sorted(tables)]}
    chroma = _CHROMA[look.chroma] if look.chroma else JpegImagePlugin.get_sampling(source)
    made.save(buffer, "JPEG", subsampling=chroma, icc_profile=profile, **quality)
    return buffer.getvalue(), "JPEG"


def _moved(image: Image, to: Geometry, fill: tuple[int, int, int]) -> Image:
    if to.rigid:
        turn = _MOVES.get((int(to.a), int(to.b), int(to.d), int(to.e)))
        if turn is not None:
            return image.transpose(turn)
        left, top = int(-to.c), int(-to.f)
        return image.crop((left, top, left + to.width, top + to.height))
    return image.transform(
        (to.width, to.height),
        Transform.AFFINE,
        _inverse(to),
        resample=Resampling.BILINEAR,
        fillcolor=_ground(image.mode, fill),
    )


def _inverse(to: Geometry) -> tuple[float, ...]:
    """Return where a variant's pixel comes from."""
    scale = to.a * to.e - to.b * to.d
    a, b, d, e = to.e / scale, -to.b / scale, -to.d / scale, to.a / scale
    return a, b, -a * to.c - b * to.f, d, e, -d * to.c - e * to.f


def _ground(mode: str, fill: tuple[int, int, int]) -> Any:
    luma = round(0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2])
    return {"L": luma, "LA": (luma, 255), "RGB": fill, "RGBA": (*fill, 255)}[mode]


def _toned(image: Image, recipe: Recipe) -> Image:
    if not recipe.toned:
        return image
    bands = list(image.split())
    alpha = [bands.pop()] if image.mode in {"LA", "RGBA"} else []
    noise = _noise(recipe, image.size) if recipe.noise else None
    made = []
    for band in bands:
        toned = band.filter(ImageFilter.GaussianBlur(recipe.blur)) if recipe.blur else band
        if recipe.contrast != 1.0 or recipe.brightness:
            toned = toned.point(
                [
                    min(255, max(0, round((v - 128) * recipe.contrast + 128 + recipe.brightness)))
                    for v in range(256)
                ]
            )
        made.append(toned if noise is None else ImageChops.add(toned, noise, offset=-128))
    return PIL.Image.merge(image.mode, [*made, *alpha])


def _noise(recipe: Recipe, size: tuple[int, int]) -> Image:
    """Return noise about 128 that depends on its seed alone."""
    count = size[0] * size[1]
    drawn = hashlib.shake_128(b"noise %d" % recipe.noise_seed).digest(2 * count)
    first, second = (
        PIL.Image.frombytes("L", size, part) for part in (drawn[:count], drawn[count:])
    )
    both = ImageChops.add(first, second, scale=2)
    return both.point([round((v - 127.5) * recipe.noise / _NOISE + 128) for v in range(256)])
