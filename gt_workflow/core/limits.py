"""Ground Truth's limits, and the checks that tell before AWS does.

A check returns hard problems: what breaks the request, the job or a line of its manifest. Its
`warn_…` twin returns what is allowed but likely to hurt. Sources: the API reference (shapes of
botocore 1.44.5) and the developer guide; where they differ, a comment says so. This module holds
the rules of a CreateLabelingJob request and offers those of its neighbours: `names` (regions,
ARNs), `labels` (labels and their file), `objects` (manifest lines and images).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from gt_workflow.core.labels import (
    check_labels,
    label_category_file,
    parse_label_category_file,
    warn_labels,
)
from gt_workflow.core.names import (
    FUNCTION_SUFFIX,
    LAMBDA_ACCOUNTS,
    PUBLIC_CROWD_ACCOUNT,
    Kind,
    Workforce,
    account_of,
    algorithm_arn,
    function_arn,
    function_of,
    kind_of,
    region_of,
    workforce,
)
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
)
from gt_workflow.core.problems import Problem
from gt_workflow.errors import UsageError

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
    "parse_label_category_file",
    "price_amount",
    "warn_labeling_request",
    "warn_labels",
    "workforce",
]

# Seconds; HumanTaskConfig in the API reference.
MIN_TASK_TIME: Final = 30
MAX_TASK_TIME: Final = 28_800
MIN_AVAILABILITY: Final = 60
MAX_AVAILABILITY: Final[Mapping[Workforce, int]] = {
    "private": 2_592_000,
    "vendor": 2_592_000,
    "public": 43_200,
}
DEFAULT_AVAILABILITY: Final[Mapping[Workforce, int]] = {
    "private": 2_592_000,
    "vendor": 2_592_000,
    "public": 21_600,
}
MAX_JOB_SECONDS: Final = 2_592_000  # LabelingJobStoppingConditions: a job expires after 30 days

MAX_WORKERS: Final = 9
MAX_CONCURRENT: Final = 5_000
DEFAULT_CONCURRENT: Final = 1_000  # above it, AWS Support has to agree
MAX_KEYWORDS: Final = 5
MAX_KEYWORD_CHARACTERS: Final = 30
MAX_TAGS: Final = 50

# Thousandths of a dollar per task (PublicWorkforceTaskPrice). Classification tasks, and so
# verification, may also cost 12 or 24.
BOX_PRICES: Final = (36, 48, 60, 72, 120, 240, 360, 480, 600, 720, 840, 960, 1080, 1200)
VERIFICATION_PRICES: Final = (12, 24, *BOX_PRICES)

PII_CLASSIFIER: Final = "FreeOfPersonallyIdentifiableInformation"

_WORKTEAM: Final = "HumanTaskConfig.WorkteamArn"
_PRE: Final = "HumanTaskConfig.PreHumanTaskLambdaArn"
_ACS: Final = "HumanTaskConfig.AnnotationConsolidationConfig.AnnotationConsolidationLambdaArn"
_PRICE: Final = "HumanTaskConfig.PublicWorkforceTaskPrice"
_AVAILABILITY: Final = "HumanTaskConfig.TaskAvailabilityLifetimeInSeconds"
_TASK_TIME: Final = "HumanTaskConfig.TaskTimeLimitInSeconds"
_CONCURRENT: Final = "HumanTaskConfig.MaxConcurrentTaskCount"
_CLASSIFIERS: Final = "InputConfig.DataAttributes.ContentClassifiers"

_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ATTRIBUTE = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,126}")
_KEYWORD = re.compile(r"[A-Za-z0-9]+( [A-Za-z0-9]+)*")
# The model allows https:// as well; everything here names objects as s3://bucket/key.
_S3_URI = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]*(/.*)?", re.DOTALL)
_S3_OBJECT = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]*/.*[^/]", re.DOTALL)


class _Text(NamedTuple):
    field: str
    longest: int
    pattern: re.Pattern[str]
    advice: str
    required: bool = True


_TEXTS: Final = (
    _Text(
        "InputConfig.DataSource.S3DataSource.ManifestS3Uri",
        1024,
        _S3_OBJECT,
        "name the manifest as s3://bucket/key",
        required=False,
    ),
    _Text("OutputConfig.S3OutputPath", 1024, _S3_URI, "name a folder as s3://bucket/prefix/"),
    _Text(
        "OutputConfig.KmsKeyId",
        2048,
        re.compile(r"[a-zA-Z0-9:/_-]*"),
        "name a KMS key, or leave it out",
        required=False,
    ),
    _Text(
        "RoleArn",
        2048,
        re.compile(r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+", re.ASCII),
        "name a role as arn:aws:iam::ACCOUNT:role/NAME",
    ),
    _Text(
        "LabelCategoryConfigS3Uri",
        1024,
        _S3_OBJECT,
        "a box job needs a label category file at s3://bucket/key",
    ),
    _Text(
        "HumanTaskConfig.UiConfig.UiTemplateS3Uri",
        1024,
        _S3_OBJECT,
        "a box job needs a worker template at s3://bucket/key",
    ),
    _Text(
        "HumanTaskConfig.TaskTitle",
        128,
        re.compile(r"[\t\n\r -\uD7FF\uE000-\uFFFD]+"),
        "give workers a title of 1 to 128 characters, without emoji",
    ),
    _Text(
        "HumanTaskConfig.TaskDescription",
        255,
        re.compile(r".+"),
        "describe the task in 1 to 255 characters on one line",
    ),
)


class _Number(NamedTuple):
    field: str
    least: int
    most: int | None
    advice: str
    required: bool = False


_NUMBERS: Final = (
    _Number(
        "HumanTaskConfig.NumberOfHumanWorkersPerDataObject",
        1,
        MAX_WORKERS,
        "ask 1 to 9 workers per object",
        required=True,
    ),
    _Number(
        "HumanTaskConfig.TaskTimeLimitInSeconds",
        MIN_TASK_TIME,
        MAX_TASK_TIME,
        "give workers 30 to 28800 seconds (8 hours) per image",
        required=True,
    ),
    _Number(
        "HumanTaskConfig.TaskAvailabilityLifetimeInSeconds",
        MIN_AVAILABILITY,
        None,
        "keep tasks available for at least 60 seconds",
    ),
    _Number(
        "HumanTaskConfig.MaxConcurrentTaskCount",
        1,
        MAX_CONCURRENT,
        "put 1 to 5000 objects in work at once; a job may have far more objects than that",
    ),
    _Number("StoppingConditions.MaxHumanLabeledObjectCount", 1, None, "stop after 1 or more"),
    _Number("StoppingConditions.MaxPercentageOfInputDatasetLabeled", 1, 100, "give 1 to 100"),
)


def check_labeling_request(
    request: Mapping[str, Any],
    *,
    account: str | None = None,
    region: str | None = None,
    audited: str | None = None,
) -> list[Problem]:
    """Return every reason for which a CreateLabelingJob request for boxes cannot work.

    `account` is the caller's (the role and a private work team must be in it), `region` the one
    asked, `audited` the attribute that an adjustment or verification job looks at; a rule that
    needs one of them is passed over without it. A request of any shape can be checked.
    """
    return [
        *_names(request, audited),
        *_texts(request),
        *_numbers(request),
        *_sources(request),
        *_functions(request, region),
        *_team(request, region),
        *_accounts(request, account),
        *_automation(request),
        *_keywords(request),
        *_tags(request),
    ]


def warn_labeling_request(request: Mapping[str, Any]) -> list[Problem]:
    """Return what such a request may say but its author may not mean."""
    return list(_doubts(request))


def job_name_problem(name: object) -> Problem | None:
    """Tell what is wrong with a labeling job's name."""
    if isinstance(name, str) and _JOB_NAME.fullmatch(name):
        return None
    return Problem(
        "job-name",
        "LabelingJobName",
        f"{_short(name)} is no job name; use 1 to 63 letters, digits and inner hyphens",
    )


