"""RecordIO against the vectors that MXNet itself wrote, and against its own inverse."""

from __future__ import annotations

import io
import math
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core import recordio
from gt_workflow.core.boxes import Box
from gt_workflow.core.recordio import MAGIC
from gt_workflow.errors import DataError


def joined(buffers) -> bytes:
    return b"".join(buffers)


def frames(data: bytes) -> list[tuple[int, int]]:
    """Flag and length of each frame, read without the code under test."""
    found, at = [], 0
    while at < len(data):
        assert data[at : at + 4] == MAGIC
        (word,) = struct.unpack_from("<I", data, at + 4)
        found.append((word >> 29, word & 0x1FFFFFFF))
        at += 8 + (word & 0x1FFFFFFF) + -(word & 0x1FFFFFFF) % 4
    return found


def read_back(data: bytes) -> list[tuple[int, bytes]]:
    return list(recordio.read_frames(io.BytesIO(data), uri="x.rec"))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b"", [(0, 0)]),
        (b"abcde", [(0, 5)]),
        (MAGIC, [(1, 0), (3, 0)]),
        (MAGIC + MAGIC, [(1, 0), (2, 0), (3, 0)]),
        (b"xxxx" + MAGIC + b"yy", [(1, 4), (3, 2)]),
        (b"xxx" + MAGIC + b"y", [(0, 8)]),
        (MAGIC[:3], [(0, 3)]),
    ],
)
def test_aligned_magic_is_taken_out_and_the_record_cut_there(record, expected):
    data = joined(recordio.frame(record))
    assert frames(data) == expected
    assert read_back(data) == [(0, record)]


def test_the_words_on_disk_are_those_of_mxnet():
    data = joined(recordio.frame(MAGIC))
    assert data == MAGIC + bytes.fromhex("00000020") + MAGIC + bytes.fromhex("00000060")


def test_the_header_example_of_mxnet():
    label = (2, 5, 1, 0.25, 0.5, 0.75, 1)
    assert recordio.image_header(0x1122334455667788, label) + b"JPEG" == bytes.fromhex(
        "07000000 00000000 88776655 44332211 00000000 00000000 00000040 0000a040"
        "0000803f 0000803e 0000003f 0000403f 0000803f 4a504547"
    )


pieces = st.lists(
    st.one_of(
        st.just(MAGIC),
        st.just(MAGIC[:2]),
        st.sampled_from([MAGIC[i:] + MAGIC[:i] for i in range(1, 4)]),
        st.binary(max_size=9),
        st.binary(min_size=4, max_size=4),
    ),
    max_size=12,
).map(b"".join)


@given(records=st.lists(pieces, max_size=6))
def test_what_is_framed_is_read_back_with_its_offset(records):
    data, offsets = b"", []
    for record in records:
        offsets.append(len(data))
        data += joined(recordio.frame(record))
    assert len(data) % 4 == 0
    assert read_back(data) == list(zip(offsets, records, strict=True))
    for start, end in pairwise([*offsets, len(data)]):
        recordio.check_place(io.BytesIO(data), start, end, uri="x.rec")
        for wrong in ((start, end + 4), (start, end - 4), (start + 4, end)):
            with pytest.raises(DataError, match="not where the index has it"):
                recordio.check_place(io.BytesIO(data), *wrong, uri="x.rec")


@given(parts=st.lists(pieces, max_size=4))
def test_parts_make_the_same_frames_as_the_whole(parts):
    assert joined(recordio.frame(*parts)) == joined(recordio.frame(b"".join(parts)))


@given(
    record_id=st.one_of(st.integers(0, 2**64 - 1), st.just(0xCED7230A)),
    label=st.lists(
        st.one_of(st.floats(width=32, allow_nan=False), st.just(struct.unpack("<f", MAGIC)[0])),
        min_size=1,
        max_size=12,
    ),
    image=pieces,
)
def test_an_image_record_is_unpacked_to_what_was_packed(record_id, label, image):
    ((_, payload),) = read_back(joined(recordio.record(record_id, label, image)))
    unpacked = recordio.unpack(payload)
    assert (unpacked.record_id, unpacked.label, unpacked.image) == (record_id, tuple(label), image)


@given(record=pieces)
def test_the_quick_search_finds_what_the_expression_finds(record):
    assert list(recordio.quick_search()(record)) == list(recordio.search(record))


@pytest.mark.parametrize("size", [*range(12), 1023, 1024, 100_001])
def test_the_quick_search_looks_at_aligned_words_up_to_the_end_and_no_further(size):
    quick = recordio.quick_search()
    for shift in range(4):
        data = bytes(size) + b"x" * shift + MAGIC
        assert list(quick(data)) == ([size + shift] if (size + shift) % 4 == 0 else [])
        assert list(quick(data[:-1])) == []


