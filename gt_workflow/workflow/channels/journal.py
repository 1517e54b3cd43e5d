"""How far a run has come, so that the next one goes on behind it: notes beside the form's files.

A note holds what became of the samples since the note before, and by which tokens the records that
stand are found again. Notes are numbered without a gap; they bear the digest of what decides about
the bytes, so that another run's are never taken for ours. Images are not looked at again: what was
packed before an interruption stays as it was then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from gt_workflow.errors import ObjectNotFoundError
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels.shards import Done

Places = dict[str, tuple[str, int]]
"""By path under OUT: the token of what grows there, and how many of its bytes are noted."""


class _Note(msgspec.Struct, array_like=True):
    digest: str
    places: Places
    done: list[Done]


_decode = msgspec.msgpack.Decoder(_Note).decode


class Journal:
    """The notes of one run's pending forms."""

    def __init__(self, storage: Storage, folder: str, digest: str) -> None:
        """Keep them in a folder, which is the run's own."""
        self._storage = storage
        self._folder = folder
        self._digest = digest
        self._count = 0

    def places(self) -> Places:
        """Return where an earlier run of the same digest stood; nothing if there is none."""
        self._count = len(self._numbers())
        if not self._count:
            return {}
        note = self._read(self._count - 1)
        return note.places if note is not None and note.digest == self._digest else {}

    def replay(self) -> Iterator[Done]:
        """Yield what became of each sample, in the channels' order, up to the last note."""
        for number in range(self._count):
            note = self._read(number)
            if note is not None:
                yield from note.done

    def write(self, done: list[Done], places: Mapping[str, tuple[str, int]]) -> None:
        """Add a note."""
        note = _Note(self._digest, dict(places), done)
        with self._storage.create(self._uri(self._count)) as file:
            file.write(msgspec.msgpack.encode(note))
        self._count += 1

    def clear(self, out: str) -> None:
        """Throw all notes away, and what is growing by the last of them."""
        names = sorted(self._storage_names())
        if names:
            note = self._read_uri(names[-1])
            for path, (token, _) in (note.places if note is not None else {}).items():
                self._storage.grow(f"{out}/{path}", token=token).discard()
        for name in reversed(names):
            self._storage.delete(name)
        self._count = 0

    def _uri(self, number: int) -> str:
        return f"{self._folder}/{number:08}.msgpack"

    def _storage_names(self) -> list[str]:
        try:
            return [found.uri for found in self._storage.list(f"{self._folder}/")]
        except ObjectNotFoundError:
            return []

    def _numbers(self) -> list[str]:
        """Return the notes' names if they are numbered without a gap."""
        names = sorted(self._storage_names())
        return names if names == [self._uri(number) for number in range(len(names))] else []

    def _read(self, number: int) -> _Note | None:
        return self._read_uri(self._uri(number))

    def _read_uri(self, uri: str) -> _Note | None:
        try:
            with self._storage.open(uri) as file:
                return _decode(file.read())
        except (ObjectNotFoundError, msgspec.MsgspecError):
            return None
