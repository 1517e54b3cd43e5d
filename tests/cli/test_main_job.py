"""The main job as a user meets it: commands in, exit status, stdout, stderr and files out."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gt_workflow import config

SIMULATED = ("--workers", "simulated", "--truth", "demo/truth.manifest", "--labels", "degu,wheel")


def test_the_main_job_end_to_end_and_a_second_run_finds_it_done(cli, tmp_path):
    assert cli("demo", "demo", "--count", "6")[0] == 0
    launch = ("launch", "demo/photographs", *SIMULATED, "--workers-per-object", "3", "--json")
    status, out, err = cli(*launch)
    assert status == 0, err
    told = json.loads(out)
    assert told["job"]["status"] == "Completed"
    assert (told["job"]["human"], told["job"]["left"]) == (6, 0)
    assert set(told["workers"]) == {"simulated-1", "simulated-2", "simulated-3"}
    assert {did["tasks"] for did in told["workers"].values()} == {6}
    for form in ("recordio", "image", "manifest"):
        sides = told["channels"]["images"][form]
        assert sides["train"] + sides["validation"] == 6
    output = tmp_path / "gt-data" / told["job"]["output"].removeprefix("s3://")
    assert len(output.read_text().splitlines()) == 6

    status, out, err = cli(*launch)
    assert status == 0, err
    again = json.loads(out)
    assert again["job"]["name"] == told["job"]["name"]
    assert sorted(again["channels"]["unchanged"]) == ["image", "manifest", "recordio"]
    assert "was done already" in err
    assert again["channels"]["report"] is None
    assert not [key for key in (*again["channels"], *again["job"]) if "_" in key]
    _, out, err = cli(*launch[:-1], "--out", "others")
    assert "6 by workers" in out
    assert "left out, and why" not in out
    assert "labeling: 0 (" not in err
    assert "reading the manifest: 0" not in err
    status, out, _ = cli("list", "--json")
    assert [job["name"] for job in json.loads(out)["jobs"]] == [told["job"]["name"]]


def test_a_dry_run_creates_nothing(cli, tmp_path):
    cli("demo", "demo", "--count", "2")
    status, out, err = cli("launch", "demo/photographs", *SIMULATED, "--dry-run", "--json")
    assert status == 0, err
    plan = json.loads(out)
    assert plan["photographs"]["counts"]["photographs"] == 2
    assert plan["request"]["LabelingJobName"] == plan["name"]
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_dry_run_over_a_bucket_writes_nothing_there(cli, tmp_path):
    cli("demo", "demo", "--count", "2")
    bucket = tmp_path / "gt-data" / "mine"
    bucket.mkdir(parents=True)
    (tmp_path / "demo" / "photographs").rename(bucket / "photos")
    status, out, err = cli("launch", "s3://mine/photos/", "--labels", "degu", "--dry-run")
    assert status == 0, err
    assert "channels: gt-data/gt-workflow/channels/photos-" in out
    assert [path.name for path in (tmp_path / "gt-data").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "command", [("status",), ("wait",), ("list",), ("stop", "job"), ("open",), ("status", "job")]
)
def test_looking_at_jobs_makes_no_folder(cli, tmp_path, command):
    status, out, err = cli(*command)
    assert (status, out) == (2, "")
    assert "there is no service folder at gt-data; name it with --root" in err
    assert not list(tmp_path.iterdir())


def test_no_wait_returns_and_the_job_goes_on_later(cli):
    cli("demo", "demo", "--count", "3")
    launch = ("launch", "demo/photographs", *SIMULATED)
    status, out, _ = cli(*launch, "--no-wait", "--json")
    assert (status, json.loads(out)["created"]) == (0, True)
    status, out, _ = cli("status", "--json")
    assert (status, json.loads(out)["left"]) in {(0, 3), (0, 0)}
    status, out, err = cli(*launch, "--json")
    assert status == 0, err
    assert json.loads(out)["job"]["status"] == "Completed"


def test_a_stopped_job_keeps_its_lines(cli, tmp_path):
    cli("demo", "demo", "--count", "2")
    _, out, _ = cli("launch", "demo/photographs", "--labels", "degu", "--no-wait")
    status, out, err = cli("stop", out.strip(), "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["status"] == "Stopped"
    path = told["output"].removeprefix("s3://")
    assert f"output manifest: gt-data/{path}\n" in cli("status")[1]
    lines = (tmp_path / "gt-data" / told["output"].removeprefix("s3://")).read_text().splitlines()
    assert len(lines) == 2


def test_an_empty_photograph_folder_is_one_sentence_and_status_3(cli, tmp_path):
    (tmp_path / "photos").mkdir()
    status, out, err = cli("launch", "photos", "--labels", "degu")
    assert (status, out) == (3, "")
    assert err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("launch",), 2, "name the photographs"),
        (("launch", "photos"), 2, "--labels"),
        (("launch", "photos", "--labels", "degu,degu"), 2, "--labels: "),
        (
            ("launch", "photos", "--labels", "a", "--workers", "robots"),
            2,
            "--workers: is people or simulated",
        ),
        (("launch", "photos", "--labels", "a", "--to", "tiff"), 2, "--to: is recordio, image or"),
        (("launch", "photos", "--labels", ","), 2, "--labels"),
        (("launch", "photos", "--labels", "a", "--workers-per-object", "12"), 2, "--workers-per-o"),
        (("launch", "photos", "--labels", "a", "--workers-per-object", "0"), 2, "--workers-per-o"),
        (("launch", "photos", "--labels", "a", "--set", "job.attribute=?"), 2, "job.attribute"),
        (("launch", "photos", "--labels", "a", "--workers", "simulated"), 2, "--truth"),
        (("launch", "photos", "--labels", "a", "--set", "job.worker=3"), 2, "job.workers"),
        (("launch", "photos", "--labels", "a", "--settings", "no.toml"), 2, "no.toml"),
        (("launch", "notes.txt", "--labels", "a"), 2, "name a folder, an s3:// prefix or a man"),
        (("convert", "no.manifest", "--out", "channels"), 4, "no.manifest"),
        (("convert", "no.manifest", "--out", "c", "--on-bad-line", "guess"), 2, "stop or skip"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_its_status(cli, arguments, status, said):
    Path("notes.txt").write_text("the cage was cleaned")
    got, out, err = cli(*arguments)
    assert (got, out) == (status, "")
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_service_without_the_job_is_one_sentence(cli):
    cli("invite", "anna")  # makes the service's folder
    for arguments, status, said in (
        (("status", "no-such-job"), 5, "no-such-job"),
        (("status",), 2, "no labeling jobs yet"),
        (("stop", "no-such-job"), 5, "no-such-job"),
    ):
        got, out, err = cli(*arguments)
        assert (got, out) == (status, "")
        assert said in err.splitlines()[-1]


def test_init_writes_settings_that_load_and_never_overwrites_them(cli, tmp_path):
    assert cli("launch", "--init")[0] == 0
    (tmp_path / "photos").mkdir()
    assert cli("launch")[0] == 3  # the settings are read: an empty folder is met
    status, _, err = cli("launch", "--init")
    assert status == 2
    assert "nothing was written" in err
    given = ("photos/", "--labels", "racoon, wheel", "--set", "job.workers=3", "--profile", "lab")
    assert cli("launch", *given, "--init", "--settings", "given.toml")[0] == 0
    written = config.load(text=Path("given.toml").read_text())
    assert (written.photographs, written.labels) == ("photos/", ("racoon", "wheel"))
    assert (written.job.workers, written.backend, written.aws.profile) == (3, "aws", "lab")
    status, out, _ = cli("launch", "--init", "--settings", "other.toml", "--json")
    assert (status, json.loads(out)) == (0, {"settings": "other.toml"})


def test_a_worker_whom_nobody_knows_cannot_be_revoked(cli):
    cli("invite", "anna")
    status, _, err = cli("revoke", "ann")
    assert status == 2
    assert "no worker 'ann'" in err


def test_an_invitation_is_a_link_with_a_token_in_its_fragment(cli):
    status, out, _ = cli("invite", "anna", "--json")
    assert status == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/_/#invite=[\w-]{40,}", json.loads(out)["page"])


def test_help_needs_nothing_heavy():
    code = (
        "import sys; from gt_workflow.cli.app import run\n"
        "try: run(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'boto3', 'PIL', 'cv2', 'numpy', 'simplejpeg', 'sqlalchemy', 'starlette',"
        " 'moto', 'rich', 'msgspec'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "launch" in done.stdout


@pytest.mark.parametrize("told_to_end", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_the_job_and_says_how_to_go_on(tmp_path, told_to_end):
    command = [sys.executable, "-m", "gt_workflow"]
    subprocess.run([*command, "demo", "demo", "--count", "2"], cwd=tmp_path, check=True)
    launch = [*command, "launch", "demo/photographs", "--labels", "degu"]
    with subprocess.Popen(launch, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        told = []
        for line in process.stderr:
            told.append(line)
            if line.startswith("draw the boxes here"):
                process.send_signal(told_to_end)
    assert process.returncode == 130, told
    assert "Go on with the same command" in told[-1]
    listed = subprocess.run(
        [*command, "list", "--json"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert [job["status"] for job in json.loads(listed.stdout)["jobs"]] == ["InProgress"]


@pytest.mark.parametrize(
    ("place", "named"), [((), ""), (("--root", "my data"), " --root 'my data'")]
)
def test_commands_that_are_told_find_the_same_folder(cli, place, named):
    cli("demo", "demo", "--count", "2")
    status, out, err = cli("launch", "demo/photographs", "--labels", "degu", "--no-wait", *place)
    assert status == 0, err
    assert err.splitlines()[-2:] == [
        f"people label with: python -m gt_workflow serve{named}",
        f"follow with: python -m gt_workflow status {out.strip()}{named}",
    ]
    told = cli("invite", "anna", *place)[2].strip()
    assert told == f"nobody serves this folder yet: python -m gt_workflow serve{named}"


def test_photographs_that_lie_in_the_bucket_are_labelled_where_they_are(cli, tmp_path):
    cli("demo", "demo", "--count", "2")
    bucket = tmp_path / "gt-data" / "mine"
    bucket.mkdir(parents=True)
    (tmp_path / "demo" / "photographs").rename(bucket / "photos")
    status, out, err = cli("launch", "s3://mine/photos/", *SIMULATED, "--json")
    assert status == 0, err
    output = tmp_path / "gt-data" / json.loads(out)["job"]["output"].removeprefix("s3://")
    sources = [json.loads(line)["source-ref"] for line in output.read_text().splitlines()]
    assert all(source.startswith("s3://mine/photos/") for source in sources)


def test_a_manifest_keeps_its_own_keys(cli, tmp_path):
    cli("demo", "demo", "--count", "2")
    bucket = tmp_path / "gt-data" / "mine"
    bucket.mkdir(parents=True)
    (tmp_path / "demo" / "photographs").rename(bucket / "photos")
    lines = [
        {"source-ref": f"s3://mine/photos/{path.name}", "camera": "K 1", "gps": [1.50, 2]}
        for path in sorted((bucket / "photos").iterdir())
    ]
    manifest = tmp_path / "mine.manifest"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    status, out, err = cli("launch", "mine.manifest", *SIMULATED, "--json")
    assert status == 0, err
    output = tmp_path / "gt-data" / json.loads(out)["job"]["output"].removeprefix("s3://")
    for line in output.read_text().splitlines():
        assert '"camera": "K 1", "gps": [1.5, 2]' in line
        assert "boxes" in json.loads(line)


def test_a_truth_that_cannot_be_read_is_told_before_there_is_a_job(cli, tmp_path):
    cli("demo", "demo", "--count", "2")
    (tmp_path / "demo" / "truth.manifest").write_text("{")
    status, _, err = cli("launch", "demo/photographs", *SIMULATED)
    assert status == 3
    assert "truth.manifest:1" in err.splitlines()[-1]
    assert not (tmp_path / "gt-data" / ".gt" / "service.sqlite").exists()
