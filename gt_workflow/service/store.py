"""What must survive: jobs, objects, tasks, answers, teams, workers, in a relational database.

SQLite in WAL mode with `synchronous=FULL`: a committed transaction survives a killed process and
a power cut. One process owns the file for writing at a time (a lock here, `BEGIN IMMEDIATE`
there); readers never wait. Times are stored as UTC epoch seconds (floats), so that SQL compares
them. JSON is stored as text, manifest lines as the bytes they were.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    text,
)
from sqlalchemy.exc import OperationalError

metadata = MetaData()

workforces = Table(
    "workforces",
    metadata,
    Column("arn", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("name", String, nullable=False),
    Column("config", Text, nullable=False),  # JSON: Cognito, Oidc, SourceIp, VPC
    Column("created", Float, nullable=False),
    Column("modified", Float, nullable=False),
    UniqueConstraint("region", "name"),
)

workteams = Table(
    "workteams",
    metadata,
    Column("arn", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("name", String, nullable=False),
    Column("workforce_arn", String, nullable=False),
    Column("config", Text, nullable=False),  # JSON: members, description, notification, access
    Column("created", Float, nullable=False),
    Column("modified", Float, nullable=False),
    UniqueConstraint("region", "name"),
)

tags = Table(
    "tags",
    metadata,
    Column("arn", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String, primary_key=True),  # private.<region>.<hex>
    Column("name", String, nullable=False, unique=True),
    Column("created", Float, nullable=False),
)

worker_teams = Table(
    "worker_teams",
    metadata,
    Column("worker_id", String, ForeignKey("workers.id"), primary_key=True),
    Column("workteam_arn", String, primary_key=True),
)

worker_tokens = Table(
    "worker_tokens",
    metadata,
    Column("token_sha256", String, primary_key=True),
    Column("worker_id", String, ForeignKey("workers.id"), nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
)

# Tables beside the older ones, never columns in them: `create_all` makes what is missing, so a
# database of an earlier version opens as it is.

worker_roles = Table(
    "worker_roles",
    metadata,
    Column("worker_id", String, ForeignKey("workers.id"), primary_key=True),
    Column("role", String, nullable=False),  # admin; who is not in here is a worker
)

invitations = Table(
    "invitations",
    metadata,
    Column("token_sha256", String, primary_key=True),
    Column("worker_id", String, ForeignKey("workers.id"), nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("used", Float),  # when it became a session; it is good once
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String, primary_key=True),
    Column("worker_id", String, ForeignKey("workers.id"), nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Index("sessions_by_worker", "worker_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("arn", String, nullable=False, unique=True),
    Column("region", String, nullable=False),
    Column("name", String, nullable=False),
    Column("name_key", String, nullable=False),  # lower case: names are compared so
    Column("kind", String, nullable=False),  # label | adjust | verify
    Column("status", String, nullable=False),
    Column("failure_reason", Text),
    Column("request", Text, nullable=False),  # the CreateLabelingJob request, JSON
    Column("workteam_arn", String, nullable=False),
    Column("reference_code", String, nullable=False),
    Column("labels", Text),  # JSON list, read from the label category file at initialising
    Column("created", Float, nullable=False),
    Column("modified", Float, nullable=False),
    Column("ending", String),  # the terminal status it heads for, decided before the output
    Column("audited", String),  # adjust, verify: the attribute that the worker template shows
    Column("iteration", Integer, nullable=False, default=0),  # the batch opened last, from 1
    Column("batch_opened", Float),  # when the objects of `iteration` became available
    Column("active", Integer, nullable=False, default=0),  # objects of it not yet closed
    Column("published_iteration", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),  # of storage work that failed in a row
    Column("retry_at", Float),  # when that work is tried again
    Column("total", Integer, nullable=False, default=0),  # objects that this job labels
    Column("human_labeled", Integer, nullable=False, default=0),
    Column("machine_labeled", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    UniqueConstraint("region", "name_key"),
    Index("jobs_by_status", "status", "created"),
)

iterations = Table(
    "iterations",
    metadata,
    Column("job_id", Integer, ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("opened", Float, nullable=False),
    Column("closed", Float),  # names the files that consolidation writes
)

objects = Table(
    "objects",
    metadata,
    Column("job_id", Integer, ForeignKey("jobs.id"), primary_key=True),
    Column("idx", Integer, primary_key=True, autoincrement=False),  # 0-based manifest line
    Column("line", LargeBinary, nullable=False),  # as it stood in the input manifest
    Column("state", String, nullable=False),  # skipped | waiting | active | labelled | failed
    Column("iteration", Integer),
    Column("width", Integer),  # of the stored raster, read when first handed out
    Column("height", Integer),
    Column("answers", Integer, nullable=False, default=0),
    Column("declines", Integer, nullable=False, default=0),
    Column("leases", Integer, nullable=False, default=0),
    Column("open", Integer, nullable=False, default=0),  # workers it may still be handed to
    Column("retries", Integer, nullable=False, default=0),  # of reading its image
    Column("due", Float),  # when `advance` must look at it
    Column("label", Text),  # JSON: the consolidated value and its metadata
    Column("failure", Text),
    Column("closed", Float),  # when it became labelled or failed
    Index("objects_by_state", "job_id", "state", "idx"),
    Index("objects_by_iteration", "job_id", "iteration", "idx"),
)

# Handing out and waking up look at the few objects that matter, however long the manifest is.
Index(
    "open_objects",
    objects.c.job_id,
    objects.c.idx,
    sqlite_where=text("open > 0"),
    postgresql_where=text("open > 0"),
)
Index(
    "due_objects",
    objects.c.due,
    sqlite_where=text("due IS NOT NULL"),
    postgresql_where=text("due IS NOT NULL"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", Integer, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("iteration", Integer, nullable=False),
    Column("worker_id", String, nullable=False),
    # leased | submitted | returned | declined | expired | passed (on, see fetched_ahead)
    # | withdrawn (its job or batch ended)
    Column("state", String, nullable=False),
    Column("accepted", Float, nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("closed", Float),
    Column("answer", Text),  # JSON as submitted
    Column("reason", Text),  # why it was declined
    Index("tasks_by_object", "job_id", "idx", "worker_id"),
    Index("tasks_by_lease", "state", "lease_until"),
    Index("tasks_by_worker", "worker_id", "state", "lease_until"),
)

# One worker never holds or answers the same object twice; a returned or expired task may be
# taken again.
Index(
    "one_task_per_worker_and_object",
    tasks.c.job_id,
    tasks.c.idx,
    tasks.c.worker_id,
    unique=True,
    sqlite_where=tasks.c.state.in_(["leased", "submitted", "declined"]),
    postgresql_where=tasks.c.state.in_(["leased", "submitted", "declined"]),
)

# Leased tasks that a page has fetched ahead and not shown yet; see `labeling.available`.
fetched_ahead = Table(
    "fetched_ahead",
    metadata,
    Column("task_id", String, primary_key=True),
    Column("job_id", Integer, nullable=False),
    Index("fetched_ahead_by_job", "job_id"),
)

gold_objects = Table(
    "gold_objects",
    metadata,
    Column("job_id", Integer, ForeignKey("jobs.id"), primary_key=True),
    Column("idx", Integer, primary_key=True, autoincrement=False),  # 0-based line of the gold file
    Column("uri", String, nullable=False),
    Column("boxes", Text, nullable=False),  # JSON: [[label, left, top, width, height], ...]
    Column("width", Integer),  # of the stored raster, read when first handed out
    Column("height", Integer),
)

# Apart from `tasks`, so that nothing of it can reach a job's counters or output.
gold_tasks = Table(
    "gold_tasks",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", Integer, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("worker_id", String, nullable=False),
    Column("state", String, nullable=False),  # leased | submitted | returned | declined
    Column("accepted", Float, nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("closed", Float),
    Column("answer", Text),  # JSON as submitted
    Column("feedback", Text),  # JSON: what the worker was told
    Index("gold_tasks_by_worker", "worker_id", "job_id", "state"),
    Index("gold_tasks_by_job", "job_id", "state"),
)

# How many tasks a worker was handed in a job with gold questions, and how many of them were some.
gold_turns = Table(
    "gold_turns",
    metadata,
    Column("job_id", Integer, primary_key=True, autoincrement=False),
    Column("worker_id", String, primary_key=True),
    Column("handed", Integer, nullable=False),
    Column("gold", Integer, nullable=False),
)

# What the admin's contact sheet is sorted by; worked out when somebody looks, and kept.
object_scores = Table(
    "object_scores",
    metadata,
    Column("job_id", Integer, primary_key=True, autoincrement=False),
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("confidence", Float),  # mean over the boxes; None where nothing is known
    Column("disagreement", Float),  # 0 to 1; None for one worker's answer
    Index("object_scores_by_confidence", "job_id", "confidence"),
    Index("object_scores_by_disagreement", "job_id", "disagreement"),
)


class Store:
    """A database with the tables above; `write`, `read` and `together` are the only ways in."""

    def __init__(self, url: str) -> None:
        """Open (and create where missing) the database at an SQLAlchemy URL."""
        # As many connections as the web server has threads: none waits, none is opened anew.
        self._engine = create_engine(
            url,
            pool_size=40,
            max_overflow=20,
            pool_reset_on_return=None,  # `read` and `write` end every transaction themselves
        )
        self._lock = threading.Lock()
        self._thread = threading.local()  # `shared`: the connection of `together`
        self._sqlite = self._engine.dialect.name == "sqlite"
        if self._sqlite:
            event.listen(self._engine, "connect", _configure_sqlite)
        with self._engine.begin() as connection:
            metadata.create_all(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that commits at a clean exit, else rolls back."""
        shared = self._shared()
        if shared is not None:
            with _savepoint(shared):
                yield shared
            return
        with self._lock, self._engine.connect() as connection:
            # pysqlite begins a transaction only at the first write, which would let two
            # processes read the same state and then both act on it.
            self._begin(connection, "BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            try:
                connection.commit()
            except BaseException:
                # On a full disk the transaction is still open, and nobody else would end it.
                connection.invalidate()
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one consistent state and changes nothing."""
        shared = self._shared()
        if shared is not None:
            yield shared
            return
        with self._engine.connect() as connection:
            self._begin(connection, "BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit what this thread reads and writes inside as one: the disk is waited for once.

        A `write` that fails inside is undone alone. Nothing of it holds before the clean exit,
        so nobody may be told earlier that it does.
        """
        with self.write() as connection:
            self._thread.shared = connection
            try:
                yield
            finally:
                self._thread.shared = None

    def _shared(self) -> Connection | None:
        shared: Connection | None = getattr(self._thread, "shared", None)
        return shared

    def _begin(self, connection: Connection, sqlite: str) -> None:
        """Begin a transaction, also for statements that run on the driver itself."""
        connection.begin()
        if self._sqlite:
            _run(connection, sqlite)

    def close(self) -> None:
        """Fold the write-ahead log back into the database and release the file."""
        if self._sqlite:
            # The log is as durable as the database: on a full disk it is folded back next time.
            with suppress(OperationalError), self._engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        self._engine.dispose()


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    _run(connection, "SAVEPOINT one_write")
    try:
        yield
    except BaseException:
        _run(connection, "ROLLBACK TO SAVEPOINT one_write")
        _run(connection, "RELEASE SAVEPOINT one_write")
        raise
    _run(connection, "RELEASE SAVEPOINT one_write")


def _run(connection: Connection, sql: str) -> None:
    """Run a statement on the driver itself, see `prepared`."""
    cursor = connection.connection.cursor()
    cursor.execute(sql)
    cursor.close()


def _configure_sqlite(connection: Any, _record: object) -> None:
    """Set what SQLite forgets per connection; see the module's first paragraph."""
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
    ):
        connection.execute(f"PRAGMA {pragma}")
