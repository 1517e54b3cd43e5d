"""The admin's page in a browser: counters that move, the contact sheet, stopping, inviting."""

from __future__ import annotations

import re

import pytest
import urllib3
from portal_house import answer, box

AGREED = box("cat", 100, 80, 160, 140)
ELSEWHERE = box("cat", 400, 300, 120, 90)


@pytest.fixture
def admin(desk):
    """An admin before a job that two workers answer."""
    desk.job(objects=4, workers=2)
    seat = desk.seat(admin_link(desk, "Grace"))
    seat.page.get_by_role("heading", name="cats").wait_for()
    return seat


def admin_link(desk, name):
    link = desk.link(name, role="admin")
    return link.replace("/_/#", "/_/admin#")


def respond(desk, token, *boxes):
    """Let a worker answer a task over the API."""
    task = ask(desk, token, "tasks/accept", {})["task"]
    given = answer(*boxes, width=task["image"]["width"], height=task["image"]["height"])
    ask(desk, token, f"tasks/{task['id']}/submit", given)


def ask(desk, token, path, body):
    reply = urllib3.request(
        "POST",
        f"{desk.server.address}/_/api/{path}",
        headers={"Authorization": f"Bearer {token}"},
        json=body,
    )
    assert reply.status == 200, reply.data
    return reply.json()


def counted(seat, name, number):
    """Wait until a counter of the job stands at a number."""
    counters = seat.page.locator(".head .figures div")
    counters.filter(has_text=re.compile(f"^{number}{name}$|^{name}{number}$")).wait_for()


def label_all(desk):
    """Two workers label four images: on the second they differ, on the last a little."""
    ada, ben = (desk.house.worker(name) for name in ("Ada", "Ben"))
    near = box("cat", 110, 85, 160, 140)
    for mine, other in (
        (AGREED, AGREED), (AGREED, ELSEWHERE), (AGREED, AGREED), (AGREED, near),
    ):  # fmt: skip
        respond(desk, ada, mine)
        respond(desk, ben, other)
    desk.house.settle()


def test_the_counters_move_while_workers_answer(desk, admin):
    counted(admin, "labeled", 0)
    ada, ben = (desk.house.worker(name) for name in ("Ada", "Ben"))
    respond(desk, ada, AGREED)
    ask(desk, ada, "tasks/accept", {})
    counted(admin, "in hands", 1)
    respond(desk, ben, AGREED)
    counted(admin, "labeled", 1)
    row = admin.page.get_by_role("row").filter(has_text="Ben")
    assert row.get_by_role("cell").first.inner_text() == "1"
    assert "100 %" in row.inner_text()
    assert admin.page.get_by_text("1 of 4 labeled").is_visible()
    assert admin.faults == []


def test_the_contact_sheet_shows_boxes_and_what_workers_differ_on_first(desk, admin):
    label_all(desk)
    admin.button("Refresh").click()
    tiles = admin.page.locator(".tile")
    tiles.nth(3).wait_for()
    assert "photo 1.jpg" in tiles.first.inner_text()
    assert "photo 3.jpg" in tiles.nth(1).inner_text()
    drawn = tiles.last.locator("svg rect")
    sides = ("x", "y", "width", "height")
    assert [drawn.get_attribute(side) for side in sides] == ["100", "80", "160", "140"]
    picture = tiles.last.locator("img")
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 480
    # The boxes lie where they were drawn on the image as it is shown.
    frame, shown = tiles.last.locator(".frame").bounding_box(), drawn.bounding_box()
    scale = min(frame["width"] / 640, frame["height"] / 480)
    left = frame["x"] + (frame["width"] - 640 * scale) / 2
    assert shown["x"] == pytest.approx(left + 100 * scale, abs=3)
    with admin.context.expect_page() as opened:
        tiles.last.get_by_role("link", name="photo 2.jpg").click()
    whole = opened.value.locator("img")
    assert whole.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 640
    assert (admin.faults, admin.complaints) == ([], [])
    admin.page.get_by_label("Order").select_option("confidence")
    admin.page.locator(".tile:first-child").filter(has_text="photo 3.jpg").wait_for()
    admin.page.get_by_label("Order").select_option("order")
    admin.page.locator(".tile:first-child").filter(has_text="photo 0.jpg").wait_for()


def test_stopping_asks_for_the_jobs_name_and_stops(desk, admin):
    admin.button("Stop …").click()
    field = admin.page.get_by_label("The job's name")
    field.fill("dogs")
    admin.button("Stop the job").click()
    assert field.is_visible()
    field.fill("cats")
    admin.button("Stop the job").click()
    admin.page.get_by_role("dialog").wait_for(state="detached")
    desk.house.settle()
    admin.page.locator(".job .status").get_by_text("stopped").wait_for()
    admin.button("Stop …").wait_for(state="detached")


def test_an_invitation_opens_the_page_for_somebody_else_once(desk, admin):
    admin.button("Invite …").click()
    admin.page.get_by_label("Name").fill("Mary")
    admin.button("Make a link").click()
    link = admin.page.get_by_label("Link")
    link.wait_for()
    mary = desk.seat(link.input_value())
    mary.page.get_by_text("Mary").wait_for()
    assert "invite" not in mary.page.url
    other = desk.seat(link.input_value())
    other.page.get_by_text("used").wait_for()


def test_a_worker_is_not_let_in(desk):
    desk.job(objects=1)
    seat = desk.seat(desk.link("Ada").replace("/_/#", "/_/admin#"))
    seat.page.get_by_text("This is for admins").wait_for()
    assert seat.page.get_by_text("cats").count() == 0
    seat.page.goto(f"{desk.server.address}/_/")
    seat.button("Start").wait_for()
    assert seat.page.get_by_role("link", name="Admin").count() == 0
