"""What `augment` calls, and `launch` and `convert` between labels and channels."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from gt_workflow import wiring
from gt_workflow.cli import show
from gt_workflow.cli.options import require_source
from gt_workflow.config import Settings
from gt_workflow.core.boxes import Box
from gt_workflow.core.near_duplicates import OFF
from gt_workflow.core.variant_boxes import Keeping
from gt_workflow.errors import DataError, StorageError, UsageError
from gt_workflow.ports import Look, Storage
from gt_workflow.workflow import augment as stage
from gt_workflow.workflow.augment import VARIANT
from gt_workflow.workflow.channels.plan import ConvertSettings
from gt_workflow.workflow.sources import is_manifest

_MOST_TOLD: Final = 20
_FORMS: Final = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}  # of a contact sheet


@dataclass(frozen=True, slots=True)
class Done:
    """The variants that were made of a labelled manifest, and how long that took in seconds."""

    receipt: stage.AugmentReceipt
    took: float

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        told: dict[str, Any] = show.hyphened(self.receipt.to_dict())
        return told | {"unchanged": self.receipt.unchanged}


def asked(settings: Settings, *, source: str, out: str, **further: Any) -> stage.AugmentSettings:
    """Return the stage's settings: those of `[augment]`, with the split of the channels.

    Raises `UsageError` for one that makes no sense; nothing has been looked at by then.
    """
    chosen = settings.augment
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", chosen.fill):
        raise UsageError(
            f"--fill (augment.fill): a colour as RRGGBB in hexadecimal, not {chosen.fill!r}"
        )
    if chosen.lossless:
        from gt_workflow.adapters import warp_lossless

        warp_lossless.require()
    red, green, blue = bytes.fromhex(chosen.fill.removeprefix("#"))
    return stage.AugmentSettings(
        source=source if is_manifest(source) else _whole(source),
        out=_whole(out),
        variants=chosen.variants or ("seed-ten",),
        per_image=chosen.per_image or None,
        seed=chosen.seed,
        expand=chosen.expand,
        keeping=Keeping(chosen.box_fit, chosen.min_visible, chosen.min_side),
        look=Look(
            (red, green, blue), chosen.quality or None, chosen.chroma or None, chosen.lossless
        ),
        validation=settings.channels.validation,
        salt=settings.channels.salt,
        distance=settings.channels.distance,
        **further,
    )


def _whole(place: str) -> str:
    """Return where a folder is from anywhere: a manifest's addresses must outlive this one."""
    return place if not place or place.startswith("s3://") else str(Path(place).resolve())


