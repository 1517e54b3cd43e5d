"""The likely cause of a job that does not move, from what DescribeLabelingJob says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gt_workflow.core.stall import hints

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEAM = "arn:aws:sagemaker:us-east-1:111122223333:workteam/private-crowd/animals"
HOUR = 3600


def job(status="InProgress", *, human=0, failed=0, left=10, age=HOUR * 24, **asked):
    top = {"LabelingJobAlgorithmsConfig": {"x": 1}} if asked.pop("automated", False) else {}
    return {
        "LabelingJobStatus": status,
        "CreationTime": NOW - timedelta(seconds=age),
        "LabelCounters": {
            "HumanLabeled": human,
            "MachineLabeled": 0,
            "TotalLabeled": human,
            "FailedNonRetryableError": failed,
            "Unlabeled": left,
        },
        "HumanTaskConfig": {
            "WorkteamArn": TEAM,
            "TaskTimeLimitInSeconds": HOUR,
            "TaskAvailabilityLifetimeInSeconds": 48 * HOUR,
            "NumberOfHumanWorkersPerDataObject": 1,
            **asked,
        },
        **top,
    }


def codes(answer, still):
    found = hints(answer, now=NOW, moved=NOW - timedelta(seconds=still))
    assert all(hint.message and "\n" not in hint.message for hint in found)
    return [hint.code for hint in found]


@pytest.mark.parametrize(
    ("answer", "still", "expected"),
    [
        (job("Initializing"), 60, []),
        (job("Initializing"), HOUR, ["initializing"]),
        (job("Stopping"), HOUR, ["stopping"]),
        (job(), 600, []),
        (job(), 1000, ["nobody", "cors"]),
        (job(), 2 * HOUR, ["nobody", "cors", "template"]),
        (job(), 50 * HOUR, ["nobody", "cors", "template", "lifetime"]),
        (job(NumberOfHumanWorkersPerDataObject=3), 1000, ["nobody", "several-workers", "cors"]),
        (job(failed=4), 0, ["all-fail"]),
        (job(human=4), HOUR - 1, []),
        (job(human=4), HOUR, ["slow-worker"]),
        (
            job(human=4, NumberOfHumanWorkersPerDataObject=3),
            50 * HOUR,
            ["slow-worker", "several-workers", "lifetime"],
        ),
        (job(human=4, automated=True), HOUR / 2, ["auto-labeling"]),
        (job(human=4, automated=True), 5 * HOUR, ["auto-labeling-slow", "slow-worker"]),
        (job(human=10, left=0), 5 * HOUR, []),
        (job(human=4, age=28 * 24 * HOUR), 0, ["expires"]),
        (job("Completed", human=4), 50 * HOUR, []),
        (job("Failed"), 50 * HOUR, []),
        ({"LabelingJobStatus": "InProgress", "CreationTime": NOW}, 1000, ["nobody", "cors"]),
    ],
)
def test_likely_causes(answer, still, expected):
    assert codes(answer, still) == expected


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("private-crowd/animals", "nobody of work team animals"),
        ("vendor-crowd/acme", "vendor of work team acme"),
        ("public-crowd/default", "closed on 2026-09-30"),
    ],
)
def test_nobody_is_another_for_each_workforce(kind, said):
    answer = job(WorkteamArn=TEAM.replace("private-crowd/animals", kind))
    assert said in hints(answer, now=NOW, moved=NOW - timedelta(hours=1))[0].message


@pytest.mark.parametrize(
    ("still", "said"),
    [(900, "15 minutes"), (3600, "1 hour"), (7300, "2 hours"), (90_000, "1 day")],
)
def test_evidence_is_told_in_plain_units(still, said):
    assert f"for {said}" in hints(job(), now=NOW, moved=NOW - timedelta(seconds=still))[0].message
