"""`scripts/bench help`: what the command line costs before it does anything.

The whole process is timed, of `python -m gt_workflow --help` and of `python -c pass`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench_frame import Row, against, interleave, run

STARTS = 4  # a start is short; each round takes several of each


def rows(_work: Path, rounds: int, *, quick: bool = False) -> list[Row]:
    """Compare the start with bare Python's, on the clock and in processor seconds."""
    figures = interleave(
        {
            "ours": lambda: run([sys.executable, "-m", "gt_workflow", "--help"]),
            "bare Python": lambda: run([sys.executable, "-c", "pass"]),
        },
        rounds=1 if quick else STARTS * rounds,
        name="help",
    )
    work = "`python -m gt_workflow --help`, start to end"
    bar: dict[str, Any] = {"unit": "ms", "bar": 10, "cost": True}
    return [
        against(figures, "bare Python", work=work, per="core", **bar),
        against(figures, "bare Python", work=work, per="wall", **bar),
    ]
