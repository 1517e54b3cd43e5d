"""libjpeg-turbo by its TurboJPEG 3 interface: planes in, planes out, and lossless transforms.

Planes are Y, Cb, Cr as they lie in the file, each a two-dimensional uint8 array; chroma planes are
smaller by the file's subsampling. The luma plane is padded to whole chroma samples, as the library
has it. Source: the library's documentation of tj3DecompressToYUVPlanes8, tj3CompressFromYUVPlanes8
and tj3Transform. The library comes with the wheel `turbojpeg`, whose own binding knows no planes.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Plane: TypeAlias = NDArray[np.uint8]

GRAY: Final = 3
FACTORS: Final = {0: (1, 1), 1: (2, 1), 2: (2, 2), GRAY: (1, 1), 4: (1, 2), 5: (4, 1), 6: (1, 4)}
"""TJSAMP → how many luma samples a chroma sample stands for, across and down."""

TransformName = Literal["none", "flip-lr", "flip-tb", "rotate-270", "rotate-180", "rotate-90"]
_OPERATIONS: Final[dict[TransformName, int]] = {
    "none": 0,
    "flip-lr": 1,
    "flip-tb": 2,
    "rotate-270": 5,  # the library turns clockwise
    "rotate-180": 6,
    "rotate-90": 7,
}
_NOREALLOC, _QUALITY, _SUBSAMPLING, _WIDTH, _HEIGHT, _PRECISION, _COLORS = 2, 3, 4, 5, 6, 7, 8
_PERFECT, _CROP, _COPY_NONE = 1, 4, 64
_COMPRESS, _DECOMPRESS, _TRANSFORM = 0, 1, 2
_KEPT_BUFFER: Final = 32 * 1024 * 1024


class TurboError(Exception):
    """The library cannot do this to this image; its own words."""


class _Transform(ctypes.Structure):
    _fields_ = (
        *((name, c_int) for name in ("x", "y", "w", "h", "op", "options")),
        ("data", c_void_p),
        ("filter", c_void_p),
    )


class Turbo:
    """One compressor, one decompressor and one transformer; for one thread."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Take a library that `find` returned."""
        self._library = library
        self._compressor, self._decompressor, self._transformer = (
            library.tj3Init(kind) for kind in (_COMPRESS, _DECOMPRESS, _TRANSFORM)
        )
        library.tj3Set(self._compressor, _NOREALLOC, 1)
        self._buffer: Any = None

    def planes(self, data: bytes) -> tuple[list[Plane], int, int, int]:
        """Return planes, width, height and TJSAMP; `TurboError` for what has no such planes."""
        import numpy as np

        handle, library = self._decompressor, self._library
        self._check(handle, library.tj3DecompressHeader(handle, data, len(data)))
        width, height, sampling, precision, colors = (
            library.tj3Get(handle, what)
            for what in (_WIDTH, _HEIGHT, _SUBSAMPLING, _PRECISION, _COLORS)
        )
        # 1 is YCbCr, 2 grayscale; RGB, CMYK and YCCK are Pillow's.
        if sampling not in FACTORS or precision != 8 or colors not in {1, 2}:
            raise TurboError("its colours are neither 8-bit YCbCr nor grayscale")
        planes = [np.empty(shape, np.uint8) for shape in _shapes(width, height, sampling)]
        pointers, strides = _addresses(planes)
        done = library.tj3DecompressToYUVPlanes8(handle, data, len(data), pointers, strides)
        self._check(handle, done)
        return planes, width, height, sampling

    def encode(
        self, planes: Sequence[Plane], *, width: int, height: int, sampling: int, quality: int
    ) -> bytes:
        """Return a JPEG; the planes have the sizes that `planes` gives an image of this size."""
        import numpy as np

        handle, library = self._compressor, self._library
        shapes = _shapes(width, height, sampling)
        if [plane.shape for plane in planes] != shapes:
            raise ValueError(f"planes of {[plane.shape for plane in planes]}, not {shapes}")
        library.tj3Set(handle, _QUALITY, quality)
        library.tj3Set(handle, _SUBSAMPLING, sampling)
        room = library.tj3JPEGBufSize(width, height, sampling)
        buffer = self._buffer
        if buffer is None or len(buffer) < room:
            buffer = np.empty(room, np.uint8)
            self._buffer = buffer if room <= _KEPT_BUFFER else None
        pointers, strides = _addresses(planes)
        where, size = c_void_p(buffer.ctypes.data), c_size_t(len(buffer))
        self._check(
            handle,
            library.tj3CompressFromYUVPlanes8(
                handle, pointers, width, strides, height, byref(where), byref(size)
            ),
        )
        return bytes(buffer[: size.value])

    def transform(
        self, data: bytes, name: TransformName, window: tuple[int, int, int, int] | None = None
    ) -> bytes:
        """Move a JPEG's blocks, no pixel computed anew; `TurboError` where its grid forbids it.

        `window` is left, top, width and height of what is kept. Metadata are left behind.
        """
        handle, library = self._transformer, self._library
        options = _PERFECT | _COPY_NONE | (_CROP if window else 0)
        how = _Transform(*(window or (0, 0, 0, 0)), _OPERATIONS[name], options, None, None)
        where, size = (c_void_p * 1)(), (c_size_t * 1)()
        done = library.tj3Transform(handle, data, len(data), 1, where, size, byref(how))
        try:
            self._check(handle, done)
            return ctypes.string_at(where[0] or 0, size[0])
        finally:
            library.tj3Free(where[0])

    def _check(self, handle: int, done: int) -> None:
        """Raise what the library says; it warns of stray bytes too, which do no harm."""
        if done < 0:
            text = self._library.tj3GetErrorStr(handle).decode(errors="replace")
            if self._library.tj3GetErrorCode(handle) != 0 or "remature end" in text:
                raise TurboError(text)


