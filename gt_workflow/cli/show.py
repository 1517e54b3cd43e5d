"""How the command line speaks: data on stdout, narration, progress and errors on stderr."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TextIO

from gt_workflow.config import Settings, StoreSection
from gt_workflow.errors import DataError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from gt_workflow.wiring import Local
    from gt_workflow.workflow.convert import ConvertReceipt, MissingImageError
    from gt_workflow.workflow.follow import Snapshot


# Control characters, and those that turn the direction of writing: names of files and labels must
# not steer the terminal that shows them.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return a text that a terminal shows and does not obey; bytes that are no UTF-8 escaped."""
    shown = _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return shown.encode(errors="backslashreplace").decode()


def data(value: Any) -> None:
    """Print one JSON object on stdout; what a script reads."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    # What is no UTF-8 in a file's name becomes an escape that JSON knows.
    print(text.encode(errors="backslashreplace").decode())  # noqa: T201 - this is the printer


def hyphened(value: Any) -> Any:
    """Write the keys of what is printed as `gt.toml` writes them; names of classes are no keys."""
    if isinstance(value, dict):
        return {
            key.replace("_", "-"): dict(part) if key == "boxes_by_class" else hyphened(part)
            for key, part in value.items()
        }
    return [hyphened(part) for part in value] if isinstance(value, list) else value


def receipt(made: ConvertReceipt) -> dict[str, Any]:
    """Return what a conversion did, for JSON; `report` is null if nothing had to be done."""
    found: dict[str, Any] = hyphened({"report": None} | made.to_dict())
    return found


def count(number: int, noun: str) -> str:
    """Write a number and what is counted: 1 photograph, 2 photographs."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def line(text: str = "") -> None:
    """Print one line of the answer on stdout."""
    print(plain(text))  # noqa: T201 - this is the printer


def note(text: str) -> None:
    """Say something about the work on stderr."""
    print(plain(text), file=sys.stderr, flush=True)  # noqa: T201 - this is the printer


def command(settings: Settings, *words: str) -> str:
    """Return a command to copy, `serve` if no other is named, that finds the same jobs."""
    root = settings.store.root
    place: tuple[str, ...] = () if root == StoreSection().root else ("--root", root)
    if settings.backend == "aws":
        given = {"--profile": settings.aws.profile, "--region": settings.store.region}
        flags = [word for flag, value in given.items() if value for word in (flag, value)]
        place = ("--backend", "aws", *flags)
    return shlex.join(("python", "-m", "gt_workflow", *(words or ("serve",)), *place))


_KNOWN = 1.0  # seconds after which a rate tells something


