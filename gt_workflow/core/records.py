"""What one line of a manifest says: a record, and the label or the failure in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gt_workflow.core.boxes import Box
from gt_workflow.core.label_schema import BOXES, JOB_PREFIX, RawLabel, RawMetadata

State: TypeAlias = Literal["labelled", "failed", "untouched"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One box of a label; `label` is the class's name, exact to the last space."""

    class_id: int
    box: Box
    confidence: float | None
    label: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a job said about one photograph; no annotations means that nothing is there.

    `width` and `height` are those of the raster that the boxes refer to, in pixels. `class_map`
    holds only classes of this line: the map of a job is the union over its lines. `job_name`
    comes without `labeling-job/`. `kind` is the metadata's `type`.
    """

    attribute: str
    width: int
    height: int
    depth: int
    annotations: tuple[Annotation, ...]
    class_map: Mapping[int, str]
    human: bool
    job_name: str | None
    creation_date: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job gave up on one photograph, and after how many retries if it says so."""

    reason: str
    retries: int | None


class Record:
    """One line of a manifest; never changed once made.

    `line` counts from 1, blank lines included. `raw` is the line without its newline. `origin`
    is the manifest's own `origin`, or else the source-ref: photographs of one origin stay
    together in every split. `attribute` is the label attribute the file was read for, None as
    long as the file named none.
    """

    __slots__ = ("_label", "_parts", "attribute", "failure", "line", "origin", "raw", "source_ref")

    def __init__(
        self,
        line: int,
        raw: bytes,
        source_ref: str,
        origin: str,
        *,
        attribute: str | None = None,
        label: Label | None = None,
        failure: Failure | None = None,
    ) -> None:
        """Make a record from its parts; `read` is the usual way."""
        self.line = line
        self.raw = raw
        self.source_ref = source_ref
        self.origin = origin
        self.attribute = attribute
        self.failure = failure
        self._label = label
        self._parts: tuple[RawLabel, RawMetadata] | None = None

    @property
    def state(self) -> State:
        """Tell which of the three kinds of line this is."""
        if self._parts is not None or self._label is not None:
            return "labelled"
        return "untouched" if self.failure is None else "failed"

    @property
    def label(self) -> Label | None:
        """The label; built when first asked for, since many stages only count and pass on."""
        if self._label is None and self._parts is not None and self.attribute is not None:
            self._label = _label(self.attribute, *self._parts)
        return self._label

    @property
    def human(self) -> bool | None:
        """Tell whether people drew the label; None without a label. Cheaper than `label`."""
        if self._parts is not None:
            return self._parts[1].human
        return None if self._label is None else self._label.human

    @property
    def class_ids(self) -> tuple[int, ...]:
        """The class of every box, in order; empty without a label. Cheaper than `label`."""
        if self._parts is not None:
            return tuple([annotation.class_id for annotation in self._parts[0].annotations])
        return () if self._label is None else tuple([a.class_id for a in self._label.annotations])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.line, self.raw, self.attribute))

    def __repr__(self) -> str:
        return f"Record({self.line}, {self.source_ref!r}, {self.attribute!r}, {self.state})"

    def _key(self) -> tuple[object, ...]:
        own = (self.line, self.raw, self.source_ref, self.origin)
        return (*own, self.attribute, self.label, self.failure)


def _label(attribute: str, value: RawLabel, metadata: RawMetadata) -> Label:
    """Build a label from parts that `_Reader` has checked."""
    size = value.image_size[0]
    classes = metadata.class_map or {}
    confidences: Sequence[float | None] = (
        [item.confidence for item in metadata.objects]
        if metadata.objects
        else [None] * len(value.annotations)
    )
    return Label(
        attribute=attribute,
        width=size.width,
        height=size.height,
        depth=size.depth or 3,
        annotations=tuple(
            [
                Annotation(
                    item.class_id,
                    Box(item.left, item.top, item.width, item.height),
                    confidence,
                    classes[item.class_id],
                )
                for item, confidence in zip(value.annotations, confidences, strict=True)
            ]
        ),
        class_map=classes,
        human=metadata.human,
        job_name=metadata.job_name.removeprefix(JOB_PREFIX) if metadata.job_name else None,
        creation_date=metadata.creation_date or None,
        kind=metadata.type or BOXES,
    )
