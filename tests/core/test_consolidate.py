from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box, iou, mean
from gt_workflow.core.consolidate import (
    ConsolidatedBox,
    WorkerBoxes,
    WorkerVerdict,
    adjustment_status,
    consolidate,
    label_metadata,
    label_value,
    verification,
    verification_metadata,
    verification_value,
)
from gt_workflow.core.manifest import labelled_line, read
from gt_workflow.core.simulate import Noise, answer_boxes

NOON = datetime(2026, 1, 8, 12, tzinfo=UTC)
LABELS = ("degu", "cage ", "wheel")

edges = st.floats(0, 60).map(lambda edge: round(edge, 2))
boxes = st.builds(Box, edges, edges, edges, edges)
drawn = st.lists(st.tuples(st.sampled_from(LABELS), boxes), max_size=5).map(tuple)
answers = st.lists(drawn, max_size=5).map(
    lambda several: [WorkerBoxes(f"w{i}", one) for i, one in enumerate(several)]
)
thresholds = st.sampled_from([0.1, 0.5, 0.9, 1.0])


def by(*several):
    return [WorkerBoxes(f"w{i}", tuple(one)) for i, one in enumerate(several)]


A, B = Box(0, 0, 100, 100), Box(300, 300, 50, 50)


def test_one_workers_boxes_are_taken_as_drawn():
    found = consolidate(by([("wheel", B), ("degu", A), ("degu", A)]))
    assert found == (
        ConsolidatedBox("wheel", B, 0.0, 1),
        ConsolidatedBox("degu", A, 0.0, 1),
        ConsolidatedBox("degu", A, 0.0, 1),
    )


def test_three_workers_who_agree():
    found = consolidate(
        by([("degu", A)], [("degu", Box(3, 0, 100, 100))], [("degu", Box(0, 6, 100, 100))])
    )
    assert len(found) == 1
    assert found[0].box == Box(1, 2, 100, 100)
    assert found[0].votes == 3
    assert 0.9 < found[0].confidence < 1


def test_what_all_drew_alike_is_certain_and_exact():
    box = Box(0.1, 0.2, 76.19999999999999, 0.3)
    (found,) = consolidate(by(*[[("degu", box)]] * 7))
    assert (found.box, found.votes) == (box, 7)
    assert found.confidence == pytest.approx(1)


@pytest.mark.parametrize(
    ("drawing", "workers", "kept"),
    [(1, 2, False), (2, 2, True), (1, 3, False), (2, 3, True), (2, 4, False), (3, 4, True)],
)
def test_more_than_half_of_all_who_answered_must_have_drawn_it(drawing, workers, kept):
    several = [[("degu", A)]] * drawing + [[]] * (workers - drawing)
    found = consolidate(by(*several))
    assert bool(found) is kept
    if kept:
        assert found[0].confidence == pytest.approx(drawing / workers)


def test_classes_do_not_mix():
    found = consolidate(by([("degu", A)], [("wheel", A)], [("degu", A)]))
    assert [(one.label, one.votes) for one in found] == [("degu", 2)]


def test_neighbours_stay_apart():
    left, right = Box(0, 0, 100, 100), Box(25, 0, 100, 100)
    assert iou(left, right) > 0.5
    found = consolidate(by(*[[("degu", right), ("degu", left)]] * 3))
    assert [one.box for one in found] == [left, right]


def test_boxes_drawn_twice_by_one_worker_count_once():
    found = consolidate(by([("degu", A), ("degu", A)], [], []))
    assert found == ()


def test_nobody_drew_anything():
    assert consolidate(by([], [], [])) == ()
    assert consolidate([]) == ()


def test_boxes_without_area_agree_with_none():
    assert consolidate(by(*[[("degu", Box(5, 5, 0, 9))]] * 3)) == ()


