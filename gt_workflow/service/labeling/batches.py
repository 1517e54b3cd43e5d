"""What time and finished work bring about in the database: leases, batches, endings.

A job's objects are available in batches of MaxConcurrentTaskCount. The next batch opens when every
object of the last is closed. A batch is available for TaskAvailabilityLifetimeInSeconds; then an
object with at least one answer is labelled from what is there, and the others fail. They are not
sent again by this job (their retry-count says 0): a job chained to the output labels them. An
object that as many workers declined as were asked is settled in the same way at once.

A stopping condition makes batches small enough never to pass it; at the condition the job stops.
A job at its end (done, stopped, expired after 30 days) first gets `ending`, from when on it takes
no answers; then its open objects are settled: labelled from the answers they have, or put back.
No storage is touched here, and no transaction settles more than `_CHUNK` objects.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from gt_workflow.ports import Clock
from gt_workflow.service.labeling import consolidation, ledger, states, troubles
from gt_workflow.service.labeling.records import Job, job_of, move, read_job, select_jobs
from gt_workflow.service.store import Store, jobs, objects, tasks

EXPIRED: Final = (
    "ClientError: Annotation tasks expired. The data object was not labeled in time. Likely "
    "causes: 1) the task availability lifetime is too short; 2) the reward is too low; 3) the "
    "worker template is broken; 4) the data object is broken or too big; 5) workers declined it."
)
JOB_EXPIRED: Final = (
    "ClientError: The labeling job was not finished within 30 days. What is labeled is in the "
    "output; chain a new job to it to label the rest."
)

_CHUNK: Final = 100
_LEASES: Final = 500

_TURNING: Final = (states.IN_PROGRESS, states.STOPPING)
_BEGUN: Final = (
    select_jobs().where(jobs.c.status.in_(_TURNING), jobs.c.labels.is_not(None)).order_by(jobs.c.id)
)
_LATE: Final = (
    select(tasks.c.id, tasks.c.job_id)
    .join(jobs, jobs.c.id == tasks.c.job_id)
    .where(
        tasks.c.state == "leased",
        tasks.c.lease_until <= bindparam("now"),
        jobs.c.status.in_(_TURNING),
    )
    .order_by(tasks.c.lease_until)
    .limit(_LEASES)
)
_DUE: Final = (
    select(objects.c.job_id, objects.c.idx)
    .join(jobs, jobs.c.id == objects.c.job_id)
    .where(objects.c.due <= bindparam("now"), jobs.c.status.in_(_TURNING), jobs.c.ending.is_(None))
    .order_by(objects.c.due)
    .limit(_CHUNK)
)

logger = logging.getLogger(__name__)


class Batches:
    """Turns the wheel for all jobs that have begun and not ended."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        """Keep what it works on."""
        self._store = store
        self._clock = clock
        self._resting: dict[int, float] = {}  # jobs with a step that failed, until when

    def turn(self) -> bool:
        """Take every job one step on; True if anything changed. Cheap when nothing is due.

        A job with a step that fails is logged and left for a while; the others go on.
        """
        now = self._clock.now().timestamp()
        with self._store.read() as connection:
            alive = [job_of(row) for row in connection.execute(_BEGUN)]
            expired = _by_job(connection.execute(_LATE, {"now": now}), "id")
            woken = _by_job(connection.execute(_DUE, {"now": now}), "idx")
        changed = False
        for job in alive:
            changed |= self._expire(job, expired.get(job.id, []), now)
            if self._resting.get(job.id, 0.0) > now:
                continue
            try:
                changed |= self._wake(job, woken.get(job.id, []), now)
                changed |= self._step(job, now)
            except SQLAlchemyError:
                raise  # the database's trouble is everybody's
            except Exception as error:
                logger.exception("job %s cannot go on", job.arn)
                reason = f"InternalError: {type(error).__name__}: {error}"
                self._resting[job.id] = troubles.note(self._store, job, reason, now=now)
        return changed

    def _expire(self, job: Job, late: Sequence[str], now: float) -> bool:
        """Take tasks back whose time is over."""
        if not late:
            return False
        with self._store.write() as connection:
            for task_id in late:
                ledger.end_lease(connection, job, task_id, end="expired", now=now)
        return True

    def _wake(self, job: Job, indexes: Sequence[int], now: float) -> bool:
        """Look at objects whose time has come: declined for good, or tried again."""
        if not indexes:
            return False
        with self._store.read() as connection:
            rows = self._standing(connection, job, objects.c.idx.in_(indexes))
        declined = [row for row in rows if row.declines >= job.workers and row.leases == 0]
        labels = self._labels(job, declined, now)
        with self._store.write() as connection:
            for row in rows:
                if row in declined:
                    _settle(connection, job, row, labels, now=now, end="expired")
                else:
                    ledger.wake(connection, job, row.idx)
        return True

    def _step(self, job: Job, now: float) -> bool:
        """Do the one thing that the job's state asks for."""
        if job.ending is not None:
            return bool(job.active) and self._settle_some(job, now, end="withdrawn")
        if job.status == states.STOPPING:
            return self._end(job, states.STOPPED, now)
        if now >= job.expires:
            return self._end(job, states.FAILED, now, failure_reason=JOB_EXPIRED)
        if job.active == 0:
            return self._next_batch(job, now)
        return now >= job.batch_deadline and self._settle_some(job, now, end="expired")

    def _end(self, job: Job, ending: str, now: float, **values: Any) -> bool:
        """Decide how the job ends; from now on it takes no answers."""
        with self._store.write() as connection:
            fresh = read_job(connection, job.id)
            if fresh.ending is not None or fresh.status != job.status:
                return False
            connection.execute(
                update(jobs).where(jobs.c.id == job.id).values(ending=ending, **values)
            )
            if fresh.active == 0:
                ledger.close_batch(connection, fresh, now=now)
        return True

    def _next_batch(self, job: Job, now: float) -> bool:
        with self._store.write() as connection:
            return next_batch(connection, job.id, now=now)

    def _settle_some(self, job: Job, now: float, *, end: ledger.TaskEnd) -> bool:
        """Close open objects of a batch that is over, without waiting for anybody."""
        with self._store.read() as connection:
            rows = self._standing(connection, job, objects.c.state == "active")
        if not rows:
            raise RuntimeError(f"{job.arn} counts {job.active} active objects, but has none")
        labels = self._labels(job, rows, now)
        with self._store.write() as connection:
            for row in rows:
                _settle(connection, job, row, labels, now=now, end=end)
            fresh = read_job(connection, job.id)
            if fresh.active == 0:
                ledger.close_batch(connection, fresh, now=now)
        return True

    def _standing(self, connection: Connection, job: Job, condition: Any) -> Sequence[Any]:
        return connection.execute(
            select(
                objects.c.idx,
                objects.c.line,
                objects.c.width,
                objects.c.height,
                objects.c.answers,
                objects.c.leases,
                objects.c.declines,
            )
            .where(objects.c.job_id == job.id, condition)
            .order_by(objects.c.idx)
            .limit(_CHUNK)
        ).all()

    def _labels(self, job: Job, rows: Sequence[Any], now: float) -> dict[int, str]:
        """Return the label of every object that somebody has answered."""
        answered = [row for row in rows if row.answers]
        if not answered:
            return {}
        with self._store.read() as connection:
            given = consolidation.given(connection, job.id, [row.idx for row in answered])
        return {
            row.idx: consolidation.label(
                job,
                line=row.line,
                size=(row.width, row.height),
                given=given[row.idx],
                created=now,
            )
            for row in answered
        }


