"""The frame of all benchmarks: interleaved rounds, paired ratios, rows that say met or NOT MET.

A module `scripts/bench_NAME.py` has `rows(work, rounds, *, quick=False) -> list[Row]`. Every ratio
is of two runs of the same round; a row gives the median of the ratios and their quartiles.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench_process import ROOT, Measure, PeerMissingError, RunFailedError, clock, peer, run

__all__ = [
    "ROOT", "Measure", "PeerMissingError", "Row", "RunFailedError", "against", "clock", "growth",
    "interleave", "missing", "peer", "progress", "run", "value",
]  # fmt: skip

Per = Literal["core", "wall"]
Figures = Mapping[str, Sequence[Measure]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One claim: ours, a peer's, the ratio of both with its quartiles, and the bar.

    `ratio` is ours over the peer's, or ours alone where there is no peer. `bar` is what the ratio
    has to reach, or may reach at most; None: shown for comparison only. `reason` tells why a row
    was not measured.
    """

    work: str
    unit: str
    peer: str = ""
    ours: float = 0.0
    theirs: float | None = None
    ratio: float = 0.0
    low: float = 0.0
    high: float = 0.0
    bar: float | None = None
    at_most: bool = False
    memory: float | None = None
    peer_memory: float | None = None
    rounds: int = 0
    reason: str = ""

    @property
    def verdict(self) -> str:
        """Return met, NOT MET, not measured, or nothing where there is no bar."""
        if self.reason:
            return "not measured"
        if self.bar is None:
            return ""
        met = self.ratio <= self.bar if self.at_most else self.ratio >= self.bar
        return "met" if met else "NOT MET"


def interleave(
    contenders: Mapping[str, Callable[[], Measure]], *, rounds: int, name: str
) -> dict[str, list[Measure]]:
    """Run every contender once a round, every other round in the opposite order.

    What one of them left to be written to the disk is written before the next one's turn.
    """
    figures: dict[str, list[Measure]] = {contender: [] for contender in contenders}
    for number in range(rounds):
        order = list(contenders)[:: -1 if number % 2 else 1]
        for contender in order:
            progress(f"{name}: round {number + 1} of {rounds}, {contender}")
            os.sync()
            figures[contender].append(contenders[contender]())
    return figures


def against(
    figures: Figures,
    other: str,
    *,
    work: str,
    unit: str,
    per: Per,
    ours: str = "ours",
    bar: float | None = None,
    cost: bool = False,
) -> Row:
    """Compare the rates of two contenders, per core (processor seconds) or on the clock.

    With `cost` the milliseconds that a unit takes are compared instead; the bar is then what the
    ratio may be at most.
    """

    def figure(measure: Measure) -> float:
        return 1e3 / measure.rate(per) if cost else measure.rate(per)

    mine = [figure(measure) for measure in figures[ours]]
    theirs = [figure(measure) for measure in figures[other]]
    low, middle, high = _quartiles([one / two for one, two in zip(mine, theirs, strict=True)])
    return Row(
        work=work,
        unit=f"{unit}, one core" if per == "core" else f"{unit}, all cores",
        peer=other,
        ours=statistics.median(mine),
        theirs=statistics.median(theirs),
        ratio=middle,
        low=low,
        high=high,
        bar=bar,
        at_most=cost,
        memory=max(measure.memory for measure in figures[ours]),
        peer_memory=max(measure.memory for measure in figures[other]),
        rounds=len(mine),
    )


def value(
    values: Sequence[float],
    *,
    work: str,
    unit: str,
    bar: float | None = None,
    at_most: bool = False,
    memory: float | None = None,
) -> Row:
    """Hold a figure of ours alone (MB, seconds, dB …) against its bar: the median of the rounds."""
    low, middle, high = _quartiles(list(values))
    return Row(
        work=work,
        unit=unit,
        ours=middle,
        ratio=middle,
        low=low,
        high=high,
        bar=bar,
        at_most=at_most,
        memory=memory,
        rounds=len(values),
    )


def growth(
    small: Sequence[Measure],
    large: Sequence[Measure],
    *,
    work: str,
    bar: float | None = None,
    of: Literal["memory", "core", "wall"] = "memory",
) -> Row:
    """Compare a large input with a small one: peak memory, or the cost of a unit; 1 is flat."""

    def cost(measure: Measure) -> float:
        return measure.memory if of == "memory" else 1e3 / measure.rate(of)

    mine, theirs = [cost(one) for one in large], [cost(one) for one in small]
    low, middle, high = _quartiles([one / two for one, two in zip(mine, theirs, strict=True)])
    return Row(
        work=work,
        unit="MB" if of == "memory" else "ms a unit",
        peer="the small input",
        ours=statistics.median(mine),
        theirs=statistics.median(theirs),
        ratio=middle,
        low=low,
        high=high,
        bar=bar,
        at_most=True,
        rounds=len(mine),
    )


def missing(work: str, *, peer_name: str, reason: object) -> Row:
    """Return the row of a comparison that cannot be made here, and why."""
    return Row(work=work, unit="", peer=peer_name, reason=str(reason))


def progress(text: str) -> None:
    """Say on stderr what runs now: one line, rewritten where it is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
