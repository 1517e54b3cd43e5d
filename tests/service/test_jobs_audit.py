"""Adjustment and verification: whose boxes are shown, what comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jobs_world import HEIGHT, WIDTH, World, answer

from gt_workflow.core.boxes import Box
from gt_workflow.core.described import audited_attribute
from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling import audit


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    yield here
    here.close()


def boxes(*placed: tuple[int, float, float, float, float], **classes: str) -> dict[str, Any]:
    """The members that an earlier job left under `first`; boxes begin with their class id."""
    keys = ("class_id", "left", "top", "width", "height")
    return {
        "first": {
            "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
            "annotations": [dict(zip(keys, box, strict=True)) for box in placed],
        },
        "first-metadata": {
            "objects": [{"confidence": 0.5} for _ in placed],
            "class-map": classes or {"0": "cat", "1": "dog"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00.000000",
            "job-name": "labeling-job/first",
        },
    }


@pytest.mark.parametrize(
    ("template", "attribute"),
    [
        ("{% for box in task.input.manifestLine.my-boxes.annotations %}", "my-boxes"),
        ("{{ task.input.manifestLine['my-boxes'].annotations }}", "my-boxes"),
        ('{{ task.input.manifestLine["a1"]["annotations"] | to_json }}', "a1"),
        ("task.input.manifestLine.own.annotations task.input.manifestLine.b.annotations", "b"),
        ("{{ task.input.manifestLine.my-boxes-metadata.class-map }}", None),
        ("{{ task.input.taskObject | grant_read_access }}", None),
    ],
)
def test_the_template_names_the_audited_attribute(template, attribute):
    assert audited_attribute(template, own="own") == attribute


def test_without_a_template_that_names_it_the_lines_only_box_label_is_audited():
    line = json.dumps({"source-ref": "s3://bucket/a.jpg", **boxes((1, 1, 2, 3, 4))}).encode()
    found = audit.shown(line, audited=None, own="new", kind="adjust", labels=("cat", "dog"))
    assert found.attribute == "first"
    assert found.boxes == (("dog", Box(1, 2, 3, 4)),)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "has 0 box labels to choose from"),
        ({"x-metadata": 3}, "has 0 box labels"),
        ({**boxes(), "b": 1, "b-metadata": boxes()["first-metadata"]}, "has 2 box labels"),
        ({"first-metadata": boxes()["first-metadata"]}, "no label under first to adjust"),
        ({**boxes(), "first": {"annotations": [{}]}}, "is no box label"),
        (boxes((2, 1, 1, 5, 5)), "is no box label: '2'"),
        (boxes((0, 1, 1, 5, 5), **{"0": "bird"}), "'bird' under first is not in the label"),
    ],
)
def test_a_line_without_boxes_to_show_is_unfit(members, reason):
    line = json.dumps({"source-ref": "s3://bucket/a.jpg", **members}).encode()
    with pytest.raises(audit.UnfitLineError, match=reason):
        audit.shown(line, audited=None, own="new", kind="adjust", labels=("cat", "dog"))


def test_unfit_lines_fail_alone_and_before_anybody_works(world):
    lines = [world.line(0, **boxes((0, 1, 1, 9, 9))), world.line(1), world.line(2, **boxes())]
    world.begin(lines, kind="adjust")
    assert world.counters() == (0, 1, 2)
    world.finish()
    assert world.status() == "Completed"
    output = world.output()
    assert "has 0 box labels" in output[1]["boxes-metadata"]["failure-reason"]
    assert output[2]["boxes"]["annotations"] == []


def test_an_adjustment_starts_from_the_boxes_of_the_earlier_job(world):
    world.put("template.liquid", "{{ task.input.manifestLine.first.annotations }}")
    line = world.line(0, **boxes((0, 1.4, 1.5, 9.25, 9), (1, 95, 0, 9, 9), (1, 200, 0, 9, 9)))
    world.begin([line], kind="adjust")
    task = world.accept()
    assert task.kind == "adjust"
    assert task.boxes == (
        {"label": "cat", "left": 1.4, "top": 1.5, "width": 9.25, "height": 9},
        {"label": "dog", "left": 95, "top": 0, "width": 5, "height": 9},
    ), "what overhangs is cut, what lies outside is not shown"


@pytest.mark.parametrize(
    ("drawn", "status", "left"),
    [
        ((("cat", 1.4, 1.5, 9.25, 9),), "unadjusted", 1.4),
        ((("cat", 1, 2, 9, 9),), "unadjusted", 1.4),
        ((("cat", 2, 2, 9, 9),), "adjusted", 2),
        ((("dog", 1.4, 1.5, 9.25, 9),), "adjusted", 1.4),
        ((), "adjusted", None),
        ((("cat", 1, 2, 9, 9), ("cat", 1, 2, 9, 9)), "adjusted", 1.4),
    ],
)
def test_an_adjustment_says_whether_anything_was_changed(world, drawn, status, left):
    line = world.line(0, **boxes((0, 1.4, 1.5, 9.25, 9)))
    world.begin([line], kind="adjust")
    world.label_one("w0", *drawn)
    (output,) = world.output()
    assert output["boxes-metadata"]["adjustment-status"] == status
    assert output["boxes-metadata"]["type"] == "groundtruth/object-detection"
    lefts = [box["left"] for box in output["boxes"]["annotations"]]
    assert lefts[:1] == ([] if left is None else [left])
    assert output["first"] == boxes((0, 1.4, 1.5, 9.25, 9))["first"]


def test_each_shown_box_is_left_alone_once_and_in_order(world):
    shown = [(0, 14.9, 1, 9, 9), (0, 15.4, 1, 9, 9), (0, 30, 1, 9, 9)]
    world.begin([world.line(0, **boxes(*shown))], kind="adjust")
    # Whole pixels, as the page answers: over a column's edge, alike, and one that was moved.
    world.label_one("w0", ("cat", 15, 1, 9, 9), ("cat", 15, 1, 9, 9), ("cat", 31, 1, 9, 9))
    (output,) = world.output()
    assert [box["left"] for box in output["boxes"]["annotations"]] == [14.9, 15.4, 31]
    assert output["boxes-metadata"]["adjustment-status"] == "adjusted"


def test_an_adjustment_is_adjusted_if_any_worker_changed_it(world):
    line = world.line(0, **boxes((0, 1, 1, 9, 9)))
    world.begin([line], kind="adjust", NumberOfHumanWorkersPerDataObject=2)
    world.label_one("w0", ("cat", 1, 1, 9, 9))
    world.label_one("w1", ("cat", 1, 1, 8, 9))
    assert world.output()[0]["boxes-metadata"]["adjustment-status"] == "adjusted"


def verdict(category: str, text: str | None = None) -> dict[str, Any]:
    said = {} if text is None else {"explanation": text}
    return {"crowd-image-classifier": {"label": category}, **said}


def test_a_verification_asks_for_a_category(world):
    world.put("labels.json", json.dumps({"labels": [{"label": "good"}, {"label": "bad"}]}))
    world.begin(
        [world.line(0, **boxes((0, 1, 1, 9, 9)))],
        kind="verify",
        NumberOfHumanWorkersPerDataObject=3,
    )
    task = world.accept("w0")
    assert task.labels == ("good", "bad")
    assert [box["label"] for box in task.boxes] == ["cat"], "overlays keep their own labels"
    with pytest.raises(Fault, match="exactly one field with `label`"):
        world.jobs.submit("w0", task.id, answer())
    world.jobs.submit("w0", task.id, verdict("bad", "  tail missing "))
    world.jobs.submit("w1", world.accept("w1").id, verdict("bad", ""))
    world.jobs.submit("w2", world.accept("w2").id, verdict("good"))
    world.run()
    (output,) = world.output()
    assert output["boxes"] == "1"
    metadata = output["boxes-metadata"]
    assert metadata["class-name"] == "bad"
    assert metadata["confidence"] == pytest.approx(0.67)
    assert metadata["type"] == "groundtruth/label-verification"
    assert metadata["worker-feedback"] == [{"comment": "tail missing"}]
    assert output["first"] == boxes((0, 1, 1, 9, 9))["first"]
