"""Work teams, as SageMaker's API keeps them: 25 at most in a region.

Who is in a team is `workers.py`'s business: the Cognito or OIDC groups of a team are kept and told
back, nobody is looked up there. Refusals use AWS's codes and, where they are known, the first words
of its messages ("The work team ...", "No workforce found ..."): other programs look for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from gt_workflow.ports import Clock
from gt_workflow.service.faults import in_use, invalid, limit_exceeded
from gt_workflow.service.sagemaker import tags
from gt_workflow.service.sagemaker.arns import workteam_arn
from gt_workflow.service.sagemaker.registry import Registry, instant, without
from gt_workflow.service.sagemaker.workforces import Workforces
from gt_workflow.service.store import Store, jobs, worker_teams, workteams

DEFAULT_NAME = "default"
TEAM_LIMIT = 25
_UNFINISHED = ("Initializing", "InProgress", "Stopping")

Answer = dict[str, Any]
Parameters = Mapping[str, Any]


class Teams:
    """The operations on work teams; `workforces` and `tags` have those on the others."""

    def __init__(self, *, store: Store, clock: Clock, sub_domain: str = "localhost") -> None:
        """`sub_domain` is the worker portal's host, port and path, as AWS's SubDomain."""
        self.workforces = Workforces(store=store, clock=clock, sub_domain=sub_domain)
        self.tags = tags.Tags(store=store)
        self._store = store
        self._rows = Registry(workteams, clock=clock)
        self._sub_domain = sub_domain

    def ensure_default(self, region: str) -> str:
        """Make sure of a workforce and of the work team `default`; return the team's ARN."""
        with self._store.write() as connection:
            if self._rows.find(connection, region, DEFAULT_NAME) is None:
                # A Cognito group of the form AWS asks for; it stands for this service's workers.
                group = {
                    "UserPool": f"{region}_local",
                    "UserGroup": DEFAULT_NAME,
                    "ClientId": "local",
                }
                self._add(
                    connection,
                    region,
                    {
                        "WorkteamName": DEFAULT_NAME,
                        "MemberDefinitions": [{"CognitoMemberDefinition": group}],
                        "Description": "The work team that is there from the beginning",
                    },
                )
        return workteam_arn(region, DEFAULT_NAME)

    def exists(self, region: str, arn: str) -> bool:
        """Tell whether a work team is one of this region's."""
        columns = workteams.c
        with self._store.read() as connection:
            found = select(columns.arn).where(columns.arn == arn, columns.region == region)
            return connection.execute(found).first() is not None

    def create(self, region: str, parameters: Parameters) -> Answer:
        """CreateWorkteam; the first team of a region brings the workforce `default` with it."""
        _check_members(parameters["MemberDefinitions"])
        with self._store.write() as connection:
            name = parameters["WorkteamName"]
            if self._rows.find(connection, region, name) is not None:
                raise in_use(f"The work team {workteam_arn(region, name)} already exists.")
            if self._rows.count(connection, region) >= TEAM_LIMIT:
                raise limit_exceeded(
                    f"There are already {TEAM_LIMIT} work teams in {region}, which is the limit."
                )
            arn = self._add(connection, region, parameters)
            tags.put(connection, arn, parameters.get("Tags", ()))
        return {"WorkteamArn": arn}

    def describe(self, region: str, parameters: Parameters) -> Answer:
        """DescribeWorkteam."""
        with self._store.read() as connection:
            row = self._known(connection, region, parameters["WorkteamName"])
            return {"Workteam": self._answer(row)}

    def update(self, region: str, parameters: Parameters) -> Answer:
        """UpdateWorkteam; what is not named stays as it is."""
        _check_members(parameters.get("MemberDefinitions", ()))
        with self._store.write() as connection:
            row = self._known(connection, region, parameters["WorkteamName"])
            self._rows.change(connection, row, without(parameters, "WorkteamName"))
            return {"Workteam": self._answer(self._known(connection, region, row.name))}

    def delete(self, region: str, parameters: Parameters) -> Answer:
        """DeleteWorkteam; refused while a labeling job of the team is unfinished."""
        with self._store.write() as connection:
            arn = self._known(connection, region, parameters["WorkteamName"]).arn
            busy = select(jobs.c.name).where(
                jobs.c.workteam_arn == arn, jobs.c.status.in_(_UNFINISHED)
            )
            job = connection.execute(busy.order_by(jobs.c.id).limit(1)).scalar_one_or_none()
            if job is not None:
                raise in_use(
                    f"The work team {arn} is in use by the labeling job {job}. Stop the job, or "
                    "wait until it is done."
                )
            # A later team of the same name must not inherit the members.
            connection.execute(delete(worker_teams).where(worker_teams.c.workteam_arn == arn))
            self._rows.remove(connection, arn)
        return {"Success": True}

    def list(self, region: str, parameters: Parameters) -> list[Answer]:
        """Return all teams that ListWorkteams asks for, in its order; the caller cuts pages."""
        with self._store.read() as connection:
            return [self._answer(row) for row in self._rows.listed(connection, region, parameters)]

    def _add(self, connection: Connection, region: str, parameters: Parameters) -> str:
        """Write a new team, and its workforce if the region has none yet."""
        arn = workteam_arn(region, parameters["WorkteamName"])
        workforce = self.workforces.arn_for_team(
            connection,
            region,
            parameters.get("WorkforceName"),
            config=_provider(parameters["MemberDefinitions"]),
        )
        self._rows.add(
            connection,
            arn=arn,
            region=region,
            name=parameters["WorkteamName"],
            workforce_arn=workforce,
            config=without(parameters, "WorkteamName", "WorkforceName", "Tags"),
        )
        return arn

    def _known(self, connection: Connection, region: str, name: str) -> Row[Any]:
        row = self._rows.find(connection, region, name)
        if row is None:
            raise invalid(f"The work team {workteam_arn(region, name)} does not exist.")
        return row

    def _answer(self, row: Row[Any]) -> Answer:
        """Return AWS's Workteam."""
        return {
            "WorkteamName": row.name,
            "WorkteamArn": row.arn,
            "WorkforceArn": row.workforce_arn,
            "ProductListingIds": [],
            "SubDomain": self._sub_domain,
            "CreateDate": instant(row.created),
            "LastUpdatedDate": instant(row.modified),
            **json.loads(row.config),
        }


def _provider(members: Sequence[Parameters]) -> Answer | None:
    """Return the identity provider of a workforce made for a team with these members."""
    for member in members:
        if "CognitoMemberDefinition" in member:
            return {"CognitoConfig": without(member["CognitoMemberDefinition"], "UserGroup")}
    return None


def _check_members(members: Sequence[Parameters]) -> None:
    """Apply the rules on MemberDefinitions that the shapes do not state."""
    for member in members:
        if len(member) != 1:
            raise invalid(
                "Each member definition must have exactly one of CognitoMemberDefinition and "
                "OidcMemberDefinition."
            )
    pools = {
        (group["UserPool"], group["ClientId"])
        for member in members
        if (group := member.get("CognitoMemberDefinition"))
    }
    if len({kind for member in members for kind in member}) > 1 or len(pools) > 1:
        raise invalid(
            "All member definitions of a work team must be of one kind, with the same UserPool "
            "and the same ClientId."
        )
