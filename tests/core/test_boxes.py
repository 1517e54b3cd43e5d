from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box, clip, intersection, iou, mean

coordinates = st.floats(-2000, 2000, allow_nan=False).map(lambda value: round(value, 3))
lengths = st.floats(0, 2000, allow_nan=False).map(lambda value: round(value, 3))
boxes = st.builds(Box, coordinates, coordinates, lengths, lengths)


def test_edges_are_half_open():
    box = Box(10, 20, 30, 40)
    assert (box.right, box.bottom, box.area) == (40, 60, 1200)
    assert Box.from_corners(10, 20, 40, 60) == box
    assert intersection(box, Box(40, 20, 5, 5)) == 0


def test_known_overlaps():
    assert iou(Box(0, 0, 10, 10), Box(0, 0, 10, 10)) == 1
    assert iou(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert iou(Box(0, 0, 10, 10), Box(20, 20, 10, 10)) == 0
    assert iou(Box(0, 0, 0, 0), Box(0, 0, 0, 0)) == 0


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(a, b):
    assert iou(a, b) == iou(b, a)
    assert 0 <= iou(a, b) <= 1
    assert 0 <= intersection(a, b) <= min(a.area, b.area) * (1 + 1e-9) + 1e-6


@given(boxes, st.integers(1, 1500), st.integers(1, 1500))
def test_a_clipped_box_lies_inside_and_loses_nothing_else(box, width, height):
    inside = clip(box, width=width, height=height)
    shared = intersection(box, Box(0, 0, width, height))
    if inside is None:
        assert shared == pytest.approx(0, abs=1e-6)
        return
    assert inside.left >= 0
    assert inside.top >= 0
    assert inside.right <= width + 1e-9
    assert inside.bottom <= height + 1e-9
    assert inside.area == pytest.approx(shared, rel=1e-6, abs=1e-6)


@given(boxes)
def test_a_box_inside_is_kept_as_it_is(box):
    raster = Box(0, 0, 10_000, 10_000)
    if box.left >= 0 and box.top >= 0 and box.area > 0:
        assert clip(box, width=raster.width, height=raster.height) is box


def test_a_box_outside_or_without_area_is_none():
    assert clip(Box(-10, 0, 10, 10), width=100, height=100) is None
    assert clip(Box(100, 0, 10, 10), width=100, height=100) is None
    assert clip(Box(5, 5, 0, 10), width=100, height=100) is None
    assert clip(Box(-5, 5, 10, 10), width=100, height=100) == Box(0, 5, 5, 10)


@given(st.lists(boxes, min_size=1, max_size=9))
def test_the_mean_lies_between(several):
    middle = mean(several)
    for edge in ("left", "top", "width", "height", "right", "bottom"):
        values = [getattr(box, edge) for box in several]
        assert min(values) - 1e-6 <= getattr(middle, edge) <= max(values) + 1e-6


@given(st.lists(boxes, min_size=1, max_size=9), st.data())
def test_the_mean_does_not_depend_on_the_order(several, data):
    assert mean(several) == mean(data.draw(st.permutations(several)))


@given(boxes, st.integers(1, 9))
def test_the_mean_of_equal_boxes_is_that_box(box, count):
    assert mean([box] * count) == box
