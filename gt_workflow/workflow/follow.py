"""Follow a labeling job: how far it is, how long it will take, when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gt_workflow.errors import JobFailedError
from gt_workflow.ports import Clock, GroundTruth

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at a job: counts of data objects, and when it was taken (UTC)."""

    name: str
    status: str
    human: int
    machine: int
    failed: int
    left: int
    taken: datetime
    created: datetime
    output_uri: str | None
    failure_reason: str | None

    @property
    def total(self) -> int:
        """All objects of the job; 0 while its manifest is still being read."""
        return self.human + self.machine + self.failed + self.left

    @property
    def done(self) -> int:
        """Objects that need nobody any more."""
        return self.human + self.machine + self.failed

    @property
    def over(self) -> bool:
        """Whether the job has reached a status that never changes."""
        return self.status in TERMINAL

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        return {
            "name": self.name,
            "status": self.status,
            "human": self.human,
            "machine": self.machine,
            "failed": self.failed,
            "left": self.left,
            "total": self.total,
            "created": self.created.isoformat(),
            "output": self.output_uri,
            "failure-reason": self.failure_reason,
        }


def snapshot(answer: Mapping[str, Any], *, taken: datetime) -> Snapshot:
    """Read a DescribeLabelingJob answer or a ListLabelingJobs summary; absent counters are 0."""
    counters = answer.get("LabelCounters", {})
    output = answer.get("LabelingJobOutput") or {}
    return Snapshot(
        name=answer["LabelingJobName"],
        status=answer["LabelingJobStatus"],
        human=counters.get("HumanLabeled", 0),
        machine=counters.get("MachineLabeled", 0),
        failed=counters.get("FailedNonRetryableError", 0),
        left=counters.get("Unlabeled", 0),
        taken=taken,
        created=answer["CreationTime"],
        output_uri=output.get("OutputDatasetS3Uri") or None,
        failure_reason=answer.get("FailureReason"),
    )


def look(name: str, *, ground_truth: GroundTruth, clock: Clock) -> Snapshot:
    """Take one snapshot; raises `NotFoundError` for an unknown name."""
    return snapshot(ground_truth.describe(name), taken=clock.now())


def watch(
    name: str, *, ground_truth: GroundTruth, clock: Clock, longest: float = 30.0
) -> Iterator[Snapshot]:
    """Yield snapshots until the job is over; the last one says how it ended.

    Polls every half second while things move and ever more rarely, up to `longest` seconds,
    while they do not.
    """
    pause, before = 0.5, None
    while True:
        now = look(name, ground_truth=ground_truth, clock=clock)
        yield now
        if now.over:
            return
        moved = before is None or (now.status, now.done) != (before.status, before.done)
        pause = 0.5 if moved else min(pause * 1.5, longest)
        before = now
        clock.sleep(pause)


def remaining(first: Snapshot, last: Snapshot) -> timedelta | None:
    """Estimate the time left from the pace between two snapshots; None while nothing is known."""
    gained = last.done - first.done
    elapsed = last.taken - first.taken
    if gained <= 0 or not last.left:
        return None
    return elapsed / gained * last.left


def wait(
    name: str,
    *,
    ground_truth: GroundTruth,
    clock: Clock,
    told: Callable[[Snapshot, timedelta | None], None] = lambda _now, _left: None,
    longest: float = 30.0,
) -> Snapshot:
    """Follow the job to its end and return its last snapshot.

    Raises `JobFailedError` for a job that ended as Failed; a stopped job is returned, with what
    was labelled before the stop.
    """
    first: Snapshot | None = None
    now: Snapshot | None = None
    for now in watch(name, ground_truth=ground_truth, clock=clock, longest=longest):
        first = first or now
        told(now, remaining(first, now))
    if now is None or now.status == "Failed":
        reason = now.failure_reason if now else None
        raise JobFailedError(f"labeling job {name} failed: {reason or 'no reason was given'}")
    return now
