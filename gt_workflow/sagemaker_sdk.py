"""The same training as a `ModelTrainer` of the SageMaker Python SDK, version 3.

For those who train from notebooks or pipelines of that SDK: channels, hyperparameters, machines and
all else are those of the request that `train --dry-run --json` prints. The SDK is large and comes
with the extra `gt-workflow[sagemaker]`; nothing else here needs it.

    import json
    from gt_workflow.sagemaker_sdk import model_trainer

    trainer = model_trainer(json.load(open("plan.json"))["request"])
    trainer.train()
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gt_workflow.errors import UsageError

# Where a word begins: a capital behind a small letter or digit, or before a small letter.
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def model_trainer(request: Mapping[str, Any], *, sagemaker_session: Any = None) -> Any:
    """Return the `ModelTrainer` of a CreateTrainingJob request.

    The SDK appends the time to a job's name, so each call of its `train` is another, paid job;
    `gt_workflow train` creates one only. Without `sagemaker_session` the SDK makes its own. Raises
    `UsageError` if the SDK is not installed or is an older one, and for what it cannot express.
    """
    try:
        from sagemaker.core import shapes
        from sagemaker.train import ModelTrainer, configs
    except ImportError as error:
        raise UsageError(
            f"the SageMaker Python SDK, version 3, is not installed ({error}): "
            "pip install 'gt-workflow[sagemaker]'"
        ) from error
    if any(not tag["Value"] for tag in request.get("Tags", ())):
        raise UsageError("the SDK loses tags without a value: give each tag in job.tags one")
    algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
    stopping, network = request["StoppingCondition"], request.get("VpcConfig")
    checkpoints = request.get("CheckpointConfig")
    return ModelTrainer(
        sagemaker_session=sagemaker_session,
        base_job_name=request["TrainingJobName"],
        role=request["RoleArn"],
        training_image=algorithm["TrainingImage"],
        training_input_mode=algorithm["TrainingInputMode"],
        # As text: the SDK would write True as `true`, which the container does not know.
        hyperparameters=dict(request["HyperParameters"]),
        # Whole channels, not the SDK's InputData, which has no place for wrapper, seed and mode.
        input_data_config=[_shape(shapes.Channel, block) for block in request["InputDataConfig"]],
        output_data_config=_shape(shapes.OutputDataConfig, request["OutputDataConfig"]),
        compute=configs.Compute(
            instance_type=resources["InstanceType"],
            instance_count=resources["InstanceCount"],
            volume_size_in_gb=resources["VolumeSizeInGB"],
            volume_kms_key_id=resources.get("VolumeKmsKeyId"),
            enable_managed_spot_training=request.get("EnableManagedSpotTraining"),
        ),
        stopping_condition=configs.StoppingCondition(
            max_runtime_in_seconds=stopping["MaxRuntimeInSeconds"],
            max_wait_time_in_seconds=stopping.get("MaxWaitTimeInSeconds"),
        ),
        networking=network
        and configs.Networking(
            subnets=network["Subnets"], security_group_ids=network["SecurityGroupIds"]
        ),
        checkpoint_config=checkpoints and _shape(shapes.CheckpointConfig, checkpoints),
        tags=[configs.Tag(key=tag["Key"], value=tag["Value"]) for tag in request.get("Tags", ())]
        or None,
    )


def _shape(kind: Any, members: Mapping[str, Any]) -> Any:
    """Build one of the SDK's shapes, whose members are AWS's in snake_case."""
    return kind.model_validate(_snaked(members))


def _snaked(value: Any) -> Any:
    """Write AWS's names as the SDK does: `S3DataSource` is `s3_data_source`."""
    if isinstance(value, Mapping):
        return {_snake(name): _snaked(member) for name, member in value.items()}
    return [_snaked(member) for member in value] if isinstance(value, list) else value


def _snake(name: str) -> str:
    return _WORD.sub("_", name).lower()
