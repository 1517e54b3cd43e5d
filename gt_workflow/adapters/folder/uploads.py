"""Multipart uploads in a folder: one directory each below `ROOT/.gt/uploads/bucket/`.

A part is a file named by its number, ETag and checksums, so that nothing about it can be lost
or stale. Completion joins the parts inside the kernel where the file system allows it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from gt_workflow.adapters.files import TemporaryFile, regular, sync_folder, translated
from gt_workflow.adapters.folder import keys as folder_keys
from gt_workflow.object_store import (
    CHECKSUMS,
    MIN_PART_BYTES,
    Attributes,
    Condition,
    MissingError,
    Object,
    Part,
    PartClaim,
    RefusedError,
    Upload,
    as_text,
)

_ID = re.compile(r"[0-9a-f]{32}")
_STATE = "upload.json"
_READ_BYTES = 1 << 20
_ALWAYS = Condition()


class _Assembler(Protocol):
    """What joins parts to an object: `FolderWriter`, seen from here."""

    def append(self, path: Path) -> None: ...

    def commit(
        self, attributes: Attributes, condition: Condition, *, etag: str | None
    ) -> Object: ...

    def discard(self) -> None: ...


class FolderUploads:
    """The uploads of one folder of objects."""

    def __init__(self, own: Path, *, writer: Callable[[str, str], _Assembler]) -> None:
        """Keep them below `own`, the service's folder; `writer` begins an object."""
        self._own = own
        self._writer = writer

    def start(
        self, bucket: str, key: str, attributes: Attributes, *, algorithm: str | None
    ) -> Upload:
        """Begin an upload."""
        self._writer(bucket, key).discard()  # refuses a bucket or a key that could not be written
        upload = Upload(
            id=secrets.token_hex(16),
            bucket=bucket,
            key=key,
            started=datetime.now(UTC).replace(microsecond=0),
            attributes=attributes,
            algorithm=algorithm if algorithm in CHECKSUMS else None,
        )
        folder = self._folder(upload)
        with translated(f"s3://{bucket}/{key}"):
            folder.mkdir(parents=True)
            state = TemporaryFile(folder, f"s3://{bucket}/{key}")
            try:
                state.write(_to_json(upload))
                state.sync()
                state.path.rename(folder / _STATE)
            finally:
                state.discard()
            for path in (folder, folder.parent, folder.parent.parent):
                sync_folder(path)
        return upload

    def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Describe an upload that is under way, or refuse with `NoSuchUpload`."""
        folder_keys.check_bucket(bucket, uri=f"s3://{bucket}")
        if _ID.fullmatch(upload_id):
            upload = _from_json(self._own / "uploads" / bucket / upload_id / _STATE)
            if upload is not None and (upload.bucket, upload.key) == (bucket, key):
                return upload
        raise _no_upload(bucket, key)

    def under_way(self, bucket: str) -> list[Upload]:
        """Return the uploads under way, sorted by key and time."""
        found = (_from_json(path) for path in (self._own / "uploads" / bucket).glob(f"*/{_STATE}"))
        uploads = [upload for upload in found if upload is not None]
        return sorted(uploads, key=lambda upload: (upload.key.encode(), upload.started, upload.id))

    def writer(self, upload: Upload, number: int) -> FolderPartWriter:
        """Begin to write a part; a part of that number is replaced."""
        return FolderPartWriter(self._folder(upload), upload, number)

    def parts(self, upload: Upload) -> list[Part]:
        """Return the parts that are there, by number."""
        return [part for part, _ in self._parts(upload).values()]

    def complete(
        self,
        upload: Upload,
        claims: Iterable[PartClaim],
        condition: Condition = _ALWAYS,
        *,
        full_checksum: bool = False,
        checksums: Mapping[str, str] | None = None,
    ) -> Object:
        """Join parts to the object and forget the upload; see `UploadStore`."""
        uri = f"s3://{upload.bucket}/{upload.key}"
        chosen = _chosen(self._parts(upload), list(claims), uri)
        digest = hashlib.md5(usedforsecurity=False)
        for part, _ in chosen:
            digest.update(bytes.fromhex(part.etag))
        attributes = self._with_checksums(upload, chosen, full=full_checksum)
        for name, value in (checksums or {}).items():
            if attributes.checksums.get(name, value) != value:
                raise RefusedError(
                    "BadDigest", f"the {name.upper()} of the whole is another", uri=uri
                )
        writer = self._writer(upload.bucket, upload.key)
        try:
            with translated(uri):
                try:
                    for _, path in chosen:
                        writer.append(path)
                except FileNotFoundError:  # completed or aborted by another
                    raise _no_upload(upload.bucket, upload.key) from None
            etag = f"{digest.hexdigest()}-{len(chosen)}"
            stored = writer.commit(attributes, condition, etag=etag)
        finally:
            writer.discard()
        self.abort(upload)
        return stored

    def abort(self, upload: Upload) -> None:
        """Forget the upload and its parts; idempotent."""
        folder = self._folder(upload)
        with translated(f"s3://{upload.bucket}/{upload.key}"):
            # First the state: without it the rest is no upload, even if this is interrupted.
            (folder / _STATE).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, upload: Upload) -> Path:
        return self._own / "uploads" / upload.bucket / upload.id

    def _parts(self, upload: Upload) -> dict[int, tuple[Part, Path]]:
        newest: dict[int, tuple[int, Part, Path]] = {}
        for path in self._folder(upload).glob("[0-9]*"):
            status = regular(path)
            if status is None:
                continue
            number, etag, *checksums = path.name.split(".")
            part = Part(
                number=int(number),
                size=status.st_size,
                etag=etag,
                modified=datetime.fromtimestamp(int(status.st_mtime), UTC),
                checksums=_from_name(checksums),
            )
            there = newest.get(part.number)
            if there is None or there[0] < status.st_mtime_ns:
                newest[part.number] = (status.st_mtime_ns, part, path)
        return {number: newest[number][1:] for number in sorted(newest)}

    def _with_checksums(
        self, upload: Upload, chosen: list[tuple[Part, Path]], *, full: bool
    ) -> Attributes:
        """Add the checksum of the whole, or of the parts' checksums, if the upload has any."""
        said = upload.attributes
        algorithm = upload.algorithm
        if algorithm is None or not all(algorithm in part.checksums for part, _ in chosen):
            return said
        checksum = CHECKSUMS[algorithm]()
        if full:
            for _, path in chosen:
                with path.open("rb") as file:
                    while data := file.read(_READ_BYTES):
                        checksum.update(data)
            value, kind = as_text(checksum), "FULL_OBJECT"
        else:
            for part, _ in chosen:
                checksum.update(base64.b64decode(part.checksums[algorithm]))
            value, kind = f"{as_text(checksum)}-{len(chosen)}", "COMPOSITE"
        return Attributes(
            content_type=said.content_type,
            headers=said.headers,
            metadata=said.metadata,
            checksums={algorithm: value},
            checksum_type=kind,
        )


