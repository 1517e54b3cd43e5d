"""Which photographs and lines get variants: decided from names and lines, before any image."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from gt_workflow.core.looks import alike_in
from gt_workflow.core.manifest import Record, is_variant, read, split_lines
from gt_workflow.core.near_duplicates import NEAR
from gt_workflow.core.split import NONE_ALIKE
from gt_workflow.errors import DataError, UsageError
from gt_workflow.workflow.augment.settings import AugmentPlan, AugmentSettings, Item
from gt_workflow.workflow.channels.samples import snapshot
from gt_workflow.workflow.channels.survey import side_of, survey
from gt_workflow.workflow.examine import looks_like_photograph
from gt_workflow.workflow.sources import gather, is_manifest

if TYPE_CHECKING:
    from gt_workflow.core.near_duplicates import Alike
    from gt_workflow.core.split import Side
    from gt_workflow.ports import Folders, Progress, Storage

_VERSION: Final = 2  # counts up when the same source and settings would give other bytes
_MIN_SIDE: Final = 1.0  # pixels of a box that convert takes, which decides about the split


def plan(
    settings: AugmentSettings, *, storage: Storage, folders: Folders, progress: Progress
) -> AugmentPlan:
    """Decide what gets which variants.

    Raises `UsageError` for `side` without labels, `DataError` for a broken manifest, or if there
    is nothing to vary.
    """
    if is_manifest(settings.source):
        made = _of_manifest(settings, storage, progress)
    else:
        made = _of_folder(settings, storage, folders)
    if not made.photographs:
        raise DataError("there is no photograph to make variants of", uri=settings.source)
    return made


def items(plan: AugmentPlan, storage: Storage) -> Iterator[Item]:
    """Yield the plan's photographs or lines, in the source's order.

    Raises `DataError` if the manifest is not the one that was planned.
    """
    settings = plan.settings
    if not is_manifest(settings.source):
        yield from plan.files
        return
    with snapshot(storage, settings.source) as (file, content):
        if _digest(settings, hashlib.sha256(content.encode())) != plan.digest:
            raise DataError("has changed since it was planned", uri=settings.source)
        bad: list[Item] = []
        for record in _records(file, settings, plan.attribute, bad):
            yield from bad
            bad.clear()
            vary = _varies(record, settings, plan.moved, plan.alike, labelled=plan.labelled)
            yield Item(raw=record.raw, line=record.line, vary=vary)
        yield from bad


def _of_folder(settings: AugmentSettings, storage: Storage, folders: Folders) -> AugmentPlan:
    if settings.side == "train":
        raise UsageError("only labelled manifests have a train side; photographs are split later")
    gathered = gather(
        settings.source,
        storage=storage,
        folders=folders,
        exclude=(settings.folder,),
        looks_like_photograph=looks_like_photograph,
    )
    files = tuple(
        Item(name=one.name, where=one.where)
        for one in gathered.candidates
        if looks_like_photograph(one.name)
    )
    found = [f"{one.name}\0{one.size}" for one in gathered.candidates]
    digest = _digest(settings, hashlib.sha256("\n".join(found).encode(errors="replace")))
    states = "\n".join(f"{one.name}\0{one.modified}" for one in gathered.candidates)
    seen = hashlib.sha256(states.encode(errors="replace")).hexdigest()
    return AugmentPlan(settings, len(files), 0, None, digest, files=files, seen=seen)


def _of_manifest(settings: AugmentSettings, storage: Storage, progress: Progress) -> AugmentPlan:
    with snapshot(storage, settings.source) as (file, content):
        states, bad = Counter[str](), list[Item]()
        photographs = Counter[str]()
        attribute = settings.attribute
        for record in _records(file, settings, settings.attribute, bad):
            states[record.state] += 1
            photographs[record.state] += not is_variant(record.raw)
            attribute = attribute or record.attribute
            if states.total() % 1000 == 0:
                progress("reading the manifest", states.total(), 0)
        labelled = states["labelled"] > 0
        if settings.attribute is not None and not labelled:
            raise DataError(f"no line has boxes under {settings.attribute!r}", uri=settings.source)
        moved: Mapping[str, Side] = {}
        alike = NONE_ALIKE
        number = photographs["labelled" if labelled else "untouched"]
        if settings.side == "train":
            if not labelled:
                raise UsageError("no line is labelled yet, so there is no train side")
            file.seek(0)
            alike = alike_in(
                split_lines(file, uri=settings.source),
                salt=settings.salt,
                distance=settings.distance,
            )
            moved = survey(
                lambda: _records(file, settings, attribute, []),
                validation=settings.validation,
                salt=settings.salt,
                min_side=_MIN_SIDE,
                fixed_classes=None,
                uri=settings.source,
                alike=alike,
            ).moved
            number = sum(
                _varies(record, settings, moved, alike, labelled=labelled)
                for record in _records(file, settings, attribute, [])
            )
    digest = _digest(settings, hashlib.sha256(content.encode()))
    return AugmentPlan(
        settings,
        number,
        states.total() + len(bad) - number,
        attribute,
        digest,
        moved=moved,
        alike=alike,
        labelled=labelled,
    )


def _records(
    file: BinaryIO, settings: AugmentSettings, attribute: str | None, bad: list[Item]
) -> Iterator[Record]:
    """Yield the lines that can be read; `bad` gets the others, if they are to be passed on."""

    def reject(raw: bytes, error: DataError) -> None:
        reason = f"{error.field}: {error.reason}" if error.field else error.reason
        bad.append(Item(raw=raw, line=error.line or 0, vary=False, reason=reason))

    file.seek(0)
    return read(
        split_lines(file, uri=settings.source),
        uri=settings.source,
        attribute=attribute,
        on_bad_line=settings.on_bad_line,
        reject=reject,
    )


def _varies(
    record: Record,
    settings: AugmentSettings,
    moved: Mapping[str, Side],
    alike: Alike,
    *,
    labelled: bool,
) -> bool:
    if record.state != ("labelled" if labelled else "untouched") or is_variant(record.raw):
        return False
    if settings.side == "all":
        return True
    if record.label is None or not record.label.annotations:
        return False
    where = side_of(
        record.origin, moved, validation=settings.validation, salt=settings.salt, alike=alike
    )
    return where == "train"


def _digest(settings: AugmentSettings, source: Any) -> str:
    names = settings.names
    decides = asdict(settings) | {"variants": names, "source": source.hexdigest(), "v": _VERSION}
    decides["look"] = msgspec.structs.asdict(settings.look)
    decides["on_bad_line"] = "stop"  # what is skipped changes no variant of the others
    if settings.distance == NEAR:  # as it was before there was a choice
        del decides["distance"]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
