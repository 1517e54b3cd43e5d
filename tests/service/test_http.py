"""Which part of the service answers what, and what reaches none of them."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_stack import Stack, running
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from gt_workflow.adapters.clock import SystemClock
from gt_workflow.service.http import API_LIMIT

SECRETS = {"AKIDEXAMPLE": "a secret"}
JSON = {"X-Amz-Target": "SageMaker.ListWorkteams", "Content-Type": "application/x-amz-json-1.1"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """Give a service that knows one access key."""
    folder = tmp_path_factory.mktemp("service")
    with running(folder, secrets=SECRETS, clock=SystemClock()) as started:
        yield started


@pytest.fixture
def fresh(tmp_path):
    """Give a service that a test may break."""
    with running(tmp_path) as started:
        yield started


def send(
    stack: Stack,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Send a request byte for byte, without what an SDK would add."""
    place = urlsplit(stack.address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        got = connection.getresponse()
        return got.status, {k.lower(): v for k, v in got.getheaders()}, got.read()
    finally:
        connection.close()


def test_people_are_shown_the_portal(stack):
    status, headers, _ = send(stack, "GET", "/", headers={"Accept": "text/html,*/*"})
    assert (status, headers["location"]) == (303, "/_/")
    assert send(stack, "GET", "/_/")[2] == b"portal"
    assert send(stack, "GET", "/_/tasks")[2] == b"portal"
    assert send(stack, "GET", "/_")[0] in {200, 307}


def test_the_service_tells_that_it_is_up(stack):
    status, _, body = send(stack, "GET", "/_/health")
    assert (status, json.loads(body)) == (200, {"status": "ok", "host": ""})


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/pictures/a.jpg", {"Accept": "text/html"}),
        ("GET", "/_pictures/a.jpg", {}),
        ("OPTIONS", "/pictures/a.jpg", {"Origin": "http://elsewhere"}),
        ("OPTIONS", "/", {"Origin": "http://elsewhere"}),
        ("POST", "/pictures", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("GET", "/moto-api/data.json", {}),
        ("POST", "/moto-api/reset", {}),
    ],
)
def test_what_is_not_signed_for_another_service_is_for_objects(stack, method, path, headers):
    status, _, body = send(stack, method, path, headers=headers)
    assert status == 200
    assert f"objects {method} {path}".encode() in body


def test_signed_for_s3_goes_to_objects(stack):
    s3 = stack.client("s3")
    assert s3.list_buckets()["Buckets"][0]["Name"] == "objects GET /"
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert b"objects GET /b/k" in send(stack, "GET", link.removeprefix(stack.address))[2]
    old = stack.client("s3", signature_version="s3")
    link = old.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert "AWSAccessKeyId" in link
    assert b"objects GET /b/k" in send(stack, "GET", link.removeprefix(stack.address))[2]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]:80"]
)
def test_a_foreign_host_name_reaches_nothing(stack, host):
    for path, headers in (("/_/", {}), ("/", JSON), ("/b/k", {})):
        status, _, body = send(stack, "POST", path, headers={"Host": host, **headers}, body=b"{}")
        assert status == 421
        assert b"host name" in body


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "[::1]:80", "gt.example:443"])
def test_a_host_name_of_ours_is_answered(stack, host):
    assert send(stack, "GET", "/_/health", headers={"Host": host})[0] == 200


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("kind", "body"), [(JSON, b"{}"), (FORM, b"Action=CreateUser&UserName=x")])
def test_a_page_of_another_site_calls_nothing(stack, page, kind, body):
    status, headers, said = send(stack, "POST", "/", headers={**kind, **page}, body=body)
    assert (status, b"other sites" in said) == (403, True)
    assert "access-control-allow-origin" not in headers


def test_with_credentials_the_signature_alone_counts(locked):
    status, _, said = send(locked, "POST", "/", headers={**JSON, **PAGES[0]}, body=b"{}")
    assert (status, b"Missing Authentication Token" in said) == (403, True)


def test_answers_have_the_form_of_json_1_1(stack):
    status, headers, body = send(stack, "POST", "/", headers=JSON, body=b"")
    assert status == 200
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-requestid"].startswith("request-")
    team = json.loads(body)["Workteams"][0]
    assert team["CreateDate"] == 1767225600.0
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@pytest.mark.parametrize("body", [b"{", b"\xff", b'"\\ud800"', b"[" * 5000, b"NaN", b'{"a":1e999}'])
def test_a_body_that_is_no_json_is_told_so(stack, body):
    status, headers, told = send(stack, "POST", "/", headers=JSON, body=body)
    assert status == 400
    assert headers["x-amzn-errortype"] == "SerializationException"
    assert json.loads(told)["__type"] == "SerializationException"


