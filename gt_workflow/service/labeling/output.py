"""A job's output tree in storage, file for file as Ground Truth writes it.

    annotations/worker-response/iteration-N/OBJECT/TIME.json     raw answers of one object
    annotations/consolidated-annotation/consolidation-request/iteration-N/TIME.json
    annotations/consolidated-annotation/consolidation-response/iteration-N/TIME.json
    annotations/intermediate/N/annotations.json                  the batch's labels, JSON Lines
    manifests/output/output.manifest                             every input line, in order

OBJECT is the object's 0-based place in the input manifest. Everything, names and times included,
is made from what the database holds, so writing twice writes the same bytes: after a crash it is
simply done again. Rows are read a page at a time; memory does not grow with the job.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

import msgspec
from sqlalchemy import Connection, Row, Select, select, update

from gt_workflow.core.manifest import failed_line, labelled_line
from gt_workflow.ports import Clock, Storage
from gt_workflow.service.labeling import pace
from gt_workflow.service.labeling.images import source_ref
from gt_workflow.service.labeling.records import Job, moment, move, read_job
from gt_workflow.service.store import Store, iterations, jobs, objects, tasks

_PAGE: Final = 200
_encode = msgspec.json.Encoder().encode


class Output:
    """Writes what jobs have found into their output folders."""

    def __init__(self, *, store: Store, storage: Storage, clock: Clock) -> None:
        """Keep what it works on."""
        self._store = store
        self._storage = storage
        self._clock = clock

    def pending(self, job: Job) -> int | None:
        """Return the iteration to be written next; None if no finished one is unwritten."""
        number = job.published_iteration + 1
        if number > job.iteration or (number == job.iteration and job.active):
            return None
        with self._store.read() as connection:
            _, closed = _times(connection, job, number)
        return None if closed is None else number

    def iteration(self, job: Job, number: int) -> Iterator[None]:
        """Write the files of a finished batch, yielding between them."""
        with self._store.read() as connection:
            opened, closed = _times(connection, job, number)
            if closed is None:
                raise ValueError(f"iteration {number} of {job.arn} is not finished")
            ends = pace.of_iteration(connection, job.id, number, opened)
        annotations = f"{job.output_root}/annotations"
        consolidated = f"{annotations}/consolidated-annotation"
        name = f"iteration-{number}/{_stamp(closed)}.json"
        uris = (
            f"{consolidated}/consolidation-request/{name}",
            f"{consolidated}/consolidation-response/{name}",
            f"{annotations}/intermediate/{number}/annotations.json",
        )
        with ExitStack() as stack:
            request, response, intermediate = (
                stack.enter_context(self._storage.create(uri)) for uri in uris
            )
            lists = _List(request), _List(response)
            for row, answers in self._answered(job, number):
                intermediate.write(_encode(_intermediate(job, row)) + b"\n")
                if answers:
                    lists[0].add(_request(row, answers))
                    lists[1].add(_response(job, row))
                    uri = (
                        f"{annotations}/worker-response/iteration-{number}/{row.idx}/"
                        f"{_stamp(row.closed)}.json"
                    )
                    with self._storage.create(uri) as file:
                        file.write(
                            _encode({"answers": [_answer(one, ends.spent(one)) for one in answers]})
                        )
                yield
            for one in lists:
                one.end()
        with self._store.write() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job.id, jobs.c.published_iteration == number - 1)
                .values(published_iteration=number)
            )

    def final(self, job: Job) -> Iterator[None]:
        """Write the output manifest, yielding now and then; the job then has its last status."""
        if job.ending is None:
            raise ValueError(f"{job.arn} is not at its end")
        columns = (objects.c.idx, objects.c.line, *_RESULT)
        query = select(*columns).where(objects.c.job_id == job.id).order_by(objects.c.idx)
        with self._storage.create(job.output_manifest) as file:
            for page in self._pages(query):
                file.writelines(_line(job, row) + b"\n" for row in page)
                yield
        with self._store.write() as connection:
            fresh = read_job(connection, job.id)
            move(
                connection,
                fresh,
                fresh.ending or job.ending,  # a job may be stopped while this is written
                now=self._clock.now().timestamp(),
            )

    def _answered(self, job: Job, number: int) -> Iterator[tuple[Row[Any], list[Row[Any]]]]:
        """Yield the objects of an iteration, each with its answers."""
        columns = (objects.c.idx, objects.c.line, objects.c.closed, *_RESULT)
        query = (
            select(*columns)
            .where(objects.c.job_id == job.id, objects.c.iteration == number)
            .order_by(objects.c.idx)
        )
        for page in self._pages(query):
            found: dict[int, list[Row[Any]]] = {}
            submitted = (
                select(tasks)
                .where(
                    tasks.c.job_id == job.id,
                    tasks.c.idx.in_([row.idx for row in page]),
                    tasks.c.state == "submitted",
                )
                .order_by(tasks.c.idx, tasks.c.closed, tasks.c.worker_id)
            )
            with self._store.read() as connection:
                for answer in connection.execute(submitted):
                    found.setdefault(answer.idx, []).append(answer)
            for row in page:
                yield row, found.get(row.idx, [])

    def _pages(self, query: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
        """Yield a query's rows, ordered by idx, in pages of a short transaction each."""
        last = -1
        while True:
            with self._store.read() as connection:
                page = connection.execute(query.where(objects.c.idx > last).limit(_PAGE)).all()
            if not page:
                return
            yield page
            last = page[-1].idx


