"""What goes wrong or ends early in a browser: declines, leases, lost connections, refusals."""

from __future__ import annotations

import re
from pathlib import Path

from desk import drawn

TEMPLATES = Path(__file__).parent / "templates"


def task_of(address: str) -> str:
    """Return the id of the task that a frame's address names."""
    return re.search(r"/frame/(\w+)", address)[1]


def test_a_declined_image_makes_way_for_the_next_which_has_the_keys(desk):
    desk.job(objects=2)
    seat = desk.sit_down()
    seat.drag(10, 10, 50, 50)
    seat.page.get_by_role("button", name="Decline").click()
    seat.page.get_by_label("Another reason", exact=True).fill("It is upside down")
    seat.press("Enter")
    seat.page.get_by_text("Declined. Here is the next image.").wait_for()
    seat.ready()
    assert seat.count() == "0 boxes"
    seat.press("n", "Enter")
    seat.all_done()
    assert desk.house.counters()["HumanLabeled"] == 1


def test_who_leaves_gives_back_what_was_fetched_ahead(desk):
    desk.job(objects=3)
    seat = desk.sit_down()
    ahead = task_of(seat.fetched_ahead())
    with seat.page.expect_response(lambda reply: f"{ahead}/return" in reply.url):
        seat.button("Return").click()
    seat.page.reload()
    seat.page.get_by_role("button", name="Start").wait_for()
    assert seat.page.get_by_text("3 images for you").is_visible()


def test_a_task_that_waited_too_long_is_exchanged_for_a_fresh_one(desk):
    desk.job(objects=3)
    seat = desk.begin(install_clock=True)
    seat.ready()
    ahead = seat.fetched_ahead()
    seat.page.clock.fast_forward("09:00")
    assert seat.page.locator(".clock.hurry").is_visible()
    seat.press("n")
    seat.submit()
    seat.ready()
    assert seat.address() != ahead
    assert not seat.page.locator(".clock.hurry").is_visible()
    seat.press("n")
    seat.submit()
    seat.ready()
    seat.press("n", "Enter")
    seat.all_done()
    assert desk.house.counters()["HumanLabeled"] == 3


def test_an_image_whose_time_is_over_is_taken_away(desk):
    desk.job(objects=2)
    seat = desk.begin(install_clock=True)
    seat.ready()
    desk.house.clock.sleep(601)
    desk.house.settle()
    seat.page.clock.fast_forward("10:01")
    seat.page.get_by_text("Its time is over; somebody else may get it.").wait_for()
    seat.page.get_by_role("button", name="Next image").click()
    seat.ready()
    seat.press("n", "Enter")
    seat.page.wait_for_function("() => !document.querySelector('.curtain')")


def test_a_lost_connection_is_told_and_loses_nothing(desk):
    desk.job(objects=2)
    seat = desk.sit_down()
    seat.fetched_ahead()
    seat.context.set_offline(True)
    seat.drag(10, 20, 110, 90)
    seat.press("Enter")
    seat.frame.get_by_text("The service cannot be reached. Nothing is lost").wait_for()
    assert seat.count() == "1 box"
    seat.drag(200, 120, 300, 190)  # and goes on working meanwhile
    seat.context.set_offline(False)
    seat.page.reload()
    seat.ready()
    assert seat.count() == "2 boxes"
    seat.submit()
    seat.ready()
    seat.context.set_offline(True)
    seat.press("n", "Enter")
    seat.frame.get_by_text("The service cannot be reached. Nothing is lost").wait_for()
    seat.context.set_offline(False)
    seat.press("Enter")
    seat.all_done()
    first, second = desk.output()
    assert drawn(first) == [("cat", 10, 20, 100, 70), ("cat", 200, 120, 100, 70)]
    assert drawn(second) == []


def test_a_refused_answer_is_told_beside_the_image(desk):
    desk.job((TEMPLATES / "boxes_as_in_the_guide.liquid.html").read_text(), labels=("x", "y"))
    seat = desk.sit_down()
    seat.drag(10, 20, 110, 90)
    seat.press("Enter")
    seat.frame.get_by_text(re.compile("is not one of the job's labels")).wait_for()
    assert seat.count() == "1 box"
