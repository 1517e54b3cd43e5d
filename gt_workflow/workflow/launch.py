"""The main job: photographs → input manifest → labeling job, planned first, then carried out.

The job is named from the plan's digest, and the plan is written down *before* the job is created.
The same photographs, labels and settings therefore meet the same name: a second run, or one
after a crash between the two steps, adopts the job and never creates another.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from gt_workflow.config import Settings
from gt_workflow.core import gold, limits
from gt_workflow.core.cost import Cost, dollars, estimate, parse_tiers
from gt_workflow.core.manifest import split_lines
from gt_workflow.core.markup import Html
from gt_workflow.core.near_duplicates import Looks
from gt_workflow.core.split import digest
from gt_workflow.errors import AlreadyExistsError, NotFoundError, StorageError, UsageError
from gt_workflow.ports import Engine, Folders, GroundTruth, Images, Progress, Storage
from gt_workflow.workflow import ingest, specify, templates
from gt_workflow.workflow.follow import Snapshot
from gt_workflow.workflow.specify import GOLD_FILE, Place, job_spec, refuse

_COUNTS: Final = ("human", "machine", "failed", "left")
# What stages call the manifests they write: no name for a job.
_ANY_MANIFEST: Final = (
    *("augmented.manifest", "input.manifest", "output.manifest"),
    *("train.manifest", "validation.manifest", "test.manifest"),
)
MOST_JOBS: Final = 10  # of one launch: the plan is held in memory


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One labeling job of a launch: `count` lines of the input manifest from `first` on (0-based).

    A launch of more photographs than a job takes has several.
    """

    name: str
    request: Mapping[str, Any]
    first: int
    count: int

    @property
    def manifest_uri(self) -> str:
        """The job's input manifest."""
        return str(self.request["InputConfig"]["DataSource"]["S3DataSource"]["ManifestS3Uri"])


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """All that a launch will write and ask for; building it changes nothing."""

    name: str
    ingest: ingest.IngestPlan
    jobs: tuple[JobPlan, ...]
    labels_uri: str
    labels: bytes
    template_uri: str
    template: str
    record_uri: str
    channels_uri: str
    cost: Cost
    warnings: tuple[str, ...]
    gold: bytes = b""  # the gold manifest, checked

    @property
    def request(self) -> Mapping[str, Any]:
        """The first job's request."""
        return self.jobs[0].request

    @property
    def merged_uri(self) -> str:
        """Where the output of several jobs becomes one manifest."""
        return self.record_uri.rpartition("/")[0] + "/output.manifest"

    def to_dict(self) -> dict[str, Any]:
        """Return what `--dry-run --json` prints."""
        return {
            "name": self.name,
            "photographs": self.ingest.to_dict(),
            "request": self.request,
            "jobs": [{"name": job.name, "objects": job.count} for job in self.jobs],
            "channels": self.channels_uri,
            "cost": {"tasks": self.cost.tasks, "total-usd": str(self.cost.total)},
            "warnings": list(self.warnings),
        }


def plan(
    settings: Settings,
    *,
    place: Place,
    instructions: str | Html,
    storage: Storage,
    engine: Engine,
    images: Images,
    folders: Folders,
    progress: Progress,
) -> LaunchPlan:
    """Look at every photograph and work out the whole job; nothing is written.

    `instructions` is the text of the settings' instructions file. Raises `UsageError` for a
    setting that Ground Truth would refuse, `DataError` for photographs that cannot be used.
    """
    specify.require(settings, place)
    seen = ingest.plan(
        ingest.IngestSettings(
            source=settings.photographs,
            images=f"{place.base}images/",
            # The job's folder follows from its name, and that from what is found here.
            manifest=f"{place.base}jobs/unnamed/input.manifest",
            report=f"{place.base}jobs/unnamed/ingest.json",
            exclude=(settings.store.root,),
            keep_duplicates=settings.duplicates == "keep",
            most=MOST_JOBS * settings.job.max_objects,
        ),
        storage=storage,
        engine=engine,
        images=images,
        folders=folders,
        progress=progress,
    )
    template = templates.render("label", header=settings.job.title, instructions=instructions)
    questions = _gold(settings, storage)
    name = _name(settings, seen.digest, template, questions)
    job = f"{place.base}jobs/{name}/"
    files = replace(seen.settings, manifest=f"{job}input.manifest", report=f"{job}ingest.json")
    jobs = tuple(_jobs(settings, len(seen.photographs), name=name, job=job, place=place))
    doubts = [
        *limits.warn_labeling_request(jobs[0].request),
        *limits.warn_labels(settings.labels),
        *limits.warn_object_count(jobs[0].count, automated=settings.auto_label.enabled),
    ]
    return LaunchPlan(
        name=name,
        ingest=replace(seen, settings=files),
        jobs=jobs,
        labels_uri=f"{job}labels.json",
        labels=limits.label_category_file(settings.labels),
        template_uri=f"{job}template.liquid.html",
        template=template,
        record_uri=f"{job}launch.json",
        channels_uri=settings.channels.out or f"{place.base}channels/{name}",
        cost=_cost(settings, len(seen.photographs)),
        warnings=(*(problem.message for problem in doubts), *_too_few(seen, settings)),
        gold=questions,
    )


