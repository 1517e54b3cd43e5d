"""A training service in memory, and a channel such as `convert` writes, for tests of the stages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from gt_workflow.core.training.requests import hyperparameters, input_data_config
from gt_workflow.errors import AlreadyExistsError, NotFoundError
from gt_workflow.workflow.specify import Place

PLACE = Place(
    base="s3://bucket/",
    region="us-east-1",
    role_arn="arn:aws:iam::123456789012:role/Training",
    workteam_arn="",
)
URIS = {
    "recordio": {side: f"{side}/" for side in ("train", "validation")},
    "image": {
        name: f"{name}/"
        for name in ("train", "validation", "train_annotation", "validation_annotation")
    },
    "manifest": {side: f"{side}.manifest" for side in ("train", "validation")},
}


def write_channel(
    storage, out, form="recordio", *, classes=("degu", "wheel"), base=None, images=160
):
    """Write what `train` reads of a form: the receipt and one file."""
    base = base or out
    attribute = {"attribute": "boxes"} if form == "manifest" else {}
    uris = {f"{name}_uri": f"{base}/{form}/{path}" for name, path in URIS[form].items()}
    path = f"{form}/data"
    receipt = {
        "form": form,
        "attribute": "boxes",
        "classes": [{"class_id": number, "name": name} for number, name in enumerate(classes)],
        "train": {"images": images},
        "validation": {"images": images // 4},
        "label_width": 52,
        "hyperparameters": hyperparameters(classes=len(classes), samples=images, label_width=52),
        "input_data_config": input_data_config(form, **uris, **attribute),
        "files": {path: 4},
        "digest": f"digest of {form} {classes} {images}",
    }
    for uri, data in (
        (f"{out}/{path}", b"data"),
        (f"{out}/{form}/channel.json", json.dumps(receipt).encode()),
    ):
        with storage.create(uri) as file:
            file.write(data)


class StillClock:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self):
        return self.moment

    def sleep(self, seconds):
        self.moment += timedelta(seconds=seconds)


class Trainings:
    """`ports.Training` that remembers; `crash` raises before or after a job is created."""

    def __init__(self):
        self.requests = {}
        self.status = {}
        self.answers = []  # what describe says of a job, one after the other
        self.lines = []
        self.crash = None

    def create(self, request):
        return self._create(request, request["TrainingJobName"])

    def create_tuning(self, request):
        return self._create(request, request["HyperParameterTuningJobName"])

    def _create(self, request, name):
        if self.crash == "before":
            raise KeyboardInterrupt
        if name in self.requests:
            raise AlreadyExistsError("taken", operation="Create", code="ResourceInUse")
        self.requests[name] = request
        self.status[name] = "InProgress"
        if self.crash == "after":
            raise KeyboardInterrupt
        return f"arn:{name}"

    def describe(self, name):
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if name not in self.requests:
            raise NotFoundError("none", operation="Describe", code="ResourceNotFound")
        return {"TrainingJobStatus": self.status[name]}

    def describe_tuning(self, name):
        found = self.describe(name)
        return (
            found
            if "HyperParameterTuningJobStatus" in found
            else {"HyperParameterTuningJobStatus": found["TrainingJobStatus"]}
        )

    def log(self, name, *, since):
        self.read = (name, since)
        lines = self.lines.pop(0) if self.lines else []
        if isinstance(lines, Exception):
            raise lines
        yield from lines
