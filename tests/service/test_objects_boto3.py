"""Unmodified boto3, and addresses it signs, against the object store over the wire."""

from __future__ import annotations

import base64
import io
import itertools
import os
import socket
import zlib
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from served import served

from gt_workflow.adapters.clock import SystemClock
from gt_workflow.adapters.folder.objects import FolderObjects
from gt_workflow.service.s3.application import Objects

SECRETS = {"access": "secret"}
numbers = itertools.count()


@pytest.fixture(scope="module", params=["any key", "secrets"])
def address(request, tmp_path_factory):
    store = FolderObjects(tmp_path_factory.mktemp("root"))
    secrets = None if request.param == "any key" else SECRETS
    application = Objects(store, clock=SystemClock(), secrets=secrets)
    with served(application) as url:
        yield url
    application.close()
    store.close()


@pytest.fixture
def connect(address):
    def connect(**config):
        return boto3.client(
            "s3",
            endpoint_url=address,
            region_name="eu-west-1",
            aws_access_key_id="access",
            aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 0}, **config),
        )

    return connect


@pytest.fixture
def s3(connect):
    return connect()


@pytest.fixture
def bucket(s3) -> str:
    name = f"bucket-{next(numbers)}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


def code(call, **arguments) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_an_object_and_what_is_said_about_it(s3, bucket):
    key = "a/b c+é%2F?#&.txt"
    said = {"ContentType": "text/plain", "Metadata": {"origin": "1"}, "CacheControl": "no-store"}
    put = s3.put_object(Bucket=bucket, Key=key, Body=b"hello", **said)
    assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == b"hello"
    head = s3.head_object(Bucket=bucket, Key=key)
    for answer in (got, head):
        assert {name: answer[name] for name in said} == said
        assert (answer["ETag"], answer["ContentLength"]) == (put["ETag"], 5)
        assert answer["ResponseMetadata"]["RequestId"]
    assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=-2")["Body"].read() == b"lo"
    (item,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (item["Key"], item["ETag"], item["Size"]) == (key, put["ETag"], 5)
    assert item["LastModified"] == head["LastModified"]
    s3.delete_object(Bucket=bucket, Key=key)
    assert code(s3.head_object, Bucket=bucket, Key=key) == ("404", 404)


@pytest.mark.parametrize("payload_signing", [True, False])
@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256", None])
def test_every_way_to_send_a_body(connect, bucket, payload_signing, checksums, algorithm):
    s3 = connect(
        s3={"payload_signing_enabled": payload_signing}, request_checksum_calculation=checksums
    )
    extra = {} if algorithm is None else {"ChecksumAlgorithm": algorithm}
    s3.put_object(Bucket=bucket, Key="bytes", Body=b"x" * 100_000, **extra)
    s3.put_object(Bucket=bucket, Key="file", Body=io.BytesIO(b"x" * 100_000), **extra)
    s3.upload_fileobj(io.BytesIO(b"x" * 100_000), bucket, "transfer", ExtraArgs=extra)
    for key in ("bytes", "file", "transfer"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x" * 100_000


def test_a_large_file_goes_up_in_parts_and_comes_down_in_ranges(s3, bucket, tmp_path):
    data = os.urandom(1 << 20) * 20
    (tmp_path / "file").write_bytes(data)
    s3.upload_file(str(tmp_path / "file"), bucket, "big")
    head = s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-3"')
    assert head["ChecksumCRC32"].endswith("-3")
    s3.download_file(bucket, "big", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == data
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copied", Config=TransferConfig(1 << 23))
    assert s3.head_object(Bucket=bucket, Key="copied")["ETag"] == head["ETag"]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_multipart_upload_step_by_step(s3, bucket):
    given = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**given, Metadata={"a": "b"}, ContentType="image/png")
    given["UploadId"] = upload["UploadId"]
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["Key"] == "k"
    parts = []
    for number, data in ((1, b"a" * 5 * 1024 * 1024), (2, b"b")):
        answer = s3.upload_part(**given, PartNumber=number, Body=data)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    pages = s3.get_paginator("list_parts").paginate(**given, PaginationConfig={"PageSize": 1})
    assert [p["PartNumber"] for page in pages for p in page["Parts"]] == [1, 2]
    finish = s3.complete_multipart_upload
    wrong = [{"PartNumber": 1, "ETag": '"x"'}]
    assert code(finish, **given, MultipartUpload={"Parts": wrong}) == ("InvalidPart", 400)
    back = {"Parts": parts[::-1]}
    assert code(finish, **given, MultipartUpload=back) == ("InvalidPartOrder", 400)
    done = finish(**given, MultipartUpload={"Parts": parts})
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] == done["ETag"]
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "b"}
    assert code(s3.abort_multipart_upload, **given) == ("NoSuchUpload", 404)


