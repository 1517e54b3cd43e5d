"""The only writer of objects' states, tasks' ends and jobs' counters: one step a function.

    waiting ──► active ──► labelled        skipped: it had the label when the job began
                  │  └───► failed
                  └──────► waiting again, when the job is stopped before anybody answered

Every function works in the caller's write transaction and keeps these true: an object has no more
leases and answers than workers were asked; `open` is how many workers it may still be handed to;
`active` of its job counts the active objects; the job's counters count the closed ones. A
function that returns a bool changes nothing where it returns False: the row has moved meanwhile.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from gt_workflow.service.labeling.records import Job
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import fetched_ahead, iterations, jobs, objects, tasks

TaskEnd = Literal["returned", "declined", "expired", "passed", "withdrawn"]


def slots(*, workers: int, answers: int, leases: int, declines: int) -> int:
    """Return how many more workers an object may be handed to.

    As many declines as workers were asked end the hand-out: it is not sent again (developer
    guide, "Monitor Labeling Job Status").
    """
    return 0 if declines >= workers else max(0, workers - answers - leases)


def complete(*, workers: int, answers: int, leases: int, declines: int) -> bool:
    """Tell whether nobody will say more about an object."""
    return answers >= workers or (declines >= workers and leases == 0)


def open_batch(connection: Connection, job: Job, *, size: int, now: float) -> int:
    """Make the next `size` waiting objects available; return how many there were."""
    number = job.iteration + 1
    waiting = (objects.c.job_id == job.id) & (objects.c.state == "waiting")
    chosen = select(objects.c.idx).where(waiting).order_by(objects.c.idx).limit(size).subquery()
    last = connection.execute(select(func.max(chosen.c.idx))).scalar()
    if last is None:
        return 0
    active = connection.execute(
        update(objects)
        .where(waiting, objects.c.idx <= last)
        .values(state="active", iteration=number, open=job.workers)
    ).rowcount
    connection.execute(insert(iterations).values(job_id=job.id, number=number, opened=now))
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id)
        .values(iteration=number, batch_opened=now, active=active)
    )
    return active


def close_batch(connection: Connection, job: Job, *, now: float) -> None:
    """Note that every object of the open batch is closed; its files are named by this moment."""
    connection.execute(
        update(iterations)
        .where(
            iterations.c.job_id == job.id,
            iterations.c.number == job.iteration,
            iterations.c.closed.is_(None),
        )
        .values(closed=now)
    )


def lease(connection: Connection, job: Job, idx: int, *, task: dict[str, Any]) -> None:
    """Hand an open object to a worker; `task` holds id, worker_id, accepted and lease_until."""
    _LEASE.change(connection, job=job.id, object=idx)
    row = {"job_id": job.id, "idx": idx, "iteration": job.iteration, "state": "leased", **task}
    _NEW_TASK.change(connection, **row)


def end_lease(
    connection: Connection,
    job: Job,
    task_id: str,
    *,
    end: TaskEnd,
    now: float,
    reason: str | None = None,
) -> bool:
    """Take a leased task from its worker without an answer."""
    idx = _end_task(connection, task_id, end, now=now, reason=reason)
    if idx is None:
        return False
    row = _standing(connection, job, idx)
    if row is None:
        return True
    declines = row.declines + (end == "declined")
    _stand(connection, job, idx, answers=row.answers, leases=row.leases - 1, declines=declines)
    if complete(workers=job.workers, answers=row.answers, leases=row.leases - 1, declines=declines):
        # Labels are computed outside of this transaction.
        connection.execute(_active(job, idx).values(due=now))
    return True


def answer(
    connection: Connection,
    job: Job,
    task_id: str,
    *,
    idx: int,
    seen: tuple[int, int, int],
    content: str,
    label: str | None,
    now: float,
) -> bool:
    """Store an answer, and with the object's last one its label.

    `seen` are the object's answers, leases and declines that `label` was decided from.
    """
    row = _standing(connection, job, idx)
    if row is None or tuple(row) != seen:
        return False
    if _end_task(connection, task_id, "submitted", now=now, answer=content) is None:
        return False
    answers = row.answers + 1
    if label is not None:
        _label(connection, job, idx, label=label, answers=answers, seen=row.answers, now=now)
    else:
        leases, declines = row.leases - 1, row.declines
        _stand(connection, job, idx, answers=answers, leases=leases, declines=declines)
    return True


def label_object(
    connection: Connection, job: Job, idx: int, *, label: str, answers: int, now: float
) -> bool:
    """Close an object with the label made from so many answers."""
    return _label(connection, job, idx, label=label, answers=answers, seen=answers, now=now)


def _label(
    connection: Connection,
    job: Job,
    idx: int,
    *,
    label: str,
    answers: int,
    seen: int,
    now: float,
) -> bool:
    changed = _LABEL.change(
        connection,
        job=job.id,
        object=idx,
        seen=seen,
        new_answers=answers,
        new_label=label,
        now=now,
    )
    if changed:
        _COUNT_LABELLED.change(connection, job=job.id, now=now)
    return bool(changed)


def fail_object(connection: Connection, job: Job, idx: int, *, reason: str, now: float) -> bool:
    """Close an object that nobody has answered, with the reason why it has no label."""
    changed = connection.execute(
        _active(job, idx)
        .where(objects.c.answers == 0)
        .values(state="failed", failure=reason, open=0, leases=0, due=None, closed=now)
    ).rowcount
    if changed:
        _count(connection, job, now=now, failed=jobs.c.failed + 1)
    return bool(changed)


def put_back(connection: Connection, job: Job, idx: int, *, now: float) -> bool:
    """Leave an object that nobody has answered as it was, since the job ends."""
    changed = connection.execute(
        _active(job, idx)
        .where(objects.c.answers == 0)
        .values(state="waiting", iteration=None, open=0, leases=0, due=None)
    ).rowcount
    if changed:
        _count(connection, job, now=now)
    return bool(changed)


def fail_unseen(connection: Connection, job: Job, idx: int, *, reason: str, now: float) -> bool:
    """Close an object whose image no worker was shown; False if somebody could read it."""
    shown = select(objects.c.width).where(objects.c.job_id == job.id, objects.c.idx == idx)
    if connection.execute(shown).scalar() is not None:
        return False
    return fail_object(connection, job, idx, reason=reason, now=now)


def rest(connection: Connection, job: Job, idx: int, *, seen: int, until: float) -> None:
    """Keep back an object whose image could not be read after `seen` retries, once for each."""
    connection.execute(
        _active(job, idx)
        .where(objects.c.retries == seen)
        .values(open=0, due=until, retries=seen + 1)
    )


def wake(connection: Connection, job: Job, idx: int) -> None:
    """Make an object available that was kept back."""
    row = _standing(connection, job, idx)
    if row is not None:
        left = slots(
            workers=job.workers, answers=row.answers, leases=row.leases, declines=row.declines
        )
        connection.execute(_active(job, idx).values(open=left, due=None))


def withdraw_tasks(connection: Connection, job: Job, idx: int, *, end: TaskEnd, now: float) -> None:
    """Take an object's leased tasks from their workers; the object is closed by the caller."""
    connection.execute(
        update(tasks)
        .where(tasks.c.job_id == job.id, tasks.c.idx == idx, tasks.c.state == "leased")
        .values(state=end, closed=now)
    )
    these = select(tasks.c.id).where(tasks.c.job_id == job.id, tasks.c.idx == idx)
    connection.execute(delete(fetched_ahead).where(fetched_ahead.c.task_id.in_(these)))


