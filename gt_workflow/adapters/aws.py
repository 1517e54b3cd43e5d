"""The labeling API over boto3: SageMaker at AWS's address, or at our own service's.

The only difference between the two is the client's `endpoint_url`. botocore's errors become
ours here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
)

from gt_workflow.errors import AlreadyExistsError, NotFoundError, ServiceError

# The labeling API says ResourceInUse and ResourceNotFound; the other names are what
# neighbouring SageMaker operations answer for the same thing.
_EXISTS = {"ResourceInUse", "ResourceInUseException"}
_MISSING = {"ResourceNotFound", "ResourceNotFoundException"}


class GroundTruth:
    """`ports.GroundTruth` on a boto3 SageMaker client."""

    def __init__(self, client: Any) -> None:
        """Take a ready client: region, credentials and address are the caller's choice."""
        self._client = client

    def create(self, request: Mapping[str, Any]) -> str:
        """Create the job; the answer is its ARN."""
        with translated("CreateLabelingJob"):
            return str(self._client.create_labeling_job(**request)["LabelingJobArn"])

    def describe(self, name: str) -> dict[str, Any]:
        """Return everything AWS says about one job."""
        with translated("DescribeLabelingJob"):
            answer: dict[str, Any] = self._client.describe_labeling_job(LabelingJobName=name)
            return answer

    def list(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield summaries over all pages."""
        with translated("ListLabelingJobs"):
            for page in self._client.get_paginator("list_labeling_jobs").paginate(**filters):
                yield from page["LabelingJobSummaryList"]

    def stop(self, name: str) -> None:
        """Ask for the stop; the job goes through Stopping to Stopped."""
        with translated("StopLabelingJob"):
            self._client.stop_labeling_job(LabelingJobName=name)


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Turn every botocore exception of one call into the matching `ServiceError`."""
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        code = details.get("Code", "Unknown")
        kind = (
            AlreadyExistsError
            if code in _EXISTS
            else NotFoundError
            if code in _MISSING
            else ServiceError
        )
        raise kind(
            details.get("Message") or str(error),
            operation=operation,
            code=code,
            request_id=error.response.get("ResponseMetadata", {}).get("RequestId"),
        ) from error
    except (EndpointConnectionError, ConnectionClosedError) as error:
        raise ServiceError(
            f"{error} If another command hosted the service, it has ended: run this one again",
            operation=operation,
            code=type(error).__name__,
        ) from error
    except BotoCoreError as error:
        raise ServiceError(str(error), operation=operation, code=type(error).__name__) from error
