"""Real output manifests and real photographs become channels, in real folders."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from gt_workflow.adapters.storage import FolderStorage, LocalFiles, Router
from gt_workflow.core import recordio
from gt_workflow.core.truth import parse_voc
from gt_workflow.errors import DataError
from gt_workflow.workflow import convert
from gt_workflow.workflow.convert import ConvertSettings

SIDES = ("train", "validation")


def quiet(_stage, _done, _total):
    pass


def storage(tmp_path):
    return Router(s3=FolderStorage(tmp_path / "root"), local=LocalFiles())


@pytest.mark.parametrize(
    ("name", "counts", "classes"),
    [
        ("one-class-470", (470, 42, 492, 37), [(0, "BCBS", [0])]),
        (
            "symbols-sparse-ids",
            (5, 0, 36, 52),
            [(0, "符号", [0]), (1, "设备 ", [1]), (2, "英文", [3])],
        ),
    ],
)
def test_real_manifests_are_planned_and_their_missing_images_named(
    shared, tmp_path, name, counts, classes
):
    lines, without_boxes, boxes, width = counts
    files = storage(tmp_path)
    settings = ConvertSettings(
        manifest=str(shared / "data" / "manifests" / f"{name}.manifest"), out=str(tmp_path / "out")
    )
    planned = convert.plan(settings, storage=files, progress=quiet)
    found = planned.to_dict()
    assert found["lines"]["lines"] == lines
    assert found["lines"]["without_boxes"] == without_boxes
    assert sum(found[side]["boxes"] for side in SIDES) == boxes
    assert sum(found[side]["images"] for side in SIDES) == lines - without_boxes
    assert all(found[side]["images"] for side in SIDES)
    assert [tuple(entry.values()) for entry in found["classes"]] == classes
    assert found["label_width"] == width
    with pytest.raises(DataError, match=f"{lines - without_boxes} cannot be used"):
        convert.run(planned, storage=files, progress=quiet)
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert report["finished"] is False
    assert {event["what"] for event in report["images"]} == {"image missing"}
    assert len(report["images"]) == lines - without_boxes
    assert {event["what"] for event in report["lines"]} == (
        {"no boxes"} if without_boxes else set()
    )
    assert not list((tmp_path / "out").rglob("channel.json"))


def raccoon_manifest(shared: Path) -> tuple[bytes, dict[str, tuple]]:
    """Label lines as a job would write them, and each photograph's true boxes."""
    truth, lines = {}, []
    folder = shared / "data" / "raccoons"
    for path in sorted((folder / "annotations").glob("*.xml")):
        voc = parse_voc(path.read_bytes(), uri=str(path))
        image = str(folder / "images" / voc.filename)
        truth[image] = tuple(box for _, box in voc.boxes)
        line = {
            "source-ref": image,
            "origin": path.stem,
            "boxes": {
                "image_size": [{"width": voc.width, "height": voc.height, "depth": 3}],
                "annotations": [
                    {
                        "class_id": 0,
                        "left": box.left,
                        "top": box.top,
                        "width": box.width,
                        "height": box.height,
                    }
                    for box in truth[image]
                ],
            },
            "boxes-metadata": {
                "objects": [{"confidence": 0} for _ in truth[image]],
                "class-map": {"0": "raccoon"},
                "type": "groundtruth/object-detection",
                "human-annotated": "yes",
                "creation-date": "2026-01-01T00:00:00.000001",
                "job-name": "labeling-job/raccoons",
            },
        }
        lines.append(json.dumps(line).encode() + b"\n")
    return b"".join(lines), truth


@pytest.mark.parametrize("out", ["s3://bucket/channels", "local"])
def test_the_raccoons_become_channels_with_their_boxes(shared, tmp_path, out):
    files = storage(tmp_path)
    body, truth = raccoon_manifest(shared)
    manifest = tmp_path / "output.manifest"
    manifest.write_bytes(body)
    if out == "local":
        out = str(tmp_path / "out")
    planned = convert.plan(
        ConvertSettings(manifest=str(manifest), out=out), storage=files, progress=quiet
    )
    receipt = convert.run(planned, storage=files, progress=quiet)
    assert sum(receipt.to_dict()["images"]["recordio"].values()) == 200
    names = sorted(truth)  # as the manifest's lines are
    seen = set()
    for side in SIDES:
        with files.open(f"{out}/recordio/{side}/{side}.rec") as file:
            for _, payload in recordio.read_frames(file, uri=side):
                record = recordio.unpack(payload)
                ref = names[record.record_id]
                assert record.image == Path(ref).read_bytes()
                width, height = Image.open(io.BytesIO(record.image)).size
                assert len(record.objects) == len(truth[ref])
                for (_, *corners), box in zip(record.objects, truth[ref], strict=True):
                    assert corners == pytest.approx(
                        [
                            box.left / width,
                            box.top / height,
                            box.right / width,
                            box.bottom / height,
                        ],
                        abs=2e-3,  # a few of these boxes end a pixel outside
                    )
                seen.add(ref)
        stems = sorted(
            stat.uri.rpartition("/")[2].removesuffix(".jpg")
            for stat in files.list(f"{out}/image/{side}/")
        )
        annotations = sorted(
            stat.uri.rpartition("/")[2].removesuffix(".json")
            for stat in files.list(f"{out}/image/{side}_annotation/")
        )
        assert stems == annotations
    assert seen == set(truth)
    again = convert.run(planned, storage=files, progress=quiet)
    assert again.unchanged == ("recordio", "image", "manifest")
    assert not [stat.uri for stat in files.list(f"{out}/") if "unfinished" in stat.uri]


def test_other_settings_clear_away_the_older_files_of_a_real_folder(shared, tmp_path):
    files = storage(tmp_path)
    body, _ = raccoon_manifest(shared)
    manifest = tmp_path / "output.manifest"
    manifest.write_bytes(b"".join(body.splitlines(keepends=True)[:20]))
    for salt in ("a", "b"):
        settings = ConvertSettings(
            manifest=str(manifest), out=str(tmp_path / "out"), salt=salt, forms=("image",)
        )
        planned = convert.plan(settings, storage=files, progress=quiet)
        convert.run(planned, storage=files, progress=quiet)
    images = {side: {p.name for p in (tmp_path / "out/image" / side).iterdir()} for side in SIDES}
    assert sum(map(len, images.values())) == 20
    assert not images["train"] & images["validation"]
