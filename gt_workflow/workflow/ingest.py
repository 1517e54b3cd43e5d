"""Ingest: a pile of photographs becomes images in S3 and an input manifest.

`plan` reads and decodes every photograph once and writes nothing; `run` carries the plan out.
The plan holds no pixels: what has to be converted is converted again when it is stored, and
checked against the plan's digest. Keys are named from content, so that a second run finds what
the first one stored. The manifest comes after the images, the report last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from gt_workflow.core.json_lines import members, with_members
from gt_workflow.core.manifest import input_line
from gt_workflow.core.objects import check_manifest_line
from gt_workflow.errors import (
    DataError,
    GtWorkflowError,
    ObjectNotFoundError,
    StorageError,
    UsageError,
)
from gt_workflow.ports import Engine, Folders, Images, Progress, Storage
from gt_workflow.workflow.examine import Examine, Photograph, Store, looks_like_photograph
from gt_workflow.workflow.fates import Duplicate, Fates, IngestPlan, IngestSettings
from gt_workflow.workflow.sources import (
    ManifestDigest,
    Rejected,
    gather,
    is_manifest,
    manifest_lines,
)

__all__ = [
    "CHECKING",
    "STORING",
    "Duplicate",
    "IngestPlan",
    "IngestReceipt",
    "IngestSettings",
    "Photograph",
    "Rejected",
    "plan",
    "run",
]

CHECKING: Final = "checking photographs"
STORING: Final = "storing photographs"


@dataclass(frozen=True, slots=True)
class IngestReceipt:
    """What a run did: images `stored` now and `present` before, the lines it wrote."""

    manifest: str
    report: str
    digest: str
    lines: int
    stored: int
    present: int
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        return {
            "manifest": self.manifest,
            "report": self.report,
            "digest": self.digest,
            "lines": self.lines,
            "stored": self.stored,
            "present": self.present,
            "counts": dict(self.counts),
        }


def plan(
    settings: IngestSettings,
    *,
    storage: Storage,
    folders: Folders,
    engine: Engine,
    images: Images,
    progress: Progress,
) -> IngestPlan:
    """Look at every photograph once, in the engine's processes, and decide what becomes of it.

    Raises `UsageError` for settings that contradict each other and for more photographs than a
    job takes, `DataError` for a broken source manifest and if nothing usable is left,
    `StorageError` if the source cannot be read at all.
    """
    _check(settings)
    gathered = gather(
        settings.source,
        storage=storage,
        folders=folders,
        exclude=(*settings.exclude, f"{_folder(settings.images)}/"),
        looks_like_photograph=looks_like_photograph,
    )
    fates = Fates(settings, gathered)
    total = len(gathered.candidates)
    progress(CHECKING, 0, total)
    examine = Examine(storage, folders, images)
    for done, outcome in enumerate(engine.map(examine, gathered.candidates), start=1):
        if isinstance(outcome.error, GtWorkflowError) and not isinstance(
            outcome.error, StorageError
        ):
            fates.reject(outcome.item, str(outcome.error))  # an image that kills its decoder
        else:
            fates.add(outcome.item, outcome.result())
        progress(CHECKING, done, total)
    made = fates.plan()
    _check_lines(made, storage)
    return made


def run(
    plan: IngestPlan,
    *,
    storage: Storage,
    folders: Folders,
    engine: Engine,
    images: Images,
    progress: Progress,
) -> IngestReceipt:
    """Store the images that are not there yet, then write the manifest, then the report.

    Whatever interrupts it, the next run goes on where it stopped. Raises `DataError` if a
    photograph or the source manifest is no longer what was planned (after everything else is
    stored; no manifest is written), `StorageError` as the storage does.
    """
    settings = plan.settings
    copies = {entry.uri: entry for entry in plan.photographs if not entry.in_place}
    present = _present(copies, settings.images, storage)
    missing = [entry for uri, entry in copies.items() if uri not in present]
    progress(STORING, 0, len(missing))
    changed: list[DataError] = []
    store = Store(storage, folders, images)
    for done, outcome in enumerate(engine.map(store, missing), start=1):
        if isinstance(outcome.error, DataError):
            changed.append(outcome.error)
        else:
            outcome.result()
        progress(STORING, done, len(missing))
    if changed:
        raise DataError(
            f"{len(changed)} photographs are no longer as they were checked, the first: "
            f"{changed[0]}; run the command again",
            uri=settings.source,
        )
    with storage.create(settings.manifest) as file:
        for _, line in _lines(plan, storage):
            file.write(line + b"\n")
    with storage.create(settings.report) as file:
        file.write(_report(plan))
    return IngestReceipt(
        manifest=settings.manifest,
        report=settings.report,
        digest=plan.digest,
        lines=len(plan.photographs),
        stored=len(missing),
        present=len(present),
        counts=MappingProxyType(plan.counts()),
    )


def _present(copies: Mapping[str, Photograph], images: str, storage: Storage) -> set[str]:
    """Return the URIs of those copies that are there in full."""
    try:
        return {
            stat.uri
            for stat in storage.list(f"{_folder(images)}/")
            if stat.uri in copies and copies[stat.uri].size == stat.size
        }
    except ObjectNotFoundError:  # a bucket of one's own is made by writing
        return set()


def _check(settings: IngestSettings) -> None:
    """Refuse settings under which ingest would read what it writes, or write where none can."""
    for name, uri in (("images", settings.images), ("manifest", settings.manifest)):
        if not re.fullmatch(r"s3://[^/]+/.+", uri, re.DOTALL):
            raise UsageError(f"the {name} go to s3://bucket/..., not to {uri!r}")
    source = settings.source
    if not source:
        raise UsageError("name a folder, an s3:// prefix or a manifest with the photographs")
    if source in {settings.manifest, settings.report}:
        raise UsageError(f"{source} is to be read and written at once; choose another manifest")
    inside = f"{_folder(source)}/".startswith(f"{_folder(settings.images)}/")
    if not is_manifest(source) and inside:
        raise UsageError(f"{source} is where images are stored; choose another prefix for them")


def _check_lines(plan: IngestPlan, storage: Storage) -> None:
    """Check every line of the manifest to be against Ground Truth's limits."""
    for entry, line in _lines(plan, storage):
        for problem in check_manifest_line(line):
            if entry.line:
                raise DataError(
                    problem.message,
                    uri=plan.settings.source,
                    line=entry.line,
                    field=problem.field,
                )
            raise DataError(problem.message, uri=entry.photograph, field=problem.field)


