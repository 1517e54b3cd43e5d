"""Several workers' answers about one photograph become one label, as Ground Truth writes it.

Boxes of one class by different workers are paired from the most similar downwards (intersection
over union, at least the threshold) and pairs that share a box grow together, as long as no worker
is in a group twice. A group is kept if more than half of the workers who answered are in it: with
three workers a box drawn by one is dropped, with two both must have drawn it. What is kept is the
average of the group's edges. Its confidence is the share of workers in the group times the mean
overlap of their boxes with the average: 1 if all drew the same. One worker's boxes are taken as
drawn, with confidence 0, as Ground Truth documents it; a filter on confidence loses them all.
AWS publishes pairing by overlap and averaging, but neither threshold nor formula; the ones here
are ours. The order of the answers does not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from gt_workflow.core.boxes import Box, iou, mean
from gt_workflow.core.groups import Drawn, groups
from gt_workflow.core.label_schema import BOXES, JOB_PREFIX, VERIFICATION

LabelledBox: TypeAlias = tuple[str, Box]


@dataclass(frozen=True, slots=True)
class WorkerBoxes:
    """What one worker drew: (label, box), in the worker's order; none is an answer, too."""

    worker: str
    boxes: tuple[LabelledBox, ...]


@dataclass(frozen=True, slots=True)
class ConsolidatedBox:
    """A box the workers agree on; `confidence` 0 to 1, `votes` the workers who drew it."""

    label: str
    box: Box
    confidence: float
    votes: int


def consolidate(
    answers: Sequence[WorkerBoxes], *, iou_threshold: float = 0.5
) -> tuple[ConsolidatedBox, ...]:
    """Return the boxes that most workers agree on, by label, then left to right.

    `iou_threshold` is above 0 and at most 1. One worker's boxes keep their order.
    """
    if not 0 < iou_threshold <= 1:
        raise ValueError(f"iou_threshold must be above 0 and at most 1, not {iou_threshold}")
    if len({answer.worker for answer in answers}) != len(answers):
        raise ValueError("a worker answers once")
    if len(answers) == 1:
        return tuple([ConsolidatedBox(label, box, 0.0, 1) for label, box in answers[0].boxes])
    drawn: dict[str, list[Drawn]] = {}
    for answer in answers:
        for label, box in answer.boxes:
            drawn.setdefault(label, []).append(Drawn(answer.worker, box))
    result = []
    for label in sorted(drawn):
        for group in groups(drawn[label], threshold=iou_threshold):
            if 2 * len(group) > len(answers):
                box = mean(group)
                overlap = sum(iou(box, one) for one in group) / len(group)
                share = len(group) / len(answers)
                result.append(ConsolidatedBox(label, box, share * overlap, len(group)))
    return tuple(sorted(result, key=lambda found: (found.label, *_edges(found.box))))


def _edges(box: Box) -> tuple[float, float, float, float]:
    return (box.left, box.top, box.width, box.height)


def label_value(
    boxes: Iterable[ConsolidatedBox],
    *,
    labels: Sequence[str],
    width: int,
    height: int,
    depth: int = 3,
) -> dict[str, Any]:
    """Return the value of the label attribute; `labels` is the job's list, it gives class ids.

    `width` and `height` are the stored raster's. Coordinates stay as exact as they are; whole
    numbers are written as such.
    """
    ids = {label: index for index, label in enumerate(labels)}
    return {
        "image_size": [{"width": width, "height": height, "depth": depth}],
        "annotations": [
            {
                "class_id": ids[found.label],
                "left": _number(found.box.left),
                "top": _number(found.box.top),
                "width": _number(found.box.width),
                "height": _number(found.box.height),
            }
            for found in boxes
        ],
    }


def label_metadata(
    boxes: Sequence[ConsolidatedBox],
    *,
    labels: Sequence[str],
    job_name: str,
    human: bool,
    created: datetime,
    adjustment: Literal["adjusted", "unadjusted"] | None = None,
) -> dict[str, Any]:
    """Return the value of `<attribute>-metadata`; `created` is aware.

    The class map holds the classes of these boxes only, as Ground Truth's does.
    """
    ids = {label: index for index, label in enumerate(labels)}
    used = sorted({ids[found.label] for found in boxes})
    metadata: dict[str, Any] = {
        "objects": [{"confidence": round(found.confidence, 2)} for found in boxes],
        "class-map": {str(index): labels[index] for index in used},
        "type": BOXES,
        **_provenance(job_name=job_name, human=human, created=created),
    }
    if adjustment is not None:
        metadata["adjustment-status"] = adjustment
    return metadata


def adjustment_status(
    initial: Iterable[LabelledBox], answers: Iterable[WorkerBoxes]
) -> Literal["adjusted", "unadjusted"]:
    """Tell whether any worker changed what was shown; a millionth of a pixel is no change."""
    shown = Counter(_rounded(initial))
    same = all(Counter(_rounded(answer.boxes)) == shown for answer in answers)
    return "unadjusted" if same else "adjusted"


def _rounded(boxes: Iterable[LabelledBox]) -> list[tuple[object, ...]]:
    # Adding 0.0 makes one zero of the two.
    return [(label, *(round(edge, 6) + 0.0 for edge in _edges(box))) for label, box in boxes]


@dataclass(frozen=True, slots=True)
class WorkerVerdict:
    """One worker's opinion on a label, in a verification job."""

    worker: str
    category: str
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What most workers think: the category, its index, how sure (0 to 1), and their comments."""

    index: int
    category: str
    confidence: float
    comments: tuple[str, ...]


def verification(answers: Sequence[WorkerVerdict], *, categories: Sequence[str]) -> Verdict:
    """Return the category most workers chose; of two chosen as often, the first in the list.

    The confidence is the share of workers who chose it, and 0 with one worker. Comments come in
    the order of the workers' names. At least one answer; every category is in the list.
    """
    votes = Counter(categories.index(answer.category) for answer in answers)
    index = min(votes, key=lambda candidate: (-votes[candidate], candidate))
    said = sorted((answer.worker, answer.comment) for answer in answers if answer.comment)
    return Verdict(
        index=index,
        category=categories[index],
        confidence=votes[index] / len(answers) if len(answers) > 1 else 0.0,
        comments=tuple([comment for _, comment in said]),
    )


def verification_value(verdict: Verdict) -> str:
    """Return the value of a verification job's attribute: the index, as a string."""
    return str(verdict.index)


def verification_metadata(
    verdict: Verdict, *, job_name: str, human: bool, created: datetime
) -> dict[str, Any]:
    """Return the value of `<attribute>-metadata`; feedback only if somebody commented."""
    metadata: dict[str, Any] = {
        "class-name": verdict.category,
        "confidence": round(verdict.confidence, 2),
        "type": VERIFICATION,
        **_provenance(job_name=job_name, human=human, created=created),
    }
    if verdict.comments:
        metadata["worker-feedback"] = [{"comment": comment} for comment in verdict.comments]
    return metadata


def _provenance(*, job_name: str, human: bool, created: datetime) -> dict[str, str]:
    if created.tzinfo is None:
        raise ValueError("a creation date needs its time zone")
    stamp = created.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return {
        "human-annotated": "yes" if human else "no",
        "creation-date": stamp,
        "job-name": JOB_PREFIX + job_name,
    }


def _number(value: float) -> float:
    return int(value) if value == int(value) else value
