"""What a data object may be: a line of an input manifest, and the image it names.

Sources: developer guide, "Use an Input Manifest File", "Supported Data Formats", "Input Data
Quotas".
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from gt_workflow.core.json_lines import explain, members
from gt_workflow.core.problems import Problem

MAX_OBJECTS: Final = 100_000
MIN_OBJECTS_AUTOMATED: Final = 1_250
GOOD_OBJECTS_AUTOMATED: Final = 5_000
MAX_LINE_CHARACTERS: Final = 100_000
MAX_ATTRIBUTE_CHARACTERS: Final = 20_000
MAX_IMAGE_BYTES: Final = 40_000_000
MAX_IMAGE_PIXELS: Final = 100_000_000
# The guide does not say which side is which; either way round is taken.
MAX_IMAGE_SIDES_AUTOMATED: Final = (3840, 2160)
IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png")

_IMAGE_URI = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]+/.+", re.DOTALL)
_MAX_URI_CHARACTERS: Final = 1024
_text = msgspec.json.Decoder(str)


def check_manifest_line(raw: bytes) -> list[Problem]:
    """Return what is wrong with one line (without its newline) of an input manifest for boxes.

    The fields are the line's keys; a problem of the whole line has the field `line`.
    """
    try:
        line = raw.decode()
        present = members(raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        reason = explain(error, raw, uri="", line=1).reason
        return [Problem("line-json", "line", f"must be one JSON object: {reason}")]
    problems = []
    if len(line) > MAX_LINE_CHARACTERS:
        problems.append(
            Problem(
                "line-length",
                "line",
                f"has {len(line):,} characters; at most {MAX_LINE_CHARACTERS:,} are read, "
                "so drop attributes that the job does not need",
            )
        )
    for name, value in present.items():
        if name.startswith("$"):
            problems.append(
                Problem("line-key", name, "begins with $, which is reserved; drop or rename it")
            )
        # Bytes first: no text has more characters than bytes.
        if len(bytes(value)) > MAX_ATTRIBUTE_CHARACTERS:
            length = len(bytes(value).decode())
            if length > MAX_ATTRIBUTE_CHARACTERS:
                problems.append(
                    Problem(
                        "attribute-length",
                        name,
                        f"has {length:,} characters; at most {MAX_ATTRIBUTE_CHARACTERS:,} are read",
                    )
                )
    problems += _source_problems(present)
    return problems


def check_object_count(objects: int, *, automated: bool = False) -> list[Problem]:
    """Return what is wrong with a job of so many data objects."""
    if objects < 1:
        return [Problem("object-count", "manifest", "has no data object; add photographs")]
    if objects > MAX_OBJECTS:
        return [
            Problem(
                "object-count",
                "manifest",
                f"has {objects:,} data objects; make several jobs of up to {MAX_OBJECTS:,}",
            )
        ]
    if automated and objects < MIN_OBJECTS_AUTOMATED:
        return [
            Problem(
                "object-count",
                "manifest",
                f"has {objects:,} data objects; automated labeling needs "
                f"{MIN_OBJECTS_AUTOMATED:,}, so add photographs or let people label them all",
            )
        ]
    return []


def warn_object_count(objects: int, *, automated: bool = False) -> list[Problem]:
    """Return what is doubtful about a job of so many data objects."""
    if automated and MIN_OBJECTS_AUTOMATED <= objects < GOOD_OBJECTS_AUTOMATED:
        return [
            Problem(
                "object-count",
                "manifest",
                f"has {objects:,} data objects; for automated labeling AWS recommends "
                f"{GOOD_OBJECTS_AUTOMATED:,} or more, since people label those it learns from",
            )
        ]
    return []


def check_image(*, size: int, width: int, height: int, automated: bool = False) -> list[Problem]:
    """Return what is wrong with an image of `size` bytes and `width` by `height` pixels."""
    problems = []
    if size > MAX_IMAGE_BYTES:
        problems.append(
            Problem("image-bytes", "image", f"has {size:,} bytes; shrink it to {MAX_IMAGE_BYTES:,}")
        )
    if width * height > MAX_IMAGE_PIXELS:
        problems.append(
            Problem(
                "image-pixels",
                "image",
                f"has {width} x {height} pixels; shrink it to {MAX_IMAGE_PIXELS:,} in all",
            )
        )
    long, short = MAX_IMAGE_SIDES_AUTOMATED
    if automated and (max(width, height) > long or min(width, height) > short):
        problems.append(
            Problem(
                "image-pixels",
                "image",
                f"has {width} x {height} pixels; automated labeling takes up to {long} x {short}, "
                "so shrink it",
            )
        )
    return problems


def _source_problems(present: dict[str, msgspec.Raw]) -> list[Problem]:
    raw = present.get("source-ref")
    if raw is None:
        hint = "; a box job needs images, not text under `source`" if "source" in present else ""
        return [Problem("source-ref", "source-ref", f"is missing; name the image{hint}")]
    try:
        uri = _text.decode(raw)
    except msgspec.DecodeError:
        return [Problem("source-ref", "source-ref", "must be a string such as s3://bucket/key.jpg")]
    if len(uri) > _MAX_URI_CHARACTERS or not _IMAGE_URI.fullmatch(uri):
        return [
            Problem(
                "source-ref",
                "source-ref",
                f"{uri[:200]!r} is no image's address; write s3://bucket/key.jpg "
                f"in at most {_MAX_URI_CHARACTERS} characters",
            )
        ]
    if not uri.lower().endswith(IMAGE_SUFFIXES):
        return [
            Problem(
                "source-suffix",
                "source-ref",
                f"{uri[-200:]!r} must end in .jpg, .jpeg or .png; convert the image",
            )
        ]
    return []
