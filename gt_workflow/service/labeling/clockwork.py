"""What `Jobs.advance` does: a turn of all jobs in the database, then the slow work with files.

Slow work (reading manifests, writing output) is done job by job, outside of transactions and in
small pieces, between which all jobs are turned again: a big manifest keeps no worker of another
job waiting. What goes wrong with a job's files is that job's trouble alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gt_workflow.errors import DataError, ObjectNotFoundError, StorageError
from gt_workflow.ports import Clock, Storage
from gt_workflow.service.labeling import states, troubles
from gt_workflow.service.labeling.batches import Batches
from gt_workflow.service.labeling.intake import Intake
from gt_workflow.service.labeling.output import Output
from gt_workflow.service.labeling.records import (
    MAX_FAILURE_REASON,
    Job,
    job_of,
    move,
    read_job,
    select_jobs,
)
from gt_workflow.service.store import Store, jobs

BREATH_SECONDS: Final = 0.5

_ALIVE: Final = select_jobs().where(jobs.c.status.in_(sorted(states.ALIVE))).order_by(jobs.c.id)

logger = logging.getLogger(__name__)


class Clockwork:
    """Drives the jobs of one service; one thread at a time."""

    def __init__(self, *, store: Store, storage: Storage, clock: Clock) -> None:
        """Keep what it works on."""
        self._store = store
        self._clock = clock
        self._intake = Intake(store=store, storage=storage, clock=clock)
        self._output = Output(store=store, storage=storage, clock=clock)
        self._batches = Batches(store=store, clock=clock)
        self._turning = threading.Lock()
        self._turned = 0.0

    def advance(self) -> bool:
        """Do what is due; see `Jobs.advance`."""
        if not self._turning.acquire(blocking=False):
            return False
        try:
            changed = self._turn()
            for job in self._alive():
                changed |= self._work(job)
            return changed
        finally:
            self._turning.release()

    def _turn(self) -> bool:
        self._turned = self._now()
        return self._batches.turn()

    def _alive(self) -> list[Job]:
        """Return the jobs that may have slow work, oldest first."""
        with self._store.read() as connection:
            found = [job_of(row) for row in connection.execute(_ALIVE)]
        now = self._now()
        return [job for job in found if job.retry_at is None or job.retry_at <= now]

    def _work(self, job: Job) -> bool:
        """Do one piece of a job's slow work; True if there was one and it went well."""
        work = self._of(job)
        if work is None:
            return False
        try:
            for _ in work:
                if self._now() - self._turned >= BREATH_SECONDS:
                    self._turn()
        except SQLAlchemyError:
            raise  # the database's trouble is everybody's
        except Exception as error:  # noqa: BLE001 - told to the log and to the job's owner below
            return self._mishap(job, error)
        troubles.overcome(self._store, job)
        return True

    def _mishap(self, job: Job, error: Exception) -> bool:
        """Fail a job that its owner must mend; let any other try again later."""
        if not job.labels and isinstance(error, (DataError, ObjectNotFoundError)):
            self._refuse(job, error)
            return True
        begun = bool(job.labels) and isinstance(error, StorageError)
        if isinstance(error, StorageError):
            what = "output cannot be written" if job.labels else "input cannot be read"
            reason = f"ClientError: The {what}: {error}"
        else:
            logger.error("job %s cannot go on", job.arn, exc_info=error)
            reason = f"InternalError: {type(error).__name__}: {error}"
        troubles.note(self._store, job, reason, now=self._now(), patient=begun)
        return False

    def _of(self, job: Job) -> Iterator[None] | None:
        """Return the job's next piece of slow work."""
        if not job.labels:
            return self._intake.run(job)
        number = self._output.pending(job)
        if number is not None:
            return self._output.iteration(job, number)
        if job.ending is not None and job.active == 0:
            return self._output.final(job)
        return None

    def _refuse(self, job: Job, error: Exception) -> None:
        """Fail a job whose input its owner must mend; it has labelled nothing."""
        for _ in self._intake.forget(job):
            pass
        with self._store.write() as connection:
            fresh = read_job(connection, job.id)
            reason = f"ClientError: {error}"[:MAX_FAILURE_REASON]
            move(connection, fresh, states.FAILED, now=self._now(), failure_reason=reason)

    def _now(self) -> float:
        return self._clock.now().timestamp()
