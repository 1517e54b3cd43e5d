"""`doctor` and `iam` as a user meets them: on this machine, and on an account of moto's."""

from __future__ import annotations

import json

import boto3
import pytest
from PIL import Image

from gt_workflow.core.access.findings import RULES
from gt_workflow.testing import mock_ground_truth
from gt_workflow.workflow.preflight.checks.own import Machine, own

ACCOUNT = ("--backend", "aws", "--region", "us-east-1", "--bucket", "my-data")
TEAM = ("--workteam", "default")


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "degus"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30), (number * 40, 90, 20)).save(folder / f"{number}.jpg")
    return folder


def codes(out):
    return {one["code"]: one for one in json.loads(out)["findings"]}


def test_on_this_machine_nothing_else_is_needed(cli, photographs, tmp_path):
    status, out, err = cli("doctor", str(photographs))
    assert status == 0
    assert "no account, role, team or bucket is needed" in out
    assert "3 data objects are within the limits" in out
    assert "0 errors" in err
    assert not (tmp_path / "gt-data").exists()


def test_a_photograph_that_is_left_out_is_told(cli, photographs):
    (photographs / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    status, out, _ = cli("doctor", str(photographs), "--json")
    assert status == 0
    assert "broken.jpg" in codes(out)["GT714"]["message"]


def test_photographs_that_are_not_there_are_an_error(cli):
    status, out, err = cli("doctor", "nowhere", "--json")
    assert status == 5
    assert "nowhere" in codes(out)["GT715"]["message"]
    assert json.loads(out)["ok"] is False
    assert "1 error" in err


def test_a_folder_that_cannot_be_written_is_an_error(cli, tmp_path):
    (tmp_path / "file").write_text("")
    status, out, _ = cli("doctor", "--root", "file/below")
    assert status == 5
    assert "GT901 error" in out
    assert f"cure: make {tmp_path}/file/below writable" in out


@pytest.mark.parametrize(
    ("seen", "code", "cure"),
    [
        ({"unwritable": "it is read-only"}, "GT901", "make /srv/gt writable"),
        ({"silent": "nobody answers"}, "GT902", "end the process that holds /srv/gt"),
        ({"port_taken": True}, "GT903", "end what listens on port 8577"),
        ({"free": 10_000_000}, "GT904", "free some space"),
    ],
)
def test_what_our_own_service_may_lack(seen, code, cure):
    found = [one for one in own(Machine("/srv/gt", 8577, **seen)) if one.severity != "ok"]
    assert [one.code for one in found] == [code]
    assert found[0].cure.startswith(cure)
    assert found[0].severity == RULES[code].severity


def test_a_service_that_answers_is_named():
    (found,) = own(Machine("/srv/gt", 8577, address="http://127.0.0.1:8577", port_taken=True))
    assert "http://127.0.0.1:8577" in found.message


def test_permissions_are_for_an_account(cli):
    status, out, err = cli("iam")
    assert (status, out) == (2, "")
    assert "--backend aws" in err


def test_a_profile_that_is_not_there_is_a_finding(cli):
    status, out, _ = cli("doctor", "--profile", "nobody-has-this", "--json")
    assert status == 5
    assert list(codes(out)) == ["GT104"]


@mock_ground_truth
def test_from_an_empty_account_to_one_that_can_launch(cli, photographs):
    role = ("--role", "gt-role")
    status, out, _ = cli("doctor", str(photographs), *ACCOUNT, "--json")
    assert status == 5
    assert {"GT201", "GT301", "GT401", "GT710"} <= set(codes(out))

    status, out, _ = cli("iam", *ACCOUNT, *TEAM, *role, "--json")
    assert status == 0
    assert set(json.loads(out)) == {"execution-policy", "trust-policy", "caller-policy"}
    with pytest.raises(boto3.client("iam").exceptions.NoSuchEntityException):
        boto3.client("iam").get_role(RoleName="gt-role")
    status, out, _ = cli("iam", *ACCOUNT, *TEAM, *role, "--create")
    assert status == 0
    assert "role/gt-role created" in out
    status, out, _ = cli("iam", *ACCOUNT, *TEAM, *role, "--create", "--auto-label")
    assert status == 0
    assert "PassRoleToSelf" in out

    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="my-data")
    launch = ("doctor", str(photographs), "--labels", "degu", *ACCOUNT, *TEAM, *role, "--json")
    status, out, _ = cli(*launch)
    assert status == 5
    assert [one["code"] for one in codes(out).values() if one["severity"] == "error"] == ["GT211"]
    status, out, _ = cli(*launch, "--fix")
    assert status == 0
    assert {"GT100", "GT110", "GT200", "GT213", "GT300", "GT400", "GT600"} <= set(codes(out))
    assert s3.get_bucket_cors(Bucket="my-data")["CORSRules"][0]["AllowedOrigins"] == ["*"]


@mock_ground_truth
@pytest.mark.parametrize("source", ["s3://photographs/degus", "degus.manifest"])
def test_photographs_that_stay_where_they_are_may_be_read(cli, tmp_path, source):
    line = '{"source-ref": "s3://photographs/degus/1.jpg"}\n'
    (tmp_path / "degus.manifest").write_text(line)
    status, out, _ = cli("iam", source, *ACCOUNT, *TEAM, "--role", "gt-role", "--json")
    assert status == 0
    policy = json.loads(out)["execution-policy"]["Statement"]
    (reads,) = [one["Resource"] for one in policy if one["Sid"] == "ReadInput"]
    assert "arn:aws:s3:::photographs/degus/*" in reads


@mock_ground_truth
def test_a_role_for_one_job_and_its_training(cli):
    status, out, _ = cli(
        "iam", *ACCOUNT, *TEAM, "--role", "gt-role", "--job", "degus-1", "--training", "--json"
    )
    assert status == 0
    policy = json.loads(out)["execution-policy"]["Statement"]
    resources = {one["Sid"]: one["Resource"] for one in policy}
    assert resources["WriteOutput"] == [
        "arn:aws:s3:::my-data/channels/degus-1/*",
        "arn:aws:s3:::my-data/output/degus-1/*",
    ]
    assert "TrainingImage" in resources
