"""Follow a training to its end: what it is doing, the mAP of every epoch, where the model is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gt_workflow.core.training.log import Epoch, read_epoch
from gt_workflow.core.training.tuning import OBJECTIVE
from gt_workflow.errors import JobFailedError, ServiceError, TransientError
from gt_workflow.ports import Clock, Training
from gt_workflow.workflow.training.train import status_of

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
_OVERLAP = 120_000  # milliseconds that lines of a log may come late
_PATIENCE = 30  # looks in a row that may fail; each has been tried for a minute already


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a training has come to, e.g. `Downloading`, and its own words about it."""

    status: str
    message: str


@dataclass(frozen=True, slots=True)
class Trained:
    """One look at a training; `epochs` are all that the log has told so far."""

    name: str
    status: str
    steps: tuple[Step, ...]
    epochs: tuple[Epoch, ...]
    final_map: float | None
    model_uri: str | None
    failure_reason: str | None
    billable_seconds: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        return {
            "name": self.name,
            "status": self.status,
            "map": self.final_map,
            "epochs": [
                {"epoch": epoch.number, "map": epoch.mean_average_precision}
                for epoch in self.epochs
            ],
            "model": self.model_uri,
            "failure-reason": self.failure_reason,
            "billable-seconds": self.billable_seconds,
        }


@dataclass(frozen=True, slots=True)
class Tuned:
    """One look at a tuning: trainings by what became of them, and the best one so far."""

    name: str
    status: str
    counts: Mapping[str, int]
    best: str | None
    best_map: float | None
    best_parameters: Mapping[str, str]
    failure_reason: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        return {
            "name": self.name,
            "status": self.status,
            "trainings": dict(self.counts),
            "best": self.best,
            "map": self.best_map,
            "best-hyperparameters": dict(self.best_parameters),
            "failure-reason": self.failure_reason,
        }


_Look = TypeVar("_Look", Trained, Tuned)


class _Log:
    """The epochs in a training's log, which grows and whose lines may come late."""

    def __init__(self, name: str, training: Training, trouble: Callable[[str], None]) -> None:
        self._name = name
        self._training = training
        self._trouble = trouble
        self._newest = 0
        self._seen: dict[str, int] = {}
        self._readable = True
        self.epochs: list[Epoch] = []

    def read(self) -> None:
        """Take in what is new; a log that may not be read is told once, and done without."""
        if not self._readable:
            return
        since = max(self._newest - _OVERLAP, 0)
        try:
            for line in self._training.log(self._name, since=since):
                if line.id in self._seen:
                    continue
                self._seen[line.id] = line.when
                self._newest = max(self._newest, line.when)
                if (epoch := read_epoch(line.text)) is not None:
                    self.epochs.append(epoch)
        except TransientError:
            return
        except ServiceError as error:
            self._readable = False
            self._trouble(f"the training's log cannot be read, so no mAP is shown: {error}")
        least = self._newest - _OVERLAP
        self._seen = {key: when for key, when in self._seen.items() if when >= least}


def look(name: str, *, training: Training, epochs: tuple[Epoch, ...] = ()) -> Trained:
    """Take one look; raises `NotFoundError` for an unknown name."""
    answer = training.describe(name)
    metrics = {
        entry["MetricName"]: entry["Value"] for entry in answer.get("FinalMetricDataList", ())
    }
    told = epochs[-1].mean_average_precision if epochs else None
    status = status_of(answer)
    model = (answer.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
    return Trained(
        name=name,
        status=status,
        steps=tuple(
            Step(entry["Status"], entry.get("StatusMessage") or "")
            for entry in answer.get("SecondaryStatusTransitions", ())
        ),
        epochs=epochs,
        final_map=metrics.get(OBJECTIVE, told),
        model_uri=model if status == "Completed" else None,
        failure_reason=answer.get("FailureReason"),
        billable_seconds=answer.get("BillableTimeInSeconds"),
    )


def wait(
    name: str,
    *,
    training: Training,
    clock: Clock,
    told: Callable[[Trained], None] = lambda _now: None,
    trouble: Callable[[str], None] = lambda _text: None,
    longest: float = 60.0,
) -> Trained:
    """Follow a training to its end and return the last look; `told` hears of every look.

    Throttling and lost connections are waited out. Raises `JobFailedError` for one that failed; a
    stopped one is returned.
    """
    log = _Log(name, training, trouble)

    def once() -> Trained:
        log.read()
        return look(name, training=training, epochs=tuple(log.epochs))

    for now in _looks(once, clock=clock, trouble=trouble, longest=longest):
        told(now)
    if now.status == "Failed":
        raise JobFailedError(
            f"training job {name} failed: {now.failure_reason or 'no reason was given'}; when that "
            "is mended, --again trains anew"
        )
    return now


def wait_tuning(
    name: str,
    *,
    training: Training,
    clock: Clock,
    told: Callable[[Tuned], None] = lambda _now: None,
    trouble: Callable[[str], None] = lambda _text: None,
    longest: float = 60.0,
) -> Tuned:
    """Follow a tuning to its end and return the last look; raises `JobFailedError` if it failed."""

    def once() -> Tuned:
        return look_tuning(name, training=training)

    for now in _looks(once, clock=clock, trouble=trouble, longest=longest):
        told(now)
    if now.status == "Failed":
        reason = now.failure_reason or "no reason was given"
        raise JobFailedError(f"tuning job {name} failed: {reason}")
    return now


def look_tuning(name: str, *, training: Training) -> Tuned:
    """Take one look; raises `NotFoundError` for an unknown name."""
    answer = training.describe_tuning(name)
    best = answer.get("BestTrainingJob") or {}
    objective = best.get("FinalHyperParameterTuningJobObjectiveMetric") or {}
    return Tuned(
        name=name,
        status=status_of(answer),
        counts=answer.get("TrainingJobStatusCounters") or {},
        best=best.get("TrainingJobName"),
        best_map=objective.get("Value"),
        best_parameters=best.get("TunedHyperParameters") or {},
        failure_reason=answer.get("FailureReason"),
    )


def _looks(
    once: Callable[[], _Look],
    *,
    clock: Clock,
    trouble: Callable[[str], None],
    longest: float,
) -> Iterator[_Look]:
    """Look until the job is over, ever more rarely while nothing happens."""
    pause, before, failures = 2.0, None, 0
    while True:
        try:
            now = once()
        except TransientError as error:
            failures += 1
            if failures == _PATIENCE:
                raise
            trouble(f"{error}; looking again")
            pause = longest
        else:
            failures = 0
            yield now
            if now.status in TERMINAL:
                return
            pause = 2.0 if now != before else min(pause * 1.5, longest)
            before = now
        clock.sleep(pause)
