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
        assert Path(f"channels/manifest/{part}.manifest").read_bytes() == own.read_bytes()
        for form in ("recordio", "image"):
            channel = json.loads(Path(f"channels/{form}/channel.json").read_bytes())
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
    status, out, err = parts(*command, "--dry-run")
    assert status == 0, err
    train, validation, test = (told(f"parts/{part}.manifest") for part in PARTS)
    plan = json.loads(out)
    assert plan["augment"]["photographs"] == len(train)
    assert plan["test-manifest"] == "parts/test.manifest"
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
        Path(change).write_text('{"digest": "0", "finished": false}')
    elif change is not None:
        Path(change).write_text("")
    status, _, err = parts("convert", "parts", "--out", "channels", *flags)
    assert status == 2
    assert message in err
    assert not Path("channels").exists()
