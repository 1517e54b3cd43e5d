"""`split` at the command line, on real photographs with copies that were saved again."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.memory import MemoryStorage, SerialEngine
from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.workflow import ingest

PARTS = ("train", "validation", "test")


def quiet(_stage, _done, _total):
    pass


@pytest.fixture(scope="module")
def manifests(shared, tmp_path_factory):
    """Input manifests of 200 raccoons: alone, and with a smaller copy of every third."""
    photographs = tmp_path_factory.mktemp("photographs")
    real = sorted((shared / "data" / "raccoons" / "images").iterdir())
    for file in real:
        (photographs / file.name).symlink_to(file)
    found = {"alone": _ingested(photographs)}
    for file in real[::3]:
        with Image.open(file) as image:
            small = image.convert("RGB").resize((image.width // 2, image.height // 2))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=60)
        (photographs / f"{file.stem}-small.jpg").write_bytes(buffer.getvalue())
    return found | {"copies": _ingested(photographs)}


def _ingested(folder):
    storage, manifest = MemoryStorage(), "s3://lab/input.manifest"
    ports = {
        "storage": storage,
        "folders": LocalFolders(),
        "engine": SerialEngine(),
        "images": PillowImages(),
        "progress": quiet,
    }
    settings = ingest.IngestSettings(str(folder), "s3://lab/images", manifest, "s3://lab/report")
    ingest.run(ingest.plan(settings, **ports), **ports)
    return storage.objects[manifest]


@pytest.fixture
def raccoons(cli, manifests):
    """Both manifests in the current folder; returns the runner of commands."""
    for name, lines in manifests.items():
        Path(f"{name}.manifest").write_bytes(lines)
    return cli


def places(folder):
    """Return each photograph's part."""
    return {
        json.loads(line)["photograph"]: part
        for part in PARTS
        for line in Path(folder, f"{part}.manifest").read_bytes().splitlines()
    }


def test_copies_that_were_saved_again_are_on_the_side_of_their_photograph(raccoons):
    status, out, err = raccoons("split", "copies.manifest", "--out", "parts", "--json")
    assert status == 0, err
    told = json.loads(out)
    where = places("parts")
    pairs = [(name, f"{Path(name).stem}-small.jpg") for name in where]
    pairs = [(one, other) for one, other in pairs if other in where]
    assert len(pairs) == 66  # the 67th is a copy of one that is there twice, under another name
    assert sum(where[one] != where[other] for one, other in pairs) <= 1  # one in 200 is missed
    assert told["near-duplicates"] >= 2 * 64
    assert told["leaks-prevented"] >= 15


def test_each_photograph_has_its_place_and_added_copies_move_next_to_none(raccoons):
    status, out, err = raccoons("split", "alone.manifest", "--out", "before")
    assert status == 0, err
    assert "6 near-duplicate photographs kept on one side (leaks prevented: " in out
    assert raccoons("split", "copies.manifest", "--out", "after")[0] == 0
    before, after = places("before"), places("after")
    assert sum(after[name] != before[name] for name in before) <= 20  # 67 clusters drawn anew
    status, out, err = raccoons(
        "split", "copies.manifest", "--out", "kept", "--earlier", "before", "--json"
    )
    assert status == 0, err
    kept, told = places("kept"), json.loads(out)
    assert {name: kept[name] for name in before} == before
    assert (told["kept"], told["moved"]) == (len(before), 0)


def test_a_dry_run_writes_nothing_and_a_second_run_changes_nothing(raccoons):
    status, out, _ = raccoons("split", "alone.manifest", "--out", "parts", "--dry-run")
    assert status == 0
    assert out.startswith("train: ")
    assert out.count("(not written)") == 3
    status, out, _ = raccoons("split", "alone.manifest", "--out", "parts", "--dry-run", "--json")
    assert status == 0
    assert set(json.loads(out)["parts"]) == set(PARTS)
    assert not Path("parts").exists()
    assert raccoons("split", "alone.manifest", "--out", "parts")[0] == 0
    before = {file.name: file.read_bytes() for file in Path("parts").iterdir()}
    assert set(before) == {*(f"{part}.manifest" for part in PARTS), "split.json"}
    status, out, _ = raccoons("split", "alone.manifest", "--out", "parts")
    assert status == 0
    assert out.count("(unchanged)") == 3
    status, _, err = raccoons("split", "alone.manifest", "--out", "parts", "--test", "0")
    assert status == 2
    assert "holds another split" in err
    assert {file.name: file.read_bytes() for file in Path("parts").iterdir()} == before


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--distance", "13"), "--distance"),
        (("--validation", "0.9"), "--validation"),
        (("--tolerance", "-1"), "--tolerance"),
        (("--earlier", "nowhere"), "no finished split"),
    ],
)
def test_flags_without_sense_end_with_2(raccoons, flags, told):
    status, _, err = raccoons("split", "alone.manifest", "--out", "parts", *flags)
    assert status == 2
    assert told in err
    assert not Path("parts").exists()


def test_the_bucket_takes_the_parts_as_well(raccoons):
    status, out, err = raccoons(
        "split", "alone.manifest", "--out", "s3://lab/parts", "--root", "data", "--test", "0"
    )
    assert status == 0, err
    assert Path("data/lab/parts/train.manifest").exists()
    assert not Path("data/lab/parts/test.manifest").exists()
    assert out.count("data/lab/parts/") == 2