def run(
    planned: LaunchPlan,
    *,
    storage: Storage,
    engine: Engine,
    images: Images,
    folders: Folders,
    ground_truth: GroundTruth,
    progress: Progress,
) -> bool:
    """Carry the plan out; return whether anything is new (False: all was there and is adopted)."""
    new = missing(planned, storage=storage, ground_truth=ground_truth)
    if not new:
        return False
    ingest.run(
        planned.ingest,
        storage=storage,
        engine=engine,
        images=images,
        folders=folders,
        progress=progress,
    )
    _put(storage, planned.labels_uri, planned.labels)
    _put(storage, planned.template_uri, planned.template.encode())
    if planned.gold:
        _put(storage, f"{planned.record_uri.rpartition('/')[0]}/{GOLD_FILE}", planned.gold)
    if len(planned.jobs) > 1:
        _share_out(planned, storage)
    record = {
        "name": planned.name,
        "digest": planned.ingest.digest,
        "requests": [job.request for job in planned.jobs],
    }
    _put(storage, planned.record_uri, json.dumps(record, ensure_ascii=False, indent=2).encode())
    created = [_create(job, ground_truth) for job in new]
    return any(created)


def missing(planned: LaunchPlan, *, storage: Storage, ground_truth: GroundTruth) -> list[JobPlan]:
    """Return the jobs that are not there yet; to create them is what costs.

    Raises `UsageError` if the same photographs are in jobs that share them out differently: they
    would be paid for again, and the input manifests of running jobs overwritten.
    """
    new = [job for job in planned.jobs if not _exists(job.name, ground_truth)]
    before = _recorded(planned, storage) if new else []
    if before != [job.name for job in planned.jobs]:
        for name in before:
            if _exists(name, ground_truth):
                shared = "1 labeling job" if len(before) == 1 else f"{len(before)} labeling jobs"
                raise UsageError(
                    f"this launch was begun with another job.max-objects, as {shared} ({name} is "
                    "there); go on with the same setting, or begin another launch with --name NEW"
                )
    return new


def together(planned: LaunchPlan, ends: Sequence[Snapshot]) -> Snapshot:
    """Return the last looks at all jobs of a launch as one; without an output manifest if several.

    Its status is Completed only if all are.
    """
    if len(ends) == 1:
        return ends[0]
    others = [end for end in ends if end.status != "Completed"]
    return replace(
        (others or ends)[0],
        name=planned.name,
        output_uri=None,
        **{count: sum(getattr(end, count) for end in ends) for count in _COUNTS},
    )


def merge(planned: LaunchPlan, outputs: Sequence[str], *, storage: Storage) -> str:
    """Return one output manifest for the launch; those of several jobs follow each other."""
    if len(outputs) == 1:
        return outputs[0]
    with storage.create(planned.merged_uri) as whole:
        for uri in outputs:
            with closing(storage.open(uri)) as part:
                for line in split_lines(part):
                    whole.write(line + b"\n")
    return planned.merged_uri


def model_of(job: str, ground_truth: GroundTruth) -> str:
    """Return the ARN of the model that a job's automated labeling ended with."""
    output = ground_truth.describe(job).get("LabelingJobOutput") or {}
    model = output.get("FinalActiveLearningModelArn")
    if not model:
        raise UsageError(
            f"labeling job {job} ended without a model; begin anew, without --auto-label-from"
        )
    return str(model)


def check_channels(out: str, *, storage: Storage) -> None:
    """Try whether channels can be written to `out`, before anybody labels for them.

    Raises `StorageError` if not; nothing but empty folders is left behind.
    """
    try:
        with storage.create(f"{out.rstrip('/')}/writable"):
            raise _Tried  # noqa: TRY301 - only so does the storage take back what was begun
    except _Tried:
        return
    except StorageError as error:
        cause = error.__cause__
        why = (cause.strerror if isinstance(cause, OSError) else None) or error.reason
        raise StorageError(
            f"channels cannot be written there ({why}); name another folder with --out", uri=out
        ) from error


class _Tried(Exception):  # noqa: N818 - no error: it takes back what was tried
    """Ends a write so that nothing of it appears."""


