"""An engine that works in this process first, and asks for others only if there is much to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

from gt_workflow.ports import Engine, Outcome

T = TypeVar("T")
R = TypeVar("R")


class GradualEngine:
    """Works here as long as starting processes would take longer than the work, then in them."""

    def __init__(self, processes: Callable[[], Engine] | None, *, alone: int) -> None:
        """Do the first `alone` items here, or all of them if there are no processes to ask for."""
        self._processes = processes
        self._alone = alone

    def map(
        self, fn: Callable[[T], R], items: Iterable[T], *, batch: int | None = None
    ) -> Iterator[Outcome[T, R]]:
        """Yield one outcome per item, in order."""
        source = iter(items)
        for item in source if self._processes is None else islice(source, self._alone):
            yield outcome_of(fn, item)
        if self._processes is not None and (more := next(source, None)) is not None:
            yield from self._processes().map(fn, chain((more,), source), batch=batch)

    def close(self) -> None:
        """Leave the processes to whom they are asked of."""


def outcome_of(fn: Callable[[T], R], item: T) -> Outcome[T, R]:
    """Work on an item in this process."""
    try:
        return Outcome(item=item, value=fn(item))
    except Exception as error:  # noqa: BLE001 - the caller decides, per item
        return Outcome(item=item, error=error)
