"""Calls that wait at the same time: committed as one, answered each for itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import pytest

from gt_workflow.service.portal.gathered import MOST_AT_ONCE, Gathered


class Ledger:
    """Notes what was done, and what of it was committed together."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks = breaks
        self.open: list[Any] = []
        self.commits: list[list[Any]] = []

    @contextmanager
    def together(self) -> Iterator[None]:
        self.open = []
        yield
        if self.breaks:
            raise OSError("the disk is full")
        self.commits.append(self.open)

    def note(self, value: Any) -> Any:
        self.open.append(value)
        return value


def test_what_gathers_while_the_thread_works_is_committed_as_one():
    ledger = Ledger()
    release = threading.Event()

    async def main() -> list[Any]:
        calls = Gathered(ledger.together)
        first = asyncio.create_task(calls.run(lambda: release.wait() and ledger.note(0)))
        await asyncio.sleep(0)
        others = [asyncio.create_task(calls.run(lambda n=n: ledger.note(n))) for n in range(1, 40)]
        await asyncio.sleep(0)
        release.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(main()) == list(range(40))
    assert [len(commit) for commit in ledger.commits] == [1, MOST_AT_ONCE, 39 - MOST_AT_ONCE]
    assert list(chain(*ledger.commits)) == list(range(40))


def test_a_call_that_fails_fails_alone():
    def fail() -> None:
        raise ValueError("mine")

    async def main() -> None:
        calls = Gathered(Ledger().together)
        good, bad, after = await asyncio.gather(
            calls.run(lambda: 1), calls.run(fail), calls.run(lambda: 3), return_exceptions=True
        )
        assert (good, after) == (1, 3)
        assert str(bad) == "mine"

    asyncio.run(main())


def test_nobody_is_told_that_it_holds_when_the_commit_fails():
    ledger = Ledger(breaks=True)

    async def main() -> None:
        calls = Gathered(ledger.together)
        told = await asyncio.gather(
            *(calls.run(lambda: ledger.note("x")) for _ in range(3)), return_exceptions=True
        )
        assert [str(one) for one in told] == ["the disk is full"] * 3
        ledger.breaks = False
        assert await calls.run(lambda: ledger.note("y")) == "y"

    asyncio.run(main())
    assert ledger.commits == [["y"]]


def test_a_caller_who_has_gone_does_not_hold_up_the_others():
    ledger = Ledger()
    release = threading.Event()

    async def main() -> str:
        calls = Gathered(ledger.together)
        gone = asyncio.create_task(calls.run(lambda: release.wait() and ledger.note("gone")))
        await asyncio.sleep(0)
        gone.cancel()
        stays = asyncio.create_task(calls.run(lambda: ledger.note("stays")))
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(main()) == "stays"
    assert list(chain(*ledger.commits)) == ["gone", "stays"]
