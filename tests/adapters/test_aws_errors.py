"""botocore's errors, sorted by what can be done about them."""

from __future__ import annotations

import pytest
from botocore import exceptions as b
from botocore.parsers import ResponseParserError

from gt_workflow.adapters.aws import client_config, translated
from gt_workflow.errors import (
    AlreadyExistsError,
    CredentialsError,
    NotFoundError,
    ServiceError,
    TransientError,
)


def refused(code, status=400):
    return b.ClientError(
        {
            "Error": {"Code": code, "Message": "said"},
            "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r"},
        },
        "Op",
    )


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (refused("ResourceInUse"), AlreadyExistsError),
        (refused("ResourceNotFound"), NotFoundError),
        (refused("ValidationException"), ServiceError),
        (refused("AccessDeniedException"), ServiceError),
        (refused("ThrottlingException"), TransientError),
        (refused("Whatever", 503), TransientError),
        (refused("ExpiredTokenException"), CredentialsError),
        (b.UnauthorizedSSOTokenError(), CredentialsError),
        (b.NoCredentialsError(), CredentialsError),
        (b.ReadTimeoutError(endpoint_url="https://a"), TransientError),
        (b.EndpointConnectionError(endpoint_url="https://sagemaker.amazonaws.com"), TransientError),
        (b.EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), ServiceError),
        (b.IncompleteReadError(actual_bytes=1, expected_bytes=2), TransientError),
        (ResponseParserError("no XML"), TransientError),
        (b.ParamValidationError(report="x"), ServiceError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_each_error_has_its_kind(raised, kind):
    with pytest.raises(ServiceError) as met, translated("Op"):
        raise raised
    assert type(met.value) is kind
    assert met.value.operation == "Op"


def test_every_client_tries_again_with_pauses_and_has_time_limits():
    config = client_config(region_name="eu-west-1", read_timeout=5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 6}
    assert (config.connect_timeout, config.read_timeout) == (10, 5)
    assert config.region_name == "eu-west-1"
