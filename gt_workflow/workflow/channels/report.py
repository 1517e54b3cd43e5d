"""What was left out of the channels and why, line by line, in memory that does not grow."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import msgspec

from gt_workflow.ports import Storage


class Event(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    """What a reader of the report is told about one line; `boxes` are places in the label."""

    line: int | None
    what: str
    source_ref: str | None = None
    why: str | None = None
    boxes: list[int] | None = None


class Spool:
    """Byte strings in a temporary file, read back by their place."""

    def __init__(self, stack: ExitStack) -> None:
        """Begin empty; the file is gone when the stack closes."""
        self._file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        self._starts = array("Q")
        self._end = 0

    def __len__(self) -> int:
        return len(self._starts)

    def append(self, data: bytes) -> None:
        """Put one string behind the others; all come before the first is read."""
        self._starts.append(self._end)
        self._file.write(data)
        self._end += len(data)

    def __getitem__(self, index: int) -> bytes:
        end = self._starts[index + 1] if index + 1 < len(self._starts) else self._end
        self._file.seek(self._starts[index])
        return self._file.read(end - self._starts[index])

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(len(self._starts)))


def write_report(
    storage: Storage,
    uri: str,
    summary: Mapping[str, Any],
    *,
    lines: Spool,
    images: list[Event],
) -> None:
    """Write a JSON object: the summary's members, then `lines` and `images`, an event a row."""
    head = msgspec.json.format(msgspec.json.encode(summary), indent=2)
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
