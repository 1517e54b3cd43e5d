"""The S3 protocol in the raw: hostile keys and bodies, conditions, ranges, rules of origin."""

from __future__ import annotations

import base64
import hashlib
import threading
import zlib
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from object_wire import Wire

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.folder.objects import FolderObjects
from gt_workflow.errors import StorageError
from gt_workflow.service.s3.application import Objects

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    made = FolderObjects(tmp_path / "root")
    yield made
    made.close()


@pytest.fixture
def wire(store):
    application = Objects(store, clock=ManualClock(NOW), new_id=lambda: "ID")
    wire = Wire(application)
    assert wire("PUT", "/bucket").status == 200
    yield wire
    application.close()


def at(key: str) -> str:
    return "/bucket/" + quote(key, safe="")


HOSTILE = [
    "../x",
    "../../../../etc/passwd",
    "..",
    ".",
    "a/../b",
    "/absolute",
    "//",
    "a//b",
    "nul\0key",
    "back\\..\\slash",
    "new\nline\r",
    "%2e%2e%2fx",
    "é",
    "e\u0301",
    "k" * 1024,
    "c" * 256 + "/x",
    "a/",
    "a",
    "a/b",
    " ",
    "+",
    "?x#y&z;",
    "<&>\"'",
    "\U0001f986",
]


def test_hostile_keys_are_keys_like_others_and_never_leave_the_root(wire, store, tmp_path):
    for key in HOSTILE:
        assert wire("PUT", at(key), key.encode()).status == 200
    for key in HOSTILE:
        reply = wire("GET", at(key))
        assert (reply.status, reply.body) == (200, key.encode())
    listed = wire("GET", "/bucket?list-type=2&encoding-type=url").all("Key")
    assert listed == [quote(key, safe="/") for key in sorted(HOSTILE, key=str.encode)]
    assert {path.name for path in tmp_path.iterdir()} == {"root"}
    assert {path.name for path in store.root.iterdir()} == {".gt", "bucket"}
    for key in HOSTILE:
        assert wire("DELETE", at(key)).status == 204
    assert list((store.root / "bucket").iterdir()) == []


@pytest.mark.parametrize("path", ["/bucket/../x", "/bucket/%2e%2e/x", "/bucket/%2E./%2e%2E/x"])
def test_dots_in_a_path_are_part_of_the_key(wire, store, tmp_path, path):
    (tmp_path / "x").write_text("secret")
    (store.root / "x").write_text("secret")
    assert wire("GET", path).code == "NoSuchKey"
    assert wire("PUT", path, b"mine").status == 200
    assert wire("GET", path).body == b"mine"
    assert (store.root / "x").read_text() == "secret"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/bucket/" + "k" * 1025, "KeyTooLongError"),
        ("/bucket/%ff", "InvalidURI"),
        ("/Bucket/x", "InvalidBucketName"),
        ("/.gt/objects.sqlite", "InvalidBucketName"),
        ("/../x", "InvalidBucketName"),
        ("/%2e%2e/x", "InvalidBucketName"),
        ("/other/x", "NoSuchBucket"),
        ("//x", "InvalidBucketName"),
    ],
)
def test_what_is_no_address_of_an_object_is_refused(wire, path, code):
    reply = wire("PUT", path, b"x")
    assert reply.code == code
    assert 400 <= reply.status < 500
    assert reply.all("RequestId") == ["ID"]
    assert reply.headers["x-amz-request-id"] == "ID"


def test_an_aborted_body_leaves_nothing(wire, store):
    wire("PUT", "/bucket/a", b"before")
    for pieces in ([b"x"], [b"x" * 3_000_000], [b""]):
        reply = wire("PUT", "/bucket/a", pieces, aborts=True, content_length="5000000")
        assert reply.status == 0  # nobody is there to be answered
    assert wire("GET", "/bucket/a").body == b"before"
    assert list((store.own / "tmp").iterdir()) == []


