"""The README's pictures: screenshots of every page, made from the demo set in a real browser.

`scripts/docs --pictures` writes them. The scenes, the answers and the size of the window are the
same each time; the letters are this machine's.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-sync", "--no-first-run", "--disable-quic")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SCREEN = {"width": 1280, "height": 720}
TABLET = {"width": 820, "height": 1180}
WORKERS = ("Ada", "Ben", "Cleo")
# The frame after the next one has begun.
_DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Keys go to the image in hand.
_AT_HAND = "() => document.activeElement.matches('iframe.current')"
# What can be seen of the contact sheet is there.
_SHOWN = """() => [...document.querySelectorAll(".tile img")].every(
  (one) => one.getBoundingClientRect().top > innerHeight || (one.complete && one.naturalWidth))"""
SIDES = ("left", "top", "width", "height")


def take(to: Path) -> list[Path]:
    """Write all pictures into a folder; return their paths."""
    from playwright.sync_api import sync_playwright

    from gt_workflow import config, wiring

    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        sys.exit("scripts/docs: no Chromium is installed; scripts/test installs Debian's")
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gt-pictures-") as folder, working_in(Path(folder)):
        settings = config.load(flags={"store.root": "gt-data"})
        with wiring.backend(settings, port=0) as running, sync_playwright() as started:
            browser = started.chromium.launch(executable_path=path, args=list(FLAGS))
            album = Album(browser, running, to)
            album.take_all()
            browser.close()
    return album.taken


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Run what follows in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class Album:
    """A browser before the service, and what is known of the scenes."""

    def __init__(self, browser: Any, running: Any, to: Path) -> None:
        """Write into a folder."""
        self.taken: list[Path] = []
        self._browser = browser
        self._running = running
        self._to = to
        self._known: dict[str, list[tuple[str, dict[str, int]]]] = {}

    def take_all(self) -> None:
        """From the invitation to the admin's page."""
        command("demo", "pets", "--count", "12")
        command("demo", "known", "--count", "2", "--seed", "7")
        self._learn(Path("pets/truth.manifest"))
        page = self._page()
        page.goto(f"{self._running.address}/_/")
        page.get_by_label("Invitation link").wait_for()
        self._shoot(page, "sign-in")
        people = ("--labels", "degu,wheel", "--no-wait", "--name", "pets")
        told = command("launch", "pets/photographs", *people)
        self._label(told["job"])
        self._answer(told["job"])
        self._follow_up("adjust", told["job"])
        self._follow_up("verify", told["job"])
        self._gold()
        self._admin(told["job"])

    def _label(self, job: str) -> None:
        page = self._signed_in("Ada", color_scheme="light")
        page.get_by_role("button", name="Start").wait_for()
        self._shoot(page, "jobs")
        page.get_by_role("button", name="Start").click()
        boxes = self._draw(page, job)
        self._shoot(page, "label")
        page.keyboard.press("?")
        self._shoot(page, "keys")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Decline").click()
        page.locator("dialog[open]").wait_for()
        self._shoot(page, "decline")
        page.keyboard.press("Escape")
        page.emulate_media(color_scheme="dark")
        self._shoot(page, "label-dark")
        page.context.close()
        page = self._signed_in("Ada", viewport=TABLET, has_touch=True, device_scale_factor=1)
        photograph(page).or_(page.get_by_role("button", name="Start")).first.wait_for()
        if page.get_by_role("button", name="Start").count():
            page.get_by_role("button", name="Start").click()
        photograph(page).wait_for()
        self._shoot(page, "tablet")
        page.context.close()
        assert boxes

    def _draw(self, page: Any, job: str) -> int:
        """Draw the boxes of the image in hand by mouse; return how many."""
        photograph(page).wait_for()
        page.wait_for_function(_AT_HAND)
        task = held(self._running, "Ada", job)
        place = photograph(page).bounding_box()
        scale = place["width"] / task["image"]["width"]
        boxes = self._boxes(task)
        for label, box in boxes:
            page.keyboard.press("1" if label == "degu" else "2")
            left, top = place["x"] + box["left"] * scale, place["y"] + box["top"] * scale
            page.mouse.move(left, top)
            page.mouse.down()
            page.mouse.move(left + box["width"] * scale, top + box["height"] * scale)
            page.mouse.up()
        return len(boxes)

    def _answer(self, job: str, *, kind: str = "label") -> None:
        """Let all workers answer what is open, each a little differently."""
        from gt_workflow.adapters.task_client import TaskClient

        client = TaskClient(self._running.address, self._running.token("Ada"))
        arn = next(one["job_arn"] for one in client.jobs() if one["job_name"] == job)
        for task in client.held():
            client.give_back(task["id"])
        while (task := client.accept(arn)) is not None:
            client.submit(task["id"], self._content(task, kind))
        command("wait", job)

    def _content(self, task: dict[str, Any], kind: str) -> dict[str, Any]:
        if kind == "verify":
            return {"crowd-image-classifier": {"label": "correct"}}
        size = {side: task["image"][side] for side in ("width", "height")}
        boxes = [{"label": label, **box} for label, box in self._boxes(task)]
        return {"boundingBox": {"boundingBoxes": boxes, "inputImageProperties": size}}

    def _follow_up(self, kind: str, job: str) -> None:
        name = command(kind, job)["job"]["name"]
        page = self._signed_in("Ada")
        page.get_by_role("button", name="Start").first.click()
        photograph(page).wait_for()
        self._shoot(page, kind)
        command("stop", name)

    def _gold(self) -> None:
        shutil.copytree("known/photographs", "gt-data/gold")
        text = Path("known/truth.manifest").read_text()
        named = text.replace('"source-ref":"', '"source-ref":"s3://gold/')
        Path("known/gold.manifest").write_text(named)
        people = ("--labels", "degu,wheel", "--no-wait", "--name", "checked")
        gold = ("--gold", "known/gold.manifest", "--gold-rate", "0.5")
        command("launch", "pets/photographs", *people, *gold)
        page = self._signed_in("Ben")
        page.get_by_role("button", name="Start").click()
        for _ in range(8):
            photograph(page).wait_for()
            page.wait_for_function(_AT_HAND)
            place = photograph(page).bounding_box()
            page.mouse.move(place["x"] + 90, place["y"] + 90)
            page.mouse.down()
            page.mouse.move(place["x"] + 240, place["y"] + 210)
            page.mouse.up()
            before = page.locator("iframe.current").get_attribute("src")
            page.keyboard.press("Enter")
            page.locator(f'.gold, iframe.current:not([src="{before}"])').first.wait_for()
            if page.locator(".gold").count():
                break
        self._shoot(page, "check-image")

    def _admin(self, job: str) -> None:
        truth = ("--workers", "simulated", "--truth", "pets/truth.manifest")
        three = ("--workers-per-object", "3", "--name", "crowd", "--labels", "degu,wheel")
        command("launch", "pets/photographs", *truth, *three, "--out", "channels")
        link = self._running.page("Grace", role="admin").replace("/_/#", "/_/admin#")
        page = self._page()
        page.goto(link)
        page.locator("button.job", has_text=job).first.wait_for()
        page.locator("button.job", has_text="crowd").click()
        page.get_by_role("heading", name="crowd").wait_for()
        page.locator(".tile img").first.wait_for()
        page.wait_for_function(_SHOWN)
        self._shoot(page, "admin")

    def _learn(self, manifest: Path) -> None:
        for text in manifest.read_text().splitlines():
            line = json.loads(text)
            names = line["truth-metadata"]["class-map"]
            self._known[line["source-ref"]] = [
                (names[str(box["class_id"])], {side: box[side] for side in SIDES})
                for box in line["truth"]["annotations"]
            ]

    def _boxes(self, task: dict[str, Any]) -> list[tuple[str, dict[str, int]]]:
        return self._known[task["line"]["photograph"]]

    def _signed_in(self, name: str, **context: Any) -> Any:
        page = self._page(**context)
        page.goto(self._running.page(name))
        return page

    def _page(self, **context: Any) -> Any:
        return self._browser.new_context(**({"viewport": SCREEN} | context)).new_page()

    def _shoot(self, page: Any, name: str) -> None:
        """Keep what is on the screen once all frames have drawn it."""
        from PIL import Image

        for frame in page.frames:
            if frame.parent_frame is None or frame.frame_element().is_visible():
                frame.evaluate(_DRAWN)
        shot = page.screenshot(animations="disabled")
        self.taken.append(self._to / f"{name}.jpg")
        with Image.open(io.BytesIO(shot)) as image:
            image.convert("RGB").save(self.taken[-1], quality=80, optimize=True)


def photograph(page: Any) -> Any:
    """Return the photograph of the task in hand."""
    return page.frame_locator("iframe.current").locator(".stage .photograph")


def held(running: Any, worker: str, job: str) -> dict[str, Any]:
    """Return the task that a worker has had longest."""
    from gt_workflow.adapters.task_client import TaskClient

    tasks = TaskClient(running.address, running.token(worker)).held()
    return min((one for one in tasks if job in json.dumps(one)), key=lambda one: one["lease_until"])


def command(*arguments: str) -> dict[str, Any]:
    """Run a command of the package; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "gt_workflow", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"scripts/docs: {' '.join(arguments)}: {done.stderr}")
    return dict(json.loads(done.stdout))