@given(answers, thresholds, st.data())
def test_the_order_of_answers_and_boxes_does_not_matter(several, threshold, data):
    shuffled = [
        WorkerBoxes(one.worker, tuple(data.draw(st.permutations(one.boxes))))
        for one in data.draw(st.permutations(several))
    ]
    if len(several) != 1:
        expected = consolidate(several, iou_threshold=threshold)
        assert consolidate(shuffled, iou_threshold=threshold) == expected


@given(answers, thresholds)
def test_what_is_found_lies_among_what_was_drawn(several, threshold):
    before = copy.deepcopy(several)
    found = consolidate(several, iou_threshold=threshold)
    assert several == before
    everything = [one for answer in several for one in answer.boxes]
    assert sum(one.votes for one in found) <= len(everything)
    for one in found:
        assert 0 <= one.confidence <= 1
        assert 2 * one.votes > len(several)
        same = [box for label, box in everything if label == one.label]
        for edge in ("left", "top", "width", "height"):
            values = [getattr(box, edge) for box in same]
            assert min(values) <= getattr(one.box, edge) <= max(values)


@given(st.lists(boxes, max_size=6, unique=True), st.integers(2, 5))
def test_agreement_keeps_every_box(several, workers):
    distinct = [
        box
        for at, box in enumerate(several)
        if box.area > 0 and all(iou(box, other) < 0.5 for other in several[:at])
    ]
    found = consolidate(by(*[[("degu", box) for box in distinct]] * workers))
    assert sorted(map(repr, [one.box for one in found])) == sorted(map(repr, distinct))
    assert all(one.votes == workers for one in found)


@given(boxes, boxes, thresholds)
def test_every_pair_that_overlaps_enough_is_matched(one, other, threshold):
    found = consolidate(by([("degu", one)], [("degu", other)]), iou_threshold=threshold)
    assert bool(found) is (iou(one, other) >= threshold)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="answers once"):
        consolidate([WorkerBoxes("w", ()), WorkerBoxes("w", ())])
    for threshold in (0, 1.1):
        with pytest.raises(ValueError, match="iou_threshold"):
            consolidate([], iou_threshold=threshold)


def scene(number):
    """A photograph with five objects that do not overlap."""
    return tuple(
        (LABELS[(number + at) % 2], Box(20 + 120 * at, 30 + 7 * number % 90, 90, 60 + 10 * at))
        for at in range(5)
    )


def quality(truth, found):
    return [
        max((iou(box, other) for name, other in found if name == label), default=0.0)
        for label, box in truth
    ]


@pytest.mark.parametrize("position", [0.02, 0.05, 0.1])
def test_three_workers_are_better_than_one(position):
    noise = Noise(position=position, miss=0.05, false_box=0.2, wrong_class=0.03)
    alone, together, false_alone, false_together = [], [], 0, 0
    for number in range(60):
        truth = scene(number)
        several = by(
            *[
                answer_boxes(
                    truth,
                    width=640,
                    height=480,
                    labels=LABELS,
                    noise=noise,
                    key=f"w{worker}/{number}",
                    seed=3,
                )
                for worker in range(3)
            ]
        )
        agreed = [(one.label, one.box) for one in consolidate(several)]
        alone += quality(truth, several[0].boxes)
        together += quality(truth, agreed)
        false_alone += sum(not any(quality([one], truth)) for one in several[0].boxes)
        false_together += sum(not any(quality([one], truth)) for one in agreed)
    assert sum(together) / len(together) > sum(alone) / len(alone) + 0.04
    assert false_together < false_alone / 3


