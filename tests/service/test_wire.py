"""Errors in every protocol of AWS, read by botocore's own parsers."""

from __future__ import annotations

import pytest
from botocore.model import StructureShape
from botocore.parsers import create_parser

from gt_workflow.service import wire
from gt_workflow.service.faults import Fault

TEXT = 'no <such> "thing" & no ämount of it; ' + "x" * 300


@pytest.mark.parametrize(
    ("protocol", "parser"),
    [
        ("json", "json"),
        ("rest-json", "rest-json"),
        ("query", "query"),
        ("ec2", "ec2"),
        ("rest-xml", "rest-xml"),
        ("cbor", "smithy-rpc-v2-cbor"),
    ],
)
@pytest.mark.parametrize("text", ["short", TEXT, TEXT * 250])
def test_an_error_is_understood(protocol, parser, text):
    fault = Fault("SomeException", text, status=403)
    reply = wire.error(fault, protocol=protocol, request_id="r-1")
    parsed = create_parser(parser).parse(
        {
            "status_code": reply.status,
            "headers": {name.lower(): value for name, value in reply.headers.items()},
            "body": reply.body,
        },
        StructureShape("Nothing", {"type": "structure", "members": {}}),
    )
    assert parsed["Error"]["Code"] == "SomeException"
    assert parsed["Error"]["Message"] == text
    assert reply.status == 403


@pytest.mark.parametrize(
    ("service", "headers", "protocol"),
    [
        ("sagemaker", {"x-amz-target": "SageMaker.X"}, "json"),
        ("monitoring", {"smithy-protocol": "rpc-v2-cbor"}, "cbor"),
        ("sts", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, "query"),
        ("ec2", {"content-type": "application/x-www-form-urlencoded"}, "ec2"),
        ("route53", {}, "rest-xml"),
        ("lambda", {"content-type": "application/json"}, "rest-json"),
    ],
)
def test_a_request_tells_its_protocol(service, headers, protocol):
    assert wire.protocol_of(service=service, headers=headers) == protocol
