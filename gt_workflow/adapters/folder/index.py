"""What is known of files beyond their bytes: ETag, content type, metadata, in `ROOT/.gt/`.

A row is bound to the fingerprint of one file (inode, time of change, size): a file edited or
replaced by hand has no row, and its ETag is computed afresh. A row is written before its file is
published, so a reader that sees the file sees the row; rows that lost their file are dropped at
the key's next change. A row that only repeats what bytes and name tell is not forced to the disk.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gt_workflow.errors import StorageError
from gt_workflow.object_store import Attributes

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  bucket TEXT NOT NULL, key BLOB NOT NULL, inode INTEGER NOT NULL, mtime INTEGER NOT NULL,
  size INTEGER NOT NULL, etag TEXT NOT NULL, attributes TEXT,
  PRIMARY KEY (bucket, key, inode, mtime, size)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets (
  name TEXT PRIMARY KEY, created REAL NOT NULL, region TEXT NOT NULL, cors TEXT
);
"""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one state of a file from every other: inode, nanoseconds, bytes."""

    inode: int
    mtime: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> Fingerprint:
        """Take the fingerprint from a stat result."""
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)

    @property
    def modified(self) -> datetime:
        """The time of change, aware and in UTC."""
        return datetime.fromtimestamp(self.mtime // 1_000_000_000, UTC)


class FolderIndex:
    """A SQLite database of rows; safe for many threads and several processes."""

    def __init__(self, path: Path) -> None:
        """Open or create the database."""
        self._path = path
        self._lock = threading.Lock()
        self._readers: deque[sqlite3.Connection] = deque()
        with self._translated():
            self._writer = self._connect()
            self._writer.executescript(_SCHEMA)

    def find(
        self, bucket: str, key: str, fingerprint: Fingerprint
    ) -> tuple[str, Attributes | None] | None:
        """Return ETag and attributes of a file (None for one that came without), if known."""
        row = self._row(
            "SELECT etag, attributes FROM objects"
            " WHERE bucket=? AND key=? AND inode=? AND mtime=? AND size=?",
            _primary_key(bucket, key, fingerprint),
        )
        if row is None:
            return None
        return row[0], None if row[1] is None else Attributes(**json.loads(row[1]))

    def put(
        self,
        bucket: str,
        key: str,
        fingerprint: Fingerprint,
        *,
        etag: str,
        attributes: Attributes | None,
        keep: Fingerprint | None,
        durable: bool,
    ) -> None:
        """Add a row, and drop the key's other rows but the one of `keep`.

        `durable` forces it to the disk; without, a power cut may take it.
        """
        kept = (-1, -1, -1) if keep is None else (keep.inode, keep.mtime, keep.size)
        with self._write(durable=durable) as connection:
            connection.execute(
                "DELETE FROM objects WHERE bucket=? AND key=?"
                " AND NOT (inode=? AND mtime=? AND size=?)",
                (bucket, key.encode(), *kept),
            )
            connection.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*_primary_key(bucket, key, fingerprint), etag, _to_json(attributes)),
            )

    def learn(self, bucket: str, rows: Iterable[tuple[str, Fingerprint, str]]) -> None:
        """Add rows (key, fingerprint, ETag) of files that came by hand."""
        values = [
            (*_primary_key(bucket, key, fingerprint), etag, None) for key, fingerprint, etag in rows
        ]
        if values:
            with self._write(durable=False) as connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)", values
                )

    def forget(self, bucket: str, key: str) -> None:
        """Drop all rows of a key."""
        with self._write(durable=False) as connection:
            connection.execute(
                "DELETE FROM objects WHERE bucket=? AND key=?", (bucket, key.encode())
            )

    def put_bucket(self, name: str, *, created: float, region: str) -> None:
        """Note when and where a bucket was made."""
        with self._write(durable=True) as connection:
            connection.execute(
                "INSERT INTO buckets VALUES (?, ?, ?, NULL) ON CONFLICT (name) DO NOTHING",
                (name, created, region),
            )

    def bucket(self, name: str) -> tuple[float, str, str | None] | None:
        """Return creation time, region and CORS configuration."""
        row: tuple[float, str, str | None] | None = self._row(
            "SELECT created, region, cors FROM buckets WHERE name=?", (name,)
        )
        return row

    def set_cors(self, name: str, text: str | None) -> None:
        """Set a known bucket's CORS configuration."""
        with self._write(durable=True) as connection:
            connection.execute("UPDATE buckets SET cors=? WHERE name=?", (text, name))

    def forget_bucket(self, name: str) -> None:
        """Drop a bucket and what is left of its rows."""
        with self._write(durable=True) as connection:
            connection.execute("DELETE FROM buckets WHERE name=?", (name,))
            connection.execute("DELETE FROM objects WHERE bucket=?", (name,))

    def close(self) -> None:
        """Close the connections; nobody may use the index any more."""
        with self._lock:
            self._writer.close()
            while self._readers:
                self._readers.pop().close()

    def _row(self, statement: str, values: tuple[Any, ...]) -> Any:
        with self._translated():
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                return connection.execute(statement, values).fetchone()
            finally:
                self._readers.append(connection)

    @contextmanager
    def _write(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a transaction; SQLite's own wait for its lock is a coarse poll."""
        with self._translated(), self._lock:
            connection = self._writer
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    def _connect(self) -> sqlite3.Connection:
        # Used by one thread at a time, but not always by the same.
        connection = sqlite3.connect(
            self._path, timeout=30, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what SQLite raises into `StorageError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"the index of objects: {error}", uri=str(self._path)) from error


def _primary_key(
    bucket: str, key: str, fingerprint: Fingerprint
) -> tuple[str, bytes, int, int, int]:
    return bucket, key.encode(), fingerprint.inode, fingerprint.mtime, fingerprint.size


def _to_json(attributes: Attributes | None) -> str | None:
    if attributes is None:
        return None
    return json.dumps(
        {
            "content_type": attributes.content_type,
            "headers": dict(attributes.headers),
            "metadata": dict(attributes.metadata),
            "checksums": dict(attributes.checksums),
            "checksum_type": attributes.checksum_type,
        }
    )
