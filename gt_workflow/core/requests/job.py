"""Settings → the request of a labeling job, as AWS gets it: a plain dict.

Empty members are left out, never sent as "" (an empty `KmsKeyId` breaks other tools). Nothing is
checked here; `limits.check_labeling_request` does that on the finished request, so that hand-made
requests are held to the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gt_workflow.core.names import Kind, algorithm_arn, function_arn
from gt_workflow.core.requests.arns import price_amount


@dataclass(frozen=True, slots=True)
class AutoLabel:
    """Automated labeling: a model, trained along the way, labels what it is sure of.

    `initial_model_arn` is the model that an earlier job ended with. `volume_kms_key` encrypts the
    disks of the training and inference jobs; `subnets` and `security_groups` put these into a
    VPC, and go together.
    """

    initial_model_arn: str | None = None
    volume_kms_key: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One labeling job for boxes; times in seconds, addresses as `s3://bucket/key`.

    `availability` and `max_concurrent` may be None: AWS's defaults. `price` is for the public
    work team alone, in dollars per task. `tags` are (key, value) pairs.
    """

    name: str
    attribute: str
    kind: Kind
    region: str
    manifest_uri: str
    labels_uri: str
    template_uri: str
    output_uri: str
    role_arn: str
    workteam_arn: str
    title: str
    description: str
    workers_per_object: int
    task_time_limit: int
    availability: int | None = None
    max_concurrent: int | None = None
    keywords: tuple[str, ...] = ()
    max_human_labeled: int | None = None
    max_percentage: int | None = None
    output_kms_key: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    price: Decimal | None = None
    content_classifiers: tuple[str, ...] = ()
    auto_label: AutoLabel | None = None


def create_labeling_job(spec: JobSpec) -> dict[str, Any]:
    """Return the CreateLabelingJob request; `UsageError` for a region without Ground Truth."""
    request = {
        "LabelingJobName": spec.name,
        "LabelAttributeName": spec.attribute,
        "InputConfig": {
            "DataSource": {"S3DataSource": {"ManifestS3Uri": spec.manifest_uri}},
            "DataAttributes": {"ContentClassifiers": list(spec.content_classifiers)},
        },
        "OutputConfig": {"S3OutputPath": spec.output_uri, "KmsKeyId": spec.output_kms_key},
        "RoleArn": spec.role_arn,
        "LabelCategoryConfigS3Uri": spec.labels_uri,
        "StoppingConditions": {
            "MaxHumanLabeledObjectCount": spec.max_human_labeled,
            "MaxPercentageOfInputDatasetLabeled": spec.max_percentage,
        },
        "LabelingJobAlgorithmsConfig": _automation(spec.auto_label, spec.region),
        "HumanTaskConfig": {
            "WorkteamArn": spec.workteam_arn,
            "UiConfig": {"UiTemplateS3Uri": spec.template_uri},
            "PreHumanTaskLambdaArn": function_arn(spec.region, "PRE", spec.kind),
            "TaskKeywords": list(spec.keywords),
            "TaskTitle": spec.title,
            "TaskDescription": spec.description,
            "NumberOfHumanWorkersPerDataObject": spec.workers_per_object,
            "TaskTimeLimitInSeconds": spec.task_time_limit,
            "TaskAvailabilityLifetimeInSeconds": spec.availability,
            "MaxConcurrentTaskCount": spec.max_concurrent,
            "AnnotationConsolidationConfig": {
                "AnnotationConsolidationLambdaArn": function_arn(spec.region, "ACS", spec.kind)
            },
            "PublicWorkforceTaskPrice": (
                None if spec.price is None else {"AmountInUsd": price_amount(spec.price)}
            ),
        },
        "Tags": [{"Key": key, "Value": value} for key, value in spec.tags],
    }
    return _without_empty(request)


def _automation(wanted: AutoLabel | None, region: str) -> dict[str, Any]:
    """Name the algorithm of the job's region; half a VpcConfig stays, for the checks to tell."""
    if wanted is None:
        return {}
    return {
        "LabelingJobAlgorithmSpecificationArn": algorithm_arn(region),
        "InitialActiveLearningModelArn": wanted.initial_model_arn,
        "LabelingJobResourceConfig": {
            "VolumeKmsKeyId": wanted.volume_kms_key,
            "VpcConfig": {
                "SecurityGroupIds": list(wanted.security_groups),
                "Subnets": list(wanted.subnets),
            },
        },
    }


def _without_empty(members: dict[str, Any]) -> dict[str, Any]:
    """Drop None, "", [] and {} at every level; numbers stay, zero included."""
    kept = {}
    for name, value in members.items():
        member = _without_empty(value) if isinstance(value, dict) else value
        if member is None or member in ("", [], {}):
            continue
        kept[name] = member
    return kept
