"""The compiled sieve takes what machines write, and says of it what the Python code says."""

from __future__ import annotations

import json
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gt_workflow.core import plain_lines
from gt_workflow.core.json_lines import count_lines, lines_of
from gt_workflow.core.near_duplicates import Alike
from gt_workflow.core.plain_lines import PARTS, Rules, join, part, sort_out
from gt_workflow.core.split import boundary, digest


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    if not plain_lines.COMPILED:
        reason = "core/sieve.pyx is not compiled; a C compiler and Python's headers are needed"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


RULES = Rules("boxes", given=True, min_side=1.0, validation=0.3, salt="s")

BOX = {"class_id": 1, "left": 2, "top": 3, "width": 40, "height": 50}
LINE = {
    "source-ref": "s3://b/a.jpg",
    "boxes": {
        "image_size": [{"width": 640, "height": 480, "depth": 3}],
        "annotations": [BOX, {**BOX, "class_id": 12, "left": 600, "top": 430}],
    },
    "boxes-metadata": {
        "objects": [{"confidence": 0}, {"confidence": 0.93}],
        "class-map": {"1": "degu", "12": "wheel"},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-08T07:17:35.219298",
        "job-name": "labeling-job/degus",
    },
}


def taken(raw, rules=RULES):
    """Whether the sieve takes a line by itself; nothing behind it looks at what it leaves."""
    verdicts = bytearray()
    sieve = plain_lines._sieve(str(rules.attribute), 1, rules.salt, rules.validation)
    sieve.sift([raw], verdicts, [bytearray() for _ in range(PARTS)])
    assert len(verdicts) == count_lines(raw)
    return all(verdicts)


def shuffled(value, chance):
    """The value with its members in another order, at every depth."""
    if isinstance(value, list):
        return [shuffled(one, chance) for one in value]
    if isinstance(value, dict):
        return {
            key: shuffled(value[key], chance) for key in chance.sample(sorted(value), len(value))
        }
    return value


@given(
    st.randoms(use_true_random=False),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "  : ")]),
    st.dictionaries(
        st.sampled_from(["origin", "photograph", "perceptual-hash"]),
        st.text("ab \u00e9\u4e2d", min_size=1),
    ),
    st.booleans(),
)
def test_every_order_and_spacing_of_a_jobs_lines_is_taken(chance, separators, further, ascii_only):
    variant = {"of": "x", "name": "crop", "at": [1, -2.5, True, None, {}], "by": {"k": [[]]}}
    line = shuffled({**LINE, **further, "variant": variant}, chance)
    text = json.dumps(line, separators=separators, ensure_ascii=ascii_only and not further)
    raw = text.encode()
    assert taken(raw)
    assert sort_out([raw], RULES) == sort_out([raw], RULES, compiled=False)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r"])
def test_lines_end_as_they_do_for_a_reader(end):
    raw = json.dumps(LINE).encode()
    block = raw + b"\n" + raw + b"\r\n" + raw + end
    assert taken(block)
    found = sort_out([block, block], RULES)
    assert found == sort_out([block, block], RULES, compiled=False)
    assert len(found.verdicts) == 6
    assert not sort_out([raw + b" " + end], RULES).verdicts[0]


_tokens = st.sampled_from(
    [
        b'"',
        b"\\",
        b"\\u0041",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\x00",
        b"\xff",
        b"\xc3\xa9",
        b"\xed\xa0\x80",
        b"0",
        b"1",
        b"-1",
        b"00",
        b"1.0",
        b"1e3",
        b"1000001",
        b"4096",
        b"99999999999999999999",
        b"0.",
        b".5",
        b"1.5",
        b"NaN",
        b"null",
        b"true",
        b'"left": 1, ',
        b'"boxes": 1, ',
        b'"x": "y", ',
        b'"variant": {"annotations": [], "image_size": 0}, ',
        b'"variant": 01, ',
        b'"origin": "", ',
        b'"origin": "o", ',
        b'"perceptual-hash": 7, ',
        b'"adjustment-status": "adjusted", ',
        b'"1": "degu", ',
        b'"-1": "x", ',
        b'"5000": "x", ',
        b'"boxes-metadata": {"failure-reason": "x"}, ',
    ]
)
_whole = json.dumps(LINE).encode()
_places = [match.start() for match in re.finditer(rb'[{}\[\],:"]|\d+', _whole)]


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(_places), st.integers(0, 1), st.integers(0, 9), _tokens | st.just(b"")
        ),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
)
def test_it_says_of_broken_lines_what_the_python_code_says(changes, named):
    raw = _whole
    for place, after, gone, token in sorted(changes, reverse=True):
        raw = raw[: place + after] + token + raw[place + after + gone :]
    block = _whole + b"\n" + raw + b"\n" + _whole
    rules = Rules("boxes", given=named, min_side=1.0, validation=0.3, salt="s")
    found = sort_out([block], rules)
    assert found == sort_out([block], rules, compiled=False)
    assert found.verdicts[0]
    assert found.verdicts[-1]


