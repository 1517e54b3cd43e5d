"""`teams` and `workers` as a user meets them, on our own service and on an account."""

from __future__ import annotations

import json

import pytest

from gt_workflow import config, wiring
from gt_workflow.cli.teams import _members

ARN = "arn:aws:sagemaker:{}:123456789012:workteam/private-crowd/{}"
ELSEWHERE = "ap-south-1"  # where the account has nothing yet


def told(result):
    status, out, err = result
    assert status == 0, err
    return json.loads(out)


def listed(cli, *flags):
    teams = told(cli("teams", "list", "--members", "--json", *flags))["teams"]
    return {team["name"]: [member["name"] for member in team["members"]] for team in teams}


def test_a_team_of_our_own_service(cli, tmp_path):
    status, _, err = cli("teams", "list")
    assert (status, list(tmp_path.iterdir())) == (2, [])
    assert "no service folder" in err
    assert cli("teams", "create", "night", "--dry-run")[0] == 2
    assert not list(tmp_path.iterdir())

    made = told(cli("teams", "create", "night", "--member", "Ada", "--json"))
    assert made["arn"] == ARN.format("us-east-1", "night")
    assert made["added"][0]["page"].startswith("http://127.0.0.1:")
    assert listed(cli) == {"default": [], "night": ["Ada"]}

    status, out, err = cli("teams", "add", "night", "Bob", "Ada", "--dry-run")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "would add Bob to night",
        "would add Ada to night, who is in it already",
    ]
    assert listed(cli)["night"] == ["Ada"]

    status, out, err = cli("teams", "add", "night", "Bob")
    assert status == 0
    assert out.startswith("added Bob; a personal link to the worker page: http://127.0.0.1:")
    assert "nobody serves this folder yet: python -m gt_workflow serve" in err

    status, out, err = cli("teams", "remove", "night", "Ada", "Zoe")
    assert (status, out) == (0, "took Ada out of night\n")
    assert "Zoe was not in night" in err
    assert listed(cli)["night"] == ["Bob"]

    status, out, _ = cli("teams", "list", "--members")
    assert "night  private  night, who draw boxes\n  Bob\n" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "night shift"), "no team's name"),
        (("create", "default"), "add members with: teams add default MEMBER"),
        (("remove", "nobody", "Ada"), "your teams: default"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_status_2(cli, arguments, message):
    cli("invite", "me")  # makes the folder
    status, out, err = cli("teams", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.fixture
def account(cli, monkeypatch):  # noqa: ARG001 - `cli` first: it changes folder and environment
    """Make the SDK's AWS a service of ours; moto's Cognito stands behind it."""
    settings = config.load(flags={"store.root": "account"})
    with wiring.backend(settings, port=0) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        yield ("--backend", "aws", "--region", ELSEWHERE)


def test_a_team_of_an_account(cli, account):
    status, out, err = cli("teams", "list", *account)
    assert (status, out) == (0, "")
    assert "teams create NAME" in err
    create = ("teams", "create", "day", "--member", "ada@example.org", *account)

    status, out, _ = cli(*create, "--dry-run")
    assert status == 0
    assert out.splitlines()[0].endswith("private workforce, with a Cognito user pool")
    assert cli("teams", "list", *account)[1] == ""

    assert cli("teams", "create", "day", "--member", "Ada", *account)[0] == 2
    assert cli("teams", "list", *account)[1] == ""

    status, out, err = cli(*create)
    assert status == 0, err
    assert out.splitlines() == [
        f"created the work team {ARN.format(ELSEWHERE, 'day')}",
        "added ada@example.org",
    ]
    assert "e-mail with a password, and signs in at https://" in err
    cli("teams", "add", "day", "bob@example.org", *account)
    cli("teams", "remove", ARN.format(ELSEWHERE, "day"), "ADA@example.org", *account)
    assert listed(cli, *account) == {"day": ["bob@example.org"]}

    # What `workers --names` looks up: who stands behind an answer's `sub`.
    (day,) = told(cli("teams", "list", "--members", "--json", *account))["teams"]
    (bob,) = day["members"]
    settings = config.load(flags={"backend": "aws", "store.region": ELSEWHERE})
    with wiring.backend(settings) as running:
        teams = wiring.work_teams(running)
        job = {"HumanTaskConfig": {"WorkteamArn": day["arn"]}}
        assert _members([job, job], teams) == {bob["id"]: "bob@example.org"}
        gone = {"HumanTaskConfig": {"WorkteamArn": ARN.format("us-east-1", "day")}}
        assert _members([gone], teams) == {}


def test_who_labelled_how_much_and_how_well(cli):
    cli("demo", "demo", "--count", "4")
    simulated = ("--workers", "simulated", "--truth", "demo/truth.manifest")
    launch = ("launch", "demo/photographs", "--labels", "degu,wheel", *simulated)
    summary = told(cli(*launch, "--workers-per-object", "3", "--json"))
    shares = told(cli("workers", "--json"))
    assert shares["jobs"] == [summary["job"]["name"]]
    found = {share["name"]: share for share in shares["workers"]}
    assert list(found) == ["simulated-1", "simulated-2", "simulated-3"]
    for name, did in summary["workers"].items():
        share = found[name]
        assert (share["tasks"], share["boxes"]) == (did["tasks"], did["boxes"]) == (4, did["boxes"])
        assert share["compared"] == 4
        assert share["mean-iou"] > 0.8
        assert share["matched"] > 0.7
        assert share["found"] > 0.7
    status, out, _ = cli("workers", summary["job"]["name"], "--names")
    assert status == 0
    assert out.startswith("simulated-1: ")
    assert "on 4 photographs; median" in out
    assert cli("workers", "nothing")[0] == 5
