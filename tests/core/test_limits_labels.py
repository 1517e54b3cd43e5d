"""Labels and the label category file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core import limits
from gt_workflow.errors import DataError

URI = "s3://bucket/labels.json"
labels_ = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip),
    min_size=1,
    max_size=50,
    unique=True,
)


def codes(problems):
    return [(problem.code, problem.field) for problem in problems]


@given(labels_)
def test_labels_come_back_from_the_file_as_they_were(labels):
    assert limits.check_labels(labels) == []
    data = limits.label_category_file(labels)
    assert limits.parse_label_category_file(data, URI) == tuple(labels)


def test_file_is_the_documented_one():
    data = limits.label_category_file(["degu", "浣熊 "])
    assert json.loads(data) == {
        "document-version": "2018-11-28",
        "labels": [{"label": "degu"}, {"label": "浣熊 "}],
    }
    assert "浣熊 ".encode() in data


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], [("label-count", "labels")]),
        ([f"l{number}" for number in range(51)], [("label-count", "labels")]),
        (["degu", " "], [("label-empty", "labels[1].label")]),
        (["x" * 257], [("label-length", "labels[0].label")]),
        (["a", "b", "a"], [("label-duplicate", "labels[2].label")]),
        (["\ud83d"], [("label-text", "labels[0].label")]),
        (
            ["", ""],
            [
                ("label-empty", "labels[0].label"),
                ("label-empty", "labels[1].label"),
                ("label-duplicate", "labels[1].label"),
            ],
        ),
    ],
)
def test_refused_labels_are_told_with_their_place(labels, expected):
    assert codes(limits.check_labels(labels)) == expected


def test_longest_label_and_largest_number_of_labels_are_taken():
    assert limits.check_labels(["x" * 256, *(f"l{number}" for number in range(49))]) == []


def test_verification_has_at_most_ten_categories():
    ten = [f"c{number}" for number in range(10)]
    assert limits.check_labels(ten, kind="verify") == []
    assert codes(limits.check_labels([*ten, "more"], kind="verify")) == [("label-count", "labels")]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["degu", "wheel"], []),
        ([f"l{number}" for number in range(11)], [("label-count", "labels")]),
        (["degu "], [("label-space", "labels[0].label")]),
        (["de\tgu"], [("label-control", "labels[0].label")]),
        (["degu", "Degu"], [("label-similar", "labels[1].label")]),
        (["é", "e\u0301"], [("label-similar", "labels[1].label")]),
        (["\u202edegu"], [("label-unseen", "labels[0].label")]),
        (
            ["degu", "de\u200bgu"],
            [("label-unseen", "labels[1].label"), ("label-similar", "labels[1].label")],
        ),
        (["می\u200cروم", "👩\u200d🔬"], []),
    ],
)
def test_doubtful_labels_are_warned_of(labels, expected):
    assert limits.check_labels(labels) == []
    assert codes(limits.warn_labels(labels)) == expected


def test_file_without_version_with_bom_and_other_keys_is_read():
    data = b'\xef\xbb\xbf{"labels":[{"label":"a","shortDisplayName":"x"}],"instructions":{}}'
    assert limits.parse_label_category_file(data, URI) == ("a",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "labels.json: not a JSON document"),
        (b'{"labels":[{"label":"a"}', "labels.json: not a JSON document"),
        (b'{"labels":[{"label":"\xff"}]}', "labels.json: not a JSON document"),
        (b"[" * 100_000, "labels.json: not a JSON document"),
        (b" " * 1_000_001, "more than 1,000,000 bytes"),
        (b'["a"]', "must be one JSON object"),
        (b'{"document-version":"2020-01-01","labels":[]}', "document-version: must be"),
        (b'{"document-version":"2018-11-28"}', "labels: must be a list"),
        (b'{"labels":{"label":"a"}}', "labels: must be a list"),
        (b'{"labels":["a"]}', r"labels\[0\]: must be"),
        (b'{"labels":[{"label":"a"},{"label":1}]}', r"labels\[1\]: must be"),
        (b'{"labels":[]}', "labels: there are 0"),
        (b'{"labels":[{"label":"a"},{"label":"a"}]}', r"labels\[1\]\.label: 'a' is named twice"),
        (b'{"labels":[{"label":"\\ud800"}]}', r"labels\[0\]\.label: holds half"),
    ],
)
def test_broken_file_is_refused_with_its_place(data, message):
    with pytest.raises(DataError, match=message):
        limits.parse_label_category_file(data, URI)
