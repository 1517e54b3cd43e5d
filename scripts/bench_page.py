"""`scripts/bench page`: how long a worker waits for the next image, and how many can work at once.

A worker in Chromium draws a box and submits with Enter. The time runs from the key's own event to
the frame in which the next photograph, decoded, is on the screen; both moments are the browser's.
Then fifty workers, each with a name of their own, answer over HTTP as fast as they can.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median
from typing import Any

from bench_frame import PeerMissingError, Row, missing, progress, value
from bench_service import Labour, client_of, create_job, hosted, lay_out

SUBMITS, WORKERS = 50, 50
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

# In a task's frame: tells the page around it when Enter was pressed and, once it is looked at, when
# its photograph was drawn: decoded, and the frame after the one that paints it has begun.
_TELL = """(image) => {
  const now = () => performance.timeOrigin + performance.now();
  const tell = (what) => parent.postMessage(what, "*");
  addEventListener("keydown", ({ timeStamp, key }) => {
    if (key === "Enter") tell({ pressed: performance.timeOrigin + timeStamp });
  }, { capture: true });
  addEventListener("message", async ({ data }) => {
    if (!data?.look) return;
    await image.decode();
    requestAnimationFrame(() => requestAnimationFrame(() => tell({ drawn: now() })));
  });
}"""
# In the page: from the key to the next frame's photograph, in milliseconds.
_WATCH = """() => {
  const before = document.querySelector("iframe.current");
  globalThis.took = new Promise((done) => {
    let pressed;
    const watcher = new MutationObserver(() => {
      const next = document.querySelector("iframe.current");
      if (!next || next === before) return;
      watcher.disconnect();
      next.contentWindow.postMessage({ look: true }, "*");
    });
    watcher.observe(document.body, { subtree: true, childList: true, attributes: true });
    addEventListener("message", function hear({ data }) {
      pressed ??= data?.pressed;
      if (!data?.drawn) return;
      removeEventListener("message", hear);
      done(data.drawn - pressed);
    });
  });
}"""


def rows(work: Path, rounds: int, *, quick: bool = False) -> list[Row]:
    """Measure both over one service."""
    submits, workers = (3, 4) if quick else (SUBMITS, WORKERS)
    # One more is drawn on first and one is fetched ahead at the end.
    small, large = submits * rounds + 2, (60 if quick else 20_000)
    root = work / "root"
    lay_out(root, small, large)
    _worker_template(root)
    waited = f"Enter to the next photograph drawn, in the browser, median of {submits}"
    told_rows = []
    with hosted(root) as (told, pid):
        client = client_of(told["address"])
        create_job(client, pid, "small", small, template="worker.liquid")
        try:
            seconds = _submits(told["page"], submits, rounds)
            told_rows.append(value(seconds, work=waited, unit="s", bar=0.1, at_most=True))
        except PeerMissingError as error:
            told_rows.append(missing(waited, peer_name="", reason=error))
        client.stop_labeling_job(LabelingJobName="bench-small")
        create_job(client, pid, "large", large)
        labour = Labour(told["address"], _tokens(root, workers))
        rates = []
        for number in range(rounds):
            progress(f"page: round {number + 1} of {rounds}, {workers} workers")
            rates.append(labour.measure(pid, 0.2 if quick else 4.0).rate("wall"))
    work_name = f"tasks handed out and answers taken in, {workers} workers of their own names"
    return [*told_rows, value(rates, work=work_name, unit="tasks/s")]


def _worker_template(root: Path) -> None:
    """Lay down the template that `launch` would send."""
    from gt_workflow.workflow import templates

    (root / "bench" / "worker.liquid").write_text(templates.render("label", audited=None))


def _tokens(root: Path, workers: int) -> list[str]:
    """Let workers in by name."""
    from gt_workflow import config, wiring

    settings = config.load(flags={"store.root": str(root)})
    with wiring.backend(settings) as running:
        return [running.token(f"worker-{number}") for number in range(workers)]


def _submits(link: str, submits: int, rounds: int) -> list[float]:
    """Label so many images in each round; return each round's median in seconds."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise PeerMissingError("playwright is not installed") from error
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise PeerMissingError("no Chromium is installed")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(link.replace("/_/admin#", "/_/#"))
        page.get_by_role("button", name="Start").click()
        _photograph(page).wait_for()
        _photograph(page).evaluate(_TELL)
        found = []
        for number in range(rounds):
            progress(f"page: round {number + 1} of {rounds}, in the browser")
            found.append(median([_submit(page) for _ in range(submits)]))
        browser.close()
    return found


def _submit(page: Any) -> float:
    """Draw a box, press Enter, wait for the next photograph; return seconds."""
    place = _photograph(page).bounding_box()
    mouse = page.mouse
    mouse.move(place["x"] + 30, place["y"] + 30)
    mouse.down()
    mouse.move(place["x"] + 130, place["y"] + 110)
    mouse.up()
    # A person looks at an image for longer than the next one takes to come.
    _photograph(page, "iframe:not(.current, .over)").evaluate(_TELL)
    page.evaluate(_WATCH)
    page.keyboard.press("Enter")
    return float(page.evaluate("() => globalThis.took")) / 1000


def _photograph(page: Any, frame: str = "iframe.current") -> Any:
    return page.frame_locator(frame).locator(".stage .photograph")
