"""How often somebody may ask: token buckets in memory, one for each worker or address.

A bucket holds `burst` requests and fills up at `rate` a second. Whoever finds it empty is told how
long to wait (429, `Retry-After`). Nothing is kept of a restart: limits protect the service from
being kept busy, not secrets, which are too long to be guessed at any rate.
"""

from __future__ import annotations

import math
from typing import Final

from gt_workflow.ports import Clock

_MOST: Final = 10_000  # buckets; full ones are forgotten first


class Rates:
    """Buckets of one size; used by one thread."""

    def __init__(self, clock: Clock, *, rate: float, burst: int) -> None:
        """`rate` in requests a second."""
        self._clock = clock
        self._rate = rate
        self._burst = float(burst)
        self._buckets: dict[str, tuple[float, float]] = {}  # what is left, and when it was so

    def take(self, key: str) -> int:
        """Take one request out; return 0, or how many seconds to wait if there is none left."""
        left = self._left(key)
        now = self._clock.now().timestamp()
        if left < 1.0:
            return max(1, math.ceil((1.0 - left) / self._rate))
        if len(self._buckets) >= _MOST and key not in self._buckets:
            self._forget()
        self._buckets[key] = (left - 1.0, now)
        return 0

    def wait(self, key: str) -> int:
        """Return how many seconds to wait, without taking anything; 0 if there is one left."""
        left = self._left(key)
        return 0 if left >= 1.0 else max(1, math.ceil((1.0 - left) / self._rate))

    def _left(self, key: str) -> float:
        known = self._buckets.get(key)
        if known is None:
            return self._burst
        # A clock that is set back gives nothing, and takes nothing either.
        passed = max(0.0, self._clock.now().timestamp() - known[1])
        return min(self._burst, known[0] + passed * self._rate)

    def _forget(self) -> None:
        """Forget the full buckets, which say nothing; and all, if that does not make room."""
        self._buckets = {
            key: bucket for key, bucket in self._buckets.items() if self._left(key) < self._burst
        }
        if len(self._buckets) >= _MOST:
            self._buckets.clear()
