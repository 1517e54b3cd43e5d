"""Channels and settings → CreateTrainingJob and CreateHyperParameterTuningJob, as plain dicts.

For the built-in Object Detection, whose facts stand in `hyperparameters` and `instances`. Empty
members are left out. Sources: developer guide, "Object Detection - MXNet", "Incremental Training",
"Managed Spot Training", and botocore's model of the two operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from gt_workflow.core.names import training_image
from gt_workflow.core.training.hyperparameters import hyperparameters
from gt_workflow.core.training.instances import takes_volume_key
from gt_workflow.core.training.tuning import OBJECTIVE, Range
from gt_workflow.errors import UsageError

__all__ = [
    "Form",
    "TrainingSpec",
    "create_training_job",
    "create_tuning_job",
    "hyperparameters",
    "input_data_config",
    "model_channel",
]

Form: TypeAlias = Literal["recordio", "image", "manifest"]


class TrainingSpec(Struct, frozen=True):
    """One training; times in seconds, addresses as `s3://bucket/key`.

    `channels` are blocks of `input_data_config`, and of `model_channel` if an older model is
    trained on. `max_wait` (for spot capacity and the run together) makes it a spot job, which
    keeps its checkpoints under `checkpoint_uri`. `kms_key` encrypts the model, and the volume
    where that is possible. `tags` are (key, value) pairs.
    """

    name: str
    region: str
    role_arn: str
    channels: tuple[Mapping[str, Any], ...]
    hyperparameters: Mapping[str, str]
    output_uri: str
    instance_type: str
    instance_count: int
    volume_gb: int
    max_runtime: int
    max_wait: int | None = None
    checkpoint_uri: str | None = None
    kms_key: str = ""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


def create_training_job(spec: TrainingSpec) -> dict[str, Any]:
    """Return the CreateTrainingJob request; `UsageError` for a region without the image."""
    return {
        "TrainingJobName": spec.name,
        "HyperParameters": dict(spec.hyperparameters),
        **_job(spec),
        **_tags(spec),
    }


def create_tuning_job(
    spec: TrainingSpec, *, ranges: Iterable[Range], jobs: int, parallel: int
) -> dict[str, Any]:
    """Return the CreateHyperParameterTuningJob request: `jobs` trainings, `parallel` at a time.

    What has a range is not among the fixed hyperparameters. The image brings its own metric
    definitions, so none are sent.
    """
    chosen = list(ranges)
    searched = {entry.name for entry in chosen}
    fixed = {key: value for key, value in spec.hyperparameters.items() if key not in searched}
    kinds: dict[str, list[dict[str, Any]]] = {}
    for entry in chosen:
        kinds.setdefault(f"{entry.kind}ParameterRanges", []).append(entry.to_request())
    return {
        "HyperParameterTuningJobName": spec.name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": OBJECTIVE},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": jobs,
                "MaxParallelTrainingJobs": parallel,
            },
            "ParameterRanges": kinds,
            "TrainingJobEarlyStoppingType": "Auto",
        },
        "TrainingJobDefinition": {"StaticHyperParameters": fixed, **_job(spec)},
        **_tags(spec),
    }


def _job(spec: TrainingSpec) -> dict[str, Any]:
    """Build what a training and the trainings of a tuning are both told."""
    # The model channel is read as files whatever the others are.
    own = [block for block in spec.channels if block["ChannelName"] != "model"]
    output = {"S3OutputPath": spec.output_uri}
    resources = {
        "InstanceType": spec.instance_type,
        "InstanceCount": spec.instance_count,
        "VolumeSizeInGB": spec.volume_gb,
    }
    if spec.kms_key:
        output["KmsKeyId"] = spec.kms_key
        if takes_volume_key(spec.instance_type):
            resources["VolumeKmsKeyId"] = spec.kms_key
    request: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": training_image(spec.region),
            "TrainingInputMode": own[0]["InputMode"],
        },
        "RoleArn": spec.role_arn,
        "InputDataConfig": [dict(block) for block in spec.channels],
        "OutputDataConfig": output,
        "ResourceConfig": resources,
        "StoppingCondition": {"MaxRuntimeInSeconds": spec.max_runtime},
    }
    if spec.subnets:
        request["VpcConfig"] = {
            "SecurityGroupIds": list(spec.security_groups),
            "Subnets": list(spec.subnets),
        }
    if spec.max_wait is not None:
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = spec.max_wait
        request["EnableManagedSpotTraining"] = True
        if spec.checkpoint_uri:
            request["CheckpointConfig"] = {"S3Uri": spec.checkpoint_uri}
    return request


def _tags(spec: TrainingSpec) -> dict[str, Any]:
    if not spec.tags:
        return {}
    return {"Tags": [{"Key": key, "Value": value} for key, value in spec.tags]}


def model_channel(uri: str) -> dict[str, Any]:
    """Return the channel of an older model's `model.tar.gz` that is trained on."""
    return _folder_channel("model", uri, "application/x-sagemaker-model")


_SHUFFLE_SEED: Final = 1


def input_data_config(
    form: Form,
    *,
    train_uri: str,
    validation_uri: str,
    train_annotation_uri: str | None = None,
    validation_annotation_uri: str | None = None,
    attribute: str | None = None,
    content_type: str = "application/x-image",
) -> list[dict[str, Any]]:
    """Return the InputDataConfig of a CreateTrainingJob request for channels of one form.

    `recordio` and `image` take folders (a slash is added: a bare `train` would match
    `train_annotation` too), `manifest` the two manifests. `image` needs the annotation folders
    and may say `image/jpeg` or `image/png` if all are of that type; `manifest` needs the label
    attribute. `UsageError` if something is missing.
    """
    if form == "manifest":
        if not attribute:
            raise UsageError("a manifest channel needs the label attribute's name")
        return [
            # Without a seed every epoch would see the lines in the same order.
            _manifest_channel("train", train_uri, attribute)
            | {"ShuffleConfig": {"Seed": _SHUFFLE_SEED}},
            _manifest_channel("validation", validation_uri, attribute),
        ]
    if form == "recordio":
        return [
            _folder_channel("train", _slashed(train_uri), "application/x-recordio"),
            _folder_channel("validation", _slashed(validation_uri), "application/x-recordio"),
        ]
    if not train_annotation_uri or not validation_annotation_uri:
        raise UsageError("image channels need the folders of their annotations")
    # The annotation channels are declared as images too; the algorithm wants it so.
    return [
        _folder_channel("train", _slashed(train_uri), content_type),
        _folder_channel("validation", _slashed(validation_uri), content_type),
        _folder_channel("train_annotation", _slashed(train_annotation_uri), content_type),
        _folder_channel("validation_annotation", _slashed(validation_annotation_uri), content_type),
    ]


def _slashed(uri: str) -> str:
    return uri if uri.endswith("/") else f"{uri}/"


def _folder_channel(name: str, uri: str, content_type: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
        "ContentType": content_type,
        "CompressionType": "None",
        "RecordWrapperType": "None",
        "InputMode": "File",
    }


def _manifest_channel(name: str, uri: str, attribute: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "AugmentedManifestFile",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
                # The image first: the order is that of the frames in the pipe.
                "AttributeNames": ["source-ref", attribute],
            }
        },
        "ContentType": "application/x-recordio",
        "CompressionType": "None",
        "RecordWrapperType": "RecordIO",
        "InputMode": "Pipe",
    }
