"""Looking at images before they are handed out: storage may be slow, and no transaction waits.

Who finds an object whose image nobody has looked at lets go of the database, looks, notes what
there is to know, and asks again. The images that come next are looked at on the way, unless a
moment has passed: at a job's begin many workers ask at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from sqlalchemy import bindparam, select, text, update

from gt_workflow.errors import StorageError
from gt_workflow.ports import Clock, Storage
from gt_workflow.service.labeling import ledger
from gt_workflow.service.labeling.batches import next_batch
from gt_workflow.service.labeling.images import UnusableImageError, measure
from gt_workflow.service.labeling.records import MAX_FAILURE_REASON, Job
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import Store, objects

# An image that storage does not give right now is tried again after so many seconds; then it fails.
IMAGE_WAITS: Final = (30.0, 300.0, 1_800.0)
AHEAD: Final = 15  # images looked at on the way
_MOMENT: Final = 0.05  # seconds, after which no other is begun


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """An object, or a gold question, whose image has to be looked at before it is handed out."""

    job: Job
    idx: int
    gold: bool = False


class Sizes:
    """Looks at images."""

    def __init__(
        self,
        *,
        store: Store,
        storage: Storage,
        clock: Clock,
        read_size: Callable[[BinaryIO], tuple[int, int]],
    ) -> None:
        """Keep what it works on."""
        self._store = store
        self._storage = storage
        self._clock = clock
        self._read_size = read_size

    def look(self, wanted: Unmeasured) -> None:
        """Note the size of an object's image, or that the object fails or has to wait."""
        with self._store.read() as connection:
            rows = _NEXT.all(connection, job=wanted.job.id, start=wanted.idx)
        if not rows or rows[0].idx != wanted.idx:
            return  # somebody else was faster
        started = self._now()
        try:
            known = {wanted.idx: self._measure(rows[0])}
        except UnusableImageError as error:
            self._fail(wanted, str(error))
            return
        except StorageError as error:
            self._wait(wanted, rows[0].retries, error)
            return
        for row in rows[1:]:
            if self._now() - started >= _MOMENT:
                break
            try:
                known[row.idx] = self._measure(row)
            except (UnusableImageError, StorageError):
                continue  # told when it is this one's turn
        with self._store.write() as connection:
            for idx, (width, height) in known.items():
                _KNOWN.change(
                    connection, job=wanted.job.id, object=idx, new_width=width, new_height=height
                )

    def _measure(self, row: Any) -> tuple[int, int]:
        return measure(row.line, storage=self._storage, read_size=self._read_size)

    def _wait(self, wanted: Unmeasured, retries: int, error: StorageError) -> None:
        if retries >= len(IMAGE_WAITS):
            self._fail(wanted, f"ClientError: The image could not be read: {error}")
            return
        until = self._now() + IMAGE_WAITS[retries]
        with self._store.write() as connection:
            ledger.rest(connection, wanted.job, wanted.idx, seen=retries, until=until)

    def _fail(self, wanted: Unmeasured, reason: str) -> None:
        now = self._now()
        reason = reason[:MAX_FAILURE_REASON]
        with self._store.write() as connection:
            if ledger.fail_unseen(connection, wanted.job, wanted.idx, reason=reason, now=now):
                next_batch(connection, wanted.job.id, now=now)

    def _now(self) -> float:
        return self._clock.now().timestamp()


_NEXT: Final = Prepared(
    select(objects.c.idx, objects.c.line, objects.c.retries)
    .where(
        objects.c.job_id == bindparam("job"),
        objects.c.idx >= bindparam("start"),
        text("objects.open > 0"),  # spelled as in the partial index, so that it is used
        objects.c.width.is_(None),
    )
    .order_by(objects.c.idx)
    .limit(1 + AHEAD)
)
_KNOWN: Final = Prepared(
    update(objects)
    .where(
        objects.c.job_id == bindparam("job"),
        objects.c.idx == bindparam("object"),
        objects.c.width.is_(None),
    )
    .values(width=bindparam("new_width"), height=bindparam("new_height"))
)
