"""Launches that do not end in channels: one sentence that says why and how to go on."""

from __future__ import annotations

import json

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
