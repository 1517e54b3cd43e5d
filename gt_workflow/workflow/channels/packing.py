"""Every image is read, checked against its label and handed to the outputs, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from gt_workflow.core.split import SIDES, Side
from gt_workflow.errors import DataError
from gt_workflow.ports import Engine, Progress, Storage
from gt_workflow.workflow.channels.outputs import Outputs
from gt_workflow.workflow.channels.plan import ConvertPlan
from gt_workflow.workflow.channels.report import Event
from gt_workflow.workflow.channels.samples import Samples
from gt_workflow.workflow.channels.shards import HERE, SENT, Done, Feed, PackShard, Shard
from gt_workflow.workflow.channels.shards import Packed as PackedShard
from gt_workflow.workflow.channels.survey import SideCounts
from gt_workflow.workflow.channels.writers import Forms, Sample

STEP = 100
"""Lines between two calls of progress."""


class Packed(msgspec.Struct):
    """What became of a plan's images; `sides` counts those that the channels hold.

    `local` counts images that are no S3 objects, `refused` tells which cannot be used, and in which
    of the `manifests` they are where each side has one.
    """

    sides: dict[Side, SideCounts] = msgspec.field(
        default_factory=lambda: {name: SideCounts() for name in SIDES}
    )
    refused: list[Event] = msgspec.field(default_factory=list)
    content_types: set[str] = msgspec.field(default_factory=set)
    local: int = 0
    manifests: Mapping[Side, str] = msgspec.field(default_factory=dict)

    def add(self, sample: Sample, done: Done, names: Mapping[int, str]) -> None:
        """Count what became of a sample."""
        if done.event is not None:
            manifest = self.manifests.get(sample.side)
            self.refused.append(msgspec.structs.replace(done.event, manifest=manifest))
            return
        self.sides[sample.side].add([names[one[0]] for one in sample.objects], sample.raw)
        if sample.objects:
            self.content_types.add(f"image/{done.format}")
            self.local += not sample.source_ref.startswith("s3://")

    def warnings(self, plan: ConvertPlan) -> tuple[str, ...]:
        """Say what is likely to hurt, by what the channels hold instead of what was planned."""
        found = msgspec.structs.replace(plan.survey, sides=self.sides).warnings()
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
    outputs: Outputs | None,
    *,
    storage: Storage,
    engine: Engine | None,
    progress: Progress,
) -> Packed:
    """Read and check every image, and hand what it becomes to the outputs, if there are any.

    Without an engine all is done here, a few images at a time. Once an image has been refused that
    must not be, the others are only checked, so that the report names all of them at once.
    """
    settings, packed = plan.settings, Packed(manifests=plan.settings.manifests)
    names = {entry.class_id: entry.name for entry in plan.classes}
    patient = settings.on_bad_line == "skip"
    through = 0 if outputs is None else _replay(outputs, samples, packed, names)
    target = HERE if engine is None else SENT
    feed = Feed(samples.encoded(through), first=through, target=target)
    feed.write = outputs is not None
    forms = Forms("", (), plan.attribute, plan.classes) if outputs is None else outputs.forms
    work = PackShard(storage, forms, any_mode=settings.other_modes == "pass")
    progress("converting", through, len(samples))
    for shard, result in _mapped(work, feed, engine):
        feed.learn(result)
        for sample, done in zip(shard.samples, result.done, strict=True):
            packed.add(sample, done, names)
        feed.write = feed.write and (patient or not packed.refused)
        if outputs is not None and feed.write and shard.write:
            outputs.add(shard, result)
        through += len(result.done)
        progress("converting", through, len(samples))
    packed.refused.sort(key=lambda e: (e.manifest == settings.held_out, e.line or 0))
    return packed


def _replay(outputs: Outputs, samples: Samples, packed: Packed, names: Mapping[int, str]) -> int:
    """Take over what an earlier run did; return how many samples that were."""
    decode = msgspec.msgpack.Decoder(Sample).decode
    count = 0
    for done, (_, encoded) in zip(outputs.journal.replay(), samples.encoded(), strict=False):
        sample = decode(encoded)
        packed.add(sample, done, names)
        outputs.again(sample, done)
        count += 1
    return count


def _mapped(
    work: PackShard, feed: Feed, engine: Engine | None
) -> Iterator[tuple[Shard, PackedShard]]:
    if engine is None:
        for shard in feed:
            yield shard, work(shard)
        return
    for outcome in engine.map(work, feed, batch=1):
        yield outcome.item, outcome.result()


class MissingImageError(DataError):
    """An image is not where the storage has its objects; `source_ref` says which."""

    source_ref = ""


def refusal(plan: ConvertPlan, packed: Packed) -> DataError | None:
    """Say why no channel may appear, if so."""
    settings = plan.settings
    if packed.refused and settings.on_bad_line == "stop":
        first = packed.refused[0]
        kind = DataError if first.why else MissingImageError
        whose = "both manifests'" if settings.held_out else "this manifest's"
        error = kind(
            f"{first.source_ref}: {first.why or 'there is no such image'}. Of {whose} "
            f"images {len(packed.refused)} cannot be used; {settings.folder}/report.json names "
            "them. Repair them, or leave them out with --on-bad-line skip",
            uri=first.manifest or settings.manifest,
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
                uri=settings.manifests.get(side, settings.manifest),
            )
    return None
