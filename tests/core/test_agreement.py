"""A worker's boxes are matched with the label's, one to one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.agreement import SAME_OBJECT, matches
from gt_workflow.core.boxes import Box

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
