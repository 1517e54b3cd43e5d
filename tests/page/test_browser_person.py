"""A person's whole job, from the invitation to "all done", once with each kind of hand.

Twenty photographs are labeled, their boxes adjusted and then judged, on screens of three densities
and at many zooms; what the output manifests say is what was drawn, to the pixel.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from browser import Seat
from desk import drawn
from workshop import Workshop, workshop

from gt_workflow.core.truth import parse_voc

# Small and large, upright and lying, at the edges, two on one; those over 740 pixels are shown
# smaller than they are.
RACCOONS = {
    "mouse": (1, 2, 4, 6, 7, 9, 12, 14, 15, 16, 21, 22, 24, 25, 31, 33, 41, 42, 51, 55),
    # A key moves a box by ten pixels at most: most of these are small.
    "keys": (1, 4, 5, 7, 8, 12, 15, 17, 18, 19, 21, 23, 24, 29, 30, 31, 34, 39, 51, 55),
}
RATIOS = (1, 1.5, 2)
DECLINED = 6  # places in the order of the manifest
RELOADED = 9
WRONG = 3
COMMENT = "The ears are cut off"


@dataclass(frozen=True, slots=True)
class Box:
    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    def holds(self, x: int, y: int) -> bool:
        return self.left < x < self.right and self.top < y < self.bottom

    def labelled(self, label: str = "raccoon") -> tuple[str, int, int, int, int]:
        return (label, self.left, self.top, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Photograph:
    name: str
    width: int
    height: int
    boxes: tuple[Box, ...]

    def inside_first(self) -> tuple[int, int]:
        """A point of the first box that belongs to no other, far from the handles."""
        first, *others = self.boxes
        for part in range(2, 10):
            x, y = first.left + first.width * part // 12, first.top + first.height * part // 12
            if not any(box.holds(x, y) for box in others):
                return x, y
        raise AssertionError(self.name)

    def adjusted(self, place: int) -> Photograph:
        """What the person makes of it: a corner, the place, or nothing of its first box changes."""
        first, *others = self.boxes
        if place % 3 == 0:
            changed = replace(first, width=first.width - 7, height=first.height - 5)
        elif place % 3 == 1:
            changed = replace(
                first,
                left=first.left + (3 if first.right + 3 <= self.width else -min(3, first.left)),
                top=first.top + (2 if first.bottom + 2 <= self.height else -min(2, first.top)),
            )
        else:
            changed = first
        return replace(self, boxes=(changed, *others))


class Mouse:
    """Everything by the mouse alone; an invitation is a link that is clicked, a comment typed."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    def sign_in(self, link: str) -> None:
        self.seat.page.goto(link)

    def start(self) -> None:
        self.seat.button("Start").click()

    def draw(self, photograph: Photograph, place: int) -> None:
        for number, box in enumerate(photograph.boxes):
            if number:
                self.seat.frame.get_by_title("Fit the image").click()
            self._zoom(box, place)
            # From a corner that is another each time.
            ends = (box.left, box.top, box.right, box.bottom)
            turned = ((0, 1, 2, 3), (2, 1, 0, 3), (0, 3, 2, 1), (2, 3, 0, 1))[place % 4]
            exact = self.seat.scale() >= 1
            self.seat.drag(*(ends[end] for end in turned))
            now = kept(self.seat, number + 1)[number]
            if not exact:
                self._correct(now, box)

    def _correct(self, now: Box, box: Box) -> None:
        """What is too large to be drawn exactly is corrected from near, corner by corner."""
        self.seat.click((now.left + now.right) / 2, (now.top + now.bottom) / 2)
        for x, y, new_x, new_y in (
            (now.left, now.top, box.left, box.top),
            (now.right, now.bottom, box.right, box.bottom),
        ):
            for _ in range(4):
                self.seat.wheel(x, y, -240)
            self.seat.drag(x, y, new_x, new_y)
            self.seat.frame.get_by_title("Fit the image").click()

    def _zoom(self, box: Box, place: int) -> None:
        """Come nearer, as far as the whole box stays in sight."""
        left, top, right, bottom = self.seat.screen(box.left, box.top, box.right, box.bottom)
        x, y, half_width, half_height = (
            *((left + right) / 2, (top + bottom) / 2),
            *((right - left) / 2, (bottom - top) / 2),
        )
        stage = self.seat.frame.locator(".stage").bounding_box()
        room = min(
            (x - stage["x"]) / half_width,
            (stage["x"] + stage["width"] - x) / half_width,
            (y - stage["y"]) / half_height,
            (stage["y"] + stage["height"] - y) / half_height,
        )
        turned = min(240, int(400 * math.log(room)) - 10)  # the wheel zooms by e for each 400
        if turned > 0 and (place % 4 or self.seat.scale() < 1):
            middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
            self.seat.wheel(*middle, -turned)

    def adjust(self, before: Photograph, after: Photograph) -> None:
        old, new = before.boxes[0], after.boxes[0]
        if old == new:
            return
        self.seat.click(*before.inside_first())
        if (old.width, old.height) != (new.width, new.height):
            for _ in range(4):  # eleven times nearer
                self.seat.wheel(old.right, old.bottom, -240)
            self.seat.drag(old.right, old.bottom, new.right, new.bottom)
        else:
            x, y = before.inside_first()
            for _ in range(2):
                self.seat.wheel(x, y, -240)
            self.seat.drag(x, y, x + new.left - old.left, y + new.top - old.top)

    def judge(self, *, right: bool) -> None:
        self.seat.tool("correct" if right else "wrong").click()
        if not right:
            self.seat.frame.get_by_role("textbox").click()
            self.seat.page.keyboard.insert_text(COMMENT)

    def submit(self) -> None:
        self.seat.tool("Submit").click()

    def decline(self) -> None:
        self.seat.button("Decline").click()
        self.seat.page.get_by_text("too dark, blurred or small").click()
        self.seat.button("Decline this image").click()


