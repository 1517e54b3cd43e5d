"""S3's operations on buckets: life, listing, CORS, and fixed answers where tools ask for more."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from urllib.parse import quote

from gt_workflow.object_store import Object, ObjectStore
from gt_workflow.service.faults import Fault
from gt_workflow.service.s3 import cors, xml
from gt_workflow.service.s3.request import (
    ACCOUNT,
    OWNER,
    Answer,
    Request,
    checksum_elements,
    xml_answer,
)

_GRANTS = {
    "Owner": OWNER,
    "AccessControlList": {"Grant": {"Grantee": OWNER, "Permission": "FULL_CONTROL"}},
}

# What a bucket does not have here, in the words of a bucket on AWS that does not have it.
ABSENT: Mapping[str, tuple[str, str]] = {
    "tagging": ("NoSuchTagSet", "The TagSet does not exist"),
    "policy": ("NoSuchBucketPolicy", "The bucket policy does not exist"),
    "lifecycle": ("NoSuchLifecycleConfiguration", "There is no lifecycle configuration"),
    "website": ("NoSuchWebsiteConfiguration", "There is no website configuration"),
    "encryption": (
        "ServerSideEncryptionConfigurationNotFoundError",
        "The server side encryption configuration was not found",
    ),
    "replication": (
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
    ),
    "object-lock": (
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
    "publicAccessBlock": (
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
    ),
    "ownershipControls": (
        "OwnershipControlsNotFoundError",
        "The bucket ownership controls were not found",
    ),
}
FIXED: Mapping[str, tuple[str, xml.Document]] = {
    "acl": ("AccessControlPolicy", _GRANTS),
    "versioning": ("VersioningConfiguration", {}),
    "logging": ("BucketLoggingStatus", {}),
    "notification": ("NotificationConfiguration", {}),
    "accelerate": ("AccelerateConfiguration", {}),
    "requestPayment": ("RequestPaymentConfiguration", {"Payer": "BucketOwner"}),
}


class BucketActions:
    """What is done to buckets; every method blocks."""

    def __init__(self, store: ObjectStore) -> None:
        """Work on a store."""
        self._store = store

    def list_buckets(self, request: Request) -> Answer:
        """ListBuckets; all in one page."""
        prefix = request.query.get("prefix", "")
        buckets = [
            {"Name": bucket.name, "CreationDate": bucket.created, "BucketRegion": bucket.region}
            for bucket in self._store.buckets()
            if bucket.name.startswith(prefix)
        ]
        return xml_answer(
            "ListAllMyBucketsResult", {"Owner": OWNER, "Buckets": {"Bucket": buckets}}
        )

    def create(self, request: Request, body: bytes) -> Answer:
        """CreateBucket, in the region that the body or else the signature names."""
        region = request.region
        if body:
            region = (
                xml.parse(body, "CreateBucketConfiguration").get("LocationConstraint") or region
            )
        self._store.create_bucket(request.bucket, region)
        return Answer(headers={"location": f"/{request.bucket}", "x-amz-bucket-region": region})

    def head(self, request: Request) -> Answer:
        """HeadBucket."""
        bucket = self._store.bucket(request.bucket)
        return Answer(headers={"x-amz-bucket-region": bucket.region})

    def delete(self, request: Request) -> Answer:
        """DeleteBucket."""
        self._store.delete_bucket(request.bucket)
        return Answer(204)

    def location(self, request: Request) -> Answer:
        """GetBucketLocation; the first region is an empty name."""
        region = self._store.bucket(request.bucket).region
        text = "" if region == "us-east-1" else region
        answer = xml.document("LocationConstraint", {}).replace(
            b"></LocationConstraint>", f">{text}</LocationConstraint>".encode()
        )
        return Answer(headers={"content-type": "application/xml"}, body=answer)

    def get_cors(self, request: Request) -> Answer:
        """GetBucketCors."""
        text = self._store.cors(request.bucket)
        if text is None:
            raise Fault(
                "NoSuchCORSConfiguration", "The CORS configuration does not exist", status=404
            )
        return Answer(headers={"content-type": "application/xml"}, body=text.encode())

    def put_cors(self, request: Request, body: bytes) -> Answer:
        """PutBucketCors."""
        cors.parse(body)
        try:
            text = body.decode()
        except UnicodeDecodeError:  # XML may be in other encodings, too
            raise xml.malformed() from None
        self._store.set_cors(request.bucket, text)
        return Answer()

    def delete_cors(self, request: Request) -> Answer:
        """DeleteBucketCors."""
        self._store.set_cors(request.bucket, None)
        return Answer(204)

    def setting(self, request: Request, name: str) -> Answer:
        """Answer for a setting that every bucket has alike, or that none has."""
        self._store.bucket(request.bucket)
        if name in ABSENT:
            code, message = ABSENT[name]
            raise Fault(code, message, status=404)
        return xml_answer(*FIXED[name])

    def list_objects(self, request: Request) -> Answer:
        """ListObjects and ListObjectsV2."""
        query = request.query
        newer = query.get("list-type") == "2"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = request.number("max-keys", default=1000, highest=1000)
        after = query.get("start-after" if newer else "marker", "")
        token = query.get("continuation-token") if newer else None
        if token is not None:
            after = _from_token(token)
        bucket = self._store.bucket(request.bucket)
        page = self._store.page(
            request.bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit
        )
        encode = _encoder(query.get("encoding-type"))
        owned = not newer or query.get("fetch-owner") == "true"
        head: dict[str, object] = {
            "Name": request.bucket,
            "Prefix": encode(prefix),
            "MaxKeys": limit,
            "Delimiter": encode(delimiter) or None,
            "EncodingType": query.get("encoding-type"),
            "IsTruncated": page.truncated and limit > 0,
        }
        following = page.truncated and limit > 0
        if newer:
            head |= {
                "KeyCount": len(page.objects) + len(page.prefixes),
                "StartAfter": encode(query.get("start-after", "")) or None,
                "ContinuationToken": token,
                "NextContinuationToken": _to_token(page.last) if following else None,
            }
        else:
            head |= {
                "Marker": encode(after),
                "NextMarker": encode(page.last) if following and delimiter else None,
            }
        head["Contents"] = [_contents(stored, encode, owned=owned) for stored in page.objects]
        head["CommonPrefixes"] = [{"Prefix": encode(group)} for group in page.prefixes]
        return xml_answer("ListBucketResult", head, headers={"x-amz-bucket-region": bucket.region})

    def list_uploads(self, request: Request) -> Answer:
        """ListMultipartUploads; all that match in one page."""
        self._store.bucket(request.bucket)
        prefix = request.query.get("prefix", "")
        encode = _encoder(request.query.get("encoding-type"))
        uploads = [
            {
                "Key": encode(upload.key),
                "UploadId": upload.id,
                "Initiator": OWNER,
                "Owner": OWNER,
                "StorageClass": "STANDARD",
                "Initiated": upload.started,
            }
            for upload in self._store.uploads.under_way(request.bucket)
            if upload.key.startswith(prefix)
        ]
        content = {
            "Bucket": request.bucket,
            "Prefix": encode(prefix),
            "EncodingType": request.query.get("encoding-type"),
            "MaxUploads": max(1000, len(uploads)),
            "IsTruncated": False,
            "Upload": uploads,
        }
        return xml_answer("ListMultipartUploadsResult", content)


def owner_is_other(headers: Mapping[str, str]) -> bool:
    """Tell whether a request expects its bucket to belong to somebody else."""
    return any(
        headers.get(name, ACCOUNT) != ACCOUNT
        for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
    )


def _contents(stored: Object, encode: Callable[[str], str], *, owned: bool) -> dict[str, object]:
    checksums = checksum_elements(stored.attributes)
    return {
        "Key": encode(stored.key),
        "LastModified": stored.modified,
        "ETag": f'"{stored.etag}"',
        "ChecksumAlgorithm": [name.upper() for name in stored.attributes.checksums],
        "ChecksumType": checksums.get("ChecksumType"),
        "Size": stored.size,
        "Owner": OWNER if owned else None,
        "StorageClass": "STANDARD",
    }


def _encoder(encoding: str | None) -> Callable[[str], str]:
    if encoding is None:
        return str
    if encoding != "url":
        raise Fault("InvalidArgument", "Invalid Encoding Method specified in Request")
    return lambda text: quote(text, safe="/")


def _to_token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Fault("InvalidArgument", "The continuation token provided is incorrect") from None
