"""Cross-origin rules of a bucket, after S3's documentation: kept as XML, matched per request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gt_workflow.service.faults import Fault
from gt_workflow.service.s3 import xml
from gt_workflow.service.s3.xml import malformed

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
_MAX_RULES = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do what from elsewhere; `*` stands once for anything in origins and headers."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    max_age: int | None


def parse(data: bytes) -> tuple[Rule, ...]:
    """Read a CORSConfiguration, or refuse it."""
    rules = tuple(
        Rule(
            origins=element.texts("AllowedOrigin"),
            methods=element.texts("AllowedMethod"),
            headers=element.texts("AllowedHeader"),
            exposed=element.texts("ExposeHeader"),
            max_age=_seconds(element.get("MaxAgeSeconds")),
        )
        for element in xml.parse(data, "CORSConfiguration").all("CORSRule")
    )
    if not 1 <= len(rules) <= _MAX_RULES or any(not r.origins or not r.methods for r in rules):
        raise malformed()
    for rule in rules:
        for method in rule.methods:
            if method not in _METHODS:
                raise Fault(
                    "InvalidRequest",
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
                )
        for pattern in (*rule.origins, *rule.headers):
            if pattern.count("*") > 1:
                raise Fault("InvalidRequest", f'"{pattern}" can not have more than one wildcard.')
    return rules


def match(
    rules: tuple[Rule, ...], *, origin: str, method: str, headers: tuple[str, ...] = ()
) -> Mapping[str, str] | None:
    """Return the headers that let a page of that origin go on, or None if no rule does."""
    for rule in rules:
        pattern = next((p for p in rule.origins if _fits(p, origin)), None)
        if pattern is None or method not in rule.methods:
            continue
        if not all(any(_fits(p.lower(), name) for p in rule.headers) for name in headers):
            continue
        answer = {
            "access-control-allow-origin": "*" if pattern == "*" else origin,
            "access-control-allow-methods": ", ".join(rule.methods),
            "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        }
        if pattern != "*":
            answer["access-control-allow-credentials"] = "true"
        if headers:
            answer["access-control-allow-headers"] = ", ".join(headers)
        if rule.exposed:
            answer["access-control-expose-headers"] = ", ".join(rule.exposed)
        if rule.max_age is not None:
            answer["access-control-max-age"] = str(rule.max_age)
        return answer
    return None


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise malformed()
    return int(text)