class Keys:
    """Everything by the keyboard alone; an invitation is pasted."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    def sign_in(self, link: str) -> None:
        self.seat.page.goto(link.partition("#")[0])
        self.seat.page.get_by_label("Invitation link").wait_for()
        self.seat.page.keyboard.insert_text(link)
        self.seat.press("Enter")

    def start(self) -> None:
        start = self.seat.button("Start")
        self.seat.when(start, "element === document.activeElement")
        self.seat.press("Enter")

    def draw(self, photograph: Photograph, place: int) -> None:
        for number, box in enumerate(photograph.boxes):
            for _ in range(place % 3):
                self.seat.press("+")
            self.seat.press("b")
            now = kept(self.seat, number + 1)[number]
            self._lead(now, box)

    def _lead(self, now: Box, box: Box) -> None:
        """Move and resize the selected box: a side that grows may need its room first."""
        for one, two, place, size in (
            ("ArrowLeft", "ArrowRight", box.left - now.left, box.width - now.width),
            ("ArrowUp", "ArrowDown", box.top - now.top, box.height - now.height),
        ):
            steps = [(place, ()), (size, ("Control",))]
            for number, held in steps if size > 0 else reversed(steps):
                self._arrow(one if number < 0 else two, abs(number), held)

    def _arrow(self, key: str, number: int, held: tuple[str, ...]) -> None:
        for many, keys in ((number // 10, (*held, "Shift")), (number % 10, held)):
            for modifier in keys if many else ():
                self.seat.page.keyboard.down(modifier)
            self.seat.press(*[key] * many)
            for modifier in keys if many else ():
                self.seat.page.keyboard.up(modifier)

    def adjust(self, before: Photograph, after: Photograph) -> None:
        if before != after:
            self.seat.press("Tab")
            self._lead(before.boxes[0], after.boxes[0])

    def judge(self, *, right: bool) -> None:
        self.seat.press("1" if right else "2")
        if not right:
            box = self.seat.frame.get_by_role("textbox")
            while not box.evaluate("(field) => field.matches(':focus')"):
                self.seat.press("Tab")
            self.seat.page.keyboard.insert_text(COMMENT)

    def submit(self) -> None:
        # In a comment, too; everywhere else Enter alone is enough.
        self.seat.press("Control+Enter" if self._writes() else "Enter")

    def _writes(self) -> bool:
        box = self.seat.frame.get_by_role("textbox")
        return bool(box.count() and box.evaluate("(field) => field.matches(':focus')"))

    def decline(self) -> None:
        self.seat.press("x")
        self.seat.page.locator("dialog[open]").wait_for()
        self.seat.press("ArrowDown", "Enter")


def kept(seat: Seat, number: int, last: Box | None = None) -> list[Box]:
    """Wait until the draft of the image in hand has so many boxes, with this last; return them."""
    told = seat.page.wait_for_function(
        """([number, last]) => {
          const id = document.querySelector("iframe.current").src.match(/frame\\/(\\w+)/)[1];
          const found = JSON.parse(localStorage.getItem(`draft:${id}`))?.draft?.[0].boxes;
          if (found?.length !== number) return false;
          const stands = ([side, value]) => found[number - 1][side] === value;
          return Object.entries(last ?? {}).every(stands) && JSON.stringify(found);
        }""",
        arg=[number, None if last is None else asdict(last)],
    )
    sides = ("left", "top", "width", "height")
    return [Box(*(one[side] for side in sides)) for one in json.loads(told.json_value())]


def density(seat: Seat, ratio: float) -> None:
    """Move the window to a screen of another density."""
    session = seat.context.new_cdp_session(seat.page)
    metrics = {"width": 1280, "height": 720, "deviceScaleFactor": ratio, "mobile": False}
    session.send("Emulation.setDeviceMetricsOverride", metrics)
    seat.page.wait_for_function("(ratio) => devicePixelRatio === ratio", arg=ratio)


def known(shared: Path, numbers: tuple[int, ...], folder: Path) -> list[Photograph]:
    """Put photographs into a folder; return what is known of each, in a manifest's order."""
    folder.mkdir()
    found = []
    for number in numbers:
        source = shared / "data" / "raccoons"
        shutil.copy(source / "images" / f"raccoon-{number}.jpg", folder)
        path = source / "annotations" / f"raccoon-{number}.xml"
        voc = parse_voc(path.read_bytes(), uri=str(path))
        boxes = [
            Box(*map(round, (box.left, box.top, box.width, box.height))) for _, box in voc.boxes
        ]
        found.append(Photograph(f"raccoon-{number}.jpg", voc.width, voc.height, tuple(boxes)))
    return sorted(found, key=lambda one: one.name)


