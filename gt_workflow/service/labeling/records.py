"""Jobs and tasks as the rest of the service reads them: rows in, frozen values out.

A `Job` is one row of the jobs table together with the request that made it; the request never
changes, the row's status and counters do. Times are epoch seconds in rows, aware datetimes in
what leaves this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, select, update

from gt_workflow.core import gold
from gt_workflow.service.labeling import states
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import jobs

Kind = Literal["label", "adjust", "verify"]

JOB_LIFE_SECONDS = 30 * 86_400.0  # BC: labeling jobs fail after 30 days
DEFAULT_AVAILABILITY = 30 * 86_400  # of private and vendor work teams
DEFAULT_MAX_CONCURRENT = 1000
OUTPUT_MANIFEST = "/manifests/output/output.manifest"
MAX_FAILURE_REASON = 1024


@dataclass(frozen=True, slots=True)
class Task:
    """One data object shown to one worker.

    `index` is the 0-based manifest line, `line` its bytes, `object_uri` its source-ref; `width`
    and `height` are pixels of the stored raster. `boxes` are `{label, left, top, width, height}`:
    for an adjustment what the worker starts from, for a verification what is shown, else empty.
    The worker may answer until `lease_until`.
    """

    id: str
    job_arn: str
    job_name: str
    region: str
    index: int
    kind: Kind
    title: str
    description: str
    labels: tuple[str, ...]
    object_uri: str
    width: int
    height: int
    boxes: tuple[dict[str, Any], ...]
    line: bytes
    template_uri: str
    accepted: datetime
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """A job that a worker can work on; `available` objects could be handed to them now.

    `held` counts the worker's own open tasks in it.
    """

    job_arn: str
    job_name: str
    region: str
    kind: Kind
    title: str
    description: str
    available: int
    held: int
    workers_per_object: int
    task_time_limit: int
    created: datetime


class _HumanTask(msgspec.Struct, frozen=True):
    workteam: str = msgspec.field(name="WorkteamArn")
    title: str = msgspec.field(name="TaskTitle")
    description: str = msgspec.field(name="TaskDescription")
    workers: int = msgspec.field(name="NumberOfHumanWorkersPerDataObject")
    time_limit: int = msgspec.field(name="TaskTimeLimitInSeconds")
    ui: dict[str, str] = msgspec.field(name="UiConfig", default_factory=dict)
    availability: int = msgspec.field(
        name="TaskAvailabilityLifetimeInSeconds", default=DEFAULT_AVAILABILITY
    )
    max_concurrent: int = msgspec.field(
        name="MaxConcurrentTaskCount", default=DEFAULT_MAX_CONCURRENT
    )


class _Output(msgspec.Struct, frozen=True):
    path: str = msgspec.field(name="S3OutputPath")


class _S3Source(msgspec.Struct, frozen=True):
    manifest: str = msgspec.field(name="ManifestS3Uri")


class _Source(msgspec.Struct, frozen=True):
    s3: _S3Source = msgspec.field(name="S3DataSource")


class _Input(msgspec.Struct, frozen=True):
    source: _Source = msgspec.field(name="DataSource")


class _Stopping(msgspec.Struct, frozen=True):
    max_human: int | None = msgspec.field(name="MaxHumanLabeledObjectCount", default=None)
    max_percentage: int | None = msgspec.field(
        name="MaxPercentageOfInputDatasetLabeled", default=None
    )


class _Tag(msgspec.Struct, frozen=True):
    key: str = msgspec.field(name="Key")
    value: str = msgspec.field(name="Value", default="")


class Request(msgspec.Struct, frozen=True):
    """What the service reads of a CreateLabelingJob request; the rest is only handed back."""

    name: str = msgspec.field(name="LabelingJobName")
    attribute: str = msgspec.field(name="LabelAttributeName")
    input: _Input = msgspec.field(name="InputConfig")
    output: _Output = msgspec.field(name="OutputConfig")
    human: _HumanTask = msgspec.field(name="HumanTaskConfig")
    labels_uri: str | None = msgspec.field(name="LabelCategoryConfigS3Uri", default=None)
    stopping: _Stopping = msgspec.field(name="StoppingConditions", default=_Stopping())
    tags: tuple[_Tag, ...] = msgspec.field(name="Tags", default=())

    @property
    def gold_uri(self) -> str | None:
        """Where the job's gold questions are, see `core.gold`; None if it has none."""
        return self._tag(gold.URI_TAG)

    @property
    def gold_rate(self) -> float:
        """The share of a worker's tasks that are gold; what is no rate is the default."""
        try:
            return gold.rate_of(self._tag(gold.RATE_TAG) or "")
        except ValueError:
            return gold.DEFAULT_RATE

    def _tag(self, key: str) -> str | None:
        return next((tag.value for tag in self.tags if tag.key == key), None)


