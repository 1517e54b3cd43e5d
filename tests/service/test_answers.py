"""What a worker may answer: hostile bodies are refused in one clear sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box
from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling.answers import MAX_ANSWER_BYTES, MAX_BOXES, Answer, check

WIDTH, HEIGHT = 100, 80
LABELS = ("cat", "dog ")
SIZE = {"width": WIDTH, "height": HEIGHT}


def checked(answer: object, kind: Any = "label") -> Answer:
    return check(answer, kind=kind, labels=LABELS, width=WIDTH, height=HEIGHT)


def drawn(*boxes: Any, name: str = "boundingBox", size: Any = SIZE) -> dict[str, Any]:
    return {name: {"boundingBoxes": list(boxes), "inputImageProperties": size}}


def box(
    left: Any = 1, top: Any = 2, width: Any = 30, height: Any = 40, label: Any = "cat"
) -> dict[str, Any]:
    return {"label": label, "left": left, "top": top, "width": width, "height": height}


def refusal(answer: object, kind: Any = "label") -> str:
    with pytest.raises(Fault) as fault:
        checked(answer, kind)
    assert fault.value.code == "ValidationException"
    assert len(fault.value.message) < 300
    return fault.value.message


def test_boxes_come_out_as_drawn():
    found = checked(drawn(box(), box(0, 0, 100, 80, "dog ")))
    assert found.boxes == (("cat", Box(1, 2, 30, 40)), ("dog ", Box(0, 0, 100, 80)))
    assert found.content == drawn(box(), box(0, 0, 100, 80, "dog "))


@pytest.mark.parametrize("entries", [[], None])
def test_nothing_to_label_is_an_answer(entries):
    answer = {"boundingBox": {"boundingBoxes": entries, "inputImageProperties": SIZE}}
    assert checked(answer).boxes == ()
    assert checked(answer).content == drawn()


def test_the_elements_name_is_the_templates_choice():
    assert checked(drawn(box(), name="annotatedResult")).boxes == (("cat", Box(1, 2, 30, 40)),)


def test_other_form_fields_and_the_modified_flag_are_kept_and_what_is_no_box_is_not():
    answer = drawn({**box(), "extra": "x"})
    answer["boundingBox"]["initialValueModified"] = True
    answer["boundingBox"]["other"] = [1]
    answer["blurry"] = {"on": True}
    expected = drawn(box())
    expected["boundingBox"]["initialValueModified"] = True
    expected["blurry"] = {"on": True}
    assert checked(answer).content == expected


@pytest.mark.parametrize(
    ("given_box", "kept"),
    [
        (box(-0.5, 0, 10.5, 10), box(0, 0, 10, 10)),
        (box(90.4, 0, 10, 10), box(90.4, 0, 100 - 90.4, 10)),
        (box(0, 70.5, 5, 10), box(0, 70.5, 5, 9.5)),
        (box(-0.25, -0.25, 100.5, 80.5), box(0, 0, 100, 80)),
        (box(0.1, 0.2, 99.9, 79.8), box(0.1, 0.2, 99.9, 79.8)),
    ],
)
def test_an_overhang_of_rounding_is_cut(given_box, kept):
    (entry,) = checked(drawn(given_box)).content["boundingBox"]["boundingBoxes"]
    assert entry == kept


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "must be a JSON object"),
        ([], "must be a JSON object"),
        ("boundingBox", "must be a JSON object"),
        ({1: 2}, "must be a JSON object"),
        ({}, "exactly one field with `boundingBoxes`: 0 have"),
        ({**drawn(), **drawn(name="two")}, "2 have"),
        ({f"f{n}": n for n in range(51)}, "51 fields"),
        (drawn(size=None), "must be the stored image's size, 100 x 80"),
        (drawn(size={"width": 80, "height": 100}), "must be the stored image's size"),
        (drawn(size={"width": "100", "height": 80}), "must be the stored image's size"),
        ({"boundingBox": {"boundingBoxes": []}}, "must be the stored image's size"),
        ({"b": {"boundingBoxes": {}, "inputImageProperties": SIZE}}, "must be a list"),
        (drawn(*[box()] * (MAX_BOXES + 1)), "501 boxes; 500 are allowed"),
        (drawn(7), "boundingBoxes[0] must be an object"),
        (drawn(box(), box(label="dog")), "[1].label is not one of the job's labels: 'dog'"),
        (drawn(box(label=["cat"])), "is not one of the job's labels: list"),
        (drawn(box(label="x" * 5000)), "is not one of the job's labels: 'xxx"),
        (drawn(box(left="1")), "[0].left must be a number of pixels: '1'"),
        (drawn(box(left=None)), "[0].left must be a number"),
        (drawn(box(top=True)), "[0].top must be a number"),
        (drawn(box(width=float("nan"))), "[0].width must be a number"),
        (drawn(box(height=float("inf"))), "[0].height must be a number"),
        (drawn(box(left=10**400)), "[0].left must be a number"),
        (drawn(box(width=0)), "has no area"),
        (drawn(box(height=-1)), "has no area"),
        (drawn(box(left=-0.51, width=5)), "outside of the image's width 100"),
        (drawn(box(left=90, width=10.6)), "outside of the image's width 100"),
        (drawn(box(top=80, height=0.4)), "outside of the image's height 80"),
        (drawn(box(left=-0.4, width=0.3)), "outside of the image's width 100"),
        ({**drawn(), "note": "x" * MAX_ANSWER_BYTES}, "262,144 are allowed"),
        ({**drawn(), "note": float("nan")}, "cannot be kept as JSON"),
        ({**drawn(), "note": "\ud800"}, "cannot be kept as JSON"),
        ({**drawn(), "note": object()}, "cannot be kept as JSON"),
    ],
)
def test_what_is_wrong_is_told(answer, complaint):
    assert complaint in refusal(answer)


def test_nesting_without_end_is_refused():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert "cannot be kept as JSON" in refusal({**drawn(), "note": deep})


def test_a_verification_is_one_category_and_perhaps_a_comment():
    found = checked({"crowd-image-classifier": {"label": "cat"}}, "verify")
    assert (found.category, found.comment) == ("cat", None)
    told = {"any-name": {"label": "dog ", "workerComment": "no tail "}}
    assert checked(told, "verify").comment == "no tail"
    assert checked(told, "verify").content == told
    said = {"any-name": {"label": "dog "}, "explanation": " tail cut off "}
    assert checked(said, "verify").comment == "tail cut off"
    assert checked(said, "verify").content == said


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({}, "exactly one field with `label`"),
        ({"a": {"label": "cat"}, "b": {"label": "cat"}}, "2 have"),
        ({"a": {"label": "bird"}}, "a.label is not one of the job's labels: 'bird'"),
        ({"a": {"label": None}}, "is not one of the job's labels: None"),
        ({"a": {"label": "cat"}, "explanation": {"x": 1}}, "explanation must be text"),
        ({"a": {"label": "cat"}, "explanation": "x" * 2001}, "2000 are allowed"),
        ({"a": {"label": "cat", "workerComment": ["x"]}}, "explanation must be text"),
    ],
)
def test_what_is_wrong_with_a_verification_is_told(answer, complaint):
    assert complaint in refusal(answer, "verify")


MEMBERS = (
    *("boundingBox", "boundingBoxes", "inputImageProperties", "label", "explanation"),
    *("left", "top", "width", "height"),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
numbers = st.floats() | st.integers(-10, 200) | st.just(10**400)


@given(anything, st.sampled_from(["label", "adjust", "verify"]))
def test_no_answer_breaks_the_check(answer, kind):
    try:
        found = checked(answer, kind)
    except Fault:
        return
    assert checked(json.loads(found.to_json()), kind) == found


@given(st.lists(st.builds(box, numbers, numbers, numbers, numbers), max_size=4))
def test_every_box_that_passes_lies_in_the_raster_and_passes_again(entries):
    try:
        found = checked(drawn(*entries))
    except Fault:
        return
    for _, one in found.boxes:
        assert one.left >= 0
        assert one.top >= 0
        assert one.right <= WIDTH + 1e-9
        assert one.bottom <= HEIGHT + 1e-9
        assert one.area > 0
    assert checked(json.loads(found.to_json())) == found