@pytest.mark.parametrize("length", ["4", "6", "2000000"])
def test_a_body_of_another_length_than_told_is_refused(wire, store, length):
    reply = wire("PUT", "/bucket/a", b"12345", content_length=length)
    assert (reply.status, reply.code) == (400, "IncompleteBody")
    assert wire("HEAD", "/bucket/a").status == 404
    assert list((store.own / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("length", "code"),
    [
        ("none", "MissingContentLength"),
        ("-1", "MissingContentLength"),
        ("5368709121", "EntityTooLarge"),
    ],
)
def test_a_put_must_tell_a_sound_length(wire, length, code):
    assert wire("PUT", "/bucket/a", b"x", content_length=length).code == code


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def digests(data: bytes) -> dict[str, str]:
    return {
        "content_md5": b64(hashlib.md5(data, usedforsecurity=False).digest()),
        "x_amz_checksum_crc32": b64(zlib.crc32(data).to_bytes(4, "big")),
        "x_amz_checksum_sha1": b64(hashlib.sha1(data, usedforsecurity=False).digest()),
        "x_amz_checksum_sha256": b64(hashlib.sha256(data).digest()),
        "x_amz_content_sha256": hashlib.sha256(data).hexdigest(),
    }


@pytest.mark.parametrize("name", digests(b""))
@pytest.mark.parametrize("size", [5, 3_000_000])
def test_a_digest_that_is_stated_must_be_right(wire, name, size):
    data = b"y" * size
    assert wire("PUT", "/bucket/good", data, **{name: digests(data)[name]}).status == 200
    reply = wire("PUT", "/bucket/bad", data, **{name: digests(b"other")[name]})
    assert reply.status == 400
    assert reply.code in {"BadDigest", "XAmzContentSHA256Mismatch"}
    assert wire("HEAD", "/bucket/bad").status == 404


def test_a_digest_that_cannot_be_is_refused(wire):
    assert wire("PUT", "/bucket/a", b"", content_md5="nonsense").code == "InvalidDigest"


def test_checksums_are_kept_and_told_to_who_asks(wire):
    name = "x-amz-checksum-crc32"
    stated = digests(b"data")["x_amz_checksum_crc32"]
    assert wire("PUT", "/bucket/a", b"data", x_amz_checksum_crc32=stated).headers[name] == stated
    assert name not in wire("GET", "/bucket/a").headers
    for method in ("GET", "HEAD"):
        reply = wire(method, "/bucket/a", x_amz_checksum_mode="ENABLED")
        assert reply.headers[name] == stated
    part = wire("GET", "/bucket/a", x_amz_checksum_mode="ENABLED", range="bytes=0-1")
    assert name not in part.headers


def test_an_algorithm_that_cannot_be_verified_is_not_claimed_to_be(wire):
    reply = wire("PUT", "/bucket/a", b"data", x_amz_checksum_crc64nvme="AAAAAAAAAAA=")
    assert reply.status == 200
    assert not any(name.startswith("x-amz-checksum") for name in reply.headers)


@pytest.mark.parametrize(
    ("asked", "body", "told"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-99", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-99", b"0123456789", "bytes 0-9/10"),
        ("bytes=4-2", b"0123456789", None),
        ("bytes=0-1,3-4", b"0123456789", None),
        ("lines=0-1", b"0123456789", None),
        ("bytes=a-b", b"0123456789", None),
        ("bytes=-", b"0123456789", None),
    ],
)
def test_ranges(wire, asked, body, told):
    wire("PUT", "/bucket/a", b"0123456789")
    for method in ("GET", "HEAD"):
        reply = wire(method, "/bucket/a", range=asked)
        assert reply.status == (200 if told is None else 206)
        assert reply.headers.get("content-range") == told
        assert reply.headers["content-length"] == str(len(body))
        assert reply.body == (body if method == "GET" else b"")


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(wire, asked):
    wire("PUT", "/bucket/a", b"0123456789")
    assert (wire("GET", "/bucket/a", range=asked).status) == 416
    assert wire("GET", "/bucket/a", range=asked).code == "InvalidRange"
    assert wire("HEAD", "/bucket/a", range=asked).body == b""


