"""A worker's boxes are matched with the label's, one to one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.agreement import SAME_OBJECT, matches, pairs
from gt_workflow.core.boxes import Box, iou

DEGU = ("degu", Box(10, 10, 100, 50))


def moved(named, left):
    name, box = named
    return name, Box(box.left + left, box.top, box.width, box.height)


@pytest.mark.parametrize(
    ("drawn", "label", "expected"),
    [
        ([], [], []),
        ([DEGU], [], []),
        ([], [DEGU], []),
        ([DEGU], [DEGU], [1.0]),
        ([DEGU], [("wheel", DEGU[1])], []),
        ([moved(DEGU, 20)], [DEGU], [80 / 120]),
        ([moved(DEGU, 50)], [DEGU], []),  # an IoU of a third
        # Drawn twice: the better one counts, the other is too much.
        ([moved(DEGU, 10), DEGU], [DEGU], [1.0]),
        # The best pair comes first, though the other would make two.
        ([DEGU, moved(DEGU, 20)], [moved(DEGU, 19)], [99 / 101]),
    ],
)
def test_pairs(drawn, label, expected):
    assert matches(drawn, label) == pytest.approx(expected)


boxes = st.lists(
    st.tuples(
        st.sampled_from(["degu", "wheel"]),
        st.builds(Box, *[st.integers(0, 20)] * 2, *[st.integers(0, 20)] * 2),
    ),
    max_size=6,
)


@given(drawn=boxes, label=boxes)
def test_neither_order_nor_side_matters(drawn, label):
    found = matches(drawn, label)
    assert len(found) <= min(len(drawn), len(label))
    assert all(SAME_OBJECT <= overlap <= 1 for overlap in found)
    assert found == sorted(found, reverse=True)
    assert matches(drawn, drawn) == [1.0] * len([box for _, box in drawn if box.area])


def one_by_one(drawn, label):
    """What `pairs` is defined as: the best of all that is left, then the best of the rest."""
    candidates = {
        (-iou(box, truth), box.left, box.top, one, other)
        for one, (name, box) in enumerate(drawn)
        for other, (wanted, truth) in enumerate(label)
        if name == wanted and iou(box, truth) >= SAME_OBJECT
    }
    found = []
    for overlap, _, _, one, other in sorted(candidates):
        if all(one != taken[1] and other != taken[2] for taken in found):
            found.append((-overlap, one, other))
    return found


@given(drawn=boxes, label=boxes)
def test_few_are_matched_as_defined(drawn, label):
    assert pairs(drawn, label) == one_by_one(drawn, label)


@pytest.mark.parametrize("spread", [0, 3, 200])
@pytest.mark.parametrize("digits", [0, 9])
def test_many_are_matched_as_defined(spread, digits):
    chance = Random(spread)  # noqa: S311 - guards nothing

    def heap(count):
        return [
            (
                chance.choice(["degu", "wheel"]),
                Box(*[round(10 + chance.random() * spread, digits) for _ in range(2)], 20.0, 30.0),
            )
            for _ in range(count)
        ]

    drawn, label = heap(160), heap(140)
    assert pairs(drawn, label) == one_by_one(drawn, label)
