"""What workers do: they accept tasks, answer, return or decline them.

An object is handed to as many different workers as the job asks for, oldest job and first
manifest line first; what a worker gave back comes last for that worker. A worker may hold
`HOLDING_LIMIT` tasks at once, so that a page can fetch the next image early. Matching boxes, which
may take long, happens outside of the write transaction, which then checks that nothing has
changed meanwhile; so each call is one short write, whatever the job's size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from sqlalchemy import Connection, Select, bindparam, exists, func, or_, select, text

from gt_workflow.errors import StorageError
from gt_workflow.ports import Clock, Storage
from gt_workflow.service.faults import conflict, invalid
from gt_workflow.service.labeling import answers, consolidation, ledger, places, states
from gt_workflow.service.labeling.batches import next_batch
from gt_workflow.service.labeling.gold import Gold
from gt_workflow.service.labeling.images import UnusableImageError, measure, source_ref
from gt_workflow.service.labeling.records import (
    MAX_FAILURE_REASON,
    Job,
    Offer,
    Task,
    job_of,
    moment,
    read_job,
    select_jobs,
)
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import Store, jobs, objects, tasks, worker_teams

HOLDING_LIMIT: Final = 10
MAX_REASON_CHARACTERS: Final = 1_000
# An image that storage does not give right now is tried again after so many seconds; then it fails.
IMAGE_WAITS: Final = (30.0, 300.0, 1_800.0)
# A call looks at no more images than this for one that can be shown; the next call goes on.
MOST_IMAGES: Final = 100

_TAKEN: Final = ("leased", "submitted", "declined")
_OPEN: Final = text("objects.open > 0")  # spelled as in the partial index, so that it is used


@dataclass(frozen=True, slots=True)
class _Found:
    """An object that could be handed out."""

    job: Job
    idx: int
    line: bytes
    size: tuple[int, int] | None
    retries: int


class Handout:
    """The workers' side of the labeling jobs."""

    def __init__(
        self,
        *,
        store: Store,
        storage: Storage,
        clock: Clock,
        new_id: Callable[[], str],
        read_size: Callable[[BinaryIO], tuple[int, int]],
    ) -> None:
        """Keep what it works on."""
        self._store = store
        self._storage = storage
        self._clock = clock
        self._new_id = new_id
        self._read_size = read_size
        self._gold = Gold(
            store=store, storage=storage, clock=clock, new_id=new_id, read_size=read_size
        )

    def offers(self, worker_id: str) -> list[Offer]:
        """Return the jobs in progress of the worker's teams, oldest first."""
        now = self._now()
        with self._store.read() as connection:
            return [
                Offer(
                    job_arn=job.arn,
                    job_name=job.name,
                    region=job.region,
                    kind=job.kind,
                    title=job.request.human.title,
                    description=job.request.human.description,
                    available=_count_open(connection, worker_id, job, now),
                    held=_count_held(connection, worker_id, now, job),
                    workers_per_object=job.workers,
                    task_time_limit=job.request.human.time_limit,
                    created=moment(job.created),
                )
                for job in _jobs_for(connection, worker_id, None)
            ]

    def accept(self, worker_id: str, job_arn: str | None) -> Task | None:
        """Lease the next object to the worker; see `Jobs.accept`."""
        now = self._now()
        with self._store.write() as connection:
            _check_room(connection, worker_id, now)
            counted = False
            for _ in range(MOST_IMAGES):
                found = _next(connection, worker_id, job_arn, now)
                if found is None:
                    return None
                if found.job.request.gold_uri is not None and not counted:
                    counted = True
                    question = self._gold.next(connection, found.job, worker_id, now)
                    if question is not None:
                        return question
                size = found.size or self._measure(connection, found, now)
                if size is not None:
                    task_id = self._new_id()
                    return _lease(connection, found, worker_id, task_id, size=size, now=now)
        return None

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

    def submit(self, worker_id: str, task_id: str, answer: object) -> dict[str, Any] | None:
        """Store a worker's answer; return the feedback, if it was a gold question."""
        try:
            self._submit(worker_id, task_id, answer)
        except places.UnknownTaskError:
            return self._gold.submit(worker_id, task_id, answer)
        return None

    def _submit(self, worker_id: str, task_id: str, answer: object) -> None:
        """Store a worker's answer, and with the object's last one its label."""
        now = self._now()
        stored = False
        while not stored:
            with self._store.read() as connection:
                place, job = places.own(connection, worker_id, task_id)
                given = (
                    consolidation.given(connection, job.id, [place.idx]).get(place.idx, [])
                    if place.answers
                    else []
                )
            size = (place.width, place.height)
            if place.state != "submitted":
                places.check_live(place, job, now)
            content = answers.check(
                answer, kind=job.kind, labels=job.labels, width=size[0], height=size[1]
            ).to_json()
            if place.state == "submitted" and place.answer == content:
                return  # the acknowledgement was lost on its way; it holds
            places.check_live(place, job, now)
            label = None
            if ledger.complete(
                workers=job.workers,
                answers=place.answers + 1,
                leases=place.leases - 1,
                declines=place.declines,
            ):
                mine = consolidation.Given(worker=worker_id, content=content)
                label = consolidation.label(
                    job, line=place.line, size=size, given=[*given, mine], created=now
                )
            with self._store.write() as connection:
                fresh = read_job(connection, job.id)
                places.check_takes_answers(fresh)
                stored = ledger.answer(
                    connection,
                    job,
                    task_id,
                    idx=place.idx,
                    seen=(place.answers, place.leases, place.declines),
                    content=content,
                    label=label,
                    now=now,
                )
                if stored and label is not None and fresh.active == 1:
                    next_batch(connection, job.id, now=now)

    def give_back(self, worker_id: str, task_id: str) -> None:
        """Return a task unanswered."""
        self._end_any(worker_id, task_id, "returned", None)

    def decline(self, worker_id: str, task_id: str, reason: str) -> None:
        """Refuse a task for good."""
        if len(reason) > MAX_REASON_CHARACTERS:
            raise invalid(
                f"The reason has {len(reason)} characters; {MAX_REASON_CHARACTERS} are allowed"
            )
        self._end_any(worker_id, task_id, "declined", reason)

    def _end_any(
        self, worker_id: str, task_id: str, end: ledger.TaskEnd, reason: str | None
    ) -> None:
        try:
            self._end(worker_id, task_id, end, reason)
        except places.UnknownTaskError:
            self._gold.end(worker_id, task_id, end)

    def _end(self, worker_id: str, task_id: str, end: ledger.TaskEnd, reason: str | None) -> None:
        now = self._now()
        with self._store.write() as connection:
            place, job = places.own(connection, worker_id, task_id)
            if place.state == end:
                return
            places.check_live(place, job, now)
            ledger.end_lease(connection, job, task_id, end=end, now=now, reason=reason)

    def _measure(self, connection: Connection, found: _Found, now: float) -> tuple[int, int] | None:
        """Return an image's size; None after noting that its object fails or has to wait."""
        try:
            return measure(found.line, storage=self._storage, read_size=self._read_size)
        except UnusableImageError as error:
            reason = str(error)
        except StorageError as error:
            if found.retries < len(IMAGE_WAITS):
                until = now + IMAGE_WAITS[found.retries]
                ledger.rest(connection, found.job, found.idx, until=until)
                return None
            reason = f"ClientError: The image could not be read: {error}"
        reason = reason[:MAX_FAILURE_REASON]
        if ledger.fail_unseen(connection, found.job, found.idx, reason=reason, now=now):
            next_batch(connection, found.job.id, now=now)
        return None

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _jobs_for(connection: Connection, worker_id: str, job_arn: str | None) -> list[Job]:
    """Return the jobs in progress of the worker's teams, oldest first."""
    found = _JOBS.all(connection, worker=worker_id)
    # A worker's jobs in progress are few; one statement for both cases is prepared once.
    return [job_of(row) for row in found if job_arn is None or row.arn == job_arn]


