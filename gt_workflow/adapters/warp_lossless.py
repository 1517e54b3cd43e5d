"""Flips, right angles and crops that move a JPEG's blocks: no pixel is computed anew.

libjpeg-turbo does it, by `tjTransform` of its TurboJPEG interface, in every version since 2.0. No
maintained wheel brings that call, so that the library is the system's own, and only who asks for
`--lossless` needs it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from ctypes import POINTER, byref, c_char_p, c_int, c_ulong, c_void_p
from functools import cache
from typing import Any, Final

from gt_workflow.core.variants import Geometry
from gt_workflow.errors import UsageError

MISSING: Final = (
    "--lossless needs libjpeg-turbo on this machine: apt-get install libturbojpeg0 (Debian, "
    "Ubuntu), dnf install turbojpeg (Fedora) or brew install jpeg-turbo (macOS)"
)
_OPERATIONS: Final[dict[tuple[float, ...], int]] = {
    (1, 0, 0, 1): 0,
    (-1, 0, 0, 1): 1,
    (1, 0, 0, -1): 2,
    (0, -1, 1, 0): 5,  # the library turns clockwise
    (-1, 0, 0, -1): 6,
    (0, 1, -1, 0): 7,
}
_PERFECT, _CROP, _COPY_NONE = 1, 4, 64
_WARNING: Final = 0


class _Transform(ctypes.Structure):
    _fields_ = (
        *((name, c_int) for name in ("x", "y", "w", "h", "op", "options")),
        ("data", c_void_p),
        ("filter", c_void_p),
    )


def require() -> None:
    """Raise `UsageError` with what to install where the library is missing."""
    if _library() is None:
        raise UsageError(MISSING)


def move(data: bytes, to: Geometry) -> bytes | None:
    """Return a JPEG with its blocks moved, metadata left out; None where its grid forbids it.

    `to` is rigid. Raises `UsageError` where the library is missing.
    """
    operation = _OPERATIONS.get((to.a, to.b, to.d, to.e))
    if operation is None:
        return None
    require()
    library, handle = _library(), _handle()
    options = _PERFECT | _COPY_NONE
    how = _Transform(0, 0, 0, 0, operation, options, None, None)
    if operation == 0:
        window = int(-to.c), int(-to.f), to.width, to.height
        how = _Transform(*window, operation, options | _CROP, None, None)
    where, size = (c_void_p * 1)(), (c_ulong * 1)()
    done = library.tjTransform(handle, data, len(data), 1, where, size, byref(how), 0)
    try:
        if done < 0 and _stops(library, handle):
            return None
        return ctypes.string_at(where[0] or 0, size[0])
    finally:
        library.tjFree(where[0])


def _stops(library: Any, handle: Any) -> bool:
    """Tell an error from a remark on stray bytes; a file that ends too soon is an error."""
    text: bytes = library.tjGetErrorStr2(handle)
    return library.tjGetErrorCode(handle) != _WARNING or b"remature end" in text


@cache
def _handle() -> Any:
    """Return this process's transformer; processes work one image at a time."""
    return _library().tjInitTransform()


@cache
def _library() -> Any:
    """Return the library with its functions' types told, None where there is none."""
    name = ctypes.util.find_library("turbojpeg")
    try:
        library = ctypes.CDLL(name) if name else None
        for function, (result, arguments) in _SIGNATURES.items() if library else ():
            found = getattr(library, function)
            found.restype, found.argtypes = result, arguments
    except (OSError, AttributeError):  # not for this machine; too old
        return None
    return library


_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "tjInitTransform": (c_void_p, ()),
    "tjTransform": (
        c_int,
        (
            *(c_void_p, c_char_p, c_ulong, c_int),
            *(POINTER(c_void_p), POINTER(c_ulong), POINTER(_Transform), c_int),
        ),
    ),
    "tjFree": (None, (c_void_p,)),
    "tjGetErrorStr2": (c_char_p, (c_void_p,)),
    "tjGetErrorCode": (c_int, (c_void_p,)),
}
