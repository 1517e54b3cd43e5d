"""Tasks as rows joined with their objects: whose they are, whether they are live, how they look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, select

from gt_workflow.core.boxes import Box
from gt_workflow.core.consolidate import LabelledBox
from gt_workflow.service.faults import Fault, conflict, forbidden
from gt_workflow.service.labeling import audit
from gt_workflow.service.labeling.images import source_ref
from gt_workflow.service.labeling.records import Job, Task, moment, read_job
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import objects, tasks

ENDED: Final = {
    "submitted": "You have submitted an answer to this task already",
    "returned": "You have returned this task",
    "declined": "You have declined this task",
    "expired": "The time for this task is over",
    "passed": "This task was passed on before you began; another worker has it",
    "withdrawn": "The labeling job takes no more answers",
}


class UnknownTaskError(Fault):
    """There is no task of this id among the job's own; perhaps it is a gold question's."""

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("ResourceNotFound", "There is no such task")


def query() -> Select[Any]:
    """Return the query for tasks, each with its object, for the caller to narrow."""
    return select(
        tasks.c.id,
        tasks.c.job_id,
        tasks.c.idx,
        tasks.c.worker_id,
        tasks.c.state,
        tasks.c.accepted,
        tasks.c.lease_until,
        tasks.c.answer,
        objects.c.line,
        objects.c.state.label("object_state"),
        objects.c.width,
        objects.c.height,
        objects.c.answers,
        objects.c.leases,
        objects.c.declines,
    ).join(objects, (objects.c.job_id == tasks.c.job_id) & (objects.c.idx == tasks.c.idx))


_ONE: Final = Prepared(query().where(tasks.c.id == bindparam("task")))


def own(connection: Connection, worker_id: str, task_id: str) -> tuple[Row[Any], Job]:
    """Return a worker's own task, live or not, and its job; another's is a `Fault`."""
    place = _ONE.first(connection, task=task_id)
    if place is None:
        raise UnknownTaskError
    if place.worker_id != worker_id:
        raise forbidden("The task is another worker's")
    return place, read_job(connection, place.job_id)


def check_live(place: Row[Any], job: Job, now: float) -> None:
    """Refuse to go on with a task that is not the worker's any more."""
    if place.state != "leased":
        raise conflict(ENDED[place.state])
    check_takes_answers(job)
    if place.lease_until <= now:
        raise conflict(ENDED["expired"])
    if place.object_state != "active":
        raise conflict(ENDED["withdrawn"])


def check_takes_answers(job: Job) -> None:
    """Refuse to go on with a job that is stopping or at its end."""
    if not job.takes_answers:
        raise conflict(ENDED["withdrawn"])


@dataclass(frozen=True, slots=True)
class Shown:
    """What a task shows, as `query` has it among more; times are epoch seconds."""

    id: str
    idx: int
    line: bytes
    width: int
    height: int
    accepted: float
    lease_until: float


def task(job: Job, place: Row[Any] | Shown) -> Task:
    """Return what a worker is given."""
    boxes: tuple[LabelledBox, ...] = ()
    if job.kind != "label":
        boxes = audit.shown(
            place.line, audited=job.audited, own=job.attribute, kind=job.kind, labels=job.labels
        ).within(place.width, place.height)
    human = job.request.human
    return Task(
        id=place.id,
        job_arn=job.arn,
        job_name=job.name,
        region=job.region,
        index=place.idx,
        kind=job.kind,
        title=human.title,
        description=human.description,
        labels=job.labels,
        object_uri=source_ref(place.line),
        width=place.width,
        height=place.height,
        boxes=tuple(_dict(label, box) for label, box in boxes),
        line=place.line,
        template_uri=human.ui["UiTemplateS3Uri"],
        accepted=moment(place.accepted),
        lease_until=moment(place.lease_until),
    )


def _dict(label: str, box: Box) -> dict[str, Any]:
    return {
        "label": label,
        "left": box.left,
        "top": box.top,
        "width": box.width,
        "height": box.height,
    }
