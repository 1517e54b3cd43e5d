"""Each field of a CreateLabelingJob request by itself: texts, numbers, keywords, tags.

Lengths, patterns and ranges are those of botocore 1.44.5's shapes; a test compares them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from gt_workflow.core.problems import Problem, member, short

# Seconds. An image task may take 8 hours (`TaskTimeLimitInSeconds`); the upper limit of
# availability depends on the work team.
MIN_TASK_TIME: Final = 30
MAX_TASK_TIME: Final = 28_800
MIN_AVAILABILITY: Final = 60

MAX_WORKERS: Final = 9
MAX_CONCURRENT: Final = 5_000
MAX_KEYWORDS: Final = 5
MAX_KEYWORD_CHARACTERS: Final = 30
MAX_TAGS: Final = 50

CLASSIFIERS: Final = ("FreeOfPersonallyIdentifiableInformation", "FreeOfAdultContent")

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


def field_problems(request: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with single fields, whatever the others say."""
    yield from _texts(request)
    yield from _numbers(request)
    yield from _keywords(request)
    yield from _classifiers(request)
    yield from _tags(request)


def _texts(request: Mapping[str, Any]) -> Iterator[Problem]:
    for rule in _TEXTS:
        value = member(request, rule.field)
        if value is None and not rule.required:
            continue
        if value is None:
            yield Problem("missing", rule.field, f"is missing; {rule.advice}")
        elif (
            not isinstance(value, str)
            or len(value) > rule.longest
            or not rule.pattern.fullmatch(value)
        ):
            yield Problem("text", rule.field, f"{short(value)} does not do; {rule.advice}")


def _numbers(request: Mapping[str, Any]) -> Iterator[Problem]:
    for rule in _NUMBERS:
        value = member(request, rule.field)
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
            yield Problem("range", rule.field, f"{short(value)} does not do; {rule.advice}")


def _keywords(request: Mapping[str, Any]) -> Iterator[Problem]:
    field = "HumanTaskConfig.TaskKeywords"
    keywords = member(request, field)
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
                f"{short(keyword)} does not do; use 1 to {MAX_KEYWORD_CHARACTERS} plain letters "
                "and digits, single spaces between words",
            )


def _classifiers(request: Mapping[str, Any]) -> Iterator[Problem]:
    field = "InputConfig.DataAttributes.ContentClassifiers"
    declared = member(request, field)
    if declared is None:
        return
    if not isinstance(declared, list | tuple) or any(one not in CLASSIFIERS for one in declared):
        yield Problem(
            "classifiers",
            field,
            f"{short(declared)} does not do; declare {' or '.join(CLASSIFIERS)}, or both",
        )


def _tags(request: Mapping[str, Any]) -> Iterator[Problem]:
    tags = member(request, "Tags")
    if tags is None:
        return
    if not isinstance(tags, list | tuple) or len(tags) > MAX_TAGS:
        yield Problem("tags", "Tags", f"give a list of up to {MAX_TAGS} tags")
        return
    seen = set()
    for index, tag in enumerate(tags):
        key, value = member(tag, "Key"), member(tag, "Value")
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
