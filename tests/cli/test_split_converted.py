"""From a labelled manifest to its parts, and from the parts to channels, as the README has it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from gt_workflow.adapters.scenes.draw import write_demo

README = Path(__file__).parents[2] / "README.md"
PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "demo"
    write_demo(folder, count=30, seed=0)
    return folder


@pytest.fixture
def labelled(cli, scenes):
    """Thirty labelled scenes in `output.manifest`; returns the runner of commands."""
    Path("output.manifest").write_text(
        "".join(map(placed(scenes), told(scenes / "truth.manifest")))
    )
    return cli


def placed(scenes):
    def line(entry):
        where = str(scenes / "photographs" / entry["source-ref"])
        return json.dumps(entry | {"source-ref": where}) + "\n"

    return line


@pytest.fixture
def parts(labelled):
    """A split of them as well."""
    status, _, err = labelled("split", "output.manifest", "--out", "parts", "--validation", "0.3")
    assert status == 0, err
    return labelled


def told(path):
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def test_what_the_readme_says_makes_channels_of_exactly_these_parts(labelled):
    section = README.read_text().partition("## Train, validation and test")[2].partition("\n## ")[0]
    commands = re.findall(r"^python -m gt_workflow (.*)$", section, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["split", "convert"]
    for command in commands:
        status, out, err = labelled(*shlex.split(command))
        assert status == 0, err
    assert "left alone, for the evaluation: parts/test.manifest\n" in err
    for part in ("train", "validation"):
        own = Path(f"parts/{part}.manifest")
        assert Path(f"parts-channels/manifest/{part}.manifest").read_bytes() == own.read_bytes()
        for form in ("recordio", "image"):
            channel = json.loads(Path(f"parts-channels/{form}/channel.json").read_bytes())
            assert channel[part]["images"] == len(told(own))
            assert f"channel {form}: {channel['train']['images']} train, " in out


def test_a_split_in_a_bucket_without_a_test_part(labelled):
    root = ("--root", "data")
    split = ("split", "output.manifest", "--out", "s3://lab/parts", "--test", "0", *root)
    assert labelled(*split)[0] == 0
    convert = ("convert", "s3://lab/parts/", "--out", "s3://lab/channels", *root)
    status, out, err = labelled(*convert, "--json")
    assert status == 0, err
    assert json.loads(out)["test-manifest"] is None
    assert len(json.loads(labelled(*convert, "--json")[1])["unchanged"]) == 3
    assert "left alone" not in labelled(*convert)[2]
    made = Path("data/lab/channels/manifest/validation.manifest").read_bytes()
    assert made == Path("data/lab/parts/validation.manifest").read_bytes()


def test_variants_are_made_of_exactly_the_train_part(parts):
    command = ("convert", "parts", "--out", "channels", "--augment", "flip-lr", "--to", "manifest")
    status, out, err = parts(*command, "--dry-run", "--json")
    assert status == 0, err
    train, validation, test = (told(f"parts/{part}.manifest") for part in PARTS)
    plan = json.loads(out)
    assert plan["augment"]["photographs"] == len(train)
    assert plan["test-manifest"] == "parts/test.manifest"
    status, out, err = parts(*command, "--dry-run")
    assert out.startswith("parts/train.manifest and parts/validation.manifest: ")
    assert "left alone, for the evaluation: parts/test.manifest\n" in err
    status, out, err = parts(*command)
    assert status == 0, err
    assert f"{len(train)} variants of {len(train)} photographs" in out
    made = told("channels/manifest/train.manifest")
    assert [line for line in made if "variant" not in line] == train
    assert {line["variant"]["of"] for line in made if "variant" in line} == {
        line["source-ref"] for line in train
    }
    assert told("channels/manifest/validation.manifest") == validation
    assert "unchanged" in parts(*command)[1]
    assert len(train) + len(validation) + len(test) == 30


@pytest.mark.parametrize(
    ("change", "flags", "message"),
    [
        (None, ("--validation", "0.5"), "--validation: parts is split already"),
        ("parts/validation.manifest", (), "parts/validation.manifest is not as split wrote it"),
        ("parts/split.json", (), "parts holds no finished split"),
    ],
)
def test_what_is_not_a_split_any_more_is_refused(parts, change, flags, message):
    if change == "parts/split.json":
        Path(change).write_text(json.dumps({"digest": "0" * 64, "finished": False}))
    elif change is not None:
        Path(change).write_text("")
    status, _, err = parts("convert", "parts", "--out", "channels", *flags)
    assert status == 2
    assert message in err
    assert not Path("channels").exists()


def test_photographs_without_a_hash_are_told(labelled):
    status, _, err = labelled("split", "output.manifest", "--out", "parts")
    assert status == 0
    assert "without a perceptual-hash: 30 of 30 photographs; near-duplicates among them" in err
    split = ("split", "output.manifest", "--distance", "-1", "--out")
    assert "perceptual-hash" not in labelled(*split, "apart")[2]
    assert json.loads(labelled(*split, "apart", "--json")[1])["perceptual-hashes"] is None
    convert = ("convert", "output.manifest", "--to", "manifest", "--out", "channels")
    assert (
        "no line has a perceptual-hash: near-duplicates were not looked for"
        in (labelled(*convert)[2])
    )
    report = json.loads(Path("channels/report.json").read_bytes())
    assert report["counts"]["perceptual_hashes"] == 0
    assert "perceptual-hash" not in labelled(*convert, "--set", "channels.distance=-1")[2]

    lines = told("output.manifest")
    for number, line in enumerate(lines[:10]):
        line["perceptual-hash"] = f"{number * 0x0123456789ABCDEF % 2**64:016x}"
    Path("some.manifest").write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, out, err = labelled("split", "some.manifest", "--out", "some", "--json")
    assert json.loads(out)["perceptual-hashes"] == 10
    assert "20 of 30 photographs" in labelled("split", "some.manifest", "--out", "some")[2]
    _, out, err = labelled("convert", "some.manifest", "--to", "manifest", "--out", "c", "--json")
    assert json.loads(out)["perceptual-hashes"] == 10
    assert "perceptual-hash" not in err


def test_boxes_are_told_of_photographs_and_lines_in_words_that_fit(labelled):
    varied = ("augment", "output.manifest", "--out", "varied", "--variants", "flip-lr")
    assert labelled(*varied)[0] == 0
    split = ("split", "varied/augmented.manifest", "--out", "parts")
    told_in_json = json.loads(labelled(*split, "--json")[1])["parts"]
    out = labelled(*split)[1]
    for part in PARTS:
        photographs = [line for line in told(f"parts/{part}.manifest") if "variant" not in line]
        boxes = sum(len(line["truth"]["annotations"]) for line in photographs)
        assert sum(told_in_json[part]["boxes-by-class"].values()) == boxes
        assert re.search(
            rf"^{part}: {len(photographs)} photographs? "
            rf"\(\d+ degu, \d+ wheel\), {2 * len(photographs)} lines: ",
            out,
            re.MULTILINE,
        )
    Path("bare.manifest").write_text(
        "".join(json.dumps({"source-ref": f"s3://lab/{n}.jpg"}) + "\n" for n in range(5))
    )
    status, out, err = labelled("split", "bare.manifest", "--out", "bare", "--test", "0")
    assert status == 0, err
    assert ": 1 photograph, 1 line: bare/validation.manifest" in out
    assert "class" not in out
