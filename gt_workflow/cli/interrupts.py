"""Ctrl-C and SIGTERM: the first ends a command in good order, a later one at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from gt_workflow.errors import InterruptedByUserError

_PATIENCE: Final = 0.5  # seconds in which another one is the same: wrappers send on what all got
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def _interrupt() -> None:
    raise KeyboardInterrupt


class Interrupts:
    """A handler of signals.

    What is under way may be cut off anywhere and be gone on with, so that nothing is lost by it.
    """

    def __init__(
        self,
        first: Callable[[], None] = _interrupt,
        *,
        now: Callable[[], float] = time.monotonic,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        """At the first signal call `first`, at one that comes later print why and `end`."""
        self._first = first
        self._now = now
        self._end = end
        self._since: float | None = None

    def __call__(self, *_: object) -> None:
        """Handle a signal."""
        if self._since is None:
            self._since = self._now()
            self._first()
        elif self._now() - self._since >= _PATIENCE:
            error = InterruptedByUserError()
            os.write(2, f"error: {error}\n".encode())  # what prints may be what was interrupted
            self._end(error.exit_status)

    def listen(self) -> None:
        """Take the signals, but for one that whoever started us had us ignore."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)


@contextmanager
def handled() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first signal, end at a later one."""
    before = [signal.getsignal(number) for number in _SIGNALS]
    Interrupts().listen()
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)
