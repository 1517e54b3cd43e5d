"""Settings → the specification of a labeling job; what Ground Truth would refuse is refused here.

The rules are `limits`' on the finished request; this module says them in the settings' words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from gt_workflow.config import Job, Settings
from gt_workflow.core import gold, limits
from gt_workflow.core.cost import dollars
from gt_workflow.core.requests.job import AutoLabel, JobSpec, create_labeling_job
from gt_workflow.errors import UsageError

MODEL_PREFIX: Final = "arn:"
GOLD_FILE: Final = "gold.manifest"  # in the folder of the launch's own files


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job lives and as whom it runs; `base` is `s3://bucket/prefix/`, slash at the end."""

    base: str
    region: str
    role_arn: str
    workteam_arn: str

    @property
    def account(self) -> str:
        """The account's 12 digits, as the role has them."""
        return self.role_arn.split(":")[4] if self.role_arn.startswith("arn:") else ""


def job_spec(settings: Settings, *, name: str, manifest: str, job: str, place: Place) -> JobSpec:
    """Fill in what the settings leave open; `job` is the folder of the launch's own files.

    Raises `UsageError` for a setting that cannot be read.
    """
    wanted = " or ".join(settings.labels)
    chosen = settings.job
    return JobSpec(
        name=name,
        attribute=chosen.attribute,
        kind="label",
        region=place.region,
        manifest_uri=manifest,
        labels_uri=f"{job}labels.json",
        template_uri=f"{job}template.liquid.html",
        output_uri=f"{place.base}output",
        role_arn=place.role_arn,
        workteam_arn=place.workteam_arn,
        title=chosen.title or "Draw a box around every object",
        description=chosen.description or f"Draw a box around every {wanted}"[:255],
        workers_per_object=chosen.workers,
        task_time_limit=chosen.task_time_limit,
        availability=_availability(chosen.availability, place),
        max_concurrent=chosen.max_concurrent,
        keywords=chosen.keywords,
        max_human_labeled=chosen.max_human_labeled or None,
        max_percentage=chosen.max_percentage or None,
        output_kms_key=chosen.kms_key or None,
        tags=(*_tags(chosen.tags), *_gold_tags(settings, job)),
        price=dollars(chosen.price, setting="job.price") if chosen.price else None,
        content_classifiers=chosen.content_classifiers,
        auto_label=_auto_label(settings),
    )


def require(settings: Settings, place: Place) -> None:
    """Refuse a launch that does not say what to label, before any photograph is opened."""
    if not settings.photographs:
        raise UsageError("name the photographs: a folder, an s3:// prefix or a manifest")
    if not settings.labels:
        raise UsageError("name what to draw boxes around: --labels degu,wheel")
    refuse(limits.check_labels(settings.labels))
    _require_account(settings, place)
    if settings.cost.max:
        dollars(settings.cost.max, setting="--max-cost (cost.max)")
    trial = f"{place.base}jobs/trial/"
    check(
        job_spec(settings, name="trial", manifest=f"{trial}input.manifest", job=trial, place=place),
        settings,
    )
    if not 0 < settings.channels.validation < 1:
        raise UsageError("channels.validation is a share between 0 and 1, such as 0.2")
    if not 1 <= settings.job.max_objects <= limits.MAX_OBJECTS:
        raise UsageError(
            f"job.max-objects is {settings.job.max_objects}; a labeling job takes 1 to "
            f"{limits.MAX_OBJECTS:,} photographs"
        )
    if settings.workers.kind == "simulated":
        _require_simulated(settings)


def check(spec: JobSpec, settings: Settings) -> Mapping[str, Any]:
    """Return the request of a specification; `UsageError` names what Ground Truth would refuse."""
    request = create_labeling_job(spec)
    refuse(limits.check_labeling_request(request, public_anyway=settings.aws.public_anyway))
    return request


def refuse(problems: list[limits.Problem]) -> None:
    """Raise the first problem, naming how many more there are."""
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        field = problems[0].field
        raise UsageError(f"{_words(field)}: {problems[0].message}{more}")


