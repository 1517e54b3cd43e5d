"""Why a labeling job does not move: likely causes, with what DescribeLabelingJob says for them.

Ground Truth itself says nothing: a job whose images cannot be loaded, whose team is empty or
whose worker has gone to lunch looks the same, counters at zero or standing still. The causes are
those that users of Ground Truth met (amazon-sagemaker-examples issues 1945, 1958, 3496, pull
2172; AWS Knowledge Center "sagemaker-ground-truth-errors"; developer guide: sms-batching,
sms-cors-update, sms-workforce-management-public). Durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

SLOW_START: Final = 15 * 60
"""After so long a manifest is usually read, and somebody has usually answered a first task."""
SLOW_MODEL: Final = 4 * 3600
"""Training and batch transform of automated labeling rarely take longer."""
LAST_DAYS: Final = 27 * 86_400
EXPIRY: Final = 30 * 86_400
"""A labeling job that is older fails, whatever it has done (LabelingJobStoppingConditions)."""


@dataclass(frozen=True, slots=True)
class Hint:
    """One likely cause: a stable `code`, and a sentence with the evidence and what to do."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class _Evidence:
    """A DescribeLabelingJob answer, read once; `age` and `still` are seconds."""

    status: str
    human: int
    machine: int
    failed: int
    left: int
    age: float
    still: float
    limit: int
    availability: int
    workers: int
    concurrent: int
    workteam: str
    automated: bool

    @property
    def done(self) -> int:
        return self.human + self.machine + self.failed


def hints(answer: Mapping[str, Any], *, now: datetime, moved: datetime) -> tuple[Hint, ...]:
    """Return the likely causes why a job stands still, the likeliest first; none if it does not.

    `answer` is DescribeLabelingJob's; `moved` is when its status or counters changed last, as
    far as the caller has seen, `now` the present. A job that is over has no hints.
    """
    return tuple(_causes(_read(answer, now=now, moved=moved)))


def _read(answer: Mapping[str, Any], *, now: datetime, moved: datetime) -> _Evidence:
    counters = answer.get("LabelCounters") or {}
    human = answer.get("HumanTaskConfig") or {}
    return _Evidence(
        status=answer["LabelingJobStatus"],
        human=counters.get("HumanLabeled", 0),
        machine=counters.get("MachineLabeled", 0),
        failed=counters.get("FailedNonRetryableError", 0),
        left=counters.get("Unlabeled", 0),
        age=(now - answer["CreationTime"]).total_seconds(),
        still=(now - moved).total_seconds(),
        limit=human.get("TaskTimeLimitInSeconds", 3600),
        availability=human.get("TaskAvailabilityLifetimeInSeconds", 2_592_000),
        workers=human.get("NumberOfHumanWorkersPerDataObject", 1),
        concurrent=human.get("MaxConcurrentTaskCount", 1000),
        workteam=human.get("WorkteamArn", ""),
        automated=bool(answer.get("LabelingJobAlgorithmsConfig")),
    )


def _causes(seen: _Evidence) -> Iterator[Hint]:
    if seen.status == "Initializing":
        if seen.still >= SLOW_START:
            yield _initializing(seen)
    elif seen.status == "Stopping":
        if seen.still >= SLOW_START:
            yield Hint(
                "stopping",
                f"stopping for {_span(seen.still)}: what is labelled is being consolidated and "
                "written; on AWS this may take an hour, and nothing need be done",
            )
    elif seen.status == "InProgress":
        if seen.failed and not seen.human + seen.machine:
            yield _all_fail(seen)
        elif not seen.done:
            yield from _nothing_yet(seen)
        elif seen.left:
            yield from _stands_still(seen)
        if seen.age >= LAST_DAYS:
            yield Hint(
                "expires",
                f"the job is {_span(seen.age)} old and fails when it is {_span(EXPIRY)} old: stop "
                "it now, which keeps what is labelled, and label the rest in another job",
            )


def _initializing(seen: _Evidence) -> Hint:
    return Hint(
        "initializing",
        f"Initializing for {_span(seen.still)}: a manifest of 100,000 lines takes a while, but "
        "this long it may be that the execution role cannot read the manifest, the label "
        "categories or their KMS key, or that the service is busy; look at the job's log group "
        "/aws/sagemaker/LabelingJobs",
    )


