"""Settings and a channel → the request of a training or a tuning job, and the name it has.

What SageMaker would refuse is refused here, in the words of the settings.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from gt_workflow.config import Settings
from gt_workflow.config import Training as TrainingSettings
from gt_workflow.core.training import tuning
from gt_workflow.core.training.hyperparameters import overridden
from gt_workflow.core.training.instances import check_instance
from gt_workflow.core.training.requests import (
    TrainingSpec,
    create_training_job,
    create_tuning_job,
    model_channel,
)
from gt_workflow.errors import UsageError
from gt_workflow.workflow.specify import Place
from gt_workflow.workflow.training.channel import Channel

_LONGEST = 28 * 86_400  # seconds that a training may run (StoppingCondition)
_UNCHECKPOINTED = 3600  # seconds that a spot job without checkpoints may wait and run


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """How much a tuning tries: `ranges` as on the command line, none for the recommended ones."""

    ranges: tuple[str, ...] = ()
    jobs: int = 10
    parallel: int = 2


@dataclass(frozen=True, slots=True)
class Built:
    """A finished request: `output` is the folder of all models, without a slash at its end."""

    name: str
    request: Mapping[str, Any]
    hyperparameters: Mapping[str, str]
    output: str
    warnings: tuple[str, ...]


def build(
    settings: Settings,
    channel: Channel,
    *,
    place: Place,
    model: str | None,
    tune: TuneSettings | None,
) -> Built:
    """Build the request of a training on a channel, or of a tuning; `UsageError` names a setting.

    `model` is the address of an older model that is trained on.
    """
    chosen = settings.training
    warning = check_instance(chosen.instance_type)
    _check(chosen)
    if not place.role_arn:
        raise UsageError("name the role that the training runs as: --set aws.role=NAME")
    folder = channel.uri.rpartition("/")[0].rpartition("/")[0]
    blocks = channel.blocks if model is None else (*channel.blocks, model_channel(model))
    spec = TrainingSpec(
        name="",
        region=place.region,
        role_arn=place.role_arn,
        channels=blocks,
        hyperparameters=overridden(
            channel.hyperparameters, chosen.hyperparameters, machines=chosen.instance_count
        ),
        output_uri=_output(chosen, folder),
        instance_type=chosen.instance_type,
        instance_count=chosen.instance_count,
        volume_gb=chosen.volume_gb,
        max_runtime=chosen.max_runtime,
        max_wait=_wait(chosen) if chosen.spot else None,
        kms_key=chosen.kms_key,
        subnets=chosen.subnets,
        security_groups=chosen.security_groups,
        tags=tuple(_tags(settings.job.tags)),
    )
    request = _named(spec, channel, settings.name or folder, tune)
    return Built(
        name=str(request.get("TrainingJobName") or request["HyperParameterTuningJobName"]),
        request=request,
        hyperparameters=spec.hyperparameters,
        output=spec.output_uri,
        warnings=() if warning is None else (warning,),
    )


def _named(
    spec: TrainingSpec, channel: Channel, source: str, tune: TuneSettings | None
) -> dict[str, Any]:
    """Build the request under a name that follows from all that makes it this job."""

    def request(spec: TrainingSpec) -> dict[str, Any]:
        if tune is None:
            return create_training_job(spec)
        return create_tuning_job(spec, ranges=chosen, jobs=tune.jobs, parallel=tune.parallel)

    chosen: Iterable[tuning.Range] = ()
    if tune is not None:
        tuning.check_jobs(tune.jobs, tune.parallel)
        chosen = tuning.ranges(tune.ranges, samples=channel.samples)
        if spec.max_wait is not None and spec.max_wait > _UNCHECKPOINTED:
            raise UsageError(
                "the trainings of a tuning keep no checkpoints, so with spot capacity they may "
                f"wait and run for {_UNCHECKPOINTED} seconds together: set training.max-wait and "
                "training.max-runtime, or training.spot=false"
            )
    # Who pays and as whom it runs makes no other training.
    identity = {"request": request(replace(spec, role_arn="", tags=())), "bytes": channel.digest}
    short = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", source.rstrip("/").rpartition("/")[2]).strip("-")
    longest = 40 if tune is None else 18  # of 63, of 32; behind it the digest and the attempt
    name = f"{slug[:longest].rstrip('-') or 'detector'}-{short}"
    checkpoints = f"{spec.output_uri}/{name}/checkpoints"
    keeps = tune is None and spec.max_wait is not None
    return request(replace(spec, name=name, checkpoint_uri=checkpoints if keeps else None))


def _check(chosen: TrainingSettings) -> None:
    """Refuse what SageMaker would refuse, in the words of the settings."""
    if not 1 <= chosen.instance_count <= 100:
        raise UsageError("training.instance-count is 1 to 100")
    if chosen.volume_gb < 1:
        raise UsageError("training.volume-gb is at least 1")
    if not 1 <= chosen.max_runtime <= _LONGEST:
        raise UsageError(f"training.max-runtime is 1 to {_LONGEST} seconds (28 days)")
    if chosen.spot and _wait(chosen) < chosen.max_runtime:
        raise UsageError(
            "training.max-wait counts the wait for spot capacity and the run together; it is at "
            f"least training.max-runtime, {chosen.max_runtime}"
        )
    if chosen.max_wait and not chosen.spot:
        raise UsageError("training.max-wait is for spot capacity: set training.spot=true, too")
    if bool(chosen.subnets) != bool(chosen.security_groups):
        raise UsageError("training.subnets and training.security-groups: name both or none")


def _wait(chosen: TrainingSettings) -> int:
    return chosen.max_wait or 2 * chosen.max_runtime


def _output(chosen: TrainingSettings, folder: str) -> str:
    """Say where models go: where the settings want them, else beside the channels."""
    if chosen.output and not chosen.output.startswith("s3://"):
        raise UsageError(f"training.output is an s3:// address, not {chosen.output!r}")
    if not chosen.output and not folder.startswith("s3://"):
        raise UsageError("say where the model goes: --set training.output=s3://BUCKET/PREFIX")
    return chosen.output.rstrip("/") or f"{folder}/training"


def _tags(written: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    for one in written:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise UsageError(f"job.tags: {one!r} is no tag; write KEY=VALUE")
        yield key, value
