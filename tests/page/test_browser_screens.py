"""The page on screens: light and dark, on 1280 by 720 whole, and quick with hundreds of boxes."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

TEMPLATES = Path(__file__).parent / "templates"
READABLE = 4.5  # contrast of text that WCAG 2.2 asks for at level AA (1.4.3)

# Every visible text of a tree, shadow trees too: its colour and what is behind it.
_TEXTS = """(body) => {
  const found = [];
  const over = (one) => one.parentElement ?? one.getRootNode().host ?? null;
  const behind = (one) => {
    for (let at = one; at; at = over(at)) {
      const { backgroundColor } = getComputedStyle(at);
      if (!/, 0\\)$|transparent/.test(backgroundColor)) return backgroundColor;
    }
    return null;
  };
  const look = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) look(one.shadowRoot);
      const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      const off = one.disabled || one.closest(":disabled, svg, style, script, noscript, title");
      if (!own || off || !one.checkVisibility({ opacityProperty: true })) continue;
      const { color, opacity } = getComputedStyle(one);
      if (opacity === "1") found.push([one.textContent.trim().slice(0, 40), color, behind(one)]);
    }
  };
  look(body);
  return found;
}"""
_OVERFLOW = """(one) => [one.scrollHeight - one.clientHeight, one.scrollWidth - one.clientWidth]"""
_COUNT_FRAMES = """(element) => {
  const seen = (element.seen = []);
  const look = (now) => { seen.push(now); element.looking = requestAnimationFrame(look); };
  element.looking = requestAnimationFrame(look);
}"""
_COUNTED = """(element) => { cancelAnimationFrame(element.looking); return element.seen; }"""


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG defines it."""
    parts = colour[colour.index("(") + 1 : -1].split(",")[:3]
    shares = [float(part) / 255 for part in parts]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shares
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def unreadable(body) -> list[str]:
    found = body.evaluate(_TEXTS)
    assert found
    return [f"{text}: {ink} on {ground}" for text, ink, ground in found
            if ground is not None and contrast(ink, ground) < READABLE]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [("label", "light"), ("label", "dark"), ("adjust", "dark"), ("verify", "light")],
)
def test_everything_is_readable_and_in_sight_on_a_small_screen(desk, kind, scheme):
    desk.job(kind=kind, objects=1)
    seat = desk.seat(desk.address, color_scheme=scheme)
    seat.button("Start").wait_for()
    ground = seat.page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor")
    assert (luminance(ground) < 0.1) == (scheme == "dark")
    assert unreadable(seat.page.locator("body")) == []
    seat.button("Start").click()
    seat.ready()
    assert seat.page.locator("html").evaluate(_OVERFLOW) == [0, 0]
    assert seat.frame.locator("html").evaluate(_OVERFLOW) == [0, 0]
    for side in ("aside", "section.panel"):
        assert seat.frame.locator(side).evaluate(_OVERFLOW) == [0, 0]
    assert unreadable(seat.page.locator("body")) == []
    assert unreadable(seat.frame.locator("body")) == []
    seat.press("?")
    help_ = seat.frame.locator("dialog[open]")
    help_.wait_for()
    assert help_.evaluate(_OVERFLOW) == [0, 0]
    seat.press("Escape")
    assert seat.faults == []


def test_hundreds_of_boxes_can_be_worked_with(desk, capsys):
    boxes = [
        {"label": "cat", "left": 20 * (index % 30), "top": 40 * (index // 30), "width": 18,
         "height": 36}
        for index in range(300)
    ]  # fmt: skip
    line = json.dumps(boxes).replace("{", "{ ")
    text = (TEMPLATES / "boxes_as_in_the_guide.liquid.html").read_text()
    desk.job(text.replace('header="Draw', f"initial-value='{line}' header=\"Draw"), objects=1)
    seat = desk.sit_down()
    assert seat.count() == "300 boxes"
    seat.wheel(300, 200, -200)
    stage = seat.frame.locator(".stage")
    seat.click(309, 218)
    stage.evaluate(_COUNT_FRAMES)
    x, y, to_x, to_y = seat.screen(309, 218, 351, 243)
    seat.page.mouse.move(x, y)
    seat.page.mouse.down()
    seat.page.mouse.move(to_x, to_y, steps=60)
    seat.page.mouse.up()
    times = stage.evaluate(_COUNTED)
    gaps = [after - before for before, after in pairwise(times)]
    with capsys.disabled():
        sys.stdout.write(
            f"\n300 boxes, one dragged: a frame in {median(gaps):.1f} ms, {max(gaps):.0f} at most\n"
        )
    seat.press("Escape", "f", "Tab", "d")
    assert seat.count() == "301 boxes"
    seat.press("Enter")
    seat.all_done()
    [answer] = desk.responses()
    answered = answer["annotatedResult"]["boundingBoxes"]
    moved = boxes[165] | {"left": boxes[165]["left"] + 42, "top": boxes[165]["top"] + 25}
    assert answered[:300] == [*boxes[:165], moved, *boxes[166:]]
    assert answer["annotatedResult"]["initialValueModified"] is True
