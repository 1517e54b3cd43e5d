"""What could be handed to a worker: jobs of their teams, open objects, tasks that others can spare.

Oldest job and first manifest line first; what a worker gave back comes last for that worker.

At a job's end every object may be in somebody's hands, while a page that fetches ahead holds one
that its worker has not opened yet. Such a task is passed on to a worker who has none, if the page
said when it took it that it would ask before it is shown (`ahead`), and while its worker still has
an older one of the job to do. Whatever is on somebody's screen stays theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, exists, func, or_, select, text

from gt_workflow.service.labeling import states
from gt_workflow.service.labeling.records import Job, job_of, select_jobs
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import (
    fetched_ahead,
    gold_tasks,
    jobs,
    objects,
    tasks,
    worker_teams,
)

_TAKEN: Final = ("leased", "submitted", "declined")
_OPEN: Final = text("objects.open > 0")  # spelled as in the partial index, so that it is used


@dataclass(frozen=True, slots=True)
class Found:
    """An object that could be handed out; `spare` is the task that has to be taken back for it.

    `size` is None until somebody has looked at the image.
    """

    job: Job
    idx: int
    line: bytes
    size: tuple[int, int] | None
    spare: str | None = None


def jobs_for(connection: Connection, worker_id: str, job_arn: str | None) -> list[Job]:
    """Return the jobs in progress of the worker's teams, oldest first."""
    found = _JOBS.all(connection, worker=worker_id)
    # A worker's jobs in progress are few; one statement for both cases is prepared once.
    return [job_of(row) for row in found if job_arn is None or row.arn == job_arn]


def first(connection: Connection, worker_id: str, job_arn: str | None, now: float) -> Found | None:
    """Return the first object that is open to the worker."""
    available = [
        job for job in jobs_for(connection, worker_id, job_arn) if now < job.batch_deadline
    ]
    for statement in (_FIRST, _GIVEN_BACK):
        for job in available:
            row = statement.first(connection, job=job.id, worker=worker_id)
            if row is not None:
                size = None if row.width is None else (row.width, row.height)
                return Found(job, row.idx, row.line, size)
    return None


def spare(connection: Connection, worker_id: str, job_arn: str | None, now: float) -> Found | None:
    """Return the first object that another worker has only fetched ahead."""
    for job in jobs_for(connection, worker_id, job_arn):
        rows = _spares(connection, worker_id, job, now)
        if rows:
            row = rows[0]
            return Found(job, row.idx, row.line, (row.width, row.height), spare=row.id)
    return None


def count(connection: Connection, worker_id: str, job: Job, now: float, *, idle: bool) -> int:
    """Return how many of a job's objects could be handed to the worker now, one after the other.

    `idle` is whether the worker has nothing in hand.
    """
    if now >= job.batch_deadline:
        return 0
    number = int(_COUNT_OPEN.first(connection, job=job.id, worker=worker_id).number)
    return number or (len(_spares(connection, worker_id, job, now)) if idle else 0)


def held(connection: Connection, worker_id: str, now: float) -> list[int]:
    """Return the job of every task that the worker may still answer."""
    return [row.job_id for row in _HELD.all(connection, worker=worker_id, now=now)]


def _spares(connection: Connection, worker_id: str, job: Job, now: float) -> list[Any]:
    if now >= job.batch_deadline:
        return []
    return _SPARE.all(connection, job=job.id, worker=worker_id, now=now, workers=job.workers)


def _mine(without: tuple[str, ...]) -> Any:
    """Return the condition: this worker has a task on the object in one of these states."""
    own = tasks.alias("own")
    return exists().where(
        own.c.job_id == objects.c.job_id,
        own.c.idx == objects.c.idx,
        own.c.worker_id == bindparam("worker"),
        or_(*(own.c.state == state for state in without)),
    )


def _open_to(without: tuple[str, ...]) -> Any:
    return (objects.c.job_id == bindparam("job")) & _OPEN & ~_mine(without)


def _first(without: tuple[str, ...]) -> Select[Any]:
    columns = (objects.c.line, objects.c.width, objects.c.height)
    query = select(objects.c.idx, *columns).where(_open_to(without))
    return query.order_by(objects.c.idx).limit(1)


def _before(table: Any) -> Any:
    """Return the condition: the task's worker has an older one of the job to do, of a table."""
    return exists().where(
        table.c.worker_id == tasks.c.worker_id,
        table.c.state == "leased",
        table.c.lease_until > bindparam("now"),
        table.c.job_id == tasks.c.job_id,
        or_(
            table.c.accepted < tasks.c.accepted,
            (table.c.accepted == tasks.c.accepted) & (table.c.id < tasks.c.id),
        ),
    )


_JOBS: Final = Prepared(
    select_jobs()
    .join(worker_teams, worker_teams.c.workteam_arn == jobs.c.workteam_arn)
    .where(
        worker_teams.c.worker_id == bindparam("worker"),
        jobs.c.status == states.IN_PROGRESS,
        jobs.c.ending.is_(None),
    )
    .order_by(jobs.c.created, jobs.c.id)
)
_FIRST: Final = Prepared(_first((*_TAKEN, "returned")))
_GIVEN_BACK: Final = Prepared(_first(_TAKEN))
_COUNT_OPEN: Final = Prepared(
    select(func.count().label("number")).select_from(objects).where(_open_to(_TAKEN))
)
_HELD: Final = Prepared(
    select(tasks.c.job_id)
    .join(jobs, jobs.c.id == tasks.c.job_id)
    .where(
        tasks.c.worker_id == bindparam("worker"),
        tasks.c.state == "leased",
        tasks.c.lease_until > bindparam("now"),
        jobs.c.status == states.IN_PROGRESS,
        jobs.c.ending.is_(None),
    )
)
_SPARE: Final = Prepared(
    select(tasks.c.id, tasks.c.idx, objects.c.line, objects.c.width, objects.c.height)
    .select_from(fetched_ahead)
    .join(tasks, tasks.c.id == fetched_ahead.c.task_id)
    .join(objects, (objects.c.job_id == tasks.c.job_id) & (objects.c.idx == tasks.c.idx))
    .where(
        fetched_ahead.c.job_id == bindparam("job"),
        tasks.c.state == "leased",
        tasks.c.lease_until > bindparam("now"),
        objects.c.state == "active",
        # Else nobody could be handed it any more.
        objects.c.declines < bindparam("workers"),
        ~_mine(_TAKEN),
        or_(_before(tasks.alias("older")), _before(gold_tasks)),
    )
    .order_by(tasks.c.idx)
)
