"""The main job: photographs → input manifest → labeling job, planned first, then carried out.

The job is named from the plan's digest, and the plan is written down *before* the job is created.
The same photographs, labels and settings therefore meet the same name: a second run, or one
after a crash between the two steps, adopts the job and never creates another.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gt_workflow.config import Settings
from gt_workflow.core import limits
from gt_workflow.core.cost import Cost, cost
from gt_workflow.core.requests import JobSpec, create_labeling_job
from gt_workflow.errors import AlreadyExistsError, NotFoundError, StorageError, UsageError
from gt_workflow.ports import Engine, Folders, GroundTruth, Images, Progress, Storage
from gt_workflow.workflow import ingest, templates


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job lives and as whom it runs; `base` is `s3://bucket/prefix/`, slash at the end."""

    base: str
    region: str
    role_arn: str
    workteam_arn: str


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """All that a launch will write and ask for; building it changes nothing."""

    name: str
    ingest: ingest.IngestPlan
    request: Mapping[str, Any]
    labels_uri: str
    labels: bytes
    template_uri: str
    template: str
    record_uri: str
    channels_uri: str
    cost: Cost
    warnings: tuple[str, ...]

    @property
    def manifest_uri(self) -> str:
        """The job's input manifest."""
        return str(self.request["InputConfig"]["DataSource"]["S3DataSource"]["ManifestS3Uri"])

    def to_dict(self) -> dict[str, Any]:
        """Return what `--dry-run --json` prints."""
        return {
            "name": self.name,
            "photographs": self.ingest.to_dict(),
            "request": self.request,
            "channels": self.channels_uri,
            "cost": {"tasks": self.cost.tasks, "total-usd": str(self.cost.total)},
            "warnings": list(self.warnings),
        }


