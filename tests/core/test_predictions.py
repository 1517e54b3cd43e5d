"""A detector's answer becomes a label that reads back as it was meant."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.manifest import input_line, labelled_line, read
from gt_workflow.core.training.predictions import label_metadata, label_value, read_answer
from gt_workflow.errors import DataError

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLASSES = ("degu", "wheel")


def answer(*rows):
    return json.dumps({"prediction": rows}).encode()


def boxes(*rows, threshold=0.0, size=(200, 100)):
    return read_answer(
        answer(*rows),
        width=size[0],
        height=size[1],
        classes=len(CLASSES),
        threshold=threshold,
        uri="a.out",
    )


def line(found, size=(200, 100)):
    return labelled_line(
        input_line("s3://b/a.jpg", {"photograph": "a.jpg"}),
        attribute="predictions",
        value=label_value(found, width=size[0], height=size[1]),
        metadata=label_metadata(found, classes=CLASSES, job_name="detector", created=MOMENT),
    )


def test_fractions_become_pixels():
    (found,) = boxes([1.0, 0.5, 0.25, 0.5, 0.75, 1.0])
    assert (found.class_id, found.score) == (1, 0.5)
    assert (found.box.left, found.box.top, found.box.width, found.box.height) == (50, 50, 100, 50)


def test_label_reads_back():
    found = boxes([0, 0.25, 0.1, 0.1, 0.2, 0.3], [1, 0.75, 0.5, 0.5, 1.5, 1.5])
    (record,) = read([line(found)], uri="m")
    label = record.label
    assert (label.width, label.height, label.human) == (200, 100, False)
    assert label.job_name == "detector"
    assert [(one.label, one.confidence) for one in label.annotations] == [
        ("wheel", 0.75),
        ("degu", 0.25),
    ]
    assert label.annotations[0].box.right == 200  # cut off at the edge
    assert record.raw.startswith(b'{"source-ref":"s3://b/a.jpg","photograph":"a.jpg"')


def test_nothing_found_is_a_label():
    (record,) = read([line(boxes())], uri="m")
    assert record.label.annotations == ()


def test_threshold_counts_in():
    rows = [[0, score, 0, 0, 1, 1] for score in (0.1, 0.2, 0.3)]
    assert [found.score for found in boxes(*rows, threshold=0.2)] == [0.3, 0.2]


@pytest.mark.parametrize(
    "row",
    [
        [-1, 0.9, 0, 0, 1, 1],  # fills an answer up
        [0, 0.9, 0.5, 0, 0.5, 1],
        [0, 0.9, 0.5, 0.5, 0.1, 0.1],
        [0, 0.9, 1.1, 0, 1.5, 1],  # outside
    ],
)
def test_what_is_no_box_is_left_out(row):
    assert boxes(row) == ()


@pytest.mark.parametrize(
    "row", [[2, 0.9, 0, 0, 1, 1], [0.5, 0.9, 0, 0, 1, 1], [0, 1.5, 0, 0, 1, 1]]
)
def test_classes_of_another_model(row):
    with pytest.raises(DataError, match=r"a\.out: prediction\[0\]: class .* of this model"):
        boxes(row)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"predictions": []}',
        b'{"prediction": [[1, 2, 3]]}',
        b'{"prediction": [[0, 0.5, 0, 0, NaN, 1]]}',
        b'{"prediction": [[0, 0.5, 0, 0, 1e999, 1]]}',
        b"\xff",
    ],
)
def test_what_is_no_answer(data):
    with pytest.raises(DataError, match=r"a\.out: is no answer of an object detector"):
        read_answer(data, width=1, height=1, classes=1, threshold=0, uri="a.out")


corner = st.floats(-0.5, 1.5)


@given(
    st.lists(st.tuples(st.integers(-1, 1), st.floats(0, 1), corner, corner, corner, corner)),
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_every_answer_gives_a_line_that_can_be_read(rows, size):
    found = boxes(*rows, size=size)
    (record,) = read([line(found, size)], uri="m")
    for one in record.label.annotations:
        assert one.box.left >= 0
        assert one.box.right <= size[0] * (1 + 1e-12)
        assert one.box.area > 0
