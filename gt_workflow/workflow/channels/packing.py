"""Every image is read, checked against its label and handed to the writers, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gt_workflow.config import Form
from gt_workflow.core.split import SIDES, Side
from gt_workflow.errors import DataError, ObjectNotFoundError
from gt_workflow.object_store import RefusedError
from gt_workflow.ports import Progress, Storage
from gt_workflow.workflow.channels.images import RasterError, check, load
from gt_workflow.workflow.channels.plan import ConvertPlan
from gt_workflow.workflow.channels.report import Event
from gt_workflow.workflow.channels.samples import Samples
from gt_workflow.workflow.channels.survey import SideCounts
from gt_workflow.workflow.channels.writers import Writer

STEP = 100
"""Images between two calls of progress."""


@dataclass(slots=True)
class Packed:
    """What became of a plan's images; `sides` counts those that the channels hold.

    `local` counts images that are no S3 objects, `refused` tells which cannot be used.
    """

    sides: dict[Side, SideCounts] = field(
        default_factory=lambda: {name: SideCounts() for name in SIDES}
    )
    refused: list[Event] = field(default_factory=list)
    content_types: set[str] = field(default_factory=set)
    local: int = 0

    def warnings(self, plan: ConvertPlan) -> tuple[str, ...]:
        """Say what is likely to hurt, by what the channels hold instead of what was planned."""
        found = replace(plan.survey, sides=self.sides).warnings()
        if self.local and "manifest" in plan.settings.forms:
            found.append(
                f"{self.local} images are not in S3, from where a training job would read those of "
                "the manifest channel"
            )
        if self.refused:
            found.append(f"{len(self.refused)} images could not be used; the report names them")
        return tuple(found)


def pack(
    plan: ConvertPlan,
    samples: Samples,
    writers: Mapping[Form, Writer],
    *,
    storage: Storage,
    progress: Progress,
) -> Packed:
    """Read and check every image, hand it to the writers.

    Once an image has been refused that must not be, the others are only checked, so that the
    report names all of them at once.
    """
    settings, packed = plan.settings, Packed()
    names = {entry.class_id: entry.name for entry in plan.classes}
    whole = any(writer.needs_whole_images for writer in writers.values())
    writing = True
    for number, sample in enumerate(samples):
        if number % STEP == 0:
            progress("converting", number, len(samples))
        try:
            image, raster = load(storage, sample.source_ref, whole=whole)
            check(
                raster,
                width=sample.width,
                height=sample.height,
                any_mode=settings.other_modes == "pass",
            )
        except (ObjectNotFoundError, RasterError, RefusedError) as error:
            missing = isinstance(error, ObjectNotFoundError)
            event = Event(
                line=sample.line,
                what="image missing" if missing else "image unusable",
                source_ref=sample.source_ref,
                why=None if missing else _why(error),
            )
            packed.refused.append(event)
            writing = writing and settings.on_bad_line == "skip"
            continue
        if not writing:
            continue
        packed.sides[sample.side].add([names[class_id] for class_id, *_ in sample.objects])
        if sample.objects:
            packed.content_types.add(raster.content_type)
            packed.local += not sample.source_ref.startswith("s3://")
        for writer in writers.values():
            writer.add(sample, image, raster)
    progress("converting", len(samples), len(samples))
    packed.refused.sort(key=lambda event: event.line or 0)
    return packed


def _why(error: RasterError | RefusedError | ObjectNotFoundError) -> str:
    """Return the reason alone; the address is told beside it."""
    return str(error) if isinstance(error, RasterError) else error.reason


class MissingImageError(DataError):
    """An image is not where the storage has its objects; `source_ref` says which."""

    source_ref = ""


def refusal(plan: ConvertPlan, packed: Packed) -> DataError | None:
    """Say why no channel may appear, if so."""
    settings = plan.settings
    if packed.refused and settings.on_bad_line == "stop":
        first = packed.refused[0]
        kind = DataError if first.why else MissingImageError
        error = kind(
            f"{first.source_ref}: {first.why or 'there is no such image'}. Of this manifest's "
            f"images {len(packed.refused)} cannot be used; {settings.folder}/report.json names "
            "them. Repair them, or leave them out with --on-bad-line skip",
            uri=settings.manifest,
            line=first.line,
        )
        if isinstance(error, MissingImageError):
            error.source_ref = first.source_ref or ""
        return error
    for side in SIDES:
        if not packed.sides[side].images:
            return DataError(
                f"no image is left for {side}: {len(packed.refused)} cannot be used; "
                f"{settings.folder}/report.json names them",
                uri=settings.manifest,
            )
    return None
