from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box, clip, iou
from gt_workflow.core.simulate import Noise, answer_boxes

LABELS = ["degu", "cage", "wheel"]
W, H = 640, 480

edges = st.floats(0, 400).map(lambda edge: round(edge, 2))
lengths = st.floats(1, 300).map(lambda edge: round(edge, 2))
boxes = st.builds(Box, edges, edges, lengths, lengths)
truths = st.lists(st.tuples(st.sampled_from(LABELS), boxes), max_size=6)
rates = st.floats(0, 1)
noises = st.builds(Noise, rates, rates, rates, rates)


QUIET = Noise()


def answer(truth, *, noise=QUIET, key="w1/a.jpg", seed=1, labels=LABELS):
    return answer_boxes(truth, width=W, height=H, labels=labels, noise=noise, key=key, seed=seed)


@given(truths)
def test_without_noise_the_truth_is_told(truth):
    assert answer(truth) == [
        (label, inside) for label, box in truth if (inside := clip(box, width=W, height=H))
    ]


@given(truths, noises, st.text(max_size=20), st.integers(0, 99))
def test_an_answer_is_always_the_same_and_always_possible(truth, noise, key, seed):
    drawn = answer(truth, noise=noise, key=key, seed=seed)
    assert drawn == answer(truth, noise=noise, key=key, seed=seed)
    for label, box in drawn:
        assert label in LABELS
        assert clip(box, width=W, height=H) == box
        assert box.area > 0


def test_seeds_and_keys_draw_differently():
    truth = [("degu", Box(100, 100, 80, 80))]
    noise = Noise(position=0.1)
    several = [
        answer(truth, noise=noise, key=key, seed=seed) for key in ("a", "b") for seed in (1, 2)
    ]
    assert len({str(one) for one in several}) == 4


def test_what_was_drawn_once_is_drawn_for_ever():
    # Pinned: a changed generator would change every recorded run.
    assert answer([("degu", Box(100, 100, 80, 60))], noise=Noise(0.1, 0.1, 1.0, 0.1)) == PINNED


PINNED = [("degu", Box(119, 101, 55, 48)), ("cage", Box(566, 320, 44, 111))]

PILE = [("degu", Box(60.0 * (i % 10), 60.0 * (i // 10), 50, 40)) for i in range(60)]


def rate(noise, counts):
    """Count over 100 photographs of 60 boxes."""
    return sum(counts(answer(PILE, noise=noise, key=str(i))) for i in range(100))


def test_rates_are_met():
    assert rate(Noise(miss=0.1), len) == pytest.approx(5400, rel=0.02)
    assert rate(Noise(false_box=0.3), len) == pytest.approx(6030, abs=15)
    named = Counter(
        label
        for i in range(100)
        for label, _ in answer(PILE, noise=Noise(wrong_class=0.2), key=str(i))
    )
    assert named["degu"] == pytest.approx(4800, rel=0.03)
    assert named["cage"] == pytest.approx(600, rel=0.15)
    assert named["wheel"] == pytest.approx(600, rel=0.15)


def test_position_noise_is_a_share_of_the_side():
    shifts = [
        (drawn.left - box.left) / box.width
        for i in range(100)
        for (_, box), (_, drawn) in zip(
            PILE[11:19], answer(PILE[11:19], noise=Noise(position=0.1), key=str(i)), strict=True
        )
    ]
    deviation = (sum(shift**2 for shift in shifts) / len(shifts)) ** 0.5
    assert sum(shifts) / len(shifts) == pytest.approx(0, abs=0.01)
    assert deviation == pytest.approx(0.1, rel=0.1)


def test_more_noise_misses_what_less_noise_missed():
    few = {str(one) for one in answer(PILE, noise=Noise(miss=0.5))}
    many = {str(one) for one in answer(PILE, noise=Noise(miss=0.2))}
    assert few < many
    near = answer(PILE, noise=Noise(position=0.02))
    assert all(iou(a, b) > 0.7 for (_, a), (_, b) in zip(PILE, near, strict=True))


def test_only_the_jobs_classes_can_be_drawn():
    truth = [("degu", Box(1, 1, 9, 9)), ("bird", Box(50, 50, 9, 9))]
    assert answer(truth, labels=["bird"], noise=Noise(wrong_class=1)) == [truth[1]]
    assert answer(truth, labels=[], noise=Noise(false_box=1)) == []


@pytest.mark.parametrize("name", ["position", "miss", "false_box", "wrong_class"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_rates_lie_between_0_and_1(name, value):
    with pytest.raises(ValueError, match=name):
        Noise(**{name: value})
