"""A small world for tests of labeling jobs: a store, a storage, a clock, workers and images."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import insert

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.core.names import function_arn
from gt_workflow.errors import DataError, StorageError
from gt_workflow.ports import Storage
from gt_workflow.service.labeling.jobs import Jobs, Task
from gt_workflow.service.store import Store, worker_teams, workers

REGION = "us-east-1"
ACCOUNT = "123456789012"
TEAM = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:workteam/private-crowd/default"
WIDTH, HEIGHT = 100, 80
LABELS = ("cat", "dog")
ROOT = "s3://bucket/out"


class FlakyStorage(MemoryStorage):
    """A storage that a test can break: URIs for which `broken` is true cannot be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: Callable[[str], bool] = lambda _: False

    def open(self, uri: str) -> BinaryIO:
        self._reach(uri)
        return super().open(uri)

    def create(self, uri: str) -> Any:
        self._reach(uri)
        return super().create(uri)

    def _reach(self, uri: str) -> None:
        if self.broken(uri):
            raise StorageError("the storage does not answer", uri=uri)


def read_size(file: BinaryIO) -> tuple[int, int]:
    """Images of tests are the text `WIDTHxHEIGHT`."""
    text = file.read(20)
    width, found, height = text.partition(b"x")
    if not found:
        raise DataError("no image", uri="image")
    return int(width), int(height)


