"""What was asked a moment ago need not be asked again: whose token it is, how far a job is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from gt_workflow.ports import Clock

_MOMENT: Final = timedelta(milliseconds=500)
_MOST: Final = 1000  # workers, or jobs

T = TypeVar("T")


class Recent(Generic[T]):
    """Answers to one question, each good for half a second; used by one thread."""

    def __init__(self, clock: Clock) -> None:
        """Start with no answers."""
        self._clock = clock
        self._answers: dict[str, tuple[datetime, T]] = {}

    def get(self, key: str, ask: Callable[[str], T]) -> T:
        """Return the answer of a moment ago, or ask anew."""
        now = self._clock.now()
        known = self._answers.get(key)
        if known is not None and timedelta(0) <= now - known[0] < _MOMENT:
            return known[1]
        if len(self._answers) >= _MOST:
            self._answers.clear()
        answer = ask(key)
        if answer:  # a made-up token leaves nothing behind
            self._answers[key] = (now, answer)
        return answer

    def forget(self, key: str) -> None:
        """Ask anew next time: the answer has just changed."""
        self._answers.pop(key, None)
