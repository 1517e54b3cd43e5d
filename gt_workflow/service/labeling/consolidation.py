"""From the stored answers of one object to the label that is stored with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from gt_workflow.core import consolidate
from gt_workflow.core.boxes import Box
from gt_workflow.core.consolidate import LabelledBox
from gt_workflow.service.labeling import answers, audit
from gt_workflow.service.labeling.records import Job, moment
from gt_workflow.service.store import tasks

ROUNDING: Final = 0.5  # pixels


@dataclass(frozen=True, slots=True)
class Given:
    """One worker's stored answer; `content` as `Answer.to_json` wrote it."""

    worker: str
    content: str


def given(connection: Connection, job_id: int, indexes: Sequence[int]) -> dict[int, list[Given]]:
    """Return these objects' answers by object, each in the order they were submitted in."""
    rows = connection.execute(
        select(tasks.c.idx, tasks.c.worker_id, tasks.c.answer)
        .where(tasks.c.job_id == job_id, tasks.c.idx.in_(indexes), tasks.c.state == "submitted")
        .order_by(tasks.c.idx, tasks.c.closed, tasks.c.worker_id)
    )
    found: dict[int, list[Given]] = {}
    for row in rows:
        found.setdefault(row.idx, []).append(Given(worker=row.worker_id, content=row.answer))
    return found


def label(
    job: Job, *, line: bytes, size: tuple[int, int], given: Sequence[Given], created: float
) -> str:
    """Return the object's label as stored: JSON with `value` and `metadata`.

    The two are what the output manifest shows under the job's label attribute and under
    `<attribute>-metadata`. At least one answer; `size` is the raster's.
    """
    width, height = size
    checked = [
        answers.check(
            json.loads(one.content), kind=job.kind, labels=job.labels, width=width, height=height
        )
        for one in given
    ]
    value: Any
    if job.kind == "verify":
        verdict = consolidate.verification(
            [
                consolidate.WorkerVerdict(one.worker, answer.category or "", answer.comment)
                for one, answer in zip(given, checked, strict=True)
            ],
            categories=job.labels,
        )
        value = consolidate.verification_value(verdict)
        metadata = consolidate.verification_metadata(
            verdict, job_name=job.name, human=True, created=moment(created)
        )
        return _stored(value, metadata)
    drawn = [
        consolidate.WorkerBoxes(one.worker, answer.boxes)
        for one, answer in zip(given, checked, strict=True)
    ]
    status = None
    if job.kind == "adjust":
        shown = audit.shown(
            line, audited=job.audited, own=job.attribute, kind=job.kind, labels=job.labels
        ).within(width, height)
        drawn = [
            consolidate.WorkerBoxes(one.worker, _left_alone(shown, one.boxes)) for one in drawn
        ]
        status = consolidate.adjustment_status(shown, drawn)
    boxes = consolidate.consolidate(drawn)
    value = consolidate.label_value(boxes, labels=job.labels, width=width, height=height)
    metadata = consolidate.label_metadata(
        boxes,
        labels=job.labels,
        job_name=job.name,
        human=True,
        created=moment(created),
        adjustment=status,
    )
    return _stored(value, metadata)


def _left_alone(
    shown: Sequence[LabelledBox], drawn: Sequence[LabelledBox]
) -> tuple[LabelledBox, ...]:
    """Give boxes that a worker did not touch their exact numbers back.

    Pages answer in whole pixels, while a label averaged from several workers has fractions.
    """
    free: dict[tuple[str, int], list[int]] = {}  # places in `shown`, by the column they begin in
    for at, (label, box) in enumerate(shown):
        free.setdefault((label, floor(box.left)), []).append(at)
    return tuple(_as_shown(shown, free, one) for one in drawn)


def _as_shown(
    shown: Sequence[LabelledBox], free: dict[tuple[str, int], list[int]], one: LabelledBox
) -> LabelledBox:
    """Return the first shown box, taken from `free`, that is the same but for rounding, if any."""
    label, box = one
    columns = {floor(box.left - ROUNDING), floor(box.left + ROUNDING)}
    near = [
        (at, found)
        for found in [free.get((label, column), []) for column in columns]
        for at in found
        if _same(box, shown[at][1])
    ]
    if not near:
        return one
    at, found = min(near)
    found.remove(at)
    return shown[at]


def _same(box: Box, other: Box) -> bool:
    return (
        abs(box.left - other.left) <= ROUNDING
        and abs(box.top - other.top) <= ROUNDING
        and abs(box.width - other.width) <= ROUNDING
        and abs(box.height - other.height) <= ROUNDING
    )


def _stored(value: Any, metadata: dict[str, Any]) -> str:
    return msgspec.json.encode({"value": value, "metadata": metadata}).decode()
