"""Variants behind the `Warper` port: a photograph is decoded once, its variants written as it is.

    lossless  a JPEG's blocks are moved, no pixel is computed: if asked for, where its grid allows
    planes    a JPEG's planes are warped and encoded: libjpeg-turbo (simplejpeg) and OpenCV
    pillow    everything else: PNG, JPEGs of other colours or of a side below three pixels

The same bytes come out of every run on the same libraries. A JPEG keeps its chroma subsampling,
its ICC profile and its quality: by its planes the lowest quality of libjpeg's own tables that is
nowhere on the whole coarser than the source's tables, so that standard tables stay exactly
themselves. Exif stays behind: its frame and thumbnail are not the variant's.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import PIL.Image
from PIL.Image import Image

from gt_workflow.adapters import warp_lossless, warp_pillow
from gt_workflow.adapters.images import quiet
from gt_workflow.core.variants import Recipe
from gt_workflow.errors import DataError
from gt_workflow.ports import Look, Rendered

if TYPE_CHECKING:
    from gt_workflow.adapters.warp_jpeg import Picture

_ORIENTATION: Final = 0x0112


@dataclass(frozen=True, slots=True)
class Warp:
    """Renders variants; `fast` False leaves everything to Pillow."""

    fast: bool = True

    def render(
        self, data: bytes, recipes: Sequence[Recipe], *, look: Look, uri: str
    ) -> Iterator[Rendered]:
        """Yield the variants of a JPEG or PNG, in order; see `ports.Warper`.

        Also raises `UsageError` if `look` is lossless and the library for it is missing.
        """
        head = _open(data, uri)
        picture = _planes(data, head, recipes) if self.fast else None
        if picture is not None:
            yield from _by_planes(data, head, picture, recipes, look)
            return
        try:
            with quiet():
                whole = warp_pillow.plain(head)
                whole.load()
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"it cannot be decoded: {error}", uri=uri) from error
        for recipe in recipes:
            made = warp_pillow.vary(whole, recipe, fill=look.fill)
            written, form = warp_pillow.encode(made, head, look)
            yield Rendered(written, form, "pillow")


def _planes(data: bytes, head: Image, recipes: Sequence[Recipe]) -> Picture | None:
    """Return an image's planes if it and all its variants can go by them."""
    if head.format not in {"JPEG", "MPO"} or head.mode not in {"L", "RGB"}:
        return None
    # OpenCV is for the processes that warp: whoever only hands them out does without.
    from gt_workflow.adapters.warp_jpeg import LEAST_SIDE, decode
    from gt_workflow.adapters.warp_planes import LONGEST_SIDE

    sides = [*head.size, *(side for r in recipes for side in (r.geometry.width, r.geometry.height))]
    return decode(data) if min(sides) >= LEAST_SIDE and max(sides) <= LONGEST_SIDE else None


def _by_planes(
    data: bytes, head: Image, picture: Picture, recipes: Sequence[Recipe], look: Look
) -> Iterator[Rendered]:
    from gt_workflow.adapters import warp_jpeg, warp_planes

    quality = look.quality or warp_jpeg.quality_of(getattr(head, "quantization", {}))
    factors = picture.factors
    if look.chroma and len(picture.planes) > 1:
        factors = warp_jpeg.FACTORS[look.chroma.replace(":", "")]
    moves = {
        recipe: written
        for recipe in recipes
        if look.lossless and not recipe.toned and recipe.geometry.rigid
        if (written := warp_lossless.move(data, recipe.geometry)) is not None
    }
    others = [recipe for recipe in recipes if recipe not in moves]
    room = warp_planes.Darkroom(picture, others, factors=factors, fill=look.fill)
    profile = head.info.get("icc_profile")
    made: dict[Recipe, bytes] = {}
    for recipe in recipes:
        written = moves.get(recipe)
        if written is None and recipe not in made:
            for one, planes in room.develop(recipe):
                made[one] = warp_jpeg.encode(planes, quality)
        how = "planes" if written is None else "lossless"
        written = made.pop(recipe) if written is None else written
        yield Rendered(warp_jpeg.with_profile(written, profile), "JPEG", how)


def _open(data: bytes, uri: str) -> Image:
    """Read the head of an image; refuse one that would be seen otherwise than it is stored."""
    try:
        with quiet():
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
