"""An engine of worker processes: every item gets one outcome, even if its process dies.

Items travel in small batches, a bounded number of them at a time; each item, value and error is
pickled on its own, so that one that cannot be sent spoils no other. When a process dies, what
was in flight is tried again, item by item in a process of its own: only the item that kills it
fails. `fn` may therefore run twice for an item and must bear that.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import connection, resource_tracker
from typing import Any, Generic, TypeVar

from gt_workflow.adapters import process
from gt_workflow.adapters.gradual import outcome_of
from gt_workflow.errors import GtWorkflowError
from gt_workflow.ports import Outcome

T = TypeVar("T")
R = TypeVar("R")

_Sent = list[tuple[bool, bytes]]  # per item: whether it is a value, and the value or error pickled


class WorkerDiedError(GtWorkflowError):
    """The process that worked on an item ended: killed, out of memory, or crashed by the item."""


class ProcessEngine:
    """Applies functions in worker processes; `fn`, items and values must be picklable."""

    def __init__(
        self,
        processes: int,
        *,
        batch: int = 8,
        ahead: int = 2,
        deaths: int = 20,
        along: bool = False,
    ) -> None:
        """Use so many processes; up to `ahead` batches of `batch` items each wait per process.

        After more than `deaths` processes in a row that died on their item, `map` gives up. With
        `along` this process works, too, where it would wait: for work that none can die of.
        """
        self._processes = processes
        self._batch = batch
        self._window = processes * ahead
        self._pool: ProcessPoolExecutor | None = None
        self._deaths = 0
        self._max_deaths = deaths
        self._along = along

    def map(
        self, fn: Callable[[T], R], items: Iterable[T], *, batch: int | None = None
    ) -> Iterator[Outcome[T, R]]:
        """Yield one outcome per item, in order; see `ports.Engine`."""
        code = pickle.dumps(fn)
        source = iter(items)
        window: deque[_Batch[T] | list[Outcome[T, R]]] = deque()
        taking = _Taking(source, batch or self._batch)
        under_way = 0  # batches in the window that were sent
        try:
            while True:
                while under_way < self._window and (taken := taking.next()):
                    window.append(self._send(code, taken))
                    under_way += 1
                if not window:
                    break
                head = window[0]
                if (
                    self._along
                    and isinstance(head, _Batch)
                    and not head.future.done()
                    and len(window) < 2 * self._window
                    and (taken := taking.next())
                ):
                    window.append([outcome_of(fn, item) for item in taken])
                    continue
                window.popleft()
                if isinstance(head, _Batch):
                    under_way -= 1
                    yield from self._outcomes(code, head)
                else:
                    yield from head
        finally:
            for waiting in window:
                if isinstance(waiting, _Batch):
                    waiting.future.cancel()
        if taking.error is not None:
            raise taking.error

    def close(self) -> None:
        """Cancel what has not begun, wait for what has, release the processes; idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _send(self, code: bytes, items: list[T]) -> _Batch[T]:
        sent: list[bytes | Exception] = [_pickled(item) for item in items]
        payload = [piece for piece in sent if isinstance(piece, bytes)]
        with _interrupts_held():
            try:
                future = self._started().submit(_apply, code, payload)
            except BrokenProcessPool:
                self.close()
                future = self._started().submit(_apply, code, payload)
        return _Batch(items, sent, future, self._started())

    def _outcomes(self, code: bytes, batch: _Batch[T]) -> Iterator[Outcome[T, Any]]:
        try:
            results = iter(batch.future.result())
            self._deaths = 0
        except BrokenProcessPool:
            if self._pool is batch.pool:
                self.close()
            results = (self._alone(code, piece) for piece in batch.sent if isinstance(piece, bytes))
        for item, piece in zip(batch.items, batch.sent, strict=True):
            if isinstance(piece, Exception):
                yield Outcome(item=item, error=piece)
                continue
            is_value, data = next(results)
            try:
                result = pickle.loads(data)  # noqa: S301 - our own process wrote it
            except Exception as error:  # noqa: BLE001 - whatever unpickling runs, it is this item's
                yield Outcome(item=item, error=error)
                continue
            if is_value:
                yield Outcome(item=item, value=result)
            else:
                yield Outcome(item=item, error=_rebuilt(*result))

    def _alone(self, code: bytes, item: bytes) -> tuple[bool, bytes]:
        """Work on one item in a process that nothing else can break."""
        with _interrupts_held():
            pool = _new_pool(1)
            future = pool.submit(_apply, code, [item])
        try:
            (result,) = future.result()
        except BrokenProcessPool:
            self._deaths += 1
            if self._deaths > self._max_deaths:
                raise WorkerDiedError(
                    f"{self._deaths} worker processes in a row died; the fault is not an item's"
                ) from None
            return False, _described(WorkerDiedError("the worker process died on this item"))
        finally:
            pool.shutdown(cancel_futures=True)
        self._deaths = 0
        return result

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = _new_pool(self._processes)
        return self._pool