def test_a_big_image_is_not_copied():
    image = bytes(1 << 20)
    assert any(buffer is image for buffer in recordio.record(1, recordio.NO_OBJECT, image))


class Endless(bytes):
    """Bytes that say they are as long as no record may be, at no cost."""

    def __len__(self):
        return recordio.LIMIT


def test_a_record_of_half_a_gigabyte_is_refused():
    with pytest.raises(ValueError, match="less than 536870912"):
        recordio.frame(Endless())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\1", "within a frame's head"),
        (b"not a frame!", "no RecordIO frame begins here"),
        (joined(recordio.frame(b"abcdefgh"))[:-4], "ends within a record"),
        (joined(recordio.frame(b"abcde"))[:-1], "ends within a record"),
        (joined(recordio.frame(MAGIC))[:8], "within a record of several parts"),
        (joined(recordio.frame(MAGIC))[8:], "out of order"),
        (joined(recordio.frame(MAGIC))[:8] + joined(recordio.frame(b"")), "out of order"),
    ],
)
def test_damage_is_named_with_its_place(data, reason):
    with pytest.raises(DataError, match=reason):
        read_back(data)


@pytest.mark.parametrize("payload", [b"", bytes(23), struct.pack("<IfQQ", 9, 0, 0, 0) + bytes(35)])
def test_a_payload_too_short_for_its_header_is_refused(payload):
    with pytest.raises(ValueError, match="a record of"):
        recordio.unpack(payload)


def test_a_scalar_label_is_read_but_no_detector_takes_it():
    record = recordio.unpack(struct.pack("<IfQQ", 0, 3.0, 7, 0) + b"JPEG")
    assert (record.record_id, record.label, record.image) == (7, (3.0,), b"JPEG")
    with pytest.raises(ValueError, match="7 or more"):
        _ = record.objects


def test_a_label_of_broken_rows_is_refused():
    with pytest.raises(ValueError, match="is not 2 \\+ n x 5"):
        _ = recordio.ImageRecord(0, (2.0, 5.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0), b"").objects


def test_the_label_has_fractions_of_the_raster():
    label = recordio.detection_label(200, 100, [(1, Box(50, 50, 100, 50))])
    assert label == (2, 5, 1, 0.25, 0.5, 0.75, 1)


def test_an_image_without_boxes_has_one_row_that_readers_drop():
    label = recordio.detection_label(10, 10, [])
    assert label == recordio.NO_OBJECT
    assert recordio.ImageRecord(0, label, b"").objects == ()


def test_a_box_lost_to_float32_is_refused():
    with pytest.raises(ValueError, match="no area"):
        recordio.detection_label(10, 10, [(0, Box(9.9999999, 0, 1e-9, 5))])


sizes = st.integers(1, 70_000)
unit = st.floats(0, 1)


@given(width=sizes, height=sizes, corners=st.tuples(unit, unit, unit, unit))
def test_corners_stay_in_the_raster_and_in_order(width, height, corners):
    left, right = sorted((corners[0] * width, corners[1] * width))
    top, bottom = sorted((corners[2] * height, corners[3] * height))
    if right - left < 1 or bottom - top < 1:
        return
    label = recordio.detection_label(
        width, height, [(3, Box.from_corners(left, top, right, bottom))]
    )
    ((class_id, xmin, ymin, xmax, ymax),) = recordio.ImageRecord(0, label, b"").objects
    assert class_id == 3
    assert 0 <= xmin < xmax <= 1
    assert 0 <= ymin < ymax <= 1
    assert math.isclose(xmin * width, left, abs_tol=width * 1e-7)
    assert math.isclose(ymax * height, bottom, abs_tol=height * 1e-7)


def test_index_and_list_lines():
    assert recordio.index_line(12, 3456) == b"12\t3456\n"
    assert recordio.list_line(7, (2.0, 5.0, 0.0, 0.25, 0.5, 0.75, 1.0), "train/ä b.jpg") == (
        "7\t2\t5\t0\t0.25\t0.5\t0.75\t1\ttrain/ä b.jpg\n".encode()
    )


def test_a_path_that_the_list_cannot_say_is_refused():
    with pytest.raises(ValueError, match="tab or a line break"):
        recordio.list_line(1, recordio.NO_OBJECT, "a\tb.jpg")


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_list_line_keeps_every_float32(value):
    field = recordio.list_line(0, (value,), "a.jpg").split(b"\t")[1]
    packed = struct.pack("<f", float(field))
    assert packed == struct.pack("<f", value)
