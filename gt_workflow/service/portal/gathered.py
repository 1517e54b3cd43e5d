"""Calls that wait at the same time are carried out one after another and committed as one.

The database takes one writer at a time, so more threads would only wait for each other and for
Python's own lock; and a commit waits for the disk however much it commits. So there is one
thread, and while it works the next calls gather.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

MOST_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    work: Callable[[], Any]
    answer: asyncio.Future[Any]


class Gathered:
    """Runs work in one thread, for callers on one event loop."""

    def __init__(self, together: Callable[[], AbstractContextManager[None]]) -> None:
        """`together` makes what happens inside hold at its clean exit, or not at all."""
        self._together = together
        self._one = CapacityLimiter(1)
        self._waiting: list[_Waiting] = []
        self._round: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[], Any]) -> Any:
        """Return what `work` returns, once it holds; or raise what it raised."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, answer))
        if self._round is None:
            self._round = asyncio.create_task(self._work_off())
        return await answer

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:MOST_AT_ONCE]
                del self._waiting[:MOST_AT_ONCE]
                outcomes = await run_sync(self._carry_out, batch, limiter=self._one)
                for one, outcome in zip(batch, outcomes, strict=True):
                    _settle(one.answer, outcome)
        finally:
            self._round = None

    def _carry_out(self, batch: list[_Waiting]) -> list[_Outcome]:
        try:
            with self._together():
                return [_outcome(one.work) for one in batch]
        except Exception as error:  # noqa: BLE001 - each caller is told; nothing of it holds
            return [_Outcome(error=error)] * len(batch)


def _outcome(work: Callable[[], Any]) -> _Outcome:
    try:
        return _Outcome(work())
    except Exception as error:  # noqa: BLE001 - raised again where the call was made
        return _Outcome(error=error)


def _settle(answer: asyncio.Future[Any], outcome: _Outcome) -> None:
    if answer.done():  # the caller has gone
        return
    if outcome.error is not None:
        answer.set_exception(outcome.error)
    else:
        answer.set_result(outcome.value)
