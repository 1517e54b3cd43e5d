"""The next task waits behind the one at hand; meanwhile it may go to who has nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from desk import HEIGHT, WIDTH, drawn
from portal_house import answer, box

from gt_workflow.adapters.task_client import TaskClient

THEIRS = answer(box("cat", 10, 20, 100, 50), width=WIDTH, height=HEIGHT)


def behind(seat) -> str:
    """Wait for the next task, with its image; return its address."""
    address = seat.fetched_ahead()
    image = seat.page.frame_locator("iframe:not(.current, .over)").locator(".photograph")
    assert image.evaluate("(image) => image.decode().then(() => true)")
    return str(address)


@pytest.fixture
def colleague(desk) -> Iterator[Callable[[str], TaskClient]]:
    """Others, who work over the API."""
    with ExitStack() as stack:

        def join(name: str) -> TaskClient:
            client = TaskClient(desk.server.address, desk.house.worker(name))
            return stack.enter_context(closing(client))

        yield join


def test_what_was_passed_on_is_not_shown_and_nothing_drawn_is_lost(desk, colleague):
    desk.job(objects=2)
    ben = colleague("Ben")
    seat = desk.sit_down()
    behind(seat)
    seat.drag(50, 60, 150, 160)
    task = ben.accept()
    assert task["object"].endswith("photo 1.jpg")
    seat.page.reload()  # in the middle: the draft is there, the other image is not
    seat.ready()
    assert seat.count() == "1 box"
    seat.press("Enter")
    seat.all_done()
    ben.submit(task["id"], THEIRS)
    assert [drawn(line) for line in desk.output()] == [
        [("cat", 50, 60, 100, 100)],
        [("cat", 10, 20, 100, 50)],
    ]
    assert (seat.faults, seat.complaints) == ([], [])


def test_another_comes_in_its_place(desk, colleague):
    desk.job(objects=3)
    ben, eve = colleague("Ben"), colleague("Eve")
    seat = desk.sit_down()
    ahead = behind(seat)
    last = ben.accept()
    assert eve.accept()["object"].endswith("photo 1.jpg")
    ben.give_back(last["id"])
    seat.drag(50, 60, 150, 160)
    seat.submit()
    assert seat.address() != ahead
    seat.ready()
    assert seat.count() == "0 boxes"
    seat.drag(10, 20, 210, 120)
    seat.press("Enter")
    seat.all_done()
    with desk.house.store.read() as connection:
        kept = connection.exec_driver_sql("SELECT idx FROM tasks WHERE state = 'submitted'")
        assert sorted(row.idx for row in kept) == [0, 2]
    assert (seat.faults, seat.complaints) == ([], [])


def test_what_is_shown_stays(desk, colleague):
    desk.job(objects=2)
    ben = colleague("Ben")
    seat = desk.sit_down()
    ahead = behind(seat)
    seat.drag(50, 60, 150, 160)
    seat.submit()
    assert seat.address() == ahead
    assert ben.accept() is None
    seat.ready()
    seat.drag(10, 20, 210, 120)
    seat.press("Enter")
    seat.all_done()
    assert [drawn(line)[0][1] for line in desk.output()] == [50, 10]


@pytest.mark.parametrize("passed", [True, False])
def test_who_declines_goes_on_with_what_is_still_theirs(desk, colleague, passed):
    desk.job(objects=2)
    seat = desk.sit_down()
    ahead = behind(seat)
    if passed:
        assert colleague("Ben").accept() is not None
    seat.button("Decline").click()
    seat.page.get_by_role("button", name="Decline this image").click()
    if passed:
        seat.all_done()
    else:
        seat.page.get_by_text("Declined. Here is the next image.").wait_for()
        assert seat.address() == ahead
        assert colleague("Ben").accept() is None
    assert (seat.faults, seat.complaints) == ([], [])


def test_a_task_that_comes_too_late_to_be_named_is_asked_for(desk):
    """The answer is sent while the next task is still on its way."""
    desk.job(objects=3)
    seat = desk.seat()
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.post_data_json["ahead"] and not waiting:
            waiting.append(route)
        else:
            route.continue_()

    seat.page.route("**/api/tasks/accept", hold)
    with seat.page.expect_request(lambda asked: '"ahead":true' in (asked.post_data or "")):
        seat.page.goto(desk.address)
        seat.button("Start").click()
    seat.ready()
    seat.drag(50, 60, 150, 160)
    before = seat.address()
    with seat.page.expect_response(lambda told: "/submit?" in told.url) as sent:
        seat.press("Enter")
    assert "next=" not in sent.value.url
    with seat.page.expect_response(lambda told: told.url.endswith("/begin")) as begun:
        waiting[0].continue_()
    assert begun.value.json()["begun"] is True
    seat.next_task(before)
    seat.ready()
    behind(seat)
    seat.press("n")
    seat.submit()
    seat.ready()
    seat.press("n", "Enter")
    seat.all_done()
    assert [len(drawn(line)) for line in desk.output()] == [1, 0, 0]
    assert (seat.faults, seat.complaints) == ([], [])
