"""Small pictures of a job's images: made once, a few at a time, and kept in memory for a while.

A contact sheet of photographs as cameras take them would be hundreds of megabytes. What a picture
was made of is known by size and date, so that an image that was replaced is shown as it is now.
Decoding has two threads of its own: workers' calls never wait for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Final, TypeAlias
from weakref import WeakValueDictionary

from starlette.exceptions import HTTPException

from gt_workflow.core.objects import MAX_IMAGE_BYTES
from gt_workflow.errors import DataError, ObjectNotFoundError, UsageError
from gt_workflow.ports import Stat, Storage
from gt_workflow.service.faults import not_found

MOST_BYTES: Final = 32_000_000  # of all pictures; a thousand and more
_AT_ONCE: Final = 2

Make: TypeAlias = Callable[[BinaryIO], bytes]


class Thumbnails:
    """Pictures of images in storage; for the tasks of one event loop."""

    def __init__(self, *, storage: Storage, make: Make, most_bytes: int = MOST_BYTES) -> None:
        """`make` turns an image into a small JPEG; `DataError` for what it cannot read."""
        self._storage = storage
        self._make = make
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Stat, bytes] = OrderedDict()
        self._bytes = 0
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="thumbnails")

    async def get(self, uri: str) -> bytes:
        """Return the picture of an image; 404 if it is gone, 415 if it cannot be shown."""
        lock = self._making.setdefault(uri, asyncio.Lock())
        async with lock:  # who asks for the same waits for the one that is made
            return await self._get(uri)

    async def _get(self, uri: str) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            seen = await loop.run_in_executor(self._threads, self._storage.stat, uri)
            if seen in self._kept:
                self._kept.move_to_end(seen)
                return self._kept[seen]
            if seen.size > MAX_IMAGE_BYTES:
                raise HTTPException(415, "The image is larger than a labeling job takes.")
            made = await loop.run_in_executor(self._threads, self._made, uri)
        except (ObjectNotFoundError, UsageError):
            raise not_found("The image is not there any more.") from None
        except DataError:
            raise HTTPException(415, "The object is no image that can be shown.") from None
        self._keep(seen, made)
        return made

    def _made(self, uri: str) -> bytes:
        with self._storage.open(uri) as file:
            return self._make(file)

    def _keep(self, seen: Stat, made: bytes) -> None:
        self._kept[seen] = made
        self._bytes += len(made)
        while self._bytes > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)
