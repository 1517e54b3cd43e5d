"""Compare what a labeling job wrote with what it was given, line by line; merge several jobs.

A job may end as Completed with lines that failed, or stopped with lines that it never reached.
`survey` counts them and says which; `merge` joins a job's output with those of the jobs that did
the rest into one manifest in the order of the input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gt_workflow.core.described import DescribedJob
from gt_workflow.core.matching import Look, look
from gt_workflow.errors import UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.repair.alignment import (
    CODES,
    LABELLED,
    MISSING,
    Alignment,
    align,
    lines,
    put_once,
)

_MAX_REASONS: Final = 100
_MAX_REASON: Final = 300  # characters
_OTHERS: Final = "other reasons"


@dataclass(frozen=True, slots=True)
class Line:
    """One line worth a look; `line` is its number in the manifest it stands in, from 1.

    That is the input for `missing`, the output for all others.
    """

    kind: str
    line: int
    source_ref: str
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        told = {"kind": self.kind, "line": self.line, "source-ref": self.source_ref}
        return told | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True, slots=True)
class Survey:
    """What became of each line of a job's input; `output` is None if there is no such manifest.

    `total` input lines are `labelled`, `failed`, `untouched` or `missing` from the output. Of the
    output's lines, `duplicated` and `foreign` belong to none of them, `changed` differ in members
    that should have passed through, `moved` stand behind a line that they should precede.
    `listed` names the first of each kind.
    """

    job: str
    status: str
    input: str
    output: str | None
    total: int
    labelled: int
    failed: int
    untouched: int
    missing: int
    duplicated: int
    foreign: int
    changed: int
    moved: int
    reasons: tuple[tuple[str, int], ...]
    listed: tuple[Line, ...]

    @property
    def complete(self) -> bool:
        """Whether every input line has its label, and the output nothing else."""
        others = self.duplicated + self.foreign + self.changed
        return self.output is not None and self.labelled == self.total and not others

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        return {
            "job": self.job,
            "status": self.status,
            "complete": self.complete,
            "input": self.input,
            "output": self.output,
            "counts": {
                name: getattr(self, name)
                for name in (
                    "total",
                    "labelled",
                    "failed",
                    "untouched",
                    "missing",
                    "duplicated",
                    "foreign",
                    "changed",
                    "moved",
                )
            },
            "reasons": [{"reason": text, "lines": count} for text, count in self.reasons],
            "lines": [line.to_dict() for line in self.listed],
        }


def survey(
    job: DescribedJob, *, storage: Storage, output: str | None = None, most: int = 100
) -> tuple[Survey, Alignment]:
    """Compare a job's output manifest with its input; list up to `most` lines of each kind.

    `output` is read instead of the job's own manifest, e.g. what `recover` wrote. A job without
    output has every line missing. Raises `DataError` for a line that is no JSON object.
    """
    aligned = align([job.input_uri], attribute=job.attribute, storage=storage)
    uri = output or job.output_uri
    if output is None and not storage.exists(uri):
        none: Counter[str] = Counter()
        return _survey(job, None, aligned, reasons=none, listed=(), odd=(0, 0, 0, 0)), aligned
    found = aligned.take(uri, start=0, storage=storage)
    kinds: dict[int, str] = dict(found.fates) | dict.fromkeys(found.changed, "changed")
    listed = _Listed(most)
    reasons: Counter[str] = Counter()
    for place, (number, raw) in enumerate(lines(uri, storage=storage)):
        kind = kinds.get(place, "")
        if not kind and aligned.states[found.place[place]] == LABELLED:
            continue
        one = look(raw, attribute=job.attribute, uri=uri, line=number)
        if kind:
            listed.add(Line(kind, number, one.source_ref))
        if place not in found.fates and one.state != "labelled":
            if one.state == "failed":
                reasons[_reason(reasons, one)] += 1
            listed.add(Line(one.state, number, one.source_ref, one.reason[:_MAX_REASON]))
    if MISSING in aligned.states:
        for i, (number, raw) in enumerate(lines(job.input_uri, storage=storage)):
            if aligned.states[i] == MISSING:
                one = look(raw, attribute=job.attribute, uri=job.input_uri, line=number)
                listed.add(Line("missing", number, one.source_ref))
    fates = Counter(found.fates.values())
    odd = (fates["duplicated"], fates["foreign"], len(found.changed), found.moved)
    told = _survey(job, uri, aligned, reasons=reasons, listed=listed.lines, odd=odd)
    return told, aligned


@dataclass(frozen=True, slots=True)
class Merged:
    """One manifest made of several jobs' outputs; `written` is False if it was there already."""

    out: str
    written: bool
    jobs: tuple[str, ...]
    total: int
    labelled: int
    failed: int
    untouched: int
    missing: int

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        names = ("total", "labelled", "failed", "untouched", "missing")
        return {
            "out": self.out,
            "written": self.written,
            "jobs": list(self.jobs),
            "counts": {name: getattr(self, name) for name in names},
        }


