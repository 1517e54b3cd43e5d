"""How long workers were at their answers.

A task's time runs from the moment at which it was the next in hand: a page fetches the next image
while its worker is still at the one before, so that counting from `accepted` would count that one
twice. What a worker declined or let run out, and gold questions, were at hand like the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select

from gt_workflow.service.store import gold_tasks, objects, tasks

_DEALT_WITH: Final = ("submitted", "declined", "expired")


class Ends:
    """When each worker was done with a task."""

    def __init__(self, rows: Iterable[Any]) -> None:
        """`rows` have `worker_id` and `closed`."""
        self._ends: dict[str, list[float]] = {}
        for row in rows:
            self._ends.setdefault(row.worker_id, []).append(row.closed)
        for ends in self._ends.values():
            ends.sort()

    def spent(self, task: Any) -> float:
        """Return the seconds that its worker was at an answered task."""
        ends = self._ends.get(task.worker_id, [])
        at = bisect_left(ends, task.closed)
        begun: float = max(task.accepted, ends[at - 1]) if at else task.accepted
        closed: float = task.closed
        return max(closed - begun, 0.0)


def of_iteration(connection: Connection, job_id: int, number: int, opened: float) -> Ends:
    """Return the ends in a batch of a job; nobody has accepted a task of it earlier."""
    found = connection.execute(
        select(tasks.c.worker_id, tasks.c.closed)
        .join(objects, (objects.c.job_id == tasks.c.job_id) & (objects.c.idx == tasks.c.idx))
        .where(
            objects.c.job_id == job_id,
            objects.c.iteration == number,
            tasks.c.state.in_(_DEALT_WITH),
        )
    ).all()
    golden = connection.execute(
        select(gold_tasks.c.worker_id, gold_tasks.c.closed).where(
            gold_tasks.c.job_id == job_id,
            gold_tasks.c.state.in_(_DEALT_WITH),
            gold_tasks.c.closed >= opened,
        )
    ).all()
    return Ends([*found, *golden])


def latest(
    connection: Connection, worker_id: str, job_id: int | None, *, since: float, most: int
) -> list[Row[Any]]:
    """Return a worker's latest answers, oldest first, in one job or in all."""
    # `lease_until` comes after `closed`, and the index has it.
    query = select(tasks).where(
        tasks.c.worker_id == worker_id,
        tasks.c.state == "submitted",
        tasks.c.lease_until >= since,
        tasks.c.closed >= since,
    )
    if job_id is not None:
        query = query.where(tasks.c.job_id == job_id)
    rows = connection.execute(query.order_by(tasks.c.lease_until.desc()).limit(most)).all()
    return sorted(rows, key=lambda row: row.closed)


def speed(connection: Connection, answers: Sequence[Row[Any]]) -> dict[str, Any]:
    """Tell how fast one worker gave these answers, as `latest` returns them; breaks left out."""
    seconds: list[float] = []
    if answers:
        worker_id, since = answers[0].worker_id, min(row.accepted for row in answers)
        ends = Ends(_ends(connection, worker_id, since))
        seconds = [ends.spent(row) for row in answers]
    busy = sum(seconds)
    return {
        "median_seconds": round(median(seconds), 1) if seconds else None,
        "objects_per_hour": round(3600 * len(seconds) / busy, 1) if busy > 0 else None,
    }


def _ends(connection: Connection, worker_id: str, since: float) -> Iterable[Any]:
    """Yield when a worker was done with a task, in any job: nobody works in two at once."""
    for table in (tasks, gold_tasks):
        yield from connection.execute(
            select(table.c.worker_id, table.c.closed).where(
                table.c.worker_id == worker_id,
                or_(*(table.c.state == state for state in _DEALT_WITH)),
                table.c.lease_until >= since,
                table.c.closed >= since,
            )
        )