class FolderPartWriter(TemporaryFile):
    """A part on its way in."""

    def __init__(self, folder: Path, upload: Upload, number: int) -> None:
        """Open a temporary file in the upload's folder."""
        self._folder = folder
        self._upload = upload
        self._number = number
        try:
            super().__init__(folder, f"s3://{upload.bucket}/{upload.key}")
        except Exception:
            if not folder.exists():
                raise _no_upload(upload.bucket, upload.key) from None
            raise

    def commit(self, checksums: Mapping[str, str]) -> Part:
        """Make the part durable and known to its upload."""
        number = f"{self._number:05d}"
        name = ".".join([number, self.etag, *_to_name(checksums)])
        with translated(self._uri):
            status = self.sync()
            earlier = set(self._folder.glob(f"{number}.*"))
            try:
                self.path.rename(self._folder / name)
                sync_folder(self._folder)
            except FileNotFoundError:
                raise _no_upload(self._upload.bucket, self._upload.key) from None
            for path in earlier - {self._folder / name}:
                path.unlink(missing_ok=True)
        self.discard()
        modified = datetime.fromtimestamp(int(status.st_mtime), UTC)
        return Part(self._number, self.size, self.etag, modified, dict(checksums))


def _chosen(
    there: Mapping[int, tuple[Part, Path]], claims: list[PartClaim], uri: str
) -> list[tuple[Part, Path]]:
    """Return the parts that a completion asks for, or refuse it."""
    if any(after.number <= before.number for before, after in pairwise(claims)):
        raise RefusedError("InvalidPartOrder", "the parts are not in ascending order", uri=uri)
    chosen: list[tuple[Part, Path]] = []
    for claim in claims:
        part, path = there.get(claim.number, (None, Path()))
        if (
            part is None
            or part.etag != claim.etag
            or any(
                part.checksums.get(name, value) != value for name, value in claim.checksums.items()
            )
        ):
            raise RefusedError(
                "InvalidPart",
                f"part {claim.number} was not uploaded, or with another ETag or checksum",
                uri=uri,
            )
        chosen.append((part, path))
    if any(part.size < MIN_PART_BYTES for part, _ in chosen[:-1]):
        raise RefusedError(
            "EntityTooSmall", "a part other than the last is smaller than 5 MiB", uri=uri
        )
    return chosen


def _no_upload(bucket: str, key: str) -> MissingError:
    return MissingError(
        "NoSuchUpload",
        "there is no such upload; it may have been completed or aborted",
        uri=f"s3://{bucket}/{key}",
    )


def _to_name(checksums: Mapping[str, str]) -> list[str]:
    return [f"{name}={value.replace('/', '_')}" for name, value in sorted(checksums.items())]


def _from_name(pieces: list[str]) -> dict[str, str]:
    pairs = (piece.partition("=") for piece in pieces)
    return {name: value.replace("_", "/") for name, _, value in pairs}


def _to_json(upload: Upload) -> bytes:
    said = upload.attributes
    document = {
        "id": upload.id,
        "bucket": upload.bucket,
        "key": upload.key,
        "started": upload.started.timestamp(),
        "algorithm": upload.algorithm,
        "attributes": {
            "content_type": said.content_type,
            "headers": dict(said.headers),
            "metadata": dict(said.metadata),
        },
    }
    return json.dumps(document).encode()


def _from_json(path: Path) -> Upload | None:
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Upload(
        id=document["id"],
        bucket=document["bucket"],
        key=document["key"],
        started=datetime.fromtimestamp(document["started"], UTC),
        attributes=Attributes(**document["attributes"]),
        algorithm=document["algorithm"],
    )
