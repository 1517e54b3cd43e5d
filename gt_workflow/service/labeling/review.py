"""What people look at: how fast and how well workers label, and what came of it.

Reads alone, but for the scores that the contact sheet is sorted by: they are worked out when
somebody looks, a few thousand objects a time, and kept, so that handing out and taking in pay
nothing for them. A worker's hour counts the time with a task in hand, not the breaks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from statistics import fmean
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from gt_workflow.core import gold
from gt_workflow.core.agreement import Named
from gt_workflow.core.boxes import Box
from gt_workflow.ports import Clock
from gt_workflow.service.faults import not_found
from gt_workflow.service.labeling import audit, pace, states
from gt_workflow.service.labeling.images import source_ref
from gt_workflow.service.labeling.records import Job, job_of, moment, select_jobs
from gt_workflow.service.store import (
    Store,
    gold_objects,
    gold_tasks,
    jobs,
    object_scores,
    objects,
    tasks,
    workers,
)

Sort = Literal["disagreement", "confidence", "newest", "order"]
SORTS: Final[tuple[Sort, ...]] = ("disagreement", "confidence", "newest", "order")
SCORED_AT_ONCE: Final = 5_000
_CHUNK: Final = 400  # objects whose answers are read at once
_LATEST: Final = 300  # answers that speed and agreement are taken from
_SHIFT: Final = 12 * 3600.0  # seconds that a worker's own statistics look back

_Dicts = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer's boxes, or its category."""

    boxes: tuple[Named, ...] = ()
    category: str | None = None