def _next(connection: Connection, worker_id: str, job_arn: str | None, now: float) -> _Found | None:
    """Return the first object that may be handed to the worker."""
    available = [
        job for job in _jobs_for(connection, worker_id, job_arn) if now < job.batch_deadline
    ]
    for statement in (_FIRST, _GIVEN_BACK):
        for job in available:
            row = statement.first(connection, job=job.id, worker=worker_id)
            if row is not None:
                size = None if row.width is None else (row.width, row.height)
                return _Found(job, row.idx, row.line, size, row.retries)
    return None


def _count_open(connection: Connection, worker_id: str, job: Job, now: float) -> int:
    if now >= job.batch_deadline:
        return 0
    return int(_COUNT_OPEN.first(connection, job=job.id, worker=worker_id).number)


def _count_held(connection: Connection, worker_id: str, now: float, job: Job | None = None) -> int:
    """Return how many tasks the worker may still answer, in one job or in all."""
    found = _HELD_IN.all(connection, worker=worker_id, now=now)
    return sum(job is None or row.job_id == job.id for row in found)


def _check_room(connection: Connection, worker_id: str, now: float) -> None:
    held = _count_held(connection, worker_id, now)
    if held >= HOLDING_LIMIT:
        raise conflict(f"You hold {held} tasks already; submit or return one first")


def _lease(
    connection: Connection,
    found: _Found,
    worker_id: str,
    task_id: str,
    *,
    size: tuple[int, int],
    now: float,
) -> Task:
    job = found.job
    # A lease never outlives the batch: what is settled then must not change any more.
    until = min(now + job.request.human.time_limit, job.batch_deadline)
    task = {"id": task_id, "worker_id": worker_id, "accepted": now, "lease_until": until}
    ledger.lease(connection, job, found.idx, task=task, size=size)
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


def _open_to(without: tuple[str, ...]) -> Any:
    """Return the condition: open, and this worker has no task on it in one of these states."""
    mine = exists().where(
        tasks.c.job_id == objects.c.job_id,
        tasks.c.idx == objects.c.idx,
        tasks.c.worker_id == bindparam("worker"),
        or_(*(tasks.c.state == state for state in without)),
    )
    return (objects.c.job_id == bindparam("job")) & _OPEN & ~mine


def _first(without: tuple[str, ...]) -> Select[Any]:
    columns = (objects.c.line, objects.c.width, objects.c.height, objects.c.retries)
    query = select(objects.c.idx, *columns).where(_open_to(without))
    return query.order_by(objects.c.idx).limit(1)


_LIVE: Final = (
    tasks.c.worker_id == bindparam("worker"),
    tasks.c.state == "leased",
    tasks.c.lease_until > bindparam("now"),
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
_HELD: Final = Prepared(places.query().where(*_LIVE).order_by(tasks.c.accepted, tasks.c.id))
_HELD_IN: Final = Prepared(
    select(tasks.c.job_id)
    .join(jobs, jobs.c.id == tasks.c.job_id)
    .where(*_LIVE, jobs.c.status == states.IN_PROGRESS, jobs.c.ending.is_(None))
)
