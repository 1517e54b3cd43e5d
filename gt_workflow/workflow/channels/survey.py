"""What a manifest holds, counted before anything is written: lines, boxes, classes, both sides.

One pass over the lines, in flat memory but for eight bytes per image; a second one only if the
rule for small sets (`core.split`) moves an origin.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from gt_workflow.core.manifest import Record, is_variant
from gt_workflow.core.near_duplicates import Alike
from gt_workflow.core.split import NONE_ALIKE, SIDES, Side, exceptions, share_of, side
from gt_workflow.workflow.channels.labels import Absence, ChannelClass, ClassTable, Judged, judge

# A split by hash gives shares by chance; more than this off, relative to what was asked, is told.
_UNEVEN = 0.25
_FEW = 9  # photographs that look alike, in a small set


class SideCounts(Struct):
    """One side of the split: images with boxes, their boxes by class name, images without.

    `variants` are those of the images that augmentation made.
    """

    images: int = 0
    variants: int = 0
    boxes: Counter[str] = field(default_factory=Counter)
    most_boxes: int = 0
    without_boxes: int = 0

    def add(self, names: list[str], raw: bytes) -> None:
        """Count one image by the class names of its boxes; none means an image without boxes.

        `raw` is its line.
        """
        if not names:
            self.without_boxes += 1
            return
        self.images += 1
        self.variants += is_variant(raw)
        boxes = self.boxes
        for name in names:  # quicker for a few than Counter.update
            boxes[name] += 1
        self.most_boxes = max(self.most_boxes, len(names))

    def join(self, other: SideCounts) -> None:
        """Add what was counted elsewhere."""
        self.images += other.images
        self.variants += other.variants
        self.boxes.update(other.boxes)
        self.most_boxes = max(self.most_boxes, other.most_boxes)
        self.without_boxes += other.without_boxes

    def to_dict(self, classes: tuple[ChannelClass, ...]) -> dict[str, Any]:
        """Give the counts for JSON, every class with its number of boxes."""
        return {
            "images": self.images,
            "images_without_boxes": self.without_boxes,
            "boxes": self.boxes.total(),
            "most_boxes_on_an_image": self.most_boxes,
            "boxes_by_class": {entry.name: self.boxes[entry.name] for entry in classes},
        }


class Survey(Struct):
    """The counts of one manifest; a finished survey is not changed any more.

    `local` are images with boxes that are not in S3, `head` the lines before the label attribute is
    known. `verdicts` has a byte for every line; see `channels.counting`. `validation` is the share
    that was asked, 0 where sides were not drawn.
    """

    attribute: str | None = None
    lines: int = 0
    people: int = 0
    machine: int = 0
    rejected: int = 0
    absent: Counter[Absence] = field(default_factory=Counter)
    clipped: int = 0
    dropped: int = 0
    repeated: int = 0
    local: int = 0
    head: int = 0
    verdicts: bytearray = field(default_factory=bytearray)
    sides: dict[Side, SideCounts] = field(
        default_factory=lambda: {name: SideCounts() for name in SIDES}
    )
    validation: float = 0.0
    moved: dict[str, Side] = field(default_factory=dict)
    alike: Alike = NONE_ALIKE
    classes: tuple[ChannelClass, ...] = ()

    def add(self, judged: Judged, where: Side) -> None:
        """Count one line; `where` is the side of its origin."""
        record = judged.record
        self.lines += 1
        if judged.absence is not None:
            self.absent[judged.absence] += 1
        if judged.label is None:
            return
        self.people += judged.label.human
        self.machine += not judged.label.human
        self.clipped += len(judged.clipped)
        self.dropped += len(judged.dropped)
        if judged.boxes:
            self.local += not record.source_ref.startswith("s3://")
        if judged.absence != "no box left":
            self.sides[where].add([kept.annotation.label for kept in judged.boxes], record.raw)

    def join(self, other: Survey) -> None:
        """Add the counts of lines and sides that were made elsewhere."""
        self.lines += other.lines
        self.people += other.people
        self.machine += other.machine
        self.rejected += other.rejected
        self.absent.update(other.absent)
        self.clipped += other.clipped
        self.dropped += other.dropped
        self.local += other.local
        for where, counts in other.sides.items():
            self.sides[where].join(counts)

    def to_dict(self) -> dict[str, Any]:
        """Give the counts of lines and boxes for JSON."""
        return {
            "lines": self.lines,
            "labelled": self.people + self.machine,
            "labelled_by_people": self.people,
            "labelled_by_machine": self.machine,
            "failed": self.absent["failed"],
            "untouched": self.absent["untouched"],
            "rejected": self.rejected,
            "without_boxes": self.absent["no boxes"],
            "without_a_box_left": self.absent["no box left"],
            "boxes_clipped": self.clipped,
            "boxes_left_out": self.dropped,
            "images_on_several_lines": self.repeated,
            "near_duplicates": len(self.alike),
            "leaks_prevented": self.leaks,
        }

    @property
    def leaks(self) -> int:
        """Count photographs that would be validated beside a near-duplicate in train."""
        return self.alike.leaks(lambda digest: share_of(digest) < self.validation)

    def warnings(self) -> list[str]:
        """Say what is allowed but likely to hurt, one sentence each."""
        train, validation = (self.sides[name] for name in SIDES)
        found = []
        for entry in self.classes:
            if not train.boxes[entry.name] and validation.boxes[entry.name]:
                found.append(f"class {entry.name!r} has boxes in validation only: it is not learnt")
            elif not train.boxes[entry.name]:
                found.append(f"class {entry.name!r} has no box at all")
            elif not validation.boxes[entry.name]:
                found.append(f"class {entry.name!r} has no box in validation: it is not measured")
        # Photographs were split, their variants follow.
        measured = validation.images - validation.variants
        total = train.images - train.variants + measured
        share = measured / total if total else 0.0
        off = abs(share - self.validation) > _UNEVEN * self.validation
        if self.validation and not self.moved and off:
            found.append(
                f"validation has {share:.0%} of the images instead of {self.validation:.0%}; "
                "another salt draws another split (--set channels.salt=TEXT)"
            )
        for origin, to in list(self.moved.items())[:1]:
            others = f" with {len(self.moved) - 1} that look like it" if len(self.moved) > 1 else ""
            found.append(f"origin {origin}{others} was moved to {to}, which had no image otherwise")
        if (largest := self.alike.largest()) > max(_FEW, _UNEVEN * self.lines):
            found.append(
                f"{largest} photographs look so much alike that they are on one side; if they "
                "differ in what is on them, tell them apart (--set channels.distance=-1, or 2)"
            )
        if self.repeated:
            found.append(f"{self.repeated} lines name an image that an earlier line names too")
        return found


def survey(
    records: Callable[[], Iterator[Record]],
    *,
    validation: float,
    salt: str,
    min_side: float,
    fixed_classes: tuple[str, ...] | None,
    uri: str,
    alike: Alike = NONE_ALIKE,
) -> Survey:
    """Count a manifest; `records` reads it from the beginning each time it is called.

    Photographs that are `alike` stay together.
    Raises DataError for contradicting class maps, and whatever reading raises.
    """
    moved: dict[str, Side] = {}
    for _ in range(2):
        found = Survey(validation=validation, moved=moved, alike=alike)
        classes = ClassTable(fixed_classes, uri=uri)

        def origins(found: Survey = found, classes: ClassTable = classes) -> Iterator[str]:
            """Count as a side effect; yield the origins that have boxes."""
            seen: set[int] = set()
            for record in records():
                judged = judge(record, min_side=min_side)
                where = side_of(
                    record.origin, found.moved, validation=validation, salt=salt, alike=alike
                )
                _count(found, classes, seen, judged, where)
                if judged.boxes:
                    yield record.origin

        moved = exceptions(origins(), validation=validation, salt=salt, alike=alike)
        found.classes = classes.classes()
        if moved == found.moved:
            break
    return found


def side_of(
    origin: str,
    moved: Mapping[str, Side],
    *,
    validation: float,
    salt: str,
    alike: Alike = NONE_ALIKE,
) -> Side:
    """Tell an origin's side, the rule for small sets included."""
    return moved.get(origin) or side(origin, validation=validation, salt=salt, alike=alike)


def _count(found: Survey, classes: ClassTable, seen: set[int], judged: Judged, where: Side) -> None:
    record = judged.record
    found.attribute = found.attribute or record.attribute
    found.add(judged, where)
    if judged.label is None:
        return
    classes.add(judged.label.class_map, line=record.line)
    key = int.from_bytes(hashlib.sha256(record.source_ref.encode()).digest()[:8], "big")
    found.repeated += key in seen
    seen.add(key)
