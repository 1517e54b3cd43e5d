"""Work teams over boto3: an account's, whose members are Cognito users; and our own service's.

`CognitoTeams` follows the developer guide, "Create a Private Workforce Using the API" and "Manage
Workers": one private workforce in a region, on one user pool; a group of that pool for every
team; members are the group's users, named by their e-mail. `OwnTeams` asks our service for its
teams in the same way, while members are workers with personal links: no pool, no password.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from gt_workflow.adapters.aws import translated
from gt_workflow.adapters.userpool import UserPool
from gt_workflow.core.names import worker_name
from gt_workflow.errors import ServiceError, UsageError
from gt_workflow.ports import Clock, Invitation, Member, WorkTeam

_EMAIL = re.compile(r"[^\s@\"\\]+@[^\s@\"\\]+\.[^\s@\"\\]+")
_MAX_EMAIL = 128  # of a user's name in a pool
_WORKFORCE = "default"
_PAUSE = 5.0  # seconds between two looks at a workforce that is being made
_LOOKS = 120


class _Teams:
    """What both have in common: the teams themselves, as SageMaker's API lists them."""

    _scheme = "https"

    def __init__(self, sagemaker: Any) -> None:
        self._sagemaker = sagemaker

    @property
    def region(self) -> str:
        """The client's region."""
        return str(self._sagemaker.meta.region_name)

    def list(self) -> Iterator[WorkTeam]:
        """Yield the private teams over all pages."""
        for team in self._pages("list_workteams", "Workteams", SortBy="Name"):
            yield self._team(team)

    def subscribed(self) -> Iterator[WorkTeam]:
        """Yield the vendors' teams over all pages."""
        for team in self._pages("list_subscribed_workteams", "SubscribedWorkteams"):
            arn = str(team["WorkteamArn"])
            yield WorkTeam(
                name=arn.rpartition("/")[2],
                arn=arn,
                description=team.get("MarketplaceDescription", ""),
                title=team.get("MarketplaceTitle", ""),
                seller=team.get("SellerName", ""),
            )

    def find(self, name: str) -> WorkTeam | None:
        """Look the team up by its name; DescribeWorkteam has no error code of its own for none."""
        for team in self._pages("list_workteams", "Workteams", NameContains=name):
            if team["WorkteamName"] == name:
                return self._team(team)
        return None

    def workforce(self) -> str | None:
        """Return the name of the region's one private workforce."""
        found = self._workforce()
        return None if found is None else str(found["WorkforceName"])

    def _workforce(self) -> dict[str, Any] | None:
        for found in self._pages("list_workforces", "Workforces"):
            return found
        return None

    def _create(self, name: str, description: str, group: dict[str, str]) -> WorkTeam:
        with translated("CreateWorkteam"):
            self._sagemaker.create_workteam(
                WorkteamName=name,
                Description=description,
                MemberDefinitions=[{"CognitoMemberDefinition": group}],
            )
        with translated("DescribeWorkteam"):
            return self._team(self._sagemaker.describe_workteam(WorkteamName=name)["Workteam"])

    def _team(self, answer: dict[str, Any]) -> WorkTeam:
        """Read AWS's Workteam; a SubDomain has no scheme."""
        definitions = [one.get("CognitoMemberDefinition") for one in answer["MemberDefinitions"]]
        portal = answer.get("SubDomain")
        return WorkTeam(
            name=answer["WorkteamName"],
            arn=answer["WorkteamArn"],
            description=answer.get("Description", ""),
            portal=f"{self._scheme}://{portal}" if portal else "",
            groups=tuple((one["UserPool"], one["UserGroup"]) for one in definitions if one),
        )

    def _pages(self, operation: str, key: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield what a List operation returns, page after page."""
        with translated("".join(part.title() for part in operation.split("_"))):
            for page in self._sagemaker.get_paginator(operation).paginate(**filters):
                yield from page[key]


class CognitoTeams(_Teams):
    """`ports.WorkTeams` of an account."""

    def __init__(self, *, sagemaker: Any, cognito: Any, clock: Clock) -> None:
        """Take ready boto3 clients of one region: `sagemaker` and `cognito-idp`."""
        super().__init__(sagemaker)
        self._cognito = cognito
        self._clock = clock

    def check_member(self, name: str) -> None:
        """Refuse all but e-mail addresses: a new member is invited by e-mail."""
        if len(name) > _MAX_EMAIL or not _EMAIL.fullmatch(name):
            raise UsageError(f"{name!r} is no e-mail address; members are invited by e-mail")

    def members(self, team: WorkTeam) -> Iterator[Member]:
        """Yield the users of the team's groups."""
        found = {
            member.id: member
            for pool, group in team.groups
            for member in UserPool(self._cognito, pool).members(group)
        }
        yield from sorted(found.values(), key=lambda member: member.name)

    def create(self, name: str, *, description: str) -> WorkTeam:
        """Create what is missing: user pool, client, workforce, group, and last the team."""
        force = self._workforce()
        if force is not None and "CognitoConfig" not in force:
            raise UsageError(
                f"the workforce {force['WorkforceName']} signs in at an identity provider of its "
                "own (OIDC); create the team there and in the SageMaker console"
            )
        if force is None:
            pool, client = UserPool.make(self._cognito)
            with translated("CreateWorkforce"):
                self._sagemaker.create_workforce(
                    WorkforceName=_WORKFORCE,
                    CognitoConfig={"UserPool": pool.id, "ClientId": client},
                )
        else:
            config = force["CognitoConfig"]
            pool, client = UserPool(self._cognito, config["UserPool"]), config["ClientId"]
        portal = self._active()
        if portal:
            pool.let_in(client, portal)
        pool.make_group(name, description=description)
        group = {"UserPool": pool.id, "UserGroup": name, "ClientId": client}
        return self._create(name, description, group)

    def add(self, team: WorkTeam, member: str) -> Invitation:
        """Put a user into the team's first group; a user that is new gets Cognito's e-mail."""
        if not team.groups:
            raise _no_groups(team)
        pool, group = team.groups[0]
        UserPool(self._cognito, pool).add(member, group)
        return Invitation(member)

    def remove(self, team: WorkTeam, member: str) -> bool:
        """Take a user out of all groups of the team; the user stays in the pool."""
        if not team.groups:
            raise _no_groups(team)
        gone = [UserPool(self._cognito, pool).remove(member, group) for pool, group in team.groups]
        return any(gone)

    def _active(self) -> str:
        """Wait until the workforce can be used; return its portal's host."""
        for _ in range(_LOOKS):
            force = self._workforce() or {}
            status = force.get("Status", "Initializing")
            if status == "Active":
                return str(force.get("SubDomain", ""))
            if status in {"Failed", "Deleting"}:
                raise ServiceError(
                    f"the private workforce is {status}: {force.get('FailureReason', 'no reason')}",
                    operation="DescribeWorkforce",
                    code=status,
                )
            self._clock.sleep(_PAUSE)
        raise ServiceError(
            "the private workforce is still being made; run the same command again later",
            operation="DescribeWorkforce",
            code="Initializing",
        )


class Workers(Protocol):
    """What `OwnTeams` needs of our service's workers."""

    def add(self, name: str, *, team_arns: Iterable[str] = ()) -> str:
        """Make sure that a worker is in these teams; return the worker's id."""
        ...

    def leave(self, name: str, team_arn: str) -> bool:
        """Take a worker out of a team."""
        ...

    def invite_once(self, name: str) -> str:
        """Return a new token."""
        ...

    def list(self) -> Any:
        """Return all workers, each with `id`, `name` and `teams`."""
        ...


class OwnTeams(_Teams):
    """`ports.WorkTeams` of our own service; adding a member makes a personal link."""

    _scheme = "http"

    def __init__(self, *, sagemaker: Any, workers: Workers, address: str) -> None:
        """Take a ready client and the service's workers; `address` is http://host:port."""
        super().__init__(sagemaker)
        self._workers = workers
        self._address = address

    def check_member(self, name: str) -> None:
        """Refuse what the service would refuse: a name is 1 to 64 printable characters."""
        worker_name(name)

    def members(self, team: WorkTeam) -> Iterator[Member]:
        """Yield the workers of a team."""
        for worker in self._workers.list():
            if team.arn in worker.teams:
                yield Member(name=worker.name, id=worker.id)

    def create(self, name: str, *, description: str) -> WorkTeam:
        """Create a team; its Cognito group stands for this service's own workers."""
        group = {"UserPool": f"{self.region}_local", "UserGroup": name, "ClientId": "local"}
        return self._create(name, description, group)

    def add(self, team: WorkTeam, member: str) -> Invitation:
        """Add a worker and make a link; earlier links stay good."""
        self._workers.add(member, team_arns=[team.arn])
        once = self._workers.invite_once(member)
        return Invitation(member, page=f"{self._address}/_/#invite={once}")

    def remove(self, team: WorkTeam, member: str) -> bool:
        """Take a worker out of the team; links stay good for other teams."""
        return self._workers.leave(member, team.arn)


def _no_groups(team: WorkTeam) -> UsageError:
    return UsageError(
        f"the members of {team.name} are kept by an identity provider of its own (OIDC); "
        "change them there"
    )
