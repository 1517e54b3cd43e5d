"""What the head of a JPEG or PNG says about its raster; nothing is decoded.

Enough to refuse what a training job would stumble over hours later: another size than the label
was drawn on, an orientation that one reader applies and another does not, formats and depths that
the container cannot read, files cut short. Sources: ITU-T T.81 annex B, Exif 2.32, PNG third
edition. MXNet 1.9.1 rotates pixels by EXIF in `ImageDetRecordIter` and leaves the boxes alone.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

from msgspec import Struct

from gt_workflow.core import recordio
from gt_workflow.ports import Storage

Mode = Literal["RGB", "grey", "palette", "alpha", "CMYK", "16 bit"]

PLAIN_MODES: frozenset[Mode] = frozenset({"RGB", "grey", "palette"})
"""Modes whose every pixel means the same to every reader once it has three channels."""

HEAD = 64 * 1024
"""Bytes that hold the head of nearly every image; see `raster`."""

LARGEST = recordio.LIMIT - (1 << 20)
"""Bytes of an image; its label needs some of the record as well."""

_WHOLE = 1 << 19  # bytes that hold most images, and that reading the others begins with
_CHUNK = 8 << 20

SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
"""The endings a channel wants, with their dots."""

LONGEST_SIDE = 1 << 20
"""Pixels; OpenCV, with which MXNet decodes, refuses more."""


class Raster(Struct, frozen=True, gc=False):
    """The stored raster: size in pixels, EXIF orientation 1 to 8 (1 if there is none)."""

    format: Literal["jpeg", "png"]
    width: int
    height: int
    mode: Mode
    orientation: int

    @property
    def suffix(self) -> str:
        """The ending a channel wants, with its dot."""
        return SUFFIXES[self.format]

    @property
    def content_type(self) -> str:
        """The media type."""
        return f"image/{self.format}"


class RasterError(ValueError):
    """These bytes are no image that can be trained on; the message is one clause."""


class CutShortError(RasterError):
    """The data end before the image does: read more, or call the file truncated."""


def raster(data: bytes) -> Raster:
    """Read the head of an image; `data` may be the file's beginning alone.

    Raises `CutShortError` if the head goes on behind the end of `data`, `RasterError` otherwise.
    """
    if data.startswith(b"\xff\xd8\xff"):
        found = _jpeg(data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        found = _png(data)
    else:
        raise RasterError(_stranger(data))
    if not (0 < found.width <= LONGEST_SIDE and 0 < found.height <= LONGEST_SIDE):
        raise RasterError(f"a raster of {found.width} x {found.height} pixels")
    return found


def check_end(data: bytes, image: Raster) -> None:
    """Raise `CutShortError` unless a whole file holds the mark at which its format ends."""
    mark = b"\xff\xd9" if image.format == "jpeg" else b"IEND"
    if data.rfind(mark) < 0:
        raise CutShortError("the file is cut short: the end of the image is missing")


def _stranger(data: bytes) -> str:
    if not data:
        return "the file is empty"
    for name, mark in (("GIF", b"GIF8"), ("BMP", b"BM"), ("TIFF", b"II*\0"), ("TIFF", b"MM\0*")):
        if data.startswith(mark):
            return f"a {name}; channels take JPEG and PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "a WEBP; channels take JPEG and PNG"
    return "neither a JPEG nor a PNG"


# Start-of-frame markers that libjpeg decodes: baseline, extended, progressive, and the arithmetic
# two. The others are lossless or hierarchical.
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}
_LONE = {*range(0xD0, 0xD8), 0x01, 0xFF}  # markers without a length, and the fill byte
_TOO_LATE = {0xD9, 0xDA}
_EXIF = b"Exif\0\0"
_segment = struct.Struct(">BBH").unpack_from
_COMPONENTS: dict[int, Mode] = {1: "grey", 3: "RGB", 4: "CMYK"}


def _to_frame(data: bytes) -> tuple[int, bytes]:
    """Walk through a JPEG's segments up to the frame's; return orientation and frame."""
    orientation, at, end = 1, 2, len(data)
    while True:
        if end < at + 4:
            raise CutShortError("the file is cut short: its head is incomplete")
        mark, marker, length = _segment(data, at)
        if mark != 0xFF:
            raise RasterError("a broken JPEG: no marker where one must be")
        if marker in _LONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _TOO_LATE:
            raise RasterError("a broken JPEG: no frame before the picture")
        behind = at + 2 + length
        if end < behind:
            raise CutShortError("the file is cut short: its head is incomplete")
        if marker in _OTHER_FRAMES:
            raise RasterError("a lossless or hierarchical JPEG, which the container cannot read")
        if marker in _FRAMES:
            break
        if marker == 0xE1 and orientation == 1 and data.startswith(_EXIF, at + 4, behind):
            orientation = _orientation(data[at + 4 + len(_EXIF) : behind])
        at = behind
    return orientation, data[at + 4 : behind]


def _jpeg(data: bytes) -> Raster:
    orientation, body = _to_frame(data)
    if len(body) < 6:
        raise RasterError("a broken JPEG: its frame is too short")
    depth, height, width, components = struct.unpack_from(">BHHB", body)
    if depth != 8:
        raise RasterError(f"a JPEG of {depth} bits, which the container cannot read")
    mode = _COMPONENTS.get(components)
    if mode is None:
        raise RasterError(f"a JPEG of {components} components")
    return Raster("jpeg", width, height, mode, orientation)


_COLOURS: dict[int, Mode] = {0: "grey", 2: "RGB", 3: "palette", 4: "alpha", 6: "alpha"}


def _png(data: bytes) -> Raster:
    if len(data) < 33:
        raise CutShortError("the file is cut short: its head is incomplete")
    length, kind, width, height, depth, colour = struct.unpack_from(">I4sIIBB", data, 8)
    if kind != b"IHDR" or length != 13 or colour not in _COLOURS:
        raise RasterError("a broken PNG: it does not begin with its header")
    mode: Mode = "16 bit" if depth == 16 else _COLOURS[colour]
    orientation = 1
    at = 33
    while True:
        if len(data) < at + 8:
            raise CutShortError("the file is cut short: its head is incomplete")
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"IDAT", b"IEND"):
            return Raster("png", width, height, mode, orientation)
        if kind == b"tRNS" and mode != "16 bit":
            mode = "alpha"
        if kind == b"eXIf":
            if len(data) < at + 8 + length:
                raise CutShortError("the file is cut short: its head is incomplete")
            orientation = _orientation(data[at + 8 : at + 8 + length])
        at += 12 + length


def _orientation(exif: bytes) -> int:
    """Find the orientation in a TIFF structure; 1 if it has none or makes no sense."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    if len(exif) < at + 2:
        return 1
    (count,) = struct.unpack_from(f"{order}H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
        if tag == 0x0112 and kind == 3 and 1 <= value <= 8:
            return int(value)
    return 1


def check(image: Raster, *, width: int, height: int, any_mode: bool) -> None:
    """Raise RasterError unless boxes drawn on a raster of this size fit the stored pixels."""
    if image.orientation != 1:
        raise RasterError(
            f"its EXIF orientation is {image.orientation}: readers disagree on whether to turn the "
            "pixels; apply it to the pixels and label again, or ingest the photograph"
        )
    if (image.width, image.height) != (width, height):
        swapped = (image.width, image.height) == (height, width)
        hint = "; the sides are swapped: something has turned the image" if swapped else ""
        raise RasterError(
            f"its raster is {image.width} x {image.height}, "
            f"its label was drawn on {width} x {height}{hint}"
        )
    if image.mode not in PLAIN_MODES and not any_mode:
        raise RasterError(f"its pixels are {image.mode}; convert it to RGB of 8 bits")


def load(storage: Storage, uri: str, *, whole: bool) -> tuple[bytes, Raster]:
    """Read an image, or as much of it as its head takes, and what the head says.

    Raises RasterError for what no channel can hold, ObjectNotFoundError for what is not there.
    """
    with storage.open(uri) as file:
        data = file.read(_WHOLE if whole else HEAD)
        try:
            found = raster(data)
        except CutShortError:
            data += _rest(file)
            found = raster(data)
        if whole:
            data += _rest(file)
    if whole:
        check_end(data, found)
    return data, found


def _rest(file: BinaryIO) -> bytes:
    chunks, size = [], _WHOLE
    while chunk := file.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST:
            raise RasterError(f"it has more than {LARGEST} bytes")
    return b"".join(chunks)
