"""Launches that do not end in channels: one sentence that says why and how to go on."""

from __future__ import annotations

import json

import pytest

SIMULATED = ("--workers", "simulated", "--truth", "demo/truth.manifest", "--labels", "degu,wheel")


def test_a_job_stopped_with_nothing_labelled_says_how_to_begin_another(cli):
    cli("demo", "demo", "--count", "2")
    launch = ("launch", "demo/photographs", *SIMULATED)
    name = cli(*launch, "--no-wait")[1].strip()
    assert cli("stop", name)[0] == 0
    status, out, err = cli(*launch)
    assert (status, out) == (6, "")
    assert err.splitlines()[-1] == (
        f"error: labeling job {name} was stopped before anything was labelled; "
        "begin another job with the same command and --name NEW"
    )
    status, out, err = cli(*launch, "--name", "another", "--json")
    assert status == 0, err
    assert json.loads(out)["job"]["name"].startswith("another-")


def test_a_folder_that_cannot_be_written_is_told_before_the_job_is_created(cli, tmp_path):
    cli("demo", "demo", "--count", "2")
    launch = ("launch", "demo/photographs", *SIMULATED)
    for out in ("demo/truth.manifest", "demo/truth.manifest/channels", "s3://Not_A_Bucket/x"):
        status, printed, err = cli(*launch, "--out", out)
        assert (status, printed) == (4, "")
        assert err.splitlines()[-1].startswith(f"error: {out}: channels cannot be written there (")
        assert "--out" in err.splitlines()[-1]
    assert not (tmp_path / "gt-data" / "gt-workflow" / "jobs").exists()


def test_channels_that_fail_after_labeling_leave_the_labels(cli, tmp_path):
    cli("demo", "demo", "--count", "2")
    launch = ("launch", "demo/photographs", *SIMULATED)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "recordio").write_text("a file where a folder is to be")
    status, _, err = cli(*launch, "--out", "taken")
    assert status == 4
    assert "the labels are safe" in err.splitlines()[-1]
    status, _, err = cli(*launch, "--out", "other")
    assert status == 0, err
    assert (tmp_path / "other" / "recordio" / "channel.json").is_file()


def test_images_that_are_elsewhere_have_to_be_copied_first(cli, tmp_path):
    metadata = {
        "type": "groundtruth/object-detection",
        "class-map": {"0": "degu"},
        "objects": [{"confidence": 0.9}],
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00",
        "job-name": "labeling-job/elsewhere",
    }
    box = {"class_id": 0, "left": 1, "top": 1, "width": 5, "height": 5}
    boxes = {"image_size": [{"width": 9, "height": 9, "depth": 3}], "annotations": [box]}
    lines = [
        {"source-ref": f"s3://far/a/{n}.jpg", "boxes": boxes, "boxes-metadata": metadata}
        for n in range(6)
    ]
    (tmp_path / "o.manifest").write_text("".join(json.dumps(line) + "\n" for line in lines))
    status, out, err = cli("convert", "o.manifest", "--out", "channels")
    assert (status, out) == (3, "")
    assert "looked for at gt-data/far/a/0.jpg" in err
    assert "if the service's folder is not gt-data, name it with --root" in err
    assert "aws s3 sync s3://far gt-data/far" in err
    assert not (tmp_path / "gt-data").exists()
    status, out, err = cli("convert", "o.manifest", "--out", "channels", "--dry-run")
    assert status == 0, err
    assert out.startswith("o.manifest: 6 lines, 6 labelled\ntrain: ")
    assert "channels (not written): channels (recordio, image, manifest)" in out
    status, out, err = cli("convert", "o.manifest", "--out", "channels", "--dry-run", "--json")
    assert status == 0, err
    assert json.loads(out)["label-width"] == 7
    assert json.loads(out)["train"]["boxes-by-class"] == {"degu": json.loads(out)["train"]["boxes"]}


def test_a_setting_that_is_none_is_answered_with_the_nearest(cli):
    status, out, err = cli("convert", "m", "--out", "c", "--set", "augment.sead=3")
    assert (status, out) == (2, "")
    assert "--set augment.sead=3: there is no such setting; did you mean augment.seed?" in err
    assert "auto-label" not in err
    status, out, err = cli("split", "m", "--out", "c", "--distance", "99")
    assert (status, out) == (2, "")
    assert "--distance: a whole number from -1 to 12, not 99" in err


@pytest.mark.parametrize("group", [(), ("teams",)])
def test_the_commands_are_told_in_full_on_80_columns(cli, monkeypatch, group):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = cli(*group, "--help")
    assert status == 0
    told = out.partition("Commands:\n")[2].strip().split("\n\n")[0]
    assert "..." not in told
    assert all(line.endswith(".") for line in told.splitlines())


def test_one_line_is_no_lines(cli, tmp_path):
    lines = [json.dumps({"source-ref": f"s3://far/{n}.jpg"}) + "\n" for n in range(8)]
    (tmp_path / "in.manifest").write_text("".join(lines))
    status, out, err = cli("split", "in.manifest", "--out", "parts")
    assert status == 0, err
    assert "1 photograph, 1 line: parts/" in out
    assert "1 lines" not in out