def _all_fail(seen: _Evidence) -> Hint:
    return Hint(
        "all-fail",
        f"all {seen.failed} objects so far failed and none is labelled: workers' pages cannot "
        "load the images (no CORS rule on the image bucket, a role that may not read it, or "
        "source-refs that are not there), or every worker declines; look at the failure-reason "
        "of the output manifest's lines, and stop the job before all are lost",
    )


def _nothing_yet(seen: _Evidence) -> Iterator[Hint]:
    """Tell why all counters are at zero: nobody works, or nobody can."""
    if seen.still < max(SLOW_START, seen.limit / 4):
        return
    for_long = f"all counters at 0 for {_span(seen.still)}"
    yield Hint("nobody", f"{for_long}: {_nobody(seen)}")
    if seen.workers > 1:
        yield Hint(
            "several-workers",
            f"an object counts only when {seen.workers} different workers have answered it: a "
            f"team of fewer than {seen.workers} who work never gets there",
        )
    yield Hint(
        "cors",
        "workers who see no image need a CORS rule on the bucket that holds the images, not just "
        "on the manifest's (GET from any origin); an image link that is denied means a VPC or IP "
        "condition in the bucket's policy",
    )
    if seen.still >= seen.limit:
        yield Hint(
            "template",
            f"a task may take {_span(seen.limit)} (TaskTimeLimitInSeconds) and more than that is "
            "over without one answer: try the page as a worker does; a template without a submit "
            "button, or with another crowd-bounding-box name, is answered by nobody",
        )
    if seen.still >= seen.availability:
        yield Hint("lifetime", _lifetime(seen))


def _nobody(seen: _Evidence) -> str:
    """Say who should be labelling, by the kind of the work team."""
    kind = seen.workteam.partition(":workteam/")[2].partition("/")[0]
    team = seen.workteam.rpartition("/")[2]
    if kind == "public-crowd":
        return "the public workforce was closed on 2026-09-30; stop the job and name another team"
    if kind == "vendor-crowd":
        return (
            f"the vendor of work team {team} has not begun; ask whether they took the order, with "
            "the job's name"
        )
    return (
        f"nobody of work team {team} has answered; see that the team has members who were "
        "invited, confirmed their address and signed in at its portal, and that they see the job"
    )


def _stands_still(seen: _Evidence) -> Iterator[Hint]:
    """Tell why some are done, some are not, and nothing has changed for a while."""
    if seen.automated and seen.still >= SLOW_START:
        yield _model(seen)
    if seen.still < max(SLOW_START, seen.limit):
        return
    batch = f"{seen.done} done, {seen.left} left, nothing new for {_span(seen.still)}"
    yield Hint(
        "slow-worker",
        f"{batch}: the next objects are handed out when the present batch (up to "
        f"{seen.concurrent}, MaxConcurrentTaskCount) is through, so one worker who keeps a task "
        f"holds back everybody, for up to {_span(seen.limit)} (TaskTimeLimitInSeconds) each time; "
        "ask the team who has one open, or whether they have gone",
    )
    if seen.workers > 1:
        yield Hint(
            "several-workers",
            f"an object counts only when {seen.workers} different workers have answered it; "
            "those who did their part see no tasks, and wait for the others",
        )
    if seen.still >= seen.availability:
        yield Hint("lifetime", _lifetime(seen))


def _model(seen: _Evidence) -> Hint:
    told = f"{seen.human} labelled by people, {seen.machine} by the model"
    if seen.still < SLOW_MODEL:
        return Hint(
            "auto-labeling",
            f"{told}, nothing new for {_span(seen.still)}: between two rounds automated labeling "
            "trains a model and runs it over the rest, which takes an hour or more; workers have "
            "nothing to do meanwhile",
        )
    return Hint(
        "auto-labeling-slow",
        f"{told}, nothing new for {_span(seen.still)}: longer than automated labeling takes to "
        "train; see in the console's training and batch transform jobs whether one failed, often "
        "for a quota on ml.p2, ml.p3 or ml.c5 instances, a role that may not pass itself, or a VPC",
    )


def _lifetime(seen: _Evidence) -> str:
    return (
        f"tasks are offered for {_span(seen.availability)} (TaskAvailabilityLifetimeInSeconds) and "
        "that is over: they expire, and their objects fail; a batch must be done within it, so "
        "make it longer or MaxConcurrentTaskCount smaller in the next job"
    )


def _span(seconds: float) -> str:
    """Say a duration in its largest whole unit: 45 seconds, 20 minutes, 3 hours, 30 days."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size or (seconds >= size and unit != "minute"):
            break
    else:
        unit, size = "second", 1
    number = int(seconds // size)
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
