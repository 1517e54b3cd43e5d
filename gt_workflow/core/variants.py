"""The named variants of a photograph: which there are, what is drawn by chance, where points go.

    flip-lr flip-tb rotate-90 rotate-180 rotate-270     every pixel kept, none invented
    rotate-<degrees>                                    counter-clockwise as seen, any angle
    rotate scale crop brightness contrast blur noise    by chance; `crop-2` is a second draw
    seed-ten                                            the five above and 15 75 135 195 255 degrees

Chance comes from (seed, key, variant) and never from an order: the same photograph gets the same
variants in any run. Geometry is on the edges of pixels, as boxes are: a raster of width w covers
0 <= x <= w. Where the boxes go is told by `variant_boxes`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gt_workflow.core.boxes import Box, clip
from gt_workflow.errors import UsageError

SEED_TEN: Final = (
    *("flip-lr", "flip-tb", "rotate-90", "rotate-180", "rotate-270"),
    *("rotate-15", "rotate-75", "rotate-135", "rotate-195", "rotate-255"),
)
_RANGES: Final = {
    "rotate": (0.0, 360.0),  # degrees
    "scale": (0.6, 1.4),  # about the middle of the frame
    "crop": (0.5, 0.9),  # of the frame's sides
    "brightness": (-48.0, 48.0),  # levels of 255
    "contrast": (0.7, 1.3),  # about middle grey
    "blur": (0.8, 2.0),  # standard deviation in pixels
    "noise": (4.0, 12.0),  # standard deviation in levels of 255
}
DRAWN: Final = tuple(_RANGES)
"""The variants whose parameter is drawn."""

_UNIT: Final = ((0.0, 1.0), (1.0, 0.0))  # the sizes of a whole axis's parts
_MARGIN: Final = (0.05, 0.3)  # of a box's side, kept free on each side of it in a crop
_GRID: Final = 16  # a crop that begins on a JPEG's blocks keeps its chroma samples as they are
_NAME: Final = re.compile(rf"({'|'.join(DRAWN)})(?:-([2-9]|[1-9][0-9]{{1,3}}))?")
_ANGLE: Final = re.compile(r"rotate-([0-9]+(?:\.[0-9]+)?)")


class Variant(Struct, frozen=True, gc=False):
    """One variant of one photograph; `kind` is the transform, `parameters` all that it took."""

    name: str
    kind: str
    parameters: Mapping[str, float]


class Geometry(Struct, frozen=True, gc=False):
    """Where a point goes: `x' = a*x + b*y + c`, `y' = d*x + e*y + f`, and the new raster's size."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float
    width: int
    height: int

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point goes."""
        return self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f

    @property
    def rigid(self) -> bool:
        """Whether pixels only change places: flips, right angles, crops, and nothing at all."""
        return (
            (abs(self.a), abs(self.b)) in _UNIT
            and (abs(self.d), abs(self.e)) in _UNIT
            and self.c == int(self.c)
            and self.f == int(self.f)
        )


class Recipe(Struct, frozen=True, gc=False):
    """What becomes of the pixels: their places first, then blur, contrast, brightness, noise.

    `blur` and `noise` are standard deviations in pixels and in levels of 255, `brightness` is
    added in such levels, `contrast` is a factor about middle grey; `noise_seed` tells one noise
    from another.
    """

    name: str
    geometry: Geometry
    blur: float = 0.0
    contrast: float = 1.0
    brightness: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0

    @property
    def toned(self) -> bool:
        """Whether values change as well as places."""
        return bool(self.blur or self.brightness or self.noise) or self.contrast != 1.0


def parse(names: Iterable[str]) -> tuple[str, ...]:
    """Return the variants that are named, sets spelt out, each once; raises `UsageError`."""
    found: dict[str, None] = {}
    for text in names:
        if text == "seed-ten":
            found.update(dict.fromkeys(SEED_TEN))
            continue
        if angle := _ANGLE.fullmatch(text):
            # `rotate-2` is two degrees, not a second draw: that is only for names without numbers.
            degrees = f"{float(angle[1]):.8f}".rstrip("0").rstrip(".")
            if not 0 < float(degrees) < 360:
                raise UsageError(f"{text:.40}: turn by more than 0 and less than 360 degrees")
            found[f"rotate-{degrees}"] = None
        elif text in {"flip-lr", "flip-tb"} or _NAME.fullmatch(text):
            found[text] = None
        else:
            known = ", ".join(["seed-ten", "flip-lr", "flip-tb", "rotate-<degrees>", *DRAWN])
            raise UsageError(f"there is no variant {text[:40]!r}; there are {known}")
    if not found:
        raise UsageError("name at least one variant, such as seed-ten")
    return tuple(found)


def choose(names: Sequence[str], *, per_image: int | None, seed: int, key: str) -> tuple[str, ...]:
    """Return the variants one photograph gets: all, or `per_image` of them by chance.

    They keep their order. If more are asked for than there are names, those drawn by chance are
    drawn again; raises `UsageError` if there is none such.
    """
    if per_image is None or per_image == len(names):
        return tuple(names)
    if per_image < len(names):
        lots = sorted(names, key=lambda name: (_unit(seed, key, name, "choice"), name))
        chosen = set(lots[:per_image])
        return tuple(name for name in names if name in chosen)
    again = [name for name in names if name in _RANGES and name != "rotate"]
    if not again:
        raise UsageError(
            f"{per_image} variants of each image were asked for, but only {len(names)} named; "
            f"name some that are drawn by chance: {', '.join(DRAWN[1:])}"
        )
    more = list(names)
    draw = 2
    while len(more) < per_image:
        further = [f"{name}-{draw}" for name in again]
        more.extend(name for name in further if name not in names)
        draw += 1
    return tuple(more[:per_image])


def draw(
    name: str, *, width: int, height: int, boxes: Sequence[Box], seed: int, key: str
) -> Variant:
    """Return the variant of a name that `parse` returned, its chances drawn.

    `boxes` are where a crop looks for something to keep; `key` names the photograph.
    """
    if angle := _ANGLE.fullmatch(name):
        return Variant(name, "rotate", {"degrees": float(angle[1])})
    drawn = _NAME.fullmatch(name)
    if drawn is None:
        return Variant(name, name, {})
    kind = drawn[1]
    low, high = _RANGES[kind]
    share = _unit(seed, key, name, "value")
    value = round(low + (high - low) * share, 4)
    if kind == "crop":
        window = _window(value, width, height, boxes, (seed, key, name))
        return Variant(name, kind, window)
    if kind == "noise":
        return Variant(name, kind, {"sigma": value, "seed": _bits(seed, key, name, "noise") >> 32})
    of = {"rotate": "degrees", "scale": "factor", "contrast": "factor", "blur": "sigma"}
    return Variant(name, kind, {of.get(kind, "levels"): value})


def recipe(variant: Variant, *, width: int, height: int, expand: bool) -> Recipe:
    """Return what becomes of a raster of this size.

    Turns and scaling keep the frame, and what leaves it is lost; with `expand` the frame follows.
    """
    at = variant.parameters
    match variant.kind:
        case "brightness":
            return Recipe(variant.name, _still(width, height), brightness=at["levels"])
        case "contrast":
            return Recipe(variant.name, _still(width, height), contrast=at["factor"])
        case "blur":
            return Recipe(variant.name, _still(width, height), blur=at["sigma"])
        case "noise":
            return Recipe(
                variant.name,
                _still(width, height),
                noise=at["sigma"],
                noise_seed=int(at["seed"]),
            )
        case _:
            return Recipe(variant.name, _geometry(variant, width, height, expand=expand))


def _geometry(variant: Variant, width: int, height: int, *, expand: bool) -> Geometry:
    at = variant.parameters
    match variant.kind:
        case "flip-lr":
            return Geometry(-1, 0, width, 0, 1, 0, width, height)
        case "flip-tb":
            return Geometry(1, 0, 0, 0, -1, height, width, height)
        case "crop":
            left, top = int(at["left"]), int(at["top"])
            return Geometry(1, 0, -left, 0, 1, -top, int(at["width"]), int(at["height"]))
        case "scale":
            return _about_middle(at["factor"], 0.0, width, height, expand=expand)
        case _:
            return _turn(at["degrees"], width, height, expand=expand)


def _still(width: int, height: int) -> Geometry:
    return Geometry(1, 0, 0, 0, 1, 0, width, height)


def _turn(degrees: float, width: int, height: int, *, expand: bool) -> Geometry:
    """Turn counter-clockwise; a right angle takes its frame along and needs no arithmetic."""
    if degrees == 90:
        return Geometry(0, 1, 0, -1, 0, width, height, width)
    if degrees == 180:
        return Geometry(-1, 0, width, 0, -1, height, width, height)
    if degrees == 270:
        return Geometry(0, -1, height, 1, 0, 0, height, width)
    return _about_middle(1.0, math.radians(degrees), width, height, expand=expand)


def _about_middle(
    factor: float, angle: float, width: int, height: int, *, expand: bool
) -> Geometry:
    cos, sin = factor * math.cos(angle), factor * math.sin(angle)
    new_width, new_height = width, height
    if expand:
        # A last bit too much must not cost a column of fill.
        new_width = max(1, math.ceil(abs(width * cos) + abs(height * sin) - 1e-6))
        new_height = max(1, math.ceil(abs(width * sin) + abs(height * cos) - 1e-6))
    c = new_width / 2 - cos * width / 2 - sin * height / 2
    f = new_height / 2 + sin * width / 2 - cos * height / 2
    return Geometry(cos, sin, c, -sin, cos, f, new_width, new_height)


def _window(
    share: float, width: int, height: int, boxes: Sequence[Box], chance: tuple[int, str, str]
) -> dict[str, float]:
    """Draw a window that holds one whole box with some room around it, or else any window."""
    inside = [part for box in boxes if (part := clip(box, width=width, height=height))]
    box = inside[int(_unit(*chance, "box") * len(inside))] if inside else None
    near, far = _roomy(box.left, box.right, width, "left", chance) if box else (0.0, 0.0)
    left, across = _span(share, width, near, far, _unit(*chance, "left"))
    near, far = _roomy(box.top, box.bottom, height, "top", chance) if box else (0.0, 0.0)
    top, down = _span(share, height, near, far, _unit(*chance, "top"))
    return {"left": left, "top": top, "width": across, "height": down}


def _roomy(
    near: float, far: float, size: int, what: str, chance: tuple[int, str, str]
) -> tuple[float, float]:
    """Return a stretch with room on both sides, as far as `size` has some.

    Were windows cut along boxes, a detector would learn that objects end where images do.
    """
    low, high = _MARGIN
    before, behind = (
        max(1.0, (far - near) * (low + (high - low) * _unit(*chance, f"{side} {what}")))
        for side in ("before", "behind")
    )
    return max(0.0, near - before), min(float(size), far + behind)


def _span(share: float, size: int, near: float, far: float, chance: float) -> tuple[int, int]:
    """Return begin and length of a stretch of `size` that covers what lies from near to far."""
    length = max(1, math.ceil(size * share), math.ceil(far) - math.floor(near))
    least = max(0, math.ceil(far) - length)
    most = max(least, min(math.floor(near), size - length) if far > near else size - length)
    begin = least + int(chance * (most - least + 1))
    aligned = begin - begin % _GRID
    return aligned, min(size - aligned, length + begin - aligned)


def _unit(seed: int, key: str, name: str, what: str) -> float:
    """Return a number from 0 up to, not including, 1."""
    return (_bits(seed, key, name, what) >> 11) / 2**53


def _bits(seed: int, key: str, name: str, what: str) -> int:
    text = "\0".join((str(seed), key, name, what)).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
