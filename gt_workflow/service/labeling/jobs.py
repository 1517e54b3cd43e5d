"""Labeling jobs: created, listed, stopped, worked on, and driven to their end.

Every method may be called from many threads. A method that changes something has changed it
durably when it returns. Nothing happens by itself: what time and finished work bring about
happens in `advance`, which the host calls in a loop. A refusal is a `Fault`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from sqlalchemy import bindparam, insert, select, update

from gt_workflow.core.names import kind_of
from gt_workflow.ports import Clock, Storage
from gt_workflow.service.faults import in_use, invalid, not_found
from gt_workflow.service.labeling import states, views
from gt_workflow.service.labeling.clockwork import Clockwork
from gt_workflow.service.labeling.gold import Gold
from gt_workflow.service.labeling.handout import Handout
from gt_workflow.service.labeling.records import Offer, Task, parse_request
from gt_workflow.service.labeling.review import Review
from gt_workflow.service.labeling.sizes import Sizes, Unmeasured
from gt_workflow.service.labeling.takeback import Takeback
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import Store, jobs, tags

# `list` is the name of a method below, as in AWS's API.
Dicts: TypeAlias = list[dict[str, Any]]
Offers: TypeAlias = list[Offer]
Tasks: TypeAlias = list[Task]
SortOrder = Literal["Ascending", "Descending"]

__all__ = ["Jobs", "Offer", "Task", "Unmeasured"]

# A call looks at no more images than this for one that can be shown; the next call goes on.
MOST_IMAGES: Final = 100


class Jobs:
    """The labeling jobs of this service."""

    def __init__(
        self,
        *,
        store: Store,
        storage: Storage,
        clock: Clock,
        new_id: Callable[[], str],
        read_size: Callable[[BinaryIO], tuple[int, int]],
    ) -> None:
        """`new_id` returns a fresh text at every call: task ids and job reference codes.

        `read_size` returns width and height of an image's stored raster, in pixels; for what is
        no readable image it raises `ValueError`, `OSError` or a `GtWorkflowError`.
        """
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self.review = Review(store=store, clock=clock)
        self._clockwork = Clockwork(store=store, storage=storage, clock=clock)
        self._gold = Gold(
            store=store, storage=storage, clock=clock, new_id=new_id, read_size=read_size
        )
        self._sizes = Sizes(store=store, storage=storage, clock=clock, read_size=read_size)
        self._handout = Handout(store=store, clock=clock, new_id=new_id, gold=self._gold)
        self._takeback = Takeback(store=store, clock=clock, gold=self._gold)

    def together(self) -> AbstractContextManager[None]:
        """Make what this thread asks inside hold as one at a clean exit; see `Store.together`."""
        return self._store.together()

    def create(self, *, region: str, account: str, request: Mapping[str, Any]) -> str:
        """Record a job from a CreateLabelingJob request that was found valid; return its ARN.

        The job is Initializing; its files are read by `advance`. The request's tags are stored
        under the ARN. A name that is taken (compared case-insensitively) is ResourceInUse.
        """
        name = request["LabelingJobName"]
        kind = kind_of(request)
        if kind is None:
            raise invalid("The PRE- and ACS- functions are not those of a bounding box task type")
        text = json.dumps(dict(request), ensure_ascii=False)
        try:
            parse_request(text)
        except ValueError as error:
            raise invalid(
                f"A bounding box job cannot be made from this request: {error}"
            ) from error
        arn = f"arn:aws:sagemaker:{region}:{account}:labeling-job/{name.lower()}"
        now = self._clock.now().timestamp()
        reference = self._new_id()
        with self._store.write() as connection:
            taken = select(jobs.c.id).where(
                jobs.c.region == region, jobs.c.name_key == name.lower()
            )
            if connection.execute(taken).first() is not None:
                raise in_use(
                    f"The labeling job name {name} is already in use; job names are unique per "
                    "account and region, whatever their case"
                )
            connection.execute(
                insert(jobs).values(
                    arn=arn,
                    region=region,
                    name=name,
                    name_key=name.lower(),
                    kind=kind,
                    status=states.INITIALIZING,
                    request=text,
                    workteam_arn=request["HumanTaskConfig"]["WorkteamArn"],
                    reference_code=reference,
                    created=now,
                    modified=now,
                )
            )
            given = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
            for key, value in given.items():
                connection.execute(insert(tags).values(arn=arn, key=key, value=value))
        return arn

    def describe(self, *, region: str, name: str) -> dict[str, Any]:
        """Return the DescribeLabelingJob answer; datetimes are aware."""
        with self._store.read() as connection:
            row = connection.execute(
                select(jobs).where(jobs.c.region == region, jobs.c.name_key == name.lower())
            ).first()
            if row is None:
                raise _unknown(name)
            return views.describe(connection, row)

    def progress(self, arn: str) -> dict[str, int]:
        """Return how many objects of a job are labeled and failed, of how many in total."""
        with self._store.read() as connection:
            row = _PROGRESS.first(connection, arn=arn)
        return {"labeled": row.labeled, "failed": row.failed, "total": row.total}

    def list(  # noqa: PLR0913 - the filters of ListLabelingJobs, all by keyword
        self,
        *,
        region: str,
        creation_time_after: datetime | None = None,
        creation_time_before: datetime | None = None,
        last_modified_time_after: datetime | None = None,
        last_modified_time_before: datetime | None = None,
        name_contains: str | None = None,
        status_equals: str | None = None,
        sort_by: views.SortBy = "CreationTime",
        sort_order: SortOrder = "Ascending",
        offset: int = 0,
        limit: int = 100,
    ) -> Dicts:
        """Return LabelingJobSummary dicts of one region, `limit` of them from `offset` on."""
        query = views.narrowed(
            select(jobs).where(jobs.c.region == region),
            created_after=creation_time_after,
            created_before=creation_time_before,
            modified_after=last_modified_time_after,
            modified_before=last_modified_time_before,
        )
        query = views.containing(query, name_contains)
        if status_equals is not None:
            query = query.where(jobs.c.status == status_equals)
        query = views.ordered(query, sort_by, sort_order).offset(offset).limit(limit)
        with self._store.read() as connection:
            return [views.summary(row) for row in connection.execute(query)]

    def list_for_workteam(
        self,
        *,
        workteam_arn: str,
        creation_time_after: datetime | None = None,
        creation_time_before: datetime | None = None,
        job_reference_code_contains: str | None = None,
        sort_order: SortOrder = "Ascending",
        offset: int = 0,
        limit: int = 100,
    ) -> Dicts:
        """Return LabelingJobForWorkteamSummary dicts of one work team's jobs."""
        query = views.narrowed(
            select(jobs).where(jobs.c.workteam_arn == workteam_arn),
            created_after=creation_time_after,
            created_before=creation_time_before,
        )
        if job_reference_code_contains is not None:
            part = job_reference_code_contains
            query = query.where(jobs.c.reference_code.contains(part, autoescape=True))
        query = views.ordered(query, "CreationTime", sort_order).offset(offset).limit(limit)
        with self._store.read() as connection:
            return [views.workteam_summary(row) for row in connection.execute(query)]

    def stop(self, *, region: str, name: str) -> None:
        """Begin to stop a job: from now on no task is handed out and no answer accepted.

        Answers that were acknowledged are consolidated by `advance`, which then writes the
        output. Stopping a job that is stopping changes nothing; one that has ended is refused.
        """
        now = self._clock.now().timestamp()
        with self._store.write() as connection:
            row = connection.execute(
                select(jobs.c.id, jobs.c.status, jobs.c.ending).where(
                    jobs.c.region == region, jobs.c.name_key == name.lower()
                )
            ).first()
            if row is None:
                raise _unknown(name)
            if row.status == states.STOPPING:
                return
            if row.status in states.TERMINAL:
                raise invalid(
                    f"The request was rejected because the labeling job is in status {row.status}"
                )
            states.check(row.status, states.STOPPING)
            # A job that only has its output to write has ended, but nobody was told yet.
            ending = states.STOPPED if row.ending == states.COMPLETED else row.ending
            connection.execute(
                update(jobs)
                .where(jobs.c.id == row.id)
                .values(status=states.STOPPING, ending=ending, modified=now)
            )

    def offers(self, worker_id: str) -> Offers:
        """Return the jobs in progress of the worker's teams, oldest first.

        Those without an object for this worker are among them, with `available` 0.
        """
        return self._handout.offers(worker_id)

    def accept(self, worker_id: str, *, job_arn: str | None = None) -> Task | None:
        """Hand the worker the next object, of one job or of the oldest that has one; else None.

        Every call hands out another object: who has reloaded a page asks `held` first. The
        answer is due within TaskTimeLimitInSeconds, and before the batch is over. An object
        whose image is missing or unreadable fails and is passed over. Who holds `HOLDING_LIMIT`
        tasks (10, over all jobs) is refused with a conflict.
        """
        for _ in range(MOST_IMAGES):
            found = self.next(worker_id, job_arn=job_arn)
            if not isinstance(found, Unmeasured):
                return found
            self.look(found)
        return None

    def next(
        self, worker_id: str, *, job_arn: str | None = None, ahead: bool = False
    ) -> Task | Unmeasured | None:
        """Do as `accept` does, or name the image that has to be looked at before; see `look`.

        Touches no storage, so it may run inside of `together`. With `ahead` the worker has
        another task to do first, and asks `begin` before this one is on the screen; until then
        it may be passed on to a worker who has nothing to do.
        """
        return self._handout.next(worker_id, job_arn, ahead=ahead)

    def look(self, image: Unmeasured) -> None:
        """Look at an image that `next` has named, then ask it again; reads storage."""
        if image.gold:
            self._gold.look(image)
        else:
            self._sizes.look(image)

    def begin(self, worker_id: str, task_id: str) -> bool:
        """Keep a task that was fetched ahead, now that it is shown; False if it is not theirs."""
        return self._handout.begin(worker_id, task_id)

    def held(self, worker_id: str) -> Tasks:
        """Return the tasks that the worker has accepted and may still answer, oldest first."""
        return self._handout.held(worker_id)

    def task(self, worker_id: str, task_id: str) -> Task:
        """Return one task that the worker holds.

        Not found, forbidden (another worker's), or a conflict: answered, returned, declined,
        out of time, or its job takes no more answers.
        """
        return self._handout.task(worker_id, task_id)

    def image_uri(self, worker_id: str, task_id: str) -> str:
        """Return where a held task's image is; refused as `task` refuses.

        A gold question's image may be looked at again once it is answered.
        """
        return self._handout.image_uri(worker_id, task_id)

    def submit(self, worker_id: str, task_id: str, answer: object) -> dict[str, Any] | None:
        """Accept the worker's answer (decoded JSON) for good; with the last one, the label.

        Returns what `core.gold.feedback` says if the task was a gold question, else None.

        Refused as `task` refuses, and as invalid if `answers.check` finds fault; then the task
        stays the worker's. The same answer again, byte order of members aside, is taken as a
        repetition of a request whose acknowledgement was lost, and changes nothing.
        """
        return self._takeback.submit(worker_id, task_id, answer)

    def give_back(self, worker_id: str, task_id: str) -> None:
        """Return a task unanswered; others are handed the object, and this worker last."""
        self._takeback.give_back(worker_id, task_id)

    def decline(self, worker_id: str, task_id: str, reason: str) -> None:
        """Refuse a task; this worker is not handed the object again.

        As many declines as workers were asked end its hand-out: it is labelled from the answers
        it has, or fails as expired.
        """
        self._takeback.decline(worker_id, task_id, reason)

    def advance(self) -> bool:
        """Do what time and finished work ask for; True if anything was done.

        Initialises jobs, ends leases, opens batches, settles what is over, writes output. May
        take as long as reading or writing a manifest does; costs next to nothing when there is
        nothing to do. While one thread is at it, another's call returns False at once. Crash
        safe: whatever was cut off is taken up again. `while jobs.advance(): pass` brings all
        jobs as far as the clock allows.
        """
        return self._clockwork.advance()


_PROGRESS = Prepared(
    select(
        (jobs.c.human_labeled + jobs.c.machine_labeled).label("labeled"),
        jobs.c.failed,
        jobs.c.total,
    ).where(jobs.c.arn == bindparam("arn"))
)


def _unknown(name: str) -> Exception:
    return not_found(f"There is no labeling job with the name {name}")