def test_a_crowded_photograph_is_no_trouble():
    grid = [("degu", Box(40.0 * (i % 20), 40.0 * (i // 20), 55, 55)) for i in range(300)]
    found = consolidate(by(*[grid] * 5))
    assert len(found) == 300


def by_all_pairs(several, threshold):
    """What `consolidate` is defined as, for several workers: any two boxes are compared."""
    found = []
    for label in sorted({name for one in several for name, _ in one.boxes}):
        drawn = sorted(
            (box.left, box.top, box.width, box.height, one.worker)
            for one in several
            for name, box in one.boxes
            if name == label
        )
        pairs = []
        for i, one in enumerate(drawn):
            for worker in {other[4] for other in drawn} - {one[4]}:
                rivals = [
                    (-overlap, i, j)
                    for j, other in enumerate(drawn)
                    if j > i and other[4] == worker
                    if (overlap := iou(Box(*one[:4]), Box(*other[:4]))) >= threshold
                ]
                pairs += sorted(rivals)[:3]
        groups = {i: {i} for i in range(len(drawn))}
        for _, i, j in sorted(pairs):
            together = groups[i] | groups[j]
            if len({drawn[k][4] for k in together}) == len(together):
                groups.update(dict.fromkeys(together, together))
        for group in sorted(map(sorted, {id(one): one for one in groups.values()}.values())):
            if 2 * len(group) > len(several):
                same = [Box(*drawn[k][:4]) for k in group]
                box = mean(same)
                sure = sum(iou(box, one) for one in same) / len(same)
                share = len(group) / len(several)
                found.append(ConsolidatedBox(label, box, share * sure, len(group)))
    key = ("left", "top", "width", "height")
    return tuple(
        sorted(found, key=lambda one: (one.label, *(getattr(one.box, name) for name in key)))
    )


@given(answers, thresholds)
def test_few_boxes_are_consolidated_as_defined(several, threshold):
    if len(several) > 1:
        assert consolidate(several, iou_threshold=threshold) == by_all_pairs(several, threshold)


@given(
    seed=st.integers(0, 2**32),
    workers=st.integers(2, 5),
    spread=st.sampled_from([0, 2, 40, 400]),
    whole=st.booleans(),
    threshold=st.sampled_from([0.1, 0.5, 1.0]),
)
@settings(max_examples=12, deadline=None)
def test_many_boxes_heaped_or_scattered_are_consolidated_as_defined(
    seed, workers, spread, whole, threshold
):
    chance = Random(seed)  # noqa: S311 - guards nothing

    def side(start, more):
        value = start + chance.random() * more
        return float(round(value)) if whole else value

    def heap():
        return tuple(
            (
                "degu",
                Box(side(10, spread), side(10, spread), side(20, spread / 4), side(30, 0)),
            )
            for _ in range(chance.randint(100, 130))
        )

    several = [WorkerBoxes(f"w{at}", heap()) for at in range(workers)]
    assert consolidate(several, iou_threshold=threshold) == by_all_pairs(several, threshold)


def test_the_value_is_ground_truths():
    found = [
        ConsolidatedBox("wheel", Box(1.0, 2.5, 76.19999999999999, 4.0), 0.876, 3),
        ConsolidatedBox("degu", Box(0, 0, 5, 6), 0.5, 2),
    ]
    assert json.dumps(label_value(found, labels=LABELS, width=640, height=480)) == json.dumps(
        {
            "image_size": [{"width": 640, "height": 480, "depth": 3}],
            "annotations": [
                {"class_id": 2, "left": 1, "top": 2.5, "width": 76.19999999999999, "height": 4},
                {"class_id": 0, "left": 0, "top": 0, "width": 5, "height": 6},
            ],
        }
    )
    east = datetime(2026, 1, 8, 14, tzinfo=timezone(timedelta(hours=2)))
    assert json.dumps(
        label_metadata(found, labels=LABELS, job_name="degus", human=True, created=east)
    ) == json.dumps(
        {
            "objects": [{"confidence": 0.88}, {"confidence": 0.5}],
            "class-map": {"0": "degu", "2": "wheel"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-08T12:00:00.000000",
            "job-name": "labeling-job/degus",
        }
    )


def test_nothing_to_label_and_an_adjustment():
    value = label_value([], labels=LABELS, width=640, height=480)
    assert value["annotations"] == []
    metadata = label_metadata(
        [], labels=LABELS, job_name="j", human=False, created=NOON, adjustment="unadjusted"
    )
    assert (metadata["objects"], metadata["class-map"]) == ([], {})
    assert (metadata["human-annotated"], metadata["adjustment-status"]) == ("no", "unadjusted")


@given(answers)
def test_what_is_written_can_be_read(several):
    found = consolidate(several)
    line = labelled_line(
        b'{"source-ref": "s3://b/a.jpg"}',
        attribute="boxes",
        value=label_value(found, labels=LABELS, width=200, height=200),
        metadata=label_metadata(found, labels=LABELS, job_name="j", human=True, created=NOON),
    )
    (record,) = read([line], uri="m")
    assert record.label is not None
    assert [(one.label, one.box) for one in record.label.annotations] == [
        (one.label, one.box) for one in found
    ]


def test_a_creation_date_needs_its_zone():
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        label_metadata([], labels=LABELS, job_name="j", human=True, created=naive)


def test_adjusted_if_anybody_changed_anything():
    shown = [("degu", A), ("wheel", B)]
    assert adjustment_status(shown, by(shown, shown[::-1])) == "unadjusted"
    assert adjustment_status(shown, by([("degu", Box(1e-9, -0.0, 100, 100)), shown[1]])) == (
        "unadjusted"
    )
    assert adjustment_status(shown, by(shown, shown[:1])) == "adjusted"
    assert adjustment_status(shown, by([*shown, ("degu", B)])) == "adjusted"
    assert adjustment_status(shown, by([("degu", A), ("degu", B)])) == "adjusted"
    assert adjustment_status(shown, by([("degu", Box(1, 0, 100, 100)), shown[1]])) == "adjusted"
    assert adjustment_status([], by([])) == "unadjusted"


CATEGORIES = ("good", "bad", "unsure")


def verdicts(*chosen):
    return [WorkerVerdict(f"w{i}", category) for i, category in enumerate(chosen)]


@pytest.mark.parametrize(
    ("chosen", "index", "confidence"),
    [
        (["bad"], 1, 0.0),
        (["bad", "bad", "good"], 1, 2 / 3),
        (["unsure", "bad"], 1, 1 / 2),
        (["unsure", "bad", "good"], 0, 1 / 3),
        (["unsure"] * 3, 2, 1.0),
    ],
)
def test_most_votes_win_and_ties_go_to_the_first_category(chosen, index, confidence):
    for order in (chosen, chosen[::-1]):
        verdict = verification(verdicts(*order), categories=CATEGORIES)
        assert (verdict.index, verdict.category) == (index, CATEGORIES[index])
        assert verdict.confidence == pytest.approx(confidence)
        assert verification_value(verdict) == str(index)


def test_a_verification_is_ground_truths():
    verdict = verification(
        [
            WorkerVerdict("w2", "bad", "too wide"),
            WorkerVerdict("w1", "bad", "the tail is missing"),
            WorkerVerdict("w3", "good", ""),
        ],
        categories=CATEGORIES,
    )
    assert json.dumps(
        verification_metadata(verdict, job_name="check", human=True, created=NOON)
    ) == json.dumps(
        {
            "class-name": "bad",
            "confidence": 0.67,
            "type": "groundtruth/label-verification",
            "human-annotated": "yes",
            "creation-date": "2026-01-08T12:00:00.000000",
            "job-name": "labeling-job/check",
            "worker-feedback": [{"comment": "the tail is missing"}, {"comment": "too wide"}],
        }
    )
    silent = verification(verdicts("good"), categories=CATEGORIES)
    metadata = verification_metadata(silent, job_name="check", human=True, created=NOON)
    assert "worker-feedback" not in metadata


def test_boxes_heaped_on_one_place_are_matched_without_trying_every_pair():
    heap = [("a", Box(step / 1000, 0.0, 500.0, 500.0)) for step in range(200)]
    answers = [WorkerBoxes(worker, tuple(heap)) for worker in ("w1", "w2", "w3")]
    found = consolidate(answers)
    assert 0 < len(found) <= 300
    assert all(box.votes >= 2 for box in found)
