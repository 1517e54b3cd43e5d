"""Chromium before the worker page: whose tests are skipped without it, and a person's hands.

Every wait is for a condition in the page, never for a time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SCREEN = {"width": 1280, "height": 720}
_PATIENCE = 20_000  # milliseconds
_FRAMES = 600  # animation frames that a change on the screen may take

# What a hand waits for: the promise ends at the first animation frame at which `holds` is true.
_WHEN = """(element, [holds, known, frames]) => new Promise((done, fail) => {
  const told = new Function("element", "known", `return ${holds}`);
  let left = frames;
  const look = () => {
    if (told(element, known)) done();
    else if (--left === 0) fail(new Error(`never: ${holds}`));
    else requestAnimationFrame(look);
  };
  look();
})"""


def missing(what: str) -> NoReturn:
    """Skip the test for want of something; on CI, where nothing may be left out, fail it."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing("no Chromium is installed; scripts/test installs Debian's where it may")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed; it drives the browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Seat:
    """A person before a browser of their own."""

    def __init__(self, browser: Any, *, install_clock: bool = False, **context: Any) -> None:
        """`context`: options of Playwright's `new_context`."""
        self.context = browser.new_context(**({"viewport": SCREEN} | context))
        self.context.set_default_timeout(_PATIENCE)
        self.page = self.context.new_page()
        self._known = ("", 0)  # a task's address, and the width of its raster
        self.faults: list[str] = []  # of scripts
        self.complaints: list[str] = []  # of the browser: what was refused or not found
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._hear)
        if install_clock:
            self.page.clock.install()

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def close(self) -> None:
        self.context.close()

    # What is on the screen

    @property
    def frame(self) -> Any:
        return self.page.frame_locator("iframe.current")

    @property
    def photograph(self) -> Any:
        return self.frame.locator(".stage .photograph")

    def button(self, name: str, *, exact: bool = False) -> Any:
        return self.page.get_by_role("button", name=name, exact=exact)

    def tool(self, name: str) -> Any:
        """Return a button of the frame."""
        return self.frame.get_by_role("button", name=name)

    def status(self) -> str:
        return str(self.frame.locator(".status").inner_text())

    def count(self) -> str:
        return str(self.frame.locator(".count").inner_text())

    def task(self) -> dict[str, Any]:
        """Return what the frame knows of its task: its kind, and the size of its raster."""
        return dict(json.loads(self.frame.locator('meta[name="gt-task"]').get_attribute("content")))

    def address(self) -> str:
        """Return the address of the task at hand."""
        return str(self.page.locator("iframe.current").get_attribute("src"))

    # Waiting

    def ready(self) -> None:
        """Wait for an image to be drawn on."""
        self.photograph.wait_for()
        self.page.wait_for_function(
            "() => document.activeElement === document.querySelector('iframe.current')"
        )

    def when(self, locator: Any, holds: str, known: Any = None) -> None:
        """Wait until an expression of `element` and `known` is true, frame by frame."""
        locator.evaluate(_WHEN, [holds, known, _FRAMES])

    def fetched_ahead(self) -> str:
        """Wait for the next task behind the one at hand; return its address."""
        behind = self.page.locator("iframe:not(.current, .over)")
        behind.wait_for(state="attached")
        return str(behind.get_attribute("src"))

    def next_task(self, before: str) -> None:
        """Wait for the task after `before`."""
        self.page.wait_for_function(
            "(before) => ![null, before].includes("
            "document.querySelector('iframe.current')?.getAttribute('src') ?? null)",
            arg=before,
        )

    def all_done(self) -> None:
        self.page.get_by_text("All done, thank you").wait_for()

    # Hands

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def submit(self, *, by_mouse: bool = False) -> None:
        """Submit, and wait for what comes next."""
        before = self.address()
        if by_mouse:
            self.tool("Submit").click()
        else:
            self.press("Enter")
        self.next_task(before)

    def _view(self) -> tuple[float, float, float]:
        """Where the image's corner stands in the window, and how large a stored pixel is."""
        place = self.photograph.bounding_box()
        return place["x"], place["y"], place["width"] / self._raster()

    def _raster(self) -> int:
        address = self.address()
        if self._known[0] != address:
            self._known = (address, self.task()["width"])
        return self._known[1]

    def screen(self, *points: float) -> tuple[float, ...]:
        """Where pixels' corners of the stored raster stand in the window: x, y, and so on.

        In whole pixels of the window, as a mouse moves: exact as long as the image is not shown
        smaller than it is.
        """
        left, top, scale = self._view()
        starts = (left, top)
        return tuple(round(starts[at % 2] + value * scale) for at, value in enumerate(points))

    def scale(self) -> float:
        """Return how many pixels of the window a stored pixel has."""
        return self._view()[2]

    def drag(self, left: float, top: float, right: float, bottom: float) -> None:
        """Press the button at one pixel's corner and let it go at another's."""
        mouse = self.page.mouse
        x, y, to_x, to_y = self.screen(left, top, right, bottom)
        mouse.move(x, y)
        mouse.down()
        mouse.move((x + to_x) / 2, to_y)
        mouse.move(to_x, to_y)
        mouse.up()

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.screen(x, y))

    def wheel(self, x: float, y: float, turned: float) -> None:
        """Turn the wheel over a pixel, down for positive values, and wait for the zoom."""
        before = self.photograph.evaluate("(image) => image.style.width")
        self.page.mouse.move(*self.screen(x, y))
        self.page.mouse.wheel(0, turned)
        self.when(self.photograph, "element.style.width !== known", before)
