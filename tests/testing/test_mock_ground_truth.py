"""What users' own tests get: jobs that complete inside moto, and moto left as it was."""

from __future__ import annotations

import inspect
import json
import threading
from pathlib import Path

import boto3
import pytest
from moto.sagemaker.responses import SageMakerResponse
from small_job import BOX, put_files, request

from gt_workflow.errors import UsageError
from gt_workflow.service.faults import Fault
from gt_workflow.testing import mock_ground_truth

pytest_plugins = ["gt_workflow.testing.plugin"]
KEYS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}


def clients():
    return boto3.client("s3", **KEYS), boto3.client("sagemaker", **KEYS)


def launched(service, *, images=3, **changes):
    s3, sagemaker = clients()
    s3.create_bucket(Bucket="lab")
    put_files(s3, "lab", images=images)
    sagemaker.create_labeling_job(
        **request(
            "job",
            bucket="lab",
            workteam_arn=service.workteam_arn,
            role_arn=service.role_arn,
            **changes,
        )
    )
    return s3, sagemaker


def status(sagemaker):
    return sagemaker.describe_labeling_job(LabelingJobName="job")["LabelingJobStatus"]


def test_a_job_completes_and_its_output_lies_in_motos_s3(ground_truth):
    s3, sagemaker = launched(ground_truth, workers=2)
    assert [status(sagemaker), status(sagemaker)] == ["Initializing", "InProgress"]
    seen = []

    def answers(line):
        seen.append(line["source-ref"])
        return [BOX] if line["source-ref"].endswith("0.jpg") else []

    assert ground_truth.label("job", answers=answers) == 6
    assert len(set(seen)) == 3
    done = sagemaker.describe_labeling_job(LabelingJobName="job")
    assert done["LabelingJobStatus"] == "Completed"
    assert done["LabelCounters"]["HumanLabeled"] == 3
    key = done["LabelingJobOutput"]["OutputDatasetS3Uri"].removeprefix("s3://lab/")
    lines = s3.get_object(Bucket="lab", Key=key)["Body"].read().splitlines()
    assert [len(json.loads(line)["boxes"]["annotations"]) for line in lines] == [1, 0, 0]


def test_code_that_polls_finds_the_job_done():
    with mock_ground_truth(answers=lambda _line: [BOX]) as service:
        _, sagemaker = launched(service)
        assert [status(sagemaker) for _ in range(3)] == ["Initializing", "InProgress", "Completed"]


@mock_ground_truth
def test_the_decorator_gives_the_service_to_who_asks_for_it(ground_truth):
    _, sagemaker = launched(ground_truth)
    assert sagemaker.list_labeling_jobs()["LabelingJobSummaryList"][0]["LabelingJobName"] == "job"


@pytest.mark.parametrize("number", [1, 2])
@mock_ground_truth(image_size=(640, 480))
def test_parameters_of_a_decorated_test_stay_its_own(number, ground_truth):
    s3, _ = launched(ground_truth)
    s3.put_object(Bucket="lab", Key="0.jpg", Body=b"no image at all")
    assert ground_truth.label("job", answers=lambda _line: [{**BOX, "left": 600}]) == 3
    assert number in {1, 2}


@mock_ground_truth()
def test_the_decorator_gives_nothing_to_who_does_not_ask():
    assert clients()[1].list_workteams()["Workteams"][0]["WorkteamName"] == "default"


def test_what_is_not_ours_stays_motos(ground_truth):
    _, sagemaker = clients()
    arn = sagemaker.create_model(
        ModelName="m", ExecutionRoleArn=ground_truth.role_arn, Tags=[{"Key": "a", "Value": "b"}]
    )["ModelArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    sagemaker.add_tags(ResourceArn=ground_truth.workteam_arn, Tags=[{"Key": "c", "Value": "d"}])
    assert sagemaker.list_tags(ResourceArn=ground_truth.workteam_arn)["Tags"] == [
        {"Key": "c", "Value": "d"}
    ]


def test_refusals_are_botocores_own_exceptions(ground_truth):
    _, sagemaker = launched(ground_truth)
    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        launched(ground_truth)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_labeling_job(LabelingJobName="other")
    with pytest.raises(sagemaker.exceptions.ClientError, match="ValidationException"):
        sagemaker.describe_labeling_job(LabelingJobName="?")


def test_workers_can_disagree_decline_and_run_out_of_time(ground_truth):
    _, sagemaker = launched(ground_truth, images=2)
    ground_truth.advance()
    ada, bob = ground_truth.worker("ada"), ground_truth.worker("bob")
    task = ada.accept()
    assert (task.width, task.height, task.labels) == (64, 48, ("degu",))
    ground_truth.advance(301)  # TaskTimeLimitInSeconds is 300
    with pytest.raises(Fault, match="time for this task is over"):
        ada.submit(task, [BOX])
    bob.submit(bob.accept(), [BOX])
    ada.decline(ada.accept())
    ground_truth.advance()
    counters = sagemaker.describe_labeling_job(LabelingJobName="job")["LabelCounters"]
    assert (counters["HumanLabeled"], counters["FailedNonRetryableError"]) == (1, 1)


def test_labeling_can_be_partial_and_an_ended_job_says_so(ground_truth):
    _, sagemaker = launched(ground_truth)
    assert ground_truth.label("job", answers=lambda _line: [BOX], most=1) == 1
    sagemaker.stop_labeling_job(LabelingJobName="job")
    ground_truth.advance()
    with pytest.raises(UsageError, match="Stopped"):
        ground_truth.label("job", answers=lambda _line: [BOX])


def test_afterwards_moto_and_the_process_are_as_before():
    before = dict(SageMakerResponse.__dict__)
    threads = set(threading.enumerate())
    with mock_ground_truth() as service:
        launched(service)
        folder = service._folder.name
        assert dict(SageMakerResponse.__dict__) != before
        with mock_ground_truth() as inner:
            assert clients()[1].list_labeling_jobs()["LabelingJobSummaryList"] == []
            assert inner is not service
    assert dict(SageMakerResponse.__dict__) == before
    assert set(threading.enumerate()) == threads
    assert not Path(folder).exists()


def test_motos_seam_is_where_we_reach_in():
    # moto has no plugin hook; if this fails, a new moto looks its methods up in another way.
    from moto.core.responses import BaseResponse
    from moto.core.utils import camelcase_to_underscores

    assert camelcase_to_underscores("RenderUiTemplate") == "render_ui_template"
    source = inspect.getsource(BaseResponse.call_action)
    assert "method_names_from_class(self.__class__)" in source
    assert "getattr(self, action)" in source
    body, headers = b"{}", {"status": 400}
    assert BaseResponse._transform_response({}, (body, headers))[0] == 400


def test_classes_are_not_decorated():
    with pytest.raises(UsageError, match="plain functions"):
        mock_ground_truth(type("T", (), {}))
