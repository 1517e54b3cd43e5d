"""status, wait, list and stop as scripts use them: exit statuses and JSON."""

from __future__ import annotations

import json

import pytest
from small_job import put_files, request

from gt_workflow import config, wiring

SIMULATED = ("--workers", "simulated", "--truth", "demo/truth.manifest", "--labels", "degu,wheel")


def launched(cli, *more):
    cli("demo", "demo", "--count", "2")
    status, out, err = cli("launch", "demo/photographs", *SIMULATED, "--no-wait", *more)
    assert status == 0, err
    return out.strip()


def test_waiting_for_a_stopped_job_ends_with_7(cli):
    name = launched(cli)
    status, out, err = cli("stop", name, "--no-wait", "--json")
    assert status == 0, err
    assert json.loads(out)["status"] in {"Stopping", "Stopped"}
    status, out, _ = cli("wait", name, "--json")
    assert (status, json.loads(out)["status"]) == (7, "Stopped")
    assert cli("status", name)[0] == 0


def test_waiting_for_a_failed_job_prints_it_and_ends_with_6(cli):
    settings = config.load()
    with wiring.backend(settings) as running:
        s3 = running.client("s3")
        s3.create_bucket(Bucket="lab")
        put_files(s3, "lab")
        s3.put_object(Bucket="lab", Key="input.manifest", Body=b"this is no manifest\n")
        role = "arn:aws:iam::123456789012:role/any"
        running.ground_truth.create(
            request("job", bucket="lab", workteam_arn=running.workteam_arn, role_arn=role)
        )
    status, out, err = cli("wait", "job", "--json")
    told = json.loads(out)
    assert (status, told["status"]) == (6, "Failed")
    assert told["failure-reason"] in err


def test_waiting_for_a_finished_job_ends_with_0(cli):
    cli("demo", "demo", "--count", "2")
    assert cli("launch", "demo/photographs", *SIMULATED)[0] == 0
    status, out, _ = cli("wait", "--json", "--backend", "embedded")
    assert (status, json.loads(out)["status"]) == (0, "Completed")
    assert "cost-so-far-usd" not in json.loads(out)


@pytest.mark.parametrize("command", ["status", "wait", "list", "stop"])
def test_every_command_says_where_and_how_it_ends(cli, command):
    status, out, _ = cli(command, "--help")
    assert status == 0
    for flag in ("--backend", "--profile", "--region", "--root", "--json"):
        assert flag in out
    if command in {"wait", "stop", "status"}:
        assert "Exit status 0" in " ".join(out.split())