def _too_few(seen: ingest.IngestPlan, settings: Settings) -> Iterator[str]:
    """Say before anybody labels that no channels can come of it: they are split by origin."""
    origins = {photograph.origin for photograph in seen.photographs}
    looks = Looks()
    for entry in seen.photographs:
        if entry.perceptual_hash:
            looks.add(digest(entry.origin), int(entry.perceptual_hash, 16))
    if len(origins) < 2:
        yield (
            "all photographs are of one origin; they can be labelled, but training channels need "
            "two at least: one to train and one to validate"
        )
    elif looks.alike(distance=settings.channels.distance).largest() == len(origins):
        yield (
            "all photographs look alike, so that none can be kept for validation; they can be "
            "labelled, but training channels need --set channels.distance=-1 to tell them apart"
        )


def _jobs(
    settings: Settings, objects: int, *, name: str, job: str, place: Place
) -> Iterator[JobPlan]:
    """Yield the launch's labeling jobs, of equal size, as few as can be."""
    number = max(1, -(-objects // settings.job.max_objects))
    width = len(str(number))
    for at in range(number):
        first, end = objects * at // number, objects * (at + 1) // number
        refuse(limits.check_object_count(end - first, automated=settings.auto_label.enabled))
        mark = "" if number == 1 else f"-{at + 1:0{width}}"
        spec = job_spec(
            settings,
            name=f"{name}{mark}",
            manifest=f"{job}input{mark}.manifest",
            job=job,
            place=place,
        )
        yield JobPlan(
            name=spec.name,
            request=specify.check(spec, settings),
            first=first,
            count=end - first,
        )


def _share_out(planned: LaunchPlan, storage: Storage) -> None:
    """Give each job its lines of the input manifest."""
    with closing(storage.open(planned.ingest.settings.manifest)) as whole:
        lines = split_lines(whole)
        for job in planned.jobs:
            with storage.create(job.manifest_uri) as part:
                for line in islice(lines, job.count):
                    part.write(line + b"\n")


def _create(job: JobPlan, ground_truth: GroundTruth) -> bool:
    try:
        ground_truth.create(job.request)
    except AlreadyExistsError:
        return False
    return True


def _cost(settings: Settings, objects: int) -> Cost:
    """Estimate what the launch costs; our own service charges nothing."""
    if settings.backend == "embedded":
        return estimate(objects, settings.job.workers)
    if settings.job.price:
        per_task = dollars(settings.job.price, setting="job.price")
    else:
        per_task = dollars(settings.cost.per_task, setting="cost.per-task")
    return estimate(
        objects,
        settings.job.workers,
        tiers=parse_tiers(settings.cost.tiers),
        price_per_task=per_task,
        machine_share=settings.cost.machine_share if settings.auto_label.enabled else 0,
    )


def _gold(settings: Settings, storage: Storage) -> bytes:
    """Read and check the gold questions, if the settings name any; `DataError` for a bad line."""
    uri = settings.job.gold
    if not uri:
        return b""
    with closing(storage.open(uri)) as file:
        lines = list(split_lines(file, uri=uri))
    for _ in gold.questions(lines, uri=uri, labels=settings.labels):
        pass
    return b"".join(line + b"\n" for line in lines)


def _name(settings: Settings, digest: str, template: str, questions: bytes) -> str:
    """Name the job from everything that makes it this job and no other."""
    identity: dict[str, Any] = {
        "photographs": digest,
        "labels": settings.labels,
        "template": template,
        "job": {
            "workers": settings.job.workers,
            "attribute": settings.job.attribute,
            "title": settings.job.title,
            "description": settings.job.description,
        },
    }
    if settings.auto_label.enabled:
        identity["auto-label"] = True
    if questions:
        shown = hashlib.sha256(questions).hexdigest()
        identity["gold"] = [shown, settings.job.gold_rate]
    short = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", settings.name or _called(settings.photographs)).strip("-")
    return f"{slug[:40].rstrip('-') or 'photographs'}-{short}"


def _called(source: str) -> str:
    """Return a source's own name; of a manifest that is called as they all are, its folder's."""
    above, _, last = source.rstrip("/").rpartition("/")
    if last in _ANY_MANIFEST:
        return above.rpartition("/")[2] or last
    return last


def _exists(name: str, ground_truth: GroundTruth) -> bool:
    """Ask whether a job of this name is there."""
    try:
        ground_truth.describe(name)
    except NotFoundError:
        return False
    return True


def _recorded(planned: LaunchPlan, storage: Storage) -> list[str]:
    """Return the names of the jobs that an earlier run of this launch meant to create."""
    if not storage.exists(planned.record_uri):
        return []
    with closing(storage.open(planned.record_uri)) as file:
        try:
            return [str(one["LabelingJobName"]) for one in json.loads(file.read())["requests"]]
        except (ValueError, KeyError, TypeError):
            return []


def _put(storage: Storage, uri: str, data: bytes) -> None:
    """Write one small object."""
    with storage.create(uri) as file:
        file.write(data)
