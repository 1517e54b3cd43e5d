"""A line whose boxes all stand as they were drawn gives the sample that judging it gives."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.manifest import read
from gt_workflow.workflow.channels.samples import Rules, take

edge = st.one_of(st.integers(-3, 12), st.sampled_from([0.5, 9.5, 10.0, 10.0000001, 1e-9]))
length = st.one_of(st.integers(0, 12), st.sampled_from([0.5, 1.0, 0.9999999, 1e-9]))
box = st.fixed_dictionaries(
    {"class_id": st.integers(0, 1), "left": edge, "top": edge, "width": length, "height": length}
)


def line(boxes) -> bytes:
    label = {"image_size": [{"width": 10, "height": 8, "depth": 3}], "annotations": boxes}
    metadata = {
        "objects": [{"confidence": 1.0} for _ in boxes],
        "class-map": {"0": "degu", "1": "wheel"},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
    }
    return json.dumps({"source-ref": "a.jpg", "boxes": label, "boxes-metadata": metadata}).encode()


@given(boxes=st.lists(box, max_size=4), min_side=st.sampled_from([1.0, 2.5]))
def test_both_ways_give_the_same_sample(boxes, min_side):
    rules = Rules(
        min_side=min_side,
        keep_empty=False,
        order="shuffled",
        salt="",
        side_of=lambda _origin: "train",
    )
    ids = {"wheel": 0, "degu": 1}
    (quick,) = read([line(boxes)], uri="x", attribute="boxes")
    (judged,) = read([line(boxes)], uri="x", attribute="boxes")
    assert judged.label is not None  # from now on it is no longer as it was read
    assert take(quick, rules, ids) == take(judged, rules, ids)
