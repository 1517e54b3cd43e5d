"""One command line on two backends; the account is our own service at another address."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager, suppress

from gt_workflow import config, wiring

ACCOUNT = (
    *("--backend", "aws", "--region", "us-east-1", "--role", "gt-workflow"),
    *("--set", "aws.fix=true"),
)
TEAM = ("--workteam", "default")
PHOTOGRAPHS = ("launch", "demo/photographs", "--labels", "degu,wheel")
ONE_WORKER = ("--set", "workers.count=1")
SIMULATED = ("--workers", "simulated", "--truth", "demo/truth.manifest", *ONE_WORKER)


def make_role(iam):
    """Make the execution role, as `iam --create` would, with more leave than it needs."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    # The emulator behind our service keeps its roles from test to test.
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="gt-workflow", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(
        RoleName="gt-workflow", PolicyName="all", PolicyDocument=json.dumps(allowed)
    )


@contextmanager
def an_account(monkeypatch, root="account"):
    """Make the SDK's AWS a service of ours, with a bucket."""
    settings = config.load(
        flags={
            "store.root": root,
            "workers.kind": "simulated",
            "workers.truth": "demo/truth.manifest",
            "workers.count": 1,
        }
    )
    with wiring.backend(settings, port=0) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        running.client("s3").create_bucket(Bucket="gt-workflow")
        make_role(running.client("iam"))

        def label(name):
            with wiring.local(settings) as wired:
                wiring.simulate(
                    settings,
                    known=wiring.truth(settings, wired=wired),
                    wired=wired,
                    running=running,
                    job_name=name,
                    halted=threading.Event(),
                )

        yield running, label


