"""The labeling API over boto3: SageMaker at AWS's address, or at our own service's.

The only difference between the two is the client's `endpoint_url`. botocore's errors become
ours here and nowhere else, sorted by what can be done: name taken, no such name, wait, sign in
anew, or mend the request. How often and how long one call is tried is botocore's business, set
by `client_config`, the same for every client of this package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from gt_workflow.adapters.whole_answers import demand_whole
from gt_workflow.errors import (
    AlreadyExistsError,
    CredentialsError,
    NotFoundError,
    ServiceError,
    TransientError,
)

# The labeling API says ResourceInUse and ResourceNotFound; the other names are what
# neighbouring SageMaker operations answer for the same thing.
_EXISTS: Final = frozenset({"ResourceInUse", "ResourceInUseException"})
_MISSING: Final = frozenset({"ResourceNotFound", "ResourceNotFoundException"})

# AWS's words for credentials whose time is over; S3 and the JSON services differ.
EXPIRED: Final = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
        *("InvalidToken", "UnrecognizedClientException", "InvalidClientTokenId"),
    }
)
# After botocore's own attempts these still mean "not now". The list is the SDKs' own
# (botocore/retries/standard.py); the second line is what services say in a 5xx.
BUSY: Final = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException"),
        *("TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "RequestThrottled"),
        *("PriorRequestNotComplete", "TransactionInProgressException", "BandwidthLimitExceeded"),
        *("ProvisionedThroughputExceededException", "EC2ThrottledException", "RequestTimeout"),
        *("RequestTimeoutException", "InternalFailure", "InternalError", "InternalServerError"),
        *("ServiceUnavailable", "ServiceUnavailableException", "InternalServerException"),
    }
)
RENEW: Final = (
    "the AWS credentials are expired or not valid; renew them (aws sso login, or whatever issued "
    "them), then run the same command again"
)
# Failures of the way there and back, not of the request.
_UNREACHED: Final = (
    NoConnectionError,
    HTTPClientError,
    ConnectionClosedError,
    IncompleteReadError,
    ResponseParserError,
)
_NO_CREDENTIALS: Final = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def client_config(**more: Any) -> Config:
    """Return how every client of this package calls: attempts, timeouts, kept connections.

    A call is tried 6 times over at most about a minute; botocore's standard mode draws each
    pause at random below 1, 2, 4, 8, 16 s, and stops sooner if everything fails. 10 s to
    connect, 60 s between two pieces of an answer. `more` are further settings of
    `botocore.config.Config`, over these.
    """
    settings: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": 6},
        "connect_timeout": 10,
        "read_timeout": 60,
        "tcp_keepalive": True,
        "user_agent_extra": "gt-workflow",
    }
    return Config(**(settings | more))


class GroundTruth:
    """`ports.GroundTruth` on a boto3 SageMaker client."""

    def __init__(self, client: Any) -> None:
        """Take a ready client: region, credentials and address are the caller's choice."""
        demand_whole(client)
        self._client = client

    def create(self, request: Mapping[str, Any]) -> str:
        """Create the job; the answer is its ARN.

        An answer that was lost is no reason to create twice: botocore asks again, and the name
        is taken then, which is `AlreadyExistsError`.
        """
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
        raise _refused(error, operation) from error
    except _NO_CREDENTIALS as error:
        absent = isinstance(error, NoCredentialsError)
        what = "name a profile with --profile, or set AWS_PROFILE" if absent else RENEW
        raise CredentialsError(
            f"{error}; {what}", operation=operation, code=type(error).__name__
        ) from error
    except _UNREACHED as error:
        if isinstance(error, EndpointConnectionError) and _is_ours(error):
            # Nothing listens there any more, and waiting does not bring it back.
            raise ServiceError(
                f"{error} If another command hosted the service, it has ended: run this one again",
                operation=operation,
                code=type(error).__name__,
            ) from error
        raise TransientError(str(error), operation=operation, code=type(error).__name__) from error
    except BotoCoreError as error:
        raise ServiceError(str(error), operation=operation, code=type(error).__name__) from error


def _refused(error: ClientError, operation: str) -> ServiceError:
    """Sort AWS's own refusals by their code; a 5xx is one to wait for, whatever it is called."""
    said = error.response.get("Error", {})
    about = error.response.get("ResponseMetadata", {})
    code = str(said.get("Code") or "Unknown")
    message = said.get("Message") or str(error)
    kind = ServiceError
    if code in _EXISTS:
        kind = AlreadyExistsError
    elif code in _MISSING:
        kind = NotFoundError
    elif code in EXPIRED:
        kind, message = CredentialsError, f"{message}; {RENEW}"
    elif code in BUSY or about.get("HTTPStatusCode", 0) >= 500:
        kind = TransientError
    return kind(message, operation=operation, code=code, request_id=about.get("RequestId"))


def _is_ours(error: EndpointConnectionError) -> bool:
    """Tell whether nobody was met at an address of this machine: our own service has ended."""
    return urlsplit(str(error.kwargs.get("endpoint_url"))).hostname in _LOOPBACK
