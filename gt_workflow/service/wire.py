"""AWS's wire formats for errors, and JSON 1.1 for SageMaker's answers.

An error must come in the protocol of the service that was asked, else SDKs show a parser's
complaint instead of it, and with a 4xx status, else they try again four times (9 s).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from xml.sax.saxutils import escape

import msgspec

from gt_workflow.service.faults import Fault

JSON = "application/x-amz-json-1.1"

Protocol = Literal["json", "rest-json", "query", "ec2", "rest-xml", "cbor"]
_REST_XML = frozenset({"s3", "s3control", "route53", "cloudfront"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def protocol_of(*, service: str, headers: Mapping[str, str]) -> Protocol:
    """Tell which protocol a request speaks; header names are lower case."""
    kind = headers.get("content-type", "")
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "cbor"
    if "x-amz-target" in headers:
        return "json"
    if kind.startswith("application/x-www-form-urlencoded"):
        return "ec2" if service == "ec2" else "query"
    return "rest-xml" if service in _REST_XML else "rest-json"


def error(fault: Fault, *, protocol: Protocol, request_id: str) -> Reply:
    """Put a refusal into the words of a protocol."""
    headers = {"x-amzn-RequestId": request_id}
    if protocol == "cbor":
        headers |= {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        return Reply(fault.status, headers, _cbor({"__type": fault.code, "message": fault.message}))
    if protocol in {"json", "rest-json"}:
        headers |= {"Content-Type": JSON, "x-amzn-ErrorType": fault.code}
        # Declared errors spell the member `Message`, all others `message`; clients read either.
        names = {"__type": fault.code, "message": fault.message, "Message": fault.message}
        return Reply(fault.status, headers, msgspec.json.encode(names))
    code, text, own_id = (escape(part) for part in (fault.code, fault.message, request_id))
    if protocol == "ec2":
        inner = f"<Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors>"
        body = f"<Response>{inner}<RequestID>{own_id}</RequestID></Response>"
    else:
        inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
        body = f"<ErrorResponse>{inner}<RequestId>{own_id}</RequestId></ErrorResponse>"
    headers["Content-Type"] = "text/xml"
    return Reply(fault.status, headers, f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode())


def answer(content: Mapping[str, Any], *, request_id: str) -> Reply:
    """Write an answer of SageMaker's: times as epoch seconds with milliseconds."""
    headers = {"Content-Type": JSON, "x-amzn-RequestId": request_id}
    return Reply(200, headers, msgspec.json.encode(_plain(content)))


def parameters(body: bytes) -> object:
    """Read the parameters of a JSON 1.1 request; an empty body is an empty object."""
    try:
        return msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Fault(
            "SerializationException", f"The request body is no valid JSON: {problem}"
        ) from None


def _plain(value: Any) -> Any:
    """Replace times by numbers, at any depth."""
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _cbor(texts: Mapping[str, str]) -> bytes:
    """Write a map of texts (RFC 8949: major type 5 of major types 3)."""
    parts = [_cbor_head(5, len(texts))]
    for pair in texts.items():
        for text in pair:
            raw = text.encode()
            parts += [_cbor_head(3, len(raw)), raw]
    return b"".join(parts)


def _cbor_head(major: int, length: int) -> bytes:
    if length < 24:
        return bytes([major << 5 | length])
    if length < 1 << 8:
        return bytes([major << 5 | 24, length])
    return bytes([major << 5 | 26]) + length.to_bytes(4, "big")