_RESULT: Final = (objects.c.state, objects.c.label, objects.c.failure, objects.c.retries)


class _List:
    """A JSON list written one element at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._before = b"["

    def add(self, element: Any) -> None:
        self._file.write(self._before + _encode(element))
        self._before = b","

    def end(self) -> None:
        self._file.write(b"[]" if self._before == b"[" else b"]")


def _times(connection: Connection, job: Job, number: int) -> tuple[float, float | None]:
    """Return when a batch was opened, and when its last object was closed."""
    row = connection.execute(
        select(iterations.c.opened, iterations.c.closed).where(
            iterations.c.job_id == job.id, iterations.c.number == number
        )
    ).first()
    return (0.0, None) if row is None else (row.opened, row.closed)


def _line(job: Job, row: Row[Any]) -> bytes:
    """Return an object's line of the output manifest."""
    if row.state == "labelled":
        label = json.loads(row.label)
        return labelled_line(
            row.line,
            attribute=job.attribute,
            value=label["value"],
            metadata=label["metadata"],
        )
    if row.state == "failed":
        return failed_line(
            row.line, attribute=job.attribute, reason=row.failure, retries=row.retries
        )
    line: bytes = row.line
    return line


def _content(job: Job, row: Row[Any]) -> dict[str, Any]:
    label = json.loads(row.label)
    return {job.attribute: label["value"], f"{job.attribute}-metadata": label["metadata"]}


def _intermediate(job: Job, row: Row[Any]) -> dict[str, Any]:
    """Return a batch's line on one object; `inputAttribute` is what workers were shown."""
    known = {
        "datasetObjectId": str(row.idx),
        "inputAttribute": {"source-ref": source_ref(row.line)},
    }
    if row.state == "labelled":
        return {**known, **_content(job, row)}
    metadata = {
        "retry-count": row.retries,
        "failure-reason": row.failure,
        "human-annotated": "true",
    }
    return {**known, f"{job.attribute}-metadata": metadata}


def _request(row: Row[Any], answers: Sequence[Row[Any]]) -> dict[str, Any]:
    """Return what Ground Truth hands to its consolidation function."""
    return {
        "datasetObjectId": str(row.idx),
        "dataObject": {"s3Uri": source_ref(row.line)},
        "annotations": [
            {"workerId": answer.worker_id, "annotationData": {"content": answer.answer}}
            for answer in answers
        ],
    }


def _response(job: Job, row: Row[Any]) -> dict[str, Any]:
    return {
        "datasetObjectId": str(row.idx),
        "consolidatedAnnotation": {"content": _content(job, row)},
    }


def _answer(task: Row[Any], seconds: float) -> dict[str, Any]:
    """Return one answer of a worker response; the identity is the worker's id, nothing more.

    `acceptanceTime` is when the task was fetched; the worker may have been at another until later.
    """
    return {
        "acceptanceTime": _milliseconds(task.accepted),
        "submissionTime": _milliseconds(task.closed),
        "timeSpentInSeconds": round(seconds, 3),
        "answerContent": json.loads(task.answer),
        "workerId": task.worker_id,
        "workerMetadata": {
            "identityData": {
                "identityProviderType": "Oidc",
                "issuer": "gt_workflow",
                "sub": task.worker_id,
            }
        },
    }


def _milliseconds(seconds: float) -> str:
    text = moment(seconds).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _stamp(seconds: float) -> str:
    """Return the time in a file's name, in UTC: `2026-01-31_23:59:59`."""
    return moment(seconds).strftime("%Y-%m-%d_%H:%M:%S")