def tree(folder):
    """Return files by name; what tells when and by which files something was made is masked."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = re.sub(rb'"creation-date":"[^"]*"', b'"creation-date":""', path.read_bytes())
            data = re.sub(rb'("(?:manifest_sha256|digest)": ")[0-9a-f]{64}', rb"\1", data)
            found[str(path.relative_to(folder))] = data
    return found


def test_the_same_command_differing_only_in_the_backend_writes_the_same(cli, tmp_path, monkeypatch):
    cli("demo", "demo", "--count", "8")
    status, _, err = cli(*PHOTOGRAPHS, *SIMULATED)
    assert status == 0, err
    with an_account(monkeypatch) as (_, label):
        account = (*PHOTOGRAPHS, *ACCOUNT, *TEAM)
        status, out, err = cli(*account, "--no-wait", "--json")
        assert status == 0, err
        assert json.loads(out)["created"] is True
        label(json.loads(out)["job"])
        status, out, err = cli(*account, "--json")
        assert status == 0, err
        assert "was done already" in err
        assert json.loads(out)["job"]["human"] == 8
    here, there = (tmp_path / root / "gt-workflow" for root in ("gt-data", "account"))
    for part in ("images", "jobs", "channels"):
        ours = tree(here / part)
        assert ours, f"{part} is empty"
        theirs = tree(there / part)
        assert set(ours) == set(theirs)
        differing = [name for name in ours if ours[name] != theirs[name]]
        assert differing == []


def test_more_photographs_than_a_job_takes_are_several_jobs_and_one_launch(cli, tmp_path):
    cli("demo", "demo", "--count", "7")
    several = (*PHOTOGRAPHS, *SIMULATED, "--set", "job.max-objects=3")
    status, out, err = cli(*several, "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["job"]["human"] == 7
    assert sum(told["channels"]["images"]["manifest"].values()) == 7
    jobs = json.loads(cli("list", "--json")[1])["jobs"]
    assert sorted(job["total"] for job in jobs) == [2, 2, 3]
    names = sorted(job["name"] for job in jobs)
    assert [name.rpartition("-")[2] for name in names] == ["1", "2", "3"]
    folder = tmp_path / "gt-data" / "gt-workflow" / "jobs" / told["job"]["name"]
    whole = (folder / "input.manifest").read_bytes()
    assert b"".join((folder / f"input-{n}.manifest").read_bytes() for n in (1, 2, 3)) == whole
    again = cli(*several, "--json")
    assert again[0] == 0
    assert len(json.loads(cli("list", "--json")[1])["jobs"]) == 3


REFUSED = [
    (("--backend", "aws", "--region", "us-east-1", *TEAM), "name the execution role"),
    (ACCOUNT, "name who labels: --workteam"),
    ((*ACCOUNT, *TEAM, *SIMULATED), "simulated workers label on our own service only"),
    (("--auto-label",), "our own service does not label automatically"),
    ((*ACCOUNT, *TEAM, "--auto-label"), "1,250"),
    ((*ACCOUNT, *TEAM, "--max-cost", "0.1"), "more than --max-cost 0.1; nothing was created"),
    ((*ACCOUNT, *TEAM, "--max-cost", "cheap"), "no amount of US dollars"),
    (
        (
            *ACCOUNT,
            "--workteam",
            "arn:aws:sagemaker:us-east-1:394669845002:workteam/public-crowd/default",
        ),
        "2026-09-30",
    ),
    ((*ACCOUNT, *TEAM, "--set", "job.tags=team"), "write KEY=VALUE"),
    ((*ACCOUNT, *TEAM, "--set", "job.max-objects=0"), "takes 1 to 100,000"),
]


def test_what_an_account_would_refuse_is_told_first(cli, monkeypatch):
    cli("demo", "demo", "--count", "2")
    with an_account(monkeypatch) as (running, _):
        for flags, says in REFUSED:
            status, out, err = cli(*PHOTOGRAPHS, *flags)
            assert (status, out) == (2, ""), flags
            assert says in err.splitlines()[-1]
        assert list(running.ground_truth.list()) == []


def test_nothing_is_created_while_the_account_is_not_ready(cli, monkeypatch):
    cli("demo", "demo", "--count", "2")
    with an_account(monkeypatch) as (running, _):
        account = ("--backend", "aws", "--region", "us-east-1", *TEAM, "--no-wait")
        status, out, err = cli(*PHOTOGRAPHS, *account, "--role", "gt-workflow")
        assert (status, out) == (5, "")
        assert "CORS" in err
        assert "nothing was created" in err.splitlines()[-1]
        assert list(running.ground_truth.list()) == []
        status, out, err = cli(*PHOTOGRAPHS, *account, "--role", "nobody", *ACCOUNT[-2:])
        assert (status, out) == (5, "")
        assert "nobody" in err
        assert list(running.ground_truth.list()) == []
        # Once the job is there, nobody looks again.
        status, out, err = cli(*PHOTOGRAPHS, *ACCOUNT, *TEAM, "--no-wait")
        assert status == 0, err
        assert cli(*PHOTOGRAPHS, *account, "--role", "gt-workflow")[0] == 0


def test_an_account_s_job_has_what_the_settings_say(cli, monkeypatch):
    cli("demo", "demo", "--count", "2")
    vendor = "arn:aws:sagemaker:us-east-1:999999999999:workteam/vendor-crowd/boxes-r-us"
    with an_account(monkeypatch):
        status, out, err = cli(
            *PHOTOGRAPHS,
            *ACCOUNT,
            *("--workteam", vendor, "--bucket", "lab", "--dry-run", "--json"),
            *("--set", "job.tags=team=zoo,cost=7", "--set", "job.kms-key=alias/lab"),
            *("--set", "job.max-percentage=50", "--set", "cost.per-task=0.05"),
        )
    assert status == 0, err
    plan = json.loads(out)
    assert plan["cost"]["total-usd"] == "0.26"
    request = plan["request"]
    assert request["HumanTaskConfig"]["WorkteamArn"] == vendor
    assert request["OutputConfig"] == {"S3OutputPath": "s3://lab/output", "KmsKeyId": "alias/lab"}
    assert request["StoppingConditions"] == {"MaxPercentageOfInputDatasetLabeled": 50}
    assert request["Tags"] == [{"Key": "team", "Value": "zoo"}, {"Key": "cost", "Value": "7"}]
