"""Training jobs of an account that moto plays: SageMaker, its logs, its endpoints."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from trainings import PLACE, write_channel

from gt_workflow import config
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.adapters.training import LOG_GROUP, Endpoint, SageMakerTraining
from gt_workflow.core.training.requests import TrainingSpec, create_training_job, input_data_config
from gt_workflow.errors import AlreadyExistsError, NotFoundError, ServiceError
from gt_workflow.workflow.training import train
from gt_workflow.workflow.training.train import TuneSettings

KEYS = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}


@pytest.fixture
def clients():
    with mock_aws():
        yield lambda service: boto3.client(service, **KEYS)


@pytest.fixture
def training(clients):
    return SageMakerTraining(clients("sagemaker"), clients("logs"))


def request(name):
    channels = input_data_config("recordio", train_uri="s3://b/t/", validation_uri="s3://b/v/")
    return create_training_job(
        TrainingSpec(
            name=name,
            region="us-east-1",
            role_arn="arn:aws:iam::123456789012:role/Training",
            channels=tuple(channels),
            hyperparameters={"num_classes": "1"},
            output_uri="s3://b/training",
            instance_type="ml.g5.xlarge",
            instance_count=1,
            volume_gb=50,
            max_runtime=3600,
        )
    )


def test_created_and_described(training):
    arn = training.create(request("degu-1"))
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:training-job/degu-1"
    assert training.describe("degu-1")["TrainingJobArn"] == arn


def test_a_name_that_nobody_has(training):
    with pytest.raises(NotFoundError):
        training.describe("nobody")
    with pytest.raises(NotFoundError):
        training.describe_tuning("nobody")


class Killed:
    """A client with which the process is killed before or after a job is created."""

    def __init__(self, client, when):
        self._client = client
        self._when = when

    def __getattr__(self, name):
        call = getattr(self._client, name)
        if not name.startswith("create_"):
            return call

        def killed(**request):
            if self._when == "after":
                call(**request)
            raise KeyboardInterrupt

        return killed


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("tune", [None, TuneSettings(jobs=2, parallel=1)])
def test_killed_between_record_and_job(clients, training, when, tune):
    storage = MemoryStorage()
    write_channel(storage, "s3://b/degus")

    def run(training):
        planned = train.plan(config.load(), "s3://b/degus", place=PLACE, storage=storage, tune=tune)
        return train.run(planned, storage=storage, training=training)

    with pytest.raises(KeyboardInterrupt):
        run(SageMakerTraining(Killed(clients("sagemaker"), when), None))
    again, adopted = run(training), run(training)
    assert (again.new, adopted.new) == (when == "before", False)
    sagemaker = clients("sagemaker")
    if tune is None:
        names = [
            job["TrainingJobName"] for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]
        ]
    else:
        found = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        names = [job["HyperParameterTuningJobName"] for job in found]
    assert names == [again.name]


class Refusing:
    """A client whose every call is refused."""

    def __init__(self, code, message):
        self._answer = {"Error": {"Code": code, "Message": message}}

    def __getattr__(self, name):
        def call(**_request):
            raise ClientError(self._answer, name)

        return call


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        # AWS's own words for a training job that is not there.
        ("ValidationException", "Requested resource not found.", NotFoundError),
        ("ResourceNotFound", "There is none.", NotFoundError),
    ],
)
def test_words_for_what_is_not_there(code, message, kind):
    with pytest.raises(kind):
        SageMakerTraining(Refusing(code, message), None).describe("degu-1")


def test_other_refusals_stay_what_they_are():
    refusing = SageMakerTraining(Refusing("ValidationException", "1 validation error"), None)
    with pytest.raises(ServiceError) as met:
        refusing.describe("degu-1")
    assert not isinstance(met.value, NotFoundError)
    with pytest.raises(AlreadyExistsError):
        SageMakerTraining(Refusing("ResourceInUse", "taken"), None).create(request("degu-1"))


def put(logs, stream, *events):
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
    logs.put_log_events(
        logGroupName=LOG_GROUP,
        logStreamName=stream,
        logEvents=[{"timestamp": when, "message": text} for when, text in events],
    )


def test_log_is_that_of_the_first_machine_over_all_restarts(clients, training):
    logs = clients("logs")
    assert list(training.log("degu-1", since=0)) == []  # no group yet
    logs.create_log_group(logGroupName=LOG_GROUP)
    assert list(training.log("degu-1", since=0)) == []
    now = int(datetime.now(UTC).timestamp() * 1000)  # moto takes no old events
    put(logs, "degu-1/algo-1-2", (now + 3, "c"), (now + 4, "d"))
    put(logs, "degu-1/algo-1-1", (now + 1, "a"), (now + 2, "b"))
    put(logs, "degu-1/algo-2-1", (now + 1, "another machine"))
    put(logs, "degu-10/algo-1-1", (now + 1, "another job"))
    assert [line.text for line in training.log("degu-1", since=0)] == ["a", "b", "c", "d"]
    assert [line.text for line in training.log("degu-1", since=now + 3)] == ["c", "d"]
    assert len({line.id for line in training.log("degu-1", since=0)}) == 4


class Runtime:
    """An endpoint that answers with what it was asked."""

    def invoke_endpoint(self, **asked):
        self.asked = asked
        return {"Body": io.BytesIO(asked["Body"][::-1])}


def test_endpoint_is_sent_the_bytes():
    runtime = Runtime()
    assert Endpoint(runtime, "degu").detect(b"abc") == b"cba"
    assert runtime.asked["EndpointName"] == "degu"
    assert runtime.asked["ContentType"] == "application/x-image"


def test_endpoint_that_is_not_there():
    refusing = Refusing("ValidationError", "Endpoint degu not found.")
    with pytest.raises(ServiceError, match="InvokeEndpoint: Endpoint degu not found"):
        Endpoint(refusing, "degu").detect(b"")
