"""A storage in memory and a serial engine: the fakes that tests and small runs use."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO, TypeVar

from gt_workflow.errors import BusyError, ObjectNotFoundError, StorageError
from gt_workflow.ports import Outcome, Stat

T = TypeVar("T")
R = TypeVar("R")

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryStorage:
    """Objects in a dict; the same promises as a disk, but gone with the process."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        """Start with these objects, URI to bytes."""
        self.objects = dict(objects or {})
        self.growing: dict[str, bytearray] = {}
        self._held = set[str]()
        self._lock = threading.Lock()

    def open(self, uri: str) -> BinaryIO:
        """Open a copy for reading."""
        try:
            return io.BytesIO(self.objects[uri])
        except KeyError:
            raise ObjectNotFoundError("there is no such object", uri=uri) from None

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        """Collect the bytes and publish them at a clean exit."""
        buffer = io.BytesIO()
        yield buffer
        with self._lock:
            self.objects[uri] = buffer.getvalue()

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield matching objects, sorted by UTF-8 bytes."""
        for uri in sorted(self.objects, key=str.encode):
            if uri.startswith(prefix):
                yield self.stat(uri)

    def exists(self, uri: str) -> bool:
        """Tell whether the object is there."""
        return uri in self.objects

    def stat(self, uri: str) -> Stat:
        """Describe one object; every object is as old as the others."""
        try:
            return Stat(uri=uri, size=len(self.objects[uri]), modified=_EPOCH)
        except KeyError:
            raise ObjectNotFoundError("there is no such object", uri=uri) from None

    def delete(self, uri: str) -> None:
        """Forget the object."""
        with self._lock:
            self.objects.pop(uri, None)

    def read_all(self, uris: Iterable[str], *, limit: int) -> Iterator[Outcome[str, bytes]]:
        """Open one object after the other."""
        for uri in uris:
            try:
                with self.open(uri) as file:
                    yield Outcome(item=uri, value=file.read(limit))
            except StorageError as error:
                yield Outcome(item=uri, error=error)

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Keep others out within this process."""
        name = folder.rstrip("/")
        with self._lock:
            if name in self._held:
                raise BusyError(folder)
            self._held.add(name)
        try:
            yield
        finally:
            self._held.discard(name)

    def place(self, uri: str) -> str:
        """Return the address: an object has one."""
        return uri

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> MemoryGrowing:
        """Go on with what an earlier call left, if this storage still has it."""
        data = self.growing.pop(token, bytearray())
        del data[size if len(data) >= size else 0 :]
        return MemoryGrowing(self, uri, data)


class MemoryGrowing:
    """Bytes beside the objects; a kill cannot be outlived, but an exception is."""

    step = 1

    def __init__(self, storage: MemoryStorage, uri: str, data: bytearray) -> None:
        """Append to these bytes."""
        self._storage = storage
        self._uri = uri
        self._data = data
        self.token = f"{uri}?growing"
        storage.growing[self.token] = data

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self._data)

    kept = size

    def append(self, buffers: Sequence[bytes]) -> None:
        """Append bytes."""
        for buffer in buffers:
            self._data += buffer

    def hasten(self) -> None:
        """Nothing waits."""

    def seal(self) -> None:
        """Nothing waits."""

    def publish(self) -> None:
        """Make it an object."""
        with self._storage.create(self._uri) as file:
            file.write(self._data)
        self.discard()

    def discard(self) -> None:
        """Forget it."""
        self._storage.growing.pop(self.token, None)

    def close(self) -> None:
        """Leave it."""


class SerialEngine:
    """Applies the function here and now, one item after the other."""

    def map(
        self,
        fn: Callable[[T], R],
        items: Iterable[T],
        *,
        batch: int | None = None,  # noqa: ARG002 - the port's
    ) -> Iterator[Outcome[T, R]]:
        """Yield one outcome per item; whatever `fn` raises becomes the item's error."""
        for item in items:
            try:
                yield Outcome(item=item, value=fn(item))
            except Exception as error:  # noqa: BLE001 - the caller decides, per item
                yield Outcome(item=item, error=error)

    def close(self) -> None:
        """Nothing to release."""
