"""MXNet's RecordIO: frames, image headers and detection labels, as bytes.

A file is a bare row of frames: magic, then three bits of flag and 29 bits of length, payload, zeros
up to a multiple of four. A magic at an offset of the payload that is a multiple of four is taken
out, and the record cut there into parts; the reader puts it back between them. (The other RecordIO
of SageMaker, `application/x-recordio-protobuf`, is another format.) Sources: dmlc-core
`recordio.h`, MXNet `image_recordio.h`, `python/mxnet/recordio.py`, `iter_image_det_recordio.cc`.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from msgspec import Struct

from gt_workflow.core.boxes import Box
from gt_workflow.errors import DataError

MAGIC = b"\x0a\x23\xd7\xce"
"""0xCED7230A, little-endian."""

LIMIT = 1 << 29
"""A record is smaller than this many bytes; MXNet refuses larger ones."""

HEADER_WIDTH = 2
"""Floats before the first object of a label: this width and the next."""

OBJECT_WIDTH = 5
"""Floats per object: class id, xmin, ymin, xmax, ymax."""

NO_OBJECT = (2.0, 5.0, -1.0, -1.0, -1.0, -1.0, -1.0)
"""The label of an image without boxes: one row that readers drop (a bare header kills them)."""

_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_FRAME = struct.Struct("<4sI")
_IMAGE = struct.Struct("<IfQQ")
_ROW = struct.Struct("<5f")
_pack_row, _unpack_row = _ROW.pack, _ROW.unpack  # through float32 and back
# The magic cannot overlap itself, so that no occurrence is missed.
_find_magic = re.compile(re.escape(MAGIC)).finditer
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")  # by size modulo 4


Search = Callable[[bytes], Sequence[int]]


def search(data: bytes) -> Sequence[int]:
    """List where the magic stands at a multiple of four bytes."""
    return [at for match in _find_magic(data) if (at := match.start()) % 4 == 0]


def quick_search() -> Search:
    """Return `search` by the C library's `wmemchr`, which looks at aligned words alone.

    On 100 kB of JPEG it takes 4 us where the expression takes 25 and bytes.find 42. Where there is
    no such function, or its words are of another size, it is `search` itself.
    """
    try:
        import ctypes

        find = ctypes.CDLL(None).wmemchr
    except (ImportError, OSError, AttributeError, TypeError, MemoryError):
        return search
    if ctypes.sizeof(ctypes.c_wchar) != len(MAGIC):
        return search
    find.argtypes = (ctypes.c_char_p, ctypes.c_int32, ctypes.c_size_t)
    find.restype = ctypes.c_void_p
    word = int.from_bytes(MAGIC, sys.byteorder, signed=True)

    def quick(data: bytes) -> Sequence[int]:
        # Nearly no image holds the magic; where it is in one that does, the expression tells.
        return search(data) if find(data, word, len(data) // len(MAGIC)) else ()

    return quick


def frame(*parts: bytes, search: Search = search) -> list[bytes]:
    """Frame one record, given in parts, as buffers to be written one after the other.

    Nothing is copied as long as every part but the last is a multiple of four bytes long and no
    magic has to be escaped. A record of `LIMIT` bytes or more raises ValueError.
    """
    size = sum(map(len, parts))
    if size >= LIMIT:
        raise ValueError(f"a record of {size} bytes; RecordIO takes less than {LIMIT}")
    if any(len(part) % 4 for part in parts[:-1]):
        parts = (b"".join(parts),)
    if any(search(part) for part in parts):
        return _escaped(b"".join(parts))
    return [_FRAME.pack(MAGIC, size), *parts, _PADDING[size % 4]]


def _escaped(record: bytes) -> list[bytes]:
    cuts = search(record)
    buffers: list[bytes] = []
    start = 0
    for cut in cuts:
        flag = _MIDDLE if buffers else _FIRST
        buffers += [_FRAME.pack(MAGIC, flag << 29 | (cut - start)), record[start:cut]]
        start = cut + len(MAGIC)
    size = len(record) - start
    buffers += [_FRAME.pack(MAGIC, _LAST << 29 | size), record[start:], _PADDING[size % 4]]
    return buffers


def detection_label(
    width: int, height: int, objects: Iterable[tuple[int, Box]]
) -> tuple[float, ...]:
    """Build the label of an image: widths 2 and 5, then class id and corners as fractions.

    `width` and `height` are the raster's, in pixels; the boxes lie inside it. Every number is one
    that a float32 holds, and no corner exceeds 1. A box without area once it is in float32 raises
    ValueError: readers would drop it without a word. No object at all gives `NO_OBJECT`.
    """
    values = [float(HEADER_WIDTH), float(OBJECT_WIDTH)]
    for class_id, box in objects:
        left, top = box.left, box.top
        right, bottom = (left + box.width) / width, (top + box.height) / height
        row = _unpack_row(
            _pack_row(
                class_id,
                left / width if left > 0.0 else 0.0,
                top / height if top > 0.0 else 0.0,
                right if right < 1.0 else 1.0,  # noqa: FURB136 - min() takes as long as all this
                bottom if bottom < 1.0 else 1.0,  # noqa: FURB136 - as above
            )
        )
        if not (row[3] > row[1] and row[4] > row[2]):
            raise ValueError(f"{box} has no area in a raster of {width} x {height}")
        values += row
    return tuple(values) if len(values) > HEADER_WIDTH else NO_OBJECT


def image_header(record_id: int, label: Sequence[float]) -> bytes:
    """Pack MXNet's IRHeader and the label vector behind it; a multiple of four bytes."""
    return _IMAGE.pack(len(label), 0.0, record_id, 0) + struct.pack(f"<{len(label)}f", *label)


