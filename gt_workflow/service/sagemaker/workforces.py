"""Workforces, as SageMaker's API keeps them: one private workforce in each region.

A workforce's client secret is not kept at all, and its VPC is told back but changes nothing here.
Its `SourceIpConfig` is kept and asked through `admits`: an address outside gets no portal.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select

from gt_workflow.ports import Clock
from gt_workflow.service.faults import in_use, invalid, limit_exceeded
from gt_workflow.service.sagemaker import tags
from gt_workflow.service.sagemaker.arns import workforce_arn
from gt_workflow.service.sagemaker.registry import Registry, instant, without
from gt_workflow.service.store import Store, workforces, workteams

DEFAULT_NAME = "default"
CIDR_LIMIT = 10

Answer = dict[str, Any]
Parameters = Mapping[str, Any]


class Workforces:
    """The operations on workforces; parameters are already of AWS's shape."""

    def __init__(self, *, store: Store, clock: Clock, sub_domain: str) -> None:
        """`sub_domain` is the worker portal's host, port and path, as AWS's SubDomain."""
        self._store = store
        self._rows = Registry(workforces, clock=clock)
        self._teams = Registry(workteams, clock=clock)
        self._sub_domain = sub_domain
        self._networks: list[list[str]] | None = None

    def admits(self, address: str) -> bool:
        """Tell whether workers may come from an IP address: each workforce may restrict them.

        With several regions, an address that one of their workforces admits may enter.
        """
        if self._networks is None:
            with self._store.read() as connection:
                self._networks = [
                    json.loads(config).get("SourceIpConfig", {}).get("Cidrs", [])
                    for config in connection.execute(select(workforces.c.config)).scalars()
                ]
        networks = self._networks
        if not networks or not all(networks):
            return True
        own = ipaddress.ip_address(address)
        return any(
            own in ipaddress.ip_network(cidr, strict=False) for cidrs in networks for cidr in cidrs
        )

    def create(self, region: str, parameters: Parameters) -> Answer:
        """CreateWorkforce; a second one in a region is refused."""
        if ("CognitoConfig" in parameters) == ("OidcConfig" in parameters):
            raise invalid("Specify exactly one of CognitoConfig and OidcConfig.")
        _check_cidrs(parameters)
        with self._store.write() as connection:
            if self._rows.count(connection, region):
                raise limit_exceeded(
                    f"There is already a workforce in {region}, and a region has one at most. "
                    "Delete it with DeleteWorkforce first."
                )
            config = without(parameters, "WorkforceName", "Tags")
            arn = self._add(connection, region, parameters["WorkforceName"], config)
            tags.put(connection, arn, parameters.get("Tags", ()))
        return {"WorkforceArn": arn}

    def describe(self, region: str, parameters: Parameters) -> Answer:
        """DescribeWorkforce."""
        with self._store.read() as connection:
            row = self._known(connection, region, parameters["WorkforceName"])
            return {"Workforce": self._answer(row)}

    def update(self, region: str, parameters: Parameters) -> Answer:
        """UpdateWorkforce; the identity provider only while there are no teams."""
        _check_cidrs(parameters)
        with self._store.write() as connection:
            row = self._known(connection, region, parameters["WorkforceName"])
            if "OidcConfig" in parameters and self._teams.count(connection, region):
                raise in_use(
                    f"The workforce {row.arn} has work teams. Delete them before you change its "
                    "OIDC configuration."
                )
            self._rows.change(connection, row, _secretless(without(parameters, "WorkforceName")))
            answer = self._answer(self._known(connection, region, row.name))
        self._networks = None
        return {"Workforce": answer}

    def delete(self, region: str, parameters: Parameters) -> Answer:
        """DeleteWorkforce; refused while it has work teams."""
        with self._store.write() as connection:
            arn = self._known(connection, region, parameters["WorkforceName"]).arn
            if self._teams.count(connection, region):
                raise in_use(
                    f"The workforce {arn} has work teams. Delete them with DeleteWorkteam first."
                )
            self._rows.remove(connection, arn)
        self._networks = None
        return {}

    def list(self, region: str, parameters: Parameters) -> list[Answer]:
        """Return all that ListWorkforces asks for: one at most."""
        with self._store.read() as connection:
            return [self._answer(row) for row in self._rows.listed(connection, region, parameters)]

    def arn_for_team(
        self, connection: Connection, region: str, name: str | None, *, config: Answer | None
    ) -> str:
        """Return the named workforce, else the region's only one, else a new `default`.

        `config` is what a new one would be made of, if it can be made of the team's members.
        """
        if name is not None:
            return str(self._known(connection, region, name).arn)
        for row in self._rows.listed(connection, region, {}):
            return str(row.arn)
        if config is None:
            raise invalid(f"There is no workforce in {region} yet: use CreateWorkforce first.")
        return self._add(connection, region, DEFAULT_NAME, config)

    def _add(self, connection: Connection, region: str, name: str, config: Answer) -> str:
        arn = workforce_arn(region, name)
        self._rows.add(connection, arn=arn, region=region, name=name, config=_secretless(config))
        self._networks = None
        return arn

    def _known(self, connection: Connection, region: str, name: str) -> Row[Any]:
        row = self._rows.find(connection, region, name)
        if row is None:
            raise invalid(f"No workforce found with the name {name} in {region}.")
        return row

    def _answer(self, row: Row[Any]) -> Answer:
        """Return AWS's Workforce."""
        return {
            "WorkforceName": row.name,
            "WorkforceArn": row.arn,
            "SubDomain": self._sub_domain,
            "Status": "Active",
            "IpAddressType": "ipv4",
            "CreateDate": instant(row.created),
            "LastUpdatedDate": instant(row.modified),
            **json.loads(row.config),
        }


def _secretless(config: Answer) -> Answer:
    """Drop what no answer shows."""
    if "OidcConfig" not in config:
        return config
    return config | {"OidcConfig": without(config["OidcConfig"], "ClientSecret")}


def _check_cidrs(parameters: Parameters) -> None:
    """Apply AWS's limit on an allow list, which the shapes do not state."""
    cidrs = parameters.get("SourceIpConfig", {}).get("Cidrs", ())
    if len(cidrs) > CIDR_LIMIT:
        raise invalid(f"SourceIpConfig can have {CIDR_LIMIT} CIDRs at most; got {len(cidrs)}.")
    for cidr in cidrs:
        try:
            ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            raise invalid(f"The CIDR {cidr} is not an IP address range.") from None
