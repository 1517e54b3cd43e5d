"""The beginning of a job: label category file, worker template and input manifest are read.

The manifest streams into the objects table, a thousand lines a transaction, so that neither
memory nor a lock grows with it. A bad line fails the job, as on AWS; an audited label that cannot
be shown fails its object alone. A crash in the middle starts anew: rows of a job without labels
are left over from one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec
from sqlalchemy import delete, insert, select, update

from gt_workflow.core.described import audited_attribute
from gt_workflow.core.json_lines import explain, members, split_lines
from gt_workflow.core.labels import MAX_CATEGORY_FILE_BYTES, parse_label_category_file
from gt_workflow.core.objects import MAX_OBJECTS, check_manifest_line, check_object_count
from gt_workflow.errors import DataError
from gt_workflow.ports import Clock, Storage
from gt_workflow.service.labeling import audit, gold, states
from gt_workflow.service.labeling.records import Job, move, read_job
from gt_workflow.service.store import Store, jobs, objects

MAX_TEMPLATE_BYTES: Final = 1_000_000
_BATCH_LINES: Final = 1_000
_BATCH_BYTES: Final = 4_000_000


class Intake:
    """Reads a job's files and makes its data objects."""

    def __init__(self, *, store: Store, storage: Storage, clock: Clock) -> None:
        """Keep what it works on."""
        self._store = store
        self._storage = storage
        self._clock = clock

    def run(self, job: Job) -> Iterator[None]:
        """Initialise the job, yielding between transactions; at the end it is in progress.

        A job that is being stopped meanwhile is initialised all the same, so that its output has
        every line. Raises `DataError` for what the job's owner must mend and `StorageError`.
        """
        labels_uri = job.request.labels_uri or ""
        labels = parse_label_category_file(
            self._read(labels_uri, MAX_CATEGORY_FILE_BYTES), labels_uri, kind=job.kind
        )
        audited = self._audited(job)
        yield from self.forget(job)
        total = failed = seen = 0
        uri = job.request.input.source.s3.manifest
        with self._storage.open(uri) as file:
            rows: list[dict[str, Any]] = []
            size = 0
            for row in self._rows(job, file, uri, labels=labels, audited=audited):
                seen += 1
                if seen > MAX_OBJECTS:
                    break
                total += row["state"] != "skipped"
                failed += row["state"] == "failed"
                rows.append(row)
                size += len(row["line"])
                if len(rows) >= _BATCH_LINES or size >= _BATCH_BYTES:
                    self._insert(rows)
                    rows, size = [], 0
                    yield
            self._insert(rows)
        for problem in check_object_count(seen):
            raise DataError(problem.message, uri=uri)
        gold.load(job, store=self._store, storage=self._storage, labels=labels)
        self._begin(job, labels=labels, audited=audited, total=total, failed=failed)

    def forget(self, job: Job) -> Iterator[None]:
        """Delete the objects of a job that never began."""
        own = objects.c.job_id == job.id
        with self._store.read() as connection:
            last = connection.execute(
                select(objects.c.idx).where(own).order_by(objects.c.idx.desc()).limit(1)
            ).scalar()
        for start in range(0, -1 if last is None else last + 1, _BATCH_LINES):
            with self._store.write() as connection:
                connection.execute(delete(objects).where(own, objects.c.idx < start + _BATCH_LINES))
            yield

    def _begin(
        self,
        job: Job,
        *,
        labels: tuple[str, ...],
        audited: str | None,
        total: int,
        failed: int,
    ) -> None:
        now = self._clock.now().timestamp()
        known = {
            "labels": json.dumps(labels, ensure_ascii=False),
            "audited": audited,
            "total": total,
            "failed": failed,
            "tries": 0,
            "retry_at": None,
        }
        with self._store.write() as connection:
            fresh = read_job(connection, job.id)
            if fresh.status == states.INITIALIZING:
                move(connection, fresh, states.IN_PROGRESS, now=now, **known)
            else:
                connection.execute(update(jobs).where(jobs.c.id == job.id).values(**known))

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            with self._store.write() as connection:
                connection.execute(insert(objects), rows)

    def _audited(self, job: Job) -> str | None:
        """Read the worker template: it must be there, and may name the audited attribute."""
        template = self._read(job.request.human.ui["UiTemplateS3Uri"], MAX_TEMPLATE_BYTES)
        if job.kind == "label":
            return None
        return audited_attribute(template.decode(errors="replace"), own=job.attribute)

    def _read(self, uri: str, limit: int) -> bytes:
        with self._storage.open(uri) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise DataError(f"the object has more than {limit:,} bytes", uri=uri)
        return data

    def _rows(
        self,
        job: Job,
        file: BinaryIO,
        uri: str,
        *,
        labels: tuple[str, ...],
        audited: str | None,
    ) -> Iterator[dict[str, Any]]:
        """Yield a row per line that is not blank; an object's index counts those from 0."""
        now = self._clock.now().timestamp()
        index = 0
        for number, line in enumerate(split_lines(file, uri=uri), 1):
            if not line or line.isspace():
                continue
            present = check_line(line, uri=uri, number=number)
            state, failure = "waiting", None
            if bytes(present.get(job.attribute, b"null")) != b"null":
                state = "skipped"
            elif job.kind != "label":
                try:
                    audit.shown(
                        line, audited=audited, own=job.attribute, kind=job.kind, labels=labels
                    )
                except audit.UnfitLineError as error:
                    state, failure = "failed", f"ClientError: {error}"
            yield {
                "job_id": job.id,
                "idx": index,
                "line": line,
                "state": state,
                "failure": failure,
                "closed": None if failure is None else now,
            }
            index += 1


def check_line(line: bytes, *, uri: str, number: int) -> dict[str, msgspec.Raw]:
    """Return the members of an input line, or raise `DataError` naming line, field and rule."""
    try:
        present = members(line)
        problems = check_manifest_line(line)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise explain(error, line, uri=uri, line=number) from error
    for problem in problems:
        if problem.code != "source-suffix":  # what an image is, its own first bytes tell
            field = None if problem.field == "line" else problem.field[:100]
            raise DataError(problem.message, uri=uri, line=number, field=field)
    return present
