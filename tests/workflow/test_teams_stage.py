"""Which work team is meant, and what a change to one will do."""

from __future__ import annotations

import pytest

from gt_workflow.core.names import private_workteam_arn
from gt_workflow.errors import AlreadyExistsError, UsageError
from gt_workflow.ports import Invitation, Member, WorkTeam
from gt_workflow.workflow import teams as stage

REGION = "us-west-2"
ACCOUNT = "123456789012"
VENDOR = f"arn:aws:sagemaker:{REGION}:111122223333:workteam/vendor-crowd"


def own(name, **members):
    return WorkTeam(name, private_workteam_arn(REGION, ACCOUNT, name), **members)


def vendor(name, title):
    return WorkTeam(name, f"{VENDOR}/{name}", title=title)


class Teams:
    """Work teams in a dict."""

    region = REGION

    def __init__(self, *teams, vendors=(), force="default"):
        self.teams = {team.name: team for team in teams}
        self.people = {team.name: [] for team in teams}
        self.vendors = vendors
        self.force = force
        self.lost_answer = False

    def list(self):
        return iter(self.teams.values())

    def subscribed(self):
        return iter(self.vendors)

    def find(self, name):
        return self.teams.get(name)

    def workforce(self):
        return self.force

    def check_member(self, name):
        if "@" not in name:
            raise UsageError(f"{name} is no e-mail address")

    def members(self, team):
        return (Member(name, id=name) for name in self.people[team.name])

    def create(self, name, *, description):
        self.teams[name] = own(name, description=description)
        self.people[name] = []
        self.force = self.force or "default"
        if self.lost_answer:
            raise AlreadyExistsError("taken", operation="CreateWorkteam", code="ResourceInUse")
        return self.teams[name]

    def add(self, team, member):
        self.people[team.name].append(member)
        return Invitation(member)

    def remove(self, team, member):
        if member not in self.people[team.name]:
            return False
        self.people[team.name].remove(member)
        return True


TEAMS = Teams(
    own("night-shift"),
    own("day"),
    vendors=[vendor("a1", "Boxes Inc"), vendor("b2", "boxes inc"), vendor("c3", "Good Labels")],
)


@pytest.mark.parametrize(
    ("wanted", "arn"),
    [
        ("night-shift", own("night-shift").arn),
        (own("day").arn, own("day").arn),
        ("Boxes Inc", f"{VENDOR}/a1"),
        ("boxes inc", f"{VENDOR}/b2"),
        ("good labels", f"{VENDOR}/c3"),
        (f"{VENDOR}/c3", f"{VENDOR}/c3"),
        ("public", f"arn:aws:sagemaker:{REGION}:394669845002:workteam/public-crowd/default"),
    ],
)
def test_a_team_is_known_by_name_arn_or_title(wanted, arn):
    assert stage.resolve(wanted, teams=TEAMS) == arn


def test_ones_own_team_comes_before_a_title_and_before_the_public():
    teams = Teams(own("boxes"), own("public"), vendors=[vendor("a", "boxes")])
    assert stage.resolve("boxes", teams=teams) == own("boxes").arn
    assert stage.resolve("public", teams=teams) == own("public").arn


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("", "name the work team"),
        ("nobody", "no work team 'nobody' in us-west-2; your teams: night-shift, day; vend"),
        ("BOXES INC", "title of several vendors' teams"),
        ("arn:aws:sagemaker:us-west-2:123456789012:team/x", "is no work team"),
        (private_workteam_arn("eu-west-1", ACCOUNT, "day"), "is in eu-west-1"),
        (private_workteam_arn(REGION, "999988887777", "day"), "no work team of your own"),
        (private_workteam_arn(REGION, ACCOUNT, "gone"), "no work team of your own"),
        (f"{VENDOR}/zz", "no subscription"),
    ],
)
def test_a_team_that_is_not_there_is_told_with_those_that_are(wanted, message):
    with pytest.raises(UsageError, match=message):
        stage.resolve(wanted, teams=TEAMS)


def test_an_ambiguous_title_lists_the_arns():
    with pytest.raises(UsageError, match=rf"{VENDOR}/a1.*{VENDOR}/b2"):
        stage.resolve("BOXES inc", teams=TEAMS)


def test_without_any_team_it_is_said_how_to_make_one():
    with pytest.raises(UsageError, match="teams create NAME"):
        stage.resolve("day", teams=Teams())


def test_creating_a_team_is_planned_before_anything_is_done():
    teams = Teams(force=None)
    planned = stage.plan_create(
        "day", description="", members=["a@b.org", "a@b.org", "c@d.org"], teams=teams
    )
    assert planned.to_dict() == {
        "team": "day",
        "creates": True,
        "creates-workforce": True,
        "adds": ["a@b.org", "c@d.org"],
        "removes": [],
        "already": [],
    }
    assert not teams.teams
    done = stage.run(planned, teams=teams)
    assert done.created
    assert teams.people == {"day": ["a@b.org", "c@d.org"]}
    assert done.to_dict()["arn"] == own("day").arn


@pytest.mark.parametrize(
    ("name", "description", "members", "message"),
    [
        ("night shift", "", [], "no team's name"),
        ("a" * 64, "", [], "no team's name"),
        ("day", "", [], "already"),
        ("new", "two\nlines", [], "describe"),
        ("new", "x" * 201, [], "describe"),
        ("new", "", ["ada"], "no e-mail"),
    ],
)
def test_a_team_that_cannot_be_is_refused_before_anything_is_done(
    name, description, members, message
):
    with pytest.raises(UsageError, match=message):
        stage.plan_create(name, description=description, members=members, teams=TEAMS)


def test_a_team_whose_creation_was_answered_and_the_answer_lost_is_taken_as_made():
    teams = Teams()
    planned = stage.plan_create("day", description="By day", members=["a@b.org"], teams=teams)
    teams.lost_answer = True
    done = stage.run(planned, teams=teams)
    assert done.created
    assert teams.people == {"day": ["a@b.org"]}


def test_a_team_that_another_made_meanwhile_is_not_taken():
    teams = Teams()
    planned = stage.plan_create("day", description="By day", members=["a@b.org"], teams=teams)

    class Theirs(Teams):
        def create(self, name, *, description):  # noqa: ARG002 - the other's counts
            raise AlreadyExistsError("taken", operation="CreateWorkteam", code="ResourceInUse")

    with pytest.raises(AlreadyExistsError):
        stage.run(planned, teams=Theirs(own("day", description="Of somebody else")))


def test_members_are_added_and_removed():
    teams = Teams(own("day"))
    stage.run(stage.plan_add("day", members=["a@b.org", "c@d.org"], teams=teams), teams=teams)
    again = stage.plan_add(own("day").arn, members=["A@b.org"], teams=teams)
    assert again.already == ("A@b.org",)
    done = stage.run(
        stage.plan_remove("day", members=["c@d.org", "x@y.org"], teams=teams), teams=teams
    )
    assert (done.removed, done.absent) == (("c@d.org",), ("x@y.org",))
    assert teams.people == {"day": ["a@b.org"]}
    with pytest.raises(UsageError, match="name the members"):
        stage.plan_remove("day", members=[], teams=teams)
    with pytest.raises(UsageError, match="no work team of your own"):
        stage.plan_add("night", members=["a@b.org"], teams=teams)