class Review:
    """Statistics of jobs and workers, and the contact sheet."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        """Keep what it works on."""
        self._store = store
        self._clock = clock

    def tally(self, worker_id: str) -> dict[str, Any]:
        """Return what a worker did in the last twelve hours, and their gold of all time."""
        since = self._now() - _SHIFT
        with self._store.read() as connection:
            found = connection.execute(
                select(tasks.c.state, func.count().label("number"))
                .where(tasks.c.worker_id == worker_id, tasks.c.accepted >= since)
                .group_by(tasks.c.state)
            )
            ended = {row.state: row.number for row in found}
            return {
                "hours": _SHIFT / 3600,
                "submitted": ended.get("submitted", 0),
                "declined": ended.get("declined", 0),
                "returned": ended.get("returned", 0),
                **pace.speed(
                    connection,
                    pace.latest(connection, worker_id, None, since=since, most=_LATEST),
                ),
                "gold": _gold(connection, worker_id, None),
            }

    def mine(self, worker_id: str) -> dict[str, int]:
        """Return how many answers a worker gave in each job in progress, by its ARN."""
        with self._store.read() as connection:
            found = connection.execute(
                select(jobs.c.arn, func.count().label("number"))
                .join(tasks, tasks.c.job_id == jobs.c.id)
                .where(
                    tasks.c.worker_id == worker_id,
                    tasks.c.state == "submitted",
                    jobs.c.status == states.IN_PROGRESS,
                )
                .group_by(jobs.c.arn)
            )
            return {row.arn: row.number for row in found}

    def jobs(self) -> _Dicts:
        """Return all jobs, newest first, with their counters as they stand."""
        hour = self._now() - 3600
        with self._store.read() as connection:
            rows = connection.execute(
                select_jobs().order_by(jobs.c.created.desc(), jobs.c.id.desc())
            )
            return [self._job(connection, job_of(row), hour) for row in rows]

    @staticmethod
    def _job(connection: Connection, job: Job, hour: float) -> dict[str, Any]:
        alive = job.status in states.ALIVE
        leased = closed = 0
        if alive:
            own = tasks.c.job_id == job.id
            leased = connection.execute(
                select(func.count()).where(own, tasks.c.state == "leased")
            ).scalar_one()
            closed = connection.execute(
                select(func.count()).where(objects.c.job_id == job.id, objects.c.closed >= hour)
            ).scalar_one()
        questions = connection.execute(
            select(func.count()).where(gold_objects.c.job_id == job.id)
        ).scalar_one()
        labeled = job.human_labeled + job.machine_labeled
        return {
            "job_arn": job.arn,
            "job_name": job.name,
            "region": job.region,
            "kind": job.kind,
            "title": job.request.human.title,
            "status": job.status,
            "alive": alive,
            "failure_reason": job.failure_reason,
            "created": moment(job.created).isoformat(),
            "workteam_arn": job.request.human.workteam,
            "workers_per_object": job.workers,
            "labels": job.labels,
            "total": job.total,
            "labeled": labeled,
            "failed": job.failed,
            "left": job.total - labeled - job.failed,
            "in_hands": leased,
            "last_hour": closed,
            "gold": {"questions": questions, "rate": job.request.gold_rate} if questions else None,
        }

    def workers(self, job_arn: str | None) -> _Dicts:
        """Return what every worker did, in one job or in all; who did most comes first."""
        with self._store.read() as connection:
            job_id = None if job_arn is None else _job_by(connection, job_arn).id
            counted = select(tasks.c.worker_id, tasks.c.state, func.count().label("number"))
            if job_id is not None:
                counted = counted.where(tasks.c.job_id == job_id)
            ended: dict[str, dict[str, int]] = {}
            for row in connection.execute(counted.group_by(tasks.c.worker_id, tasks.c.state)):
                ended.setdefault(row.worker_id, {})[row.state] = row.number
            known = connection.execute(select(workers.c.id, workers.c.name)).all()
            found = [
                _worker(connection, row.id, row.name, job_id, ended.get(row.id, {}))
                for row in known
                if job_id is None or row.id in ended
            ]
        return sorted(found, key=lambda one: (-one["submitted"], one["name"]))

    def sheet(self, job_arn: str, *, sort: Sort, offset: int, limit: int) -> dict[str, Any]:
        """Return labelled objects with their boxes, so sorted; `unscored` are still without."""
        with self._store.read() as connection:
            job = _job_by(connection, job_arn)
        self._score(job)
        order: Sequence[Any] = {
            "disagreement": (
                object_scores.c.disagreement.is_(None),
                object_scores.c.disagreement.desc(),
            ),
            "confidence": (object_scores.c.confidence.is_(None), object_scores.c.confidence),
            "newest": (objects.c.closed.desc(),),
            "order": (),
        }[sort]
        here = (objects.c.job_id == job.id, objects.c.state == "labelled")
        with self._store.read() as connection:
            rows = connection.execute(
                select(objects, object_scores.c.confidence, object_scores.c.disagreement)
                .outerjoin(
                    object_scores,
                    (object_scores.c.job_id == objects.c.job_id)
                    & (object_scores.c.idx == objects.c.idx),
                )
                .where(*here)
                .order_by(*order, objects.c.idx)
                .offset(offset)
                .limit(limit)
            ).all()
            total = connection.execute(select(func.count()).select_from(objects).where(*here))
            scored = connection.execute(
                select(func.count()).where(object_scores.c.job_id == job.id)
            ).scalar_one()
            labelled = total.scalar_one()
        return {
            "job_arn": job.arn,
            "labels": job.labels,
            "total": labelled,
            "unscored": labelled - scored,
            "objects": [_item(job, row) for row in rows],
        }

    def object_uri(self, job_arn: str, index: int) -> str:
        """Return where an object's image is."""
        with self._store.read() as connection:
            job = _job_by(connection, job_arn)
            line = connection.execute(
                select(objects.c.line).where(objects.c.job_id == job.id, objects.c.idx == index)
            ).scalar()
        if line is None:
            raise not_found("There is no such data object.")
        return source_ref(line)

    def place(self, job_arn: str) -> tuple[str, str]:
        """Return a job's region and name, by which it is stopped."""
        with self._store.read() as connection:
            job = _job_by(connection, job_arn)
        return job.region, job.name

    def _score(self, job: Job) -> None:
        """Work out what is not known yet, up to a bound; a label never changes."""
        for _ in range(SCORED_AT_ONCE // _CHUNK):
            with self._store.read() as connection:
                rows = connection.execute(
                    select(objects.c.idx, objects.c.label)
                    .outerjoin(
                        object_scores,
                        (object_scores.c.job_id == objects.c.job_id)
                        & (object_scores.c.idx == objects.c.idx),
                    )
                    .where(
                        objects.c.job_id == job.id,
                        objects.c.state == "labelled",
                        object_scores.c.idx.is_(None),
                    )
                    .order_by(objects.c.idx)
                    .limit(_CHUNK)
                ).all()
                given = _answers(connection, job.id, [row.idx for row in rows])
            if not rows:
                return
            made = [
                {
                    "job_id": job.id,
                    "idx": row.idx,
                    "confidence": _confidence(job, row.label, len(given.get(row.idx, ()))),
                    "disagreement": _disagreement(given.get(row.idx, ())),
                }
                for row in rows
            ]
            with self._store.write() as connection:
                # Two people may look at once.
                known = set(
                    connection.execute(
                        select(object_scores.c.idx).where(
                            object_scores.c.job_id == job.id,
                            object_scores.c.idx.in_([one["idx"] for one in made]),
                        )
                    ).scalars()
                )
                fresh = [one for one in made if one["idx"] not in known]
                if fresh:
                    connection.execute(insert(object_scores), fresh)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _worker(
    connection: Connection, worker_id: str, name: str, job_id: int | None, ended: dict[str, int]
) -> dict[str, Any]:
    latest = pace.latest(connection, worker_id, job_id, since=0.0, most=_LATEST)
    return {
        "id": worker_id,
        "name": name,
        "submitted": ended.get("submitted", 0),
        "in_hands": ended.get("leased", 0),
        "declined": ended.get("declined", 0),
        "returned": ended.get("returned", 0),
        "expired": ended.get("expired", 0),
        "last_answer": _iso(latest[-1].closed) if latest else None,
        **pace.speed(connection, latest),
        "agreement": _agreement(connection, latest),
        "gold": _gold(connection, worker_id, job_id),
    }


def _agreement(connection: Connection, latest: Iterable[Row[Any]]) -> float | None:
    """Return how well answers fit what came of them, 0 to 1; None without others' answers."""
    by_job: dict[int, dict[int, str]] = {}
    for row in latest:
        by_job.setdefault(row.job_id, {})[row.idx] = row.answer
    scores = []
    for job_id, given in by_job.items():
        labelled = connection.execute(
            select(objects.c.idx, objects.c.label).where(
                objects.c.job_id == job_id,
                objects.c.idx.in_(list(given)),
                objects.c.state == "labelled",
                objects.c.answers > 1,
            )
        ).all()
        for idx, text in labelled:
            label, mine = json.loads(text), _read(given[idx])
            if mine.category is not None:
                scores.append(float(mine.category == label["metadata"].get("class-name")))
            else:
                scores.append(gold.feedback(mine.boxes, _boxes_of(label))["score"])
    return round(fmean(scores), 4) if scores else None


def _gold(connection: Connection, worker_id: str, job_id: int | None) -> dict[str, Any] | None:
    """Return how well a worker answered gold questions; None if there were none."""
    query = select(gold_tasks.c.feedback).where(
        gold_tasks.c.worker_id == worker_id, gold_tasks.c.state == "submitted"
    )
    if job_id is not None:
        query = query.where(gold_tasks.c.job_id == job_id)
    told = [json.loads(text) for text in connection.execute(query).scalars()]
    if not told:
        return None
    overlaps = [one["iou"] for one in told if one["iou"] is not None]
    return {
        "answered": len(told),
        "accuracy": round(fmean(one["score"] for one in told), 4),
        "iou": round(fmean(overlaps), 4) if overlaps else None,
        "missed": sum(len(one["missed"]) for one in told),
        "extra": sum(len(one["extra"]) for one in told),
    }


def _item(job: Job, row: Row[Any]) -> dict[str, Any]:
    label = json.loads(row.label)
    metadata = label["metadata"]
    boxes: _Dicts
    verdict = None
    if job.kind == "verify":
        verdict = metadata.get("class-name")
        shown = audit.shown(
            row.line, audited=job.audited, own=job.attribute, kind=job.kind, labels=job.labels
        )
        boxes = [_dict(name, box) for name, box in shown.within(row.width, row.height)]
    else:
        sure = [one.get("confidence") for one in metadata.get("objects", ())]
        boxes = [
            _dict(name, box) | {"confidence": confidence}
            for (name, box), confidence in zip(_boxes_of(label), sure, strict=False)
        ]
    return {
        "index": row.idx,
        "object": source_ref(row.line),
        "width": row.width,
        "height": row.height,
        "boxes": boxes,
        "verdict": verdict,
        "answers": row.answers,
        "confidence": row.confidence,
        "disagreement": row.disagreement,
        "closed": _iso(row.closed),
    }


def _answers(
    connection: Connection, job_id: int, indexes: Sequence[int]
) -> dict[int, list[_Answered]]:
    rows = connection.execute(
        select(tasks.c.idx, tasks.c.answer).where(
            tasks.c.job_id == job_id, tasks.c.idx.in_(indexes), tasks.c.state == "submitted"
        )
    )
    found: dict[int, list[_Answered]] = {}
    for row in rows:
        found.setdefault(row.idx, []).append(_read(row.answer))
    return found


def _read(answer: str) -> _Answered:
    """Read a stored answer; it was checked when it came."""
    for value in msgspec.json.decode(answer).values():
        if isinstance(value, dict) and "boundingBoxes" in value:
            return _Answered(tuple((one["label"], _box(one)) for one in value["boundingBoxes"]))
        if isinstance(value, dict) and "label" in value:
            return _Answered(category=value["label"])
    return _Answered()


def _confidence(job: Job, text: str, answers: int) -> float | None:
    """Return the mean confidence; one worker's boxes have none that means anything."""
    metadata = json.loads(text)["metadata"]
    if job.kind == "verify":
        known = metadata.get("confidence")
        return None if known is None else float(known)
    sure = [one["confidence"] for one in metadata.get("objects", ()) if "confidence" in one]
    return fmean(sure) if sure and answers > 1 else None


def _disagreement(given: Sequence[_Answered]) -> float | None:
    """Return 1 less the mean agreement of every two workers; None if there are no two."""
    if len(given) < 2:
        return None
    if given[0].category is not None:
        votes = Counter(one.category for one in given)
        return 1 - max(votes.values()) / len(given)
    return 1 - fmean(gold.feedback(a.boxes, b.boxes)["score"] for a, b in combinations(given, 2))


def _boxes_of(label: dict[str, Any]) -> list[Named]:
    classes = label["metadata"]["class-map"]
    return [(classes[str(one["class_id"])], _box(one)) for one in label["value"]["annotations"]]


def _box(sides: dict[str, Any]) -> Box:
    return Box(*(float(sides[side]) for side in ("left", "top", "width", "height")))


def _dict(label: str, box: Box) -> dict[str, Any]:
    return {
        "label": label,
        "left": box.left,
        "top": box.top,
        "width": box.width,
        "height": box.height,
    }


def _job_by(connection: Connection, arn: str) -> Job:
    row = connection.execute(select_jobs().where(jobs.c.arn == arn)).first()
    if row is None:
        raise not_found("There is no such job.")
    return job_of(row)


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.isoformat(moment(seconds))
