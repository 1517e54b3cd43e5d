"""Many overlaps at once are the numbers that one at a time gives, to the last bit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box, iou
from gt_workflow.core.overlaps import overlaps, sides

sizes = st.one_of(st.integers(0, 30).map(float), st.floats(0, 5e4))
boxes = st.lists(st.builds(Box, *[st.floats(-100, 5e4)] * 2, sizes, sizes), max_size=8)
close = st.lists(st.builds(Box, *[st.integers(0, 30).map(float)] * 2, sizes, sizes), max_size=8)


@given(ours=st.one_of(boxes, close), theirs=st.one_of(boxes, close))
def test_each_is_what_iou_says(ours, theirs):
    found = overlaps(sides(ours), sides(theirs))
    assert found.shape == (len(ours), len(theirs))
    assert found.tolist() == [[iou(one, other) for other in theirs] for one in ours]
