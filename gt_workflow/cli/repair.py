"""What follows a labeling job: wire, make one call into a stage, and print."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gt_workflow import wiring
from gt_workflow.cli import show
from gt_workflow.cli.options import read_instructions
from gt_workflow.config import Settings
from gt_workflow.core.cost import dollars
from gt_workflow.core.described import DescribedJob, describe
from gt_workflow.errors import JobFailedError, UsageError
from gt_workflow.workflow import follow
from gt_workflow.workflow.repair import chain as chain_stage
from gt_workflow.workflow.repair import fold as fold_stage
from gt_workflow.workflow.repair import follow_up
from gt_workflow.workflow.repair import reconcile as reconcile_stage
from gt_workflow.workflow.repair import recover as recover_stage
from gt_workflow.workflow.repair import relaunch as relaunch_stage


@dataclass(frozen=True, slots=True)
class Asked:
    """The flags of `adjust` and `verify`; `instructions` is a file."""

    labels: tuple[str, ...] = ()
    attribute: str = ""
    title: str = ""
    instructions: str = ""
    workteam: str = ""
    only: str = ""


def reconcile(
    settings: Settings, name: str, *, output: str | None, listed: int, as_json: bool
) -> None:
    """Print what became of each line; raises `JobFailedError` unless all is labelled."""
    with _wired(settings) as (wired, running):
        job = _job(name, running)
        found, _ = reconcile_stage.survey(
            job, storage=wired.storage, output=output, most=max(listed, 0)
        )
    if as_json:
        show.data(found.to_dict())
    else:
        _tell_survey(found, wired)
    if found.complete:
        return
    if found.output is None:
        cure = f"recover {job.name} --out MANIFEST harvests what there is"
    elif not job.over:
        cure = "wait for its end"
    elif found.labelled < found.total:
        cure = f"relaunch {job.name} sends what is open again"
    else:
        cure = f"reconcile {job.name} --merge OUT writes a manifest without the odd lines"
    raise JobFailedError(f"labeling job {job.name} is not complete; {cure}")


def merge(
    settings: Settings,
    name: str,
    *,
    out: str,
    later: tuple[str, ...],
    output: str | None,
    as_json: bool,
) -> None:
    """Write one manifest of a job's output and its relaunches'."""
    with _wired(settings) as (wired, running):
        job = _job(name, running)
        if not later:
            others = relaunch_stage.rounds(
                job,
                settings=settings,
                storage=wired.storage,
                ground_truth=running.ground_truth,
                output=output,
            )
        else:
            others = tuple(_job(one, running) for one in later)
        for one in (job, *others):
            if not one.over:
                raise UsageError(f"labeling job {one.name} is {one.status}; wait for its end")
        made = reconcile_stage.merge(
            [job],
            others,
            out=out,
            storage=wired.storage,
            outputs=lambda one: (output if one is job else None) or one.output_uri,
        )
    if as_json:
        show.data(made.to_dict())
    else:
        lines = show.count(made.total, "line")
        show.line(f"{made.labelled} of {lines} labelled, from {', '.join(made.jobs)}")
        show.line(f"manifest: {wired.path(out)}{'' if made.written else ' (unchanged)'}")
    if made.labelled < made.total:
        last = made.jobs[-1]
        left = made.total - made.labelled
        have = "1 line has" if left == 1 else f"{left} lines have"
        raise JobFailedError(f"{have} no label yet; to send what is left: relaunch {last}")


def relaunch(
    settings: Settings, name: str, *, output: str | None, dry_run: bool, as_json: bool
) -> None:
    """Plan and create the job over what is open."""
    with _wired(settings) as (wired, running):
        planned = relaunch_stage.plan(
            _job(name, running), settings=settings, storage=wired.storage, output=_placed(output)
        )
        _carry_out(planned, settings, wired, running, dry_run=dry_run, as_json=as_json)


def chain(
    kind: Literal["adjust", "verify"],
    settings: Settings,
    name: str,
    asked: Asked,
    *,
    output: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Plan and create an adjustment or verification job."""
    options = chain_stage.ChainOptions(
        labels=asked.labels,
        attribute=asked.attribute,
        title=asked.title,
        instructions=read_instructions(asked.instructions),
        workteam_arn=asked.workteam,
        only=asked.only,
    )
    with _wired(settings) as (wired, running):
        planned = chain_stage.plan(
            kind,
            _job(name, running),
            options,
            settings=settings,
            storage=wired.storage,
            ground_truth=running.ground_truth,
            output=_placed(output),
        )
        _carry_out(planned, settings, wired, running, dry_run=dry_run, as_json=as_json)


def recover(settings: Settings, name: str, *, out: str, as_json: bool) -> None:
    """Write a manifest of what a job left behind."""
    with _wired(settings) as (wired, running):
        made = recover_stage.recover(_job(name, running), out=out, storage=wired.storage)
    if made.from_workers:
        show.note(
            f"{show.count(made.from_workers, 'label')} consolidated here from workers' answers, "
            f"{made.thin} of them from fewer workers than the job asked for"
        )
    if made.unusable:
        photographs = show.count(made.unusable, "photograph")
        show.note(f"warning: no label could be made of the answers on {photographs}")
    if as_json:
        show.data(show.hyphened(made.to_dict()))
        return
    show.line(
        f"{made.labelled} of {show.count(made.total, 'line')} labelled: {made.from_output} by the "
        f"output manifest, {made.from_consolidation} by consolidation, {made.from_model} by the "
        f"model, {made.from_workers} by workers' answers"
    )
    show.line(f"manifest: {wired.path(out)}{'' if made.written else ' (unchanged)'}")


