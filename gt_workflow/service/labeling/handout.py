"""What workers are handed: jobs on offer, the next task, and the tasks they hold.

An object is handed to as many different workers as the job asks for; see `available` for which
comes first. A worker may hold `HOLDING_LIMIT` tasks at once, so that a page can fetch the next
image early. Each call is one short write, whatever the job's size; storage is read outside of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert

from gt_workflow.ports import Clock
from gt_workflow.service.faults import Fault, conflict
from gt_workflow.service.labeling import available, ledger, places
from gt_workflow.service.labeling.available import Found
from gt_workflow.service.labeling.gold import Gold
from gt_workflow.service.labeling.images import source_ref
from gt_workflow.service.labeling.records import Offer, Task, moment, read_job
from gt_workflow.service.labeling.sizes import Unmeasured
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import Store, fetched_ahead, tasks

HOLDING_LIMIT: Final = 10


class Handout:
    """The workers' side of the labeling jobs."""

    def __init__(
        self, *, store: Store, clock: Clock, new_id: Callable[[], str], gold: Gold
    ) -> None:
        """Keep what it works on."""
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._gold = gold

    def offers(self, worker_id: str) -> list[Offer]:
        """Return the jobs in progress of the worker's teams, oldest first."""
        now = self._now()
        with self._store.read() as connection:
            held = available.held(connection, worker_id, now)
            return [
                Offer(
                    job_arn=job.arn,
                    job_name=job.name,
                    region=job.region,
                    kind=job.kind,
                    title=job.request.human.title,
                    description=job.request.human.description,
                    available=available.count(connection, worker_id, job, now, idle=not held),
                    held=held.count(job.id),
                    workers_per_object=job.workers,
                    task_time_limit=job.request.human.time_limit,
                    created=moment(job.created),
                )
                for job in available.jobs_for(connection, worker_id, None)
            ]

    def next(
        self, worker_id: str, job_arn: str | None, *, ahead: bool = False
    ) -> Task | Unmeasured | None:
        """Lease the next object to the worker; see `Jobs.next`."""
        now = self._now()
        with self._store.write() as connection:
            held = len(available.held(connection, worker_id, now))
            if held >= HOLDING_LIMIT:
                raise conflict(f"You hold {held} tasks already; submit or return one first")
            found = available.first(connection, worker_id, job_arn, now)
            if found is None and not held and not ahead:
                found = available.spare(connection, worker_id, job_arn, now)
            if found is None:
                return None
            if found.size is None:
                return Unmeasured(found.job, found.idx)
            if found.job.request.gold_uri is not None:
                question = self._gold.next(connection, found.job, worker_id, now)
                if question is not None:
                    return question
            task = self._lease(connection, found, found.size, worker_id, now)
            if ahead:
                _AHEAD.change(connection, task_id=task.id, job_id=found.job.id)
            return task

    def begin(self, worker_id: str, task_id: str) -> bool:
        """Note that a task is on its worker's screen; False if it is not theirs any more."""
        try:
            with self._store.write() as connection:
                place, job = places.own(connection, worker_id, task_id)
                places.check_live(place, job, self._now())
                _BEGUN.change(connection, task=task_id)
        except places.UnknownTaskError:
            return self._gold.is_live(worker_id, task_id)
        except Fault:
            return False
        return True

    def held(self, worker_id: str) -> list[Task]:
        """Return the tasks that the worker may still answer, oldest first."""
        with self._store.read() as connection:
            rows = _HELD.all(connection, worker=worker_id, now=self._now())
            known = {row.job_id: read_job(connection, row.job_id) for row in rows}
            questions = list(self._gold.held(connection, worker_id, self._now()))
        found = [
            places.task(known[row.job_id], row) for row in rows if known[row.job_id].takes_answers
        ]
        return sorted([*found, *questions], key=lambda task: task.accepted) if questions else found

    def task(self, worker_id: str, task_id: str) -> Task:
        """Return one task that the worker holds."""
        try:
            with self._store.read() as connection:
                place, job = places.own(connection, worker_id, task_id)
        except places.UnknownTaskError:
            return self._gold.task(worker_id, task_id)
        places.check_live(place, job, self._now())
        return places.task(job, place)

    def image_uri(self, worker_id: str, task_id: str) -> str:
        """Return where a held task's image is, or an answered gold question's."""
        try:
            with self._store.read() as connection:
                place, job = places.own(connection, worker_id, task_id)
        except places.UnknownTaskError:
            return self._gold.image_uri(worker_id, task_id)
        places.check_live(place, job, self._now())
        return source_ref(place.line)

    def _lease(
        self,
        connection: Connection,
        found: Found,
        size: tuple[int, int],
        worker_id: str,
        now: float,
    ) -> Task:
        job = found.job
        if found.spare is not None:
            ledger.end_lease(connection, job, found.spare, end="passed", now=now)
        # A lease never outlives the batch: what is settled then must not change any more.
        until = min(now + job.request.human.time_limit, job.batch_deadline)
        task_id = self._new_id()
        task = {"id": task_id, "worker_id": worker_id, "accepted": now, "lease_until": until}
        ledger.lease(connection, job, found.idx, task=task)
        return places.task(
            job,
            places.Shown(
                id=task_id,
                idx=found.idx,
                line=found.line,
                width=size[0],
                height=size[1],
                accepted=now,
                lease_until=until,
            ),
        )

    def _now(self) -> float:
        return self._clock.now().timestamp()


_HELD: Final = Prepared(
    places.query()
    .where(
        tasks.c.worker_id == bindparam("worker"),
        tasks.c.state == "leased",
        tasks.c.lease_until > bindparam("now"),
    )
    .order_by(tasks.c.accepted, tasks.c.id)
)
_AHEAD: Final = Prepared(insert(fetched_ahead))
_BEGUN: Final = Prepared(delete(fetched_ahead).where(fetched_ahead.c.task_id == bindparam("task")))