_labels = msgspec.json.Decoder(tuple[str, ...])


@lru_cache(maxsize=64)
def parse_request(text: str) -> Request:
    """Read a CreateLabelingJob request; `ValueError` names a member that a box job needs.

    Kept, since it is read with every task and never changes.
    """
    try:
        request = _requests.decode(text)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    if request.labels_uri is None:
        raise ValueError("Object missing required field `LabelCategoryConfigS3Uri`")
    if "UiTemplateS3Uri" not in request.human.ui:
        raise ValueError("Object missing required field `UiTemplateS3Uri` in `UiConfig`")
    return request


_requests = msgspec.json.Decoder(Request)


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it stood when it was read."""

    id: int
    arn: str
    region: str
    name: str
    kind: Kind
    status: str
    ending: str | None
    failure_reason: str | None
    request: Request
    labels: tuple[str, ...]
    audited: str | None
    created: float
    iteration: int
    batch_opened: float | None
    active: int
    published_iteration: int
    total: int
    human_labeled: int
    machine_labeled: int
    failed: int
    tries: int
    retry_at: float | None

    @property
    def attribute(self) -> str:
        """The label attribute: the key under which the job writes."""
        return self.request.attribute

    @property
    def workers(self) -> int:
        """How many different workers see each object."""
        return self.request.human.workers

    @property
    def output_root(self) -> str:
        """The URI under which the job's output tree stands, without a slash at the end."""
        return output_root(self.request.output.path, self.name)

    @property
    def output_manifest(self) -> str:
        """The URI of the output manifest."""
        return self.output_root + OUTPUT_MANIFEST

    @property
    def expires(self) -> float:
        """When the whole job fails, done or not."""
        return self.created + JOB_LIFE_SECONDS

    @property
    def batch_deadline(self) -> float:
        """When the objects of the open batch stop being available; before that no lease ends."""
        if self.batch_opened is None:
            return self.expires
        return min(self.expires, self.batch_opened + self.request.human.availability)

    @property
    def takes_answers(self) -> bool:
        """Whether tasks are handed out and answers are accepted."""
        return self.status == states.IN_PROGRESS and self.ending is None


_COLUMNS = tuple(
    jobs.c[name]
    for name in Job.__slots__  # the row carries JSON where the value carries objects
)


def select_jobs() -> Select[Any]:
    """Return the query that `job_of` understands, for the caller to narrow."""
    return select(*_COLUMNS)


_ONE = Prepared(select_jobs().where(jobs.c.id == bindparam("job")))


def job_of(row: Row[Any]) -> Job:
    """Turn a row of `select_jobs` into a value."""
    fields = dict(zip(Job.__slots__, row, strict=True))
    fields["request"] = parse_request(fields["request"])
    fields["labels"] = _labels.decode(fields["labels"] or "[]")
    return Job(**fields)


def read_job(connection: Connection, job_id: int) -> Job:
    """Return one job as it stands now."""
    return job_of(_ONE.first(connection, job=job_id))


def move(connection: Connection, job: Job, status: str, *, now: float, **values: Any) -> bool:
    """Take the job to a status that may follow its own; False if it has moved meanwhile."""
    states.check(job.status, status)
    statement = (
        update(jobs)
        .where(jobs.c.id == job.id, jobs.c.status == job.status)
        .values(status=status, modified=now, **values)
    )
    return connection.execute(statement).rowcount == 1


def moment(seconds: float) -> datetime:
    """Return epoch seconds as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def output_root(path: str, name: str) -> str:
    """Return where a job's output tree stands; S3OutputPath may end with a slash or not."""
    return f"{path.rstrip('/')}/{name}"
