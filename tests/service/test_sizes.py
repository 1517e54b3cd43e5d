"""Images are looked at while nobody waits for it but the one who gets them."""

from __future__ import annotations

import errno
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from jobs_world import World
from portal_house import House, answer
from served import served

from gt_workflow.adapters.task_client import TaskClient
from gt_workflow.core import gold
from gt_workflow.service.labeling.sizes import AHEAD, IMAGE_WAITS

TIMEOUT = 20  # seconds after which something that waits is stuck


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    yield here
    here.close()


@pytest.fixture
def house_of_two(tmp_path):
    house = House(tmp_path)
    job = house.job()
    yield house, [house.worker("Ada"), house.worker("Bob")], job
    house.close()


def opened(world: World) -> list[str]:
    """The images that were looked at, from now on."""
    seen: list[str] = []

    def note(uri: str) -> bool:
        seen.append(uri)
        return False

    world.storage.broken = note
    return seen


def test_no_transaction_is_open_while_storage_is_read(world):
    world.begin(2)
    other = world.accept("w1")
    with world.store.write() as connection:  # as if nobody had looked at them yet
        connection.exec_driver_sql("UPDATE objects SET width = NULL, height = NULL WHERE idx = 1")
    answered = []

    def meanwhile(_uri: str) -> bool:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(world.submit, other, "w1").result(TIMEOUT)
        answered.append(other.id)
        world.storage.broken = lambda _: False
        return False

    world.storage.broken = meanwhile
    assert world.accept("w0").index == 1
    assert answered == [other.id]


def test_the_images_that_come_next_are_looked_at_on_the_way(world):
    world.begin(AHEAD + 3)
    seen = opened(world)
    assert world.accept().index == 0
    assert len(seen) == 1 + AHEAD
    for _ in range(AHEAD):
        world.submit(world.accept())
    assert len(seen) == 1 + AHEAD  # nobody looks twice


def test_slow_storage_is_asked_for_no_more_than_what_is_waited_for(world):
    world.begin(AHEAD)
    seen: list[str] = []

    def slow(uri: str) -> bool:
        seen.append(uri)
        world.clock.sleep(0.2)
        return False

    world.storage.broken = slow
    for number in range(1, 4):
        world.accept()
        assert len(seen) == number


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.EIO, "Input/output error"), None),  # a disk, which may come back
        (OSError(errno.ESTALE, "Stale file handle"), None),
        (OSError("image file is truncated"), 1),  # a decoder's
        (ValueError("no image"), 1),
    ],
)
def test_a_failing_disk_is_waited_for_and_a_broken_image_is_not(world, error, status):
    class Failing(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise error

    world.begin(1)
    read, world.storage.open = world.storage.open, lambda _: Failing()
    assert world.jobs.accept("w0") is None
    world.storage.open = read
    assert world.counters() == (0, status or 0, 0 if status else 1)
    if status is None:
        world.wait(IMAGE_WAITS[0])
        assert world.accept().index == 0


def test_an_image_that_fails_on_the_way_is_told_when_it_is_its_turn(world):
    world.begin(3)
    world.storage.delete("s3://bucket/images/1.jpg")
    world.accept("w0")
    assert world.counters() == (0, 0, 3)
    assert world.accept("w0").index == 2
    assert world.counters() == (0, 1, 2)


def test_two_who_find_the_same_image_out_of_reach_count_one_try(world):
    world.begin(1)
    world.storage.broken = lambda uri: uri.endswith("0.jpg")
    image = world.jobs.next("w0")
    assert image == world.jobs.next("w1")
    world.jobs.look(image)
    world.jobs.look(image)
    assert world.jobs.next("w0") is None
    world.storage.broken = lambda _: False
    world.wait(IMAGE_WAITS[0])
    assert world.accept().index == 0


def test_a_gold_image_is_looked_at_outside_too_and_may_be_out_of_reach(world):
    known = {
        "known": {"image_size": [{"width": 100, "height": 80, "depth": 3}], "annotations": []},
        "known-metadata": {
            "objects": [],
            "class-map": {},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
            "job-name": "labeling-job/known",
        },
    }
    uri = world.put("gold.manifest", world.line(90, **known))
    rate = {"Key": gold.RATE_TAG, "Value": "0.5"}
    world.begin(8, Tags=[{"Key": gold.URI_TAG, "Value": uri}, rate])
    world.storage.broken = lambda uri: uri.endswith("90.jpg")
    for _ in range(4):
        assert "/90.jpg" not in world.accept().object_uri
    world.storage.broken = lambda _: False
    world.clock.sleep(30)
    assert any("/90.jpg" in world.accept("w0").object_uri for _ in range(4))


def test_slow_storage_holds_up_nobody_else_at_the_door(house_of_two):
    house, tokens, job = house_of_two
    slow, others_done, waits = threading.Event(), threading.Event(), []
    read = house.storage.open

    def patient(uri: str):
        if uri.endswith(".jpg") and not slow.is_set():
            slow.set()
            waits.append(others_done.wait(TIMEOUT))
        return read(uri)

    with served(house.app) as address:
        ada, bob = (TaskClient(address, token) for token in tokens)
        task = bob.accept(job)
        with house.store.write() as connection:
            connection.exec_driver_sql("UPDATE objects SET width = NULL WHERE leases = 0")
        house.storage.open = patient
        with ThreadPoolExecutor(1) as pool:
            hers = pool.submit(ada.accept, job)
            assert slow.wait(TIMEOUT)
            bob.submit(task["id"], answer())
            others_done.set()
            assert hers.result(TIMEOUT)["object"] != task["object"]
    assert waits == [True]
