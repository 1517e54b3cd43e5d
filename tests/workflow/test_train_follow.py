"""A training is followed to its end, with what its log tells, through bad weather."""

from __future__ import annotations

import pytest
from trainings import StillClock, Trainings

from gt_workflow.core.training.log import Epoch
from gt_workflow.errors import JobFailedError, NotFoundError, ServiceError, TransientError
from gt_workflow.ports import LogLine
from gt_workflow.workflow.training import follow

BUSY = TransientError("Rate exceeded", operation="Describe", code="ThrottlingException")
DENIED = ServiceError("not allowed", operation="FilterLogEvents", code="AccessDeniedException")


def answer(status, *steps, **members):
    return {
        "TrainingJobStatus": status,
        "SecondaryStatusTransitions": [
            {"Status": step, "StatusMessage": f"{step} it"} for step in steps
        ],
        **members,
    }


def epoch(number, value, *, when):
    text = f"#quality_metric: host=algo-1, epoch={number}, validation mAP <score>=({value})"
    return LogLine(f"id-{number}-{when}", when, text)


DONE = answer(
    "Completed",
    "Starting",
    "Training",
    ModelArtifacts={"S3ModelArtifacts": "s3://b/model.tar.gz"},
    FinalMetricDataList=[{"MetricName": "validation:mAP", "Value": 0.5}],
    BillableTimeInSeconds=61,
)


def test_every_epoch_is_told_once():
    training, seen = Trainings(), []
    training.answers = [answer("InProgress", "Starting"), answer("InProgress", "Training"), DONE]
    late = epoch(0, 0.1, when=5)
    training.lines = [
        [],
        [late, epoch(1, 0.25, when=1000)],
        [late, epoch(1, 0.25, when=1000), epoch(2, 0.5, when=2000)],
    ]
    end = follow.wait("degu", training=training, clock=StillClock(), told=seen.append)
    assert [len(now.epochs) for now in seen] == [0, 2, 3]
    assert end.epochs == (Epoch(0, 0.1), Epoch(1, 0.25), Epoch(2, 0.5))
    assert [step.status for step in end.steps] == ["Starting", "Training"]
    assert end.to_dict() == {
        "name": "degu",
        "status": "Completed",
        "map": 0.5,
        "epochs": [{"epoch": 0, "map": 0.1}, {"epoch": 1, "map": 0.25}, {"epoch": 2, "map": 0.5}],
        "model": "s3://b/model.tar.gz",
        "failure-reason": None,
        "billable-seconds": 61,
    }


def test_a_long_log_is_not_read_from_its_beginning():
    training = Trainings()
    training.answers = [answer("InProgress"), DONE]
    training.lines = [[epoch(0, 0.1, when=10_000_000)], []]
    follow.wait("degu", training=training, clock=StillClock())
    assert training.read == ("degu", 10_000_000 - 120_000)


def test_throttling_and_lost_connections_are_waited_out():
    training, troubles = Trainings(), []
    training.answers = [answer("InProgress"), BUSY, BUSY, DONE]
    training.lines = [BUSY, [epoch(0, 0.1, when=1)]]
    end = follow.wait("degu", training=training, clock=StillClock(), trouble=troubles.append)
    assert end.status == "Completed"
    assert len(troubles) == 2
    assert end.epochs == (Epoch(0, 0.1),)


def test_weather_that_does_not_change_ends_it():
    training = Trainings()
    training.answers = [BUSY] * 100
    with pytest.raises(TransientError):
        follow.wait("degu", training=training, clock=StillClock())
    assert len(training.answers) == 70


def test_a_log_that_may_not_be_read_is_told_once():
    training, troubles = Trainings(), []
    training.answers = [answer("InProgress"), answer("InProgress", "Training"), DONE]
    training.lines = [DENIED, DENIED, DENIED]
    end = follow.wait("degu", training=training, clock=StillClock(), trouble=troubles.append)
    assert end.final_map == 0.5
    assert len(troubles) == 1
    assert "no mAP is shown" in troubles[0]


def test_polls_ever_more_rarely():
    training, clock = Trainings(), StillClock()
    begin = clock.now()
    training.answers = [answer("InProgress")] * 100 + [DONE]
    follow.wait("degu", training=training, clock=clock)
    assert (clock.now() - begin).total_seconds() > 90 * 60


def test_failed():
    training = Trainings()
    training.answers = [answer("Failed", FailureReason="ClientError: label_width")]
    with pytest.raises(JobFailedError, match=r"ClientError: label_width; .* --again"):
        follow.wait("degu", training=training, clock=StillClock())


def test_stopped_has_no_model_to_name():
    training = Trainings()
    training.answers = [
        answer("Stopped", ModelArtifacts={"S3ModelArtifacts": "s3://b/model.tar.gz"})
    ]
    end = follow.wait("degu", training=training, clock=StillClock())
    assert (end.status, end.model_uri) == ("Stopped", None)


def test_unknown():
    with pytest.raises(NotFoundError):
        follow.wait("nobody", training=Trainings(), clock=StillClock())


def test_tuning():
    training, seen = Trainings(), []
    best = {
        "TrainingJobName": "degu-best",
        "FinalHyperParameterTuningJobObjectiveMetric": {
            "MetricName": "validation:mAP",
            "Value": 0.75,
        },
        "TunedHyperParameters": {"learning_rate": "0.01"},
    }
    training.answers = [
        {
            "HyperParameterTuningJobStatus": "InProgress",
            "TrainingJobStatusCounters": {"Completed": 1, "InProgress": 2},
        },
        BUSY,
        {"HyperParameterTuningJobStatus": "Completed", "BestTrainingJob": best},
    ]
    end = follow.wait_tuning("degu", training=training, clock=StillClock(), told=seen.append)
    assert len(seen) == 2
    assert (end.best, end.best_map) == ("degu-best", 0.75)
    assert end.to_dict()["best-hyperparameters"] == {"learning_rate": "0.01"}
    training.answers = [{"HyperParameterTuningJobStatus": "Failed", "FailureReason": "no capacity"}]
    with pytest.raises(JobFailedError, match="no capacity"):
        follow.wait_tuning("degu", training=training, clock=StillClock())