def merge(
    parts: Sequence[DescribedJob],
    later: Sequence[DescribedJob],
    *,
    out: str,
    storage: Storage,
    outputs: Callable[[DescribedJob], str] = lambda job: job.output_uri,
) -> Merged:
    """Write one manifest: the lines of all parts' inputs in order, each as its best output has it.

    `parts` are the jobs of one launch, in order; `later` are jobs that were sent lines of these
    again, in any number and order. A label is never replaced by another. Lines that no output has
    stand as in the input. `outputs` says where a job's output manifest is. Raises `DataError`,
    and `UsageError` where something else is at `out`.
    """
    attributes = {job.attribute for job in (*parts, *later)}
    if len(attributes) != 1:
        raise UsageError(
            f"jobs with different label attributes ({', '.join(sorted(attributes))}) are not "
            "merged; fold an adjustment job instead"
        )
    aligned = align([job.input_uri for job in parts], attribute=attributes.pop(), storage=storage)
    start = 0
    for job in parts:
        length = sum(1 for _ in lines(job.input_uri, storage=storage)) if len(parts) > 1 else 0
        if storage.exists(outputs(job)):
            aligned.take(outputs(job), start=start, storage=storage)
        start += length
    for job in later:
        if storage.exists(outputs(job)):
            found = aligned.take(outputs(job), start=len(aligned), storage=storage)
            if "foreign" in found.fates.values():
                raise UsageError(
                    f"labeling job {job.name} has lines that are not in the input of "
                    f"{', '.join(part.name for part in parts)}; leave it out"
                )
    written = put_once(out, lambda: aligned.merged(storage=storage), storage=storage)
    return Merged(
        out=out,
        written=written,
        jobs=tuple(job.name for job in (*parts, *later)),
        total=len(aligned),
        missing=aligned.states.count(MISSING),
        **{state: aligned.states.count(code) for state, code in CODES.items()},
    )


class _Listed:
    """The first lines of each kind."""

    def __init__(self, most: int) -> None:
        self.lines: list[Line] = []
        self._most = most
        self._counts: Counter[str] = Counter()

    def add(self, line: Line) -> None:
        if self._counts[line.kind] < self._most:
            self._counts[line.kind] += 1
            self.lines.append(line)


def _reason(known: Counter[str], one: Look) -> str:
    """Group failures by their text; a job that writes another for each line is cut short."""
    text = one.reason[:_MAX_REASON]
    return text if text in known or len(known) < _MAX_REASONS else _OTHERS


def _survey(
    job: DescribedJob,
    output: str | None,
    aligned: Alignment,
    *,
    reasons: Counter[str],
    listed: Sequence[Line],
    odd: tuple[int, int, int, int],
) -> Survey:
    duplicated, foreign, changed, moved = odd
    return Survey(
        job=job.name,
        status=job.status,
        input=job.input_uri,
        output=output,
        total=len(aligned),
        missing=aligned.states.count(MISSING),
        **{state: aligned.states.count(code) for state, code in CODES.items()},
        duplicated=duplicated,
        foreign=foreign,
        changed=changed,
        moved=moved,
        reasons=tuple(reasons.most_common()),
        listed=tuple(listed),
    )