class Narrator:
    """Progress of long work: a bar per stage on a terminal, else a line every few seconds.

    Use as a context manager; call it as a `ports.Progress`.
    """

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        every: float = 5.0,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Speak to `stream` (stderr); without a terminal at most one line per `every` seconds."""
        self._stream = stream or sys.stderr
        self._every = every
        self._seconds = seconds
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._spoken: dict[str, tuple[str, float]] = {}
        self._begun: dict[str, tuple[int, float, int]] = {}

    def __enter__(self) -> Self:
        """Open the bars, if there is a terminal."""
        if self._stream.isatty():
            self._bars = _bars(self._stream)
            self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave the finished bars on the screen."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Draw `done` of `total` of a stage."""
        self._draw(stage, done, total, "")

    def job(self, now: Snapshot, left: timedelta | None, *, which: str = "") -> None:
        """Draw a labeling job: human, machine, failed, left, and the time it may take.

        `which` tells it from others of the same launch.
        """
        stage = f"labeling {which}".rstrip()
        counts = (
            f"{now.human} human, {now.machine} machine, {now.failed} failed, {now.left} left"
            f"{'' if left is None else f', about {_duration(left)} to go'}"
        )
        self._draw(f"{stage} ({now.status})" if now.over else stage, now.done, now.total, counts)

    def _draw(self, stage: str, done: int, total: int, detail: str) -> None:
        if not done and not total:
            return  # nothing is known yet, so there is nothing to say
        pace = detail or self._pace(stage, done, total)
        if self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=total or None, detail="")
            self._bars.update(self._tasks[stage], completed=done, total=total or None, detail=pace)
            return
        known = f" of {total}" if total else ""
        text = f"{stage}: {done}{known}{f' ({detail})' if detail else ''}"
        before, when = self._spoken.get(stage, ("", -self._every))
        moment = self._seconds()
        finished = bool(total) and done >= total
        if text != before and (finished or moment - when >= self._every):
            self._spoken[stage] = text, moment
            shown = text if detail or not pace else f"{text} ({pace})"
            print(plain(shown), file=self._stream, flush=True)

    def _pace(self, stage: str, done: int, total: int) -> str:
        """Say how fast a stage is and how long it may still take; "" until that is known.

        What was done before this run began, as when it goes on, does not count; a stage whose
        count falls has begun again.
        """
        moment = self._seconds()
        before, begun, last = self._begun.get(stage, (done, moment, done))
        if done < last:
            before, begun = done, moment
        self._begun[stage] = before, begun, done
        passed = moment - begun
        if done <= before or passed < _KNOWN:
            return ""
        rate = (done - before) / passed
        speed = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        if done >= total:
            return speed
        return f"{speed}, about {_duration(timedelta(seconds=(total - done) / rate))} to go"


def _bars(stream: TextIO) -> Progress:
    """Build rich's bars; imported here because most commands draw none."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}"),
        console=Console(file=stream),
    )


def _duration(span: timedelta) -> str:
    """Write a span as people say it: 45 s, 12 min, 3.5 h."""
    seconds = span.total_seconds()
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def channels(receipt: ConvertReceipt, path: Callable[[str], str], *, lines: int) -> None:
    """Say where the channels are, how much is in them, and where the report is.

    `path` returns the file behind an `s3://` address; `lines` are those of the manifest.
    """
    told = receipt.to_dict()
    for form, uri in told["channels"].items():
        sides = told["images"][form]
        counts = f"{sides['train']} train, {sides['validation']} validation"
        known = " (unchanged)" if form in receipt.unchanged else ""
        line(f"channel {form}: {counts}: {path(uri)}{known}")
    if receipt.near_duplicates:
        near_duplicates(receipt.near_duplicates, receipt.leaks_prevented)
    if receipt.hashes == 0:
        no_hashes()
    for warning in receipt.warnings:
        note(f"warning: {warning}")
    if receipt.report and receipt.left_out:
        left = lines - max(sum(sides.values()) for sides in told["images"].values())
        number = f" ({left} of {count(lines, 'line')})" if left else ""  # else boxes alone
        line(f"left out, and why: {path(receipt.report)}{number}")


def no_hashes() -> None:
    """Say that nothing tells which photographs look alike."""
    note("no line has a perceptual-hash: near-duplicates were not looked for")


def near_duplicates(number: int, leaks: int) -> None:
    """Say how many photographs look like another, and what it would have done."""
    line(
        f"{count(number, 'near-duplicate photograph')} kept on one side (leaks prevented: {leaks})"
    )


def with_place(error: MissingImageError, wired: Local) -> DataError:
    """Say where a missing image was looked for, and how the bucket's images come there."""
    uri = error.source_ref
    if not uri.startswith("s3://") or wired.root is None:
        return error
    bucket = uri.removeprefix("s3://").partition("/")[0]
    copying = shlex.join(("aws", "s3", "sync", f"s3://{bucket}", wired.path(f"s3://{bucket}")))
    return DataError(
        f"{error.reason}. It was looked for at {wired.path(uri)}; if the service's folder is not "
        f"{wired.path('s3://')}, name it with --root; images that are elsewhere have to be copied "
        f"there first, for instance with: {copying}",
        uri=error.uri,
        line=error.line,
    )
