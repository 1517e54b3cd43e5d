"""Labels and the label category file (JSON, one document; the order defines `class_id`).

A label is kept exactly as given, spaces included: workers, manifests and class maps must agree
to the byte. Source: developer guide, "Bounding Box", "Input Data Quotas", "Create a Labeling
Category Configuration File".
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from gt_workflow.core.names import Kind
from gt_workflow.core.problems import Problem
from gt_workflow.errors import DataError

DOCUMENT_VERSION: Final = "2018-11-28"
MAX_LABELS: Final = 50
# The API's text on the category file and the page element's own documentation say 10; the quota
# table and the console say 50.
SAFE_LABELS: Final = 10
# `categories` of crowd-image-classifier.
MAX_CATEGORIES: Final = 10
MAX_LABEL_CHARACTERS: Final = 256
# Soft hyphen, spaces and joiners of no width, marks and overrides of direction. Not those two
# (U+200C, U+200D) that Persian, Indic scripts and emoji are written with.
_UNSEEN: Final = dict.fromkeys(
    (0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
)
# Fifty labels of 256 characters need far less; the rest is room for keys of other task types.
MAX_CATEGORY_FILE_BYTES: Final = 1_000_000


def check_labels(labels: Sequence[str], *, kind: Kind = "label") -> list[Problem]:
    """Return every reason for which Ground Truth would refuse these labels."""
    return list(_refusals(labels, MAX_CATEGORIES if kind == "verify" else MAX_LABELS))


def warn_labels(labels: Sequence[str]) -> list[Problem]:
    """Return what is allowed but likely to hurt."""
    return list(_doubts(labels))


def label_category_file(labels: Sequence[str]) -> bytes:
    """Write the file that `LabelCategoryConfigS3Uri` names: UTF-8, the same bytes every time.

    The labels must have passed `check_labels`.
    """
    document = {
        "document-version": DOCUMENT_VERSION,
        "labels": [{"label": label} for label in labels],
    }
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def parse_label_category_file(data: bytes, uri: str, *, kind: Kind = "label") -> tuple[str, ...]:
    """Read such a file; `DataError` names the place of the first thing that is wrong.

    `document-version` may be missing, as in files that jobs have accepted; other keys are those
    of other task types and are passed over.
    """
    if len(data) > MAX_CATEGORY_FILE_BYTES:
        raise DataError(
            f"the label category file has more than {MAX_CATEGORY_FILE_BYTES:,} bytes; "
            "name the file with the labels, not the manifest",
            uri=uri,
        )
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"not a JSON document in UTF-8 ({error})", uri=uri) from error
    if not isinstance(document, dict):
        raise DataError('must be one JSON object with the key "labels"', uri=uri)
    version = document.get("document-version", DOCUMENT_VERSION)
    if version != DOCUMENT_VERSION:
        raise DataError(
            f'must be "{DOCUMENT_VERSION}", the only version there is',
            uri=uri,
            field="document-version",
        )
    entries = document.get("labels")
    if not isinstance(entries, list):
        raise DataError('must be a list of {"label": NAME}', uri=uri, field="labels")
    labels: list[str] = []
    for index, entry in enumerate(entries):
        label = entry.get("label") if isinstance(entry, dict) else None
        if not isinstance(label, str):
            raise DataError('must be {"label": NAME}', uri=uri, field=f"labels[{index}]")
        labels.append(label)
    for problem in check_labels(labels, kind=kind):
        raise DataError(problem.message, uri=uri, field=problem.field)
    return tuple(labels)


def _refusals(labels: Sequence[str], most: int) -> Iterator[Problem]:
    if not 1 <= len(labels) <= most:
        yield Problem(
            "label-count",
            "labels",
            f"there are {len(labels)}; give between 1 and {most} labels",
        )
    seen: set[str] = set()
    for index, label in enumerate(labels):
        field = f"labels[{index}].label"
        if not label.strip():
            yield Problem("label-empty", field, "is empty; give every label a name")
        elif len(label) > MAX_LABEL_CHARACTERS:
            yield Problem(
                "label-length",
                field,
                f"has {len(label)} characters; shorten it to {MAX_LABEL_CHARACTERS}",
            )
        elif any("\ud800" <= character <= "\udfff" for character in label):
            yield Problem("label-text", field, "holds half a character; write it anew")
        if label in seen:
            yield Problem(
                "label-duplicate",
                field,
                f"{label!r} is named twice; name each label once",
            )
        seen.add(label)


def _doubts(labels: Sequence[str]) -> Iterator[Problem]:
    if len(labels) > SAFE_LABELS:
        yield Problem(
            "label-count",
            "labels",
            f"there are {len(labels)}; parts of AWS's documentation allow {SAFE_LABELS} only, "
            "so try a small job on AWS first",
        )
    seen: dict[str, str] = {}
    for index, label in enumerate(labels):
        field = f"labels[{index}].label"
        if label != label.strip():
            yield Problem(
                "label-space",
                field,
                f"{label!r} begins or ends with a space, which stays part of its name everywhere",
            )
        if any(unicodedata.category(character) == "Cc" for character in label):
            yield Problem(
                "label-control", field, f"{label!r} holds a control character; leave it out"
            )
        seen_as = label.translate(_UNSEEN)
        if seen_as != label:
            yield Problem(
                "label-unseen",
                field,
                f"{label!r} holds characters that nobody sees, or that turn a text's direction; "
                "leave them out",
            )
        folded = unicodedata.normalize("NFC", seen_as.strip()).casefold()
        other = seen.setdefault(folded, label)
        if other != label:
            yield Problem(
                "label-similar",
                field,
                f"{label!r} and {other!r} look alike to workers but are two classes; "
                "rename one, or drop it",
            )