def test_large_answers_come_in_pieces(wire):
    data = bytes(range(256)) * 8192
    wire("PUT", "/bucket/a", [data[:1_500_000], data[1_500_000:]])
    reply = wire("GET", "/bucket/a")
    assert reply.body == data
    assert reply.pieces > 4
    assert wire("GET", "/bucket/a", range="bytes=5-2000000").body == data[5:2000001]


ETAG = hashlib.md5(b"data", usedforsecurity=False).hexdigest()
BEFORE, AFTER = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"if_match": f'"{ETAG}"'}),
        (200, {"if_match": "*"}),
        (412, {"if_match": '"other"'}),
        (200, {"if_match": f'"other", "{ETAG}"'}),
        (304, {"if_none_match": f'"{ETAG}"'}),
        (304, {"if_none_match": f'W/"{ETAG}"'}),
        (200, {"if_none_match": '"other"'}),
        (304, {"if_modified_since": AFTER}),
        (200, {"if_modified_since": BEFORE}),
        (200, {"if_modified_since": "yesterday"}),
        (412, {"if_unmodified_since": BEFORE}),
        (200, {"if_unmodified_since": AFTER}),
        (200, {"if_match": f'"{ETAG}"', "if_unmodified_since": BEFORE}),
        (200, {"if_none_match": '"other"', "if_modified_since": AFTER}),
    ],
)
def test_conditions_on_reading(wire, status, headers):
    wire("PUT", "/bucket/a", b"data")
    for method in ("GET", "HEAD"):
        reply = wire(method, "/bucket/a", **headers)
        assert reply.status == status
        if status == 304:
            assert (reply.body, reply.headers["etag"]) == (b"", f'"{ETAG}"')


def test_conditions_on_writing(wire):
    assert wire("PUT", "/bucket/a", b"data", if_match='"x"').code == "NoSuchKey"
    assert wire("PUT", "/bucket/a", b"data", if_none_match="*").status == 200
    assert wire("PUT", "/bucket/a", b"2", if_none_match="*").status == 412
    assert wire("PUT", "/bucket/a", b"2", if_none_match='"x"').code == "NotImplemented"
    assert wire("PUT", "/bucket/a", b"2", if_match='"x"').code == "PreconditionFailed"
    assert wire("DELETE", "/bucket/a", if_match='"x"').code == "PreconditionFailed"
    assert wire("PUT", "/bucket/a", b"2", if_match=f'"{ETAG}"').status == 200
    assert wire("GET", "/bucket/a").body == b"2"


def test_what_was_said_about_an_object_is_told_again(wire):
    said = {
        "content_type": "image/jpeg",
        "cache_control": "no-cache",
        "content_disposition": 'attachment; filename="ü"',
        "content_encoding": "aws-chunked,gzip",
        "content_language": "de",
        "expires": AFTER,
        "x_amz_meta_origin": "0123",
    }
    framed = b"1\r\nx\r\n0\r\n\r\n"
    wire("PUT", "/bucket/a", framed, x_amz_decoded_content_length="1", **said)
    reply = wire("HEAD", "/bucket/a")
    said["content_encoding"] = "gzip"
    assert {n: reply.headers.get(n.replace("_", "-")) for n in said} == said
    changed = wire("GET", "/bucket/a?response-content-type=text%2Fplain&response-expires=0")
    assert (changed.headers["content-type"], changed.headers["expires"]) == ("text/plain", "0")


def test_a_query_cannot_add_headers(wire):
    wire("PUT", "/bucket/a", b"data")
    reply = wire("GET", "/bucket/a?response-content-type=text%2Fplain%0D%0AX-Evil:%201")
    assert reply.code == "InvalidArgument"