class _Taking(Generic[T]):
    """Takes batches from a source; what it raises is kept until what came before is done."""

    def __init__(self, source: Iterator[T], size: int) -> None:
        self._source: Iterator[T] | None = source
        self._size = size
        self.error: Exception | None = None

    def next(self) -> list[T]:
        """Return the next batch; an empty one at the end."""
        taken: list[T] = []
        if self._source is not None:
            try:
                taken.extend(islice(self._source, self._size))
            except Exception as error:  # noqa: BLE001 - raised by the caller, in its turn
                self.error = error
            if self.error is not None or not taken:
                self._source = None
        return taken


@dataclass(frozen=True, slots=True)
class _Batch(Generic[T]):
    items: list[T]
    sent: list[bytes | Exception]  # the pickled item, or why it cannot be pickled
    future: Future[_Sent]
    pool: ProcessPoolExecutor


def _new_pool(processes: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the parent may hold threads, locks and connections.
    return ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
    )


def _begin() -> None:
    """Leave Ctrl-C to the parent, which cancels, and end with the parent however it ends.

    A worker whose parent was killed would wait for ever for its next item, and whoever reads the
    parent's output through a pipe with it: its siblings hold the other end of the queue open.
    """
    process.begin()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, name="gt-parent", daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent's end, and end this process at once, whatever its item is at."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Block SIGINT, for this thread and the processes it starts, until they ignore it."""
    # Its tracker of resources unblocks SIGINT when it is started, which must not happen inside.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _apply(code: bytes, items: list[bytes]) -> _Sent:
    """Work on a batch, in the worker process."""
    fn = _loaded(code)
    results: _Sent = []
    for item in items:
        try:
            value = fn(pickle.loads(item))  # noqa: S301 - the parent wrote it
            results.append((True, pickle.dumps(value)))
        except Exception as error:  # noqa: BLE001 - it becomes the item's outcome
            results.append((False, _described(error)))
    return results


@lru_cache(maxsize=1)
def _loaded(code: bytes) -> Any:
    """Return the function that a run applies; its connections, say, last for all its batches."""
    return pickle.loads(code)  # noqa: S301 - the parent wrote it


def _pickled(item: object) -> bytes | Exception:
    try:
        return pickle.dumps(item)
    except Exception as error:  # noqa: BLE001 - pickling runs the item's own code
        return error


def _described(error: Exception) -> bytes:
    """Pickle an error by its parts: many exceptions cannot be called with their own `args`."""
    if not isinstance(error, GtWorkflowError):
        error.add_note("".join(traceback.format_exception(error)).rstrip())
    with suppress(Exception):
        # What an OSError is made of besides its `args`, such as a file name, only this tells.
        made_of = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)[1]
        data = pickle.dumps((type(error), made_of, error.args, error.__dict__))
        pickle.loads(data)  # noqa: S301 - just written
        return data
    notes = {"__notes__": getattr(error, "__notes__", [])}
    args = (f"{type(error).__name__}: {error}",)
    return pickle.dumps((GtWorkflowError, args, args, notes))


def _rebuilt(
    kind: type[Exception],
    made_of: tuple[Any, ...],
    args: tuple[Any, ...],
    state: dict[str, Any],
) -> Exception:
    error = kind.__new__(kind, *made_of)
    error.args = args
    error.__dict__.update(state)
    return error
