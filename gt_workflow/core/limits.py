"""Ground Truth's limits, and the checks that tell before AWS does.

A check returns hard problems: what breaks the request, the job or a line of its manifest. Its
`warn_…` twin returns what is allowed but likely to hurt. Sources: the API reference (shapes of
botocore 1.44.5) and the developer guide; where they differ, a comment says so. This module holds
the rules on names and sources, and offers those of its neighbours: `request_fields`,
`request_arns`, `request_automation`, `labels` (labels and their file), `objects` (manifest lines
and images), `names` (regions, ARNs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gt_workflow.core.labels import (
    check_labels,
    label_category_file,
    parse_label_category_file,
    warn_labels,
)
from gt_workflow.core.names import Kind, Workforce, function_arn, kind_of, workforce
from gt_workflow.core.objects import (
    IMAGE_SUFFIXES,
    MAX_ATTRIBUTE_CHARACTERS,
    MAX_IMAGE_BYTES,
    MAX_IMAGE_PIXELS,
    MAX_LINE_CHARACTERS,
    MAX_OBJECTS,
    MIN_OBJECTS_AUTOMATED,
    check_image,
    check_manifest_line,
    check_object_count,
    warn_object_count,
)
from gt_workflow.core.problems import Problem, member, short
from gt_workflow.core.requests.arns import arn_problems, longest_availability, price_amount
from gt_workflow.core.requests.automation import automation_problems
from gt_workflow.core.requests.fields import field_problems

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_ATTRIBUTE_CHARACTERS",
    "MAX_IMAGE_BYTES",
    "MAX_IMAGE_PIXELS",
    "MAX_LINE_CHARACTERS",
    "MAX_OBJECTS",
    "MIN_OBJECTS_AUTOMATED",
    "Kind",
    "Problem",
    "Workforce",
    "attribute_problem",
    "check_image",
    "check_labeling_request",
    "check_labels",
    "check_manifest_line",
    "check_object_count",
    "function_arn",
    "job_name_problem",
    "kind_of",
    "label_category_file",
    "longest_availability",
    "parse_label_category_file",
    "price_amount",
    "warn_labeling_request",
    "warn_labels",
    "warn_object_count",
    "workforce",
]

DEFAULT_CONCURRENT: Final = 1_000  # above it, AWS Support has to agree

_VPC: Final = "LabelingJobAlgorithmsConfig.LabelingJobResourceConfig.VpcConfig"

_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ATTRIBUTE = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,126}")


def check_labeling_request(
    request: Mapping[str, Any],
    *,
    account: str | None = None,
    region: str | None = None,
    audited: str | None = None,
    public_anyway: bool = False,
) -> list[Problem]:
    """Return every reason for which a CreateLabelingJob request for boxes cannot work.

    `account` is the caller's (the role and a private work team must be in it), `region` the one
    asked, `audited` the attribute that an adjustment or verification job looks at; a rule that
    needs one of them is passed over without it. The public workforce is refused, for it is
    closed; `public_anyway` holds it to its own rules instead. A request of any shape can be
    checked.
    """
    return [
        *_names(request, audited),
        *field_problems(request),
        *_sources(request),
        *arn_problems(request, region=region, account=account, public_anyway=public_anyway),
        *automation_problems(request, region=region, account=account),
    ]


def warn_labeling_request(request: Mapping[str, Any]) -> list[Problem]:
    """Return what such a request may say but its author may not mean."""
    return list(_doubts(request))


def job_name_problem(name: object) -> Problem | None:
    """Tell what is wrong with a labeling job's name."""
    if isinstance(name, str) and len(name) <= 63 and _JOB_NAME.fullmatch(name):
        return None
    return Problem(
        "job-name",
        "LabelingJobName",
        f"{short(name)} is no job name; use 1 to 63 letters, digits and inner hyphens",
    )


