"""The clock on the wall, and one that a test sets."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is told to move; sleeping moves it at once."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Start at an aware instant."""
        self._now = start

    def now(self) -> datetime:
        """Return the instant it was set to."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on by so many seconds without waiting."""
        self._now += timedelta(seconds=seconds)
