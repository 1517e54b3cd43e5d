"""The GroundTruth contract: over our service on the wire, ours inside moto, and a real account.

The real account is used only with `--aws`, and needs GT_TEST_BUCKET (in the account's region, with
CORS), GT_TEST_ROLE and GT_TEST_WORKTEAM (ARNs) beside credentials and a region. Objects go below
a prefix of the run's own and are removed; jobs are stopped before anybody labels. AWS has no way to
delete a labeling job, so their names stay taken: each begins with `gt-contract-`.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from served import served
from small_job import REGION, put_files, request

from gt_workflow.adapters.aws import GroundTruth, client_config
from gt_workflow.adapters.clock import ManualClock, SystemClock
from gt_workflow.adapters.storage import FolderStorage
from gt_workflow.errors import AlreadyExistsError, NotFoundError, ServiceError
from gt_workflow.service import http
from gt_workflow.service.fallback import Fallback
from gt_workflow.service.s3.application import Objects
from gt_workflow.testing import GroundTruthService, mock_ground_truth
from gt_workflow.workflow import follow

KINDS = ["served", "moto", pytest.param("account", marks=pytest.mark.aws)]
PREFIX = f"gt-contract-{uuid.uuid4().hex[:8]}"
KEYS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": REGION}
numbers = itertools.count(1)


@dataclass(frozen=True)
class Case:
    ground_truth: GroundTruth
    clock: Any
    request: Callable[[str], dict[str, Any]]

    def name(self) -> str:
        return f"{PREFIX}-{next(numbers)}"

    def create(self) -> str:
        name = self.name()
        self.ground_truth.create(self.request(name))
        return name

    def stopped(self) -> str:
        name = self.create()
        self.ground_truth.stop(name)
        follow.wait(name, ground_truth=self.ground_truth, clock=self.clock)
        return name


@pytest.fixture(scope="module", params=KINDS)
def case(request, tmp_path_factory):
    opened = {"served": _served, "moto": _moto, "account": _account}[request.param]
    with opened(tmp_path_factory.mktemp("ground-truth")) as made:
        yield made


def _case(s3, sagemaker, clock, *, bucket, team, role, prefix="", region=REGION) -> Case:
    put_files(s3, bucket, prefix=prefix)
    return Case(
        GroundTruth(sagemaker),
        clock,
        lambda name: request(
            name, bucket=bucket, prefix=prefix, workteam_arn=team, role_arn=role, region=region
        ),
    )


@contextmanager
def _moto(_folder):
    with mock_ground_truth() as service:
        s3, sagemaker = (boto3.client(name, **KEYS) for name in ("s3", "sagemaker"))
        s3.create_bucket(Bucket="contract")
        yield _case(
            s3,
            sagemaker,
            ManualClock(),
            bucket="contract",
            team=service.workteam_arn,
            role=service.role_arn,
        )


@contextmanager
def _served(folder):
    storage, clock = FolderStorage(folder), SystemClock()
    objects = Objects(storage.objects, clock=clock)
    with GroundTruthService(storage) as service:
        application = http.application(
            api=SimpleNamespace(owns=service.api.owns, handle=service.call),
            objects=objects,
            other=Fallback(new_id=lambda: "id"),
            portal=[],
            clock=clock,
            new_id=lambda: "id",
            allowed_hosts=http.LOOPBACK,
            secrets=None,
            admits=lambda _address: True,
        )
        with served(application) as address:
            s3, sagemaker = (
                boto3.client(name, endpoint_url=address, config=client_config(proxies={}), **KEYS)
                for name in ("s3", "sagemaker")
            )
            s3.create_bucket(Bucket="contract")
            yield _case(
                s3,
                sagemaker,
                ManualClock(),
                bucket="contract",
                team=service.workteam_arn,
                role=service.role_arn,
            )
    objects.close()
    storage.objects.close()


@contextmanager
def _account(_folder):
    wanted = ("GT_TEST_BUCKET", "GT_TEST_ROLE", "GT_TEST_WORKTEAM")
    if missing := [name for name in wanted if not os.environ.get(name)]:
        pytest.skip(f"--aws needs {', '.join(missing)}")
    bucket, role, team = (os.environ[name] for name in wanted)
    region = team.split(":")[3]
    s3, sagemaker = (
        boto3.client(name, region_name=region, config=client_config())
        for name in ("s3", "sagemaker")
    )
    made = _case(
        s3,
        sagemaker,
        SystemClock(),
        bucket=bucket,
        team=team,
        role=role,
        prefix=f"{PREFIX}/",
        region=region,
    )
    try:
        yield made
    finally:
        for summary in made.ground_truth.list(NameContains=PREFIX):
            if summary["LabelingJobStatus"] in {"Initializing", "InProgress"}:
                made.ground_truth.stop(summary["LabelingJobName"])
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{PREFIX}/"
        ):
            for item in page.get("Contents", ()):
                s3.delete_object(Bucket=bucket, Key=item["Key"])


def test_a_job_is_described_by_its_name_and_arn(case):
    name = case.name()
    arn = case.ground_truth.create(case.request(name))
    found = case.ground_truth.describe(name)
    assert (found["LabelingJobName"], found["LabelingJobArn"]) == (name, arn)
    assert found["LabelingJobStatus"] in {"Initializing", "InProgress"}
    assert found["CreationTime"].utcoffset() is not None
    assert found["HumanTaskConfig"]["NumberOfHumanWorkersPerDataObject"] == 1


def test_the_same_name_twice_already_exists(case):
    name = case.create()
    with pytest.raises(AlreadyExistsError) as met:
        case.ground_truth.create(case.request(name))
    assert met.value.operation == "CreateLabelingJob"
    assert met.value.code
    assert "\n" not in str(met.value)


def test_an_unknown_name_is_not_found(case):
    unknown = case.name()
    for ask in (case.ground_truth.describe, case.ground_truth.stop):
        with pytest.raises(NotFoundError):
            ask(unknown)


def test_what_aws_refuses_is_a_service_error_and_creates_nothing(case):
    name = case.name()
    asked = case.request(name)
    asked["HumanTaskConfig"]["TaskTimeLimitInSeconds"] = 7 * 86_400
    with pytest.raises(ServiceError) as met:
        case.ground_truth.create(asked)
    assert met.value.code == "ValidationException"
    with pytest.raises(NotFoundError):
        case.ground_truth.describe(name)


def test_a_stopped_job_never_changes_again(case):
    name = case.stopped()
    before = case.ground_truth.describe(name)
    assert before["LabelingJobStatus"] == "Stopped"
    with pytest.raises(ServiceError):
        case.ground_truth.stop(name)
    case.clock.sleep(2)
    after = case.ground_truth.describe(name)
    for answer in (before, after):
        answer.pop("ResponseMetadata")
    assert after == before


def test_lists_are_filtered_sorted_and_whole(case):
    going, ended = case.create(), case.stopped()
    listed = case.ground_truth.list

    def names(**filters):
        return [one["LabelingJobName"] for one in listed(**filters)]

    assert {going, ended} <= set(names(NameContains=PREFIX))
    assert names(NameContains="no-such-part-of-a-name") == []
    assert ended in names(NameContains=PREFIX, StatusEquals="Stopped")
    assert going not in names(NameContains=PREFIX, StatusEquals="Stopped")
    every = names(NameContains=PREFIX, SortBy="Name", SortOrder="Ascending")
    assert every == sorted(every)
    # One a page: the pages are followed to the end.
    assert names(NameContains=PREFIX, SortBy="Name", SortOrder="Ascending", MaxResults=1) == every
    created = case.ground_truth.describe(going)["CreationTime"]
    later = created + timedelta(days=1)
    assert names(NameContains=PREFIX, CreationTimeAfter=later) == []
    assert going in names(NameContains=PREFIX, CreationTimeBefore=later)
