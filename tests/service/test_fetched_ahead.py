"""A task that a page has only fetched ahead goes to a worker who has nothing to do."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs_world import HEIGHT, WIDTH, World
from portal_house import House, answer
from served import served
from sqlalchemy import select

from gt_workflow.adapters.task_client import TaskClient
from gt_workflow.core import gold
from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling.jobs import Task, Unmeasured
from gt_workflow.service.store import fetched_ahead, objects, tasks


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


def known(world: World) -> dict[str, object]:
    """What makes a job ask questions: every second task is one, and no more than one waits."""
    uri = world.put("gold/0.jpg", f"{WIDTH}x{HEIGHT}")
    label = {
        "truth": {
            "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
            "annotations": [],
        },
        "truth-metadata": {
            "objects": [],
            "class-map": {},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
            "job-name": "labeling-job/truth",
        },
    }
    manifest = world.put("gold.manifest", json.dumps({"source-ref": uri, **label}))
    rate = {"Key": gold.RATE_TAG, "Value": "0.5"}
    return {"Tags": [{"Key": gold.URI_TAG, "Value": manifest}, rate]}


def test_what_waits_behind_a_gold_question_is_passed_on_too(world):
    world.begin(2, **known(world))
    first, ahead = world.accept("w0"), world.jobs.next("w0", ahead=True)
    if "/gold/" not in first.object_uri:  # who is asked when, is drawn: the second task then
        world.submit(first, "w0")
        first, ahead = ahead, world.jobs.next("w0", ahead=True)
    assert "/gold/" in first.object_uri
    seen = [task.index for task in iter(lambda: world.jobs.accept("w1"), None) if plain(task)]
    if ahead.index not in seen:  # w1 had the other one in hand
        seen = [task.index for task in iter(lambda: world.jobs.accept("w2"), None) if plain(task)]
    assert ahead.index in seen


def plain(task: Task) -> bool:
    return "/gold/" not in task.object_uri


ACTIONS = ("accept", "accept", "ahead", "ahead", "begin", "submit", "return", "decline", "wait")


@given(
    moves=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2), st.integers(0, 9)), max_size=20
    ),
    workers=st.integers(1, 2),
    golden=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_whatever_workers_do_the_books_are_right(moves, workers, golden):
    world = World()
    more = known(world) if golden else {}
    world.begin(2, NumberOfHumanWorkersPerDataObject=workers, **more)
    begun: dict[str, set[str]] = {name: set() for name in world.workers}
    # What the rest is about is rarely come upon by chance.
    for action, who, which in [("accept", 0, 0), ("ahead", 0, 0), *moves]:
        if action == "wait":
            world.wait(40 * which)
        else:
            name = world.workers[who]
            begun[name] |= act(world, name, action, which)
        check_books(world, begun, workers)
    world.close()


def act(world: World, name: str, action: str, which: int) -> set[str]:
    """Let a worker do something; returns what is on their screen since."""
    if action == "accept":
        task = world.jobs.accept(name)
        return {task.id} if task else set()
    if action == "ahead":
        found = world.jobs.next(name, ahead=True)
        if isinstance(found, Unmeasured):
            world.jobs.look(found)
        return set()
    held = world.jobs.held(name)
    if not held:
        return set()
    task = held[which % len(held)]
    if action == "begin":
        assert world.jobs.begin(name, task.id) is True
        return {task.id}
    if action == "submit":
        world.submit(task, name)
    elif action == "return":
        world.jobs.give_back(name, task.id)
    else:
        world.jobs.decline(name, task.id, "blurred")
    return set()


def check_books(world: World, begun: dict[str, set[str]], workers: int) -> None:
    with world.store.read() as connection:
        rows = connection.execute(select(tasks)).all()
        standing = connection.execute(select(objects)).all()
        ahead = set(connection.execute(select(fetched_ahead.c.task_id)).scalars())
    leased = {row.id for row in rows if row.state == "leased"}
    assert ahead <= leased
    for row in rows:
        # What somebody has seen is not taken from them.
        assert row.state != "passed" or row.id not in begun[row.worker_id]
    for one in standing:
        mine = [row for row in rows if row.idx == one.idx]
        if one.state == "active":
            assert one.leases == sum(row.state == "leased" for row in mine)
            assert one.answers == sum(row.state == "submitted" for row in mine)
            assert one.leases + one.answers + one.open <= workers
        assert one.leases >= 0
        assert one.open >= 0


class Page:
    """A worker's page: one task at hand, one behind it, and it takes breaks."""

    def __init__(self, address: str, token: str, breaks: int) -> None:
        self.client = TaskClient(address, token)
        self.breaks = breaks
        self.seen: list[str] = []
        self.lost = 0

    def ask(self, path: str, body: object = None) -> dict:
        return self.client._call("page", "POST", f"tasks/{path}", body or {})

    def work(self, pause: threading.Event) -> None:
        idle = 0
        while idle < 60:
            task = self.ask("accept")["task"]
            if task is None:
                idle += 1
                pause.wait(0.005)
                continue
            idle = 0
            while task is not None:
                task = self.one(task, pause)
        self.client.close()

    def one(self, task: dict, pause: threading.Event) -> dict | None:
        """Answer a task while the next one waits; return the next, if it is still there."""
        behind = self.ask("accept", {"ahead": True})["task"]
        if len(self.seen) % self.breaks == 0:
            pause.wait(0.03)  # who is idle meanwhile gets what waits
        query = "" if behind is None else f"?next={behind['id']}"
        told = self.ask(f"{task['id']}/submit{query}", answer())  # never refused: it is shown
        self.seen.append(task["object"])
        if behind is None or told["begun"]:
            return behind
        self.lost += 1
        return None


@pytest.mark.parametrize("workers", [1, 3])
def test_pages_that_fetch_ahead_at_once_share_everything_out(house, workers):
    objects = 12
    house.job(objects=objects, workers=workers)
    pause = threading.Event()
    with served(house.app) as address, ThreadPoolExecutor(4) as pool:
        pages = [
            Page(address, house.worker(f"w{number}"), breaks)
            for number, breaks in enumerate((1, 2, 99, 99))
        ]
        for running in [pool.submit(page.work, pause) for page in pages]:
            running.result(60)
    assert all(max(Counter(page.seen).values(), default=1) == 1 for page in pages)
    given = Counter(one for page in pages for one in page.seen)
    assert (len(given), set(given.values())) == (objects, {workers})
    assert house.counters()["HumanLabeled"] == objects
    with house.store.read() as connection:
        assert list(connection.execute(select(fetched_ahead))) == []
        ended = Counter(connection.execute(select(tasks.c.state)).scalars())
    assert ended["submitted"] == objects * workers
    # How many, is the hour's chance; each page heard of its own.
    assert ended["passed"] == sum(page.lost for page in pages)
    assert set(ended) <= {"submitted", "passed"}
