"""Geometry and tone on a JPEG's planes, by OpenCV: colours are never converted.

A chroma sample sits in the middle of the luma samples it stands for, so that on the edges of
pixels a chroma plane is the same picture at another scale; only on odd sizes does a flip move its
samples between the old ones, and they are interpolated there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import gt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
_EDGE: Final = cv2.BORDER_REPLICATE
_CACHED: Final = 1 << 20  # bytes that stay in a core's cache beside what is made of them
_NOISE: Final = 255 / 6**0.5  # standard deviation of the sum of two even bytes
# A cubic between two samples and their neighbours, across; OpenCV is quicker with one axis each.
_HALF: Final = np.array([[-1, 9, 9, -1]], np.float32) / 16


class _Flipped(NamedTuple):
    """Planes of our own or of the picture, and whether they are flipped across and down."""

    planes: Sequence[Plane]
    flips: tuple[bool, bool]


class Darkroom:
    """Makes variants of one picture, those that are each other's mirror image from the same planes.

    A turn by 195 degrees is one by 15, seen upside down: the one is warped, the other its flip,
    whichever is asked for; so that every byte depends on neither order nor company. Flips and
    right angles come about as the others do, a step at a time.
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
        self._factors = factors
        (luma, *chroma), (ground, *grounds) = picture.planes, _ycc(fill)
        size = (picture.width, picture.height)
        self._layers = [_Layer([luma], size, (1, 1), (1, 1), [ground])]
        if chroma:
            self._layers.append(_Layer(chroma, size, picture.factors, factors, grounds))
        self._together: dict[Geometry | None, list[Recipe]] = {}
        for recipe in recipes:
            if not recipe.toned:
                self._together.setdefault(_kin(recipe.geometry), []).append(recipe)

    def develop(self, recipe: Recipe) -> Iterator[tuple[Recipe, Picture]]:
        """Yield a variant, and its kin that will be asked for; in which order is open.

        The next one takes the place of the one before, while that is in the processor's cache: each
        picture is gone when the next one is asked for.
        """
        kin = _kin(recipe.geometry)
        together = [] if recipe.toned else self._together.pop(kin, [])
        if recipe not in together:
            together = [recipe]
        together.sort(key=lambda one: _rank(one.geometry))
        places = [one.geometry for one in together]
        layers = [
            layer.mirrored(places) if kin is None else layer.turned(places)
            for layer in self._layers
        ]
        for one, *made in zip(together, *layers, strict=True):
            planes = [
                _toned(plane, one, layer.after, chroma=layer is not self._layers[0])
                for layer, planes in zip(self._layers, made, strict=True)
                for plane in planes
            ]
            yield one, Picture(planes, one.geometry.width, one.geometry.height, self._factors)