def fast_folder() -> Path:
    """A folder in memory where there is one: a test of logic need not wait for a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder of our own is made in it
    return Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))


class World:
    """One service with its surroundings."""

    def __init__(self, *, team: int = 3) -> None:
        self.folder = fast_folder()
        self.storage = FlakyStorage()
        self.clock = ManualClock()
        self.ids = itertools.count(1)
        self.store = Store(f"sqlite:///{self.folder}/service.sqlite")
        self.jobs = self.service(self.storage)
        self.workers = [f"w{number}" for number in range(team)]
        with self.store.write() as connection:
            for name in self.workers:
                connection.execute(insert(workers).values(id=name, name=name, created=0.0))
                connection.execute(insert(worker_teams).values(worker_id=name, workteam_arn=TEAM))
        self.put("labels.json", json.dumps({"labels": [{"label": one} for one in LABELS]}))
        self.put("template.liquid", "<crowd-form></crowd-form>")

    def service(self, storage: Storage) -> Jobs:
        return Jobs(
            store=self.store,
            storage=storage,
            clock=self.clock,
            new_id=lambda: f"id-{next(self.ids)}",
            read_size=read_size,
        )

    def close(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    # What the job reads

    def put(self, name: str, content: str | bytes) -> str:
        uri = f"s3://bucket/{name}"
        self.storage.objects[uri] = content.encode() if isinstance(content, str) else content
        return uri

    def manifest(self, lines: list[bytes] | int, name: str = "input.manifest") -> str:
        """A manifest of these lines, or of so many images of the usual size."""
        if isinstance(lines, int):
            lines = [self.line(index) for index in range(lines)]
        return self.put(name, b"".join(line + b"\n" for line in lines))

    def line(self, index: int, **more: Any) -> bytes:
        uri = self.put(f"images/{index}.jpg", f"{WIDTH}x{HEIGHT}")
        return json.dumps({"source-ref": uri, "number": index, **more}).encode()

    # Jobs

    def request(self, name: str = "job", kind: str = "label", **changes: Any) -> dict[str, Any]:
        """A CreateLabelingJob request; `changes` are members of HumanTaskConfig, or the top's."""
        human = {
            "WorkteamArn": TEAM,
            "UiConfig": {"UiTemplateS3Uri": "s3://bucket/template.liquid"},
            "PreHumanTaskLambdaArn": function_arn(REGION, "PRE", kind),
            "AnnotationConsolidationConfig": {
                "AnnotationConsolidationLambdaArn": function_arn(REGION, "ACS", kind)
            },
            "TaskTitle": "Animals",
            "TaskDescription": "Draw a box around each",
            "NumberOfHumanWorkersPerDataObject": 1,
            "TaskTimeLimitInSeconds": 300,
        }
        request = {
            "LabelingJobName": name,
            "LabelAttributeName": "boxes",
            "InputConfig": {
                "DataSource": {"S3DataSource": {"ManifestS3Uri": "s3://bucket/input.manifest"}}
            },
            "OutputConfig": {"S3OutputPath": f"{ROOT}/"},
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/labeling",
            "LabelCategoryConfigS3Uri": "s3://bucket/labels.json",
            "HumanTaskConfig": human,
        }
        for key, value in changes.items():
            (request if key in request or key in _TOP else human)[key] = value
        return request

    def create(self, lines: list[bytes] | int = 3, **options: Any) -> str:
        """Record a job over a manifest; `options` as in `request`. Returns its name."""
        self.manifest(lines)
        request = self.request(**options)
        self.jobs.create(region=REGION, account=ACCOUNT, request=request)
        return str(request["LabelingJobName"])

    def begin(self, lines: list[bytes] | int = 3, **options: Any) -> str:
        """Create a job and bring it as far as the clock allows."""
        name = self.create(lines, **options)
        self.run()
        return name

    def run(self) -> None:
        for _ in range(1000):
            if not self.jobs.advance():
                return
        raise AssertionError("advance never rests")

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.run()

    def describe(self, name: str = "job") -> dict[str, Any]:
        return self.jobs.describe(region=REGION, name=name)

    def status(self, name: str = "job") -> str:
        return str(self.describe(name)["LabelingJobStatus"])

    def counters(self, name: str = "job") -> tuple[int, int, int]:
        """Labelled, failed and unlabelled; the sum that AWS promises is checked."""
        counters = self.describe(name)["LabelCounters"]
        assert counters["TotalLabeled"] == counters["HumanLabeled"] + counters["MachineLabeled"]
        return (
            counters["TotalLabeled"],
            counters["FailedNonRetryableError"],
            counters["Unlabeled"],
        )

    def stop(self, name: str = "job") -> None:
        self.jobs.stop(region=REGION, name=name)

    # Workers

    def accept(self, worker: str = "w0") -> Task:
        task = self.jobs.accept(worker)
        assert task is not None
        return task

    def submit(self, task: Task, worker: str = "w0", *boxes: tuple[Any, ...]) -> None:
        self.jobs.submit(worker, task.id, answer(*boxes))

    def label_one(self, worker: str = "w0", *boxes: tuple[Any, ...]) -> int:
        """Accept, answer, advance; returns the object's index."""
        task = self.accept(worker)
        self.submit(task, worker, *boxes)
        self.run()
        return task.index

    def finish(self, *workers: str) -> None:
        """Let these workers answer all there is."""
        busy = True
        while busy:
            busy = False
            for worker in workers or ("w0",):
                task = self.jobs.accept(worker)
                if task is not None:
                    self.submit(task, worker)
                    busy = True
            self.run()

    # What the job writes

    def output(self, name: str = "job") -> list[dict[str, Any]]:
        uri = self.describe(name)["LabelingJobOutput"]["OutputDatasetS3Uri"]
        return [json.loads(line) for line in self.storage.objects[uri].splitlines()]

    def written(self, name: str = "job") -> dict[str, bytes]:
        """The job's output tree, by path below its root."""
        root = f"{ROOT}/{name}/"
        return {
            uri.removeprefix(root): content
            for uri, content in sorted(self.storage.objects.items())
            if uri.startswith(root)
        }


_TOP = ("StoppingConditions", "Tags", "LabelAttributeName")


def answer(*boxes: tuple[Any, ...]) -> dict[str, Any]:
    """An answer in the page's form; boxes are (label, left, top, width, height)."""
    keys = ("label", "left", "top", "width", "height")
    return {
        "boundingBox": {
            "boundingBoxes": [dict(zip(keys, box, strict=True)) for box in boxes],
            "inputImageProperties": {"width": WIDTH, "height": HEIGHT},
        }
    }
