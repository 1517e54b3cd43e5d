"""Signatures are what botocore makes of them, in headers, in addresses and in chunks."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import (
    HmacV1Auth,
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gt_workflow.service.faults import Fault
from gt_workflow.service.s3.signatures import (
    ChunkSigner,
    CredentialScope,
    SignedRequest,
    scope_of,
    verify,
)

SECRETS = {"AKID/with/slashes": "secret"}
CREDENTIALS = Credentials("AKID/with/slashes", "secret")
ADDRESS = "http://127.0.0.1:9000/bucket/a%20key/%C3%A9+%2B?list-type=2&prefix=a%2Fb&empty="
OF = "X-Amz-Credential=A%2F20260101%2Fr%2Fs3%2Faws4_request"
SIGNERS = {
    "v4": S3SigV4Auth(CREDENTIALS, "s3", "eu-west-1"),
    "v4 query": S3SigV4QueryAuth(CREDENTIALS, "s3", "eu-west-1", expires=60),
    "v2": HmacV1Auth(CREDENTIALS),
    "v2 query": HmacV1QueryAuth(CREDENTIALS, expires=60),
}


def signed(
    how: str, *, method: str = "GET", url: str = ADDRESS, data: bytes = b""
) -> SignedRequest:
    headers = {"Content-Type": "text/plain", "x-amz-meta-name": "two  words"}
    request = AWSRequest(method=method, url=url, data=data, headers=headers)
    SIGNERS[how].add_auth(request)
    return as_sent(request)


def as_sent(request: AWSRequest) -> SignedRequest:
    prepared = request.prepare()
    address = prepared.url.removeprefix("http://127.0.0.1:9000")
    path, _, query = address.partition("?")
    headers = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    return SignedRequest(prepared.method, path, query, {"host": "127.0.0.1:9000", **headers})


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("how", SIGNERS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_botocore_signs_is_verified(how, method):
    request = signed(how, method=method)
    signature = verify(request, now=datetime.now(UTC), secrets=SECRETS)
    assert signature.scope.access_key == "AKID/with/slashes"
    assert signature.scope.service == "s3"
    assert signature.presigned == how.endswith("query")
    if how.startswith("v4"):
        assert signature.scope.region == "eu-west-1"


@pytest.mark.parametrize("how", SIGNERS)
@pytest.mark.parametrize("part", ["method", "path", "header", "query", "secret"])
def test_nothing_signed_can_be_changed(how, part):
    request = signed(how)
    secrets = SECRETS
    if part == "method":
        request = SignedRequest("DELETE", request.path, request.query, request.headers)
    elif part == "path":
        request = SignedRequest(request.method, request.path + "x", request.query, request.headers)
    elif part == "header":
        changed = {**request.headers, "x-amz-meta-name": "others"}
        request = SignedRequest(request.method, request.path, request.query, changed)
    elif part == "query":
        request = SignedRequest(
            request.method, request.path, request.query + "&acl", request.headers
        )
    else:
        secrets = {"AKID/with/slashes": "another"}
    with pytest.raises(Fault) as refused:
        verify(request, now=datetime.now(UTC), secrets=secrets)
    assert (refused.value.code, refused.value.status) == ("SignatureDoesNotMatch", 403)


@pytest.mark.parametrize("how", ["v4 query", "v2 query"])
@pytest.mark.parametrize("secrets", [None, SECRETS])
def test_a_presigned_address_expires_whoever_signed_it(how, secrets):
    request = signed(how)
    now = datetime.now(UTC)
    verify(request, now=now + timedelta(seconds=50), secrets=secrets)
    with pytest.raises(Fault, match="Request has expired") as refused:
        verify(request, now=now + timedelta(seconds=61), secrets=secrets)
    assert (refused.value.code, refused.value.status) == ("AccessDenied", 403)


@pytest.mark.parametrize(
    "query",
    [
        OF,
        f"{OF}&X-Amz-Date=x&X-Amz-Expires=60",
        f"{OF}&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604801",
        "AWSAccessKeyId=A&Signature=x&Expires=99999999999999999999",
        "AWSAccessKeyId=A&Signature=x&Expires=soon",
    ],
)
def test_an_address_without_a_sound_expiry_is_refused(query):
    with pytest.raises(Fault) as refused:
        verify(SignedRequest("GET", "/b/k", query, {}), now=datetime.now(UTC), secrets=None)
    assert refused.value.code == "AuthorizationQueryParametersError"


def test_an_address_from_the_future_is_refused():
    request = signed("v4 query")
    with pytest.raises(Fault, match="not yet valid"):
        verify(request, now=datetime.now(UTC) - timedelta(minutes=16), secrets=None)


@pytest.mark.parametrize("how", ["v4", "v2"])
def test_a_signature_from_another_time_is_refused(how):
    with pytest.raises(Fault) as refused:
        verify(signed(how), now=datetime.now(UTC) + timedelta(minutes=16), secrets=SECRETS)
    assert refused.value.code == "RequestTimeTooSkewed"


def test_an_unknown_key_is_refused_and_without_secrets_any_is_taken():
    request = signed("v4")
    with pytest.raises(Fault) as refused:
        verify(request, now=datetime.now(UTC), secrets={"other": "x"})
    assert refused.value.code == "InvalidAccessKeyId"
    assert verify(request, now=datetime.now(UTC), secrets=None).scope.region == "eu-west-1"


def test_an_unsigned_request_is_refused_even_without_secrets():
    with pytest.raises(Fault) as refused:
        verify(SignedRequest("GET", "/b/k", "", {}), now=datetime.now(UTC), secrets=None)
    assert (refused.value.code, refused.value.status) == ("AccessDenied", 403)


@pytest.mark.parametrize("header", ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x", "Basic x"])
def test_a_malformed_header_is_no_signature(header):
    assert scope_of({"authorization": header}, {}) is None


def test_the_service_of_a_request_is_told_from_its_scope():
    request = AWSRequest(method="POST", url="http://127.0.0.1:9000/", data=b"{}")
    SigV4Auth(CREDENTIALS, "sagemaker", "us-west-2").add_auth(request)
    sent = as_sent(request)
    scope = scope_of(sent.headers, {})
    assert scope == CredentialScope("AKID/with/slashes", scope.date, "us-west-2", "sagemaker")
    digest = hashlib.sha256(b"{}").hexdigest()
    verify(sent, now=datetime.now(UTC), secrets=SECRETS, body_sha256=digest)
    with pytest.raises(Fault):
        verify(sent, now=datetime.now(UTC), secrets=SECRETS, body_sha256="0" * 64)


def test_chunks_are_signed_as_in_the_example_of_the_documentation():
    # "Signature Calculations for the Authorization Header: Transferring Payload in Multiple
    # Chunks": 65,536 and 1,024 bytes of "a", then the empty chunk.
    key = b"AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    for part in (b"20130524", b"us-east-1", b"s3", b"aws4_request"):
        key = derived(key, part)
    signer = ChunkSigner(
        key=key,
        timestamp="20130524T000000Z",
        scope="20130524/us-east-1/s3/aws4_request",
        seed="4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    for data, expected in (
        (b"a" * 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (b"a" * 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ):
        signer.check_chunk(hashlib.sha256(data).hexdigest(), expected)
    with pytest.raises(Fault):
        signer.check_chunk(hashlib.sha256(b"").hexdigest(), "0" * 64)


def derived(key: bytes, part: bytes) -> bytes:
    return hmac.digest(key, part, "sha256")