def test_too_much_metadata_is_refused(wire):
    assert wire("PUT", "/bucket/a", b"", x_amz_meta_a="x" * 2050).code == "MetadataTooLarge"


def test_an_object_cannot_act_as_a_page_of_this_origin(wire):
    wire("PUT", "/bucket/a.html", b"<script>", content_type="text/html")
    headers = wire("GET", "/bucket/a.html").headers
    assert headers["content-security-policy"] == "sandbox"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
def test_unsigned_requests_are_refused(wire, method):
    reply = wire(method, "/bucket/a", signed=False)
    assert reply.status == 403
    assert reply.code == ("AccessDenied" if method != "HEAD" else "")


def test_a_bucket_of_somebody_else_is_refused(wire):
    reply = wire("GET", "/bucket", x_amz_expected_bucket_owner="999999999999")
    assert reply.status == 403
    assert wire("GET", "/bucket", x_amz_expected_bucket_owner="123456789012").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/bucket?versions", 501, "NotImplemented"),
        ("PUT", "/bucket?versioning", 501, "NotImplemented"),
        ("PUT", "/bucket?acl", 501, "NotImplemented"),
        ("PUT", "/bucket/a?tagging", 501, "NotImplemented"),
        ("POST", "/bucket/a?select", 501, "NotImplemented"),
        ("POST", "/bucket", 501, "NotImplemented"),
        ("PATCH", "/bucket/a", 405, "MethodNotAllowed"),
        ("DELETE", "/", 405, "MethodNotAllowed"),
        ("POST", "/bucket/a", 405, "MethodNotAllowed"),
        ("GET", "/bucket?policy", 404, "NoSuchBucketPolicy"),
        ("GET", "/bucket?tagging", 404, "NoSuchTagSet"),
        ("GET", "/bucket?cors", 404, "NoSuchCORSConfiguration"),
        ("GET", "/bucket?max-keys=x", 400, "InvalidArgument"),
        ("GET", "/bucket?max-keys=-1", 400, "InvalidArgument"),
        ("GET", "/bucket?encoding-type=x", 400, "InvalidArgument"),
        ("GET", "/bucket?list-type=2&continuation-token=%00", 400, "InvalidArgument"),
        ("GET", "/bucket/a?versionId=1", 404, "NoSuchVersion"),
        ("PUT", "/bucket/a?partNumber=0&uploadId=x", 404, "NoSuchUpload"),
        ("PUT", "/bucket?cors", 400, "MalformedXML"),
        ("POST", "/bucket?delete", 400, "MalformedXML"),
    ],
)
def test_what_is_not_there_is_refused_at_once_and_not_to_be_tried_again(
    wire, method, path, status, code
):
    reply = wire(method, path)
    assert (reply.status, reply.code) == (status, code)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"x_amz_acl": "public-read"}, "AccessControlListNotSupported"),
        ({"x_amz_tagging": "a=b"}, "NotImplemented"),
        ({"x_amz_object_lock_mode": "GOVERNANCE"}, "InvalidRequest"),
        ({"x_amz_server_side_encryption_customer_algorithm": "AES256"}, "NotImplemented"),
    ],
)
def test_what_a_put_asks_for_is_not_silently_dropped(wire, header, code):
    assert wire("PUT", "/bucket/a", b"", **header).code == code
    assert wire("POST", "/bucket/a?uploads", b"", **header).code == code


@pytest.mark.parametrize("name", ["acl", "versioning", "logging", "notification", "requestPayment"])
def test_settings_that_tools_ask_for_have_the_answer_of_a_new_bucket(wire, name):
    assert wire("GET", f"/bucket?{name}").status == 200
    assert wire("GET", f"/nothing-here?{name}").code == "NoSuchBucket"


