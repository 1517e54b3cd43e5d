"""What is called plain is what the reader accepts and a channel takes byte for byte."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gt_workflow.core import json_lines
from gt_workflow.core.json_lines import blocks, lines_of, split_lines
from gt_workflow.core.manifest import find_attribute, read
from gt_workflow.core.near_duplicates import Alike
from gt_workflow.core.plain_lines import PARTS, Rules, add_key, sort_out
from gt_workflow.core.split import SIDES, boundary, digest, side
from gt_workflow.errors import DataError

RULES = Rules("bb", given=True, min_side=1.0, validation=0.3, salt="s")


def label(*boxes, size=(640, 480)):
    return {
        "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
        "annotations": [
            {"class_id": c, "left": left, "top": top, "width": width, "height": height}
            for c, left, top, width, height in boxes
        ],
    }


def metadata(*ids):
    return {
        "objects": [{"confidence": 0.09} for _ in ids],
        "class-map": {str(i): f"class {i}" for i in ids},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-08T07:17:35.219298",
        "job-name": "labeling-job/degus",
    }


def line(**further):
    return {
        "source-ref": "s3://b/a.jpg",
        "bb": label((0, 1, 2, 3, 4), (2, 600, 400, 40, 80)),
        "bb-metadata": metadata(0, 2),
    } | further


PLAIN = json.dumps(line()).encode()


def verdict(raw, rules=RULES):
    found = sort_out([raw], rules)
    assert found == sort_out([raw], rules, compiled=False)
    return found.verdicts[0]


def changed(old, new):
    assert old in PLAIN.decode()
    return PLAIN.decode().replace(old, new, 1).encode()


def test_what_a_job_writes_is_plain_and_counted():
    rest = {"origin": "o", "photograph": "p", "perceptual-hash": "0" * 16}
    several = [line(**{"source-ref": f"s3://b/{n}.jpg"}) for n in range(40)] + [
        line(**rest),
        line(variant={"of": "x", "turns": ["y"]}, more="z"),
        line(**{"source-ref": "folder/a.jpg", "bb-metadata": metadata(0, 2) | {
            "human-annotated": "no", "adjustment-status": "adjusted"}}),
    ]  # fmt: skip
    lines = [json.dumps(one).encode() for one in several]
    found = sort_out(lines, RULES)
    assert found == sort_out(lines, RULES, compiled=False)
    sides = [
        SIDES.index(side(r.origin, validation=0.3, salt="s")) + 1 for r in read(lines, uri="m")
    ]
    assert list(found.verdicts) == sides
    train, validation = found.tallies
    assert (train.images, validation.images) == (sides.count(1), sides.count(2))
    assert train.boxes == {"class 0": train.images, "class 2": train.images}
    assert train.most_boxes == validation.most_boxes == 2
    assert train.variants + validation.variants == 1
    assert (found.people, found.local) == (42, 1)
    assert found.maps == [(0, {0: "class 0", 2: "class 2"})]
    expected = [bytearray() for _ in range(PARTS)]
    for record in read(lines, uri="m"):
        add_key(expected, record.source_ref, salt="s")
    assert found.keys == expected
    assert found.looks


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"left": 1', '"left": 1.5'),
        ('"left": 1', '"left": -1'),
        ('"left": 600', '"left": 601'),
        ('"top": 400', '"top": 401'),
        ('"width": 3', '"width": 0'),
        ('"depth": 3', '"depth": 1'),
        (', "depth": 3', ""),
        ('"class_id": 2', '"class_id": 7'),
        ('{"confidence": 0.09}, ', ""),
        ('"confidence": 0.09', '"confidence": 1.5'),
        ('"confidence": 0.09', '"confidence": NaN'),
        ('"yes"', '"maybe"'),
        ("object-detection", "label-verification"),
        ('"class-map"', '"class-maps"'),
        ("s3://b/a.jpg", ""),
        ("s3://b/a.jpg", '\\"'),
        ("s3://b/a.jpg", "\\ud800"),
        ('"source-ref"', '"source-ref": "x", "source-ref"'),
        ('"left": 1', '"left": 1, "left": 1'),
        ('"0": "class 0"', '"0": "class 0", "0": "class 0"'),
        ('{"source', '\ufeff{"source'),
        ('{"source', ' {"a": NaN, "source'),
        ('"job-name"', '"job-arn": "a", "job-name"'),
    ],
)
def test_anything_unusual_is_left_to_the_reader(old, new):
    assert verdict(PLAIN)
    assert not verdict(changed(old, new))


def test_a_second_label_is_told_unless_the_attribute_was_named():
    raw = json.dumps(line(other=label((0, 1, 1, 5, 5)), **{"other-metadata": metadata(0)})).encode()
    assert verdict(raw)
    assert not verdict(raw, Rules("bb", given=False, min_side=1, validation=0.3, salt="s"))


def test_bytes_that_are_no_text_are_left_to_the_reader():
    assert verdict(changed("degus", "d\u00e9gus"))
    assert not verdict(changed("degus", "d?gus").replace(b"?", b"\xe9"))
    assert not verdict(json.dumps(line(x="?")).encode().replace(b"?", b"\xff"))


def test_small_boxes_and_no_attribute_make_no_line_plain():
    assert not verdict(PLAIN, Rules("bb", given=True, min_side=3.5, validation=0.3, salt=""))
    assert not verdict(PLAIN, Rules(None, given=False, min_side=1, validation=0.3, salt=""))


@given(
    st.floats(0, 1, exclude_min=True, exclude_max=True), st.text(max_size=4), st.text(min_size=1)
)
@example(1 - 2**-53, "", "a")
def test_sides_are_those_of_the_split(validation, salt, origin):
    raw = json.dumps(line(origin=origin), ensure_ascii=True).encode()
    rules = Rules("bb", given=True, min_side=1, validation=validation, salt=salt)
    found = verdict(raw, rules)
    assert not found or SIDES[found - 1] == side(origin, validation=validation, salt=salt)
    assert len(boundary(validation)) >= 6


def test_moved_and_alike_origins():
    own, unit = digest("s3://b/a.jpg", salt="s"), digest("other", salt="s")
    for moved in SIDES:
        rules = Rules(
            "bb", given=True, min_side=1, validation=0.3, salt="s", moved={"s3://b/a.jpg": moved}
        )
        assert SIDES[verdict(PLAIN, rules) - 1] == moved
    for validation in (0.01, 0.99):
        alike = Alike([own], [unit])
        rules = Rules("bb", given=True, min_side=1, validation=validation, salt="s", alike=alike)
        where = side("s3://b/a.jpg", validation=validation, salt="s", alike=alike)
        assert SIDES[verdict(PLAIN, rules) - 1] == where


_scraps = st.sampled_from(
    [b'"', b"\\", b"{", b"}", b",", b'"left": 1, ', b'"bb": 1, ', b'"x": "y", ', b"NaN", b"1e999",
     b"-1", b"0.5", b"\r", b" ", b"\x00", b"\xff", b"null", b'"origin": "", ', b'"class_id": 9, ',
     b'"bb2-metadata": {"type": "groundtruth/object-detection"}, ', b'\\"', b"\xef\xbb\xbf", b"7"]
)  # fmt: skip


@given(st.data(), st.booleans())
def test_a_plain_line_is_one_that_the_reader_accepts(data, named):
    raw = PLAIN
    tokens = [m.start() for m in re.finditer(rb'[{}\[\],:"]', raw)]
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from(tokens)) + data.draw(st.integers(0, 1))
        gone = data.draw(st.integers(0, 8))
        raw = raw[:at] + data.draw(_scraps | st.just(b"")) + raw[at + gone :]
    rules = Rules("bb", given=named, min_side=1, validation=0.3, salt="")
    if not verdict(raw, rules):
        return
    (record,) = read([raw], uri="m", attribute="bb" if named else None)
    assert record.label is not None
    assert record.raw == raw
    for box in [one.box for one in record.label.annotations]:
        assert box.left.is_integer()
        assert box.right <= record.label.width
        assert box.bottom <= record.label.height


_ends = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\r\n", b""])


@given(
    st.lists(st.tuples(st.binary(max_size=9), _ends), max_size=12),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.integers(1, 12),
)
def test_blocks_hold_the_lines_of_the_file(pieces, mark, size):
    data = mark + b"".join(piece + end for piece, end in pieces)
    file = io.BytesIO(data)
    try:
        expected = list(split_lines(io.BytesIO(data)))
    except DataError:
        with pytest.raises(DataError, match="UTF-16"):
            list(blocks(file.read))
        return
    found = [one for block in blocks(lambda _: file.read(size)) for one in lines_of(block)]
    # A second mark is the first line's; who reads it takes that one off.
    for lines in (found, expected):
        lines[:1] = [one.removeprefix(b"\xef\xbb\xbf") for one in lines[:1]]
    assert [one for one in found if one] == [one for one in expected if one]
    assert found == expected or not (found and found[0])


def test_an_endless_line_does_not_fill_memory(monkeypatch):
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 100)
    file = io.BytesIO(b"a\n" + b"x" * (5 << 20))
    *_, last = blocks(file.read)
    assert 100 < len(last) < 2 << 20


def test_the_attribute_that_a_reader_would_find():
    other = b'{"source-ref": "a", "x-metadata": {"type": "groundtruth/text"}}'
    assert find_attribute([b"", other, PLAIN], uri="m") == ("bb", 2)
    assert find_attribute([b"\xef\xbb\xbf" + PLAIN], uri="m") == ("bb", 0)
    assert find_attribute([other, b""], uri="m") == (None, 2)
    assert find_attribute([b"{", PLAIN], uri="m", patient=True) == ("bb", 1)
    with pytest.raises(DataError, match="m:1"):
        find_attribute([b"{", PLAIN], uri="m")
    twice = json.dumps(line(cc=label(), **{"cc-metadata": metadata()})).encode()
    with pytest.raises(DataError, match="choose one: bb, cc"):
        find_attribute([twice], uri="m", patient=True)
