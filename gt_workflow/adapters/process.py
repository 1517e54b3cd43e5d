"""How a process of ours begins: the command's own, and those that work for it."""

from __future__ import annotations

import gc
import os

_OFTEN = 10_000  # new objects before the collector looks at them; 700 by default


def begin() -> None:
    """Save what neither a command nor its workers need; to be called before NumPy is imported."""
    # Nearly all that a command makes lives until it ends: to look for garbage while it imports its
    # modules, and among them once more at the end, takes a twentieth of a short one's time.
    gc.set_threshold(_OFTEN)
    # Nothing here is linear algebra, yet NumPy's library for it starts a thread for every core in
    # every process, each of which turns in circles for 40 ms before it goes to sleep.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