@dataclass(frozen=True)
class _Layer:
    """Luma, or both planes of chroma: samples that go the same way.

    `size` is the raster's, width and height; `before` and `after` tell how many luma samples one of
    these stands for, in the picture and in its variants; `grounds` are what surrounds the planes.
    """

    planes: Sequence[Plane]
    size: tuple[int, int]
    before: Factors
    after: Factors
    grounds: Sequence[float]

    def mirrored(self, places: Sequence[Geometry]) -> Iterator[Sequence[Plane]]:
        """Yield planes flipped, or flipped and then with rows for columns, one from the other.

        But what was moved by half a sample is not moved back.
        """
        whole = all(side % factor == 0 for side, factor in zip(self.size, self.before, strict=True))
        steady = whole or max(self.before) == 2
        begin = upright = _Flipped(self.planes, (False, False))
        turned: _Flipped | None = None
        for to in places:
            flips = _flips(to)
            if not steady or self.after != (self.before[::-1] if to.a == 0.0 else self.before):
                yield self._moved(to)
                continue
            if to.a != 0.0 or not whole or turned is None:
                back = any(map(gt, upright.flips, flips))
                upright = self._flip(begin if back and not whole else upright, flips)
            if to.a != 0.0:
                yield upright.planes
                continue
            if whole and turned is not None:
                turned = self._flip(turned, flips[::-1])
            else:
                rows = [np.asarray(cv2.transpose(plane), np.uint8) for plane in upright.planes]
                turned = _Flipped(rows, flips[::-1])
            yield turned.planes

    def turned(self, places: Sequence[Geometry]) -> Iterator[Sequence[Plane]]:
        """Yield planes in their new places; with a half turn, one that is upright comes first."""
        planes: Sequence[Plane] = ()
        upside_down = False
        for to in places:
            # Chroma samples that reach over the frame's edge lie otherwise upside down.
            if to.rigid or to.width % self.after[0] or to.height % self.after[1]:
                yield self._moved(to)
                continue
            planes = planes or self._moved(_upright(to))
            if upside_down == _is_upright(to):
                planes = [_half_turned(plane) for plane in planes]
                upside_down = not upside_down
            yield planes

    def _flip(self, stood: _Flipped, flips: tuple[bool, bool]) -> _Flipped:
        """Flip planes until they stand like this, in their place if they are our own.

        If the size is odd, samples are put where they belong, half a sample on.
        """
        across, down = flips[0] != stood.flips[0], flips[1] != stood.flips[1]
        if not across and not down:
            return stood
        planes: list[Plane] = []
        for plane in stood.planes:
            own = None if stood.planes is self.planes else plane
            made = cv2.flip(plane, -1 if across and down else int(across), dst=own)
            if across and self.size[0] % self.before[0]:
                made = cv2.filter2D(made, -1, _HALF, anchor=(1, 0), borderType=_EDGE)
            if down and self.size[1] % self.before[1]:
                made = cv2.filter2D(made, -1, _HALF.T, anchor=(0, 1), borderType=_EDGE)
            planes.append(np.asarray(made, np.uint8))
        return _Flipped(planes, flips)

    def _moved(self, to: Geometry) -> Sequence[Plane]:
        """Return planes in a new place, made from the picture's own."""
        size = -(-to.width // self.after[0]), -(-to.height // self.after[1])
        alike = self.after == (self.before[::-1] if to.a == 0.0 else self.before)
        left, top = -to.c / self.after[0], -to.f / self.after[1]
        if to.rigid and alike and (to.a, to.e) == (1, 1) and left == int(left) and top == int(top):
            rows, columns = (
                slice(int(top), int(top) + size[1]),
                slice(int(left), int(left) + size[0]),
            )
            return [np.ascontiguousarray(plane[rows, columns]) for plane in self.planes]
        matrix = _between_centres(to, self.before, self.after)
        if to.rigid:
            # Where samples are not alike, the mean of what one is to stand for.
            flags = cv2.INTER_CUBIC if alike else cv2.INTER_LINEAR
            made = [
                cv2.warpAffine(one, matrix, size, flags=flags, borderMode=_EDGE)
                for one in self.planes
            ]
        elif len(self.planes) == 1 or 4 * self.planes[0].size > _CACHED:
            made = [
                cv2.warpAffine(one, matrix, size, borderValue=ground)
                for one, ground in zip(self.planes, self.grounds, strict=True)
            ]
        else:
            both = cv2.warpAffine(self._twice, matrix, size, borderValue=[*self.grounds] * 2)
            made = [cv2.extractChannel(both, index) for index in (0, 1)]
        return [np.asarray(plane, np.uint8) for plane in made]

    @cached_property
    def _twice(self) -> Plane:
        """Both planes in four channels: OpenCV warps them sooner than two planes, to the same.

        Only while they fit in the processor's cache: two large planes are quicker by themselves.
        """
        # What `merge` writes goes past the processor's cache, a copy of it does not.
        return np.asarray(cv2.merge([*self.planes] * 2), np.uint8).copy()


def _half_turned(plane: Plane) -> Plane:
    """Turn a plane upside down, in its place unless that is another's."""
    there = plane if plane.flags.owndata else None
    return np.asarray(cv2.flip(plane, -1, dst=there), np.uint8)


def _kin(to: Geometry) -> Geometry | None:
    """Return what variants made together have in common: None for flips and right angles."""
    return None if to.rigid and (to.a, to.e) != (1, 1) else _upright(to)


def _rank(to: Geometry) -> tuple[bool, ...]:
    """Return a place in the order in which kin come out of each other at the least cost.

    It is flip-tb, rotate-270, rotate-90, flip-lr, rotate-180; or upright and upside down.
    """
    across, down = _flips(to)
    mirrors = across and down, across, (to.a == 0.0) != across
    return mirrors if _kin(to) is None else (not _is_upright(to),)


def _flips(to: Geometry) -> tuple[bool, bool]:
    """Tell whether a right angle or flip is one across, and down, before rows become columns."""
    return to.a + to.d < 0, to.b + to.e < 0


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
