"""Our Ground Truth without a wire: a labeling API over any storage, moved on by whoever holds it.

Nothing happens by itself. `advance` does what time and finished work ask for; `label` lets workers
answer. The database is a temporary folder's, gone when the service is closed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self, TypeAlias

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.headers import read_size
from gt_workflow.errors import UsageError

if TYPE_CHECKING:
    from gt_workflow.ports import Storage
    from gt_workflow.service.labeling.jobs import Task

ACCOUNT: Final = "123456789012"  # moto's
VENDOR_ACCOUNT: Final = "999999999999"
REGION: Final = "us-east-1"
START: Final = datetime(2026, 1, 1, tzinfo=UTC)

Answer: TypeAlias = Iterable[Mapping[str, Any]] | str | None
"""What a worker says to one object: boxes `{label, left, top, width, height}` in pixels of the
stored image (an empty list: nothing is there); in a verification job one of the job's categories;
None declines the task."""

Answers: TypeAlias = Callable[[dict[str, Any]], Answer]
"""A manifest line, decoded, to the answer."""


class GroundTruthService:
    """The labeling API (`api`), its jobs, and hands for its workers; a context manager.

    `clock` is the only time there is: `clock.sleep(3600)` or `advance(3600)` move it an hour on.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        region: str = REGION,
        clock: ManualClock | None = None,
        image_size: tuple[int, int] | None = None,
        answers: Answers | None = None,
        vendors: Iterable[str] = (),
    ) -> None:
        """Serve objects of `storage`; the work team `default` of `region` is there already.

        With `image_size` (width, height) images are taken to be of that size and their bytes do
        not matter; else they are JPEG or PNG. With `answers` every job in progress is labelled
        with them whenever it is described, so that code which polls finds it done. `vendors` are
        the Marketplace titles of vendors' work teams that are subscribed to (`vendor_arns`).
        """
        from gt_workflow.service.labeling.jobs import Jobs
        from gt_workflow.service.portal.workers import Workers
        from gt_workflow.service.sagemaker.api import Api
        from gt_workflow.service.sagemaker.arns import workteam_arn
        from gt_workflow.service.sagemaker.read_links import Signer, read_links
        from gt_workflow.service.sagemaker.teams import Teams
        from gt_workflow.service.store import Store

        def size(file: BinaryIO) -> tuple[int, int]:
            return image_size or read_size(file)

        numbers = itertools.count(1)
        self.region = region
        self.storage = storage
        self.clock = clock or ManualClock(START)
        self.answers = answers
        self.workteam_arn = workteam_arn(region, "default")
        self.role_arn = f"arn:aws:iam::{ACCOUNT}:role/ground-truth"
        self._folder = tempfile.TemporaryDirectory(prefix="ground-truth-", dir=_fast_folder())
        self._store = Store(f"sqlite:///{Path(self._folder.name) / 'service.sqlite'}")
        self._workers = Workers(
            store=self._store, clock=self.clock, new_token=lambda: f"token-{next(numbers)}"
        )
        teams = Teams(store=self._store, clock=self.clock, sub_domain="labeling.example")
        teams.ensure_default(region)
        self.jobs = Jobs(
            store=self._store,
            storage=storage,
            clock=self.clock,
            new_id=lambda: f"{next(numbers):032x}",
            read_size=size,
        )
        self.vendor_arns = {title: _vendor_arn(region, title) for title in vendors}
        self.api = Api(
            jobs=self.jobs,
            teams=teams,
            storage=storage,
            grant=read_links(f"https://s3.{region}.amazonaws.com", Signer(region=region)),
            secret=b"no secret: this service lives for one test",
            vendors=[_subscription(title, arn) for title, arn in self.vendor_arns.items()],
        )

    def call(self, operation: str, parameters: object, *, region: str) -> dict[str, Any]:
        """Carry out one operation, then whatever it sets going; a refusal is a `Fault`.

        So a job that was just created is described as Initializing once, then as InProgress.
        """
        answer = self.api.handle(operation, parameters, region=region)
        if operation == "DescribeLabelingJob":
            self.advance()
            if self.answers is not None and answer["LabelingJobStatus"] == "InProgress":
                self.label(answer["LabelingJobName"], answers=self.answers, region=region)
        return answer

    def advance(self, seconds: float = 0) -> None:
        """Let time pass, then do all that is due: read manifests, end leases, write output."""
        self.clock.sleep(seconds)
        while self.jobs.advance():
            pass

    def describe(self, job: str, *, region: str | None = None) -> dict[str, Any]:
        """Return the DescribeLabelingJob answer without moving anything on."""
        return self.api.handle(
            "DescribeLabelingJob", {"LabelingJobName": job}, region=region or self.region
        )

    def worker(self, name: str, *, team: str | None = None) -> Hand:
        """Return a worker of a work team (by ARN; `default` if none is named), new or known."""
        identity = self._workers.add(name, team_arns=[team or self.workteam_arn])
        return Hand(name=name, id=identity, service=self)

    def label(
        self, job: str, *, answers: Answers, most: int | None = None, region: str | None = None
    ) -> int:
        """Let as many workers as the job asks for answer its tasks; return how many answers.

        All workers say the same. Batch follows batch until nothing is left, or `most` answers
        are given. Declined objects fail as they do on AWS. Raises `UsageError` for a job that
        takes no answers.
        """
        self.advance()
        about = self.describe(job, region=region)
        if about["LabelingJobStatus"] != "InProgress":
            reason = about.get("FailureReason", "it takes no answers")
            raise UsageError(f"labeling job {job} is {about['LabelingJobStatus']}: {reason}")
        human = about["HumanTaskConfig"]
        hands = [
            self.worker(f"worker-{number + 1}", team=human["WorkteamArn"])
            for number in range(human["NumberOfHumanWorkersPerDataObject"])
        ]
        given = 0
        for task, hand in self._tasks(hands, about["LabelingJobArn"]):
            said = answers(json.loads(task.line))
            if said is None:
                hand.decline(task)
            else:
                hand.submit(task, said)
                given += 1
            if given == most:
                break
        self.advance()
        return given

    def _tasks(self, hands: list[Hand], arn: str) -> Iterator[tuple[Task, Hand]]:
        """Hand out tasks in turns until none of the workers is given one, nor is after a batch."""
        idle = False
        while not idle:
            idle = True
            for hand in hands:
                while (task := hand.accept(arn)) is not None:
                    idle = False
                    yield task, hand
            self.advance()

    def reset(self) -> None:
        """Forget all jobs, teams but the default one, and workers; objects stay."""
        from gt_workflow.service.store import metadata

        with self._store.write() as connection:
            for table in reversed(metadata.sorted_tables):
                if not table.name.startswith("work"):
                    connection.execute(table.delete())

    def close(self) -> None:
        """Give the temporary folder back."""
        self._store.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close."""
        self.close()


@dataclass(frozen=True, slots=True)
class Hand:
    """One worker: takes tasks and answers them; a refusal is a `service.faults.Fault`."""

    name: str
    id: str
    service: GroundTruthService

    def accept(self, job_arn: str | None = None) -> Task | None:
        """Take the next task, of one job or of the oldest; None if there is none."""
        return self.service.jobs.accept(self.id, job_arn=job_arn)

    def submit(self, task: Task, said: Iterable[Mapping[str, Any]] | str) -> None:
        """Answer a task: boxes, or a verification's category."""
        if task.kind == "verify":
            answer: dict[str, Any] = {"crowd-image-classifier": {"label": said}}
        else:
            answer = {
                "boundingBox": {
                    "boundingBoxes": [dict(box) for box in said if isinstance(box, Mapping)],
                    "inputImageProperties": {"width": task.width, "height": task.height},
                }
            }
        self.service.jobs.submit(self.id, task.id, answer)

    def decline(self, task: Task, reason: str = "declined") -> None:
        """Refuse a task for good."""
        self.service.jobs.decline(self.id, task.id, reason)

    def give_back(self, task: Task) -> None:
        """Return a task unanswered."""
        self.service.jobs.give_back(self.id, task.id)


def _fast_folder() -> str | None:
    """Return a folder in memory where the system has one: tests need not wait for a disk."""
    memory = "/dev/shm"  # noqa: S108 - a fresh folder of our own is made in it
    return memory if os.access(memory, os.W_OK) else None


def _vendor_arn(region: str, title: str) -> str:
    slug = "-".join(re.findall(r"[a-z0-9]+", title.lower())) or "vendor"
    return f"arn:aws:sagemaker:{region}:{VENDOR_ACCOUNT}:workteam/vendor-crowd/{slug}"


def _subscription(title: str, arn: str) -> dict[str, Any]:
    return {
        "WorkteamArn": arn,
        "MarketplaceTitle": title,
        "SellerName": title,
        "MarketplaceDescription": f"{title} draws boxes",
        "ListingId": hashlib.sha256(title.encode()).hexdigest()[:16],
    }
