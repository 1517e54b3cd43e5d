from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.errors import JobFailedError
from gt_workflow.workflow import follow


class ScriptedGroundTruth:
    """Answers DescribeLabelingJob with one prepared answer after the other, the last for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def describe(self, name):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {
            "LabelingJobName": name,
            "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
            **answer,
        }


def state(status, labeled=0, left=0, failed=0, **more):
    counters = {
        "HumanLabeled": labeled,
        "Unlabeled": left,
        "FailedNonRetryableError": failed,
        "TotalLabeled": labeled,
        "MachineLabeled": 0,
    }
    return {"LabelingJobStatus": status, "LabelCounters": counters, **more}


def test_waiting_ends_with_the_job_and_tells_the_time_left():
    told = []
    end = follow.wait(
        "j",
        ground_truth=ScriptedGroundTruth(
            {"LabelingJobStatus": "Initializing"},
            state("InProgress", 0, 10),
            state("InProgress", 5, 5),
            state("Completed", 9, 0, 1, LabelingJobOutput={"OutputDatasetS3Uri": "s3://b/o"}),
        ),
        clock=ManualClock(),
        told=lambda now, left: told.append((now.status, now.done, now.total, left)),
    )
    assert (end.status, end.human, end.failed, end.output_uri) == ("Completed", 9, 1, "s3://b/o")
    assert told == [
        ("Initializing", 0, 0, None),
        ("InProgress", 0, 10, None),
        ("InProgress", 5, 10, timedelta(seconds=1)),
        ("Completed", 10, 10, None),
    ]


def test_a_job_that_does_not_move_is_asked_ever_more_rarely():
    clock = ManualClock()
    truth = ScriptedGroundTruth(*[state("InProgress", 0, 3)] * 30, state("Completed", 3))
    follow.wait("j", ground_truth=truth, clock=clock, longest=20.0)
    waited = (clock.now() - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
    assert 20 * 18 < waited < 20 * 30


def test_a_failed_job_raises_its_reason():
    truth = ScriptedGroundTruth(state("Failed", FailureReason="ClientError: line 3"))
    with pytest.raises(JobFailedError, match="ClientError: line 3"):
        follow.wait("j", ground_truth=truth, clock=ManualClock())


def test_a_stopped_job_is_returned_with_what_it_has():
    end = follow.wait(
        "j", ground_truth=ScriptedGroundTruth(state("Stopped", 2, 3)), clock=ManualClock()
    )
    assert (end.status, end.human, end.left) == ("Stopped", 2, 3)


def test_a_snapshot_prints_as_plain_json_values():
    now = follow.look(
        "j", ground_truth=ScriptedGroundTruth(state("InProgress", 1, 2)), clock=ManualClock()
    )
    assert now.to_dict() == {
        "name": "j",
        "status": "InProgress",
        "human": 1,
        "machine": 0,
        "failed": 0,
        "left": 2,
        "total": 3,
        "created": "2026-01-01T00:00:00+00:00",
        "output": None,
        "failure-reason": None,
    }
