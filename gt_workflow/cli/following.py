"""`status`, `wait`, `list` and `stop`: look at labeling jobs, whoever hosts them."""

from __future__ import annotations

from collections.abc import Callable

from gt_workflow import wiring
from gt_workflow.cli import show
from gt_workflow.config import Settings
from gt_workflow.errors import InterruptedByUserError, UsageError
from gt_workflow.ports import GroundTruth
from gt_workflow.workflow import follow


def status(settings: Settings, job: str | None, *, as_json: bool) -> None:
    """Print one snapshot."""
    wiring.require_root(settings)
    with wiring.local(settings) as wired, wiring.backend(settings) as running:
        name = job or newest(running.ground_truth)
        now = follow.look(name, ground_truth=running.ground_truth, clock=wired.clock)
    _tell(now, wired.path, as_json=as_json)


def wait(settings: Settings, job: str | None, *, as_json: bool) -> None:
    """Follow the job to its end, hosting the service if nobody else does."""
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
                name, ground_truth=running.ground_truth, clock=wired.clock, told=narrator.job
            )
        except KeyboardInterrupt:
            raise InterruptedByUserError(
                f"interrupted; labeling job {name} is kept with all its answers"
            ) from None
    _tell(end, wired.path, as_json=as_json)


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


def stop(settings: Settings, job: str, *, as_json: bool) -> None:
    """Stop the job and wait until what is labelled is written out."""
    wiring.require_root(settings)
    with wiring.local(settings) as wired, wiring.backend(settings) as running:
        running.ground_truth.stop(job)
        end = follow.wait(job, ground_truth=running.ground_truth, clock=wired.clock)
    _tell(end, wired.path, as_json=as_json)


def newest(ground_truth: GroundTruth) -> str:
    """Return the name of the job that was created last."""
    for summary in ground_truth.list(SortBy="CreationTime", SortOrder="Descending", MaxResults=1):
        return str(summary["LabelingJobName"])
    raise UsageError("there are no labeling jobs yet; launch one")


def _tell(now: follow.Snapshot, path: Callable[[str], str], *, as_json: bool) -> None:
    if as_json:
        show.data(now.to_dict())
        return
    show.line(
        f"{now.name}: {now.status}; {now.done} of {now.total} done "
        f"({now.human} human, {now.machine} machine, {now.failed} failed), {now.left} left"
    )
    if now.failure_reason:
        show.line(f"reason: {now.failure_reason}")
    if now.output_uri:
        show.line(f"output manifest: {path(now.output_uri)}")