@given(st.integers(0, len(_whole)))
def test_a_line_that_is_cut_off_is_left(at):
    assert taken(_whole[:at]) == (at in {0, len(_whole)})


def test_what_is_too_much_for_it_is_left_to_the_python_code():
    def line(classes, count):
        ids = [n % classes for n in range(count)]
        metadata = LINE["boxes-metadata"] | {
            "objects": [{"confidence": 1} for _ in ids],
            "class-map": {str(n): f"class {n}" for n in range(classes)},
        }
        label = LINE["boxes"] | {"annotations": [{**BOX, "class_id": n} for n in ids]}
        return json.dumps(LINE | {"boxes": label, "boxes-metadata": metadata}).encode()

    for classes, count, fits in (
        (91, 1024, True),
        (1, 1025, False),
        (4096, 1, True),
        (4097, 1, False),
    ):
        raw = line(classes, count)
        assert taken(raw) == fits
        found = sort_out([raw], RULES)
        assert found.verdicts[0]
        assert found == sort_out([raw], RULES, compiled=False)


def test_an_attribute_that_can_be_spelt_otherwise():
    for attribute in ("\u00e9", "a b", "boxes"):
        line = {
            "source-ref": "a",
            attribute: LINE["boxes"],
            f"{attribute}-metadata": LINE["boxes-metadata"],
        }
        raw = json.dumps(line).encode()
        rules = Rules(attribute, given=True, min_side=1.0, validation=0.3, salt="s")
        assert sort_out([raw], rules) == sort_out([raw], rules, compiled=False)


def test_counts_begin_anew_at_each_call():
    raw = json.dumps(LINE).encode()
    first = sort_out([raw] * 3, RULES)
    assert sort_out([raw] * 3, RULES) == first
    assert sum(tally.boxes.total() for tally in first.tallies) == 6


def test_moved_and_alike_origins_are_asked_for():
    raw = json.dumps(LINE | {"origin": "\u00e9"}, ensure_ascii=False).encode()
    own, unit = digest("\u00e9", salt="s"), digest("other", salt="s")
    for alike in (Alike([own], [unit]), Alike([1], [2])):
        for moved in ({}, {"\u00e9": "train"}, {"\u00e9": "validation"}, {"x": "train"}):
            rules = Rules(
                "boxes", given=True, min_side=1, validation=0.5, salt="s", moved=moved, alike=alike
            )
            assert sort_out([raw], rules) == sort_out([raw], rules, compiled=False)


def test_a_least_side_that_no_box_has():
    raw = json.dumps(LINE).encode()
    for least in (40.0, 40.5, 1e12):
        rules = Rules("boxes", given=True, min_side=least, validation=0.3, salt="s")
        found = sort_out([raw], rules)
        assert bool(found.verdicts[0]) == (least == 40)
        assert found == sort_out([raw], rules, compiled=False)


def test_what_it_is_given_wrongly_is_refused():
    raw = json.dumps(LINE).encode()
    keys = [bytearray() for _ in range(PARTS)]
    sieve = plain_lines.Sieve(
        "boxes", least=1, salt="", limit=boundary(0.5), class_map=lambda _: {1: "a", 12: "b"}
    )
    with pytest.raises(ValueError, match="no such side"):
        sieve.sift([raw], bytearray(), keys, lambda _origin, _digest: 2)
    with pytest.raises(TypeError):
        sieve.sift([bytearray(raw)], bytearray(), keys)
    with pytest.raises(ValueError, match="more lines"):
        part([b"a\nb\n"], bytearray(1), compiled=True)


_ends = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\r\n"])


@given(
    st.lists(st.lists(st.tuples(st.binary(max_size=9), _ends), max_size=6), max_size=4),
    st.binary(max_size=5),
    st.data(),
)
def test_lines_are_parted_as_they_are_joined(pieces, last, data):
    blocks = [b"".join(piece + end for piece, end in block) for block in pieces] + [last]
    lines = [line for block in blocks for line in lines_of(block)]
    verdicts = bytearray(
        data.draw(st.lists(st.integers(0, 3), min_size=len(lines), max_size=len(lines)))
    )
    expected = join(lines, verdicts)
    assert part(blocks, verdicts, compiled=True) == expected
    assert part(blocks, verdicts, compiled=False) == expected
