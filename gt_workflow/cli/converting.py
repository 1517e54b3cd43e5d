"""`convert` and `demo`: files in, files out, no service."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from gt_workflow import wiring
from gt_workflow.cli import show
from gt_workflow.cli.options import require_file
from gt_workflow.config import Settings
from gt_workflow.core.split import SIDES
from gt_workflow.errors import UsageError
from gt_workflow.workflow import convert as stage
from gt_workflow.workflow.sources import is_manifest

if TYPE_CHECKING:
    from gt_workflow.cli.augment import Done
    from gt_workflow.ports import Storage
    from gt_workflow.workflow.augment import AugmentSettings
    from gt_workflow.workflow.split import Standing


def convert(  # noqa: PLR0913 - one parameter per flag
    settings: Settings,
    manifest: str,
    *,
    attribute: str | None,
    on_bad_line: Any,
    keep_empty: Any,
    classes: tuple[str, ...] | None,
    validation: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Convert an output manifest or a split, or print what would be done.

    `validation` is the share that was named with the command.
    """
    for flag, value, known in (
        ("--on-bad-line", on_bad_line, ("stop", "skip")),
        ("--keep-empty", keep_empty, ("drop", "validation")),
    ):
        if value not in known:
            raise UsageError(f"{flag} is {' or '.join(known)}, not {value!r}")
    out = settings.channels.out
    chosen = stage.ConvertSettings(
        manifest=manifest,
        out=out,
        attribute=attribute,
        forms=settings.channels.forms,
        validation=settings.channels.validation,
        salt=settings.channels.salt,
        images=settings.channels.images,
        distance=settings.channels.distance,
        on_bad_line=on_bad_line,
        keep_empty=keep_empty,
        classes=classes,
    )
    writes = out.startswith("s3://") and not dry_run
    with ExitStack() as stack:
        narrator = stack.enter_context(show.Narrator())
        wired = stack.enter_context(wiring.local(settings, writes=writes))
        parts = _parts(manifest, wired.storage, validation=validation)
        if parts is not None:
            chosen = replace(chosen, manifest=parts.train, held_out=parts.validation)
        growing = _growing(settings, chosen)
        ahead = stack.enter_context(
            stage.Ahead(chosen, wired.storage, wanted=not dry_run and growing is None)
        )
        # What is wrong with the labels is told before any image is made, by their own lines.
        planned = stage.plan(
            chosen, storage=wired.storage, progress=narrator, engine=wired.counting, ahead=ahead
        )
        if dry_run:
            made = None
            if growing is not None:
                from gt_workflow.cli import augment

                made = augment.plan_of_channels(growing, wired, narrator)
            _tell_plan(planned, made, parts, wired, as_json=as_json)
            return
        grown = None
        if growing is not None:
            from gt_workflow.cli import augment

            grown = augment.before_channels(growing, wired, narrator, channels=chosen.folder)
            chosen = replace(chosen, manifest=grown.receipt.manifest)
            planned = stage.plan(
                chosen, storage=wired.storage, progress=narrator, engine=wired.counting
            )
        try:
            receipt = stage.run(
                planned,
                storage=wired.storage,
                progress=narrator,
                engine=wired.packing,
                ahead=ahead,
            )
        except stage.MissingImageError as error:
            raise show.with_place(error, wired) from None
    if as_json:
        further = {} if grown is None else {"augment": grown.to_dict()}
        show.data(show.receipt(receipt) | show.hyphened(_left_alone(parts)) | further)
    else:
        _tell(planned, receipt, grown, parts, wired)


def _tell(
    planned: stage.ConvertPlan,
    receipt: stage.ConvertReceipt,
    grown: Done | None,
    parts: Standing | None,
    wired: wiring.Local,
) -> None:
    if grown is not None:
        from gt_workflow.cli import augment

        augment.tell(grown)
    show.channels(receipt, wired.path, lines=planned.survey.lines)
    if grown is not None:
        augment.tell_place(planned.settings)
    _tell_left_alone(parts, wired)


def _growing(settings: Settings, chosen: stage.ConvertSettings) -> AugmentSettings | None:
    if not settings.augment.variants:
        return None
    from gt_workflow.cli import augment

    return augment.of_channels(
        settings,
        chosen.manifest,
        out=chosen.out,
        attribute=chosen.attribute,
        on_bad_line=chosen.on_bad_line,
        all_train=chosen.held_out is not None,
    )


def _parts(source: str, storage: Storage, *, validation: float | None) -> Standing | None:
    """Return the split that is to be converted; None for a manifest."""
    if is_manifest(source):
        return None
    from gt_workflow.workflow.split import standing

    found = standing(source, storage)
    if found is None:
        require_file(source, "an output manifest, or a folder that split wrote")
    if found is not None and validation is not None:
        raise UsageError(
            f"--validation: {source} is split already; leave it out, or split the manifest anew"
        )
    return found


def _left_alone(parts: Standing | None) -> dict[str, str | None]:
    return {} if parts is None else {"test_manifest": parts.test}


def _tell_plan(
    planned: stage.ConvertPlan,
    augmented: dict[str, Any] | None,
    parts: Standing | None,
    wired: wiring.Local,
    *,
    as_json: bool,
) -> None:
    """Say what a conversion would make of which lines, and of how many variants of them."""
    told = planned.to_dict() | _left_alone(parts)
    if as_json:
        show.data(show.hyphened(told | ({} if augmented is None else {"augment": augmented})))
        return
    lines = told["lines"]
    kinds = ("labelled", "failed", "untouched", "rejected")
    show.line(
        f"{' and '.join(source.uri for source in planned.settings.sources)}: "
        f"{show.count(lines['lines'], 'line')}, "
        + ", ".join(f"{lines[kind]} {kind}" for kind in kinds if lines[kind] or kind == "labelled")
    )
    for side in SIDES:
        one = told[side]
        boxes = [f"{number} {name}" for name, number in one["boxes_by_class"].items()]
        detail = f" with boxes ({', '.join(boxes)})" if len(boxes) <= 8 else ""
        show.line(f"{side}: {show.count(one['images'], 'image')}{detail}")
    if lines["near_duplicates"]:
        show.near_duplicates(lines["near_duplicates"], lines["leaks_prevented"])
    if augmented is not None:
        show.line(
            f"augmentation: {show.count(augmented['variants_of_each'], 'variant')} of "
            f"{show.count(augmented['photographs'], 'photograph')} on the train side, at most "
            f"{show.count(augmented['variants_at_most'], 'image')}"
        )
    show.line(f"channels (not written): {wired.path(told['out'])} ({', '.join(told['forms'])})")
    if planned.hashes == 0:
        show.no_hashes()
    for warning in told["warnings"]:
        show.note(f"warning: {warning}")
    _tell_left_alone(parts, wired)


def _tell_left_alone(parts: Standing | None, wired: wiring.Local) -> None:
    if parts is not None and parts.test is not None:
        show.note(f"left alone, for the evaluation: {wired.path(parts.test)}")


def draw_demo(folder: Path, *, count: int, seed: int, as_json: bool) -> None:
    """Draw the demo set; never into a folder that holds something."""
    from gt_workflow.adapters.scenes.draw import write_demo

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder")
    if count < 1:
        raise UsageError("--count is at least 1")
    write_demo(folder, count=count, seed=seed)
    photographs, truth = folder / "photographs", folder / "truth.manifest"
    if as_json:
        show.data({"photographs": str(photographs), "truth": str(truth), "count": count})
    else:
        show.line(f"drew {count} scenes in {photographs}; their boxes are in {truth}")