@pytest.mark.parametrize(("means", "hand"), [("mouse", Mouse), ("keys", Keys)])
def test_a_person_labels_adjusts_and_verifies_by_one_means(means, hand, shared, chromium, tmp_path):
    folder = tmp_path / "raccoons"
    photographs = known(shared, RACCOONS[means], folder)
    with workshop(tmp_path) as service:
        told = service.command("launch", str(folder), "--labels", "raccoon", "--no-wait")
        ada = Seat(chromium)
        label(hand(ada), service, photographs)
        service.output(told["job"])
        again = service.command("relaunch", told["job"])["job"]["name"]
        ben = Seat(chromium)
        take_what_was_declined(hand(ben), service, photographs)
        service.output(again)
        merged = str(tmp_path / "merged.manifest")
        service.command("reconcile", told["job"], "--merge", merged)
        lines = [json.loads(line) for line in Path(merged).read_bytes().splitlines()]
        assert [line["photograph"] for line in lines] == [one.name for one in photographs]
        assert [drawn(line) for line in lines] == expected(photographs)

        told = service.command("adjust", told["job"], "--output", merged)
        changed = adjust(hand(ada), photographs)
        lines = service.output(told["job"]["name"])
        assert [drawn(line, "boxes-adjusted") for line in lines] == expected(changed)
        assert [drawn(line) for line in lines] == expected(photographs)

        told = service.command("verify", told["job"]["name"])
        verify(hand(ada), changed)
        lines = service.output(told["job"]["name"])
        verdicts = [line["boxes-adjusted-verified-metadata"] for line in lines]
        assert [one["class-name"] for one in verdicts] == [
            "wrong" if place == WRONG else "correct" for place in range(len(changed))
        ]
        assert verdicts[WRONG]["worker-feedback"] == [{"comment": COMMENT}]
        assert ada.faults == []
        # Who is not signed in yet is asked to.
        assert [one for one in ada.complaints if "401" not in one] == []
        ada.close()


