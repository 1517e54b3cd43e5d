"""A task that a page has only fetched ahead goes to a worker who has nothing to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jobs_world import World
from portal_house import House, answer
from sqlalchemy import select

from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling.jobs import Task
from gt_workflow.service.store import fetched_ahead


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    yield here
    here.close()


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    here = House(tmp_path)
    yield here
    here.close()


def two_in_hand(world: World, **options: object) -> tuple[Task, Task]:
    """A job of two objects: w0 is at the first and has fetched the second."""
    world.begin(2, **options)
    first = world.accept("w0")
    second = world.jobs.next("w0", ahead=True)
    assert isinstance(second, Task)
    return first, second


def left(world: World) -> list[str]:
    with world.store.read() as connection:
        return list(connection.execute(select(fetched_ahead.c.task_id)).scalars())


def test_an_idle_worker_gets_what_another_has_only_fetched(world):
    first, second = two_in_hand(world)
    (offer,) = world.jobs.offers("w1")
    assert offer.available == 1
    passed = world.accept("w1")
    assert passed.index == second.index
    assert world.jobs.begin("w0", second.id) is False
    with pytest.raises(Fault, match="another worker has it"):
        world.submit(second, "w0")
    world.submit(first, "w0")
    world.submit(passed, "w1")
    world.run()
    assert world.status() == "Completed"
    assert world.counters() == (2, 0, 0)
    assert left(world) == []


def test_what_is_on_the_screen_stays(world):
    _, second = two_in_hand(world)
    assert world.jobs.begin("w0", second.id) is True
    assert world.jobs.begin("w0", second.id) is True  # its acknowledgement was lost
    assert world.jobs.offers("w1")[0].available == 0
    assert world.jobs.accept("w1") is None
    world.submit(second, "w0")


def test_the_last_task_of_a_worker_stays(world):
    first, second = two_in_hand(world)
    world.submit(first, "w0")
    assert world.jobs.accept("w1") is None
    world.submit(second, "w0")
    assert left(world) == []


def test_tasks_that_nobody_said_are_ahead_stay(world):
    world.begin(2)
    world.accept("w0")
    world.accept("w0")
    assert world.jobs.accept("w1") is None


def test_who_has_something_to_do_gets_nothing_of_others(world):
    world.begin(3)
    world.accept("w1")
    world.accept("w0")
    assert isinstance(world.jobs.next("w0", ahead=True), Task)
    assert world.jobs.accept("w1") is None
    assert world.jobs.next("w2", ahead=True) is None
    assert world.accept("w2").index == 2


def test_open_objects_come_first(world):
    world.begin(3)
    world.accept("w0")
    world.jobs.next("w0", ahead=True)
    assert world.accept("w1").index == 2


def test_nobody_meets_an_object_twice(world):
    world.begin(2, NumberOfHumanWorkersPerDataObject=2)
    for _ in range(2):
        world.submit(world.accept("w1"), "w1")
    world.accept("w0")
    world.jobs.next("w0", ahead=True)
    assert world.jobs.accept("w1") is None  # has answered both
    passed = world.accept("w2")
    world.jobs.decline("w2", passed.id, "blurred")
    assert world.jobs.accept("w2") is None


def test_a_task_that_comes_back_may_go_to_the_first_again(world):
    first, second = two_in_hand(world)
    passed = world.accept("w1")
    world.jobs.give_back("w1", passed.id)
    assert [task.id for task in world.jobs.held("w0")] == [first.id]
    assert world.accept("w0").index == second.index


def test_an_object_that_all_others_declined_is_not_passed_on(world):
    world.begin(1, NumberOfHumanWorkersPerDataObject=1)
    declined = world.accept("w1")
    world.jobs.decline("w1", declined.id, "blurred")
    assert world.jobs.next("w0", ahead=True) is None
    assert world.jobs.accept("w2") is None


def test_nothing_is_left_of_tasks_that_ended_otherwise(world):
    _, second = two_in_hand(world)
    assert left(world) == [second.id]
    world.wait(301)
    assert left(world) == []
    world.accept("w0")
    world.jobs.next("w0", ahead=True)
    world.stop()
    world.run()
    assert left(world) == []


def accept(house: House, token: str, **body: object) -> dict:
    return house.call("POST", "/_/api/tasks/accept", token=token, body=body).json()["task"]


def test_the_page_keeps_the_next_task_by_naming_it_with_the_answer(house):
    arn = house.job(objects=4)
    ada, bob = house.worker("Ada"), house.worker("Bob")
    first, second = accept(house, ada), accept(house, ada, ahead=True)
    told = house.submit(ada, first["id"], answer(), query=f"?then={arn}&next={second['id']}").json()
    assert (told["begun"], told["task"]["object"]) == (True, "s3://bucket/cats/photo 2.jpg")
    assert accept(house, bob)["object"].endswith("photo 3.jpg")
    eve = house.worker("Eve")
    passed = accept(house, eve)  # what came back with the answer is ahead, too
    assert passed["object"] == told["task"]["object"]
    path = f"/_/api/tasks/{second['id']}/decline?next={told['task']['id']}"
    declined = house.call("POST", path, token=ada, body={"reason": "blurred"}).json()
    assert declined["begun"] is False
    again = house.call("POST", f"/_/api/tasks/{passed['id']}/begin", token=eve).json()
    assert again == {"id": passed["id"], "begun": True}


def test_a_next_task_that_is_not_theirs_is_not_begun(house):
    house.job(objects=4)
    ada, bob = house.worker("Ada"), house.worker("Bob")
    theirs = accept(house, bob)
    for name in (theirs["id"], "nobody's", "../x"):
        mine = accept(house, ada)
        told = house.submit(ada, mine["id"], answer(), query=f"?next={name}").json()
        assert told == {"id": mine["id"], "state": "submitted", "begun": False}


def test_what_follows_is_not_ahead_where_the_next_was_passed_on(house):
    arn = house.job(objects=3)
    ada, bob = house.worker("Ada"), house.worker("Bob")
    first, second = accept(house, ada), accept(house, ada, ahead=True)
    third = accept(house, bob)
    house.submit(bob, third["id"], answer())
    passed = accept(house, bob)
    assert passed["object"] == second["object"]
    house.call("POST", f"/_/api/tasks/{passed['id']}/return", token=bob)
    query = f"?then={arn}&next={second['id']}"
    told = house.submit(ada, first["id"], answer(), query=query).json()
    assert (told["begun"], told["task"]["object"]) == (False, second["object"])
    assert accept(house, bob) is None