def _lines(plan: IngestPlan, storage: Storage) -> Iterator[tuple[Photograph, bytes]]:
    """Yield photographs with their manifest lines; a source manifest is read again for them."""
    source = plan.settings.source
    if not is_manifest(source):
        for entry in plan.photographs:
            yield entry, input_line(entry.uri, entry.names)
        return
    by_line = {entry.line: entry for entry in plan.photographs}
    digest = ManifestDigest()
    for number, raw in manifest_lines(source, storage):
        digest.add(number, raw)
        own = by_line.get(number)
        if own is not None:
            yield own, _own_line(own, raw)
    if digest.value() != plan.source_digest:
        raise DataError("it changed after it was checked; run the command again", uri=source)


def _report(plan: IngestPlan) -> bytes:
    """Return the report as JSON; a path that is no UTF-8 is shown with its bytes escaped."""
    text = json.dumps(plan.to_dict(), ensure_ascii=False, indent=2)
    return text.encode(errors="backslashreplace") + b"\n"


def _own_line(entry: Photograph, raw: bytes) -> bytes:
    """Return a source manifest's line with the names it lacks; every other byte stays."""
    present = members(raw)
    changes: dict[str, Any] = {
        name: value for name, value in entry.names.items() if name not in present
    }
    if not entry.in_place:
        changes["source-ref"] = entry.uri
    return with_members(raw, changes)


def _folder(uri: str) -> str:
    return uri.rstrip("/")
