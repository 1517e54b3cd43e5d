"""The main job on real photographs, with Pascal VOC boxes as what simulated workers know."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from gt_workflow.cli.app import run
from gt_workflow.core.boxes import Box, iou
from gt_workflow.core.truth import parse_voc


@pytest.fixture(scope="module")
def job(shared, tmp_path_factory):
    """One launch over all photographs; returns its root folder and what it printed."""
    folder = tmp_path_factory.mktemp("raccoons")
    raccoons = shared / "data" / "raccoons"
    told = folder / "told.json"
    with pytest.MonkeyPatch.context() as patch, told.open("w") as stdout:
        patch.chdir(folder)
        patch.setattr("sys.stdout", stdout)
        with pytest.raises(SystemExit) as ended:
            run(
                [
                    *("launch", str(raccoons / "images"), "--labels", "raccoon", "--json"),
                    *("--workers", "simulated", "--truth", str(raccoons / "annotations")),
                    *("--workers-per-object", "3"),
                ]
            )
    assert not ended.value.code
    return folder / "gt-data", json.loads(told.read_text())


@pytest.fixture(scope="module")
def lines(job):
    root, told = job
    return read_lines(path_of(root, told["job"]["output"]))


@pytest.fixture(scope="module")
def truth(shared):
    """Boxes by the photograph's stem."""
    found = {}
    for path in (shared / "data" / "raccoons" / "annotations").iterdir():
        voc = parse_voc(path.read_bytes(), uri=str(path))
        found[path.stem] = [box for _, box in voc.boxes]
    return found


def path_of(root, uri):
    return root / uri.removeprefix("s3://")


def read_lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def boxes(entries):
    return [Box(b["left"], b["top"], b["width"], b["height"]) for b in entries]


def mean_iou(drawn, truth):
    """Mean over all true boxes of the best overlap; a box nobody drew counts as 0."""
    best = [
        max((iou(box, candidate) for candidate in drawn[name]), default=0.0)
        for name in drawn
        for box in truth[name]
    ]
    return sum(best) / len(best)


def test_every_photograph_has_a_labelled_line(job, lines):
    _, told = job
    assert len(lines) == 200
    assert all("boxes" in line and "boxes-metadata" in line for line in lines)
    assert (told["job"]["human"], told["job"]["failed"], told["job"]["left"]) == (200, 0, 0)


def test_three_workers_together_are_nearer_the_truth_than_each_alone(job, lines, truth):
    root, told = job
    consolidated = {
        Path(line["photograph"]).stem: boxes(line["boxes"]["annotations"]) for line in lines
    }
    alone = defaultdict(dict)
    output = path_of(root, told["job"]["output"]).parents[2]
    for path in (output / "annotations" / "worker-response").glob("iteration-*/*/*.json"):
        name = Path(lines[int(path.parent.name)]["photograph"]).stem
        for answer in json.loads(path.read_bytes())["answers"]:
            drawn = answer["answerContent"]["boundingBox"]["boundingBoxes"]
            alone[answer["workerId"]][name] = boxes(drawn)
    assert len(alone) == 3
    single = [mean_iou(drawn, truth) for drawn in alone.values()]
    assert mean_iou(consolidated, truth) > max(single)


def test_an_origin_is_on_one_side_of_every_channel(job):
    root, told = job
    manifest = path_of(root, told["channels"]["channels"]["manifest"]).parent
    sides = [
        {line["origin"] for line in read_lines(manifest / f"{side}.manifest")}
        for side in ("train", "validation")
    ]
    assert all(sides)
    assert not sides[0] & sides[1]


def test_all_three_channels_count_the_same_photographs(job):
    _, told = job
    counts = list(told["channels"]["images"].values())
    assert len(counts) == 3
    assert counts[0] == counts[1] == counts[2]
    assert sum(counts[0].values()) <= 200
