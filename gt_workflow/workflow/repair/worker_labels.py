"""Workers' own answers about one object become the label that the job did not live to write.

The files are those of `annotations/worker-response/`; the label is consolidated as our service
does it (`core.consolidate`), dated by the last answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gt_workflow.core import consolidate
from gt_workflow.core.boxes import Box
from gt_workflow.core.names import Kind


@dataclass(frozen=True, slots=True)
class Made:
    """A label made of so many workers' `answers`."""

    value: Any
    metadata: dict[str, Any]
    answers: int


def label_of(
    contents: Sequence[Mapping[str, Any]], *, kind: Kind, labels: Sequence[str], job_name: str
) -> Made | None:
    """Consolidate the answers of decoded worker-response files.

    None if there is no answer, one names a label that the job has not, or they disagree on the
    image's size. A worker who answered twice counts with the last answer. Raises `KeyError`,
    `TypeError`, `ValueError` or `AttributeError` for what is no worker response.
    """
    by_worker: dict[str, dict[str, Any]] = {}
    for content in contents:
        for answer in content["answers"]:
            before = by_worker.get(answer["workerId"])
            if before is None or before["submissionTime"] <= answer["submissionTime"]:
                by_worker[answer["workerId"]] = answer
    if not by_worker:
        return None
    # Times as 2026-01-31T23:59:59.123Z.
    created = max(datetime.fromisoformat(one["submissionTime"]) for one in by_worker.values())
    make = _verdict if kind == "verify" else _boxes
    return make(by_worker, created, kind=kind, labels=labels, job_name=job_name)


def _boxes(
    by_worker: Mapping[str, dict[str, Any]],
    created: datetime,
    *,
    kind: Kind,
    labels: Sequence[str],
    job_name: str,
) -> Made | None:
    drawn, sizes, modified = [], set(), False
    for worker, answer in sorted(by_worker.items()):
        part = _part(answer["answerContent"], "boundingBoxes")
        size = part["inputImageProperties"]
        sizes.add((int(size["width"]), int(size["height"])))
        # A page that does not say so may have changed them.
        modified |= part.get("initialValueModified") is not False
        # AWS writes null for "nothing to label".
        boxes = tuple(
            (box["label"], Box(*(float(box[side]) for side in ("left", "top", "width", "height"))))
            for box in part["boundingBoxes"] or ()
        )
        if any(label not in labels for label, _ in boxes):
            return None
        drawn.append(consolidate.WorkerBoxes(worker, boxes))
    if len(sizes) != 1:
        return None
    width, height = sizes.pop()
    kept = consolidate.consolidate(drawn)
    return Made(
        value=consolidate.label_value(kept, labels=labels, width=width, height=height),
        metadata=consolidate.label_metadata(
            kept,
            labels=labels,
            job_name=job_name,
            human=True,
            created=created,
            adjustment=("adjusted" if modified else "unadjusted") if kind == "adjust" else None,
        ),
        answers=len(drawn),
    )


def _verdict(
    by_worker: Mapping[str, dict[str, Any]],
    created: datetime,
    *,
    kind: Kind,
    labels: Sequence[str],
    job_name: str,
) -> Made | None:
    del kind
    verdicts = [
        consolidate.WorkerVerdict(worker, str(_part(answer["answerContent"], "label")["label"]))
        for worker, answer in sorted(by_worker.items())
    ]
    if any(verdict.category not in labels for verdict in verdicts):
        return None
    verdict = consolidate.verification(verdicts, categories=labels)
    return Made(
        value=consolidate.verification_value(verdict),
        metadata=consolidate.verification_metadata(
            verdict, job_name=job_name, human=True, created=created
        ),
        answers=len(verdicts),
    )


def _part(content: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    """Return the one form field that has this member; its name is the template's choice."""
    for part in content.values():
        if isinstance(part, dict) and member in part:
            return part
    raise KeyError(member)
