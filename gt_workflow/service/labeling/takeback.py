"""What ends a task: its answer, or its worker gives it back or declines it.

Matching boxes, which may take long, happens outside of the write transaction, which then checks
that nothing has changed meanwhile; so each call is one short write, whatever the job's size. Only
within `Store.together` is it a part of the common one: less than a second for the worst of answers.
"""

from __future__ import annotations

from typing import Any, Final

from gt_workflow.ports import Clock
from gt_workflow.service.faults import invalid
from gt_workflow.service.labeling import answers, consolidation, ledger, places
from gt_workflow.service.labeling.batches import next_batch
from gt_workflow.service.labeling.gold import Gold
from gt_workflow.service.labeling.records import read_job
from gt_workflow.service.store import Store

MAX_REASON_CHARACTERS: Final = 1_000


class Takeback:
    """Takes tasks back from their workers, answered or not."""

    def __init__(self, *, store: Store, clock: Clock, gold: Gold) -> None:
        """Keep what it works on."""
        self._store = store
        self._clock = clock
        self._gold = gold

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

    def _now(self) -> float:
        return self._clock.now().timestamp()
