"""The execution role, made once: an existing one is compared with what is needed, never changed.

The one exception is a role that an earlier run of this very stage left without its policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gt_workflow.core.access.iam import execution_policy, trust_policy
from gt_workflow.core.access.policies import SAGEMAKER, same_policy, trusts
from gt_workflow.core.access.touched import Access
from gt_workflow.errors import AlreadyExistsError, NotFoundError, UsageError
from gt_workflow.ports import Roles

POLICY_NAME: Final = "gt-workflow"
DESCRIPTION: Final = "Execution role of Ground Truth labeling jobs, made by gt_workflow"


@dataclass(frozen=True, slots=True)
class RolePlan:
    """The role to be there: its name, who may take it on, and what it may do."""

    name: str
    trust: Mapping[str, Any]
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RoleReceipt:
    """What was done: `created`, or `differences` between the role there is and the one planned."""

    arn: str
    created: bool
    differences: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        return {
            "arn": self.arn,
            "created": self.created,
            "differences": list(self.differences),
        }


def plan(access: Access) -> RolePlan:
    """Plan the role that a launch names; `UsageError` if it names none."""
    if not access.role_arn:
        raise UsageError("name the role to make: --role NAME")
    name = access.role_arn.rpartition("/")[2]
    return RolePlan(name, trust_policy(), execution_policy(access))


def run(planned: RolePlan, *, roles: Roles) -> RoleReceipt:
    """Create the role, or tell how the one of its name differs. Raises `ServiceError`."""
    try:
        arn = roles.create(planned.name, trust=planned.trust, description=DESCRIPTION)
    except AlreadyExistsError:
        return _existing(planned, roles)
    roles.put_policy(planned.name, POLICY_NAME, planned.policy)
    return RoleReceipt(arn, created=True)


def _existing(planned: RolePlan, roles: Roles) -> RoleReceipt:
    found = roles.role(planned.name)
    differences = []
    if not trusts(found.trust):
        differences.append(f"{SAGEMAKER} may not take it on")
    try:
        policy = roles.policy(planned.name, POLICY_NAME)
    except NotFoundError:
        if found.description == DESCRIPTION and not differences:
            roles.put_policy(planned.name, POLICY_NAME, planned.policy)
            return RoleReceipt(found.arn, created=True)
        differences.append(f"it has no inline policy {POLICY_NAME}; it may be allowed by others")
    else:
        if not same_policy(policy, planned.policy):
            differences += _differences(policy, planned.policy)
    return RoleReceipt(found.arn, created=False, differences=tuple(differences))


def _differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each statement that only one of two policies has."""
    for first, second, told in (
        (wanted, there, "its policy lacks"),
        (there, wanted, "its policy has besides"),
    ):
        others = [{"Statement": one} for one in _statements(second)]
        for one in _statements(first):
            if not any(same_policy({"Statement": one}, other) for other in others):
                yield f"{told} {json.dumps(one, ensure_ascii=False)}"


def _statements(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    statements = policy.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]
