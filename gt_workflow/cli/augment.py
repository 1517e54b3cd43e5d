"""What `augment` calls: settings from flags, the stage, and what it says of its work."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from gt_workflow import wiring
from gt_workflow.adapters import warp_lossless
from gt_workflow.adapters.warp import Warp
from gt_workflow.cli import show
from gt_workflow.config import Settings
from gt_workflow.core.boxes import Box
from gt_workflow.core.variant_boxes import BoxFit, Keeping
from gt_workflow.errors import UsageError
from gt_workflow.ports import Look, Storage
from gt_workflow.workflow import augment as stage
from gt_workflow.workflow.augment import VARIANT

_FITS: dict[str, BoxFit] = {"rectangle": "rectangle", "ellipse": "ellipse"}


def keeping(fit: str, min_visible: float, min_side: float) -> Keeping:
    """Return which boxes are kept; raises `UsageError`."""
    if fit not in _FITS:
        raise UsageError(f"--box-fit is rectangle or ellipse, not {fit!r}")
    return Keeping(_FITS[fit], min_visible, min_side)


def look(fill: str, quality: int | None, chroma: str | None, *, lossless: bool) -> Look:
    """Return how variants are written; raises `UsageError`."""
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", fill):
        raise UsageError(f"--fill is a colour as RRGGBB in hexadecimal, not {fill!r}")
    red, green, blue = bytes.fromhex(fill.removeprefix("#"))
    return Look((red, green, blue), quality, chroma, lossless)


def asked(settings: Settings, *, train_only: bool, **chosen: Any) -> stage.AugmentSettings:
    """Return the stage's settings; the split is that of the channels."""
    return stage.AugmentSettings(
        side="train" if train_only else "all",
        validation=settings.channels.validation,
        salt=settings.channels.salt,
        **chosen,
    )


def augment(
    settings: Settings,
    chosen: stage.AugmentSettings,
    *,
    sheet: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make variants, or print what would be made."""
    writes = chosen.out.startswith("s3://") and not dry_run
    with show.Narrator() as narrator, wiring.local(settings, writes=writes) as wired:
        planned = stage.plan(
            chosen, storage=wired.storage, folders=wired.folders, progress=narrator
        )
        if dry_run:
            show.data(show.hyphened(planned.to_dict()))
            return
        if chosen.look.lossless:
            warp_lossless.require()
        began = time.monotonic()
        receipt = stage.run(
            planned,
            storage=wired.storage,
            folders=wired.folders,
            engine=wired.engine,
            images=wired.images,
            warper=Warp(),
            progress=narrator,
        )
        took = time.monotonic() - began
        if sheet is not None:
            _draw(receipt, sheet, wired.storage)
    if as_json:
        show.data(show.hyphened(receipt.to_dict() | {"unchanged": receipt.unchanged}))
    else:
        _tell(receipt, wired, took)
    if sheet is not None:
        show.note(f"contact sheet: {sheet}")


def _tell(receipt: stage.AugmentReceipt, wired: wiring.Local, took: float) -> None:
    counts = receipt.counts
    made, of = counts.get("variants", 0), counts.get("photographs", 0)
    speed = "unchanged" if receipt.unchanged else f"{made / max(took, 1e-3):.0f} images/s"
    show.line(f"{show.count(made, 'variant')} of {show.count(of, 'photograph')} ({speed})")
    if "boxes_before" in counts:
        show.line(
            f"boxes: {counts['boxes_before']} drawn, {counts.get('boxes', 0)} on variants, "
            f"{counts.get('boxes_left_out', 0)} left the frame"
        )
    if emptied := counts.get("variants_without_a_box_left"):
        show.line(f"left out as no box was left in them: {show.count(emptied, 'variant')}")
    how = {
        "planes": "libjpeg-turbo's planes",
        "lossless": "moved without loss",
        "pillow": "by Pillow",
    }
    ways = [
        f"{counts[f'images_{key}']} {text}"
        for key, text in how.items()
        if f"images_{key}" in counts
    ]
    show.line(f"images: {', '.join(ways)}")
    for name, reason in receipt.left_out:
        show.note(f"left out: {name}: {reason}")
    show.line(f"manifest: {wired.path(receipt.manifest)}")


def _draw(receipt: stage.AugmentReceipt, to: Path, storage: Storage) -> None:
    """Draw the first photograph that has boxes, or the first there is, and its variants."""
    from gt_workflow.adapters.warp_sheet import Cell, contact_sheet

    families: dict[str, list[dict[str, Any]]] = {}
    with storage.open(receipt.manifest) as file:
        for raw in file:
            line = json.loads(raw)
            of = line[VARIANT]["of"] if VARIANT in line else line["source-ref"]
            if VARIANT in line or not families:
                families.setdefault(of, []).append(line)
            if len(families) > 1 and VARIANT in line:
                break
    family = next(iter(families.values()))
    cells = []
    for line in family:
        with storage.open(line["source-ref"]) as image:
            title = line[VARIANT]["name"] if VARIANT in line else "original"
            cells.append(Cell(title, image.read(), _boxes(line, receipt.attribute)))
    form = "PNG" if to.suffix.lower() == ".png" else "JPEG"
    to.write_bytes(contact_sheet(cells, form=form))


def _boxes(line: dict[str, Any], attribute: str | None) -> list[Box]:
    label = line.get(attribute or "", {})
    return [
        Box(*(one[side] for side in ("left", "top", "width", "height")))
        for one in label.get("annotations", ())
    ]
