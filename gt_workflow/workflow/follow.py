"""Follow a labeling job: how far it is, how long it takes, why it stands still, when it is over.

The job goes on whether anybody follows it or not. So a follower outlives what passes by itself,
throttling, a service that breaks, a network that is gone, credentials that are being renewed: it
says so once, asks ever more rarely, and gives up only after `PATIENCE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gt_workflow.core import stall
from gt_workflow.errors import CredentialsError, JobFailedError, ServiceError, TransientError
from gt_workflow.ports import Clock, GroundTruth

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
PATIENCE: Final = timedelta(minutes=30)
"""How long a follower goes on asking after the last answer."""
_SHORTEST: Final = 0.5  # seconds between two looks
_SHORTEST_TROUBLE: Final = 2.0
_LONGEST_TROUBLE: Final = 60.0


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
    name: str,
    *,
    ground_truth: GroundTruth,
    clock: Clock,
    longest: float = 30.0,
    said: Callable[[str], None] = lambda _text: None,
    patience: timedelta = PATIENCE,
) -> Iterator[Snapshot]:
    """Yield snapshots until the job is over; the last one says how it ended.

    Polls every half second while things move and ever more rarely, up to `longest` seconds,
    while they do not. `said` is told, once each, of trouble in reaching the service, of its end,
    and of likely causes why the job stands still (see `core.stall`). Raises `ServiceError` for
    trouble that waiting does not mend, or that lasts longer than `patience`.
    """
    line = _Line(name, ground_truth, clock, said, patience)
    pause, before = _SHORTEST, None
    moved, told = clock.now(), set[str]()
    while True:
        answer = line.describe()
        now = snapshot(answer, taken=clock.now())
        if before is None:
            moved = _moved(answer, now)
        yield now
        if now.over:
            return
        state = (now.status, now.done, now.left)
        if state != before:
            moved = moved if before is None else now.taken
            pause, before = _SHORTEST, state
            told.clear()
        else:
            pause = min(pause * 1.5, longest)
        for hint in stall.hints(answer, now=now.taken, moved=moved):
            if hint.code not in told:
                told.add(hint.code)
                said(hint.message)
        clock.sleep(pause)


def examine(
    name: str, *, ground_truth: GroundTruth, clock: Clock
) -> tuple[Snapshot, tuple[stall.Hint, ...]]:
    """Take one snapshot, with likely causes if the job has not changed for a while."""
    answer = ground_truth.describe(name)
    now = snapshot(answer, taken=clock.now())
    return now, stall.hints(answer, now=now.taken, moved=_moved(answer, now))


def _moved(answer: Mapping[str, Any], now: Snapshot) -> datetime:
    """Return when the job changed last, for who looks for the first time."""
    changed: datetime = answer.get("LastModifiedTime", now.taken)
    return min(changed, now.taken)


@dataclass(slots=True)
class _Line:
    """The line to the service; it may be bad for a while."""

    name: str
    ground_truth: GroundTruth
    clock: Clock
    said: Callable[[str], None]
    patience: timedelta
    heard: bool = False

    def describe(self) -> dict[str, Any]:
        """Ask until there is an answer, or patience is over."""
        since, pause = None, _SHORTEST_TROUBLE
        while True:
            try:
                answer = self.ground_truth.describe(self.name)
            except (TransientError, CredentialsError) as trouble:
                if isinstance(trouble, CredentialsError) and not self.heard:
                    raise  # they have not run out while we waited: they never were any good
                now = self.clock.now()
                if since is None:
                    since = now
                    if self.patience:
                        self.said(self._notice(trouble))
                if now - since >= self.patience:
                    raise self._given_up(trouble) from trouble
                self.clock.sleep(min(pause, (since + self.patience - now).total_seconds()))
                pause = min(pause * 2, _LONGEST_TROUBLE)
            else:
                if since is not None:
                    self.said(f"labeling job {self.name} answers again")
                self.heard = True
                return answer

    def _notice(self, trouble: ServiceError) -> str:
        minutes = int(self.patience.total_seconds() // 60)
        return (
            f"no answer about labeling job {self.name}: {trouble.reason} [{trouble.code}]; the job "
            f"goes on, and so does the asking, for {minutes} minutes"
        )

    def _given_up(self, trouble: ServiceError) -> ServiceError:
        """Say that nothing is lost; the error stays of its kind."""
        waited = (
            f"; nothing was heard for {int(self.patience.total_seconds() // 60)} minutes"
            if self.patience
            else ""
        )
        return type(trouble)(
            f"{trouble.reason}{waited}; labeling job {self.name} goes on by itself: follow it "
            f"again with the same command, or with `wait {self.name}`",
            operation=trouble.operation,
            code=trouble.code,
            request_id=trouble.request_id,
        )


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
    said: Callable[[str], None] = lambda _text: None,
    patience: timedelta = PATIENCE,
) -> Snapshot:
    """Follow the job to its end and return its last snapshot; `said` and `patience` as in `watch`.

    Raises `JobFailedError` for a job that ended as Failed; a stopped job is returned, with what
    was labelled before the stop.
    """
    first: Snapshot | None = None
    now: Snapshot | None = None
    for now in watch(
        name,
        ground_truth=ground_truth,
        clock=clock,
        longest=longest,
        said=said,
        patience=patience,
    ):
        first = first or now
        told(now, remaining(first, now))
    if now is None or now.status == "Failed":
        reason = now.failure_reason if now else None
        raise JobFailedError(f"labeling job {name} failed: {reason or 'no reason was given'}")
    return now
