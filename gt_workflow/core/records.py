"""What one line of a manifest says: a record, and the label or the failure in it.

All are made for every line, so they are msgspec Structs: a third of a dataclass's cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

from gt_workflow.core.boxes import Box
from gt_workflow.core.label_schema import BOXES, JOB_PREFIX, RawLabel, RawMetadata

State: TypeAlias = Literal["labelled", "failed", "untouched"]


class Annotation(Struct, frozen=True, gc=False):
    """One box of a label; `label` is the class's name, exact to the last space."""

    class_id: int
    box: Box
    confidence: float | None
    label: str


class Label(Struct, frozen=True, gc=False):
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


class Failure(Struct, frozen=True):
    """Why a job gave up on one photograph, and after how many retries if it says so."""

    reason: str
    retries: int | None


class Record(Struct, frozen=True, gc=False, eq=False):
    """One line of a manifest.

    `line` counts from 1, blank lines included. `raw` is the line without its newline. `origin`
    is the manifest's own `origin`, or else the source-ref: photographs of one origin stay
    together in every split. `attribute` is the label attribute the file was read for, None as
    long as the file named none. `content` is the label, or the checked parts it is made of.
    """

    line: int
    raw: bytes
    source_ref: str
    origin: str
    attribute: str | None = None
    failure: Failure | None = None
    content: Label | tuple[RawLabel, RawMetadata] | None = None

    @property
    def state(self) -> State:
        """Tell which of the three kinds of line this is."""
        if self.content is not None:
            return "labelled"
        return "untouched" if self.failure is None else "failed"

    @property
    def label(self) -> Label | None:
        """The label; built when first asked for, since many stages only count and pass on."""
        content = self.content
        if isinstance(content, tuple):
            content = _label(str(self.attribute), *content)
            force_setattr(self, "content", content)  # the same value, in another form
        return content

    @property
    def human(self) -> bool | None:
        """Tell whether people drew the label; None without a label. Cheaper than `label`."""
        content = self.content
        if content is None:
            return None
        return content[1].human if isinstance(content, tuple) else content.human

    @property
    def class_ids(self) -> tuple[int, ...]:
        """The class of every box, in order; empty without a label. Cheaper than `label`."""
        content = self.content
        if content is None:
            return ()
        boxes = content[0].annotations if isinstance(content, tuple) else content.annotations
        return tuple([box.class_id for box in boxes])

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class's name of every box, in order; empty without a label. Cheaper than `label`."""
        content = self.content
        if content is None:
            return ()
        names = content[1].class_map if isinstance(content, tuple) else content.class_map
        return tuple([names[class_id] for class_id in self.class_ids]) if names else ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self._key() == other._key()

    def __ne__(self, other: object) -> bool:
        # Struct brings its own, which would tell a label from the parts it is made of.
        return not self == other

    def __hash__(self) -> int:
        return hash((self.line, self.raw, self.attribute))

    def __repr__(self) -> str:
        return f"Record({self.line}, {self.source_ref!r}, {self.attribute!r}, {self.state})"

    def _key(self) -> tuple[object, ...]:
        own = (self.line, self.raw, self.source_ref, self.origin)
        return (*own, self.attribute, self.label, self.failure)


def _label(attribute: str, value: RawLabel, metadata: RawMetadata) -> Label:
    """Build a label from parts that the reader has checked."""
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
