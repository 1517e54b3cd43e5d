"""Requests against the committed ones, and against botocore's own model of the service.

To write the expected requests anew: UPDATE_GOLDEN=1, then read the difference.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

GOLDEN = Path(__file__).parents[1] / "golden"


def service_model(service):
    return ServiceModel(create_loader().load_service_model(service, "service-2"))


def compare(name, value):
    path = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    expected = json.loads(path.read_text(encoding="utf-8"))
    assert value == expected
    assert json.dumps(value) == json.dumps(expected), "the order of the members changed"


def shape_errors(shape, value, path=""):
    """Yield what botocore's own validator leaves to the server: patterns, enums, maxima."""
    limits_ = shape.metadata
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from shape_errors(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        if len(value) > limits_.get("max", len(value)):
            yield f"{path} is too long"
        for index, member in enumerate(value):
            yield from shape_errors(shape.member, member, f"{path}[{index}]")
    elif shape.type_name == "string":
        if len(value) > limits_.get("max", len(value)):
            yield f"{path} is too long"
        # `re` knows no \p; a word character is a letter or a number.
        pattern = limits_.get("pattern", "(?s).*").replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
        if not re.fullmatch(pattern, value) or value not in limits_.get("enum", [value]):
            yield f"{path} does not match"
    elif shape.type_name in {"integer", "long"} and value > limits_.get("max", value):
        yield f"{path} is too large"


def assert_valid(shape, value):
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()
    assert list(shape_errors(shape, value)) == []
