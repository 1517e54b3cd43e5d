"""How jobs end: done, stopped, at a condition, out of time, with output that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from jobs_world import ROOT, World

from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling import states, troubles

DAY = 86_400


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    yield here
    here.close()


def kinds(output: list[dict[str, Any]]) -> list[str]:
    """Labelled, failed or untouched, line by line."""
    return [
        "labelled" if "boxes" in line else "failed" if "boxes-metadata" in line else "untouched"
        for line in output
    ]


@pytest.mark.parametrize("old", sorted(states.FOLLOWERS))
@pytest.mark.parametrize("new", sorted(states.FOLLOWERS))
def test_only_the_tables_steps_are_legal(old, new):
    legal = {
        ("Initializing", "InProgress"),
        ("Initializing", "Failed"),
        ("Initializing", "Stopping"),
        ("InProgress", "Completed"),
        ("InProgress", "Failed"),
        ("InProgress", "Stopping"),
        ("Stopping", "Stopped"),
        ("Stopping", "Failed"),
    }
    if (old, new) in legal:
        states.check(old, new)
    else:
        with pytest.raises(states.IllegalTransitionError):
            states.check(old, new)


def test_terminal_states_have_no_followers():
    assert {"Completed", "Failed", "Stopped"} == states.TERMINAL
    assert {"Initializing", "InProgress", "Stopping"} == states.ALIVE


def test_a_stopped_job_keeps_what_was_answered_and_leaves_the_rest_as_it_was(world):
    world.begin(4, NumberOfHumanWorkersPerDataObject=2, MaxConcurrentTaskCount=3)
    for worker in ("w0", "w1"):
        world.submit(world.accept(worker), worker, ("cat", 1, 1, 9, 9))
    world.submit(world.accept("w0"), "w0", ("dog", 2, 2, 9, 9))
    held = world.accept("w1")
    world.stop()
    assert world.status() == "Stopping"
    with pytest.raises(Fault, match="takes no more answers"):
        world.submit(held, "w1")
    assert world.jobs.held("w1") == []
    assert world.jobs.accept("w2") is None
    world.run()
    assert world.status() == "Stopped"
    assert world.counters() == (2, 0, 2)
    output = world.output()
    assert kinds(output) == ["labelled", "labelled", "untouched", "untouched"]
    assert output[1]["boxes"]["annotations"][0]["class_id"] == 1
    raw = world.storage.objects[f"{ROOT}/job/manifests/output/output.manifest"]
    assert raw.splitlines()[2:] == [world.line(2), world.line(3)]
    with pytest.raises(Fault, match="takes no more answers") as refusal:
        world.submit(held, "w1")
    assert refusal.value.code == "ConflictException"


def test_stopping_twice_is_stopping_once_and_what_has_ended_cannot_be_stopped(world):
    world.begin(1)
    world.stop()
    world.stop()
    world.run()
    assert world.status() == "Stopped"
    with pytest.raises(Fault, match="in status Stopped") as refusal:
        world.stop()
    assert refusal.value.code == "ValidationException"
    with pytest.raises(Fault, match="no labeling job"):
        world.stop("other")


def test_a_job_stopped_before_it_began_still_has_every_line(world):
    world.create(2)
    world.stop()
    assert world.status() == "Stopping"
    world.run()
    assert world.status() == "Stopped"
    assert kinds(world.output()) == ["untouched", "untouched"]
    assert world.counters() == (0, 0, 2)


def test_a_job_stopped_before_it_began_fails_if_its_manifest_is_bad(world):
    world.create([b"{}"])
    world.stop()
    world.run()
    assert world.status() == "Failed"
    assert "source-ref" in world.describe()["FailureReason"]


def test_a_job_stopped_while_its_output_is_written_is_stopped(world):
    world.begin(1)
    world.storage.broken = lambda uri: uri.startswith(ROOT)
    world.label_one()
    assert world.status() == "InProgress"
    world.stop()
    assert world.status() == "Stopping"
    world.storage.broken = lambda _: False
    world.wait(10)
    assert world.status() == "Stopped"
    assert kinds(world.output()) == ["labelled"]


@pytest.mark.parametrize(
    ("conditions", "labelled"),
    [
        ({"MaxHumanLabeledObjectCount": 3}, 3),
        ({"MaxPercentageOfInputDatasetLabeled": 50}, 4),
        ({"MaxPercentageOfInputDatasetLabeled": 1}, 1),
        ({"MaxHumanLabeledObjectCount": 3, "MaxPercentageOfInputDatasetLabeled": 100}, 3),
        ({"MaxHumanLabeledObjectCount": 5, "MaxPercentageOfInputDatasetLabeled": 20}, 2),
    ],
)
@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_a_job_stops_at_the_first_condition_and_never_passes_it(world, conditions, labelled, batch):
    world.begin(7, StoppingConditions=conditions, MaxConcurrentTaskCount=batch)
    world.finish("w0", "w1")
    assert world.status() == "Stopped"
    assert world.counters() == (labelled, 0, 7 - labelled)
    assert kinds(world.output()) == ["labelled"] * labelled + ["untouched"] * (7 - labelled)


def test_failed_objects_do_not_count_towards_a_condition(world):
    world.begin(4, StoppingConditions={"MaxHumanLabeledObjectCount": 2})
    world.storage.delete("s3://bucket/images/1.jpg")
    world.finish()
    assert world.status() == "Stopped"
    assert kinds(world.output()) == ["labelled", "failed", "labelled", "untouched"]


def test_a_condition_met_by_the_last_object_completes_the_job(world):
    world.begin(2, StoppingConditions={"MaxHumanLabeledObjectCount": 2})
    world.finish()
    assert world.status() == "Completed"


def test_a_batch_is_over_after_its_availability(world):
    world.begin(
        4,
        NumberOfHumanWorkersPerDataObject=2,
        MaxConcurrentTaskCount=3,
        TaskAvailabilityLifetimeInSeconds=600,
    )
    for worker in ("w0", "w1"):
        world.submit(world.accept(worker), worker)
    world.submit(world.accept("w0"), "w0", ("dog", 2, 2, 9, 9))
    world.wait(599)
    last = world.accept("w0")
    assert last.lease_until == world.clock.now() + timedelta(seconds=1)
    world.clock.sleep(1)
    assert world.jobs.accept("w2") is None
    with pytest.raises(Fault, match="time for this task is over"):
        world.submit(last, "w0")
    world.run()
    assert world.counters() == (2, 1, 1)
    assert world.status() == "InProgress"
    world.submit(world.accept("w0"), "w0")
    world.wait(600)
    assert world.status() == "Completed"
    output = world.output()
    assert kinds(output) == ["labelled", "labelled", "failed", "labelled"]
    metadata = output[2]["boxes-metadata"]
    assert metadata["failure-reason"].startswith("ClientError: Annotation tasks expired")
    assert metadata["human-annotated"] == "true"
    assert metadata["retry-count"] == 0
    assert "boxes" not in output[2]


def test_a_job_with_fewer_workers_than_asked_ends_with_the_answers_it_got(world):
    world.begin(2, NumberOfHumanWorkersPerDataObject=9, TaskAvailabilityLifetimeInSeconds=3600)
    world.finish("w0", "w1", "w2")
    assert world.counters() == (0, 0, 2)
    world.wait(3600)
    assert world.status() == "Completed"
    assert world.counters() == (2, 0, 0)


def test_a_job_fails_after_thirty_days_with_what_it_has(world):
    world.begin(3, MaxConcurrentTaskCount=1, TaskAvailabilityLifetimeInSeconds=20 * DAY)
    world.wait(15 * DAY)
    world.label_one()
    world.wait(15 * DAY - 1)
    assert world.status() == "InProgress"
    held = world.accept()
    assert held.lease_until == world.clock.now() + timedelta(seconds=1)
    world.wait(1)
    described = world.describe()
    assert described["LabelingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: The labeling job was not finished")
    assert kinds(world.output()) == ["labelled", "untouched", "untouched"]
    assert world.counters() == (1, 0, 2)


def test_an_answer_given_before_the_thirty_days_end_is_kept(world):
    world.begin(1, NumberOfHumanWorkersPerDataObject=2)
    world.submit(world.accept(), "w0", ("cat", 1, 1, 9, 9))
    world.clock.sleep(30 * DAY)
    assert world.jobs.accept("w1") is None
    world.run()
    assert world.status() == "Failed"
    assert kinds(world.output()) == ["labelled"]


def test_output_that_cannot_be_written_is_tried_again(world):
    world.begin(2, MaxConcurrentTaskCount=1)
    world.storage.broken = lambda uri: uri.startswith(ROOT)
    world.label_one()
    world.label_one()
    assert world.status() == "InProgress"
    assert world.counters() == (2, 0, 0)
    assert not world.jobs.advance()
    world.wait(60)
    world.storage.broken = lambda uri: uri.endswith("output.manifest")
    world.wait(600)
    assert world.status() == "InProgress"
    world.storage.broken = lambda _: False
    world.wait(600)
    assert world.status() == "Completed"
    assert kinds(world.output()) == ["labelled", "labelled"]


@pytest.mark.parametrize("stopped", [False, True])
def test_output_that_cannot_be_written_for_a_day_is_written_when_it_can(world, stopped):
    world.begin(1)
    world.storage.broken = lambda uri: uri.startswith(ROOT)
    world.label_one()
    if stopped:
        world.stop()
    end = world.clock.now() + timedelta(days=1)
    while world.clock.now() < end:
        world.wait(troubles.LONGEST_WAIT)
        assert world.status() not in states.TERMINAL
    world.storage.broken = lambda _uri: False
    world.wait(troubles.LONGEST_WAIT)
    assert world.status() in {"Completed", "Stopped"}
    assert "LabelingJobOutput" in world.describe()
    assert world.describe()["LabelCounters"]["HumanLabeled"] == 1


def test_a_broken_job_stops_no_other(world, caplog):
    world.begin(2, name="broken")
    bad = world.request(name="broken")["OutputConfig"]["S3OutputPath"] + "broken/"
    world.storage.broken = lambda uri: uri.startswith(bad)
    world.finish()
    world.clock.sleep(1)
    world.begin(2, name="whole")
    world.finish()
    assert world.status("whole") == "Completed"
    assert world.status("broken") == "InProgress"
    assert "the storage does not answer" in caplog.text


def test_a_mistake_in_one_step_is_logged_and_stops_no_other_job(world, caplog):
    world.begin(2, name="broken", TaskAvailabilityLifetimeInSeconds=60)
    world.begin(1, name="waits", TaskTimeLimitInSeconds=60)
    with world.store.write() as connection:  # as a mistake of ours might leave it
        connection.exec_driver_sql("UPDATE objects SET answers = 1 WHERE job_id = 1")
    late = world.accept("w1")
    world.wait(61)
    assert "InternalError" in caplog.text
    assert world.status("broken") == "InProgress"
    assert world.accept("w1").job_name == "waits"
    assert late.job_name == "broken"
    for _ in range(troubles.MAX_TRIES):
        world.wait(troubles.LONGEST_WAIT)
    assert world.status("broken") == "Failed"
    assert world.describe("broken")["FailureReason"].startswith("InternalError: ")
    assert world.accept("w2").job_name == "waits"


def test_counters_that_do_not_match_end_the_job_instead_of_the_service(world, caplog):
    world.begin(1)
    with world.store.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET active = 2")
    world.label_one()
    world.stop()
    for _ in range(troubles.MAX_TRIES):
        world.wait(troubles.LONGEST_WAIT)
    assert world.status() == "Failed"
    assert "counts 1 active objects, but has none" in caplog.text


def test_nothing_to_do_costs_no_write(world):
    world.begin(2)
    world.label_one()
    before = list(world.storage.objects)
    for _ in range(3):
        assert not world.jobs.advance()
    assert list(world.storage.objects) == before


def test_one_thread_advances_at_a_time(world):
    """A storage that calls back shows what a second thread would meet."""
    answers: list[bool] = []

    def calls_back(_: str) -> bool:
        answers.append(world.jobs.advance())
        return False

    world.create(1)
    world.storage.broken = calls_back
    world.run()
    assert answers
    assert not any(answers)
    assert world.status() == "InProgress"
