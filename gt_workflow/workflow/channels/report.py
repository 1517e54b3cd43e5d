"""What was left out of the channels and why, line by line, in memory that does not grow."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any, BinaryIO, Final

import msgspec

from gt_workflow.errors import ObjectNotFoundError, UsageError
from gt_workflow.ports import Storage

HELD: Final = 4 << 20
"""Bytes that are kept in memory before there is a file for them."""

_HEAD = re.compile(
    rb'\{\n  "manifest": ".*",\n  "manifest_sha256": "[0-9a-f]{64}",\n'
    rb'(?:  "validation_manifest": ".*",\n  "validation_manifest_sha256": "[0-9a-f]{64}",\n)?'
    rb'(?:  "rejected_sha256": "(?P<rejects>[0-9a-f]{64})",\n)?'
)
_HEAD_BYTES = 1 << 16


class Event(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    """What a reader of the report is told about one line; `boxes` are places in the label.

    `manifest` is told where there are two.
    """

    line: int | None
    what: str
    source_ref: str | None = None
    why: str | None = None
    boxes: list[int] | None = None
    manifest: str | None = None


class Spool:
    """Byte strings, read back by their place: many of them in a temporary file."""

    def __init__(self, stack: ExitStack, *, held: int = HELD) -> None:
        """Begin empty; up to `held` bytes need no file, which is gone when the stack closes."""
        self._stack = stack
        self._most = held
        self._file: BinaryIO | None = None
        self._starts = array("Q")  # of those in the file
        self._end = 0
        self._held: list[bytes] = []  # the others
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._starts) + len(self._held)

    def append(self, data: bytes) -> None:
        """Put one string behind the others; all come before the first is read."""
        self._held.append(data)
        self._bytes += len(data)
        if self._bytes > self._most:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            import tempfile  # what it imports takes longer than a small set's samples

            self._file = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        for data in self._held:
            self._starts.append(self._end)
            self._end += len(data)
        self._file.seek(0, 2)
        self._file.writelines(self._held)
        self._held = []
        self._bytes = 0

    def __getitem__(self, index: int) -> bytes:
        filed = len(self._starts)
        if index >= filed or self._file is None:
            return self._held[index - filed]
        end = self._starts[index + 1] if index + 1 < filed else self._end
        self._file.seek(self._starts[index])
        return self._file.read(end - self._starts[index])

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(len(self)))


def uris(out: str) -> tuple[str, str]:
    """Name the report, and the lines that could not be read."""
    return f"{out}/report.json", f"{out}/rejected.manifest"


def refuse_strangers(storage: Storage, out: str) -> None:
    """Raise UsageError for a report that is none of ours, or rejected lines that are none any more.

    Whoever repairs these where they lie must not lose that to the next run.
    """
    report, rejects = uris(out)
    found = None
    with suppress(ObjectNotFoundError), storage.open(report) as file:
        if (found := _HEAD.match(file.read(_HEAD_BYTES))) is None:
            raise UsageError(
                f"{report} was not written by convert; move it, or choose another --out"
            )
    with suppress(ObjectNotFoundError), storage.open(rejects) as file:
        digest = hashlib.sha256()
        while chunk := file.read(_HEAD_BYTES):
            digest.update(chunk)
        if found is None or found["rejects"] != digest.hexdigest().encode():
            raise UsageError(
                f"{rejects} is not as convert wrote it, and would be replaced; move it, or choose "
                "another --out"
            )


def write(
    storage: Storage,
    out: str,
    *,
    inputs: Mapping[str, str],
    summary: Mapping[str, Any],
    rejects: Spool,
    lines: Spool,
    images: list[Event],
) -> str:
    """Write the rejected lines, and the report; return where that is.

    It is a JSON object: `inputs` (each manifest's address and SHA-256), the summary's members, then
    `lines` and `images`, an event a row. It tells the digest of the rejected lines and is written
    before them, so that a run that is killed leaves none that `refuse_strangers` does not know.
    """
    uri, place = uris(out)
    storage.delete(place)
    told = dict(inputs)
    if len(rejects):
        digest = hashlib.sha256()
        for line in rejects:
            digest.update(line)
        told["rejected_sha256"] = digest.hexdigest()
    head = msgspec.json.format(msgspec.json.encode({**told, **summary}), indent=2)
    with storage.create(uri) as file:
        file.write(head.rstrip().removesuffix(b"}").rstrip())
        for name, events in (("lines", iter(lines)), ("images", map(msgspec.json.encode, images))):
            file.write(f',\n  "{name}": ['.encode())
            separator = b"\n    "
            for event in events:
                file.write(separator + event)
                separator = b",\n    "
            file.write(b"\n  ]")
        file.write(b"\n}\n")
    if len(rejects):
        with storage.create(place) as file:
            file.writelines(rejects)
    return uri
