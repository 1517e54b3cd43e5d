"""A channel becomes a training or a tuning job of the built-in Object Detection; planned first.

The job is named from the plan's digest, and what it is to learn is written down (`training.json`,
beside the model to be) *before* it is created: a second run, or one after a crash between the two
steps, adopts the job and never pays for another. A job that failed is tried anew only when asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from gt_workflow.config import Form, Settings
from gt_workflow.errors import AlreadyExistsError, NotFoundError, UsageError
from gt_workflow.ports import Storage, Training
from gt_workflow.workflow.specify import Place
from gt_workflow.workflow.training.channel import MODEL, RECORD, Channel, check_model, read_channel
from gt_workflow.workflow.training.request import TuneSettings, build

__all__ = [
    "Started",
    "TrainPlan",
    "TuneSettings",
    "model_of",
    "plan",
    "record_best",
    "run",
    "status_of",
]

_TRIES_AGAIN = frozenset({"Failed", "Stopped"})


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """All that will be asked for; building it changes nothing.

    `output` is the folder of all trainings of the channel, without a slash at its end; each has a
    folder of its name there, and its model is `output/NAME/output/model.tar.gz`.
    """

    name: str
    channel: Channel
    model: str | None
    request: Mapping[str, Any]
    output: str
    is_tuning: bool
    warnings: tuple[str, ...]

    def attempt(self, number: int) -> str:
        """Name the job that is created as the `number`-th, from 1."""
        return self.name if number == 1 else f"{self.name}-{number}"

    def record_uri(self, name: str) -> str:
        """Say where it stands what a job is to learn."""
        return f"{self.output}/{name}/{RECORD}"

    def record(self, name: str) -> dict[str, Any]:
        """Say what a job is to learn; later trainings and predictions read the classes of it."""
        job = self.request.get("TrainingJobDefinition", self.request)
        return {
            "name": name,
            "classes": list(self.channel.classes),
            "hyperparameters": job.get("HyperParameters") or job["StaticHyperParameters"],
            "channel": self.channel.uri,
            "channel-digest": self.channel.digest,
            "model": self.model,
            "request": {**self.request, self._name_member: name},
        }

    @property
    def _name_member(self) -> str:
        return "HyperParameterTuningJobName" if self.is_tuning else "TrainingJobName"

    def to_dict(self) -> dict[str, Any]:
        """Return what `--dry-run --json` prints."""
        return {
            "name": self.name,
            "channel": self.channel.uri,
            "form": self.channel.form,
            "classes": list(self.channel.classes),
            "training-images": self.channel.samples,
            "from": self.model,
            "request": self.request,
            "record": self.record_uri(self.name),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class Started:
    """The job that stands for a plan, and whether this run created it."""

    name: str
    new: bool
    record_uri: str


def plan(
    settings: Settings,
    channels: str,
    *,
    place: Place,
    storage: Storage,
    form: Form | None = None,
    model: str | None = None,
    tune: TuneSettings | None = None,
) -> TrainPlan:
    """Read the channel and work out the whole job; nothing is written.

    `model` is an earlier training's `model.tar.gz` to go on from; with `tune` it is a tuning job.
    Raises `UsageError` for a setting that the algorithm or SageMaker would refuse, or for classes
    in another order than the model's; `DataError` for a channel that is not as it was written.
    """
    channel = read_channel(channels, form=form, storage=storage)
    built = build(settings, channel, place=place, model=model, tune=tune)
    if model is not None:
        check_model(model, channel, built.hyperparameters, storage)
    return TrainPlan(
        name=built.name,
        channel=channel,
        model=model,
        request=built.request,
        output=built.output,
        is_tuning=tune is not None,
        warnings=built.warnings,
    )


def run(
    planned: TrainPlan, *, storage: Storage, training: Training, again: bool = False
) -> Started:
    """Create the job, or adopt it if it is there.

    With `again` a job that failed or was stopped is followed by another of the same plan, which
    goes on from the checkpoints, if there are any; never while one is under way or done.
    """
    describe = training.describe_tuning if planned.is_tuning else training.describe
    create = training.create_tuning if planned.is_tuning else training.create
    latest: tuple[str, str] | None = None
    for number in count(1):
        name = planned.attempt(number)
        try:
            latest = name, status_of(describe(name))
        except NotFoundError:
            break
    if latest is not None and not (again and latest[1] in _TRIES_AGAIN):
        return Started(latest[0], new=False, record_uri=planned.record_uri(latest[0]))
    record = planned.record(name)
    _write(storage, planned.record_uri(name), record)
    try:
        create(record["request"])
    except AlreadyExistsError:
        return Started(name, new=False, record_uri=planned.record_uri(name))
    return Started(name, new=True, record_uri=planned.record_uri(name))


def record_best(
    planned: TrainPlan, name: str, parameters: Mapping[str, str], *, storage: Storage
) -> str:
    """Write down what a tuning's best training has learnt, so that it can be trained on.

    Returns the address of its model.
    """
    record = planned.record(name)
    del record["request"]
    record["hyperparameters"] = {**record["hyperparameters"], **parameters}
    _write(storage, planned.record_uri(name), record)
    return f"{planned.output}/{name}{MODEL}"


def status_of(answer: Mapping[str, Any]) -> str:
    """Return the status that a description of a training or a tuning tells."""
    return str(answer.get("TrainingJobStatus") or answer["HyperParameterTuningJobStatus"])


def model_of(text: str, *, training: Training) -> str:
    """Return the address of an earlier model, named by address or by its training job."""
    if text.startswith("s3://"):
        return text
    answer = training.describe(text)
    found = (answer.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
    if not found or status_of(answer) != "Completed":
        raise UsageError(f"--from {text}: the training is {status_of(answer)} and has no model")
    return str(found)


def _write(storage: Storage, uri: str, record: Mapping[str, Any]) -> None:
    with storage.create(uri) as file:
        file.write(json.dumps(record, ensure_ascii=False, indent=2).encode() + b"\n")
