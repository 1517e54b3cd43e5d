"""Which boxes a channel keeps, what its classes and its images are called."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box
from gt_workflow.core.manifest import read
from gt_workflow.errors import DataError
from gt_workflow.workflow.channels.labels import ChannelClass, ClassTable, judge, whole_pixels
from gt_workflow.workflow.channels.names import Names


def record(*boxes, size=(100, 50)):
    label = {
        "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
        "annotations": [
            dict(zip(("class_id", "left", "top", "width", "height"), (0, *box), strict=True))
            for box in boxes
        ],
    }
    metadata = {
        "objects": [{"confidence": 0} for _ in boxes],
        "class-map": {"0": "degu"} if boxes else {},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00.000001",
        "job-name": "labeling-job/j",
    }
    line = {"source-ref": "s3://b/a.jpg", "boxes": label, "boxes-metadata": metadata}
    (found,) = read([json.dumps(line).encode()], uri="m")
    return found


def kept(*boxes, min_side=1.0):
    return judge(record(*boxes), min_side=min_side)


def test_a_box_inside_is_kept_to_the_last_bit():
    judged = kept((76.19999999999999, 3, 20, 10))
    assert [entry.box for entry in judged.boxes] == [Box(76.19999999999999, 3, 20, 10)]
    assert (judged.clipped, judged.dropped, judged.absence) == ((), (), None)


def test_a_box_over_the_edge_is_clipped_and_told():
    judged = kept((-10, 40, 30, 30), (0, 0, 5, 5))
    assert [entry.box for entry in judged.boxes] == [Box(0, 40, 20, 10), Box(0, 0, 5, 5)]
    assert judged.clipped == (0,)


def test_float_noise_over_the_edge_is_clipped_without_a_word():
    judged = kept((90, 10, 10.0000001, 5))
    assert judged.boxes[0].box.right <= 100
    assert judged.clipped == ()


@pytest.mark.parametrize("box", [(100, 0, 5, 5), (99.5, 0, 5, 5), (10, 10, 0, 5), (10, 10, 5, 0.5)])
def test_a_box_of_which_less_than_a_pixel_remains_is_left_out(box):
    judged = kept(box, (0, 0, 5, 5))
    assert [entry.index for entry in judged.boxes] == [1]
    assert judged.dropped == (0,)
    assert judged.absence is None


def test_an_image_that_loses_all_its_boxes_is_no_image_of_nothing():
    assert kept((200, 0, 5, 5)).absence == "no box left"
    assert kept().absence == "no boxes"


def test_the_smallest_side_can_be_raised():
    assert kept((0, 0, 5, 7), (0, 0, 9, 9), min_side=6).dropped == (0,)


sides = st.integers(1, 2000)


@given(width=sides, height=sides, data=st.data())
def test_whole_pixels_stay_inside_and_never_vanish(width, height, data):
    corner = [data.draw(st.floats(0, side - 1)) for side in (width, height)]
    far = [
        data.draw(st.floats(low + 1, side)) if low + 1 < side else float(side)
        for low, side in zip(corner, (width, height), strict=True)
    ]
    found = whole_pixels(Box.from_corners(*corner, *far), width=width, height=height)
    assert 0 <= found["left"] < found["left"] + found["width"] <= width
    assert 0 <= found["top"] < found["top"] + found["height"] <= height
    assert abs(found["left"] - corner[0]) <= 0.5
    assert abs(found["top"] + found["height"] - far[1]) <= 0.5


def test_whole_pixels_of_whole_pixels_are_themselves():
    assert whole_pixels(Box(3, 4, 5, 6), width=8, height=10) == {
        "left": 3,
        "top": 4,
        "width": 5,
        "height": 6,
    }


def table(*maps, fixed=None):
    classes = ClassTable(fixed, uri="s3://b/m")
    for line, class_map in enumerate(maps, 1):
        classes.add(class_map, line=line)
    return classes.classes()


def test_sparse_ids_become_contiguous_in_their_order():
    assert table({3: "c"}, {}, {0: "a", 1: "b "}, {3: "c"}) == (
        ChannelClass(0, "a", (0,)),
        ChannelClass(1, "b ", (1,)),
        ChannelClass(2, "c", (3,)),
    )


def test_one_id_with_two_names_is_refused():
    with pytest.raises(DataError, match=r"m:2: class 0 is 'b' here and 'a' on line 1"):
        table({0: "a"}, {0: "b"})


def test_one_name_with_two_ids_is_refused():
    with pytest.raises(DataError, match=r"m:3: 'a' is class 2 here and class 0 on line 1"):
        table({0: "a"}, {1: "b"}, {2: "a"})


def test_fixed_classes_are_matched_by_name_and_settle_both():
    assert table({0: "a"}, {0: "b"}, {2: "a"}, fixed=("b", "never", "a")) == (
        ChannelClass(0, "b", (0,)),
        ChannelClass(1, "never", ()),
        ChannelClass(2, "a", (0, 2)),
    )


def test_a_name_that_is_not_among_the_fixed_ones_is_refused():
    with pytest.raises(DataError, match=r"m:1: class 'a ' is none of the fixed classes 'a'"):
        table({0: "a "}, fixed=("a",))


def test_a_plain_name_stays():
    assert Names().stem("s3://b/photos/degu-01_x.jpeg", line=1) == "degu-01_x"


@pytest.mark.parametrize(
    ("address", "start"),
    [
        ("s3://b/a b.jpg", "a_b-"),
        ("s3://b/a.b.jpg", "a_b-"),
        ("s3://b/a\tb.jpg", "a_b-"),
        ("s3://b/松鼠.jpg", "image-"),
        ("s3://b/.jpg", "jpg-"),
        ("/", "image-"),
        ("s3://b/" + "x" * 300 + ".jpg", "x" * 80 + "-"),
    ],
)
def test_any_other_name_is_made_plain_and_marked_by_its_address(address, start):
    stem = Names().stem(address, line=1)
    assert stem.startswith(start)
    assert len(stem) == len(start) + 8


def test_names_that_meet_are_told_apart():
    names = Names()
    addresses = ["s3://b/x/a.jpg", "s3://b/y/a.jpg", "s3://b/x/a.png", "s3://b/x/A.jpg"]
    stems = [names.stem(address, line=1) for address in addresses]
    assert stems[0] == "a"
    assert len({stem.lower() for stem in stems}) == 4


@given(
    addresses=st.lists(
        st.tuples(st.sampled_from("abAB"), st.sampled_from([".jpg", ".png", ""])).map(
            lambda parts: "s3://b/" + "".join(parts)
        ),
        max_size=12,
    )
)
def test_no_stem_twice(addresses):
    names = Names()
    stems = [names.stem(address, line=line) for line, address in enumerate(addresses, 1)]
    assert len({stem.lower() for stem in stems}) == len(stems)
    assert not any("." in stem for stem in stems)
