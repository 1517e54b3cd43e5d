"""Drawing in a browser: keys, handles, fingers, densities, and hundreds of boxes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from desk import HEIGHT, WIDTH, drawn, photograph
from PIL import Image

TEMPLATES = Path(__file__).parent / "templates"


def test_keys_undo_redo_duplicate_and_bring_the_boxes_of_the_image_before(desk):
    desk.job(objects=3)
    seat = desk.sit_down(by_keys=True)
    seat.press("b", "2", *["Shift+ArrowLeft"] * 30, *["Shift+ArrowUp"] * 30)  # to the corner
    seat.press(*["ArrowRight"] * 7, *["ArrowDown"] * 5)
    seat.press(*["Control+Shift+ArrowLeft"] * 20, *["Control+Shift+ArrowUp"] * 20)
    seat.page.reload()
    seat.ready()
    assert seat.count() == "1 box"
    seat.press("Tab", "c", "Delete", "Control+z", "Control+Shift+z", "Control+z")
    assert seat.count() == "1 box"
    seat.submit()
    seat.ready()
    seat.press("p")
    assert seat.count() == "1 box"
    seat.press("Control+z", "b", "d", "Escape", "Tab", "Tab", "Delete", "n")
    assert seat.status() == "There are boxes. Delete them if there is nothing to label."
    seat.press("Tab", "Delete", "Enter")
    assert seat.status() == "Draw a box, or press N if there is nothing to label."
    seat.press("n")
    seat.submit()
    seat.ready()
    seat.press("b", "Enter")
    seat.all_done()
    first, second, third = desk.output()
    assert drawn(first) == [("dog", 7, 5, 2, 2)]
    assert drawn(second) == []
    assert len(drawn(third)) == 1
    assert seat.faults == []


def test_a_box_is_moved_and_resized_by_its_handles_and_one_beneath_is_reached(desk):
    desk.job(objects=1)
    seat = desk.sit_down()
    seat.drag(100, 100, 300, 300)
    seat.page.keyboard.down("Shift")
    seat.drag(150, 150, 250, 250)
    seat.page.keyboard.up("Shift")
    seat.click(200, 200)  # the smaller one
    seat.drag(200, 200, 210, 195)
    seat.click(200, 200)  # the larger one beneath
    seat.drag(300, 200, 330, 200)
    seat.drag(100, 100, 90, 80)
    seat.press("Enter")
    seat.all_done()
    assert drawn(desk.output()[0]) == [("cat", 90, 80, 240, 220), ("cat", 160, 145, 100, 100)]


def test_given_boxes_are_dashed_until_they_are_touched_and_adjusted(desk):
    text = (TEMPLATES / "adjust_from_a_manifest_line.liquid.html").read_text()
    desk.job(text, kind="adjust", objects=2)
    seat = desk.sit_down()
    assert seat.frame.locator('.box[data-given="true"]').count() == 2
    seat.press("Tab", "ArrowRight")
    assert seat.frame.locator('svg > g:first-child .box[data-given="true"]').count() == 1
    seat.submit()
    seat.ready()
    seat.press("Enter")
    seat.all_done()
    one, other = desk.responses()
    assert one == {
        "boundingBox": {
            "boundingBoxes": [
                {"label": "cat", "left": 3, "top": 2, "width": 10, "height": 12},
                {"label": "dog", "left": 30, "top": 20, "width": 20, "height": 10},
            ],
            "initialValueModified": True,
            "inputImageProperties": {"height": HEIGHT, "width": WIDTH},
        }
    }
    assert other["boundingBox"]["initialValueModified"] is False


def test_boxes_are_judged_with_a_comment(desk):
    text = (TEMPLATES / "verify_with_an_overlay.liquid.html").read_text()
    desk.job(text, kind="verify", objects=2, labels=("good", "bad", "not sure"))
    seat = desk.sit_down()
    assert seat.frame.locator(".box").count() == 2
    seat.press("Enter")
    assert seat.status() == "Choose a verdict first."
    seat.press("2")
    comment = seat.frame.get_by_role("textbox", name="Why?")
    comment.fill("The left one")
    seat.page.reload()
    seat.ready()
    comment.wait_for()
    seat.submit(by_mouse=True)
    seat.ready()
    seat.press("1", "Enter")
    seat.all_done()
    assert desk.responses() == [
        {"annotatedResult": {"label": "bad", "workerComment": "The left one"}},
        {"annotatedResult": {"label": "good"}},
    ]
    bad, good = desk.output()
    assert bad["checked-metadata"]["worker-feedback"] == [{"comment": "The left one"}]
    assert good["checked-metadata"]["class-name"] == "good"


def test_a_finger_draws_and_two_fingers_zoom(desk):
    desk.job(objects=1)
    seat = desk.sit_down(has_touch=True)
    session = seat.context.new_cdp_session(seat.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        told = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})

    touch("touchStart", seat.screen(100, 100))
    touch("touchMove", seat.screen(150, 190))
    touch("touchMove", seat.screen(200, 200))
    touch("touchEnd")
    assert seat.count() == "1 box"
    wide = seat.frame.locator(".photograph").bounding_box()["width"]
    x, y = seat.screen(320, 240)
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 50, y), (x + 50, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    seat.when(seat.photograph, "element.getBoundingClientRect().width > 2 * known", wide)
    assert seat.count() == "1 box"
    seat.press("Enter")
    seat.all_done()
    assert drawn(desk.output()[0]) == [("cat", 100, 100, 100, 100)]


def test_an_image_that_asks_to_be_turned_is_shown_as_it_is_stored(desk):
    desk.job(objects=1)
    image = Image.open(io.BytesIO(photograph(0)))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    desk.house.storage.objects["s3://bucket/cats/photo 0.jpg"] = buffer.getvalue()
    seat = desk.sit_down()
    place = seat.frame.locator(".photograph").bounding_box()
    assert place["width"] / place["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.01)
    seat.drag(40, 50, 90, 120)
    seat.press("Enter")
    seat.all_done()
    assert drawn(desk.output()[0]) == [("cat", 40, 50, 50, 70)]