def attribute_problem(name: object, *, audited: str | None = None) -> Problem | None:
    """Tell what is wrong with a label attribute's name for boxes.

    `audited` is the attribute whose boxes are adjusted or verified, if any.
    """
    field = "LabelAttributeName"
    if not isinstance(name, str) or not _ATTRIBUTE.fullmatch(name):
        return Problem(
            "attribute-name",
            field,
            f"{_short(name)} is no attribute name; use 1 to 127 letters, digits and inner hyphens",
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


def price_amount(usd: Decimal) -> dict[str, int]:
    """Write a price per task as `AmountInUsd`; `UsageError` unless it is whole tenths of a cent."""
    thousandths = usd * 1000
    if not usd.is_finite() or thousandths != int(thousandths) or not 0 <= usd < 3:
        raise UsageError(f"{usd} is no price per task; use dollars such as 0.036")
    dollars, rest = divmod(int(thousandths), 1000)
    cents, tenths = divmod(rest, 10)
    return {"Dollars": dollars, "Cents": cents, "TenthFractionsOfACent": tenths}


def _at(request: Any, path: str) -> Any:
    """Return the member at a dotted path; None if it or any part of the way is missing."""
    for name in path.split("."):
        if not isinstance(request, Mapping):
            return None
        request = request.get(name)
    return request


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _names(request: Mapping[str, Any], audited: str | None) -> Iterator[Problem]:
    for problem in (
        job_name_problem(_at(request, "LabelingJobName")),
        attribute_problem(_at(request, "LabelAttributeName"), audited=audited),
    ):
        if problem is not None:
            yield problem


def _texts(request: Mapping[str, Any]) -> Iterator[Problem]:
    for rule in _TEXTS:
        value = _at(request, rule.field)
        if value is None and not rule.required:
            continue
        if value is None:
            yield Problem("missing", rule.field, f"is missing; {rule.advice}")
        elif (
            not isinstance(value, str)
            or len(value) > rule.longest
            or not rule.pattern.fullmatch(value)
        ):
            yield Problem("text", rule.field, f"{_short(value)} does not do; {rule.advice}")


def _numbers(request: Mapping[str, Any]) -> Iterator[Problem]:
    for rule in _NUMBERS:
        value = _at(request, rule.field)
        if value is None and not rule.required:
            continue
        if value is None:
            yield Problem("missing", rule.field, f"is missing; {rule.advice}")
        elif (
            not isinstance(value, int)
            or isinstance(value, bool)
            or value < rule.least
            or (rule.most is not None and value > rule.most)
        ):
            yield Problem("range", rule.field, f"{_short(value)} does not do; {rule.advice}")


def _sources(request: Mapping[str, Any]) -> Iterator[Problem]:
    source = "InputConfig.DataSource"
    if (
        _at(request, f"{source}.S3DataSource.ManifestS3Uri") is None
        and _at(request, f"{source}.SnsDataSource.SnsTopicArn") is None
    ):
        yield Problem("missing", source, "names no data; give S3DataSource.ManifestS3Uri")
    if _at(request, "HumanTaskConfig.UiConfig.HumanTaskUiArn") is not None:
        yield Problem(
            "template",
            "HumanTaskConfig.UiConfig.HumanTaskUiArn",
            "is for other task types; a box job names its template in UiTemplateS3Uri alone",
        )


def _functions(request: Mapping[str, Any], region: str | None) -> Iterator[Problem]:
    if region is not None and region not in LAMBDA_ACCOUNTS:
        yield _no_region(region, "HumanTaskConfig.PreHumanTaskLambdaArn")
        return
    kinds = []
    for stage, field in (("PRE", _PRE), ("ACS", _ACS)):
        arn = _at(request, field)
        function = function_of(arn)
        if arn is None:
            yield Problem("missing", field, f"is missing; {_expected(stage, region)}")
        elif function is None or function[2] != stage:
            yield Problem(
                "function",
                field,
                f"{_short(arn)} is no built-in box function; {_expected(stage, region)}",
            )
        else:
            where, account, _, kind = function
            kinds.append(kind)
            yield from _function_place(field, where, account, region)
    if len(set(kinds)) > 1:
        yield Problem(
            "function",
            _ACS,
            f"is for {kinds[1]} tasks but the PRE function for {kinds[0]} tasks; "
            f"use ACS-{FUNCTION_SUFFIX[kinds[0]]}",
        )


def _expected(stage: str, region: str | None) -> str:
    account = "ACCOUNT" if region is None else LAMBDA_ACCOUNTS[region]
    return (
        f"use arn:aws:lambda:{region or 'REGION'}:{account}:function:{stage}-"
        f"{'|'.join(FUNCTION_SUFFIX.values())}"
    )


def _no_region(region: str, field: str) -> Problem:
    return Problem(
        "region",
        field,
        f"Ground Truth is not in region {region}; use one of {', '.join(LAMBDA_ACCOUNTS)}",
    )


def _function_place(field: str, where: str, account: str, region: str | None) -> Iterator[Problem]:
    if where not in LAMBDA_ACCOUNTS:
        yield _no_region(where, field)
    elif account != LAMBDA_ACCOUNTS[where]:
        yield Problem(
            "function",
            field,
            f"the functions of {where} are in account {LAMBDA_ACCOUNTS[where]}, not {account}",
        )
    if region is not None and where != region:
        yield Problem("region", field, f"is in {where}, but the job would be in {region}")


def _team(request: Mapping[str, Any], region: str | None) -> Iterator[Problem]:
    arn = _at(request, _WORKTEAM)
    if arn is None:
        yield Problem("missing", _WORKTEAM, "is missing; name the work team that labels")
        return
    try:
        force = workforce(arn if isinstance(arn, str) else "")
    except UsageError:
        yield Problem(
            "workteam",
            _WORKTEAM,
            f"{_short(arn)} is no work team; use "
            "arn:aws:sagemaker:REGION:ACCOUNT:workteam/private-crowd/NAME",
        )
        return
    here = region_of(arn)
    job_region = region or region_of(_at(request, _PRE))
    if job_region is not None and here != job_region:
        yield Problem("region", _WORKTEAM, f"is in {here}, but the job would be in {job_region}")
    most = MAX_AVAILABILITY[force]
    availability = _at(request, _AVAILABILITY)
    if isinstance(availability, int) and availability > most:
        yield Problem(
            "range",
            _AVAILABILITY,
            f"{availability} does not do; a {force} work team's tasks live up to {most} seconds",
        )
    if force == "public":
        yield from _public(request, arn)
    elif _at(request, _PRICE) is not None:
        yield Problem("price", _PRICE, f"a {force} work team is not paid per task; leave it out")


def _public(request: Mapping[str, Any], arn: str) -> Iterator[Problem]:
    if account_of(arn) != PUBLIC_CROWD_ACCOUNT:
        yield Problem(
            "workteam", _WORKTEAM, f"the public work team is in account {PUBLIC_CROWD_ACCOUNT}"
        )
    classifiers = _at(request, _CLASSIFIERS)
    if not isinstance(classifiers, list | tuple) or PII_CLASSIFIER not in classifiers:
        yield Problem(
            "classifiers",
            _CLASSIFIERS,
            f"the public may only see what shows no personal data; declare {PII_CLASSIFIER} "
            "if that is so",
        )
    allowed = VERIFICATION_PRICES if kind_of(request) == "verify" else BOX_PRICES
    amount = _at(request, f"{_PRICE}.AmountInUsd")
    parts = [_at(amount, name) or 0 for name in ("Dollars", "Cents", "TenthFractionsOfACent")]
    if not all(isinstance(part, int) for part in parts) or (
        parts[0] * 1000 + parts[1] * 10 + parts[2] not in allowed
    ):
        points = ", ".join(f"{point / 1000:.3f}" for point in allowed)
        yield Problem("price", _PRICE, f"the public is paid per task; offer one of {points} USD")


def _accounts(request: Mapping[str, Any], account: str | None) -> Iterator[Problem]:
    if account is None:
        return
    team = _at(request, _WORKTEAM)
    fields = ["RoleArn"]
    if isinstance(team, str) and ":workteam/private-crowd/" in team:
        fields.append(_WORKTEAM)
    for field in fields:
        owner = account_of(_at(request, field))
        if owner is not None and owner != account:
            yield Problem(
                "account", field, f"belongs to account {owner}; use one of account {account}"
            )


def _automation(request: Mapping[str, Any]) -> Iterator[Problem]:
    config = _at(request, "LabelingJobAlgorithmsConfig")
    if config is None:
        return
    field = "LabelingJobAlgorithmsConfig.LabelingJobAlgorithmSpecificationArn"
    region = region_of(_at(request, _PRE)) or "REGION"
    arn = _at(config, "LabelingJobAlgorithmSpecificationArn")
    if arn != algorithm_arn(region):
        yield Problem("algorithm", field, f"for boxes, use {algorithm_arn(region)}")
    if kind_of(request) == "verify":
        yield Problem("algorithm", field, "nothing verifies labels automatically; leave it out")
    if _at(request, "InputConfig.DataSource.SnsDataSource") is not None:
        yield Problem("algorithm", field, "streaming jobs have no automated labeling; leave it out")


def _keywords(request: Mapping[str, Any]) -> Iterator[Problem]:
    field = "HumanTaskConfig.TaskKeywords"
    keywords = _at(request, field)
    if keywords is None:
        return
    if not isinstance(keywords, list | tuple) or not 1 <= len(keywords) <= MAX_KEYWORDS:
        yield Problem("keywords", field, f"give 1 to {MAX_KEYWORDS} keywords, or leave them out")
        return
    for index, keyword in enumerate(keywords):
        if (
            not isinstance(keyword, str)
            or len(keyword) > MAX_KEYWORD_CHARACTERS
            or not _KEYWORD.fullmatch(keyword)
        ):
            yield Problem(
                "keywords",
                f"{field}[{index}]",
                f"{_short(keyword)} does not do; use 1 to {MAX_KEYWORD_CHARACTERS} plain letters "
                "and digits, single spaces between words",
            )


def _tags(request: Mapping[str, Any]) -> Iterator[Problem]:
    tags = _at(request, "Tags")
    if tags is None:
        return
    if not isinstance(tags, list | tuple) or len(tags) > MAX_TAGS:
        yield Problem("tags", "Tags", f"give a list of up to {MAX_TAGS} tags")
        return
    seen = set()
    for index, tag in enumerate(tags):
        key, value = _at(tag, "Key"), _at(tag, "Value")
        if not _tag_text(key, least=1, most=128) or not _tag_text(value, least=0, most=256):
            yield Problem(
                "tags",
                f"Tags[{index}]",
                "needs a Key of 1 to 128 and a Value of up to 256 letters, digits, spaces "
                "and _.:/=+-@",
            )
        elif key.lower().startswith("aws:"):
            yield Problem("tags", f"Tags[{index}].Key", "aws: is reserved; take another key")
        elif key in seen:
            yield Problem("tags", f"Tags[{index}].Key", f"{key!r} is given twice; name it once")
        seen.add(str(key))


def _tag_text(text: object, *, least: int, most: int) -> bool:
    """Tell whether a tag's text has only what AWS allows: letters, spaces, numbers, _.:/=+-@."""
    return (
        isinstance(text, str)
        and least <= len(text) <= most
        and all(
            character in "_.:/=+-@" or unicodedata.category(character)[0] in "LZN"
            for character in text
        )
    )


def _doubts(request: Mapping[str, Any]) -> Iterator[Problem]:
    concurrent = _at(request, _CONCURRENT)
    if isinstance(concurrent, int) and concurrent > DEFAULT_CONCURRENT:
        yield Problem(
            "concurrency",
            _CONCURRENT,
            f"above {DEFAULT_CONCURRENT}, AWS Support has to raise the account's quota first",
        )
    availability, limit = _at(request, _AVAILABILITY), _at(request, _TASK_TIME)
    if isinstance(availability, int) and isinstance(limit, int) and availability < limit:
        yield Problem(
            "availability",
            _AVAILABILITY,
            f"tasks vanish after {availability} s though workers may take {limit} s; raise it",
        )
    if _at(request, "OutputConfig.KmsKeyId") == "":
        yield Problem(
            "empty", "OutputConfig.KmsKeyId", "is empty, which breaks other tools; leave it out"
        )
    team = _at(request, _WORKTEAM)
    if isinstance(team, str) and ":workteam/public-crowd/" in team:
        yield Problem(
            "public",
            _WORKTEAM,
            "Mechanical Turk closed on 2026-09-30; use a private or vendor work team",
        )
    if (
        _at(request, "InputConfig.DataSource.SnsDataSource") is not None
        and _at(request, "StoppingConditions") is not None
    ):
        yield Problem("streaming", "StoppingConditions", "streaming jobs pay no heed to it")
