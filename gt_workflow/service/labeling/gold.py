"""Gold questions in the hand-out: mixed in, answered, compared; see `core.gold` for what they are.

They live in tables of their own: no counter, batch or output file of the job knows of them. A
gold task looks like any other until it is answered; then the worker is shown the known boxes. It
comes only while the job has an image for the worker, once for each worker and gold image. One that
is returned or runs out of time may come again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from sqlalchemy import Connection, Delete, Update, delete, insert, or_, select, update

from gt_workflow.core import gold
from gt_workflow.core.boxes import Box
from gt_workflow.core.json_lines import split_lines
from gt_workflow.errors import DataError, StorageError
from gt_workflow.ports import Clock, Storage
from gt_workflow.service.faults import Fault, conflict, forbidden, not_found
from gt_workflow.service.labeling import answers, places
from gt_workflow.service.labeling.images import UnusableImageError, measure
from gt_workflow.service.labeling.records import Job, Task, read_job
from gt_workflow.service.labeling.sizes import Unmeasured
from gt_workflow.service.store import Store, gold_objects, gold_tasks, gold_turns

_REST: Final = 30.0  # seconds

_log = logging.getLogger(__name__)


class Gold:
    """The gold questions of all jobs."""

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
        self._resting: dict[tuple[int, int], float] = {}  # images out of reach, until when

    def next(
        self, connection: Connection, job: Job, worker_id: str, now: float
    ) -> Task | Unmeasured | None:
        """Lease a gold question to a worker, if one is due and there is one left for them.

        Counts the task unless its image has to be looked at first, since the caller hands out
        another otherwise.
        """
        handed, golden = self._turn(connection, job, worker_id)
        place = None
        salt = f"{job.arn}:{worker_id}"
        if gold.due(handed=handed, gold=golden, rate=job.request.gold_rate, salt=salt):
            found = self._first(connection, job, worker_id, now)
            if found is not None and found.width is None:
                return Unmeasured(job, found.idx, gold=True)
            if found is not None:
                place = self._lease(connection, job, found, worker_id, now)
        self._count(connection, job, worker_id, handed + 1, golden + (place is not None))
        return None if place is None else places.task(job, place)

    def held(self, connection: Connection, worker_id: str, now: float) -> Iterator[Task]:
        """Yield the gold tasks that the worker may still answer."""
        rows = connection.execute(
            _SHOWN.where(
                gold_tasks.c.worker_id == worker_id,
                gold_tasks.c.state == "leased",
                gold_tasks.c.lease_until > now,
            ).order_by(gold_tasks.c.accepted)
        ).all()
        for row in rows:
            job = read_job(connection, row.job_id)
            if job.takes_answers:
                yield _task(job, row)

    def task(self, worker_id: str, task_id: str) -> Task:
        """Return one gold task that the worker holds; refused as any other task is."""
        with self._store.read() as connection:
            row, job = _own(connection, worker_id, task_id)
        _check_live(row, job, self._now())
        return _task(job, row)

    def is_live(self, worker_id: str, task_id: str) -> bool:
        """Tell whether a worker may still answer a task."""
        try:
            self.task(worker_id, task_id)
        except Fault:
            return False
        return True

    def image_uri(self, worker_id: str, task_id: str) -> str:
        """Return where the image of a worker's gold task is, also once it is answered.

        The feedback shows it; what it says of the image, the worker knows by then.
        """
        with self._store.read() as connection:
            row, job = _own(connection, worker_id, task_id)
        if row.state != "submitted":
            _check_live(row, job, self._now())
        return str(row.uri)

    def submit(self, worker_id: str, task_id: str, answer: object) -> dict[str, Any]:
        """Compare an answer with the known boxes, keep it, and return the feedback."""
        now = self._now()
        with self._store.write() as connection:
            row, job = _own(connection, worker_id, task_id)
            if row.state != "submitted":
                _check_live(row, job, now)
            checked = answers.check(
                answer, kind=job.kind, labels=job.labels, width=row.width, height=row.height
            )
            content = checked.to_json()
            if row.state == "submitted" and row.answer == content:
                told: dict[str, Any] = json.loads(row.feedback)
                return told  # the acknowledgement was lost on its way; it holds
            _check_live(row, job, now)
            told = gold.feedback(checked.boxes, _boxes(row.boxes))
            told |= {"width": row.width, "height": row.height}
            _end(connection, task_id, "submitted", now, answer=content, feedback=json.dumps(told))
        return told

    def end(self, worker_id: str, task_id: str, state: str) -> None:
        """Take a gold task back, returned or declined."""
        now = self._now()
        with self._store.write() as connection:
            row, job = _own(connection, worker_id, task_id)
            if row.state == state:
                return
            _check_live(row, job, now)
            _end(connection, task_id, state, now)

    def look(self, wanted: Unmeasured) -> None:
        """Note the size of a gold question's image, or leave the question out."""
        job = wanted.job
        this = (gold_objects.c.job_id == job.id, gold_objects.c.idx == wanted.idx)
        with self._store.read() as connection:
            row = connection.execute(select(gold_objects).where(*this)).first()
        if row is None or row.width is not None:
            return  # somebody else was faster
        change: Delete | Update
        try:
            width, height = measure(
                _line(row.uri), storage=self._storage, read_size=self._read_size
            )
            change = update(gold_objects).where(*this).values(width=width, height=height)
        except UnusableImageError as error:
            # It can teach nobody anything; the job does not depend on it.
            _log.warning("a gold question of %s is left out: %s", job.arn, error)
            change = delete(gold_objects).where(*this)
        except StorageError:
            self._resting[job.id, wanted.idx] = self._now() + _REST
            return
        with self._store.write() as connection:
            connection.execute(change)

    def _first(self, connection: Connection, job: Job, worker_id: str, now: float) -> Any:
        """Return the first question that is left for a worker, or None."""
        mine = (
            select(gold_tasks.c.id)
            .where(
                gold_tasks.c.job_id == gold_objects.c.job_id,
                gold_tasks.c.idx == gold_objects.c.idx,
                gold_tasks.c.worker_id == worker_id,
                or_(
                    gold_tasks.c.state.in_(("submitted", "declined")),
                    (gold_tasks.c.state == "leased") & (gold_tasks.c.lease_until > now),
                ),
            )
            .exists()
        )
        resting = [
            idx
            for (job_id, idx), until in self._resting.items()
            if job_id == job.id and now < until
        ]
        return connection.execute(
            select(gold_objects)
            .where(gold_objects.c.job_id == job.id, ~mine, gold_objects.c.idx.not_in(resting))
            .order_by(gold_objects.c.idx)
            .limit(1)
        ).first()

    def _lease(
        self, connection: Connection, job: Job, found: Any, worker_id: str, now: float
    ) -> places.Shown:
        until = min(now + job.request.human.time_limit, job.batch_deadline)
        task_id = self._new_id()
        connection.execute(
            insert(gold_tasks).values(
                id=task_id,
                job_id=job.id,
                idx=found.idx,
                worker_id=worker_id,
                state="leased",
                accepted=now,
                lease_until=until,
            )
        )
        return places.Shown(
            id=task_id,
            idx=found.idx,
            line=_line(found.uri),
            width=found.width,
            height=found.height,
            accepted=now,
            lease_until=until,
        )

    @staticmethod
    def _turn(connection: Connection, job: Job, worker_id: str) -> tuple[int, int]:
        row = connection.execute(
            select(gold_turns.c.handed, gold_turns.c.gold).where(
                gold_turns.c.job_id == job.id, gold_turns.c.worker_id == worker_id
            )
        ).first()
        return (0, 0) if row is None else (row.handed, row.gold)

    @staticmethod
    def _count(connection: Connection, job: Job, worker_id: str, handed: int, golden: int) -> None:
        counted = {"handed": handed, "gold": golden}
        this = (gold_turns.c.job_id == job.id) & (gold_turns.c.worker_id == worker_id)
        if not connection.execute(update(gold_turns).where(this).values(**counted)).rowcount:
            connection.execute(
                insert(gold_turns).values(job_id=job.id, worker_id=worker_id, **counted)
            )

    def _now(self) -> float:
        return self._clock.now().timestamp()


