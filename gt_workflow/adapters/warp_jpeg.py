"""A JPEG's planes as they lie in the file, by simplejpeg: libjpeg-turbo in a wheel.

Planes are Y, Cb, Cr, each a two-dimensional uint8 array; chroma planes are smaller by the file's
subsampling, and a grayscale JPEG has one plane.

simplejpeg decodes to colours only. So a copy of the file, its metadata left out, says by Adobe's
marker that its planes are red, green and blue (ITU-T T.872, 6.5.3): then nothing is converted, and
with chroma samples repeated, not smoothed, they are the file's own, to the bit, and had sooner.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import cv2
import numpy as np
import PIL.Image
import simplejpeg  # type: ignore[import-untyped]  # its wheel has stubs but no py.typed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane: TypeAlias = NDArray[np.uint8]

Factors: TypeAlias = tuple[int, int]
"""How many luma samples a chroma sample stands for, across and down."""

FACTORS: Final[Mapping[str, Factors]] = {
    "444": (1, 1),
    "422": (2, 1),
    "420": (2, 2),
    "440": (1, 2),
    "411": (4, 1),
}
LEAST_SIDE: Final = 3
"""The encoder tells the subsampling by the planes' sizes; below this side some are alike."""

_ICC: Final = b"ICC_PROFILE\0"
_ICC_PART: Final = 65_519  # bytes of a profile that a segment holds
_SCAN: Final = 0xDA
_NO_CONVERSION: Final = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Picture:
    """The planes of a raster of `width` and `height` luma samples."""

    planes: Sequence[Plane]
    width: int
    height: int
    factors: Factors


def decode(data: bytes) -> Picture | None:
    """Return a JPEG's planes; None if it is damaged or has no such planes."""
    try:
        height, width, colors, sampling = simplejpeg.decode_jpeg_header(data)
        if colors == "Gray":
            pixels = simplejpeg.decode_jpeg(data, "GRAY")
            return Picture([pixels.reshape(height, width)], width, height, (1, 1))
        bare = _bare(data)
        if colors != "YCbCr" or sampling not in FACTORS or bare is None:
            return None
        across, down = FACTORS[sampling]
        # The library's loop for three bytes behind an idle one is the quicker one, by a tenth.
        pixels = simplejpeg.decode_jpeg(bare, "XRGB", fastupsample=True)
    except ValueError:
        return None
    chroma = [np.ascontiguousarray(pixels[::down, ::across, index]) for index in (2, 3)]
    return Picture([cv2.extractChannel(pixels, 1), *chroma], width, height, (across, down))


def encode(picture: Picture, quality: int) -> bytes:
    """Return a baseline JPEG with libjpeg's tables of this quality, 1 to 100."""
    luma, *chroma = picture.planes
    # The encoder reads on to whole chroma samples, past the edge that it is told.
    luma = _padded(luma, picture.factors)[: picture.height, : picture.width]
    blue, red = chroma or (None, None)
    return bytes(simplejpeg.encode_jpeg_yuv_planes(luma, blue, red, quality))


def _padded(luma: Plane, factors: Factors) -> Plane:
    """Repeat the last row and column until every chroma sample has all its luma samples."""
    down, across = -luma.shape[0] % factors[1], -luma.shape[1] % factors[0]
    if not (down or across):
        return luma
    padded = cv2.copyMakeBorder(luma, 0, down, 0, across, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def _bare(data: bytes) -> bytes | None:
    """Return the JPEG as one of unconverted colours, without metadata; None if it has no scan."""
    kept = [b"\xff\xd8", _NO_CONVERSION]
    at = 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == _SCAN:
            return b"".join([*kept, memoryview(data)[at:]])
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(data[at:end])
        at = end
    return None


def with_profile(jpeg: bytes, profile: bytes | None) -> bytes:
    """Put an ICC profile behind the JFIF header, where readers look for it (ICC.1, annex B.4)."""
    if not profile:
        return jpeg
    behind = 2
    if jpeg[2:4] == b"\xff\xe0":
        behind += 2 + int.from_bytes(jpeg[4:6], "big")
    parts = [profile[at : at + _ICC_PART] for at in range(0, len(profile), _ICC_PART)]
    segments = [
        b"\xff\xe2"
        + (2 + len(_ICC) + 2 + len(part)).to_bytes(2, "big")
        + _ICC
        + bytes([number, len(parts)])
        + part
        for number, part in enumerate(parts, start=1)
    ]
    return b"".join([jpeg[:behind], *segments, jpeg[behind:]])


def quality_of(tables: Mapping[int, Sequence[int]]) -> int:
    """Return the lowest libjpeg quality whose tables are not coarser on the whole than these."""
    return _lowest(tuple(sum(tables[index]) for index in (0, 1) if index in tables))


@lru_cache(1024)
def _lowest(wanted: tuple[int, ...]) -> int:
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
