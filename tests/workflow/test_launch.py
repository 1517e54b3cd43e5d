"""The main job's plan, and that a job is created once."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from gt_workflow import config
from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.memory import MemoryStorage, SerialEngine
from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.core.names import private_workteam_arn
from gt_workflow.errors import AlreadyExistsError, NotFoundError, UsageError
from gt_workflow.workflow import launch
from gt_workflow.workflow.specify import Place

ACCOUNT = "123456789012"
PLACE = Place(
    base="s3://lab/",
    region="us-east-1",
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/any",
    workteam_arn=private_workteam_arn("us-east-1", ACCOUNT, "default"),
)


def quiet(stage, done, total):
    del stage, done, total


class Jobs:
    """The labeling API as far as a launch needs it; `dies` ends the next create half done."""

    def __init__(self):
        self.created = []
        self.dies = None

    def describe(self, name):
        if name not in [request["LabelingJobName"] for request in self.created]:
            raise NotFoundError("none", operation="DescribeLabelingJob", code="ResourceNotFound")
        return {}

    def create(self, request):
        if request["LabelingJobName"] in [one["LabelingJobName"] for one in self.created]:
            raise AlreadyExistsError("is", operation="CreateLabelingJob", code="ResourceInUse")
        dies, self.dies = self.dies, None
        if dies == "before":
            raise KeyboardInterrupt
        self.created.append(request)
        if dies == "after":
            raise KeyboardInterrupt


def ports(storage):
    return {
        "storage": storage,
        "engine": SerialEngine(),
        "images": PillowImages(),
        "folders": LocalFolders(),
        "progress": quiet,
    }


def planned(folder, storage, count, **flags):
    folder.mkdir(exist_ok=True)
    for shade in range(count):
        picture = io.BytesIO()
        Image.new("RGB", (16, 12), (shade * 30, 0, 0)).save(picture, "JPEG")
        (folder / f"{shade}.jpg").write_bytes(picture.getvalue())
    settings = config.load(
        text="",
        uri="gt.toml",
        environment={},
        flags={"photographs": str(folder), "labels": ["x"], **flags},
    )
    return launch.plan(settings, place=PLACE, instructions="", **ports(storage))


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_launch_that_died_around_the_creation_creates_one_job_in_all(tmp_path, dies):
    storage, jobs = MemoryStorage(), Jobs()
    jobs.dies = dies
    first = planned(tmp_path / "p", storage, 3)
    with pytest.raises(KeyboardInterrupt):
        launch.run(first, ground_truth=jobs, **ports(storage))
    assert first.record_uri in storage.objects
    again = planned(tmp_path / "p", storage, 3)
    assert launch.run(again, ground_truth=jobs, **ports(storage)) is (dies == "before")
    assert jobs.created == [first.request]


def test_a_launch_that_is_overtaken_by_another_adopts_its_job(tmp_path):
    storage, jobs = MemoryStorage(), Jobs()
    plan = planned(tmp_path / "p", storage, 2)

    class Overtaken(Jobs):
        def describe(self, name):
            found = jobs.describe(name) if jobs.created else None
            jobs.created = jobs.created or [plan.request]
            if found is None:
                raise NotFoundError("-", operation="DescribeLabelingJob", code="ResourceNotFound")
            return found

        def create(self, request):
            jobs.create(request)

    assert launch.run(plan, ground_truth=Overtaken(), **ports(storage)) is False
    assert jobs.created == [plan.request]


@pytest.mark.parametrize("then", [100_000, 2])
def test_photographs_shared_out_differently_are_not_paid_for_again(tmp_path, then):
    storage, jobs = MemoryStorage(), Jobs()
    jobs.dies = "after"
    first = planned(tmp_path / "p", storage, 5, **{"job.max-objects": 3})
    assert [job.count for job in first.jobs] == [2, 3]
    with pytest.raises(KeyboardInterrupt):
        launch.run(first, ground_truth=jobs, **ports(storage))
    kept = dict(storage.objects)
    other = planned(tmp_path / "p", storage, 5, **{"job.max-objects": then})
    with pytest.raises(UsageError, match=r"another job\.max-objects, as 2 labeling jobs"):
        launch.run(other, ground_truth=jobs, **ports(storage))
    assert storage.objects == kept
    assert launch.run(first, ground_truth=jobs, **ports(storage))
    assert jobs.created == [job.request for job in first.jobs]


def test_photographs_too_few_for_channels_are_told_before_anybody_labels(tmp_path):
    assert "one origin" in planned(tmp_path / "one", MemoryStorage(), 1).warnings[-1]
    assert not [
        warning
        for warning in planned(tmp_path / "two", MemoryStorage(), 2).warnings
        if "origin" in warning
    ]


def test_photographs_that_all_look_alike_are_told_before_anybody_labels(tmp_path, shared):
    """As of one camera that never moves."""
    (tmp_path / "p").mkdir()
    with Image.open(shared / "data" / "raccoons" / "images" / "raccoon-5.jpg") as picture:
        for quality in (60, 70, 80):
            picture.convert("RGB").save(tmp_path / "p" / f"{quality}.jpg", quality=quality)
    plan = planned(tmp_path / "p", MemoryStorage(), 0)
    assert "look alike" in plan.warnings[-1]
    told_apart = planned(tmp_path / "p", MemoryStorage(), 0, **{"channels.distance": -1})
    assert told_apart.warnings == plan.warnings[:-1]
    assert told_apart.name == plan.name, "the job is the same"
