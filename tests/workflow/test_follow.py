from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.errors import CredentialsError, JobFailedError, ServiceError, TransientError
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


class BadLine(ScriptedGroundTruth):
    """Fails as told on each call, None for none; after the list is done, on none or for ever."""

    def __init__(self, troubles, *answers, for_ever=False):
        super().__init__(*answers)
        self.troubles = troubles
        self.for_ever = for_ever

    def describe(self, name):
        trouble = self.troubles[0] if self.troubles else None
        if len(self.troubles) > 1 or not self.for_ever:
            self.troubles = self.troubles[1:]
        if trouble is not None:
            raise trouble
        return super().describe(name)


def trouble(kind=TransientError, code="ThrottlingException"):
    return kind("Rate exceeded", operation="DescribeLabelingJob", code=code)


@pytest.mark.parametrize(
    "kind", [TransientError, CredentialsError], ids=["throttled", "expired credentials"]
)
def test_trouble_that_passes_is_told_once_and_waited_for(kind):
    said, clock = [], ManualClock()
    truth = BadLine([None, *[trouble(kind)] * 9], state("InProgress", 1, 1), state("Completed", 2))
    end = follow.wait("j", ground_truth=truth, clock=clock, said=said.append)
    assert end.status == "Completed"
    assert len(said) == 2
    assert "Rate exceeded [ThrottlingException]; the job goes on" in said[0]
    assert said[1] == "labeling job j answers again"
    # 2, 4, 8, 16, 32, 60, 60, ...: growing pauses
    waited = (clock.now() - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
    assert 2 + 4 + 8 + 16 + 32 + 4 * 60 <= waited < 310


def test_trouble_without_end_ends_the_following_and_says_how_to_go_on():
    clock = ManualClock()
    truth = BadLine([None, trouble()], state("InProgress", 1, 1), for_ever=True)
    with pytest.raises(TransientError, match=r"nothing was heard for 30 minutes.*`wait j`") as met:
        follow.wait("j", ground_truth=truth, clock=clock)
    assert met.value.code == "ThrottlingException"
    waited = clock.now() - datetime(2026, 1, 1, tzinfo=UTC)
    assert timedelta(minutes=30) <= waited < timedelta(minutes=31)


def test_without_patience_the_first_trouble_ends_it():
    clock = ManualClock()
    truth = BadLine([trouble()], state("InProgress", 1, 1))
    with pytest.raises(TransientError, match="goes on by itself"):
        follow.wait("j", ground_truth=truth, clock=clock, patience=timedelta(0))
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)


def test_credentials_that_never_worked_are_not_waited_for():
    truth = BadLine([trouble(CredentialsError)], state("InProgress", 1, 1))
    with pytest.raises(CredentialsError):
        follow.wait("j", ground_truth=truth, clock=ManualClock())


def test_what_waiting_does_not_mend_is_raised_at_once():
    refused = ServiceError("not allowed", operation="D", code="AccessDeniedException")
    truth = BadLine([None, refused], state("InProgress", 1, 1))
    with pytest.raises(ServiceError, match="not allowed"):
        follow.wait("j", ground_truth=truth, clock=ManualClock())


def test_a_likely_cause_is_told_once_and_again_after_something_moved():
    said = []
    zero, one = state("InProgress", 0, 3), state("InProgress", 1, 2)
    truth = ScriptedGroundTruth(*[zero] * 100, *[one] * 300, state("Completed", 3))
    follow.wait("j", ground_truth=truth, clock=ManualClock(), said=said.append)
    assert len(said) == len(set(said))
    assert "all counters at 0" in said[0]
    assert "holds back everybody" in said[-1]


def test_examining_uses_what_the_job_says_about_itself():
    long_ago = datetime(2025, 12, 30, tzinfo=UTC)
    truth = ScriptedGroundTruth(
        state("InProgress", 0, 3, LastModifiedTime=long_ago, CreationTime=long_ago)
    )
    now, hints = follow.examine("j", ground_truth=truth, clock=ManualClock())
    assert (now.status, hints[0].code) == ("InProgress", "nobody")
    assert "2 days" in hints[0].message
