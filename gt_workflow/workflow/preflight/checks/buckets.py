"""Whether buckets are there, in the job's region, and let the worker page read images (CORS)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from gt_workflow.core.access.findings import Finding, finding
from gt_workflow.core.access.touched import bucket_of
from gt_workflow.errors import NotFoundError, ServiceError
from gt_workflow.ports import Account
from gt_workflow.workflow.preflight.checks.asked import DENIED, Preflight, guarded

_EXPOSED: Final = "Access-Control-Allow-Origin"
# Developer guide, "CORS Permission Requirement": without it, images whose EXIF turns them fail.
CORS_RULE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "AllowedHeaders": [],
        "AllowedMethods": ["GET"],
        "AllowedOrigins": ["*"],
        "ExposeHeaders": [_EXPOSED],
    }
)
_MAX_RULES: Final = 100


def buckets(asked: Preflight, account: Account) -> Iterator[Finding]:
    """Look at every bucket once, whatever is in it."""
    images = {bucket_of(uri) for uri in asked.images}
    uses: dict[str, list[str]] = {}
    for use, uris in (
        ("photographs", asked.images),
        ("the job's files", (*asked.access.reads, *asked.access.uploads)),
        ("output", asked.access.writes),
        ("channels", asked.access.channels),
    ):
        for bucket in {bucket_of(uri) for uri in uris}:
            uses.setdefault(bucket, []).append(use)
    for bucket in sorted(uses):
        what = f"bucket {bucket} ({', '.join(uses[bucket])})"
        found = [*guarded(what, _bucket(bucket, what, asked, account))]
        yield from found
        if bucket in images and not {"GT201", "GT202"} & {one.code for one in found}:
            yield from guarded(f"CORS of bucket {bucket}", _cors(bucket, account, fix=asked.fix))


def _bucket(bucket: str, what: str, asked: Preflight, account: Account) -> Iterator[Finding]:
    region = asked.access.region
    try:
        there = account.bucket_region(bucket)
    except NotFoundError:
        yield finding("GT201", f"{what} does not exist", bucket=bucket, region=region)
        return
    except ServiceError as error:
        if error.code not in DENIED:
            raise
        yield finding("GT202", f"{what} refuses you: {error}", bucket=bucket)
        return
    if there != region:
        message = f"{what} is in {there}, but the job would be in {region}"
        yield finding("GT203", message, region=region, there=there)
        return
    yield finding("GT200", f"{what} is in {there}")


def _cors(bucket: str, account: Account, *, fix: bool) -> Iterator[Finding]:
    rules = account.cors(bucket)
    if any(map(_serves, rules)):
        yield finding("GT210", f"the worker page may read images of bucket {bucket}")
        return
    told = _told(rules)
    if not fix:
        yield finding(
            "GT211",
            f"bucket {bucket} has {told}: the worker page could not show its images",
            bucket=bucket,
        )
    elif len(rules) >= _MAX_RULES:
        yield finding("GT212", f"bucket {bucket} has {told}, and S3 takes no more", bucket=bucket)
    else:
        try:
            # After those there are: S3 answers by the first rule that fits a request.
            account.put_cors(bucket, [*rules, dict(CORS_RULE)])
        except ServiceError as error:
            yield finding("GT212", f"bucket {bucket} takes no CORS rule: {error}", bucket=bucket)
            return
        yield finding("GT213", f"bucket {bucket} had {told}; a rule for GET from anywhere is new")


def _told(rules: list[dict[str, Any]]) -> str:
    """Say how many rules there are that do not do."""
    if not rules:
        return "no CORS rule"
    return f"{len(rules)} CORS rule{'s' if len(rules) > 1 else ''} for others"


def _serves(rule: Mapping[str, Any]) -> bool:
    """Tell whether a rule lets a page of any origin read images."""
    return (
        "*" in rule.get("AllowedOrigins", ())
        and "GET" in rule.get("AllowedMethods", ())
        and _EXPOSED.lower() in {header.lower() for header in rule.get("ExposeHeaders", ())}
    )