def plan(
    settings: Settings,
    *,
    place: Place,
    instructions: str,
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
    _require(settings, place)
    seen = ingest.plan(
        ingest.IngestSettings(
            source=settings.photographs,
            images=f"{place.base}images/",
            # The job's folder follows from its name, and that from what is found here.
            manifest=f"{place.base}jobs/unnamed/input.manifest",
            report=f"{place.base}jobs/unnamed/ingest.json",
            exclude=(settings.store.root,),
            keep_duplicates=settings.duplicates == "keep",
        ),
        storage=storage,
        engine=engine,
        images=images,
        folders=folders,
        progress=progress,
    )
    template = templates.render("label", header=settings.job.title, instructions=instructions)
    name = _name(settings, seen.digest, template)
    job = f"{place.base}jobs/{name}/"
    files = replace(seen.settings, manifest=f"{job}input.manifest", report=f"{job}ingest.json")
    request = create_labeling_job(_spec(settings, name=name, job=job, place=place))
    _refuse(limits.check_labeling_request(request))
    doubts = [*limits.warn_labeling_request(request), *limits.warn_labels(settings.labels)]
    return LaunchPlan(
        name=name,
        ingest=replace(seen, settings=files),
        request=request,
        labels_uri=f"{job}labels.json",
        labels=limits.label_category_file(settings.labels),
        template_uri=f"{job}template.liquid.html",
        template=template,
        record_uri=f"{job}launch.json",
        channels_uri=_channels(settings, place, name),
        cost=cost(len(seen.photographs), settings.job.workers),
        warnings=(*(problem.message for problem in doubts), *_too_few(seen)),
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
    """Carry the plan out; return whether the job is new (False: it was there and is adopted)."""
    if _exists(planned.name, ground_truth):
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
    record = {"name": planned.name, "digest": planned.ingest.digest, "request": planned.request}
    _put(storage, planned.record_uri, json.dumps(record, ensure_ascii=False, indent=2).encode())
    try:
        ground_truth.create(planned.request)
    except AlreadyExistsError:
        return False
    return True


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


def _too_few(seen: ingest.IngestPlan) -> Iterator[str]:
    """Say before anybody labels that no channels can come of it: they are split by origin."""
    if len({photograph.origin for photograph in seen.photographs}) < 2:
        yield (
            "all photographs are of one origin; they can be labelled, but training channels need "
            "two at least: one to train and one to validate"
        )


def _require(settings: Settings, place: Place) -> None:
    """Refuse a launch that does not say what to label, before any photograph is opened."""
    if not settings.photographs:
        raise UsageError("name the photographs: a folder, an s3:// prefix or a manifest")
    if not settings.labels:
        raise UsageError("name what to draw boxes around: --labels degu,wheel")
    _refuse(limits.check_labels(settings.labels))
    trial = _spec(settings, name="trial", job=f"{place.base}jobs/trial/", place=place)
    _refuse(limits.check_labeling_request(create_labeling_job(trial)))
    if not 0 < settings.channels.validation < 1:
        raise UsageError("channels.validation is a share between 0 and 1, such as 0.2")
    if settings.workers.kind == "simulated" and not settings.workers.truth:
        raise UsageError("simulated workers need to know the truth: --truth FILE")
    if settings.workers.kind == "simulated" and settings.workers.count < settings.job.workers:
        raise UsageError(
            f"{settings.job.workers} workers per object need at least as many simulated workers; "
            f"there are {settings.workers.count} (workers.count)"
        )


def _refuse(problems: list[limits.Problem]) -> None:
    """Raise the first problem, naming how many more there are."""
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        field = problems[0].field
        raise UsageError(f"{_words(field)}: {problems[0].message}{more}")


def _words(field: str) -> str:
    """Say a field of the request as the settings say it."""
    known = {
        "HumanTaskConfig.NumberOfHumanWorkersPerDataObject": "--workers-per-object (job.workers)",
        "HumanTaskConfig.TaskTitle": "job.title",
        "HumanTaskConfig.TaskDescription": "job.description",
        "HumanTaskConfig.TaskTimeLimitInSeconds": "job.task-time-limit",
        "HumanTaskConfig.TaskAvailabilityLifetimeInSeconds": "job.availability",
        "HumanTaskConfig.MaxConcurrentTaskCount": "job.max-concurrent",
        "HumanTaskConfig.TaskKeywords": "job.keywords",
        "LabelAttributeName": "job.attribute",
    }
    if field.startswith("labels"):
        return "--labels"
    return known.get(field.partition("[")[0], field)


def _name(settings: Settings, digest: str, template: str) -> str:
    """Name the job from everything that makes it this job and no other."""
    identity = {
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
    short = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
    source = settings.photographs.rstrip("/").rpartition("/")[2]
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", settings.name or source).strip("-")
    return f"{slug[:40].rstrip('-') or 'photographs'}-{short}"


def _spec(settings: Settings, *, name: str, job: str, place: Place) -> JobSpec:
    """Fill in what the settings leave open."""
    wanted = " or ".join(settings.labels)
    return JobSpec(
        name=name,
        attribute=settings.job.attribute,
        kind="label",
        region=place.region,
        manifest_uri=f"{job}input.manifest",
        labels_uri=f"{job}labels.json",
        template_uri=f"{job}template.liquid.html",
        output_uri=f"{place.base}output",
        role_arn=place.role_arn,
        workteam_arn=place.workteam_arn,
        title=settings.job.title or "Draw a box around every object",
        description=settings.job.description or f"Draw a box around every {wanted}"[:255],
        workers_per_object=settings.job.workers,
        task_time_limit=settings.job.task_time_limit,
        availability=settings.job.availability,
        max_concurrent=settings.job.max_concurrent,
        keywords=settings.job.keywords,
    )


def _channels(settings: Settings, place: Place, name: str) -> str:
    """Say where the channels go: where the settings want them, else beside the job's output."""
    return settings.channels.out or f"{place.base}channels/{name}"


def _exists(name: str, ground_truth: GroundTruth) -> bool:
    """Ask whether a job of this name is there."""
    try:
        ground_truth.describe(name)
    except NotFoundError:
        return False
    return True


def _put(storage: Storage, uri: str, data: bytes) -> None:
    """Write one small object."""
    with storage.create(uri) as file:
        file.write(data)