def _require_account(settings: Settings, place: Place) -> None:
    if settings.backend != "aws":
        if settings.auto_label.enabled:
            raise UsageError(
                "our own service does not label automatically; leave --auto-label out, or name "
                "an account that has Ground Truth with --backend aws"
            )
        return
    if not place.role_arn:
        raise UsageError("name the execution role: --role NAME|ARN (`iam` prints what it needs)")
    if not place.workteam_arn:
        raise UsageError("name who labels: --workteam NAME|ARN (`teams` shows which there are)")
    if settings.workers.kind == "simulated":
        raise UsageError("simulated workers label on our own service only: --backend embedded")


def _require_simulated(settings: Settings) -> None:
    if not settings.workers.truth:
        raise UsageError("simulated workers need to know the truth: --truth FILE")
    if settings.workers.count < settings.job.workers:
        raise UsageError(
            f"{settings.job.workers} workers per object need at least as many simulated workers; "
            f"there are {settings.workers.count} (workers.count)"
        )


def _availability(seconds: int, place: Place) -> int:
    """Return the setting; its default is as long as this work team may have."""
    if seconds == Job().availability:
        return limits.longest_availability(place.workteam_arn)
    return seconds


def _auto_label(settings: Settings) -> AutoLabel | None:
    chosen = settings.auto_label
    if not chosen.enabled:
        return None
    return AutoLabel(
        # A job's name was turned into its model before; until then nothing is known of it.
        initial_model_arn=chosen.start_from if chosen.start_from.startswith(MODEL_PREFIX) else None,
        volume_kms_key=chosen.volume_kms_key or None,
        subnets=chosen.subnets,
        security_groups=chosen.security_groups,
    )


def _gold_tags(settings: Settings, job: str) -> list[tuple[str, str]]:
    """Name the job's gold questions where our service looks for them, see `core.gold`."""
    if not settings.job.gold:
        return []
    if settings.backend == "aws":
        raise UsageError(
            "gold questions are shown by our own service alone, not by an account's Ground Truth; "
            "leave --gold (job.gold) out"
        )
    try:
        rate = gold.rate_of(str(settings.job.gold_rate))
    except ValueError as error:
        raise UsageError(f"--gold-rate (job.gold-rate): {error}") from None
    return [(gold.URI_TAG, f"{job}{GOLD_FILE}"), (gold.RATE_TAG, f"{rate:g}")]


def _tags(written: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for one in written:
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise UsageError(f"job.tags: {one!r} is no tag; write KEY=VALUE")
        found.append((key, value))
    return found


_WORDS: Final = MappingProxyType(
    {
        "HumanTaskConfig.NumberOfHumanWorkersPerDataObject": "--workers-per-object (job.workers)",
        "HumanTaskConfig.TaskTitle": "job.title",
        "HumanTaskConfig.TaskDescription": "job.description",
        "HumanTaskConfig.TaskTimeLimitInSeconds": "job.task-time-limit",
        "HumanTaskConfig.TaskAvailabilityLifetimeInSeconds": "job.availability",
        "HumanTaskConfig.MaxConcurrentTaskCount": "job.max-concurrent",
        "HumanTaskConfig.TaskKeywords": "job.keywords",
        "HumanTaskConfig.WorkteamArn": "--workteam (aws.workteam)",
        "HumanTaskConfig.PublicWorkforceTaskPrice": "job.price",
        "InputConfig.DataAttributes.ContentClassifiers": "job.content-classifiers",
        "StoppingConditions.MaxHumanLabeledObjectCount": "job.max-human-labeled",
        "StoppingConditions.MaxPercentageOfInputDatasetLabeled": "job.max-percentage",
        "OutputConfig.KmsKeyId": "job.kms-key",
        "RoleArn": "--role (aws.role)",
        "LabelAttributeName": "job.attribute",
        "Tags": "job.tags",
    }
)


def _words(field: str) -> str:
    """Say a field of the request as the settings say it."""
    if field.startswith("labels"):
        return "--labels"
    if field.startswith("LabelingJobAlgorithmsConfig"):
        return f"auto-label ({field.rpartition('.')[2]})"
    return _WORDS.get(field.partition("[")[0], field)
