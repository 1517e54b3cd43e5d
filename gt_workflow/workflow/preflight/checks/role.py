"""Whether the execution role is there, trusted, and allowed what the job will do as that role."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from gt_workflow.core.access.findings import Finding, finding
from gt_workflow.core.access.iam import Need, execution_needs
from gt_workflow.core.access.policies import SAGEMAKER, may_admit, trusts
from gt_workflow.core.access.touched import Access
from gt_workflow.core.names import account_of
from gt_workflow.errors import NotFoundError, ServiceError
from gt_workflow.ports import Account, Denial, Identity
from gt_workflow.workflow.preflight.checks.asked import DENIED, Preflight, guarded, trouble

# What a service answers that has no simulator.
_UNABLE: Final = DENIED | {"InvalidAction", "UnknownOperationException", "NotImplemented"}


def role(asked: Preflight, account: Account, identity: Identity) -> Iterator[Finding]:
    """Look the role up, then have its permissions simulated."""
    named = asked.access.role_arn
    if not named:
        yield finding("GT301", "no execution role is named; the job runs as one")
        return
    owner = account_of(named)
    if owner not in {None, identity.account}:
        message = f"role {named} is of account {owner}, your credentials of {identity.account}"
        yield finding("GT304", message, account=identity.account)
        return
    arn = named if owner else f"arn:aws:iam::{identity.account}:role/{named}"
    try:
        found = account.role(named)
    except NotFoundError:
        name = named.rpartition("/")[2]
        yield finding("GT302", f"there is no role {name}", role=name)
        return
    except ServiceError as error:
        yield trouble(f"role {named}", error)
    else:
        if owner and found.arn != named:
            yield finding("GT305", f"role {named} is really {found.arn}", role=found.arn)
            return
        arn = found.arn
        if trusts(found.trust):
            yield finding("GT300", f"role {arn} is there, and SageMaker may take it on")
        else:
            yield finding("GT303", f"role {arn} does not trust {SAGEMAKER}", role=arn)
    access = replace(asked.access, role_arn=arn, account=identity.account)
    yield from guarded(f"permissions of role {arn}", _permissions(access, account))


def _permissions(access: Access, account: Account) -> Iterator[Finding]:
    lacking = 0
    # What every call of the job will carry; conditions on other keys stay open.
    context = {
        "aws:PrincipalAccount": access.account,
        "aws:PrincipalArn": access.role_arn,
        "aws:RequestedRegion": access.region,
        "aws:ResourceAccount": access.account,
        "aws:SecureTransport": "true",
        "iam:PassedToService": SAGEMAKER,
        "kms:ResourceAliases": access.output_kms_key or access.volume_kms_key or "none",
        "s3:ResourceAccount": access.account,
    }
    for need in execution_needs(access):
        for resource in need.resources:
            try:
                denied = account.denied(access.role_arn, need.actions, resource, context)
            except ServiceError as error:
                if error.code not in _UNABLE:
                    raise
                message = f"permissions of role {access.role_arn} cannot be simulated: {error}"
                yield finding("GT314", message)
                return
            if denied:
                lacking += 1
                yield _lack(access.role_arn, need, resource, denied, account)
    if not lacking:
        yield finding("GT310", f"role {access.role_arn} is allowed all that the job does")


def _lack(
    arn: str, need: Need, resource: str, denied: Mapping[str, Denial], account: Account
) -> Finding:
    """Tell a fault from what only looks like one: resources may let the role in themselves."""
    actions = ", ".join(denied)
    if set(denied.values()) == {"unsure"}:
        message = f"role {arn} is allowed {actions} on {resource} on conditions, or not at all"
        return finding("GT315", message, role=arn)
    if need.actions == ("iam:PassRole",):
        message = f"role {arn} may not pass itself to SageMaker, which automated labeling does"
        return finding("GT312", message, role=arn)
    message = f"role {arn} is not allowed {actions} on {resource}"
    look = _own_policy(resource, account)
    if look is not None and "explicit" not in denied.values():
        try:
            admits = may_admit(look(), arn)
        except ServiceError:
            admits = True
        if admits:
            message = f"role {arn} has {actions} on {resource} from the resource's policy, or not"
            return finding("GT313", message, resource=resource, role=arn)
    return finding("GT311", message, role=arn)


def _own_policy(resource: str, account: Account) -> Callable[[], Mapping[str, Any]] | None:
    """Return how to read the policy of a bucket or key; nothing else here has one."""
    service, place = resource.split(":")[2:3], resource.rpartition(":")[2]
    if service == ["s3"]:
        return lambda: account.bucket_policy(place.partition("/")[0])
    if service == ["kms"]:
        return lambda: account.key_policy(resource)
    return None
