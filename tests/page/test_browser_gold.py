"""A gold question in the browser: it looks like any other until it is answered, then it is told."""

from __future__ import annotations

import json

import pytest
from desk import HEIGHT, WIDTH, drawn, photograph

from gt_workflow.core import gold

KNOWN = [(100.0, 80.0, 160.0, 140.0), (400.0, 300.0, 100.0, 90.0)]


def known_line(uri: str) -> bytes:
    sides = ("left", "top", "width", "height")
    return json.dumps(
        {
            "source-ref": uri,
            "truth": {
                "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
                "annotations": [
                    {"class_id": 0, **dict(zip(sides, one, strict=True))} for one in KNOWN
                ],
            },
            "truth-metadata": {
                "objects": [{"confidence": 1} for _ in KNOWN],
                "class-map": {"0": "cat"},
                "type": "groundtruth/object-detection",
                "human-annotated": "yes",
                "creation-date": "2026-01-01T00:00:00",
                "job-name": "labeling-job/truth",
            },
        }
    ).encode()


@pytest.fixture
def asked(desk):
    """A worker in a job of two photographs, before the gold question that is among them."""
    uri = "s3://bucket/known/gold.jpg"
    desk.house.storage.objects[uri] = photograph(7)
    desk.house.storage.objects["s3://bucket/gold.manifest"] = known_line(uri)
    tags = ((gold.URI_TAG, "s3://bucket/gold.manifest"), (gold.RATE_TAG, "0.5"))
    desk.job(objects=2, tags=tags)
    return desk.sit_down()


def is_gold(desk, seat) -> bool:
    task = seat.address().partition("/frame/")[2].partition("?")[0]
    with desk.house.store.read() as connection:
        found = connection.exec_driver_sql("SELECT 1 FROM gold_tasks WHERE id = ?", (task,))
        return found.first() is not None


def test_feedback_is_seen_at_once_and_nothing_of_it_in_the_output(desk, asked):
    seat, told = asked, 0
    for at in range(3):
        seat.ready()
        left, top, width, height = map(round, KNOWN[0])
        seat.drag(left, top, left + width, top + height)
        golden = is_gold(desk, seat)
        before = seat.address()
        seat.press("Enter")
        if golden:
            told += 1
            dialog = seat.page.get_by_role("dialog")
            dialog.locator(".gold-picture").wait_for()
            text = dialog.inner_text()
            assert "missed by you" in text
            assert "drawn by you, not expected" not in text
            assert dialog.locator("rect.known").count() == 2
            assert dialog.locator("rect.missed").get_attribute("x") == "400"
            assert seat.address() == before  # the next image waits until it was read
            seat.press("Enter")
        if at < 2:
            seat.next_task(before)
    seat.all_done()
    assert told == 1
    assert [drawn(line) for line in desk.output()] == [[("cat", 100, 80, 160, 140)]] * 2
    assert seat.page.get_by_text("on 1 check image", exact=True).is_visible()
    assert (seat.faults, seat.complaints) == ([], [])
