"""Buckets in a folder: every directory directly below ROOT whose name a bucket may have.

Here is also what is known of ROOT as a whole: its own folder `.gt`, the index, the listings.
"""

from __future__ import annotations

import os
import shutil
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from gt_workflow.adapters.files import FileLock, is_folder, sync_folder, translated
from gt_workflow.adapters.folder import keys as folder_keys
from gt_workflow.adapters.folder.index import FolderIndex
from gt_workflow.adapters.folder.keys import uri_of
from gt_workflow.adapters.folder.scan import Listings, Scan
from gt_workflow.object_store import Bucket, MissingError, RefusedError

_ABANDONED_SECONDS = 24 * 3600
_LOCKS = 64


class FolderBuckets:
    """The buckets of one folder."""

    def __init__(self, root: Path, own: Path | None = None) -> None:
        """Open the folder, creating it and its `.gt` where missing.

        With `own` given what would be in `.gt` is there; for reading alone, without a trace.
        """
        with translated(str(root)):
            root.mkdir(parents=True, exist_ok=True)
            self.root = root.resolve(strict=True)
            self.own = own or self.root / ".gt"
            for name in ("tmp", "locks", "odd", "uploads"):
                (self.own / name).mkdir(parents=True, exist_ok=True)
            _sweep(self.own / "tmp")
        self.index = FolderIndex(self.own / "objects.sqlite")
        self._names = Listings()

    def close(self) -> None:
        """Release the index; idempotent."""
        self.index.close()

    def buckets(self) -> list[Bucket]:
        """Return every folder directly below ROOT that has a bucket's name, sorted."""
        with translated(str(self.root)):
            names = sorted(path.name for path in self.root.iterdir() if is_folder(path))
        return [self._describe(name) for name in names if folder_keys.is_bucket(name)]

    def bucket(self, name: str) -> Bucket:
        """Describe one bucket."""
        self.folder(name)
        return self._describe(name)

    def create_bucket(self, name: str, region: str = "us-east-1") -> None:
        """Create a bucket; refused with `BucketAlreadyOwnedByYou` if it is there."""
        uri = f"s3://{name}"
        folder_keys.check_bucket(name, uri=uri)
        with translated(uri), self.locked(name, ""):
            if (self.root / name).exists():
                raise RefusedError(
                    "BucketAlreadyOwnedByYou", "the bucket is there already", uri=uri
                )
            self._forget(name)  # a bucket of this name may have been deleted by hand
            (self.root / name).mkdir()
            sync_folder(self.root)
            self.index.put_bucket(name, created=datetime.now(UTC).timestamp(), region=region)

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket unless it is there."""
        with suppress(RefusedError):
            if not is_folder(self.root / name):
                self.create_bucket(name)

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket without objects, and what empty folders it holds."""
        uri = f"s3://{name}"
        with translated(uri), self.locked(name, ""):
            folder = self.folder(name)
            if next(iter(self.scan(name)), None) is not None:
                raise RefusedError("BucketNotEmpty", "the bucket is not empty", uri=uri)
            try:
                for directory, _, _ in os.walk(folder, topdown=False):
                    Path(directory).rmdir()
            except OSError:
                raise RefusedError(
                    "BucketNotEmpty", "the bucket's folder holds what is no object", uri=uri
                ) from None
            sync_folder(self.root)
            self._forget(name)

    def cors(self, bucket: str) -> str | None:
        """Return the bucket's CORS configuration as it was set."""
        self.folder(bucket)
        row = self.index.bucket(bucket)
        return None if row is None else row[2]

    def set_cors(self, bucket: str, text: str | None) -> None:
        """Keep or forget a CORS configuration."""
        known = self.bucket(bucket)
        self.index.put_bucket(bucket, created=known.created.timestamp(), region=known.region)
        self.index.set_cors(bucket, text)

    def scan(self, bucket: str, *, prefix: str = "", after: bytes = b"") -> Scan:
        """Return the bucket's files in order; see `Scan`."""
        return Scan(
            self.folder(bucket), self.odd(bucket), names=self._names, prefix=prefix, after=after
        )

    def folder(self, bucket: str, key: str | None = None) -> Path:
        """Return a bucket's directory, or refuse with `NoSuchBucket`."""
        uri = f"s3://{bucket}" if key is None else uri_of(bucket, key)
        folder_keys.check_bucket(bucket, uri=uri)
        folder = self.root / bucket
        if not is_folder(folder):
            raise MissingError("NoSuchBucket", "there is no such bucket", uri=uri)
        return folder

    def locked(self, bucket: str, key: str) -> FileLock:
        """Return a lock that keeps every other writer of this key out, in any process."""
        stripe = zlib.crc32(uri_of(bucket, key).encode()) % _LOCKS
        return FileLock(self.own / "locks" / str(stripe))

    def odd(self, bucket: str) -> Path:
        """Return the directory of the keys that cannot be plain files."""
        return self.own / "odd" / bucket

    def _forget(self, name: str) -> None:
        for kind in ("odd", "uploads"):
            shutil.rmtree(self.own / kind / name, ignore_errors=True)
        self.index.forget_bucket(name)

    def _describe(self, name: str) -> Bucket:
        row = self.index.bucket(name)
        if row is None:
            made = (self.root / name).stat().st_mtime
            return Bucket(name, datetime.fromtimestamp(made, UTC), "us-east-1")
        return Bucket(name, datetime.fromtimestamp(row[0], UTC), row[1])


def _sweep(folder: Path) -> None:
    """Delete temporary files that a killed process left; a day is longer than any upload."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                path.unlink()
