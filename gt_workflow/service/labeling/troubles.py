"""A job whose files cannot be read or written just now waits and tries again.

After the n-th try in a row the job waits 2^n seconds, five minutes at most. After `MAX_TRIES`, a
little more than an hour, it is Failed; but a job never fails because its output cannot be written:
the answers are paid for, and are written out when there is room again.
"""

from __future__ import annotations

import logging
from typing import Final

from sqlalchemy import update

from gt_workflow.service.labeling.records import MAX_FAILURE_REASON, Job, move, read_job
from gt_workflow.service.labeling.states import FAILED, TERMINAL
from gt_workflow.service.store import Store, jobs

MAX_TRIES: Final = 20
LONGEST_WAIT: Final = 300.0

logger = logging.getLogger(__name__)


def note(store: Store, job: Job, reason: str, *, now: float, patient: bool = False) -> float:
    """Count a failed try; return when to try again. `reason` is told if it was the last one.

    With `patient` no try is the last.
    """
    with store.write() as connection:
        fresh = read_job(connection, job.id)
        tries = fresh.tries + 1
        until = now + min(2.0**tries, LONGEST_WAIT)
        if fresh.status in TERMINAL:
            return until
        if tries >= MAX_TRIES and not patient:
            logger.error("job %s failed after %d tries: %s", job.arn, tries, reason)
            move(
                connection,
                fresh,
                FAILED,
                now=now,
                ending=None,  # there is no output
                failure_reason=reason[:MAX_FAILURE_REASON],
            )
        else:
            logger.warning("job %s, try %d: %s", job.arn, tries, reason)
            connection.execute(
                update(jobs).where(jobs.c.id == job.id).values(tries=tries, retry_at=until)
            )
    return until


def overcome(store: Store, job: Job) -> None:
    """Forget the tries after one that went well."""
    if job.tries:
        with store.write() as connection:
            connection.execute(
                update(jobs).where(jobs.c.id == job.id).values(tries=0, retry_at=None)
            )