def test_listing_parameters_are_told_again(wire):
    for key in ("a", "b", "c"):
        wire("PUT", f"/bucket/{key}")
    reply = wire("GET", "/bucket?list-type=2&max-keys=2&start-after=0&fetch-owner=true")
    assert reply.all("Key") == ["a", "b"]
    assert (reply.all("IsTruncated"), reply.all("KeyCount")) == (["true"], ["2"])
    assert reply.all("StartAfter") == ["0"]
    assert len(reply.all("DisplayName")) == 2
    (token,) = reply.all("NextContinuationToken")
    assert wire("GET", f"/bucket?list-type=2&continuation-token={token}").all("Key") == ["c"]
    assert wire("GET", "/bucket?max-keys=0").all("IsTruncated") == ["false"]
    assert wire("GET", "/bucket?marker=b").all("Key") == ["c"]
    assert wire("GET", "/bucket").headers["x-amz-bucket-region"] == "us-east-1"


def test_a_host_may_name_the_bucket(wire):
    wire("PUT", "/a", b"data", host="bucket.localhost:9000")
    assert wire("GET", "/bucket/a").body == b"data"
    assert wire("GET", "/", host="bucket.localhost:9000").all("Key") == ["a"]


def test_buckets_are_of_the_region_they_were_made_in(wire):
    document = (
        b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
        b"</CreateBucketConfiguration>"
    )
    assert wire("PUT", "/elsewhere", document).headers["location"] == "/elsewhere"
    assert wire("GET", "/elsewhere?location").body.endswith(b">eu-west-1</LocationConstraint>")
    assert wire("HEAD", "/elsewhere").headers["x-amz-bucket-region"] == "eu-west-1"
    assert wire("PUT", "/elsewhere").code == "BucketAlreadyOwnedByYou"
    assert wire("GET", "/?prefix=else").all("Name") == ["elsewhere"]
    assert wire("DELETE", "/elsewhere").status == 204
    assert wire("HEAD", "/elsewhere").status == 404


def test_many_keys_are_deleted_at_once_and_each_is_told(wire):
    for key in ("a", "b<"):
        wire("PUT", at(key))
    asked = "".join(
        f"<Object><Key>{key}</Key></Object>" for key in ("a", "b&lt;", "none", "k" * 1025)
    )
    reply = wire("POST", "/bucket?delete", f"<Delete>{asked}</Delete>".encode())
    assert reply.all("Key") == ["a", "b&lt;", "none", "k" * 1025]
    assert reply.code == "KeyTooLongError"
    assert wire("GET", "/bucket").all("Key") == []
    quiet = wire("POST", "/bucket?delete", f"<Delete>{asked}<Quiet>true</Quiet></Delete>".encode())
    assert quiet.all("Key") == ["k" * 1025]
    large = b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1001 + b"</Delete>"
    assert wire("POST", "/bucket?delete", large).code == "MalformedXML"
    assert wire("POST", "/bucket?delete", b" " * 3_000_000).code == "MaxMessageLengthExceeded"


RULES = b"""<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<CORSRule><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod>
<AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>
<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>
<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>
</CORSConfiguration>"""
THEIRS = "https://a.example.com"


