"""Geometry and tone on a JPEG's planes, by OpenCV: colours are never converted.

A chroma sample sits in the middle of the luma samples it stands for, so that on the edges of
pixels a chroma plane is the same picture at another scale; only on odd sizes does a flip move its
samples between the old ones, and they are interpolated there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from gt_workflow.adapters.warp_jpeg import Factors, Picture
from gt_workflow.core.variants import Geometry, Recipe

if TYPE_CHECKING:
    from gt_workflow.adapters.warp_jpeg import Plane

# Parallel work is for processes: OpenCV's own threads would only get in their way.
cv2.setNumThreads(1)
# glibc hands freed memory back and has it zeroed anew, plane after plane: a tenth of all the time.
# Once a block of this size was freed (this one, never touched) it keeps twice as much; mallopt(3),
# M_MMAP_THRESHOLD. Other libraries' allocators take no harm.
np.empty(16 << 20, np.uint8)

LONGEST_SIDE: Final = 32_766  # OpenCV counts pixels of a warp in 16 bits
_NOISE: Final = 255 / 6**0.5  # standard deviation of the sum of two even bytes
# A cubic between two samples and their neighbours, across; OpenCV is quicker with one axis each.
_HALF: Final = np.array([[-1, 9, 9, -1]], np.float32) / 16
_MOVES: Final[dict[tuple[float, ...], Any]] = {
    (-1, 0, 0, 1): lambda plane: cv2.flip(plane, 1),
    (1, 0, 0, -1): lambda plane: cv2.flip(plane, 0),
    (-1, 0, 0, -1): lambda plane: cv2.flip(plane, -1),
    (0, 1, -1, 0): lambda plane: cv2.rotate(plane, cv2.ROTATE_90_COUNTERCLOCKWISE),
    (0, -1, 1, 0): lambda plane: cv2.rotate(plane, cv2.ROTATE_90_CLOCKWISE),
}


class Darkroom:
    """Makes variants of one picture, a turn and its half turn from the same planes.

    A turn by 195 degrees is one by 15, seen upside down: the one is warped, the other its flip,
    whichever is asked for; so that every byte depends on neither order nor company.
    """

    def __init__(
        self,
        picture: Picture,
        recipes: Sequence[Recipe],
        *,
        factors: Factors,
        fill: tuple[int, int, int],
    ) -> None:
        """Take all that will be asked for; variants get this chroma subsampling. `fill` is RGB."""
        self._picture = picture
        self._factors = factors
        self._grounds = _ycc(fill)
        self._together: dict[Geometry, list[Recipe]] = {}
        for recipe in recipes:
            if not recipe.toned:
                self._together.setdefault(_upright(recipe.geometry), []).append(recipe)

    def develop(self, recipe: Recipe) -> Iterator[tuple[Recipe, Picture]]:
        """Yield a variant, and its half turn if that will be asked for; in which order is open.

        The half turn takes the place of the other, while that is in the processor's cache: each
        picture is gone when the next one is asked for.
        """
        upright = _upright(recipe.geometry)
        together = [] if recipe.toned else self._together.pop(upright, [])
        if recipe not in together:
            together = [recipe]
        planes: dict[int, Plane] = {}
        upside_down = False
        for one in sorted(together, key=lambda one: not _is_upright(one.geometry)):
            to, made = one.geometry, []
            turns = upside_down == _is_upright(to)
            for index in range(len(self._picture.planes)):
                if not self._shared(to, index, alone=len(together) == 1):
                    plane = self._moved(to, index)
                else:
                    plane = planes[index] if index in planes else self._moved(upright, index)
                    planes[index] = plane = _half_turned(plane) if turns else plane
                target = self._factors if index else (1, 1)
                made.append(_toned(plane, one, target, chroma=index > 0))
            upside_down = not _is_upright(to)
            yield one, Picture(made, to.width, to.height, self._factors)

    def _shared(self, to: Geometry, index: int, *, alone: bool) -> bool:
        """Tell whether a plane is to be made as that of the upright one."""
        target = self._factors if index else (1, 1)
        # Chroma samples that reach over the frame's edge lie otherwise upside down.
        even = to.width % target[0] == 0 and to.height % target[1] == 0
        if not to.rigid:
            return even
        # Where samples only change places, each is quickest by itself, and comes out the same.
        source = self._picture.factors if index else (1, 1)
        return even and not alone and target == (source[::-1] if to.a == 0.0 else source)

    def _moved(self, to: Geometry, index: int) -> Plane:
        picture = self._picture
        source, target = (picture.factors, self._factors) if index else ((1, 1), (1, 1))
        whole = picture.width % source[0] == 0 and picture.height % source[1] == 0
        ground = self._grounds[index]
        return _moved(picture.planes[index], to, source, target, whole=whole, ground=ground)


def _half_turned(plane: Plane) -> Plane:
    """Turn a plane upside down, in its place unless that is another's."""
    there = plane if plane.flags.owndata else None
    return np.asarray(cv2.flip(plane, -1, dst=there), np.uint8)


