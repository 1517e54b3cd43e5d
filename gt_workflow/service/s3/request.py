"""One S3 request and its answer as values, and HTTP's rules on conditions, ranges and dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import BinaryIO

from gt_workflow.object_store import CHECKSUMS, DEFAULT_TYPE, Attributes, Condition, Object
from gt_workflow.service.faults import Fault
from gt_workflow.service.s3 import xml
from gt_workflow.service.s3.signatures import Signature

ACCOUNT = "123456789012"
OWNER = {"ID": ACCOUNT, "DisplayName": ACCOUNT}
KEPT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
_MAX_METADATA_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: decoded query, header names in lower case, the bucket and key apart."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    id: str
    signature: Signature

    @property
    def region(self) -> str:
        """The region it was signed for."""
        return self.signature.scope.region or "us-east-1"

    def number(self, name: str, *, default: int, lowest: int = 0, highest: int) -> int:
        """Return a whole number of the query; S3 cuts what is too high and refuses the rest."""
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()) or int(text[:10]) < lowest:
            raise Fault("InvalidArgument", f"Provided {name} not an integer or within range")
        return min(int(text[:10]), highest)


@dataclass(frozen=True, slots=True)
class Content:
    """A stretch of a file that an answer carries; sending it closes the file."""

    file: BinaryIO
    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Content = b""


def xml_answer(
    root: str, content: xml.Document, *, headers: Mapping[str, str] | None = None
) -> Answer:
    """Answer with a document."""
    return Answer(
        headers={"content-type": "application/xml", **(headers or {})},
        body=xml.document(root, content),
    )


def said_attributes(headers: Mapping[str, str]) -> Attributes:
    """Take from a request what is to be kept about an object."""
    metadata = {
        name.removeprefix("x-amz-meta-"): value
        for name, value in headers.items()
        if name.startswith("x-amz-meta-")
    }
    if sum(len(name) + len(value) for name, value in metadata.items()) > _MAX_METADATA_BYTES:
        raise Fault(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        )
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    if "content-encoding" in kept:
        codings = (coding.strip() for coding in kept.pop("content-encoding").split(","))
        # It only says how the body is framed on its way, and is undone here.
        if rest := ",".join(coding for coding in codings if coding != "aws-chunked"):
            kept["content-encoding"] = rest
    return Attributes(
        content_type=headers.get("content-type") or DEFAULT_TYPE, headers=kept, metadata=metadata
    )


def object_headers(stored: Object, request: Request, *, whole: bool) -> dict[str, str]:
    """Return the headers that describe an object, as GET and HEAD send them."""
    said = stored.attributes
    headers = {
        "last-modified": http_date(stored.modified),
        "etag": f'"{stored.etag}"',
        "accept-ranges": "bytes",
        "content-type": said.content_type or DEFAULT_TYPE,
        **said.headers,
        **{f"x-amz-meta-{name}": value for name, value in said.metadata.items()},
        # A page kept as an object must not act in the name of the pages served beside it.
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
    }
    for name in ("content-type", *KEPT_HEADERS):
        if (override := request.query.get(f"response-{name}")) is not None:
            if not override.isprintable():  # a line break would begin another header
                raise Fault("InvalidArgument", f"response-{name} holds control characters")
            headers[name] = override
    if whole and request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        headers |= checksum_headers(said)
    return headers


def checksum_headers(said: Attributes) -> dict[str, str]:
    """Return the headers that state an object's checksums."""
    headers = {f"x-amz-checksum-{name}": value for name, value in said.checksums.items()}
    if headers and said.checksum_type:
        headers["x-amz-checksum-type"] = said.checksum_type
    return headers


def checksum_elements(said: Attributes) -> dict[str, str]:
    """Return the XML elements that state an object's checksums."""
    elements = {f"Checksum{name.upper()}": value for name, value in said.checksums.items()}
    if elements and said.checksum_type:
        elements["ChecksumType"] = said.checksum_type
    return elements


def stated_checksums(values: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return algorithm to base64 of the checksums that can be verified here."""
    stated = {name: values.get(prefix + name) for name in CHECKSUMS}
    return {name: value for name, value in stated.items() if value is not None}


def check_conditions(stored: Object, headers: Mapping[str, str], *, prefix: str = "") -> bool:
    """Tell whether the object is to be sent (False: 304), or refuse with 412.

    `prefix` is that of the headers that guard the source of a copy.
    """
    matches = headers.get(f"{prefix}if-match")
    unmodified = _date(headers.get(f"{prefix}if-unmodified-since"))
    if matches is not None:
        if not _lists(matches, stored.etag):
            raise precondition_failed("If-Match")
    elif unmodified is not None and stored.modified > unmodified:
        raise precondition_failed("If-Unmodified-Since")
    others = headers.get(f"{prefix}if-none-match")
    modified = _date(headers.get(f"{prefix}if-modified-since"))
    if others is not None:
        fresh = not _lists(others, stored.etag)
    else:
        fresh = modified is None or stored.modified > modified
    if prefix and not fresh:
        raise precondition_failed("If-None-Match or If-Modified-Since")
    return fresh


def write_condition(headers: Mapping[str, str]) -> Condition:
    """Return what must hold for a change."""
    others = headers.get("if-none-match")
    if others not in {None, "*"}:
        raise Fault("NotImplemented", "If-None-Match of a change can only be *", status=501)
    matches = headers.get("if-match")
    return Condition(
        if_match=None if matches is None else matches.strip().strip('"'),
        if_none_match=others is not None,
    )


def precondition_failed(condition: str) -> Fault:
    """Refuse because a condition did not hold."""
    return Fault(
        "PreconditionFailed",
        f"At least one of the pre-conditions you specified did not hold ({condition})",
        status=412,
    )


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return (first byte, length) of a Range header; None for the whole.

    Several ranges, other units and what is no range are ignored, as S3 does.
    """
    unit, equals, spec = (text or "").partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not equals or not dash or "," in spec:
        return None
    if not all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last)):
        return None
    if first:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
        if last and int(last) < int(first):
            return None
    elif last:
        start, end = max(size - int(last), 0), size - 1
        if int(last) == 0:
            start = size
    else:
        return None
    if start >= size:
        raise Fault("InvalidRange", "The requested range is not satisfiable", status=416)
    return start, end - start + 1


def http_date(moment: datetime) -> str:
    """Return a time as HTTP's headers have it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None  # HTTP has a recipient ignore what is no date


def _lists(header: str, etag: str) -> bool:
    listed = {item.strip().removeprefix("W/").strip('"') for item in header.split(",")}
    return "*" in listed or etag in listed
