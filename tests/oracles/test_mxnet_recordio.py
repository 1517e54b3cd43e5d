"""RecordIO channels against MXNet: the bytes of im2rec.py, and the boxes its iterator reads."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from gt_workflow.adapters.engine import ProcessEngine
from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.storage import LocalFiles
from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.adapters.warp import Warp
from gt_workflow.core import recordio
from gt_workflow.core.recordio import MAGIC
from gt_workflow.core.truth import parse_voc
from gt_workflow.workflow import augment, convert
from gt_workflow.workflow.convert import ConvertSettings

pytestmark = pytest.mark.oracle

SIDES = ("train", "validation")
READER = Path(__file__).with_name("read_records.py")


def line(ref: Path, size, boxes) -> bytes:
    label = {
        "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
        "annotations": [
            dict(zip(("class_id", "left", "top", "width", "height"), box, strict=True))
            for box in boxes
        ],
    }
    metadata = {
        "objects": [{"confidence": 0} for _ in boxes],
        "class-map": {str(box[0]): f"class {box[0]}" for box in boxes},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00.000001",
        "job-name": "labeling-job/j",
    }
    members = {"source-ref": str(ref), "boxes": label, "boxes-metadata": metadata}
    return json.dumps(members).encode() + b"\n"


def channels(tmp_path: Path, lines: list[bytes], **settings) -> Path:
    manifest = tmp_path / "output.manifest"
    manifest.write_bytes(b"".join(lines))
    out = tmp_path / "out"
    planned = convert.plan(
        ConvertSettings(manifest=str(manifest), out=str(out), **settings),
        storage=LocalFiles(),
        progress=lambda *_: None,
    )
    convert.run(planned, storage=LocalFiles(), progress=lambda *_: None)
    return out


def packed_by_mxnet(oracle, tmp_path: Path, out: Path) -> Path:
    lists = tmp_path / "lists"
    lists.mkdir()
    for side in SIDES:
        shutil.copy(out / "recordio" / "index" / f"{side}.lst", lists)
    oracle.im2rec(lists, out / "image")
    return lists


def assert_same_bytes(out: Path, theirs: Path) -> None:
    for side in SIDES:
        ours = (out / "recordio" / side / f"{side}.rec").read_bytes()
        assert ours
        assert ours == (theirs / f"{side}.rec").read_bytes()
        index = (out / "recordio" / "index" / f"{side}.idx").read_bytes()
        assert index == (theirs / f"{side}.idx").read_bytes()


def assert_same_boxes(oracle, out: Path) -> int:
    """Compare what the iterator reads with what we wrote, record by record; count the records."""
    channel = json.loads((out / "recordio" / "channel.json").read_bytes())
    count = 0
    for side in SIDES:
        path = out / "recordio" / side / f"{side}.rec"
        read = json.loads(oracle.run(READER, path, str(channel["label_width"])))
        with path.open("rb") as file:
            ours = [recordio.unpack(data) for _, data in recordio.read_frames(file, uri=side)]
        assert len(read) == len(ours)
        for theirs, record in zip(read, ours, strict=True):
            assert theirs["channels"] == 3
            assert [tuple(row) for row in theirs["objects"]] == list(record.objects)
            assert theirs["size"] == [300, 300]
        held = channel[side]["images"] + channel[side]["images_without_boxes"]
        assert held == len(ours)
        count += len(ours)
    return count


def test_raccoons_are_packed_as_im2rec_does_and_read_back(oracle, shared, tmp_path):
    folder = shared / "data" / "raccoons"
    lines = []
    for path in sorted((folder / "annotations").glob("*.xml")):
        voc = parse_voc(path.read_bytes(), uri=str(path))
        boxes = [(0, b.left, b.top, b.width, b.height) for _, b in voc.boxes]
        lines.append(line(folder / "images" / voc.filename, (voc.width, voc.height), boxes))
    out = channels(tmp_path, lines)
    assert_same_bytes(out, packed_by_mxnet(oracle, tmp_path, out))
    assert assert_same_boxes(oracle, out) == 200


def test_boxes_of_variants_are_read_as_the_augmented_manifest_has_them(oracle, shared, tmp_path):
    folder = shared / "data" / "raccoons"
    manifest = tmp_path / "labelled.manifest"
    with manifest.open("wb") as file:
        for path in sorted((folder / "annotations").glob("*.xml")):
            voc = parse_voc(path.read_bytes(), uri=str(path))
            boxes = [(0, b.left, b.top, b.width, b.height) for _, b in voc.boxes]
            file.write(line(folder / "images" / voc.filename, (voc.width, voc.height), boxes))
    planned = augment.plan(
        augment.AugmentSettings(
            str(manifest),
            str(tmp_path / "augmented"),
            variants=("seed-ten", "scale", "crop"),
            side="train",
        ),
        storage=LocalFiles(),
        folders=LocalFolders(),
        progress=lambda *_: None,
    )
    with closing(ProcessEngine(2)) as engine:
        receipt = augment.run(
            planned,
            storage=LocalFiles(),
            folders=LocalFolders(),
            engine=engine,
            images=PillowImages(),
            warper=Warp(),
            progress=lambda *_: None,
        )
    labelled = Path(receipt.manifest).read_bytes().splitlines(keepends=True)
    out = channels(tmp_path, labelled, forms=("recordio",))
    width = str(json.loads((out / "recordio" / "channel.json").read_bytes())["label_width"])
    boxes, variants = 0, 0
    for side in SIDES:
        read = json.loads(oracle.run(READER, out / "recordio" / side / f"{side}.rec", width))
        index = (out / "recordio" / "index" / f"{side}.idx").read_text("utf-8").splitlines()
        assert len(read) == len(index)
        for theirs, entry in zip(read, index, strict=True):
            ours = json.loads(labelled[int(entry.split("\t")[0])])
            size = ours["boxes"]["image_size"][0]
            expected = [
                (
                    0,
                    box["left"] / size["width"],
                    box["top"] / size["height"],
                    (box["left"] + box["width"]) / size["width"],
                    (box["top"] + box["height"]) / size["height"],
                )
                for box in ours["boxes"]["annotations"]
            ]
            assert [row[:5] for row in theirs["objects"]] == [
                pytest.approx(row, abs=1e-6) for row in expected
            ]
            boxes += len(expected)
            variants += "variant" in ours
            assert side == "train" or "variant" not in ours
    assert variants == receipt.counts["variants"] >= 12 * 150
    assert boxes == receipt.counts["boxes"] + 217


def hostile_images(folder: Path) -> list[tuple[Path, tuple[int, int]]]:
    """Images whose bytes hold RecordIO's magic, aligned and not, in rows and at the end."""
    made = []
    comments = [MAGIC, MAGIC * 3, b"x" + MAGIC, MAGIC + b"y", MAGIC + b"zzz" + MAGIC, b""]
    for number, comment in enumerate(comments * 3):
        size = (40 + number, 30 + 2 * number)
        image = Image.effect_noise(size, 40 + number).convert("RGB")
        buffer = io.BytesIO()
        if number % 3:
            image.save(buffer, "JPEG", quality=80)
            data = buffer.getvalue()
            # A comment right behind the start of the image: its text begins at byte 8.
            text = b"--" + comment
            length = (len(text) + 2).to_bytes(2, "big")
            data = data[:2] + b"\xff\xfe" + length + text + data[2:] + MAGIC * (number % 2)
            data += bytes(number % 4)
        else:
            text = PngImagePlugin.PngInfo()
            text.add(b"teXt", b"-" * (number % 4) + comment * 2)
            image.save(buffer, "PNG", pnginfo=text)
            data = buffer.getvalue()
        path = folder / f"{number:02}.{'jpg' if number % 3 else 'png'}"
        path.write_bytes(data)
        made.append((path, size))
    return made