def fold(
    settings: Settings,
    name: str,
    *,
    out: str,
    base: str | None,
    only: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Write the folded manifest."""
    with _wired(settings) as (wired, running):
        job = _job(name, running)
        if not job.over:
            raise UsageError(f"labeling job {job.name} is {job.status}; wait for its end")
        made = fold_stage.fold(
            job, out=out, storage=wired.storage, base=base, only=only, output=output
        )
    if made.too_long:
        show.note(
            f"warning: {show.count(made.too_long, 'line')} became longer than Ground Truth reads; "
            "they train, but no other labeling job takes them"
        )
    if as_json:
        show.data(show.hyphened(made.to_dict()))
        return
    if only:
        kept = show.count(made.kept, "line")
        show.line(f"{kept} judged {only!r} kept, {made.dropped} left out")
    else:
        show.line(
            f"{show.count(made.adjusted, 'line')} adjusted, {made.confirmed} found right, "
            f"{made.kept} as they were; the label attribute is {made.attribute}"
        )
    show.line(f"manifest: {wired.path(out)}{'' if made.written else ' (unchanged)'}")


@contextmanager
def _wired(settings: Settings) -> Iterator[tuple[wiring.Local, wiring.Backend]]:
    wiring.require_root(settings)
    with wiring.local(settings) as wired, wiring.backend(settings) as running:
        yield wired, running


def _job(name: str, running: wiring.Backend) -> DescribedJob:
    return describe(running.ground_truth.describe(name))


def _placed(manifest: str | None) -> str | None:
    """Return a file's whole path: the record of a job outlives the current folder."""
    if manifest is None or manifest.startswith("s3://"):
        return manifest
    return str(Path(manifest).absolute())


def _carry_out(
    planned: follow_up.FollowUp,
    settings: Settings,
    wired: wiring.Local,
    running: wiring.Backend,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create the planned job, or say why there is none; simulated workers do it at once."""
    for warning in planned.warnings:
        show.note(f"warning: {warning}")
    for reason, number in sorted(planned.left_out.items()):
        show.note(f"{show.count(number, 'line')} left out: {reason}")
    if dry_run or not planned.name:
        _tell_plan(planned, as_json=as_json)
        return
    simulated = settings.workers.kind == "simulated"
    if simulated and settings.backend != "embedded":
        raise UsageError("simulated workers work on our own service only")
    known = wiring.truth(settings, wired=wired) if simulated else None
    if not follow_up.exists(planned.name, running.ground_truth):
        _agree(settings, planned)
    new = follow_up.run(planned, storage=wired.storage, ground_truth=running.ground_truth)
    now = follow.look(planned.name, ground_truth=running.ground_truth, clock=wired.clock)
    there = "created" if new else "was done already" if now.over else "was there"
    show.note(f"labeling job {planned.name} {there}")
    if known is not None and not now.over:
        wiring.simulate(
            settings,
            known=known,
            wired=wired,
            running=running,
            job_name=planned.name,
            halted=threading.Event(),
        )
        now = follow.wait(planned.name, ground_truth=running.ground_truth, clock=wired.clock)
    _tell_job(planned, now, settings, new=new, as_json=as_json)


def _agree(settings: Settings, planned: follow_up.FollowUp) -> None:
    """Tell what the job may cost on an account; above the limit nothing is created."""
    if settings.backend == "embedded":
        return
    show.note(f"cost: {planned.cost.total} USD for {show.count(planned.cost.tasks, 'task')}")
    most = settings.cost.max
    if most and planned.cost.total > dollars(most, setting="--max-cost (cost.max)"):
        raise UsageError(
            f"the job may cost {planned.cost.total} USD, more than --max-cost {most}; nothing was "
            "created"
        )


def _tell_plan(planned: follow_up.FollowUp, *, as_json: bool) -> None:
    if not planned.name:
        show.note("nothing to send; no job is needed")
    if as_json:
        show.data(planned.to_dict() | {"created": False})
    elif planned.name:
        show.line(f"labeling job {planned.name} (not created): {show.count(planned.sent, 'line')}")
        show.line(f"cost: {show.count(planned.cost.tasks, 'task')}, {planned.cost.total} USD")
        show.line("request:")
        show.data(dict(planned.request))


def _tell_job(
    planned: follow_up.FollowUp,
    now: follow.Snapshot,
    settings: Settings,
    *,
    new: bool,
    as_json: bool,
) -> None:
    if as_json:
        told: dict[str, Any] = {"job": now.to_dict(), "created": new, "lines": planned.sent}
        show.data(told | {"left-out": dict(planned.left_out)})
    else:
        show.line(planned.name)
    if now.over:
        show.note(f"{now.status}: {now.human} labelled, {now.failed} failed, {now.left} left")
    else:
        show.note(f"follow with: {show.command(settings, 'wait', planned.name)}")


def _tell_survey(found: reconcile_stage.Survey, wired: wiring.Local) -> None:
    show.line(
        f"{found.job} ({found.status}): {found.labelled} of {found.total} labelled, "
        f"{found.failed} failed, {found.untouched} untouched, {found.missing} missing"
    )
    for kind in ("duplicated", "foreign", "changed", "moved"):
        if number := getattr(found, kind):
            show.line(f"{kind}: {show.count(number, 'line')} of the output")
    for reason, number in found.reasons:
        show.line(f"failed {number}: {reason}")
    for line in found.listed:
        show.line(f"  {line.kind:<10} line {line.line}  {line.source_ref}")
    show.line(f"output manifest: {wired.path(found.output) if found.output else 'none'}")
