"""An output manifest becomes the detector's training channels, in up to three forms.

`plan` reads the manifest alone: counts, classes, split, label width. `examine` looks at every
image's head without writing. `run` reads every image once and writes all forms side by side; what
cannot be used is listed in `OUT/report.json`, lines that cannot be read in `OUT/rejected.manifest`.
The same manifest and settings give the same bytes, and a form that already stands is left alone.
`channels.writers` says which files a form has, `channels.receipts` what its `channel.json` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

from gt_workflow.config import Form
from gt_workflow.core.looks import alike_in
from gt_workflow.core.manifest import Record, attributes, read, split_lines
from gt_workflow.core.split import SIDES
from gt_workflow.errors import DataError
from gt_workflow.ports import Engine, Progress, Storage
from gt_workflow.workflow.channels import receipts
from gt_workflow.workflow.channels.journal import Journal
from gt_workflow.workflow.channels.outputs import Outputs
from gt_workflow.workflow.channels.packing import STEP, MissingImageError, Packed, pack, refusal
from gt_workflow.workflow.channels.plan import ConvertPlan, ConvertReceipt, ConvertSettings
from gt_workflow.workflow.channels.report import Event, Spool, write_report
from gt_workflow.workflow.channels.samples import Rules, Samples, snapshot
from gt_workflow.workflow.channels.survey import side_of, survey
from gt_workflow.workflow.channels.writers import Forms

__all__ = [
    "ConvertPlan",
    "ConvertReceipt",
    "ConvertSettings",
    "MissingImageError",
    "examine",
    "plan",
    "run",
]


def plan(settings: ConvertSettings, *, storage: Storage, progress: Progress) -> ConvertPlan:
    """Read the manifest and decide everything that can be decided without the images.

    Raises DataError for a manifest that gives no two channels.
    """
    with snapshot(storage, settings.manifest) as (file, digest):
        rejected: set[int | None] = set()  # lines; a second pass rejects the same ones

        def records() -> Iterator[Record]:
            return _records(
                file,
                settings,
                reject=lambda _raw, error: rejected.add(error.line),
                progress=progress,
            )

        alike = alike_in(
            split_lines(file, uri=settings.manifest),
            salt=settings.salt,
            distance=settings.distance,
        )
        found = survey(
            records,
            alike=alike,
            validation=settings.validation,
            salt=settings.salt,
            min_side=settings.min_side,
            fixed_classes=settings.classes,
            uri=settings.manifest,
        )
        found.rejected = len(rejected)
        found.lines += found.rejected
        images = [found.sides[side].images for side in SIDES]
        if not any(images):
            raise _nothing(file, settings)
    if not all(images):
        raise DataError(
            "all boxes are on images of one origin"
            f"{', or of photographs that look alike' if found.alike else ''}; "
            "train and validation need an origin each",
            uri=settings.manifest,
        )
    return ConvertPlan(
        settings=settings,
        manifest_sha256=digest,
        attribute=settings.attribute or found.attribute or "",
        survey=found,
        warnings=tuple(found.warnings()),
    )


def _records(
    file: BinaryIO,
    settings: ConvertSettings,
    *,
    reject: Callable[[bytes, DataError], None],
    progress: Progress,
) -> Iterator[Record]:
    uri = settings.manifest
    file.seek(0)
    lines = split_lines(file, uri=uri)
    found = read(
        lines,
        uri=uri,
        attribute=settings.attribute,
        on_bad_line=settings.on_bad_line,
        reject=reject,
    )
    for number, record in enumerate(found):
        if number % STEP == 0:
            progress("reading the manifest", number, 0)
        yield record


def _nothing(file: BinaryIO, settings: ConvertSettings) -> DataError:
    """Say why there is nothing to train on."""
    uri, wanted = settings.manifest, settings.attribute
    file.seek(0)
    if wanted is not None and settings.on_bad_line == "stop":
        names = attributes(split_lines(file, uri=uri), uri=uri)
        if wanted not in names:
            known = f"they are under {', '.join(names)}" if names else "no key holds any"
            return DataError(f"no line has boxes under {wanted!r}; {known}", uri=uri)
    return DataError("no line has a box that could be trained on", uri=uri)


def examine(plan: ConvertPlan, *, storage: Storage, progress: Progress) -> tuple[Event, ...]:
    """Look at the head of every image that a run would read; name those that cannot be used."""
    with ExitStack() as temporary:
        samples = _collect(plan, storage, progress, temporary)
        return tuple(
            pack(plan, samples, None, storage=storage, engine=None, progress=progress).refused
        )


def run(
    plan: ConvertPlan, *, storage: Storage, progress: Progress, engine: Engine | None = None
) -> ConvertReceipt:
    """Write the channels that do not stand yet, in the engine's processes if there is one.

    A run that was interrupted is gone on with at the shard where it stood.

    Raises DataError if the manifest has changed since it was planned, if an image cannot be used
    and lines are not to be skipped, or if a side has no image left: then no channel appears, and
    the report tells why. UsageError if `out` holds files of somebody else.
    """
    settings, out = plan.settings, plan.settings.folder
    standing = {
        form: receipt
        for form in settings.forms
        if (receipt := receipts.finished(storage, out, form, plan.digest(form))) is not None
    }
    pending = [form for form in settings.forms if form not in standing]
    if not pending:
        return ConvertReceipt(
            out=out,
            channels=tuple(standing.values()),
            unchanged=settings.forms,
            report=None,
            warnings=plan.warnings,
            near_duplicates=len(plan.survey.alike),
            leaks_prevented=plan.survey.leaks,
        )
    for form in pending:
        receipts.refuse_strangers(storage, out, form)
    with ExitStack() as temporary:
        samples = _collect(plan, storage, progress, temporary)
        for form in pending:
            receipts.begin(storage, out, form, plan.digest(form))
        forms = Forms(out, tuple(pending), plan.attribute, plan.classes)
        journal = Journal(
            storage,
            receipts.notes_folder(out, pending[0]),
            receipts.digest_of({form: plan.digest(form) for form in pending}),
        )
        with Outputs(forms, storage, journal) as outputs:
            packed = pack(plan, samples, outputs, storage=storage, engine=engine, progress=progress)
            error = refusal(plan, packed)
            report = _report(plan, samples, packed, storage=storage, finished=error is None)
            if error is not None:
                outputs.discard()
                raise error
        made = {form: _receipt(plan, form, packed, outputs.files) for form in pending}
        for form in pending:
            receipts.finish(storage, out, form, made[form], also=outputs.written)
    return ConvertReceipt(
        out=out,
        channels=tuple({**standing, **made}[form] for form in settings.forms),
        unchanged=tuple(standing),
        report=report,
        refused=len(packed.refused),
        left_out=len(samples.events) + len(packed.refused),
        warnings=packed.warnings(plan),
        near_duplicates=len(plan.survey.alike),
        leaks_prevented=plan.survey.leaks,
    )


def _collect(
    plan: ConvertPlan, storage: Storage, progress: Progress, temporary: ExitStack
) -> Samples:
    """Read the planned manifest once more and keep what the channels take of it."""
    settings = plan.settings
    samples = Samples(Spool(temporary), Spool(temporary), Spool(temporary))
    rules = Rules(
        min_side=settings.min_side,
        keep_empty=settings.keep_empty == "validation",
        order=settings.order,
        salt=settings.salt,
        side_of=partial(
            side_of,
            moved=plan.survey.moved,
            validation=settings.validation,
            salt=settings.salt,
            alike=plan.survey.alike,
        ),
    )
    with snapshot(storage, settings.manifest) as (file, digest):
        if digest != plan.manifest_sha256:
            raise DataError("has changed since the conversion was planned", uri=settings.manifest)
        records = _records(file, settings, reject=samples.reject, progress=progress)
        samples.fill(records, rules, plan.classes)
    return samples


def _report(
    plan: ConvertPlan,
    samples: Samples,
    packed: Packed,
    *,
    storage: Storage,
    finished: bool,
) -> str:
    """Write what was left out and why; return where."""
    out = plan.settings.folder
    rejects = f"{out}/rejected.manifest"
    if len(samples.rejects):
        with storage.create(rejects) as file:
            file.writelines(samples.rejects)
    else:
        storage.delete(rejects)
    summary = {
        "manifest": plan.settings.manifest,
        "manifest_sha256": plan.manifest_sha256,
        "attribute": plan.attribute,
        "finished": finished,
        "counts": plan.survey.to_dict() | {"images_refused": len(packed.refused)},
        "warnings": list(packed.warnings(plan)) if finished else list(plan.warnings),
    }
    uri = f"{out}/report.json"
    write_report(storage, uri, summary, lines=samples.events, images=packed.refused)
    return uri


def _receipt(
    plan: ConvertPlan, form: Form, packed: Packed, files: Mapping[str, int]
) -> dict[str, Any]:
    """Make a form's `channel.json`."""
    sides = packed.sides
    if form != "recordio":
        sides = {side: replace(counts, without_boxes=0) for side, counts in sides.items()}
    types = sorted(packed.content_types)
    return {
        **receipts.describe(
            form,
            base=plan.settings.base,
            attribute=plan.attribute,
            classes=plan.classes,
            sides=sides,
            content_type=types[0] if len(types) == 1 else "application/x-image",
        ),
        "manifest": plan.settings.manifest,
        "manifest_sha256": plan.manifest_sha256,
        "settings": plan.recorded_settings(),
        "warnings": list(packed.warnings(plan)),
        "files": {path: size for path, size in files.items() if path.startswith(f"{form}/")},
        "digest": plan.digest(form),
    }