def _active(job: Job, idx: int) -> Any:
    return update(objects).where(
        objects.c.job_id == job.id, objects.c.idx == idx, objects.c.state == "active"
    )


def _count(connection: Connection, job: Job, *, now: float, **counters: Any) -> None:
    """Take one object out of the batch and put it into a counter."""
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id)
        .values(active=jobs.c.active - 1, modified=now, **counters)
    )


def _standing(connection: Connection, job: Job, idx: int) -> Any:
    """Return an active object's answers, leases and declines; None if it is not active."""
    return _STANDING.first(connection, job=job.id, object=idx)


def _stand(
    connection: Connection, job: Job, idx: int, *, answers: int, leases: int, declines: int
) -> None:
    """Note where an object stands, and how many workers it may still be handed to."""
    _STAND.change(
        connection,
        job=job.id,
        object=idx,
        new_answers=answers,
        new_leases=leases,
        new_declines=declines,
        new_open=slots(workers=job.workers, answers=answers, leases=leases, declines=declines),
    )


def _end_task(
    connection: Connection,
    task_id: str,
    state: TaskEnd | Literal["submitted"],
    *,
    now: float,
    answer: str | None = None,
    reason: str | None = None,
) -> int | None:
    """End a leased task; return its object's index, or None if it is not leased any more."""
    ended = _END_TASK.first(
        connection,
        task=task_id,
        new_state=state,
        now=now,
        new_answer=answer,
        new_reason=reason,
    )
    if ended is None:
        return None
    _NOT_AHEAD.change(connection, task=task_id)
    return int(ended.idx)


_THIS: Final = (
    objects.c.job_id == bindparam("job"),
    objects.c.idx == bindparam("object"),
    objects.c.state == "active",
)
_STANDING: Final = Prepared(
    select(objects.c.answers, objects.c.leases, objects.c.declines).where(*_THIS)
)
_LEASE: Final = Prepared(
    update(objects)
    .where(*_THIS)
    .values(
        leases=objects.c.leases + 1,
        open=objects.c.open - 1,
    )
)
_NEW_TASK: Final = Prepared(insert(tasks))
_STAND: Final = Prepared(
    update(objects)
    .where(*_THIS)
    .values(
        answers=bindparam("new_answers"),
        leases=bindparam("new_leases"),
        declines=bindparam("new_declines"),
        open=bindparam("new_open"),
    )
)
_LABEL: Final = Prepared(
    update(objects)
    .where(*_THIS, objects.c.answers == bindparam("seen"))
    .values(
        state="labelled",
        answers=bindparam("new_answers"),
        label=bindparam("new_label"),
        open=0,
        leases=0,
        due=None,
        closed=bindparam("now"),
    )
)
_COUNT_LABELLED: Final = Prepared(
    update(jobs)
    .where(jobs.c.id == bindparam("job"))
    .values(
        active=jobs.c.active - 1,
        human_labeled=jobs.c.human_labeled + 1,
        modified=bindparam("now"),
    )
)
_NOT_AHEAD: Final = Prepared(
    delete(fetched_ahead).where(fetched_ahead.c.task_id == bindparam("task"))
)
_END_TASK: Final = Prepared(
    update(tasks)
    .where(tasks.c.id == bindparam("task"), tasks.c.state == "leased")
    .values(
        state=bindparam("new_state"),
        closed=bindparam("now"),
        answer=bindparam("new_answer"),
        reason=bindparam("new_reason"),
    )
    .returning(tasks.c.idx)
)