def test_a_region_has_the_form_of_one(stack):
    assert stack.client(region="eu-west-1").list_workteams()["Workteams"] == []
    scope = "AWS4-HMAC-SHA256 Credential=local/20260101/a:b/sagemaker/aws4_request"
    status, _, told = send(stack, "POST", "/", headers=JSON | {"Authorization": scope})
    assert status == 400
    assert json.loads(told)["message"] == "The credential scope names no region of AWS: 'a:b'"


def test_a_body_that_is_too_long_is_not_read(stack):
    status, headers, told = send(stack, "POST", "/", headers=JSON, body=b" " * (API_LIMIT + 1))
    assert (status, headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
    assert json.loads(told)["message"] == f"The request body is longer than {API_LIMIT} bytes."


def test_a_failure_of_ours_is_an_error_of_aws(fresh, caplog):
    def break_down(_uri: str) -> bool:
        raise OSError("the disk is gone")

    fresh.teams.tags.list = break_down
    sagemaker = fresh.client(retries={"max_attempts": 0})
    with pytest.raises(ClientError) as caught:
        sagemaker.list_tags(ResourceArn="arn:aws:sagemaker:us-east-1:123456789012:workforce/x")
    assert caught.value.response["Error"] == {
        "Code": "InternalFailure",
        "Message": "OSError: the disk is gone",
    }
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "ListTags failed (request request-" in caplog.text


def test_workers_outside_the_allow_list_find_no_portal(fresh):
    fresh.api.handle(
        "UpdateWorkforce",
        {"WorkforceName": "default", "SourceIpConfig": {"Cidrs": ["10.0.0.0/8"]}},
        region="us-east-1",
    )
    assert send(fresh, "GET", "/_/")[0] == 404
    # A header does not make it another address.
    assert send(fresh, "GET", "/_/", headers={"X-Forwarded-For": "10.1.1.1"})[0] == 404
    assert send(fresh, "POST", "/", headers=JSON)[0] == 200


class TestWithCredentials:
    """Every call of AWS's protocols must be signed with a configured key."""

    def refused(self, locked: Stack, service: str, operation: str, **config: Any) -> str:
        client = locked.client(service, **config)
        sent = len(locked.calls.requests)
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)()
        assert len(locked.calls.requests) - sent == 1
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        code: str = caught.value.response["Error"]["Code"]
        return code

    @pytest.mark.parametrize(
        ("service", "operation"),
        [("sagemaker", "list_workteams"), ("sts", "get_caller_identity"), ("sns", "list_topics")],
    )
    def test_a_signature_is_asked_for(self, locked, service, operation):
        keys = {"access_key": "AKIDEXAMPLE", "secret_key": "a secret"}
        answered = getattr(locked.client(service, **keys), operation)()
        assert answered["ResponseMetadata"]["HTTPStatusCode"] == 200
        keys["secret_key"] = "wrong"
        assert self.refused(locked, service, operation, **keys) == "SignatureDoesNotMatch"
        keys["access_key"] = "unknown"
        assert self.refused(locked, service, operation, **keys) == "InvalidAccessKeyId"
        code = self.refused(locked, service, operation, signature_version=UNSIGNED)
        assert code == "MissingAuthenticationTokenException"

    def test_paths_of_other_services_are_encoded_twice_when_signed(self, locked):
        keys = {"access_key": "AKIDEXAMPLE", "secret_key": "a secret"}
        functions = locked.client("lambda", **keys)
        with pytest.raises(ClientError) as caught:
            functions.get_function(FunctionName="a b:c")
        # moto does not know the function; that it was asked shows that the signature held.
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 404}

    def test_a_body_other_than_the_signed_one_is_refused(self, locked):
        headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/"}
        headers["Authorization"] += "sagemaker/aws4_request, SignedHeaders=host, Signature=0"
        headers |= JSON | {"X-Amz-Content-Sha256": "0" * 64}
        status, got, _ = send(locked, "POST", "/", headers=headers, body=b"{}")
        assert (status, got["x-amzn-errortype"]) == (403, "InvalidSignatureException")

    def test_the_portal_has_its_own_keys(self, locked):
        assert send(locked, "GET", "/_/")[2] == b"portal"
