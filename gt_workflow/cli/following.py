"""`status`, `wait`, `list` and `stop`: look at labeling jobs, whoever hosts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gt_workflow import wiring
from gt_workflow.cli import show
from gt_workflow.config import Settings
from gt_workflow.core import cost, stall
from gt_workflow.errors import InterruptedByUserError, JobFailedError, UsageError
from gt_workflow.ports import GroundTruth
from gt_workflow.workflow import follow

STOPPED: Final = 7
"""What `wait` ends with for a job that was stopped; Failed is 6, as everywhere."""


def status(settings: Settings, job: str | None, *, as_json: bool) -> None:
    """Print one snapshot, its cost so far on AWS, and likely causes if the job stands still."""
    wiring.require_root(settings)
    with wiring.local(settings) as wired, wiring.backend(settings) as running:
        name = job or newest(running.ground_truth)
        now, hints = follow.examine(name, ground_truth=running.ground_truth, clock=wired.clock)
        spent = _spent(settings, now, running.ground_truth.describe(name))
    _tell(now, wired.path, as_json=as_json, spent=spent, hints=hints)


def wait(settings: Settings, job: str | None, *, as_json: bool) -> int:
    """Follow the job to its end, hosting the service if nobody else does; return exit status.

    A failed job is printed like any other, and then raised as `JobFailedError`.
    """
    wiring.require_root(settings)
    with (
        show.Narrator() as narrator,
        wiring.local(settings) as wired,
        wiring.backend(settings) as running,
    ):
        name = job or newest(running.ground_truth)
        if running.hosting:
            show.note(f"workers label here: {running.page('me')}")
        try:
            end = follow.wait(
                name,
                ground_truth=running.ground_truth,
                clock=wired.clock,
                told=narrator.job,
                said=show.note,
            )
        except KeyboardInterrupt:
            raise InterruptedByUserError(
                f"interrupted; labeling job {name} is kept with all its answers. Go on with: "
                f"{show.command(settings, 'wait', name)}"
            ) from None
        except JobFailedError:
            failed = follow.look(name, ground_truth=running.ground_truth, clock=wired.clock)
            _tell(failed, wired.path, as_json=as_json)
            raise
    _tell(end, wired.path, as_json=as_json)
    return STOPPED if end.status == "Stopped" else 0


def list_jobs(settings: Settings, *, as_json: bool) -> None:
    """Print every job, newest first."""
    wiring.require_root(settings)
    with wiring.local(settings) as wired, wiring.backend(settings) as running:
        found = [
            follow.snapshot(summary, taken=wired.clock.now())
            for summary in running.ground_truth.list(SortBy="CreationTime", SortOrder="Descending")
        ]
    if as_json:
        show.data({"jobs": [now.to_dict() for now in found]})
        return
    for now in found:
        show.line(
            f"{now.created:%Y-%m-%d %H:%M}  {now.status:<12} {now.done}/{now.total}  {now.name}"
        )
    if not found:
        show.note("there are no labeling jobs yet; launch one")


def stop(settings: Settings, job: str, *, waits: bool, as_json: bool) -> None:
    """Stop the job; wait, if asked, until what is labelled is written out."""
    wiring.require_root(settings)
    with wiring.local(settings) as wired, wiring.backend(settings) as running:
        running.ground_truth.stop(job)
        if waits:
            end = follow.wait(
                job, ground_truth=running.ground_truth, clock=wired.clock, said=show.note
            )
        else:
            end = follow.look(job, ground_truth=running.ground_truth, clock=wired.clock)
    _tell(end, wired.path, as_json=as_json)
    if not end.over:
        show.note(f"see the end with: {show.command(settings, 'wait', job)}")


def newest(ground_truth: GroundTruth) -> str:
    """Return the name of the job that was created last."""
    for summary in ground_truth.list(SortBy="CreationTime", SortOrder="Descending", MaxResults=1):
        return str(summary["LabelingJobName"])
    raise UsageError("there are no labeling jobs yet; launch one")


def _spent(settings: Settings, now: follow.Snapshot, answer: Mapping[str, Any]) -> cost.Cost | None:
    """Return what the job has cost by the settings' prices; our own service costs nothing."""
    if settings.backend == "embedded":
        return None
    return cost.so_far(
        human=now.human,
        machine=now.machine,
        workers=answer["HumanTaskConfig"]["NumberOfHumanWorkersPerDataObject"],
        tiers=cost.parse_tiers(settings.cost.tiers),
        price_per_task=cost.dollars(
            settings.job.price or settings.cost.per_task, setting="cost.per-task"
        ),
    )


def _tell(
    now: follow.Snapshot,
    path: Callable[[str], str],
    *,
    as_json: bool,
    spent: cost.Cost | None = None,
    hints: tuple[stall.Hint, ...] = (),
) -> None:
    if as_json:
        more = {} if spent is None else {"cost-so-far-usd": str(spent.total)}
        causes = [{"code": hint.code, "message": hint.message} for hint in hints]
        show.data(now.to_dict() | more | ({"hints": causes} if causes else {}))
        return
    show.line(
        f"{now.name}: {now.status}; {now.done} of {now.total} done "
        f"({now.human} human, {now.machine} machine, {now.failed} failed), {now.left} left"
    )
    if now.failure_reason:
        show.line(f"reason: {now.failure_reason}")
    if now.output_uri:
        show.line(f"output manifest: {path(now.output_uri)}")
    if spent is not None:
        show.line(
            f"cost so far: {spent.total} USD ({spent.service} for objects, {spent.workers} for "
            "workers), by the prices in the settings"
        )
    for hint in hints:
        show.note(f"likely cause: {hint.message}")