def expected(photographs: list[Photograph]) -> list[list[tuple[str, int, int, int, int]]]:
    return [[box.labelled() for box in one.boxes] for one in photographs]


def label(hand: Mouse | Keys, service: Workshop, photographs: list[Photograph]) -> None:
    seat = hand.seat
    link = service.link("Ada")
    hand.sign_in(link)
    hand.start()
    for place, photograph in enumerate(photographs):
        seat.ready()
        if place % 7 == 0:
            density(seat, RATIOS[place // 7])
        task = seat.task()
        assert (task["width"], task["height"]) == (photograph.width, photograph.height)
        if place == DECLINED:
            move_on(seat, hand.decline)
            continue
        hand.draw(photograph, place)
        if place == RELOADED:
            drawn_so_far = kept(seat, len(photograph.boxes), photograph.boxes[-1])
            seat.page.reload()
            seat.ready()
            assert seat.frame.locator(".box").count() >= len(drawn_so_far)
        move_on(seat, hand.submit)
    seat.all_done()
    used = Seat(seat.context.browser)
    used.page.goto(link)
    used.page.get_by_text("used").wait_for()
    used.close()


def take_what_was_declined(
    hand: Mouse | Keys, service: Workshop, photographs: list[Photograph]
) -> None:
    hand.sign_in(service.link("Ben"))
    hand.start()
    hand.seat.ready()
    hand.draw(photographs[DECLINED], DECLINED)
    hand.submit()
    hand.seat.all_done()


def adjust(hand: Mouse | Keys, photographs: list[Photograph]) -> list[Photograph]:
    seat = hand.seat
    seat.page.reload()
    hand.start()
    changed = [one.adjusted(place) for place, one in enumerate(photographs)]
    for place, (before, after) in enumerate(zip(photographs, changed, strict=True)):
        seat.ready()
        if place % 7 == 0:
            density(seat, RATIOS[place // 7])
        dashed = seat.frame.locator('.box[data-given="true"][visibility="visible"]')
        assert dashed.count() == len(before.boxes)
        hand.adjust(before, after)
        seat.when(
            seat.frame.locator(".stage"),
            "element.querySelectorAll('.overlay > g:first-child > [data-given=\"true\"]').length"
            " === known",
            len(before.boxes) - (before != after),
        )
        move_on(seat, hand.submit)
    seat.all_done()
    return changed


def verify(hand: Mouse | Keys, photographs: list[Photograph]) -> None:
    seat = hand.seat
    seat.page.reload()
    hand.start()
    for place, photograph in enumerate(photographs):
        seat.ready()
        assert seat.frame.locator(".box").count() == len(photograph.boxes)
        hand.judge(right=place != WRONG)
        move_on(seat, hand.submit)
    seat.all_done()


def move_on(seat: Seat, act: Any) -> None:
    """Do what ends the task in hand, and wait until it is gone."""
    before = seat.address()
    act()
    seat.page.wait_for_function(
        "(before) => document.querySelector('iframe.current')?.getAttribute('src') !== before",
        arg=before,
    )