def attribute_problem(name: object, *, audited: str | None = None) -> Problem | None:
    """Tell what is wrong with a label attribute's name for boxes.

    `audited` is the attribute whose boxes are adjusted or verified, if any.
    """
    field = "LabelAttributeName"
    if not isinstance(name, str) or len(name) > 127 or not _ATTRIBUTE.fullmatch(name):
        return Problem(
            "attribute-name",
            field,
            f"{short(name)} is no attribute name; use 1 to 127 letters, digits and inner hyphens",
        )
    if name in {"source", "source-ref"}:
        return Problem("attribute-reserved", field, f"{name} names the image; take another name")
    if name.endswith("-metadata"):
        return Problem("attribute-suffix", field, "may not end in -metadata; take another name")
    if name.endswith("-ref"):
        return Problem(
            "attribute-suffix",
            field,
            "ends in -ref, which only segmentation and video jobs may; take another name",
        )
    if name == audited:
        return Problem(
            "attribute-audited",
            field,
            f"{name} is what the job looks at; give its own answers a new name",
        )
    return None


def _names(request: Mapping[str, Any], audited: str | None) -> Iterator[Problem]:
    for problem in (
        job_name_problem(member(request, "LabelingJobName")),
        attribute_problem(member(request, "LabelAttributeName"), audited=audited),
    ):
        if problem is not None:
            yield problem


def _sources(request: Mapping[str, Any]) -> Iterator[Problem]:
    source = "InputConfig.DataSource"
    if (
        member(request, f"{source}.S3DataSource.ManifestS3Uri") is None
        and member(request, f"{source}.SnsDataSource.SnsTopicArn") is None
    ):
        yield Problem("missing", source, "names no data; give S3DataSource.ManifestS3Uri")
    if member(request, "HumanTaskConfig.UiConfig.HumanTaskUiArn") is not None:
        yield Problem(
            "template",
            "HumanTaskConfig.UiConfig.HumanTaskUiArn",
            "is for other task types; a box job names its template in UiTemplateS3Uri alone",
        )


def _doubts(request: Mapping[str, Any]) -> Iterator[Problem]:
    human = "HumanTaskConfig."
    concurrent = member(request, human + "MaxConcurrentTaskCount")
    if isinstance(concurrent, int) and concurrent > DEFAULT_CONCURRENT:
        yield Problem(
            "concurrency",
            human + "MaxConcurrentTaskCount",
            f"above {DEFAULT_CONCURRENT}, AWS Support has to raise the account's quota first",
        )
    availability = member(request, human + "TaskAvailabilityLifetimeInSeconds")
    limit = member(request, human + "TaskTimeLimitInSeconds")
    if isinstance(availability, int) and isinstance(limit, int) and availability < limit:
        yield Problem(
            "availability",
            human + "TaskAvailabilityLifetimeInSeconds",
            f"tasks vanish after {availability} s though workers may take {limit} s; raise it",
        )
    if member(request, "OutputConfig.KmsKeyId") == "":
        yield Problem(
            "empty", "OutputConfig.KmsKeyId", "is empty, which breaks other tools; leave it out"
        )
    team = member(request, human + "WorkteamArn")
    if isinstance(team, str) and ":workteam/public-crowd/" in team:
        yield Problem(
            "public",
            human + "WorkteamArn",
            "Mechanical Turk closed on 2026-09-30; use a private or vendor work team",
        )
        if not member(request, human + "TaskKeywords"):
            yield Problem(
                "keywords",
                human + "TaskKeywords",
                "the public finds tasks by their keywords; give one to five",
            )
        if member(request, _VPC) is not None:
            yield Problem("vpc", _VPC, "labeling within a VPC needs a private work team")
    if (
        member(request, "InputConfig.DataSource.SnsDataSource") is not None
        and member(request, "StoppingConditions") is not None
    ):
        yield Problem("streaming", "StoppingConditions", "streaming jobs pay no heed to it")
