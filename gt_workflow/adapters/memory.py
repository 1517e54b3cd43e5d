"""A storage in memory and a serial engine: the fakes that tests and small runs use."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO, TypeVar

from gt_workflow.errors import ObjectNotFoundError
from gt_workflow.ports import Outcome, Stat

T = TypeVar("T")
R = TypeVar("R")

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryStorage:
    """Objects in a dict; the same promises as a disk, but gone with the process."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        """Start with these objects, URI to bytes."""
        self.objects = dict(objects or {})
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


class SerialEngine:
    """Applies the function here and now, one item after the other."""

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Yield one outcome per item; whatever `fn` raises becomes the item's error."""
        for item in items:
            try:
                yield Outcome(item=item, value=fn(item))
            except Exception as error:  # noqa: BLE001 - the caller decides, per item
                yield Outcome(item=item, error=error)

    def close(self) -> None:
        """Nothing to release."""