def augment(
    settings: Settings,
    chosen: stage.AugmentSettings,
    *,
    sheet: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make variants, or print what would be made."""
    require_source(_nearby(chosen.source))
    if not chosen.out.startswith("s3://"):
        _check_out(Path(chosen.out))
    if sheet is not None:
        _check_sheet(sheet, chosen)
    writes = chosen.out.startswith("s3://") and not dry_run
    with show.Narrator() as narrator, wiring.local(settings, writes=writes) as wired:
        planned = _plan(chosen, wired, narrator)
        if dry_run:
            if as_json:
                show.data(show.hyphened(planned.to_dict()))
            else:
                _tell_plan(planned, wired)
            return
        done = _run(planned, wired, narrator)
        if sheet is not None:
            _draw(done.receipt, sheet, wired.storage)
    if as_json:
        show.data(done.to_dict())
    else:
        tell(done)
        show.line(f"manifest: {_nearby(wired.path(done.receipt.manifest))}")
    if sheet is not None:
        show.note(f"contact sheet: {sheet}")


def _check_out(out: Path) -> None:
    """Raise `UsageError` if a file is where a folder is to be."""
    place = next(place for place in (out, *out.parents) if os.path.lexists(place))
    if not place.is_dir():
        raise UsageError(f"--out: {place} is no folder; name another")


def _check_sheet(sheet: Path, chosen: stage.AugmentSettings) -> None:
    """Raise `UsageError` for a sheet that cannot be written, or would take something's place."""
    if sheet.is_dir():
        raise UsageError(f"--sheet: {sheet} is a folder; name a file in it")
    if sheet.suffix.lower() not in _FORMS:
        raise UsageError(f"--sheet: a name that ends in {', '.join(_FORMS)}, not {sheet.name!r}")
    if not sheet.parent.is_dir():
        raise UsageError(f"--sheet: there is no folder {sheet.parent}")
    if not os.access(sheet.parent, os.W_OK):
        raise UsageError(f"--sheet: the folder {sheet.parent} is not writable")
    for taken in (chosen.source, f"{chosen.folder}/images"):
        if not is_manifest(taken) and sheet.resolve().is_relative_to(Path(taken).resolve()):
            raise UsageError(f"--sheet: in {taken} it would be taken for a photograph")
    if os.path.lexists(sheet):
        from gt_workflow.adapters.warp_sheet import is_sheet

        if not is_sheet(sheet):
            raise UsageError(
                f"--sheet: {sheet} is there already, and no contact sheet; name another"
            )


def _tell_plan(planned: stage.AugmentPlan, wired: wiring.Local) -> None:
    chosen = planned.settings
    show.line(
        f"{show.count(chosen.each, 'variant')} of {show.count(planned.photographs, 'photograph')} "
        f"({', '.join(chosen.names)}), at most "
        f"{show.count(chosen.each * planned.photographs, 'image')}"
    )
    if planned.passed:
        show.line(f"without variants: {show.count(planned.passed, 'line')}")
    show.line(f"folder (not written): {_nearby(wired.path(planned.folder))}")


def _nearby(path: str) -> str:
    """Write a path from the current folder if that is shorter."""
    return path if path.startswith("s3://") else min(path, os.path.relpath(path), key=len)


def check(settings: Settings) -> None:
    """Raise `UsageError` for variants that cannot be made, before anybody labels for them."""
    asked(settings, source="labelled.manifest", out="augmented")


def of_launch(settings: Settings, photographs: int) -> dict[str, Any] | None:
    """Return what is known of a launch's variants before anything is labelled; None for none."""
    if not settings.augment.variants:
        return None
    chosen = asked(settings, source="labelled.manifest", out="augmented")
    trained = round(photographs * (1 - settings.channels.validation))
    return {
        "variants": list(chosen.names),
        "variants-of-each": chosen.each,
        "images-about": chosen.each * trained,
    }


def of_channels(
    settings: Settings,
    manifest: str,
    *,
    out: str,
    attribute: str | None,
    on_bad_line: Literal["stop", "skip"] = "stop",
    all_train: bool = False,
) -> stage.AugmentSettings | None:
    """Return how a labelled manifest's train side grows before it is converted; None if not.

    `all_train` tells that nothing of it is held out.
    The variants lie beside the channels, in a folder of their own for each set of settings.
    """
    if not settings.augment.variants:
        return None
    chosen = asked(
        settings,
        source=manifest,
        out=f"{out.rstrip('/')}/augmented",
        attribute=attribute,
        side="train",
        on_bad_line=on_bad_line,
        apart=True,
    )
    return replace(chosen, validation=0.0, distance=OFF) if all_train else chosen


def before_channels(
    chosen: stage.AugmentSettings, wired: wiring.Local, narrator: show.Narrator, *, channels: str
) -> Done:
    """Make the variants that the channels are to hold; `receipt.manifest` is what to convert.

    Meanwhile the folder of the `channels` is this run's: raises `BusyError` if it is another's.
    """
    with wired.storage.exclusive(channels):
        return _run(_plan(chosen, wired, narrator), wired, narrator)


def plan_of_channels(
    chosen: stage.AugmentSettings, wired: wiring.Local, narrator: show.Narrator
) -> dict[str, Any]:
    """Return what `--dry-run` prints of the variants; nothing is made."""
    return _plan(chosen, wired, narrator).to_dict()


def _plan(
    chosen: stage.AugmentSettings, wired: wiring.Local, narrator: show.Narrator
) -> stage.AugmentPlan:
    return stage.plan(chosen, storage=wired.storage, folders=wired.folders, progress=narrator)


def _run(planned: stage.AugmentPlan, wired: wiring.Local, narrator: show.Narrator) -> Done:
    from gt_workflow.adapters.warp import Warp
    from gt_workflow.workflow.channels.packing import MissingImageError

    began = time.monotonic()
    try:
        receipt = stage.run(
            planned,
            storage=wired.storage,
            folders=wired.folders,
            engine=wired.engine,
            images=wired.images,
            warper=Warp(),
            progress=narrator,
        )
    except MissingImageError as error:
        raise show.with_place(error, wired) from None
    return Done(receipt, time.monotonic() - began)


def tell(done: Done) -> None:
    """Say how many variants and boxes there are, and name what was left out."""
    receipt, took = done.receipt, done.took
    counts = receipt.counts
    made, of = counts.get("variants", 0), counts.get("photographs", 0)
    speed = "unchanged" if receipt.unchanged else f"{receipt.fresh / max(took, 1e-3):.0f} images/s"
    show.line(f"{show.count(made, 'variant')} of {show.count(of, 'photograph')} ({speed})")
    if "boxes_before" in counts:
        show.line(
            f"boxes: {counts['boxes_before']} drawn, {counts.get('boxes', 0)} on variants, "
            f"{counts.get('boxes_left_out', 0)} left the frame"
        )
    if missing := counts.get("lines_not_listed"):
        show.line(f"not listed (--no-originals): {show.count(missing, 'line')} without variants")
    if emptied := counts.get("variants_without_a_box_left"):
        show.line(f"left out as no box was left in them: {show.count(emptied, 'variant')}")
    if lossless := counts.get("images_lossless"):
        show.line(f"moved without loss: {show.count(lossless, 'variant')}")
    for name, reason in receipt.left_out[:_MOST_TOLD]:
        show.note(f"left out: {name}: {reason}")
    if (more := len(receipt.left_out) - _MOST_TOLD) > 0:
        show.note(f"and {more} more, all in augment.json")


def tell_place(channels: ConvertSettings) -> None:
    """Say how a training job comes to read variants that are on this machine alone."""
    if "manifest" in channels.forms and not channels.out.startswith("s3://"):
        show.note(
            "variants go to S3 with the channels, for a training job to read, by: --out s3://…"
        )


def _draw(receipt: stage.AugmentReceipt, to: Path, storage: Storage) -> None:
    """Draw the first photograph that can be drawn, and its variants."""
    from gt_workflow.adapters.warp_sheet import Cell, contact_sheet

    with storage.open(receipt.manifest) as file:
        for family in stage.families(file, receipt):
            cells = []
            try:
                for line in family:
                    with storage.open(line["source-ref"]) as image:
                        title = line[VARIANT]["name"] if VARIANT in line else "original"
                        cells.append(Cell(title, image.read(), _boxes(line, receipt.attribute)))
                drawn = contact_sheet(cells, form=_FORMS[to.suffix.lower()])
            except (StorageError, DataError):
                continue  # cleared away, or changed since it was varied
            with storage.create(str(to)) as sheet:
                sheet.write(drawn)
            return
    raise StorageError("no photograph of the manifest can be drawn", uri=str(to))


def _boxes(line: dict[str, Any], attribute: str | None) -> list[Box]:
    label = line.get(attribute or "", {})
    return [
        Box(*(one[side] for side in ("left", "top", "width", "height")))
        for one in label.get("annotations", ())
    ]