@cache
def find() -> ctypes.CDLL | None:
    """Return the library: the wheel's, or the system's if that has version 3 of the interface."""
    places = []
    found = importlib.util.find_spec("turbojpeg")
    if found is not None and found.origin is not None:
        here = Path(found.origin).parent
        places = sorted(str(path) for path in here.glob("turbojpeg.libs/libturbojpeg*"))
    if system := ctypes.util.find_library("turbojpeg"):
        places.append(system)
    for place in places:
        try:
            return _declared(ctypes.CDLL(place))
        except (OSError, AttributeError):  # not for this machine; an older interface
            continue
    return None


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Tell the functions' types; `AttributeError` if one is missing."""
    planes = (POINTER(c_void_p), POINTER(c_int))
    written = (POINTER(c_void_p), POINTER(c_size_t))
    image = (c_void_p, c_char_p, c_size_t)
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "tj3Init": (c_void_p, (c_int,)),
        "tj3Set": (c_int, (c_void_p, c_int, c_int)),
        "tj3Get": (c_int, (c_void_p, c_int)),
        "tj3DecompressHeader": (c_int, image),
        "tj3DecompressToYUVPlanes8": (c_int, (*image, *planes)),
        "tj3CompressFromYUVPlanes8": (
            c_int,
            (c_void_p, planes[0], c_int, planes[1], c_int, *written),
        ),
        "tj3Transform": (c_int, (*image, c_int, *written, POINTER(_Transform))),
        "tj3JPEGBufSize": (c_size_t, (c_int, c_int, c_int)),
        "tj3Free": (None, (c_void_p,)),
        "tj3GetErrorStr": (c_char_p, (c_void_p,)),
        "tj3GetErrorCode": (c_int, (c_void_p,)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _shapes(width: int, height: int, sampling: int) -> list[tuple[int, int]]:
    """Return the planes' (rows, columns)."""
    across, down = FACTORS[sampling]
    columns, rows = -(-width // across), -(-height // down)
    luma = (rows * down, columns * across)
    return [luma] if sampling == GRAY else [luma, (rows, columns), (rows, columns)]


def _addresses(planes: Sequence[Plane]) -> tuple[Any, Any]:
    count = len(planes)
    return (
        (c_void_p * 3)(*(plane.ctypes.data for plane in planes), *[None] * (3 - count)),
        (c_int * 3)(*(plane.strides[0] for plane in planes), *[0] * (3 - count)),
    )