def next_batch(connection: Connection, job_id: int, *, now: float) -> bool:
    """Close the open batch if it is finished, and open the next or end the job.

    Called with the last answer of a batch as well, so that workers never meet the gap.
    """
    job = read_job(connection, job_id)
    if job.active or not job.takes_answers:
        return False
    ledger.close_batch(connection, job, now=now)
    waiting = connection.execute(
        select(objects.c.idx)
        .where(objects.c.job_id == job.id, objects.c.state == "waiting")
        .limit(1)
    ).first()
    size = min(job.request.human.max_concurrent, _room(job))
    if waiting is None:
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(ending=states.COMPLETED))
    elif size > 0:
        ledger.open_batch(connection, job, size=size, now=now)
    else:
        move(connection, job, states.STOPPING, now=now, ending=states.STOPPED)
    return True


def _settle(
    connection: Connection,
    job: Job,
    row: Any,
    labels: dict[int, str],
    *,
    now: float,
    end: ledger.TaskEnd,
) -> None:
    """Close one object: labelled if it was answered; else failed if its time is over."""
    if row.answers:
        closed = ledger.label_object(
            connection, job, row.idx, label=labels[row.idx], answers=row.answers, now=now
        )
    elif end == "expired":
        closed = ledger.fail_object(connection, job, row.idx, reason=EXPIRED, now=now)
    else:
        closed = ledger.put_back(connection, job, row.idx, now=now)
    if closed:
        ledger.withdraw_tasks(connection, job, row.idx, end=end, now=now)


def _room(job: Job) -> int:
    """Return how many more objects the stopping conditions let people label.

    A percentage is one of the objects that this job labels, rounded up.
    """
    stopping = job.request.stopping
    room = job.total
    if stopping.max_human is not None:
        room = min(room, stopping.max_human - job.human_labeled)
    if stopping.max_percentage is not None:
        most = -(-job.total * stopping.max_percentage // 100)
        room = min(room, most - job.human_labeled - job.machine_labeled)
    return room


def _by_job(rows: Any, name: str) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.job_id, []).append(getattr(row, name))
    return found
