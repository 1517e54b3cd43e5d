"""The work team, the KMS keys and the names: there, in the region, of the right kind, free."""

from __future__ import annotations

from collections.abc import Iterator

from gt_workflow.core.access.findings import Finding, finding
from gt_workflow.core.names import account_of, region_of, workforce
from gt_workflow.errors import NotFoundError, ServiceError, UsageError
from gt_workflow.ports import Account, Identity
from gt_workflow.workflow.preflight.checks.asked import Preflight, guarded


def workteam(asked: Preflight, account: Account, identity: Identity) -> Iterator[Finding]:
    """Look at the work team; its ARN tells whose workers it has, a name is looked up."""
    arn, region = asked.access.workteam_arn, asked.access.region
    if not arn:
        yield finding("GT401", "no work team is named; somebody has to label")
    elif not arn.startswith("arn:"):
        yield _team_by_name(arn, account, region)
    else:
        try:
            force = workforce(arn)
        except UsageError as error:
            yield finding("GT404", str(error), region=region, account=identity.account)
            return
        yield _misplaced(arn, force, asked, identity) or _team(arn, force, account)


def _misplaced(arn: str, force: str, asked: Preflight, identity: Identity) -> Finding | None:
    """Tell what the ARN alone gives away."""
    there, region = region_of(arn) or "", asked.access.region
    if there != region:
        message = f"work team {arn} is in {there}, but the job would be in {region}"
        return finding("GT403", message, region=region, there=there)
    if force == "public":
        code = "GT408" if asked.public_anyway else "GT406"
        return finding(code, f"{arn} is the public workforce, which closed on 2026-09-30")
    if force == "private" and account_of(arn) != identity.account:
        own = arn.replace(f":{account_of(arn)}:", f":{identity.account}:")
        message = f"work team {arn} is not one of your account {identity.account}"
        return finding("GT407", message, found=own)
    return None


def _team(arn: str, force: str, account: Account) -> Finding:
    try:
        found = account.workteam(arn)
    except NotFoundError:
        code = "GT402" if force == "private" else "GT405"
        return finding(code, f"there is no {force} work team {arn}")
    if found != arn:
        return finding("GT407", f"work team {arn} is really {found}", found=found)
    return finding("GT400", f"work team {arn} is there: {force} workers")


def _team_by_name(name: str, account: Account, region: str) -> Finding:
    try:
        found = account.workteam(name)
    except NotFoundError:
        return finding("GT402", f"there is no work team {name} in {region}")
    return finding("GT400", f"work team {found} is there: private workers")


def keys(asked: Preflight, account: Account) -> Iterator[Finding]:
    """Look at the keys for the output and for the volumes of automated labeling."""
    access = asked.access
    for use, key in (
        ("output", access.output_kms_key),
        ("volume", access.volume_kms_key),
        ("training", access.training_kms_key),
    ):
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


def name(wanted: str, account: Account, *, adopts: bool) -> Iterator[Finding]:
    """Ask whether a job has the name already; one that the launch made before is gone on with."""
    found = account.job_named(wanted)
    if found is None:
        yield finding("GT600", f"no labeling job is called {wanted}")
    elif adopts and found == wanted:
        yield finding("GT602", f"labeling job {wanted} is there, and is gone on with")
    else:
        yield finding("GT601", f"there is a labeling job {found} already")
