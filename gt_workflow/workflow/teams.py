"""Work teams: which one is meant, and what a change to one will do, told before it is done.

A name stands for one's own team first, then for a vendor's Marketplace title: exactly as written,
else the only title that differs in capitals alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gt_workflow.core.names import public_workteam_arn, region_of, workforce
from gt_workflow.errors import AlreadyExistsError, UsageError
from gt_workflow.ports import Invitation, WorkTeam, WorkTeams

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", re.ASCII)
_MAX_NAME = 63
_MAX_DESCRIPTION = 200


def resolve(wanted: str, *, teams: WorkTeams) -> str:
    """Return the ARN of the work team that is meant by a name, an ARN or a vendor's title.

    `public` means the public workforce, unless a team of one's own has that name; whether it may
    be used is for the request's checks to say. `UsageError`, with the teams there are, if no team
    or more than one is meant.
    """
    if not wanted.strip():
        raise UsageError(f"name the work team that labels (aws.workteam); {_known(teams)}")
    if wanted.startswith("arn:"):
        return _by_arn(wanted, teams)
    own = teams.find(wanted) if _is_name(wanted) else None
    if own is not None:
        return own.arn
    vendors = list(teams.subscribed())
    exact = [team for team in vendors if team.title == wanted]
    alike = exact or [team for team in vendors if team.title.casefold() == wanted.casefold()]
    if len(alike) == 1:
        return alike[0].arn
    if alike:
        choices = ", ".join(f"{team.title!r} ({team.arn})" for team in alike)
        raise UsageError(
            f"{wanted!r} is the title of several vendors' teams, name an ARN: {choices}"
        )
    if wanted == "public":
        return public_workteam_arn(teams.region)
    raise UsageError(f"there is no work team {wanted!r} in {teams.region}; {_known(teams)}")


def team_of(name: str, *, teams: WorkTeams) -> WorkTeam:
    """Return one's own team of a name or an ARN; `UsageError` lists those there are."""
    short = name.rpartition("/")[2] if name.startswith("arn:") else name
    team = teams.find(short) if _is_name(short) else None
    if team is None or (name.startswith("arn:") and team.arn != name):
        raise UsageError(
            f"there is no work team of your own {name!r} in {teams.region}; {_known(teams)}"
        )
    return team


@dataclass(frozen=True, slots=True)
class TeamPlan:
    """What a change will do; `team` is None if it is to be created with this `description`.

    `workforce` tells that the region has no private workforce yet and gets one with the team.
    """

    name: str
    team: WorkTeam | None
    description: str = ""
    workforce: bool = False
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    already: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what `--dry-run --json` prints."""
        return {
            "team": self.name,
            "creates": self.team is None,
            "creates-workforce": self.workforce,
            "adds": list(self.add),
            "removes": list(self.remove),
            "already": list(self.already),
        }


@dataclass(frozen=True, slots=True)
class TeamReceipt:
    """What was done: who was added, how they come in, and who was taken out or was not there."""

    team: WorkTeam
    created: bool
    added: tuple[Invitation, ...] = ()
    removed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "team": self.team.name,
            "arn": self.team.arn,
            "created": self.created,
            "portal": self.team.portal or None,
            "added": [{"member": one.member, "page": one.page or None} for one in self.added],
            "removed": list(self.removed),
            "absent": list(self.absent),
        }


def plan_create(
    name: str, *, description: str, members: Sequence[str], teams: WorkTeams
) -> TeamPlan:
    """Plan a new team; `UsageError` for a name or member that cannot be, or a taken name."""
    if not _is_name(name):
        raise UsageError(f"{name!r} is no team's name; use 1 to 63 letters, digits, inner hyphens")
    text = description or f"{name}, who draw boxes"
    if len(text) > _MAX_DESCRIPTION or not text.isprintable():
        raise UsageError(f"describe the team in 1 to {_MAX_DESCRIPTION} characters on one line")
    if teams.find(name) is not None:
        raise UsageError(
            f"there is a work team {name} already; add members with: teams add {name} MEMBER"
        )
    return TeamPlan(
        name=name,
        team=None,
        description=text,
        workforce=teams.workforce() is None,
        add=_checked(members, teams),
    )


def plan_add(name: str, *, members: Sequence[str], teams: WorkTeams) -> TeamPlan:
    """Plan to let people into a team; who is in it already is invited again, and said so."""
    team = team_of(name, teams=teams)
    wanted = _checked(members, teams)
    there = {member.name.casefold() for member in teams.members(team)}
    return TeamPlan(
        name=team.name,
        team=team,
        add=wanted,
        already=tuple(one for one in wanted if one.casefold() in there),
    )


def plan_remove(name: str, *, members: Sequence[str], teams: WorkTeams) -> TeamPlan:
    """Plan to take people out of a team."""
    team = team_of(name, teams=teams)
    if not members:
        raise UsageError("name the members to be taken out")
    return TeamPlan(name=team.name, team=team, remove=tuple(dict.fromkeys(members)))


def run(planned: TeamPlan, *, teams: WorkTeams) -> TeamReceipt:
    """Carry a change out; what is there already stays, so a broken run may be run again."""
    team, created = planned.team, False
    if team is None:
        team, created = _create(planned, teams)
    added = tuple(teams.add(team, member) for member in planned.add)
    gone = {member: teams.remove(team, member) for member in planned.remove}
    return TeamReceipt(
        team=team,
        created=created,
        added=added,
        removed=tuple(member for member, was in gone.items() if was),
        absent=tuple(member for member, was in gone.items() if not was),
    )


def _create(planned: TeamPlan, teams: WorkTeams) -> tuple[WorkTeam, bool]:
    """Create the team; one that came to be since the plan was made is another's, unless it is ours.

    A call that AWS carried out and whose answer was lost is tried again by the SDK and then meets
    its own team: that has this very description.
    """
    try:
        return teams.create(planned.name, description=planned.description), True
    except AlreadyExistsError:
        there = teams.find(planned.name)
        if there is None or there.description != planned.description:
            raise
        return there, True


def _by_arn(arn: str, teams: WorkTeams) -> str:
    """Return the ARN if there is such a team in the region."""
    force = workforce(arn)
    here = region_of(arn)
    if here != teams.region:
        raise UsageError(
            f"the work team {arn} is in {here}, but the job would be in {teams.region}"
        )
    if force == "public":
        return arn
    if force == "private":
        return team_of(arn, teams=teams).arn
    if all(team.arn != arn for team in teams.subscribed()):
        raise UsageError(
            f"the account has no subscription to the vendor's team {arn}; {_known(teams)}"
        )
    return arn


def _known(teams: WorkTeams) -> str:
    """Say which teams there are."""
    own = ", ".join(team.name for team in teams.list())
    vendors = ", ".join(repr(team.title or team.arn) for team in teams.subscribed())
    if not own and not vendors:
        return "there are none yet: make one with `teams create NAME`"
    known = [f"your teams: {own}"] if own else []
    if vendors:
        known.append(f"vendors' teams: {vendors}")
    return "; ".join(known)


def _checked(members: Sequence[str], teams: WorkTeams) -> tuple[str, ...]:
    """Drop repetitions; refuse a bad name before anything is created."""
    wanted = tuple(dict.fromkeys(member.strip() for member in members))
    for member in wanted:
        teams.check_member(member)
    return wanted


def _is_name(text: str) -> bool:
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None
