"""How long workers were at their answers, where the next task is fetched ahead."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from jobs_world import HEIGHT, WIDTH, World, answer

from gt_workflow.core import gold


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    yield here
    here.close()


def label(world: World, *seconds: float, worker: str = "w0") -> None:
    """Answer as the page does, one task ahead, each after so long on the screen."""
    ahead = world.jobs.accept(worker)
    for spent in seconds:
        task, ahead = ahead, world.jobs.accept(worker)
        assert task is not None
        world.clock.sleep(spent)
        world.submit(task, worker)


def spent(world: World) -> dict[int, float]:
    """The seconds that the output tells of each object."""
    world.run()
    return {
        int(path.split("/")[-2]): json.loads(body)["answers"][0]["timeSpentInSeconds"]
        for path, body in world.written().items()
        if "worker-response" in path
    }


def test_the_output_does_not_count_the_image_before(world):
    world.begin(3)
    label(world, 10, 20.5, 30)
    assert spent(world) == {0: 10, 1: 20.5, 2: 30}


def test_when_a_task_was_fetched_is_told_as_it_was(world):
    world.begin(2)
    label(world, 10, 20)
    world.run()
    told = [json.loads(body) for path, body in world.written().items() if "worker-resp" in path]
    assert {one["answers"][0]["acceptanceTime"] for one in told} == {"2026-01-01T00:00:00.000Z"}


def test_what_was_declined_in_between_is_not_counted_either(world):
    world.begin(3)
    first, second, third = (world.accept() for _ in range(3))
    world.clock.sleep(10)
    world.submit(first)
    world.clock.sleep(100)
    world.jobs.decline("w0", second.id, "blurred")
    world.clock.sleep(5)
    world.submit(third)
    world.finish("w1")
    assert spent(world) == {0: 10, 2: 5}


def test_what_ran_out_on_the_screen_is_not_counted_in_the_next(world):
    world.begin(2)
    world.accept()
    world.clock.sleep(100)
    second = world.accept()
    world.wait(200)  # the first one's time is over
    world.clock.sleep(9)
    world.submit(second)
    world.finish("w1")
    assert spent(world)[1] == 9


def test_what_was_passed_on_counts_for_who_had_it(world):
    world.begin(3)
    first, ahead = world.accept(), world.jobs.next("w0", ahead=True)
    world.clock.sleep(10)
    label(world, 50, worker="w1")  # the third, and then what waits behind the first
    passed = world.accept("w1")
    world.clock.sleep(5)
    world.submit(first)
    assert world.jobs.begin("w0", ahead.id) is False
    world.clock.sleep(20)
    world.submit(passed, "w1")
    assert spent(world) == {0: 65, 1: 25, 2: 50}


def test_a_task_that_was_begun_counts_from_the_answer_before(world):
    world.begin(2)
    first, ahead = world.accept(), world.jobs.next("w0", ahead=True)
    world.clock.sleep(10)
    with world.jobs.together():
        world.submit(first)
        assert world.jobs.begin("w0", ahead.id) is True
    world.clock.sleep(7)
    world.submit(ahead)
    assert spent(world) == {0: 10, 1: 7}


def test_a_break_counts_from_when_the_task_was_accepted(world):
    world.begin(2)
    label(world, 10)
    world.jobs.give_back("w0", world.jobs.held("w0")[0].id)
    world.clock.sleep(3600)
    label(world, 7)
    assert spent(world) == {0: 10, 1: 7}


def test_workers_and_batches_are_timed_apart(world):
    world.begin(2, NumberOfHumanWorkersPerDataObject=2, MaxConcurrentTaskCount=1)
    for seconds in (5, 6):
        for worker in ("w0", "w1"):
            task = world.accept(worker)
            world.clock.sleep(seconds)
            world.submit(task, worker)
        world.run()
    assert spent(world) == {0: 5, 1: 6}


def test_a_gold_question_in_between_is_not_counted_either(world):
    box = {"class_id": 0, "left": 1, "top": 1, "width": 10, "height": 10}
    known = {
        "known": {
            "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
            "annotations": [box],
        },
        "known-metadata": {
            "objects": [{"confidence": 1}],
            "class-map": {"0": "cat"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
            "job-name": "labeling-job/known",
        },
    }
    uri = world.put("gold.manifest", b"\n".join(world.line(90 + at, **known) for at in range(4)))
    tags = [
        {"Key": gold.URI_TAG, "Value": uri},
        {"Key": gold.RATE_TAG, "Value": "0.5"},
    ]
    world.begin(4, Tags=tags)
    ahead, told = world.accept(), {}
    for seconds in range(10, 20):
        task, ahead = ahead, world.jobs.accept("w0")
        if task is None:
            break
        world.clock.sleep(seconds)
        if world.jobs.submit("w0", task.id, answer()) is None:
            told[task.index] = seconds
    assert len(told) == 4
    assert max(told.values()) - min(told.values()) > 3  # some were gold
    assert spent(world) == told
    assert world.jobs.review.tally("w0")["median_seconds"] < 20


def test_the_statistics_count_each_second_once(world):
    world.begin(3)
    label(world, 10, 20, 60)
    told = world.jobs.review.tally("w0")
    assert told["median_seconds"] == 20
    assert told["objects_per_hour"] == 120
