"""What `doctor` and `iam` call: gather what a launch touches, ask the account, print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
import msgspec

from gt_workflow import wiring
from gt_workflow.adapters import machine as this_machine
from gt_workflow.adapters.account import AccountRoles, AwsAccount
from gt_workflow.cli import findings, show
from gt_workflow.cli.launching import plan as plan_launch
from gt_workflow.config import Settings
from gt_workflow.core.access.iam import caller_policy, execution_policy, trust_policy
from gt_workflow.errors import GtWorkflowError, ServiceError, UsageError
from gt_workflow.wiring.embedded import PREFERRED_PORT, address_of
from gt_workflow.workflow.preflight import doctor as stage
from gt_workflow.workflow.preflight import prepare, roles
from gt_workflow.workflow.preflight.checks.asked import Preflight
from gt_workflow.workflow.preflight.checks.data import objects
from gt_workflow.workflow.preflight.checks.own import Machine, own
from gt_workflow.workflow.specify import Place

_FAULTS: Final = 5  # the exit status of what AWS would have refused
_LABEL: Final = "object"  # stands for the labels, if none are named yet
# Stand for what is not named yet, so that photographs can be looked at all the same.
_NO_ROLE: Final = "arn:aws:iam::000000000000:role/none"
_NO_TEAM: Final = "arn:aws:sagemaker:{}:000000000000:workteam/private-crowd/none"


def doctor(settings: Settings, *, as_json: bool) -> None:
    """Print every finding; exit with 5 if one of them is an error."""
    with show.Narrator() as narrator:
        check = _on_aws if settings.backend == "aws" else _on_own
        found = sorted(check(settings, narrator), key=lambda one: one.code)
    wrong = [one for one in found if one.severity == "error"]
    warnings = [one for one in found if one.severity == "warning"]
    if as_json:
        show.data({"ok": not wrong, "findings": [one.to_dict() for one in found]})
    else:
        for text in findings.lines(found):
            show.line(text)
    told = f"{show.count(len(wrong), 'error')}, {show.count(len(warnings), 'warning')}"
    show.note(f"{told}; {'a launch would fail' if wrong else 'a launch can go ahead'}")
    if wrong:
        raise click.exceptions.Exit(_FAULTS)


def iam(
    settings: Settings, *, jobs: Sequence[str], training: bool, create: bool, as_json: bool
) -> None:
    """Print the documents for these settings; with `create`, make the role."""
    if settings.backend != "aws":
        raise UsageError(
            "your own service asks for no permissions; for those of an account add --backend aws "
            "or --profile"
        )
    clients = wiring.account(settings)
    with wiring.local(settings, writes=False) as wired:
        place = wired.place
        photographs = prepare.in_place(
            settings.photographs, storage=wired.storage, folders=wired.folders
        )
    if not place.role_arn:
        raise UsageError("name the execution role, whether it is there or not: --role NAME|ARN")
    access = prepare.of_settings(
        settings, place, photographs=photographs, jobs=jobs, training=training
    ).access
    documents = {
        "execution-policy": execution_policy(access),
        "trust-policy": trust_policy(),
        "caller-policy": caller_policy(access),
    }
    made = None
    if create:
        made = roles.run(roles.plan(access), roles=AccountRoles(clients("iam")))
    if as_json:
        show.data(documents | ({} if made is None else {"role": made.to_dict()}))
    elif made is None:
        for name, document in documents.items():
            show.line(f"{name} of {place.role_arn if name != 'caller-policy' else 'the caller'}:")
            show.data(document)
    if made is not None and not as_json:
        show.line(f"{made.arn} {'created' if made.created else 'was there, and is as it was'}")
        for difference in made.differences:
            show.line(f"  {difference}")


def _on_aws(settings: Settings, narrator: show.Narrator) -> list[stage.Finding]:
    """Check the account, whatever of the settings can be read so far."""
    try:
        account = AwsAccount(wiring.account(settings))
    except GtWorkflowError as error:
        return [stage.finding("GT104", str(error))]
    with wiring.local(settings, writes=False) as wired:
        place = _place(settings, wired)
        source = settings.photographs
        asked = prepare.of_settings(
            settings, place, photographs=(source,) if source.startswith("s3://") else ()
        )
        found = []
        if source:
            try:
                asked = _planned(settings, place, wired, narrator)
            except GtWorkflowError as error:
                found.append(stage.finding("GT715", str(error)))
    return [*found, *stage.check(asked, account=account)]


def _planned(
    settings: Settings, place: Place, wired: wiring.Local, narrator: show.Narrator
) -> Preflight:
    """Plan the launch as `launch` does; what is not named yet is made up for it, and no more."""
    named = bool(settings.labels)
    settings = msgspec.structs.replace(settings, labels=settings.labels or (_LABEL,))
    known = replace(
        place,
        role_arn=place.role_arn if place.role_arn.startswith("arn:") else _NO_ROLE,
        workteam_arn=place.workteam_arn
        if place.workteam_arn.startswith("arn:")
        else _NO_TEAM.format(place.region),
    )
    planned = plan_launch(settings, replace(wired, find_place=lambda: known), narrator)
    asked = prepare.of_launch(planned, settings, place)
    access = replace(asked.access, role_arn=place.role_arn, workteam_arn=place.workteam_arn)
    if not named:
        access = replace(access, job_names=())
    return replace(asked, access=access)


def _place(settings: Settings, wired: wiring.Local) -> Place:
    """Return the place, or as much of it as is known while the account cannot be asked."""
    try:
        return wired.place
    except GtWorkflowError:
        store = settings.store
        base = f"s3://{store.bucket}/{store.prefix.strip('/')}".rstrip("/") + "/"
        region = wiring.account(settings).region
        return Place(base, region, settings.aws.role, settings.aws.workteam)


def _on_own(settings: Settings, narrator: show.Narrator) -> list[stage.Finding]:
    """Check this machine; there is nothing else to check."""
    root = Path(settings.store.root).absolute()
    address, silent = "", ""
    if this_machine.held(root / ".gt" / "host.lock"):
        with wiring.local(settings, writes=False) as wired:
            try:
                address = address_of(root, wired.clock)
            except ServiceError as error:
                silent = error.reason
    found = [
        *own(
            Machine(
                folder=str(root),
                port=PREFERRED_PORT,
                unwritable=this_machine.unwritable(root),
                silent=silent,
                free=this_machine.free_bytes(root),
                address=address,
                port_taken=this_machine.port_taken(PREFERRED_PORT),
            )
        )
    ]
    if settings.photographs:
        with wiring.local(settings, writes=False) as wired:
            try:
                found += objects(_planned(settings, wired.place, wired, narrator))
            except GtWorkflowError as error:
                found.append(stage.finding("GT715", str(error)))
    return found
