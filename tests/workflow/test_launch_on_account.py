"""The main job on the AWS adapter, in one process: moto's S3 and our labeling API inside it."""

from __future__ import annotations

import io
import json

import boto3
import pytest
from PIL import Image

from gt_workflow import config
from gt_workflow.adapters.aws import GroundTruth
from gt_workflow.adapters.clients import Clients
from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.memory import SerialEngine
from gt_workflow.adapters.storage import LocalFiles, Router, S3Storage
from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.adapters.workteams import CognitoTeams
from gt_workflow.core.described import describe
from gt_workflow.errors import ServiceError
from gt_workflow.testing import mock_ground_truth
from gt_workflow.workflow import convert, follow, launch
from gt_workflow.workflow.repair import chain, fold, follow_up, reconcile
from gt_workflow.workflow.specify import Place
from gt_workflow.workflow.teams import resolve

VENDOR = "Boxes R Us"
BOX = {"label": "degu", "left": 2, "top": 3, "width": 9, "height": 7}


def quiet(stage, done, total):
    del stage, done, total


def boxes(line):
    """Draw what the manifest line's photograph holds; the first one nothing."""
    return [] if line["photograph"].endswith("0.jpg") else [BOX]


class Account:
    """An account, its clients and the ports over them."""

    def __init__(self, service):
        self.service = service
        self.clients = Clients(region="us-east-1", access_key="a", secret_key="b")
        self.clients("s3").create_bucket(Bucket="lab")
        self.storage = Router(s3=S3Storage(self.clients("s3")), local=LocalFiles())
        self.jobs = GroundTruth(self.clients("sagemaker"))

    def place(self, team):
        teams = CognitoTeams(
            sagemaker=self.clients("sagemaker"),
            cognito=self.clients("cognito-idp"),
            clock=self.service.clock,
        )
        return Place(
            base="s3://lab/",
            region="us-east-1",
            role_arn=self.service.role_arn,
            workteam_arn=resolve(team, teams=teams),
        )

    @property
    def ports(self):
        return {
            "storage": self.storage,
            "engine": SerialEngine(),
            "images": PillowImages(),
            "folders": LocalFolders(),
            "progress": quiet,
        }

    def output_of(self, name):
        """Let the workers do a job; return its output manifest."""
        self.service.label(name, answers=boxes)
        end = follow.wait(name, ground_truth=self.jobs, clock=self.service.clock)
        assert end.status == "Completed"
        return end.output_uri


@pytest.fixture
def account():
    with mock_ground_truth(vendors=[VENDOR]) as service:
        yield Account(service)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(6):
        picture = io.BytesIO()
        Image.new("RGB", (24, 18), (number * 40, 0, 0)).save(picture, "JPEG")
        (folder / f"{number}.jpg").write_bytes(picture.getvalue())
    return folder


def settings_for(photographs, **more):
    return config.load(
        flags={
            "photographs": str(photographs),
            "labels": ["degu"],
            "backend": "aws",
            "job.workers": 2,
            **more,
        }
    )


@pytest.mark.parametrize(("team", "kind"), [("default", "private-crowd"), (VENDOR, "vendor-crowd")])
def test_the_whole_launch_then_an_adjustment_folded_back(account, photographs, team, kind):
    settings = settings_for(photographs)
    plan = launch.plan(settings, place=account.place(team), instructions="", **account.ports)
    human = plan.request["HumanTaskConfig"]
    assert f"/{kind}/" in human["WorkteamArn"]
    assert "PublicWorkforceTaskPrice" not in human
    assert launch.run(plan, ground_truth=account.jobs, **account.ports) is True
    assert launch.run(plan, ground_truth=account.jobs, **account.ports) is False
    output = account.output_of(plan.name)
    first = describe(account.jobs.describe(plan.name))
    found, _ = reconcile.survey(first, storage=account.storage)
    assert found.complete

    planned = chain.plan(
        "adjust",
        first,
        chain.ChainOptions(),
        settings=settings,
        storage=account.storage,
        ground_truth=account.jobs,
    )
    assert planned.request["LabelAttributeName"] == "boxes-adjusted"
    assert follow_up.run(planned, storage=account.storage, ground_truth=account.jobs)
    moved = {**BOX, "left": 4}
    account.service.label(planned.name, answers=lambda line: boxes(line) and [moved])
    follow.wait(planned.name, ground_truth=account.jobs, clock=account.service.clock)
    adjusted = describe(account.jobs.describe(planned.name))
    fold.fold(adjusted, out="s3://lab/folded.manifest", storage=account.storage)

    for manifest, out in ((output, "one"), ("s3://lab/folded.manifest", "two")):
        converting = convert.plan(
            convert.ConvertSettings(
                manifest=manifest,
                out=f"s3://lab/channels/{out}",
                attribute="boxes",
                forms=("recordio", "image", "manifest"),
                validation=0.4,
                salt="",
            ),
            storage=account.storage,
            progress=quiet,
        )
        told = convert.run(converting, storage=account.storage, progress=quiet).to_dict()
        assert sum(told["images"]["manifest"].values()) == 5
    with account.storage.open("s3://lab/folded.manifest") as file:
        lines = [json.loads(line) for line in file.read().splitlines()]
    assert {line["boxes"]["annotations"][0]["left"] for line in lines[1:]} == {4}


def test_automated_labeling_is_asked_for_as_aws_has_it(account, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    picture = io.BytesIO()
    Image.new("RGB", (24, 18)).save(picture, "JPEG")
    for number in range(1250):
        (folder / f"{number:04}.jpg").write_bytes(picture.getvalue())
    model = "arn:aws:sagemaker:us-east-1:123456789012:model/earlier"
    settings = settings_for(
        folder,
        **{
            "auto-label.enabled": True,
            "auto-label.start-from": model,
            "auto-label.subnets": ["subnet-1"],
            "auto-label.security-groups": ["sg-1"],
            "cost.machine-share": 0.4,
            "cost.per-task": "0.05",
        },
    )
    plan = launch.plan(settings, place=account.place("default"), instructions="", **account.ports)
    assert plan.request["LabelingJobAlgorithmsConfig"] == {
        "LabelingJobAlgorithmSpecificationArn": (
            "arn:aws:sagemaker:us-east-1:027400017018:"
            "labeling-job-algorithm-specification/object-detection"
        ),
        "InitialActiveLearningModelArn": model,
        "LabelingJobResourceConfig": {
            "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
        },
    }
    # 1,250 objects at 0.08, and two workers at 0.05 for the 750 that are people's.
    assert str(plan.cost.total) == "175.00"
    assert any("5,000" in warning for warning in plan.warnings)
    # botocore takes the request; our own service, which has no model, says so.
    with pytest.raises(ServiceError, match="does not label automatically"):
        account.jobs.create(plan.request)
    assert (
        boto3.client("sagemaker", region_name="us-east-1").list_labeling_jobs()[
            "LabelingJobSummaryList"
        ]
        == []
    )