def test_the_checksum_of_the_whole_of_many_parts(s3, bucket):
    given = {"Bucket": bucket, "Key": "k"}
    kind = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
    given["UploadId"] = s3.create_multipart_upload(**given, **kind)["UploadId"]
    whole = b"a" * 5 * 1024 * 1024 + b"b"
    parts = []
    for number, data in ((1, whole[:-1]), (2, whole[-1:])):
        answer = s3.upload_part(**given, PartNumber=number, Body=data, ChecksumAlgorithm="CRC32")
        names = ("ETag", "ChecksumCRC32")
        parts.append({"PartNumber": number, **{name: answer[name] for name in names}})
    end = {"MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT"}
    finish = s3.complete_multipart_upload
    assert code(finish, **given, **end, ChecksumCRC32="AAAAAA==") == ("BadDigest", 400)
    right = base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()
    assert finish(**given, **end, ChecksumCRC32=right)["ChecksumCRC32"] == right
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumCRC32"] == right
    assert got["Body"].read() == whole


@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages(s3, bucket, operation, delimiter):
    keys = sorted([f"d/{n}" for n in range(7)] + ["a b", "é+", "x/y/z", "new\nline", "\x01"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    pages = s3.get_paginator(operation).paginate(
        Bucket=bucket, Delimiter=delimiter, PaginationConfig={"PageSize": 3}
    )
    found, groups = [], []
    for page in pages:
        found += [item["Key"] for item in page.get("Contents", [])]
        groups += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
    expected = [key for key in keys if not delimiter or "/" not in key]
    assert found == sorted(expected, key=str.encode)
    assert groups == (["d/", "x/"] if delimiter else [])


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_addresses(connect, bucket, version):
    s3 = connect(signature_version=version)
    given = {"Bucket": bucket, "Key": "a b/ü+.txt"}
    url = s3.generate_presigned_url("put_object", Params={**given, "ContentType": "text/x"})
    said = {"Content-Type": "text/x"}
    assert urllib3.request("PUT", url, body=b"data", headers=said).status == 200
    url = s3.generate_presigned_url("get_object", Params={**given, "ResponseExpires": 0})
    answer = urllib3.request("GET", url)
    assert answer.data == b"data"
    assert answer.headers["content-type"] == "text/x"
    assert answer.headers["expires"]
    url = s3.generate_presigned_url("get_object", Params=given, ExpiresIn=-1)
    assert urllib3.request("GET", url).status in {400, 403}


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("get_object", {"Key": "none"}, ("NoSuchKey", 404)),
        ("get_object", {"Bucket": "no-such-bucket", "Key": "k"}, ("NoSuchBucket", 404)),
        ("head_bucket", {"Bucket": "no-such-bucket"}, ("404", 404)),
        ("put_object", {"Bucket": "no-such-bucket", "Key": "k"}, ("NoSuchBucket", 404)),
        ("get_object", {"Key": "there", "Range": "bytes=9-"}, ("InvalidRange", 416)),
        ("get_object", {"Key": "there", "IfMatch": "x"}, ("PreconditionFailed", 412)),
        ("put_object", {"Key": "there", "IfNoneMatch": "*"}, ("PreconditionFailed", 412)),
        ("put_object", {"Key": "k" * 1025}, ("KeyTooLongError", 400)),
        ("delete_bucket", {}, ("BucketNotEmpty", 409)),
        ("create_bucket", {}, ("BucketAlreadyOwnedByYou", 409)),
        ("get_bucket_cors", {}, ("NoSuchCORSConfiguration", 404)),
        ("list_object_versions", {}, ("NotImplemented", 501)),
    ],
)
def test_errors_are_those_of_s3(s3, bucket, operation, arguments, expected):
    s3.put_object(Bucket=bucket, Key="there", Body=b"123")
    assert code(getattr(s3, operation), **{"Bucket": bucket, **arguments}) == expected


def test_a_client_that_goes_away_leaves_nothing_and_blocks_nobody(address, s3, bucket):
    s3.put_object(Bucket=bucket, Key="there", Body=b"x" * 50_000_000)
    url = urlsplit(address)
    for params, operation, rest in (
        ({"Key": "half"}, "put_object", "Content-Length: 9000000\r\n\r\n" + "x" * 3_000_000),
        ({"Key": "there"}, "get_object", "\r\n"),
    ):
        signed = s3.generate_presigned_url(operation, Params={"Bucket": bucket, **params})
        target = signed.removeprefix(address)
        with socket.create_connection((url.hostname, url.port)) as connection:
            head = f"{operation[:3].upper()} {target} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            connection.sendall((head + rest).encode())
            if operation == "get_object":
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["there"]


def test_an_unsigned_client_is_refused(connect, bucket):
    s3 = connect(signature_version=UNSIGNED)
    assert code(s3.list_objects_v2, Bucket=bucket) == ("AccessDenied", 403)


def test_rules_of_origin_by_the_sdk(s3, bucket):
    rules = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=rules)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules["CORSRules"]
    s3.delete_bucket_cors(Bucket=bucket)


def test_what_scripts_ask_of_a_bucket(s3, bucket):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-west-1"
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "eu-west-1"
    assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]


def test_the_resource_empties_a_bucket(address, s3, bucket):
    for number in range(12):
        s3.put_object(Bucket=bucket, Key=f"{number % 3}/{number}", Body=b"")
    resource = boto3.resource(
        "s3",
        endpoint_url=address,
        region_name="eu-west-1",
        aws_access_key_id="access",
        aws_secret_access_key="secret",
    )
    resource.Bucket(bucket).objects.all().delete()
    resource.Bucket(bucket).delete()
    assert code(s3.head_bucket, Bucket=bucket) == ("404", 404)