def escaped(out: Path, side: str) -> int:
    """Count the records that are cut into parts."""
    with (out / "recordio" / side / f"{side}.rec").open("rb") as file:
        records = [recordio.unpack(data) for _, data in recordio.read_frames(file, uri=side)]
    whole = 4  # head, header, image, padding
    return sum(len(recordio.record(r.record_id, r.label, r.image)) > whole for r in records)


def test_the_magic_inside_images_is_escaped_as_mxnet_does(oracle, tmp_path):
    lines = [
        line(path, size, [(number % 3, 1.25, 2.5, 20.125, 10), (2, 0, 0, size[0], size[1])])
        for number, (path, size) in enumerate(hostile_images(tmp_path))
    ]
    out = channels(tmp_path, lines, validation=0.4)
    assert sum(escaped(out, side) for side in SIDES) >= 9
    assert_same_bytes(out, packed_by_mxnet(oracle, tmp_path, out))
    assert assert_same_boxes(oracle, out) == len(lines)


def test_mxnet_reads_images_without_boxes_and_labels_wider_than_its_default(oracle, tmp_path):
    lines = []
    for number, (path, size) in enumerate(hostile_images(tmp_path)):
        boxes = (
            [] if number % 3 == 0 else [(0, index % 20, index % 9, 7.5, 8) for index in range(90)]
        )
        lines.append(line(path, size, boxes))
    out = channels(tmp_path, lines, validation=0.5, keep_empty="validation", forms=("recordio",))
    channel = json.loads((out / "recordio" / "channel.json").read_bytes())
    assert channel["label_width"] == 452
    assert channel["validation"]["images_without_boxes"] > 0
    assert_same_boxes(oracle, out)
