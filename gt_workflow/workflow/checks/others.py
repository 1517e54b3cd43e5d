"""The work team, the KMS keys and the names: there, in the region, of the right kind, free."""

from __future__ import annotations

from collections.abc import Iterator

from gt_workflow.core.findings import Finding, finding
from gt_workflow.core.names import account_of, region_of, workforce
from gt_workflow.errors import NotFoundError, ServiceError, UsageError
from gt_workflow.ports import Account, Identity
from gt_workflow.workflow.checks.asked import Preflight, guarded


def workteam(asked: Preflight, account: Account, identity: Identity) -> Iterator[Finding]:
    """Look at the work team; its ARN tells whose workers it has."""
    arn, region = asked.access.workteam_arn, asked.access.region
    if not arn:
        yield finding("GT401", "no work team is named; somebody has to label")
        return
    try:
        force = workforce(arn)
    except UsageError as error:
        yield finding("GT404", str(error), region=region, account=identity.account)
        return
    there = region_of(arn) or ""
    if there != region:
        message = f"work team {arn} is in {there}, but the job would be in {region}"
        yield finding("GT403", message, region=region, there=there)
        return
    if force == "public":
        code = "GT408" if asked.public_anyway else "GT406"
        yield finding(code, f"{arn} is the public workforce, which closed on 2026-09-30")
        return
    if force == "private" and account_of(arn) != identity.account:
        own = arn.replace(f":{account_of(arn)}:", f":{identity.account}:")
        message = f"work team {arn} is not one of your account {identity.account}"
        yield finding("GT407", message, found=own)
        return
    try:
        found = account.workteam(arn)
    except NotFoundError:
        code = "GT402" if force == "private" else "GT405"
        yield finding(code, f"there is no {force} work team {arn}")
        return
    if found != arn:
        yield finding("GT407", f"work team {arn} is really {found}", found=found)
    else:
        yield finding("GT400", f"work team {arn} is there: {force} workers")


def keys(asked: Preflight, account: Account) -> Iterator[Finding]:
    """Look at the keys for the output and for the volumes of automated labeling."""
    access = asked.access
    for use, key in (("output", access.output_kms_key), ("volume", access.volume_kms_key)):
        if key:
            what = f"KMS key {key} ({use})"
            yield from guarded(what, _key(what, key, access.region, account))
    if access.volume_kms_key and not access.auto_label:
        yield finding("GT505", "a volume key is only for automated labeling, which is off")


def _key(what: str, key: str, region: str, account: Account) -> Iterator[Finding]:
    there = region_of(key)
    if there not in {None, region}:
        message = f"{what} is in {there}, but the job would be in {region}"
        yield finding("GT503", message, region=region)
        return
    try:
        found = account.key(key)
    except NotFoundError:
        yield finding("GT501", f"{what} does not exist in {region}", region=region)
        return
    except ServiceError as error:
        if error.code not in {"InvalidArnException", "ValidationException"}:
            raise
        yield finding("GT501", f"{what} is no key: {error.reason}", region=region)
        return
    state = found.get("KeyState", "Enabled")
    if state != "Enabled":
        yield finding("GT502", f"{what} is {state}", key=found.get("KeyId", key))
    elif (
        found.get("KeyUsage", "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT"
        or found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT"
    ):
        message = f"{what} is for {found.get('KeyUsage')} with {found.get('KeySpec')}"
        yield finding("GT504", message)
    else:
        yield finding("GT500", f"{what} is enabled")


def name(wanted: str, account: Account) -> Iterator[Finding]:
    """Ask whether a job has the name already."""
    if account.has_job(wanted):
        yield finding("GT601", f"there is a labeling job {wanted} already")
    else:
        yield finding("GT600", f"no labeling job is called {wanted}")
