"""Lines find their lines by what they say; never by place alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.matching import Keys, look, match, sendable
from gt_workflow.errors import DataError


def line(image: int, **more) -> bytes:
    return json.dumps({"source-ref": f"s3://b/{image}.jpg", **more}).encode()


def seen(raw: bytes):
    return look(raw, attribute="boxes", uri="m", line=1)


def keys(lines) -> Keys:
    made = Keys()
    for raw in lines:
        made.add(seen(raw))
    return made


FAILED = {"boxes-metadata": {"failure-reason": "expired", "human-annotated": "true"}}
LABEL = {"boxes": {"annotations": []}, "boxes-metadata": {"type": "groundtruth/object-detection"}}


@pytest.mark.parametrize(
    ("members", "state", "reason"),
    [
        (LABEL, "labelled", ""),
        (FAILED, "failed", "expired"),
        ({}, "untouched", ""),
        ({"boxes": None}, "untouched", ""),
        ({"boxes": "1", "boxes-metadata": {"type": "x"}}, "labelled", ""),
        ({**LABEL, "other-metadata": {"failure-reason": "x"}}, "labelled", ""),
    ],
)
def test_a_line_is_labelled_failed_or_untouched(members, state, reason):
    found = seen(line(1, **members))
    assert (found.state, found.reason, found.source_ref) == (state, reason, "s3://b/1.jpg")


def test_what_a_job_owns_and_how_json_is_spelled_is_no_difference():
    one = seen(line(1, size=2.0, name="ü", **LABEL))
    other = seen(b'{"name":"\\u00fc", "size":2,"source-ref":"s3://b/1.jpg","$id":7}')
    assert (one.source, one.whole) == (other.source, other.whole)
    assert one.whole != seen(line(1, size=3, name="ü")).whole


def test_only_what_is_stale_is_taken_off_a_line():
    raw = line(1, **FAILED, **{"$sequencer": "1", "old-metadata": {"failure-reason": "kept"}})
    assert json.loads(sendable(raw, attribute="boxes")) == {
        "source-ref": "s3://b/1.jpg",
        "old-metadata": {"failure-reason": "kept"},
    }
    labelled = line(1, **LABEL)
    assert sendable(labelled, attribute="boxes") == labelled


def test_a_broken_line_is_named():
    with pytest.raises(DataError, match="m:1"):
        seen(b'{"source-ref":')


def test_lost_doubled_and_strange_lines_are_told_apart():
    inputs = keys([line(i) for i in range(5)])
    found = match(inputs, keys([line(1), line(0), line(1), line(9), line(4)]))
    assert list(found.place) == [1, 0, -1, -1, 4]
    assert found.fates == {2: "duplicated", 3: "foreign"}
    assert found.moved == 1


def test_the_same_image_twice_is_told_apart_by_the_rest_of_its_line():
    inputs = keys([line(1, n=1), line(1, n=2)])
    assert list(match(inputs, keys([line(1, n=2)])).place) == [1]
    assert match(inputs, keys([line(1, n=3)])).changed == {0}


def test_lines_that_are_taken_are_not_found_again():
    inputs = keys([line(1), line(1)])
    assert list(match(inputs, keys([line(1)]), taken=bytearray([1, 0])).place) == [1]


@given(
    images=st.lists(st.integers(0, 5), max_size=12),
    chance=st.randoms(use_true_random=False),
    dropped=st.integers(0, 4),
    start=st.integers(0, 3),
)
def test_whatever_happens_to_an_output_no_label_comes_to_another_image(
    images, chance, dropped, start
):
    lines = [line(image, n=at % 3) for at, image in enumerate(images)]
    output = chance.sample(lines, max(len(lines) - dropped, 0))
    found = match(keys(lines), keys(output), start=start)
    assert sorted(found.place) == sorted(set(found.place))
    assert not found.fates
    assert not found.changed
    for at, place in enumerate(found.place):
        assert lines[place] == output[at]
