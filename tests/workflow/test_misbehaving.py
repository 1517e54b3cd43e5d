"""The main job against an AWS that misbehaves, in every stage, on the wire.

A passing fault is survived; one that stays ends the run in one sentence, and the next run
finishes. Either way there is one labeling job, and the outputs are those of an undisturbed run.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import boto3
import pytest
from launch_stages import REGION, answers, contents, main_job, photographs
from misbehaving import misbehaving, without_pauses
from served import served

from gt_workflow.adapters.aws import GroundTruth, client_config
from gt_workflow.adapters.clock import ManualClock, SystemClock
from gt_workflow.adapters.s3_storage import S3Storage
from gt_workflow.adapters.storage import FolderStorage
from gt_workflow.errors import GtWorkflowError, ServiceError, StorageError
from gt_workflow.service import http
from gt_workflow.service.fallback import Fallback
from gt_workflow.service.s3.application import Objects
from gt_workflow.testing import GroundTruthService

ATTEMPTS = 3
PASSING = ["throttled", "broken", "timeout", "reset", "lost", "cut", "stalled", "dribbled"]
LASTING = ["throttled", "lost", "cut", "expired"]
# Operation, and whether it fails from its first call or from its last one in a whole launch.
STAGES = {
    "upload": ("PutObject", "first"),
    "list": ("ListObjectsV2", "first"),
    "create": ("CreateLabelingJob", "first"),
    "poll": ("DescribeLabelingJob", "second"),  # the first asks whether the job is there
    "download": ("GetObject", "first"),
    "convert": ("PutObject", "last"),
}
# A PutObject's answer has no body that could be cut: its status is the answer.
TOGETHER = [
    (fault, stage)
    for fault in LASTING
    for stage, (operation, _) in STAGES.items()
    if (fault, operation) != ("cut", "PutObject")
]


class World:
    """A real service behind the proxy, clients in front of it, and one undisturbed launch."""

    def __init__(self, proxy, service, storage, folder):
        self.proxy, self.service, self.own, self.folder = proxy, service, storage, folder
        config = client_config(
            read_timeout=0.4,
            connect_timeout=5,
            proxies={},
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        self.s3, self.sagemaker = (
            without_pauses(
                boto3.client(
                    name,
                    endpoint_url=proxy.address,
                    region_name=REGION,
                    aws_access_key_id="k",
                    aws_secret_access_key="s",
                    config=config,
                ),
                ATTEMPTS,
            )
            for name in ("s3", "sagemaker")
        )
        self.s3.create_bucket(Bucket="lab")
        self.begin()
        self.name = self.run()
        self.calls = dict(proxy.calls)
        self.expected = contents(storage)

    def begin(self, schedule=lambda _operation, _number: None):
        """Begin with an empty bucket and no job."""
        for stat in list(self.own.list("s3://lab/")):
            self.own.delete(stat.uri)
        self.service.reset()
        self.proxy.begin(schedule)

    def run(self):
        return main_job(
            self.folder,
            storage=S3Storage(self.s3),
            ground_truth=GroundTruth(self.sagemaker),
            clock=ManualClock(),
        )

    def jobs(self):
        found = self.service.api.handle("ListLabelingJobs", {}, region=REGION)
        return [one["LabelingJobName"] for one in found["LabelingJobSummaryList"]]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("misbehaving")
    numbers = itertools.count(1)
    storage = FolderStorage(folder / "objects")
    clock = SystemClock()
    objects = Objects(storage.objects, clock=clock)
    with GroundTruthService(storage, answers=answers) as service:
        api = SimpleNamespace(owns=service.api.owns, handle=service.call)
        application = http.application(
            api=api,
            objects=objects,
            other=Fallback(new_id=lambda: f"{next(numbers)}"),
            portal=[],
            clock=clock,
            new_id=lambda: f"{next(numbers)}",
            allowed_hosts=http.LOOPBACK,
            secrets=None,
            admits=lambda _address: True,
        )
        with served(application) as address, misbehaving(address) as proxy:
            yield World(proxy, service, storage, photographs(folder / "photographs", 2))
    objects.close()
    storage.objects.close()


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_at_the_first_call_of_every_operation_is_survived(world, fault):
    world.begin(lambda _operation, number: fault if number == 1 else None)
    assert world.run() == world.name
    assert world.jobs() == [world.name]
    assert contents(world.own) == world.expected


@pytest.mark.parametrize(("fault", "stage"), TOGETHER)
def test_a_fault_that_stays_is_one_error_and_the_next_run_finishes(world, fault, stage):
    operation, moment = STAGES[stage]
    since = {"first": 1, "second": 2}.get(moment) or world.calls[operation]
    world.begin(lambda called, number: fault if called == operation and number >= since else None)
    with pytest.raises((StorageError, ServiceError)) as met:
        world.run()
    assert isinstance(met.value, GtWorkflowError)
    said = str(met.value)
    assert said.strip()
    assert "\n" not in said
    if fault == "expired":
        assert "aws sso login" in said
    assert world.jobs() in ([], [world.name])
    world.proxy.begin()
    assert world.run() == world.name
    assert world.jobs() == [world.name]
    assert contents(world.own) == world.expected


def test_an_answer_to_create_that_is_lost_does_not_create_twice(world):
    world.begin(
        lambda called, number: "lost" if (called, number) == ("CreateLabelingJob", 1) else None
    )
    assert world.run() == world.name
    assert world.proxy.calls["CreateLabelingJob"] == 2
    assert world.jobs() == [world.name]


def test_a_download_that_is_cut_again_and_again_is_asked_for_anew(world):
    world.begin(lambda called, number: "cut" if called == "GetObject" and number % 3 else None)
    assert world.run() == world.name
    assert contents(world.own) == world.expected
