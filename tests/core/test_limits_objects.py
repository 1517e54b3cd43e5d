"""Manifest lines and images within Ground Truth's limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core import limits


def line(**members):
    return json.dumps({"source-ref": "s3://bucket/a.jpg"} | members, ensure_ascii=False).encode()


def codes(problems):
    return [(problem.code, problem.field) for problem in problems]


@pytest.mark.parametrize(
    "raw",
    [
        line(),
        line(boxes={"annotations": []}, origin="0123456789abcdef"),
        line(**{"source-ref": "s3://bucket/ö #?%+/x y.JPEG"}),
        line(note="é" * 19_998),
        b' { "source-ref" : "s3:\\/\\/bucket\\/a.png" } ',
    ],
)
def test_good_lines_pass(raw):
    assert limits.check_manifest_line(raw) == []


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", [("line-json", "line")]),
        (b"[]", [("line-json", "line")]),
        (b'{"source-ref":"s3://b/a.jpg"', [("line-json", "line")]),
        (b'{"source-ref":"s3://b/\xff.jpg"}', [("line-json", "line")]),
        (b'{"a":' + b"[" * 100_000, [("line-json", "line")]),
        (line(**{"$key": 1}), [("line-key", "$key")]),
        (line(note="x" * 19_999), [("attribute-length", "note")]),
        (
            line(**{f"n{number}": "x" * 19_000 for number in range(6)}),
            [("line-length", "line")],
        ),
        (b"{}", [("source-ref", "source-ref")]),
        (b'{"source":"a text"}', [("source-ref", "source-ref")]),
        (b'{"source-ref":null}', [("source-ref", "source-ref")]),
        (b'{"source-ref":["s3://bucket/a.jpg"]}', [("source-ref", "source-ref")]),
        (line(**{"source-ref": "photos/a.jpg"}), [("source-ref", "source-ref")]),
        (line(**{"source-ref": "s3://bucket/"}), [("source-ref", "source-ref")]),
        (line(**{"source-ref": "s3://bucket"}), [("source-ref", "source-ref")]),
        (line(**{"source-ref": f"s3://bucket/{'x' * 1024}.jpg"}), [("source-ref", "source-ref")]),
        (line(**{"source-ref": "s3://bucket/a.webp"}), [("source-suffix", "source-ref")]),
        (line(**{"source-ref": "s3://bucket/jpg"}), [("source-suffix", "source-ref")]),
    ],
)
def test_bad_lines_are_told_with_their_key(raw, expected):
    assert codes(limits.check_manifest_line(raw)) == expected


def test_text_where_an_image_should_be_is_named():
    (problem,) = limits.check_manifest_line(b'{"source":"a text"}')
    assert "not text" in problem.message


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(raw):
    for problem in limits.check_manifest_line(raw):
        assert problem.message


@pytest.mark.parametrize(
    ("objects", "automated", "fits"),
    [
        (0, False, False),
        (1, False, True),
        (100_000, False, True),
        (100_001, False, False),
        (1_249, True, False),
        (1_250, True, True),
    ],
)
def test_number_of_objects(objects, automated, fits):
    assert (limits.check_object_count(objects, automated=automated) == []) is fits


@pytest.mark.parametrize(
    ("objects", "automated", "doubtful"),
    [
        (10, False, False),
        (1_249, True, False),  # an error already
        (1_250, True, True),
        (4_999, True, True),
        (5_000, True, False),
    ],
)
def test_few_objects_for_automated_labeling_are_doubtful(objects, automated, doubtful):
    assert bool(limits.warn_object_count(objects, automated=automated)) is doubtful


@pytest.mark.parametrize(
    ("image", "fits"),
    [
        ({"size": 40_000_000, "width": 10_000, "height": 10_000}, True),
        ({"size": 40_000_001, "width": 10, "height": 10}, False),
        ({"size": 1, "width": 10_001, "height": 10_000}, False),
        ({"size": 1, "width": 2160, "height": 3840, "automated": True}, True),
        ({"size": 1, "width": 3841, "height": 10, "automated": True}, False),
        ({"size": 1, "width": 2161, "height": 2161, "automated": True}, False),
    ],
)
def test_size_of_an_image(image, fits):
    assert (limits.check_image(**image) == []) is fits
