"""The demo set: photograph-like scenes with degus and running wheels, and where they are.

Nothing is downloaded and nothing is random: a scene follows from its seed and index. Things never
overlap, so that their boxes are beyond dispute: the half-open box of the pixels they cover.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from gt_workflow.core.boxes import Box
from gt_workflow.core.consolidate import ConsolidatedBox, label_metadata, label_value
from gt_workflow.core.manifest import input_line, labelled_line

if TYPE_CHECKING:
    from PIL.Image import Image

LABELS: Final = ("degu", "wheel")
WIDTH: Final = 800
HEIGHT: Final = 600

_ATTRIBUTE: Final = "truth"
_DRAWN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_GAP: Final = 6  # pixels between two things
_TRIES: Final = 60


@dataclass(frozen=True, slots=True)
class Scene:
    """One demo photograph: a JPEG, its size in pixels, and (label, box) of everything on it."""

    jpeg: bytes
    width: int
    height: int
    boxes: tuple[tuple[str, Box], ...]


@dataclass(frozen=True, slots=True)
class Painted:
    """A scene before it is lit: `ground` without the things, `picture` with them."""

    ground: Image
    picture: Image
    boxes: tuple[tuple[str, Box], ...]


def draw(*, seed: int, index: int) -> Scene:
    """Return scene number `index` of a seed; two to six things, at least one of each label."""
    from gt_workflow.adapters.scenes.grounds import light

    random = Random(f"{seed}/{index}/light")  # noqa: S311 - a drawing, no secret
    painted = paint(seed=seed, index=index)
    buffer = io.BytesIO()
    light(random, painted.picture).save(buffer, "JPEG", quality=random.randint(82, 92))
    return Scene(buffer.getvalue(), WIDTH, HEIGHT, painted.boxes)


def paint(*, seed: int, index: int) -> Painted:
    """Return the scene's pixels before light and grain come over everything."""
    from gt_workflow.adapters.scenes.grounds import ground as empty
    from gt_workflow.adapters.scenes.things import degu, wheel

    random = Random(f"{seed}/{index}")  # noqa: S311 - a drawing, no secret
    horizon = random.randint(HEIGHT // 5, HEIGHT * 2 // 5)
    ground = empty(random, (WIDTH, HEIGHT), horizon)
    labels = [*LABELS, *random.choices(LABELS, weights=(3, 2), k=random.randint(1, 4))]
    placed: list[tuple[str, Image, Box]] = []
    for label in labels:
        feet = random.uniform(horizon + 0.25 * (HEIGHT - horizon), HEIGHT - 12)
        # What stands lower in the picture is nearer and larger.
        near = 0.45 + 0.55 * (feet - horizon) / (HEIGHT - horizon)
        tallest = 130 if label == "degu" else 210
        make = degu if label == "degu" else wheel
        thing = make(random, round(tallest * near * random.uniform(0.8, 1.1)))
        box = _place(random, thing.size, round(feet), [taken for _, _, taken in placed])
        if box is not None:
            placed.append((label, thing, box))
    placed.sort(key=lambda entry: entry[2].bottom)
    for _, thing, box in placed:
        _darken(ground, thing, box)
    picture = ground.copy()
    for _, thing, box in placed:
        picture.paste(thing, (int(box.left), int(box.top)), thing)
    return Painted(ground, picture, tuple([(label, box) for label, _, box in placed]))


def write_demo(folder: Path, *, count: int, seed: int) -> None:
    """Write `photographs/scene-000.jpg`, ... and `truth.manifest` into a folder.

    The manifest is an output manifest whose source-refs are bare file names.
    """
    photographs = folder / "photographs"
    photographs.mkdir(parents=True, exist_ok=True)
    lines: list[bytes] = []
    for index in range(count):
        scene = draw(seed=seed, index=index)
        name = f"scene-{index:03}.jpg"
        (photographs / name).write_bytes(scene.jpeg)
        lines.append(_truth(name, scene))
    (folder / "truth.manifest").write_bytes(b"".join(line + b"\n" for line in lines))


def _place(random: Random, size: tuple[int, int], feet: int, taken: list[Box]) -> Box | None:
    """Find room for a thing whose feet are at a height; None if it is too crowded there."""
    width, height = size
    if feet - height < 4 or width > WIDTH - 8:
        return None
    for _ in range(_TRIES):
        box = Box(random.randint(4, WIDTH - width - 4), feet - height, width, height)
        if not any(_touch(box, other) for other in taken):
            return box
    return None


def _touch(a: Box, b: Box) -> bool:
    return (
        a.left < b.right + _GAP
        and b.left < a.right + _GAP
        and a.top < b.bottom + _GAP
        and b.top < a.bottom + _GAP
    )


def _darken(ground: Image, thing: Image, box: Box) -> None:
    """Lay the thing's shadow on the ground."""
    from PIL import Image, ImageChops

    from gt_workflow.adapters.scenes.grounds import shadow

    shade = shadow(thing.getchannel("A"), dark=0.8)
    left, top = int(box.left) - thing.height, int(box.top) - thing.height
    area = (left, top, left + shade.width, top + shade.height)
    layer = Image.merge("RGB", (shade, shade, shade))
    ground.paste(ImageChops.multiply(ground.crop(area), layer), area[:2])


def _truth(name: str, scene: Scene) -> bytes:
    boxes = [ConsolidatedBox(label, box, 1.0, 1) for label, box in scene.boxes]
    return labelled_line(
        input_line(name, {}),
        attribute=_ATTRIBUTE,
        value=label_value(boxes, labels=LABELS, width=scene.width, height=scene.height),
        metadata=label_metadata(boxes, labels=LABELS, job_name="truth", human=True, created=_DRAWN),
    )
