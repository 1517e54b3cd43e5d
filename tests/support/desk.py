"""A worker's browser before the portal with one job in memory, whose clock the test turns."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from browser import Seat
from PIL import Image, ImageDraw
from portal_house import House

from gt_workflow.service.server import Server
from gt_workflow.workflow import templates

WIDTH, HEIGHT = 640, 480
OUTPUT = "s3://bucket/output/cats/manifests/output/output.manifest"


class Desk:
    """The service, its job, and the seat of the worker whom it is for."""

    def __init__(self, folder: Path, chromium: Any) -> None:
        self.house = House(folder)
        self.server = Server()
        self.server.start(self.house.app)
        self._chromium = chromium
        self._seats: list[Seat] = []

    def job(self, template: str | None = None, *, kind: str = "label", **job: Any) -> None:
        """Put up a job whose images have WIDTH x HEIGHT pixels."""
        invitation = self.house.invite("Ada")
        self.house.job(kind=kind, **job)
        for index in range(job.get("objects", 3)):
            self.house.storage.objects[f"s3://bucket/cats/photo {index}.jpg"] = photograph(index)
        text = template or templates.render(kind, audited=None if kind == "label" else "boxes")
        self.house.storage.objects["s3://bucket/cats/template.liquid"] = text.encode()
        self.address = f"{self.server.address}/_/#invite={invitation}"

    def link(self, name: str, **who: Any) -> str:
        """Return a one-time link for somebody else."""
        return f"{self.server.address}/_/#invite={self.house.invite(name, **who)}"

    def seat(self, address: str | None = None, **context: Any) -> Seat:
        """Open a browser of one's own, at an address or at nothing."""
        seat = Seat(self._chromium, **context)
        self._seats.append(seat)
        if address is not None:
            seat.page.goto(address)
        return seat

    def begin(self, *, by_keys: bool = False, **context: Any) -> Seat:
        """Open the page and the job."""
        seat = self.seat(self.address, **context)
        start = seat.button("Start")
        start.wait_for()
        if by_keys:
            seat.press("Enter")
        else:
            start.click()
        return seat

    def sit_down(self, **options: Any) -> Seat:
        """Open the page and the job, up to its first image."""
        seat = self.begin(**options)
        seat.ready()
        return seat

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
        for seat in self._seats:
            seat.close()
        self.server.stop()
        self.house.close()


def photograph(index: int) -> bytes:
    """Draw an image that is not another index's."""
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
