"""SageMaker's training jobs, their logs and its endpoints, over boto3 clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from gt_workflow.adapters.aws import translated
from gt_workflow.errors import NotFoundError, ServiceError
from gt_workflow.ports import LogLine

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

# Training jobs have no code of their own for a name that nobody has.
_MISSING = ("Requested resource not found", "Could not find")


class SageMakerTraining:
    """`ports.Training` on a SageMaker and a CloudWatch Logs client."""

    def __init__(self, sagemaker: Any, logs: Any) -> None:
        """Take ready clients: region, credentials and address are the caller's choice."""
        self._sagemaker = sagemaker
        self._logs = logs

    def create(self, request: Mapping[str, Any]) -> str:
        """Create the training job; the answer is its ARN."""
        with translated("CreateTrainingJob"):
            return str(self._sagemaker.create_training_job(**request)["TrainingJobArn"])

    def describe(self, name: str) -> dict[str, Any]:
        """Return everything AWS says about one training job."""
        return _found(
            "DescribeTrainingJob", self._sagemaker.describe_training_job, TrainingJobName=name
        )

    def log(self, name: str, *, since: int) -> Iterator[LogLine]:
        """Yield the lines of the first machine's streams; a spot job has one a restart.

        There are none before the container has said something.
        """
        streams = f"{name}/algo-1-"
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=LOG_GROUP, logStreamNamePrefix=streams, startTime=since
        )
        try:
            with translated("FilterLogEvents"):
                found = [
                    LogLine(event["eventId"], event["timestamp"], event["message"])
                    for page in pages
                    for event in page["events"]
                    # Not every service that speaks this protocol knows the prefix.
                    if event["logStreamName"].startswith(streams)
                ]
        except NotFoundError:
            return
        yield from sorted(found, key=lambda line: line.when)

    def create_tuning(self, request: Mapping[str, Any]) -> str:
        """Create the tuning job; the answer is its ARN."""
        with translated("CreateHyperParameterTuningJob"):
            answer = self._sagemaker.create_hyper_parameter_tuning_job(**request)
        return str(answer["HyperParameterTuningJobArn"])

    def describe_tuning(self, name: str) -> dict[str, Any]:
        """Return everything AWS says about one tuning job."""
        return _found(
            "DescribeHyperParameterTuningJob",
            self._sagemaker.describe_hyper_parameter_tuning_job,
            HyperParameterTuningJobName=name,
        )


class Endpoint:
    """`ports.Detector` on a SageMaker runtime client: an endpoint of the trained model."""

    def __init__(self, client: Any, name: str) -> None:
        """Ask the endpoint of this name; the client may be shared by threads."""
        self._client = client
        self._name = name

    def detect(self, image: bytes) -> bytes:
        """Send one image; the container looks at the bytes to tell JPEG from PNG."""
        with translated("InvokeEndpoint"):
            answer = self._client.invoke_endpoint(
                EndpointName=self._name,
                Body=image,
                ContentType="application/x-image",
                Accept="application/json",
            )
            with closing(answer["Body"]) as body:
                data: bytes = body.read()
        return data


def _found(operation: str, call: Any, **name: str) -> dict[str, Any]:
    """Describe a job; a name that nobody has is `NotFoundError`, whatever AWS calls it."""
    try:
        with translated(operation):
            answer: dict[str, Any] = call(**name)
            return answer
    except ServiceError as error:
        if error.code == "ValidationException" and error.reason.startswith(_MISSING):
            raise NotFoundError(
                error.reason,
                operation=operation,
                code=error.code,
                request_id=error.request_id,
            ) from error
        raise