def test_rules_of_origin_are_kept_and_applied(wire):
    assert wire("PUT", "/bucket?cors", RULES).status == 200
    assert wire("GET", "/bucket?cors").body == RULES
    encoded = b"\xff\xfe" + RULES.decode().encode("utf-16-le")
    assert wire("PUT", "/bucket?cors", encoded).code == "MalformedXML"
    preflight = {"access_control_request_method": "PUT", "signed": False}
    reply = wire(
        "OPTIONS",
        "/bucket/a",
        origin=THEIRS,
        access_control_request_headers="X-Amz-Date",
        **preflight,
    )
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == THEIRS
    assert reply.headers["access-control-allow-headers"] == "x-amz-date"
    assert reply.headers["access-control-max-age"] == "60"
    assert wire("OPTIONS", "/bucket/a", origin="https://b.org", **preflight).status == 403
    other = {"access_control_request_headers": "x-other", **preflight}
    assert wire("OPTIONS", "/bucket/a", origin=THEIRS, **other).status == 403
    reply = wire("PUT", "/bucket/a", b"data", origin=THEIRS)
    assert reply.status == 200
    assert reply.headers["access-control-expose-headers"] == "ETag"
    reply = wire("GET", "/bucket/a", origin="https://anyone.org")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" in wire("GET", "/bucket/no", origin=THEIRS).headers
    assert wire("DELETE", "/bucket?cors").status == 204
    assert wire("OPTIONS", "/bucket/a", origin=THEIRS, **preflight).status == 403
    assert wire("OPTIONS", "/bucket/a", signed=False).status == 400


