"""Ground Truth's box label as it stands on a line: its types, and what they cannot express.

Field for field docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html. msgspec checks types
and ranges while it decodes; `check` does the rest: members that belong together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from gt_workflow.errors import DataError

BOXES = "groundtruth/object-detection"
VERIFICATION = "groundtruth/label-verification"
JOB_PREFIX = "labeling-job/"
SUFFIX = "-metadata"
LOOK = "perceptual-hash"
"""The member that tells what the photograph looks like that all this derives from; see
`core.near_duplicates`. A variant has its photograph's."""
VARIANT = "variant"
"""The member that tells what an image was made from, and how; only variants have it."""
RESERVED = ("source-ref", "origin", "photograph", LOOK)
"""The members of an input line that have a meaning here."""

_QUOTED = re.compile(r'[\x00-\x1f"\\]')  # what JSON spells with a backslash

_Coordinate: TypeAlias = Annotated[float, Meta(ge=-1e9, le=1e9)]
_Length: TypeAlias = Annotated[float, Meta(ge=0, le=1e9)]
_Pixels: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]

# No cycles can arise from a line, so its parts need not be known to the garbage collector.


class RawAnnotation(Struct, gc=False, frozen=True):
    """One of `<attribute>.annotations`; a side may be 0, as careless clicks leave it."""

    class_id: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    left: _Coordinate
    top: _Coordinate
    width: _Length
    height: _Length


class RawSize(Struct, gc=False, frozen=True):
    """The one item of `<attribute>.image_size`."""

    width: _Pixels
    height: _Pixels
    depth: Annotated[int, Meta(ge=1, le=16)] | UnsetType = UNSET


class RawLabel(Struct, gc=False, frozen=True):
    """`<attribute>`."""

    image_size: Annotated[list[RawSize], Meta(min_length=1, max_length=1)]
    annotations: list[RawAnnotation]


class RawObject(Struct, gc=False, frozen=True):
    """One of `<attribute>-metadata.objects`."""

    confidence: Annotated[float, Meta(ge=0, le=1)]


class RawMetadata(Struct, gc=False, frozen=True, rename="kebab"):
    """`<attribute>-metadata`, of a label or of a failure; the two share one name on the line."""

    type: Literal["groundtruth/object-detection"] | UnsetType = UNSET
    human_annotated: Literal["yes", "no", "true", "false"] | UnsetType = UNSET
    class_map: dict[int, str] | UnsetType = UNSET
    objects: list[RawObject] | UnsetType = UNSET
    job_name: str | UnsetType = UNSET
    creation_date: str | UnsetType = UNSET
    adjustment_status: str | UnsetType = UNSET
    failure_reason: str | UnsetType = UNSET
    retry_count: int | UnsetType = UNSET

    @property
    def human(self) -> bool:
        """Tell whether people drew it: `true` is what Ground Truth sometimes writes for `yes`."""
        return self.human_annotated in {"yes", "true"}


def usable(attribute: str) -> bool:
    """Tell whether a label attribute may have this name; Ground Truth itself allows far fewer."""
    return attribute not in RESERVED and not _QUOTED.search(attribute)


@lru_cache(64)
def line_type(attribute: str | None) -> Any:
    """Return the Struct of a line whose labels lie under `attribute`; other members are skipped.

    Its fields are `source_ref`, `origin`, `photograph`, `look`, `label` and `metadata`.
    """
    fields: list[tuple[str, Any, Any]] = [
        ("origin", str | UnsetType, UNSET),
        ("photograph", msgspec.Raw, UNSET),
        ("look", msgspec.Raw, field(name=LOOK, default=UNSET)),
    ]
    if attribute is not None:
        fields += [
            ("label", RawLabel | UnsetType, field(name=attribute, default=UNSET)),
            ("metadata", RawMetadata | UnsetType, field(name=attribute + SUFFIX, default=UNSET)),
        ]
    required = ("source_ref", str, field(name="source-ref"))
    return msgspec.defstruct("Line", [required, *fields], gc=False)


def check(label: RawLabel, metadata: RawMetadata, attribute: str, uri: str, line: int) -> int:
    """Raise `DataError` if the two do not fit; return how many texts they hold, keys included.

    The texts are those that the types above decode, with the two members' own names. The
    metadata have a `type`, else they are no label's.
    """
    annotations, objects, classes = label.annotations, metadata.objects, metadata.class_map
    texts = 10 + (label.image_size[0].depth is not UNSET) + 5 * len(annotations)
    problem: tuple[str, str] | None = None
    if objects is not UNSET:
        texts += 1 + len(objects)
        if len(objects) != len(annotations):
            reason = f"{len(objects)} entries for {len(annotations)} boxes"
            problem = (f"{attribute}{SUFFIX}.objects", reason)
    if classes is not UNSET:
        texts += 1 + 2 * len(classes)
        for annotation in annotations:
            if annotation.class_id not in classes:
                place = f"{attribute}.annotations[{annotations.index(annotation)}].class_id"
                problem = (place, f"class {annotation.class_id} is not in the class-map")
                break
    elif annotations:
        problem = (f"{attribute}{SUFFIX}.class-map", "this member is missing")
    if metadata.human_annotated is UNSET:
        problem = (f"{attribute}{SUFFIX}.human-annotated", "this member is missing")
    if problem:
        raise DataError(problem[1], uri=uri, line=line, field=problem[0])
    return (
        texts
        + 2 * (metadata.job_name is not UNSET)
        + 2 * (metadata.creation_date is not UNSET)
        + 2 * (metadata.adjustment_status is not UNSET)
    )


class _Kind(Struct, gc=False, rename="kebab"):
    type: str | UnsetType = UNSET
    failure_reason: str | UnsetType = UNSET


class _Shape(Struct, gc=False):
    image_size: msgspec.Raw
    annotations: msgspec.Raw


_NO_KIND = _Kind()
_kind = msgspec.json.Decoder(_Kind).decode
_shape = msgspec.json.Decoder(_Shape).decode


def kind_of(metadata: msgspec.Raw) -> str | None:
    """Return the `type` that metadata name, None if there is none or it is no such thing."""
    return _kind_of(metadata).type or None


def _kind_of(metadata: msgspec.Raw) -> _Kind:
    try:
        return _kind(metadata)
    except msgspec.DecodeError:
        return _NO_KIND


def box_attributes(table: Mapping[str, msgspec.Raw]) -> tuple[list[str], list[str]]:
    """Return the label attributes for boxes among members: those with a label, those that failed.

    What has the form of a label counts even if its metadata are missing or broken, so that
    reading it says so.
    """
    labelled: list[str] = []
    failed: list[str] = []
    for name in dict.fromkeys(key.removesuffix(SUFFIX) for key in table):
        metadata = table.get(name + SUFFIX)
        kind = _NO_KIND if metadata is None else _kind_of(metadata)
        if kind.type == BOXES:
            labelled.append(name)
        elif kind.type is UNSET and kind.failure_reason is not UNSET:
            failed.append(name)
        elif kind.type is UNSET and name in table and _has_form(table[name]):
            labelled.append(name)
    return labelled, failed


def _has_form(value: msgspec.Raw) -> bool:
    if b'"annotations"' not in bytes(value):
        return False
    try:
        _shape(value)
    except msgspec.DecodeError:
        return False
    return True
