"""What the first bytes of image files say: size, depth, and where a JPEG ends.

Read without a codec, in bounded time and memory whatever the bytes are: the service asks for the
size of every image of a job. Sizes are of the stored raster; an EXIF orientation is ignored.
Sources: ITU-T T.81 annex B (JPEG), W3C PNG section 5, RFC 9649 (WebP).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from gt_workflow.errors import DataError

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN: Final = 0xDA
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_MOST_SEGMENTS: Final = 4096
_STRAY: Final = 65_536


def read_size(file: BinaryIO) -> tuple[int, int]:
    """Return width and height in pixels of a JPEG or PNG; `file` is seekable and at its start.

    Raises `DataError` if it is neither, or broken before its size is told.
    """
    head = file.read(26)
    if head.startswith(_PNG) and head[12:16] == b"IHDR" and len(head) == 26:
        size = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    elif head.startswith(b"\xff\xd8"):
        size = _jpeg_size(file)
    else:
        raise _error(file, "the object is no JPEG and no PNG")
    if 0 in size:
        raise _error(file, "the image's header gives no size")
    return size


def jpeg_is_complete(data: bytes) -> bool:
    """Tell whether a JPEG's end-of-image marker follows its first scan.

    libjpeg fills what is missing with grey and only warns. A preview inside the metadata has an
    end of its own, which is why the search begins behind the metadata.
    """
    for marker, _, behind in _segments(io.BytesIO(data)):
        if marker == _SCAN:
            return data.find(b"\xff\xd9", behind) >= 0
    return False


def png_depth(data: bytes) -> int:
    """Return a PNG's bits per channel (or per palette index)."""
    return data[24]


def webp_is_lossless(data: bytes) -> bool:
    """Tell whether a WebP's pixels are stored without loss."""
    at = 12
    while at + 8 <= len(data):
        chunk = data[at : at + 4]
        if chunk in {b"VP8L", b"VP8 "}:
            return chunk == b"VP8L"
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return False


def _jpeg_size(file: BinaryIO) -> tuple[int, int]:
    for marker, content, _ in _segments(file):
        if marker in _FRAMES and len(content) >= 5:
            return int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big")
        if marker == _SCAN:
            break
    raise _error(file, "the JPEG's header gives no size")


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """Yield (marker, the content's first 5 bytes, offset behind it), up to the first scan."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        file.seek(at)
        head = file.read(9)
        if len(head) < 4:
            return
        if head[0] != 0xFF:  # stray bytes; decoders go on at the next marker
            file.seek(at)
            ahead = file.read(_STRAY).find(b"\xff")
            if ahead < 0:
                return
            at += ahead
            continue
        marker = head[1]
        if marker == 0xFF:  # padding before a marker
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        length = int.from_bytes(head[2:4], "big")
        if length < 2:
            return
        at += 2 + length
        yield marker, head[4 : 4 + min(5, length - 2)], at
        if marker == _SCAN:
            return


def _error(file: BinaryIO, message: str) -> DataError:
    return DataError(message, uri=str(getattr(file, "name", "image")))