@pytest.mark.parametrize("origin", ["https://evil.org", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_changes_nothing_without_a_rule(wire, origin):
    wire("PUT", "/bucket/a", b"data")
    for method, path in (("DELETE", "/bucket/a"), ("PUT", "/bucket/b"), ("POST", "/bucket?delete")):
        assert wire(method, path, origin=origin).code == "AccessForbidden"
    reply = wire("GET", "/bucket/a", origin=origin)
    assert "access-control-allow-origin" not in reply.headers
    assert wire("PUT", "/bucket/b", origin="http://127.0.0.1:9000").status == 200


def test_signatures_are_verified_where_secrets_are_configured(store):
    application = Objects(store, clock=ManualClock(NOW), secrets={"key": "secret"})
    wire = Wire(application)
    assert wire("GET", "/", date="Thu, 01 Jan 2026 00:00:00 GMT").code == "SignatureDoesNotMatch"
    assert wire("GET", "/", authorization="AWS other:x").code == "InvalidAccessKeyId"
    assert wire("GET", "/").code == "AccessDenied"
    application.close()


def test_a_presigned_address_is_refused_when_it_has_expired(wire):
    wire("PUT", "/bucket/a", b"data")
    signed = "/bucket/a?AWSAccessKeyId=k&Signature=s&Expires="
    late, early = int(NOW.timestamp()), int(NOW.timestamp()) + 1
    assert wire("GET", f"{signed}{early}", signed=False).body == b"data"
    reply = wire("GET", f"{signed}{late}", signed=False)
    assert (reply.status, reply.code) == (403, "AccessDenied")
    assert b"Request has expired" in reply.body


def test_a_copy_keeps_or_replaces_what_was_said(wire):
    wire("PUT", at("a b"), b"data", content_type="image/png", x_amz_meta_x="1")
    assert wire("PUT", "/bucket/b", x_amz_copy_source="/bucket/a%20b").all("ETag")
    copied = wire("HEAD", "/bucket/b").headers
    assert (copied["content-type"], copied["x-amz-meta-x"]) == ("image/png", "1")
    replaced = {"x_amz_metadata_directive": "REPLACE", "x_amz_meta_x": "2"}
    wire("PUT", "/bucket/b", x_amz_copy_source="bucket/b", **replaced)
    assert wire("HEAD", "/bucket/b").headers["x-amz-meta-x"] == "2"
    for source, code in (
        ("bucket/b", "InvalidRequest"),
        ("bucket/none", "NoSuchKey"),
        ("none-such/b", "NoSuchBucket"),
        ("bucket", "InvalidArgument"),
        ("bucket/../../x", "NoSuchKey"),
        ("bucket/b?versionId=1", "NoSuchVersion"),
    ):
        assert wire("PUT", "/bucket/b", x_amz_copy_source=source).code == code
    guard = {"x_amz_copy_source": "bucket/b", "x_amz_copy_source_if_none_match": f'"{ETAG}"'}
    assert wire("PUT", "/bucket/c", **guard).status == 412


def test_a_part_is_copied_from_a_stretch_of_an_object(wire):
    wire("PUT", "/bucket/a", b"0123456789")
    (upload,) = wire("POST", "/bucket/b?uploads").all("UploadId")
    part = f"/bucket/b?partNumber=1&uploadId={upload}"
    source = {"x_amz_copy_source": "bucket/a"}
    for asked in ("bytes=5-", "bytes=5-10", "bytes=6-5", "5-6"):
        reply = wire("PUT", part, **source, x_amz_copy_source_range=asked)
        assert reply.code == "InvalidArgument"
    (etag,) = wire("PUT", part, **source, x_amz_copy_source_range="bytes=2-4").all("ETag")
    for number, code in (
        ("0", "InvalidArgument"),
        ("10001", "InvalidArgument"),
        ("x", "MalformedXML"),
    ):
        path = f"/bucket/b?partNumber={number}&uploadId={upload}"
        assert wire("PUT", path, b"x").code == code
    assert wire("GET", f"/bucket/b?uploadId={upload}").all("Size") == ["3"]
    assert wire("GET", "/bucket/b?uploadId=x").code == "NoSuchUpload"
    complete = f"/bucket/b?uploadId={upload}"
    assert wire("POST", complete, b"<CompleteMultipartUpload/>").code == "MalformedXML"
    document = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{document}</CompleteMultipartUpload>"
    assert wire("POST", complete, document.encode(), if_match='"x"').code == "NoSuchKey"
    assert wire("POST", complete, document.encode(), if_none_match="*").status == 200
    assert wire("GET", "/bucket/b").body == b"234"
    assert wire("GET", "/bucket/b?partNumber=2").code == "InvalidPartNumber"
    assert wire("DELETE", complete).code == "NoSuchUpload"


def test_a_copy_is_told_what_it_may_not(wire):
    wire("PUT", "/bucket/a", b"x")
    source = {"x_amz_copy_source": "bucket/a"}
    reply = wire("PUT", "/bucket/b", **source, x_amz_metadata_directive="OTHER")
    assert reply.code == "InvalidArgument"
    assert wire("PUT", "/bucket/b", **source, x_amz_acl="public-read").status == 400


class SlowStore(FolderObjects):
    """Copies only when told to."""

    def __init__(self, root) -> None:
        super().__init__(root)
        self.go = threading.Event()
        self.fails = False

    def writer(self, bucket, key):
        if key == "slow":
            self.go.wait(30)
        return super().writer("none-such" if self.fails else bucket, key)


@pytest.mark.parametrize("fails", [False, True])
def test_a_slow_action_keeps_its_client_with_white_space(tmp_path, fails):
    store = SlowStore(tmp_path)
    application = Objects(store, clock=ManualClock(NOW), patience=0.01)
    wire = Wire(application, watch=lambda piece: piece == b" " and store.go.set())
    wire("PUT", "/bucket")
    wire("PUT", "/bucket/a", b"data")
    store.fails = fails
    reply = wire("PUT", "/bucket/slow", x_amz_copy_source="bucket/a")
    assert reply.status == 200
    assert reply.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n ')
    assert reply.code == ("NoSuchBucket" if fails else "")
    assert reply.all("ETag") == ([] if fails else ["&quot;8d777f385d3dfec8815d20f7496026dc&quot;"])
    application.close()
    store.close()


def test_a_full_disk_is_told_as_such_and_not_to_be_tried_again(tmp_path):
    class FullStore(FolderObjects):
        def writer(self, bucket, key):
            uri = f"s3://{bucket}/{key}"
            raise StorageError("No space left on device", uri=uri) from OSError(28, "full")

    store = FullStore(tmp_path)
    application = Objects(store, clock=ManualClock(NOW))
    wire = Wire(application)
    wire("PUT", "/bucket")
    reply = wire("PUT", "/bucket/a", b"x")
    assert (reply.status, reply.code) == (507, "InsufficientStorage")
    application.close()
    store.close()
