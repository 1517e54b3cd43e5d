"""train, tune and predict as a user types them, against our own service."""

from __future__ import annotations

import json

import pytest
from trainings import write_channel

from gt_workflow.adapters.storage import FolderStorage
from gt_workflow.config import FORMS

OUT = "s3://bucket/channels/degus"


@pytest.fixture
def channels(tmp_path, cli):
    """Channels in the service's folder; `cli` has made the current folder ours."""
    (tmp_path / "gt-data" / ".gt").mkdir(parents=True)
    storage = FolderStorage(tmp_path / "gt-data")
    for form in FORMS:
        write_channel(storage, OUT, form)
    return cli


@pytest.mark.parametrize("form", FORMS)
def test_dry_run_prints_the_request_and_creates_nothing(channels, tmp_path, form):
    status, out, err = channels("train", OUT, "--form", form, "--dry-run", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["form"] == form
    assert told["request"]["TrainingJobName"] == told["name"]
    assert "160 training images, classes: degu, wheel" in err
    assert not list((tmp_path / "gt-data").rglob("training.json"))


def test_training_on_our_own_service(channels, tmp_path):
    status, out, err = channels("train", OUT, "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["status"] == "Completed"
    assert told["new"]
    assert "trains nothing" in err
    record = json.loads((tmp_path / "gt-data" / told["record"][5:]).read_bytes())
    assert record["classes"] == ["degu", "wheel"]
    status, out, err = channels(
        *("train", OUT, "--form", "image", "--from", told["model"], "--dry-run", "--json")
    )
    assert status == 0, err
    assert json.loads(out)["from"] == told["model"]


def test_tuning_on_our_own_service(channels):
    status, out, err = channels("tune", OUT, "--jobs", "4", "--no-wait", "--json")
    assert status == 0, err
    assert json.loads(out)["new"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", OUT, "--form", "rec"), "--form is recordio, image, manifest"),
        (("train", "s3://bucket/none"), "there is no channel at s3://bucket/none"),
        (("train", OUT, "--set", "training.instance-type=ml.m5.large"), "no GPU"),
        (("tune", OUT, "--range", "epochs=1:2"), "--range epochs=1:2"),
        (("predict", "m", "--out", "o", "--classes-from", OUT), "--transform-output"),
        (
            ("predict", "m", "--out", "o", "--classes-from", OUT, "--endpoint", "e", "--size", "9"),
            "--size is WIDTHxHEIGHT",
        ),
    ],
)
def test_mistakes_are_one_sentence(channels, arguments, said):
    status, out, err = channels(*arguments, "--dry-run")
    assert (status, out) == (2, "")
    assert said in err


def test_predict(channels, tmp_path):
    storage = FolderStorage(tmp_path / "gt-data")
    answer = json.dumps({"prediction": [[1, 0.9, 0, 0, 0.5, 0.5]]}).encode()
    with storage.create("s3://bucket/answers/1.jpg.out") as file:
        file.write(answer)
    (tmp_path / "in.manifest").write_text('{"source-ref":"s3://bucket/images/1.jpg"}\n')
    arguments = (
        *("predict", "in.manifest", "--out", "out.manifest", "--classes-from", OUT),
        *("--transform-output", "s3://bucket/answers", "--size", "200x100"),
    )
    status, out, err = channels(*arguments, "--dry-run")
    assert status == 0, err
    assert out.splitlines() == [
        "pre-labels for 1 line under 'predictions'",
        "manifest (not written): out.manifest",
    ]
    status, out, err = channels(*arguments, "--dry-run", "--json")
    assert status == 0, err
    assert json.loads(out)["lines"] == 1
    status, out, err = channels(*arguments)
    assert status == 0, err
    assert out == "1 image with 1 box, 0 without an answer: out.manifest\n"
    (line,) = (tmp_path / "out.manifest").read_text().splitlines()
    assert json.loads(line)["predictions-metadata"]["class-map"] == {"1": "wheel"}
