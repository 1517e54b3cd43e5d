"""The demo set: the same everywhere, with boxes that are true to the pixel."""

from __future__ import annotations

import io
from itertools import combinations

import pytest
from PIL import Image, ImageChops, ImageStat

from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.scenes.draw import LABELS, draw, paint, write_demo
from gt_workflow.core.boxes import intersection
from gt_workflow.core.manifest import read
from gt_workflow.core.truth import find, from_manifest

INDEXES = range(6)


@pytest.fixture(scope="module")
def painted():
    return [paint(seed=3, index=index) for index in INDEXES]


def test_boxes_hold_every_pixel_of_their_thing_and_none_besides(painted):
    for scene in painted:
        changed = ImageChops.difference(scene.ground, scene.picture).convert("L")
        mask = changed.point([0] + [255] * 255)
        covered = Image.new("L", mask.size, 0)
        for _, box in scene.boxes:
            left, top, right, bottom = (
                round(edge) for edge in (box.left, box.top, box.right, box.bottom)
            )
            around = (left - 3, top - 3, right + 3, bottom + 3)
            found = mask.crop(around).getbbox()
            assert found == (3, 3, right - left + 3, bottom - top + 3)
            covered.paste(255, (left, top, right, bottom))
        assert ImageChops.subtract(mask, covered).getbbox() is None


def test_boxes_lie_apart_and_inside_the_picture(painted):
    for scene in painted:
        boxes = [box for _, box in scene.boxes]
        assert all(intersection(a, b) == 0 for a, b in combinations(boxes, 2))
        for box in boxes:
            assert box.left >= 0
            assert box.top >= 0
            assert box.right <= scene.picture.width
            assert box.bottom <= scene.picture.height
            assert min(box.width, box.height) >= 30


def test_both_labels_are_on_every_scene():
    for index in INDEXES:
        assert {label for label, _ in draw(seed=1, index=index).boxes} == set(LABELS)


def test_a_scene_follows_from_seed_and_index():
    assert draw(seed=5, index=2) == draw(seed=5, index=2)
    assert len({draw(seed=seed, index=index).jpeg for seed in (0, 1) for index in (0, 1)}) == 4


def test_a_scene_is_a_photograph_that_needs_no_conversion():
    scene = draw(seed=0, index=0)
    inspection = PillowImages().inspect(scene.jpeg)
    assert inspection.stored is scene.jpeg
    assert (inspection.width, inspection.height) == (scene.width, scene.height) == (800, 600)
    assert 30_000 < len(scene.jpeg) < 250_000, "textured, as a photograph is"
    deviation = ImageStat.Stat(Image.open(io.BytesIO(scene.jpeg)).convert("L")).stddev[0]
    assert deviation > 20


def test_a_demo_set_comes_with_its_truth(tmp_path):
    write_demo(tmp_path / "demo", count=3, seed=7)
    photographs = sorted((tmp_path / "demo" / "photographs").iterdir())
    assert [path.name for path in photographs] == [f"scene-00{index}.jpg" for index in range(3)]
    raw = (tmp_path / "demo" / "truth.manifest").read_bytes()
    records = list(read(raw.splitlines(), uri="truth.manifest"))
    truth = from_manifest(records)
    for index, (path, record) in enumerate(zip(photographs, records, strict=True)):
        scene = draw(seed=7, index=index)
        assert path.read_bytes() == scene.jpeg
        assert record.label is not None
        assert (record.label.width, record.label.height) == (scene.width, scene.height)
        assert find(truth, f"s3://bucket/x/{path.name}") == scene.boxes
    again = tmp_path / "again"
    write_demo(again, count=3, seed=7)
    assert (again / "truth.manifest").read_bytes() == raw
