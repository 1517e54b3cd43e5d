"""An output manifest becomes the detector's training channels, in up to three forms.

`plan` reads the manifest alone: counts, classes, split, label width. `examine` looks at every
image's head without writing. `run` reads every image once and writes all forms side by side; what
cannot be used is listed in `OUT/report.json`, lines that cannot be read in `OUT/rejected.manifest`.
The same manifest and settings give the same bytes, and a form that already stands is left alone.
`channels.writers` says which files a form has, `channels.receipts` what its `channel.json` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, BinaryIO

from msgspec.structs import replace

from gt_workflow.config import Form
from gt_workflow.core import plain_lines
from gt_workflow.core.json_lines import lines_of
from gt_workflow.core.label_schema import LOOK
from gt_workflow.core.looks import alike_in
from gt_workflow.core.manifest import Record, attributes, find_attribute, read, split_lines
from gt_workflow.core.near_duplicates import OFF, Alike
from gt_workflow.core.split import SIDES
from gt_workflow.errors import DataError
from gt_workflow.ports import Engine, Progress, Storage
from gt_workflow.workflow import own_source
from gt_workflow.workflow.channels import receipts, report
from gt_workflow.workflow.channels.ahead import Ahead
from gt_workflow.workflow.channels.counting import CountBlocks, Counting
from gt_workflow.workflow.channels.journal import Journal
from gt_workflow.workflow.channels.outputs import Outputs
from gt_workflow.workflow.channels.packing import STEP, MissingImageError, Packed, pack, refusal
from gt_workflow.workflow.channels.passing import Passing, write
from gt_workflow.workflow.channels.plan import (
    ConvertPlan,
    ConvertReceipt,
    ConvertSettings,
    Source,
)
from gt_workflow.workflow.channels.report import Event, Spool
from gt_workflow.workflow.channels.samples import Samples, snapshot
from gt_workflow.workflow.channels.stretches import Blocks
from gt_workflow.workflow.channels.writers import Forms

__all__ = [
    "Ahead",
    "ConvertPlan",
    "ConvertReceipt",
    "ConvertSettings",
    "MissingImageError",
    "examine",
    "plan",
    "run",
]


def plan(
    settings: ConvertSettings,
    *,
    storage: Storage,
    progress: Progress,
    engine: Engine | None = None,
    ahead: Ahead | None = None,
) -> ConvertPlan:
    """Read the manifest, in the engine's processes if there is one, and decide what can be decided.

    What can be written while that is done is written `ahead`, for the run that follows.

    Raises DataError for a manifest that gives no two channels, UsageError for one that lies where
    the run would write.
    """
    for source in settings.sources:
        own_source.refuse(
            storage,
            source.uri,
            out=settings.folder,
            files=receipts.written(settings.folder, settings.forms),
            folders=[f"{settings.folder}/{form}" for form in settings.forms],
        )
    uri, patient = settings.manifest, settings.on_bad_line == "skip"
    manifest, *others = (
        Blocks(storage, source.uri, side=source.side) for source in settings.sources
    )
    attribute, head = settings.attribute, 0
    if attribute is None:
        with storage.open(uri) as file:
            attribute, head = find_attribute(split_lines(file, uri=uri), uri=uri, patient=patient)
    rules = plain_lines.Rules(
        attribute,
        given=settings.attribute is not None,
        min_side=settings.min_side,
        validation=settings.validation,
        salt=settings.salt,
    )
    found = Counting(
        CountBlocks(rules, uri, patient=patient),
        blocks=manifest,
        records=partial(_read, settings, storage, progress),
        alike=None if settings.distance == OFF else partial(_alike, settings, manifest),
        head=head,
        fixed_classes=settings.classes,
        engine=engine,
        progress=progress,
        ahead=ahead or Ahead(settings, storage, wanted=False),
        held_out=others[0] if others else None,
    ).survey()
    found.lines += found.rejected
    images = [found.sides[side].images for side in SIDES]
    if not any(images):
        raise _nothing(settings, storage)
    for side, where in settings.manifests.items():
        if not found.sides[side].images:
            raise DataError(
                f"no line has a box that could be used for {side}; train and validation need one "
                "each",
                uri=where,
            )
    if not all(images):
        raise DataError(
            "all boxes are on images of one origin"
            f"{', or of photographs that look alike' if found.alike else ''}; "
            "train and validation need an origin each",
            uri=uri,
        )
    return ConvertPlan(
        settings=settings,
        manifest_sha256=manifest.sha256,
        attribute=attribute or "",
        survey=found,
        warnings=tuple(found.warnings()),
        held_out_sha256=others[0].sha256 if others else "",
    )


def _alike(settings: ConvertSettings, manifest: Blocks) -> Alike:
    """Find near-duplicates; blocks that tell of no image what it looks like are passed over."""
    lines = (line for block in manifest() if LOOK.encode() in block for line in lines_of(block))
    return alike_in(lines, salt=settings.salt, distance=settings.distance)


def _read(settings: ConvertSettings, storage: Storage, progress: Progress) -> Iterator[Record]:
    """Yield the records of a manifest that was counted already."""
    source, attribute = settings.sources[0], settings.attribute
    with storage.open(source.uri) as file:
        yield from _records(file, settings, source, attribute, reject=_pass_over, progress=progress)


def _pass_over(_raw: bytes, _error: DataError) -> None:
    """Take a rejected line that was told of before."""


def _records(
    file: BinaryIO,
    settings: ConvertSettings,
    source: Source,
    attribute: str | None,
    *,
    reject: Callable[[bytes, DataError], None],
    progress: Progress,
) -> Iterator[Record]:
    lines = split_lines(file, uri=source.uri)
    found = read(
        lines,
        uri=source.uri,
        attribute=attribute,
        on_bad_line=settings.on_bad_line,
        reject=reject,
    )
    for number, record in enumerate(found):
        if number % STEP == 0:
            progress("reading the manifest", number, 0)
        yield record


def _nothing(settings: ConvertSettings, storage: Storage) -> DataError:
    """Say why there is nothing to train on."""
    uri, wanted = settings.manifest, settings.attribute
    if wanted is not None and settings.on_bad_line == "stop":
        with storage.open(uri) as file:
            names = attributes(split_lines(file, uri=uri), uri=uri)
        if wanted not in names:
            known = f"they are under {', '.join(names)}" if names else "no key holds any"
            return DataError(f"no line has boxes under {wanted!r}; {known}", uri=uri)
    return DataError("no line has a box that could be trained on", uri=uri)


def examine(plan: ConvertPlan, *, storage: Storage, progress: Progress) -> tuple[Event, ...]:
    """Look at the head of every image that a run would read; name those that cannot be used."""
    with ExitStack() as temporary:
        samples = Samples(Spool(temporary), Spool(temporary), Spool(temporary))
        _fill(samples, plan, storage, progress)
        return tuple(
            pack(plan, samples, None, storage=storage, engine=None, progress=progress).refused
        )


def run(
    plan: ConvertPlan,
    *,
    storage: Storage,
    progress: Progress,
    engine: Engine | None = None,
    ahead: Ahead | None = None,
) -> ConvertReceipt:
    """Write the channels that do not stand yet, in the engine's processes if there is one.

    What was written `ahead` while the plan was made is not written again.

    A run that was interrupted is gone on with at the shard where it stood.

    Raises DataError if the manifest has changed since it was planned, if an image cannot be used
    and lines are not to be skipped, or if a side has no image left: then no channel appears, and
    the report tells why. UsageError if `out` holds files of somebody else, or if another run is
    writing there.
    """
    with storage.exclusive(plan.settings.folder):
        return _run(plan, storage, progress, engine, ahead)


def _run(
    plan: ConvertPlan,
    storage: Storage,
    progress: Progress,
    engine: Engine | None,
    ahead: Ahead | None,
) -> ConvertReceipt:
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
            hashes=plan.hashes,
        )
    for form in pending:
        receipts.refuse_strangers(storage, out, form)
    report.refuse_strangers(storage, out)
    with ExitStack() as temporary:
        samples = Samples(Spool(temporary), Spool(temporary), Spool(temporary))
        looked_at = settings.images == "check" or pending != ["manifest"]
        if looked_at:
            _fill(samples, plan, storage, progress)
        for form in pending:
            receipts.begin(storage, out, form, plan.digest(form))
        forms = Forms(out, tuple(pending), plan.attribute, plan.classes)
        journal = Journal(
            storage,
            receipts.notes_folder(out, pending[0]),
            receipts.digest_of({form: plan.digest(form) for form in pending}),
        )
        with Outputs(forms, storage, journal) as outputs:
            if looked_at:
                packed = pack(
                    plan, samples, outputs, storage=storage, engine=engine, progress=progress
                )
            else:
                packed = Packed(sides=plan.survey.sides, local=plan.survey.local)
            error = refusal(plan, packed)
            files: dict[str, int] = {}
            if error is None and "manifest" in pending:
                written = None if ahead is None else ahead.publish(plan)
                if written is not None:
                    files, samples = written
                else:
                    files = _write_manifest(
                        plan,
                        told=None if looked_at else samples,
                        without=packed.refused,
                        storage=storage,
                        progress=progress,
                    )
            told = _report(plan, samples, packed, storage=storage, finished=error is None)
            if error is not None:
                outputs.discard()
                raise error
        files |= outputs.files
        made = {form: _receipt(plan, form, packed, files) for form in pending}
        for form in pending:
            receipts.finish(storage, out, form, made[form], also=outputs.written)
    return ConvertReceipt(
        out=out,
        channels=tuple({**standing, **made}[form] for form in settings.forms),
        unchanged=tuple(standing),
        report=told,
        refused=len(packed.refused),
        left_out=len(samples.events) + len(packed.refused),
        warnings=packed.warnings(plan),
        near_duplicates=len(plan.survey.alike),
        leaks_prevented=plan.survey.leaks,
        hashes=plan.hashes,
    )


def _fill(samples: Samples, plan: ConvertPlan, storage: Storage, progress: Progress) -> None:
    """Read what was planned once more and keep what the channels take of it."""
    settings = plan.settings
    for source, planned in plan.sources:
        rules = plan.rules(source)
        with snapshot(storage, source.uri) as (file, digest):
            if digest != planned:
                raise DataError("has changed since the conversion was planned", uri=source.uri)
            # In a second manifest the attribute is known from the first.
            attribute = plan.attribute if source.side == "validation" else settings.attribute
            reject = partial(samples.reject, manifest=rules.manifest)
            records = _records(file, settings, source, attribute, reject=reject, progress=progress)
            samples.fill(records, rules, plan.classes)


def _write_manifest(
    plan: ConvertPlan,
    *,
    told: Samples | None,
    without: Collection[Event],
    storage: Storage,
    progress: Progress,
) -> dict[str, int]:
    """Read the manifest again and write its form; return the files with their sizes."""
    sources = []
    for number, (source, digest) in enumerate(plan.sources):
        rules = plan.rules(source)
        passing = Passing(
            source.uri,
            plan.attribute,
            rules,
            given=plan.settings.attribute is not None,
            head=0 if number else plan.survey.head,
            told=told,
            classes=plan.classes,
            without=[event.line or 0 for event in without if event.manifest == rules.manifest],
        )
        sources.append((passing, Blocks(storage, source.uri, sha256=digest)()))
    return write(plan, sources, storage, progress)


def _report(
    plan: ConvertPlan,
    samples: Samples,
    packed: Packed,
    *,
    storage: Storage,
    finished: bool,
) -> str:
    """Write what was left out and why; return where."""
    summary = {
        "attribute": plan.attribute,
        "finished": finished,
        "counts": plan.counts_of_lines() | {"images_refused": len(packed.refused)},
        "warnings": list(packed.warnings(plan)) if finished else list(plan.warnings),
    }
    return report.write(
        storage,
        plan.settings.folder,
        inputs=plan.inputs(),
        summary=summary,
        rejects=samples.rejects,
        lines=samples.events,
        images=packed.refused,
    )


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
        **plan.inputs(),
        "settings": plan.recorded_settings(),
        "warnings": list(packed.warnings(plan)),
        "files": {path: size for path, size in files.items() if path.startswith(f"{form}/")},
        "digest": plan.digest(form),
    }
