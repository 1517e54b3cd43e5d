"""The life of a labeling job as a table: which status may follow which.

    Initializing ──► InProgress ──► Completed
         │  │            │  │ └───► Failed
         │  │            │  └─────► Stopping ──► Stopped
         │  └────────────┼────────► Stopping ──► Failed
         └───────────────┴────────► Failed

Completed, Failed and Stopped are terminal: nothing follows them, ever.
"""

from __future__ import annotations

from typing import Final

INITIALIZING: Final = "Initializing"
IN_PROGRESS: Final = "InProgress"
COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
STOPPING: Final = "Stopping"
STOPPED: Final = "Stopped"

FOLLOWERS: Final[dict[str, frozenset[str]]] = {
    INITIALIZING: frozenset({IN_PROGRESS, FAILED, STOPPING}),
    IN_PROGRESS: frozenset({COMPLETED, FAILED, STOPPING}),
    STOPPING: frozenset({STOPPED, FAILED}),
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    STOPPED: frozenset(),
}
TERMINAL: Final = frozenset(status for status, next_ones in FOLLOWERS.items() if not next_ones)
ALIVE: Final = frozenset(FOLLOWERS) - TERMINAL


class IllegalTransitionError(Exception):
    """A status was asked to follow one that it may not: a mistake in this package."""


def check(old: str, new: str) -> None:
    """Refuse a step that the table does not have."""
    if new not in FOLLOWERS[old]:
        raise IllegalTransitionError(f"a job cannot go from {old} to {new}")
