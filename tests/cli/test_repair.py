"""A job that was stopped, as a user brings it to its end: commands in, status and files out."""

from __future__ import annotations

import json

SIMULATED = ("--workers", "simulated", "--truth", "demo/truth.manifest")


def told(result, status=0):
    code, out, err = result
    assert code == status, err
    return json.loads(out)


def test_a_stopped_job_is_relaunched_merged_adjusted_and_folded(cli, tmp_path):
    cli("demo", "demo", "--count", "4")
    _, out, _ = cli("launch", "demo/photographs", "--labels", "degu,wheel", "--no-wait")
    job = out.strip()
    cli("stop", job)

    status, out, err = cli("reconcile", job, "--json")
    assert status == 6
    assert f"relaunch {job} sends what is open again" in err
    assert json.loads(out)["counts"]["untouched"] == 4

    planned = told(cli("relaunch", job, "--dry-run", "--json"))
    assert (planned["lines"], planned["created"]) == (4, False)

    again = told(cli("relaunch", job, *SIMULATED, "--json"))
    assert (again["created"], again["job"]["human"]) == (True, 4)
    assert again["job"]["name"] == planned["name"]
    assert told(cli("relaunch", job, "--json"))["created"] is False
    code, out, err = cli("relaunch", planned["name"])
    assert (code, out) == (0, "")
    assert "nothing to send" in err

    merged = told(cli("reconcile", job, "--merge", "whole.manifest", "--json"))
    assert merged["jobs"] == [job, planned["name"]]
    assert merged["counts"]["labelled"] == 4
    code, out, err = cli("reconcile", job, "--merge", "part.manifest", "--with", job)
    assert (code, "0 of 4 lines labelled" in out) == (6, True)
    assert "4 lines have no label yet" in err

    adjusted = told(cli("adjust", job, "--output", "whole.manifest", *SIMULATED, "--json"))
    name = adjusted["job"]["name"]
    folded = told(cli("fold", name, "--out", "folded.manifest", "--json"))
    assert folded["adjusted"] + folded["confirmed"] == folded["total"] == 4
    assert folded["base"] == str(tmp_path / "whole.manifest")
    verified = told(cli("verify", name, *SIMULATED, "--json"))
    assert "verify" in verified["job"]["name"]

    code, _, err = cli("convert", "folded.manifest", "--to", "manifest", "--out", "channels")
    assert code == 0, err


def test_labels_are_recovered_where_the_output_manifest_is_gone(cli, tmp_path):
    cli("demo", "demo", "--count", "3")
    launch = ("launch", "demo/photographs", "--labels", "degu,wheel", *SIMULATED, "--json")
    job = told(cli(*launch))["job"]
    output = tmp_path / "gt-data" / job["output"].removeprefix("s3://")
    written = output.read_bytes()
    output.unlink()
    assert "recover" in cli("reconcile", job["name"])[2]
    assert "harvest them first" in cli("relaunch", job["name"])[2]
    made = told(cli("recover", job["name"], "--out", "recovered.manifest", "--json"))
    assert (made["from-consolidation"], made["untouched"]) == (3, 0)
    assert (tmp_path / "recovered.manifest").read_bytes() == written
    code, out, _ = cli("recover", job["name"], "--out", "recovered.manifest")
    assert (code, "(unchanged)" in out) == (0, True)
    code, out, _ = cli("reconcile", job["name"], "--output", "recovered.manifest")
    assert (code, "3 of 3 labelled" in out) == (0, True)


def test_commands_about_jobs_that_are_not_there_say_so(cli):
    status, _, err = cli("reconcile", "job")
    assert status == 2
    assert "there is no service folder" in err