def record(
    record_id: int, label: Sequence[float], image: bytes, *, search: Search = search
) -> list[bytes]:
    """Frame one labelled image, its encoded bytes as they are."""
    head = image_header(record_id, label)
    # The head is short, and magic in it rarer than in the image.
    size = len(head) + len(image)
    if size >= LIMIT or MAGIC in head or search(image):
        return frame(head, image, search=search)
    return [_FRAME.pack(MAGIC, size) + head, image, _PADDING[size % 4]]


def index_line(record_id: int, offset: int) -> bytes:
    """Build a line of the `.idx` file: where the record's first frame begins."""
    return b"%d\t%d\n" % (record_id, offset)


def list_line(record_id: int, label: Sequence[float], path: str) -> bytes:
    """Build a line of the `.lst` file from which im2rec.py makes this very record.

    Nine digits are enough for it to arrive at the same float32. A path with a tab or a line
    break raises ValueError: the format cannot express it.
    """
    if "\t" in path or "\r" in path or "\n" in path:
        raise ValueError(f"a path with a tab or a line break: {path!r}")
    layout = "%d" + "\t%.9g" * len(label) + "\t%s\n"
    return (layout % (record_id, *label, path)).encode()


class ImageRecord(Struct, frozen=True):
    """What a record holds: its id, its label vector and the encoded image."""

    record_id: int
    label: tuple[float, ...]
    image: bytes

    @property
    def objects(self) -> tuple[tuple[float, ...], ...]:
        """The rows that a detector sees: id, xmin, ymin, xmax, ymax; those without area left out.

        Raises ValueError where MXNet's reader would stop.
        """
        label = self.label
        if len(label) < HEADER_WIDTH + OBJECT_WIDTH:
            raise ValueError(f"a label of {len(label)} floats; a detector needs 7 or more")
        first, width = int(label[0]), int(label[1])
        if first < HEADER_WIDTH or width < OBJECT_WIDTH or (len(label) - first) % width:
            raise ValueError(f"a label of {len(label)} floats is not {first} + n x {width}")
        rows = (label[at : at + width] for at in range(first, len(label), width))
        return tuple(row for row in rows if row[3] > row[1] and row[4] > row[2])


def unpack(payload: bytes) -> ImageRecord:
    """Take a record's payload apart; ValueError if it is too short for what its header says."""
    if len(payload) < _IMAGE.size:
        raise ValueError(f"a record of {len(payload)} bytes has no image header")
    count, scalar, record_id, _ = _IMAGE.unpack_from(payload)
    end = _IMAGE.size + 4 * count
    if len(payload) < end:
        raise ValueError(f"a record of {len(payload)} bytes cannot hold {count} label floats")
    label = struct.unpack_from(f"<{count}f", payload, _IMAGE.size) if count else (scalar,)
    return ImageRecord(record_id=record_id, label=label, image=payload[end:])


def read_frames(file: BinaryIO, *, uri: str) -> Iterator[tuple[int, bytes]]:
    """Yield each record's offset in the file and its payload, escapes undone.

    Damage is a DataError that names the offset: no magic, a frame cut short, parts out of order.
    """
    parts: list[bytes] = []
    for offset, flag, size in _heads(file, uri):
        stored = size + -size % 4
        payload = file.read(stored)
        if len(payload) < stored:
            raise DataError("the file ends within a record", uri=uri, field=f"offset {offset}")
        parts.append(payload[:size] if stored > size else payload)
        if flag in (_WHOLE, _LAST):
            yield offset, MAGIC.join(parts)
            parts = []


def check_place(file: BinaryIO, offset: int, end: int, *, uri: str) -> None:
    """Raise DataError unless a record fills a seekable file's bytes from `offset` to `end`."""
    position = offset
    flags: list[int] = []
    while position < end and not (flags and flags[-1] in (_WHOLE, _LAST)):
        file.seek(position)
        head = file.read(_FRAME.size)
        if len(head) < _FRAME.size or not head.startswith(MAGIC):
            break
        word = _FRAME.unpack(head)[1]
        flags.append(word >> 29)
        position += _FRAME.size + (word & (LIMIT - 1)) + -(word & (LIMIT - 1)) % 4
    whole = flags == [_WHOLE] or (
        flags[:1] == [_FIRST] and flags[-1] == _LAST and set(flags[1:-1]) <= {_MIDDLE}
    )
    if not whole or position != end:
        raise DataError(
            "the record is not where the index has it", uri=uri, field=f"offset {offset}"
        )


def _heads(file: BinaryIO, uri: str) -> Iterator[tuple[int, int, int]]:
    """Yield where each frame's record began, its flag and size; the caller passes its payload."""
    position = 0
    offset: int | None = None
    while head := file.read(_FRAME.size):
        where = f"offset {position}"
        if len(head) < _FRAME.size:
            raise DataError("the file ends within a frame's head", uri=uri, field=where)
        magic, word = _FRAME.unpack(head)
        if magic != MAGIC:
            raise DataError("no RecordIO frame begins here", uri=uri, field=where)
        flag, size = word >> 29, word & (LIMIT - 1)
        if flag not in ((_WHOLE, _FIRST) if offset is None else (_MIDDLE, _LAST)):
            raise DataError(f"a part of kind {flag} is out of order", uri=uri, field=where)
        offset = position if offset is None else offset
        yield offset, flag, size
        position += _FRAME.size + size + -size % 4
        if flag in (_WHOLE, _LAST):
            offset = None
    if offset is not None:
        raise DataError("the file ends within a record of several parts", uri=uri)
