"""IAM policies as documents: built in one way, compared, and asked whom they let in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gt_workflow.core.problems import member

SAGEMAKER: Final = "sagemaker.amazonaws.com"

_VERSION: Final = "2012-10-17"

Policy = dict[str, Any]


def document(statements: Sequence[Policy]) -> Policy:
    """Return a policy of these statements; one that names no resource says nothing, and goes."""
    return {
        "Version": _VERSION,
        "Statement": [one for one in statements if one.get("Resource") != []],
    }


def statement(
    name: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: Mapping[str, Any] | None = None,
) -> Policy:
    """Allow actions on resources, where the condition holds."""
    return {
        "Sid": name,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
        **({"Condition": dict(condition)} if condition else {}),
    }


def trusts(policy: Mapping[str, Any], service: str = SAGEMAKER) -> bool:
    """Tell whether a trust policy lets a service take the role on.

    A condition on an allowance is taken to hold, one on a denial not to.
    """
    effects = {
        one.get("Effect")
        for one in _many(policy.get("Statement"))
        if service in _many(member(one, "Principal.Service"))
        and {"sts:AssumeRole", "sts:*", "*"} & {*_many(one.get("Action"))}
        and not (one.get("Effect") == "Deny" and "Condition" in one)
    }
    return effects == {"Allow"}


def may_admit(policy: Mapping[str, Any], role_arn: str) -> bool:
    """Tell whether a bucket's or key's own policy speaks of this role, so that it may let it in.

    A key's usual policy, which names the account and leaves the rest to IAM, does not.
    """
    for one in _many(policy.get("Statement")):
        principals = one.get("Principal")
        named = principals.get("AWS") if isinstance(principals, Mapping) else principals
        if one.get("Effect") == "Allow" and {role_arn, "*"} & {*_many(named)}:
            return True
    return False


def same_policy(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Tell whether two policies say the same, whatever the order and the way of writing."""
    return _canonical(first) == _canonical(second)


def _many(value: Any) -> list[Any]:
    """IAM writes one of a thing bare and several as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _canonical(policy: Mapping[str, Any]) -> list[str]:
    return sorted(
        json.dumps(
            {
                key: sorted(map(str, _many(value))) if key in {"Action", "Resource"} else value
                for key, value in one.items()
                if key != "Sid"
            },
            sort_keys=True,
        )
        for one in _many(policy.get("Statement"))
    )