@lru_cache(256)  # photographs of one size are turned alike
def _is_upright(to: Geometry) -> bool:
    return (round(to.a, 12), round(to.b, 12)) > (0.0, 0.0)


@lru_cache(256)
def _upright(to: Geometry) -> Geometry:
    """Return the one of a geometry and its half turn whose left side stays left (or goes up)."""
    sign = 1 if _is_upright(to) else -1
    a, b, d, e = (round(sign * value, 12) for value in (to.a, to.b, to.d, to.e))
    c, f = (to.c, to.f) if sign > 0 else (to.width - to.c, to.height - to.f)
    return Geometry(a, b, round(c, 9), d, e, round(f, 9), to.width, to.height)


def _moved(
    plane: Plane,
    to: Geometry,
    source: Factors,
    target: Factors,
    *,
    whole: bool,
    ground: float,
) -> Plane:
    """Return a plane in its new place; `source`, `target`: luma samples per sample, before, after.

    `whole` tells whether the plane ends where the raster does.
    """
    size = -(-to.width // target[0]), -(-to.height // target[1])
    turned = to.a == 0.0
    alike = target == (source[::-1] if turned else source)
    left, top = -to.c / target[0], -to.f / target[1]
    move = _MOVES.get((to.a, to.b, to.d, to.e))
    if to.rigid and alike and move and (whole or max(source) == 2):
        return _settled(np.ascontiguousarray(move(plane)), to, target, whole=whole)
    if to.rigid and alike and move is None and left == int(left) and top == int(top):
        across, down = int(left), int(top)
        return np.ascontiguousarray(plane[down : down + size[1], across : across + size[0]])
    matrix = _between_centres(to, source, target)
    if to.rigid:
        how: dict[str, Any] = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
        if not alike:  # the mean of what a sample is to stand for
            how["flags"] = cv2.INTER_LINEAR
    else:
        how = {"flags": cv2.INTER_LINEAR, "borderValue": ground}
    return np.asarray(cv2.warpAffine(plane, matrix, size, **how), np.uint8)


def _settled(plane: Plane, to: Geometry, target: Factors, *, whole: bool) -> Plane:
    """Put a mirrored plane's samples where they belong: half a sample on, if the size is odd."""
    across, down = (
        target[axis] == 2 and sum(signs) < 0 and size % 2 == 1
        for axis, signs, size in ((0, (to.a, to.b), to.width), (1, (to.d, to.e), to.height))
    )
    edge = cv2.BORDER_REPLICATE
    if across and not whole:
        plane = np.asarray(cv2.filter2D(plane, -1, _HALF, anchor=(1, 0), borderType=edge), np.uint8)
    if down and not whole:
        halves = cv2.filter2D(plane, -1, _HALF.T, anchor=(0, 1), borderType=edge)
        plane = np.asarray(halves, np.uint8)
    return plane


def _between_centres(to: Geometry, source: Factors, target: Factors) -> Any:
    """Return the geometry for OpenCV: samples of a plane, counted at their middles."""
    (sx, sy), (tx, ty) = source, target
    a, b, d, e = to.a * sx / tx, to.b * sy / tx, to.d * sx / ty, to.e * sy / ty
    c, f = to.c / tx, to.f / ty
    return np.array(
        [[a, b, c + (a + b) / 2 - 0.5], [d, e, f + (d + e) / 2 - 0.5]],
        np.float64,
    )


def _toned(plane: Plane, recipe: Recipe, factors: Factors, *, chroma: bool) -> Plane:
    if recipe.blur:
        across, down = recipe.blur / factors[0], recipe.blur / factors[1]
        edge = cv2.BORDER_REPLICATE  # else what is near the frame's edge comes nearer
        plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), across, sigmaY=down, borderType=edge))
    offset = 0.0 if chroma else recipe.brightness
    if recipe.contrast != 1.0 or offset:
        levels = np.arange(256, dtype=np.float64)
        table = np.clip(np.rint((levels - 128) * recipe.contrast + 128 + offset), 0, 255)
        plane = np.asarray(cv2.LUT(plane, table.astype(np.uint8)), np.uint8)
    if recipe.noise and not chroma:
        plane = np.clip(plane + _noise(recipe, plane.shape), 0, 255).astype(np.uint8)
    return plane


def _noise(recipe: Recipe, shape: tuple[int, ...]) -> Any:
    """Return noise that depends on its seed alone, in any version of any library."""
    count = shape[0] * shape[1]
    drawn = np.frombuffer(noise_bytes(recipe.noise_seed, 2 * count), np.uint8).astype(np.int16)
    both = (drawn[:count] + drawn[count:] - 255).reshape(shape)
    return np.rint(both * (recipe.noise / _NOISE)).astype(np.int16)


def noise_bytes(seed: int, count: int) -> bytes:
    """Return even bytes of chance."""
    return hashlib.shake_128(b"noise %d" % seed).digest(count)


def _ycc(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return a colour as JFIF defines it."""
    red, green, blue = rgb
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma, 128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402
