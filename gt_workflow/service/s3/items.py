"""S3's operations on objects: put, get, head, copy, delete."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import BinaryIO
from urllib.parse import unquote

from gt_workflow.errors import ObjectNotFoundError
from gt_workflow.object_store import Attributes, Object, ObjectStore, ObjectWriter, RefusedError
from gt_workflow.service.faults import Fault
from gt_workflow.service.s3 import xml
from gt_workflow.service.s3.body import Intake
from gt_workflow.service.s3.request import (
    OWNER,
    Answer,
    Content,
    Request,
    byte_range,
    check_conditions,
    checksum_elements,
    checksum_headers,
    object_headers,
    said_attributes,
    write_condition,
    xml_answer,
)

_AT_ONCE_BYTES = 1 << 20
_COPY_BYTES = 1 << 20
_MAX_DELETIONS = 1000
_COPY_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})")


class ObjectActions:
    """What is done to objects; every method blocks."""

    def __init__(self, store: ObjectStore) -> None:
        """Work on a store."""
        self._store = store

    def begin_put(self, request: Request) -> Intake[ObjectWriter]:
        """Start PutObject."""
        refuse_unkept(request)
        said_attributes(request.headers)  # refused now or after gigabytes
        write_condition(request.headers)
        writer = self._store.writer(request.bucket, request.key)
        return Intake(writer, request.headers, request.signature.chunks)

    def end_put(self, request: Request, intake: Intake[ObjectWriter]) -> Answer:
        """Finish PutObject."""
        checksums = intake.finish()
        said = with_checksums(said_attributes(request.headers), checksums)
        stored = intake.writer.commit(said, write_condition(request.headers))
        return Answer(headers={"etag": f'"{stored.etag}"', **checksum_headers(stored.attributes)})

    def get(self, request: Request) -> Answer:
        """GetObject."""
        _refuse_part_number(request)
        stored, file = self._store.get(request.bucket, request.key)
        try:
            answer, start, length = _described(stored, request)
            if length is None:
                file.close()
                return answer
            file.seek(start)
            if length > _AT_ONCE_BYTES:
                return Answer(answer.status, answer.headers, Content(file, length))
            with file:
                return Answer(answer.status, answer.headers, file.read(length))
        except BaseException:
            file.close()
            raise

    def head(self, request: Request) -> Answer:
        """HeadObject."""
        _refuse_part_number(request)
        stored = self._store.head(request.bucket, request.key)
        return _described(stored, request)[0]

    def delete(self, request: Request) -> Answer:
        """DeleteObject."""
        self._store.delete(request.bucket, request.key, write_condition(request.headers))
        return Answer(204)

    def delete_many(self, request: Request, body: bytes) -> Answer:
        """DeleteObjects."""
        self._store.bucket(request.bucket)
        asked = xml.parse(body, "Delete")
        items = list(asked.all("Object"))
        if not 1 <= len(items) <= _MAX_DELETIONS:
            raise xml.malformed()
        deleted: list[dict[str, object]] = []
        errors: list[dict[str, object]] = []
        for item in items:
            key = item.get("Key")
            if key is None:
                raise xml.malformed()
            try:
                self._store.delete(request.bucket, key)
                deleted.append({"Key": key})
            except RefusedError as refused:
                errors.append({"Key": key, "Code": refused.code, "Message": refused.reason})
        quiet = asked.get("Quiet") == "true"
        return xml_answer("DeleteResult", {"Deleted": [] if quiet else deleted, "Error": errors})

    def copy(self, request: Request) -> Answer:
        """CopyObject."""
        refuse_unkept(request)
        directive = request.headers.get("x-amz-metadata-directive", "COPY")
        if directive not in {"COPY", "REPLACE"}:
            raise Fault("InvalidArgument", "Unknown metadata directive.")
        bucket, key = copy_source(request)
        if (bucket, key) == (request.bucket, request.key) and directive == "COPY":
            raise Fault(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself "
                "without changing the object's metadata.",
            )
        source, file = open_source(self._store, request)
        with file:
            said = source.attributes
            if directive == "REPLACE":
                said = said_attributes(request.headers)
            kept = source.attributes.checksum_type != "COMPOSITE"
            said = with_checksums(said, source.attributes.checksums if kept else {})
            writer = self._store.writer(request.bucket, request.key)
            try:
                copy_bytes(file, writer.write, source.size)
                stored = writer.commit(said, write_condition(request.headers))
            finally:
                writer.discard()
        return xml_answer(
            "CopyObjectResult",
            {
                "LastModified": stored.modified,
                "ETag": f'"{stored.etag}"',
                **checksum_elements(stored.attributes),
            },
        )

    def acl(self, request: Request) -> Answer:
        """GetObjectAcl: its owner may do everything."""
        self._store.head(request.bucket, request.key)
        grant = {"Grantee": OWNER, "Permission": "FULL_CONTROL"}
        return xml_answer(
            "AccessControlPolicy", {"Owner": OWNER, "AccessControlList": {"Grant": grant}}
        )

    def tagging(self, request: Request) -> Answer:
        """GetObjectTagging: there are none."""
        self._store.head(request.bucket, request.key)
        return xml_answer("Tagging", {"TagSet": ""})


def refuse_unkept(request: Request) -> None:
    """Refuse what a put asks for and would silently not get."""
    headers = request.headers
    if headers.get("x-amz-acl", "private") not in {"private", "bucket-owner-full-control"}:
        raise Fault("AccessControlListNotSupported", "The bucket does not allow ACLs")
    for name in headers:
        if name.startswith("x-amz-object-lock-"):
            raise Fault("InvalidRequest", "Bucket is missing Object Lock Configuration")
        if name == "x-amz-tagging" or "-server-side-encryption-customer-" in name:
            raise Fault(
                "NotImplemented", f"{name} is not supported by this object store", status=501
            )


def with_checksums(said: Attributes, checksums: Mapping[str, str]) -> Attributes:
    """Return attributes that state these checksums of the whole."""
    return Attributes(
        content_type=said.content_type,
        headers=said.headers,
        metadata=said.metadata,
        checksums=dict(checksums),
        checksum_type="FULL_OBJECT" if checksums else None,
    )


def copy_source(request: Request) -> tuple[str, str]:
    """Return bucket and key of the object to copy from."""
    path, _, version = request.headers["x-amz-copy-source"].partition("?versionId=")
    bucket, slash, key = unquote(path).removeprefix("/").partition("/")
    if not slash or not key:
        raise Fault("InvalidArgument", "Copy Source must mention the source bucket and key")
    if version not in {"", "null"}:
        raise Fault("NoSuchVersion", "The specified version does not exist.", status=404)
    return bucket, key


def open_source(store: ObjectStore, request: Request) -> tuple[Object, BinaryIO]:
    """Open the object to copy from, if its own conditions hold."""
    source, file = store.get(*copy_source(request))
    try:
        check_conditions(source, request.headers, prefix="x-amz-copy-source-")
    except BaseException:
        file.close()
        raise
    return source, file


def copy_range(request: Request, size: int) -> tuple[int, int]:
    """Return (first byte, length) of the stretch that a part is copied from."""
    text = request.headers.get("x-amz-copy-source-range")
    if text is None:
        return 0, size
    match = _COPY_RANGE.fullmatch(text)
    if match is None:
        raise Fault(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last",
        )
    first, last = int(match[1]), int(match[2])
    if first > last or last >= size:
        raise Fault(
            "InvalidArgument", "The specified copy range is not valid for the source object"
        )
    return first, last - first + 1


def copy_bytes(file: BinaryIO, write: Callable[[bytes], int], length: int) -> None:
    """Copy a stretch of an open file; what was deleted meanwhile is still read to its end."""
    while length:
        data = file.read(min(length, _COPY_BYTES))
        if not data:
            raise ObjectNotFoundError("the source has shrunk while it was copied", uri=file.name)
        write(data)
        length -= len(data)


def _described(stored: Object, request: Request) -> tuple[Answer, int, int | None]:
    """Return status and headers, and which bytes are to follow (None: no body)."""
    if not check_conditions(stored, request.headers):
        headers = object_headers(stored, request, whole=False)
        kept = {name: headers[name] for name in ("etag", "last-modified")}
        return Answer(304, kept), 0, None
    asked = request.headers.get("range")
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip('"') != stored.etag:
        asked = None
    stretch = byte_range(asked, stored.size)
    start, length = stretch or (0, stored.size)
    headers = object_headers(stored, request, whole=stretch is None)
    headers["content-length"] = str(length)
    if stretch is None:
        return Answer(200, headers), start, length
    headers["content-range"] = f"bytes {start}-{start + length - 1}/{stored.size}"
    return Answer(206, headers), start, length


def _refuse_part_number(request: Request) -> None:
    if request.query.get("partNumber", "1") != "1":
        raise Fault("InvalidPartNumber", "The requested partnumber is not satisfiable", status=416)
