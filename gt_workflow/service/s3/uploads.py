"""S3's multipart uploads: create, upload and copy parts, list, complete, abort."""

from __future__ import annotations

from gt_workflow.object_store import CHECKSUMS, ObjectStore, PartClaim, PartWriter, Upload
from gt_workflow.service.faults import Fault
from gt_workflow.service.s3 import xml
from gt_workflow.service.s3.body import Intake
from gt_workflow.service.s3.items import copy_bytes, copy_range, open_source, refuse_unkept
from gt_workflow.service.s3.request import (
    OWNER,
    Answer,
    Request,
    checksum_elements,
    said_attributes,
    stated_checksums,
    write_condition,
    xml_answer,
)

_MAX_PARTS = 10_000


class UploadActions:
    """What is done to multipart uploads; every method blocks."""

    def __init__(self, store: ObjectStore) -> None:
        """Work on a store."""
        self._store = store

    def create(self, request: Request) -> Answer:
        """CreateMultipartUpload."""
        refuse_unkept(request)
        algorithm = request.headers.get("x-amz-checksum-algorithm", "").lower()
        upload = self._store.uploads.start(
            request.bucket,
            request.key,
            said_attributes(request.headers),
            algorithm=algorithm if algorithm in CHECKSUMS else None,
        )
        headers = {}
        if upload.algorithm:
            kind = request.headers.get("x-amz-checksum-type", "COMPOSITE")
            headers = {
                "x-amz-checksum-algorithm": upload.algorithm.upper(),
                "x-amz-checksum-type": kind,
            }
        content = {"Bucket": request.bucket, "Key": request.key, "UploadId": upload.id}
        return xml_answer("InitiateMultipartUploadResult", content, headers=headers)

    def begin_part(self, request: Request) -> Intake[PartWriter]:
        """Start UploadPart."""
        upload, number = self._upload(request), _part_number(request)
        writer = self._store.uploads.writer(upload, number)
        return Intake(writer, request.headers, request.signature.chunks)

    def end_part(self, request: Request, intake: Intake[PartWriter]) -> Answer:
        """Finish UploadPart."""
        del request
        checksums = intake.finish()
        part = intake.writer.commit(checksums)
        headers = {f"x-amz-checksum-{name}": value for name, value in checksums.items()}
        return Answer(headers={"etag": f'"{part.etag}"', **headers})

    def copy_part(self, request: Request) -> Answer:
        """UploadPartCopy."""
        upload, number = self._upload(request), _part_number(request)
        source, file = open_source(self._store, request)
        with file:
            start, length = copy_range(request, source.size)
            file.seek(start)
            writer = self._store.uploads.writer(upload, number)
            try:
                copy_bytes(file, writer.write, length)
                part = writer.commit({})
            finally:
                writer.discard()
        content = {"LastModified": part.modified, "ETag": f'"{part.etag}"'}
        return xml_answer("CopyPartResult", content)

    def list_parts(self, request: Request) -> Answer:
        """ListParts."""
        upload = self._upload(request)
        limit = request.number("max-parts", default=1000, highest=1000)
        after = request.number("part-number-marker", default=0, highest=_MAX_PARTS)
        parts = [part for part in self._store.uploads.parts(upload) if part.number > after]
        shown = parts[:limit]
        content = {
            "Bucket": request.bucket,
            "Key": request.key,
            "UploadId": upload.id,
            "Initiator": OWNER,
            "Owner": OWNER,
            "StorageClass": "STANDARD",
            "PartNumberMarker": after,
            "NextPartNumberMarker": shown[-1].number if shown else None,
            "MaxParts": limit,
            "IsTruncated": len(shown) < len(parts) and limit > 0,
            "ChecksumAlgorithm": upload.algorithm.upper() if upload.algorithm else None,
            "Part": [
                {
                    "PartNumber": part.number,
                    "LastModified": part.modified,
                    "ETag": f'"{part.etag}"',
                    "Size": part.size,
                    **{f"Checksum{name.upper()}": v for name, v in part.checksums.items()},
                }
                for part in shown
            ],
        }
        return xml_answer("ListPartsResult", content)

    def complete(self, request: Request, body: bytes) -> Answer:
        """CompleteMultipartUpload."""
        upload = self._upload(request)
        claims = [
            PartClaim(
                number=_number(part.get("PartNumber")),
                etag=(part.get("ETag") or "").strip('"'),
                checksums=stated_checksums(
                    {
                        child.name.lower(): child.text
                        for child in part.children
                        if child.name.startswith("Checksum")
                    },
                    "checksum",
                ),
            )
            for part in xml.parse(body, "CompleteMultipartUpload").all("Part")
        ]
        if not claims:
            raise xml.malformed()
        stored = self._store.uploads.complete(
            upload,
            claims,
            write_condition(request.headers),
            full_checksum=request.headers.get("x-amz-checksum-type") == "FULL_OBJECT",
            checksums=stated_checksums(request.headers, "x-amz-checksum-"),
        )
        content = {
            "Location": f"/{request.bucket}/{request.key}",
            "Bucket": request.bucket,
            "Key": request.key,
            "ETag": f'"{stored.etag}"',
            **checksum_elements(stored.attributes),
        }
        return xml_answer("CompleteMultipartUploadResult", content)

    def abort(self, request: Request) -> Answer:
        """AbortMultipartUpload."""
        self._store.uploads.abort(self._upload(request))
        return Answer(204)

    def _upload(self, request: Request) -> Upload:
        self._store.bucket(request.bucket)
        return self._store.uploads.get(request.bucket, request.key, request.query["uploadId"])


def _part_number(request: Request) -> int:
    number = _number(request.query.get("partNumber"))
    if not 1 <= number <= _MAX_PARTS:
        raise Fault(
            "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"
        )
    return number


def _number(text: str | None) -> int:
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise xml.malformed()
    return int(text)