def load(job: Job, *, store: Store, storage: Storage, labels: tuple[str, ...]) -> None:
    """Read a job's gold manifest, if it names one, in place of what was read before.

    Raises `DataError` for what the job's owner must mend, and `StorageError`.
    """
    rows = list(_rows(job, storage, labels))
    with store.write() as connection:
        connection.execute(delete(gold_objects).where(gold_objects.c.job_id == job.id))
        if rows:
            connection.execute(insert(gold_objects), rows)


def _rows(job: Job, storage: Storage, labels: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    uri = job.request.gold_uri
    if uri is None:
        return
    if job.kind != "label":
        raise DataError("gold questions are for jobs that draw boxes; leave them out", uri=uri)
    with storage.open(uri) as file:
        for idx, known in enumerate(
            gold.questions(split_lines(file, uri=uri), uri=uri, labels=labels)
        ):
            sides = [(label, *_sides(box)) for label, box in known.boxes]
            yield {
                "job_id": job.id,
                "idx": idx,
                "uri": known.uri,
                "boxes": json.dumps(sides, ensure_ascii=False),
            }


_SHOWN: Final = select(
    gold_tasks,
    gold_objects.c.uri,
    gold_objects.c.boxes,
    gold_objects.c.width,
    gold_objects.c.height,
).join(
    gold_objects,
    (gold_objects.c.job_id == gold_tasks.c.job_id) & (gold_objects.c.idx == gold_tasks.c.idx),
)


def _own(connection: Connection, worker_id: str, task_id: str) -> tuple[Any, Job]:
    row = connection.execute(_SHOWN.where(gold_tasks.c.id == task_id)).first()
    if row is None:
        raise not_found("There is no such task")
    if row.worker_id != worker_id:
        raise forbidden("The task is another worker's")
    return row, read_job(connection, row.job_id)


def _check_live(row: Any, job: Job, now: float) -> None:
    if row.state != "leased":
        raise conflict(places.ENDED[row.state])
    places.check_takes_answers(job)
    if row.lease_until <= now:
        raise conflict(places.ENDED["expired"])


def _end(connection: Connection, task_id: str, state: str, now: float, **values: Any) -> None:
    connection.execute(
        update(gold_tasks)
        .where(gold_tasks.c.id == task_id, gold_tasks.c.state == "leased")
        .values(state=state, closed=now, **values)
    )


def _task(job: Job, row: Any) -> Task:
    return places.task(
        job,
        places.Shown(
            id=row.id,
            idx=row.idx,
            line=_line(row.uri),
            width=row.width,
            height=row.height,
            accepted=row.accepted,
            lease_until=row.lease_until,
        ),
    )


def _line(uri: str) -> bytes:
    """Return a line as the job's others are: what is known of the image is not on it."""
    return json.dumps({"source-ref": uri}, ensure_ascii=False).encode()


def _boxes(text: str) -> list[tuple[str, Box]]:
    return [(label, Box(*sides)) for label, *sides in json.loads(text)]


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.width, box.height
