"""Variants behind the `Warper` port: a photograph is decoded once, its variants written as it is.

    lossless  a JPEG's blocks are moved, no pixel is computed: if asked for, where its grid allows
    planes    a JPEG's planes are warped and encoded: libjpeg-turbo and OpenCV
    pillow    everything else, and everything where those two are not installed

The same bytes come out of every run on the same libraries. A JPEG keeps its chroma subsampling and
its quality: on the fast path the lowest quality of libjpeg's own tables that is nowhere on the
whole coarser than the source's tables, so that standard tables stay exactly themselves.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import PIL.Image
from PIL.Image import Image

from gt_workflow.adapters import warp_pillow
from gt_workflow.adapters.warp_turbo import GRAY, TransformName, Turbo, TurboError, find
from gt_workflow.core.variants import Geometry, Recipe
from gt_workflow.errors import DataError
from gt_workflow.ports import Look, Rendered

_ORIENTATION: Final = 0x0112
_SAMPLINGS: Final = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
_ICC: Final = b"ICC_PROFILE\0"
_ICC_PART: Final = 65_519  # bytes of a profile that a segment holds
_TRANSFORMS: Final[dict[tuple[float, ...], TransformName]] = {
    (-1, 0, 0, 1): "flip-lr",
    (1, 0, 0, -1): "flip-tb",
    (-1, 0, 0, -1): "rotate-180",
    (0, 1, -1, 0): "rotate-90",
    (0, -1, 1, 0): "rotate-270",
    (1, 0, 0, 1): "none",
}


def fast_path() -> str:
    """Tell what is missing for the fast path, in a few words; "" if nothing is."""
    missing = [] if importlib.util.find_spec("cv2") else ["opencv-python-headless"]
    missing += [] if find() else ["turbojpeg"]
    return " and ".join(missing)


@dataclass(frozen=True, slots=True)
class Warp:
    """Renders variants; `fast` False leaves everything to Pillow."""

    fast: bool = True

    def render(
        self, data: bytes, recipes: Sequence[Recipe], *, look: Look, uri: str
    ) -> Iterator[Rendered]:
        """Yield the variants of a JPEG or PNG, in order; see `ports.Warper`."""
        head = _open(data, uri)
        turbo = _turbo() if self.fast and head.format in {"JPEG", "MPO"} else None
        try:
            if turbo is not None:
                fast = _Fast(turbo, data, head, look)
                if fast.fits(recipes):
                    for recipe in recipes:
                        yield fast.render(recipe)
                    return
            picture = warp_pillow.plain(head)
            picture.load()
        except (TurboError, OSError, SyntaxError, ValueError) as error:
            raise DataError(f"it cannot be decoded: {error}", uri=uri) from error
        for recipe in recipes:
            made = warp_pillow.vary(picture, recipe, fill=look.fill)
            written, form = warp_pillow.encode(made, head, look)
            yield Rendered(written, form, "pillow")


class _Fast:
    """The variants of one JPEG, by its planes."""

    def __init__(self, turbo: Turbo, data: bytes, head: Image, look: Look) -> None:
        self._turbo = turbo
        self._data = data
        self._look = look
        self._profile = _segments(head.info.get("icc_profile"))
        self._quality = look.quality or quality_of(getattr(head, "quantization", {}))
        self._size = head.size
        self._picture: Any = None
        self._colors = head.mode

    def fits(self, recipes: Sequence[Recipe]) -> bool:
        """Tell whether this image can go this way: YCbCr or grayscale, of a size OpenCV takes."""
        from gt_workflow.adapters.warp_planes import LONGEST_SIDE, Picture

        sides = [*self._size, *(r.geometry.width for r in recipes)]
        sides += [r.geometry.height for r in recipes]
        if max(sides) > LONGEST_SIDE or self._colors not in {"L", "RGB"}:
            return False
        try:
            planes, width, height, sampling = self._turbo.planes(self._data)
        except TurboError:
            return False  # Pillow may know it, or says what is wrong with it
        self._picture = Picture(planes, width, height, sampling)
        return True

    def render(self, recipe: Recipe) -> Rendered:
        """Return one variant."""
        from gt_workflow.adapters.warp_planes import vary

        if self._look.lossless and not recipe.toned and recipe.geometry.rigid:
            moved = self._lossless(recipe.geometry)
            if moved is not None:
                return Rendered(self._with_profile(moved), "JPEG", "lossless")
        own = self._picture.sampling
        sampling = _SAMPLINGS[self._look.chroma] if self._look.chroma and own != GRAY else own
        to = recipe.geometry
        planes = vary(self._picture, recipe, sampling=sampling, fill=self._look.fill)
        written = self._turbo.encode(
            planes, width=to.width, height=to.height, sampling=sampling, quality=self._quality
        )
        return Rendered(self._with_profile(written), "JPEG", "planes")

    def _lossless(self, to: Geometry) -> bytes | None:
        name = _TRANSFORMS.get((to.a, to.b, to.d, to.e))
        window = (int(-to.c), int(-to.f), to.width, to.height) if name == "none" else None
        if name is None:
            return None
        try:
            return self._turbo.transform(self._data, name, window)
        except TurboError:  # its sides are no multiples of a block
            return None

    def _with_profile(self, jpeg: bytes) -> bytes:
        """Put the ICC profile behind the JFIF header, where readers look for it."""
        if not self._profile:
            return jpeg
        behind = 2
        if jpeg[2:4] == b"\xff\xe0":
            behind += 2 + int.from_bytes(jpeg[4:6], "big")
        return jpeg[:behind] + self._profile + jpeg[behind:]


def quality_of(tables: Mapping[int, Sequence[int]]) -> int:
    """Return the lowest libjpeg quality whose tables are not coarser on the whole than these."""
    wanted = [sum(tables[index]) for index in (0, 1) if index in tables]
    for quality, sums in enumerate(_sums(), start=1):
        if all(own <= most for own, most in zip(sums, wanted, strict=False)):
            return quality
    return 100


@cache
def _sums() -> tuple[tuple[int, int], ...]:
    """Return the sums of libjpeg's luma and chroma tables of the qualities 1 to 100."""
    found = []
    for quality in range(1, 101):
        buffer = io.BytesIO()
        PIL.Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
        sample: Any = PIL.Image.open(buffer)
        found.append((sum(sample.quantization[0]), sum(sample.quantization[1])))
    return tuple(found)


def _open(data: bytes, uri: str) -> Image:
    """Read the head of an image; refuse one that would be seen otherwise than it is stored."""
    try:
        head = PIL.Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        orientation = head.getexif().get(_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise DataError(f"no JPEG or PNG that can be read: {error}", uri=uri) from error
    if orientation not in {0, 1}:
        raise DataError(
            f"its EXIF orientation is {orientation}, so that it is unclear where its boxes are; "
            "ingest turns photographs upright",
            uri=uri,
        )
    return head


@cache
def _turbo() -> Turbo | None:
    """Return this process's codec; processes work one image at a time."""
    library = None if fast_path() else find()
    return None if library is None else Turbo(library)


def _segments(profile: bytes | None) -> bytes:
    """Return an ICC profile as JPEG segments (ICC.1, annex B.4)."""
    if not profile:
        return b""
    parts = [profile[at : at + _ICC_PART] for at in range(0, len(profile), _ICC_PART)]
    return b"".join(
        b"\xff\xe2"
        + (2 + len(_ICC) + 2 + len(part)).to_bytes(2, "big")
        + _ICC
        + bytes([number, len(parts)])
        + part
        for number, part in enumerate(parts, start=1)
    )
