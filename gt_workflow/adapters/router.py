"""Plain paths and `s3://` addresses behind one `Storage`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, groupby
from typing import BinaryIO

from gt_workflow.object_store import RefusedError
from gt_workflow.ports import Growing, Outcome, Stat, Storage

_OPENING = threading.Lock()


class Router:
    """Sends `s3://` addresses to one storage and plain paths to another.

    It can be sent to another process if they can.
    """

    def __init__(self, *, s3: Storage | Callable[[], Storage], local: Storage) -> None:
        """Take the two; the one for `s3://` may be opened when it is first asked."""
        self._s3 = s3
        self._local = local

    def _of(self, uri: str) -> Storage:
        scheme = _scheme(uri)
        if not scheme:
            return self._local
        if scheme != "s3":
            raise RefusedError("InvalidURI", "is neither an s3:// address nor a path", uri=uri)
        if callable(self._s3):
            with _OPENING:
                if callable(self._s3):  # no other thread was faster
                    self._s3 = self._s3()
        return self._s3

    def open(self, uri: str) -> BinaryIO:
        """Open an object for reading."""
        return self._of(uri).open(uri)

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        """Write an object."""
        with self._of(uri).create(uri) as file:
            yield file

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield matching objects."""
        return self._of(prefix).list(prefix)

    def exists(self, uri: str) -> bool:
        """Tell whether the object is there."""
        return self._of(uri).exists(uri)

    def stat(self, uri: str) -> Stat:
        """Describe one object."""
        return self._of(uri).stat(uri)

    def delete(self, uri: str) -> None:
        """Delete one object."""
        self._of(uri).delete(uri)

    def read_all(self, uris: Iterable[str], *, limit: int) -> Iterator[Outcome[str, bytes]]:
        """Read runs of addresses of one kind together."""
        for _, run in groupby(uris, _scheme):
            first = next(run)
            try:
                storage = self._of(first)
            except RefusedError as error:
                for uri in (first, *run):
                    yield Outcome(item=uri, error=RefusedError(error.code, error.reason, uri=uri))
                continue
            yield from storage.read_all(chain((first,), run), limit=limit)

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Keep other runs out of a folder."""
        with self._of(folder).exclusive(folder):
            yield

    def place(self, uri: str) -> str:
        """Tell where an object lies."""
        return self._of(uri).place(uri)

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> Growing:
        """Begin an object, or go on with it."""
        return self._of(uri).grow(uri, token=token, size=size)


def _scheme(uri: str) -> str:
    scheme, colon, _ = uri.partition("://")
    return scheme if colon else ""
