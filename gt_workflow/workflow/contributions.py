"""Who labelled how much, how fast, and how well it agrees with what came of all answers.

Counted from a job's worker-response files and its output manifest. Memory depends on the number
of workers, not of objects: answers are held until they make up a good part, then compared in one
pass over the manifest. Worker ids and subjects are personal data; nothing here writes them down.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from gt_workflow.core.agreement import Named, matches
from gt_workflow.core.manifest import read, split_lines
from gt_workflow.core.names import kind_of
from gt_workflow.ports import Engine, Progress, Storage
from gt_workflow.workflow.worker_responses import Answer, ReadResponses, ResponseFile, files

_MANIFEST = "manifests/output/output.manifest"
_HELD = 50_000  # boxes, with one more for each answer: some 20 MB
READING = "reading answers"


@dataclass(frozen=True, slots=True)
class Contributions:
    """Answers and boxes per worker id."""

    tasks: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Source:
    """A labeling job's output: its folder (slash at the end) and its label attribute.

    `boxes` is False for a verification job, whose answers are no boxes to be compared.
    """

    root: str
    attribute: str
    boxes: bool = True


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker did; None where nothing is known.

    `seconds` are those of all timed answers, `median_seconds` to a tenth. Of `compared` answers,
    those to objects that have a label: `mean_iou` over the boxes that match one of the label's,
    `matched` the part of the worker's boxes that do, `found` the part of the label's boxes that
    the worker drew.
    """

    worker: str
    subject: str
    tasks: int
    boxes: int
    seconds: float
    median_seconds: float | None
    per_hour: float | None
    compared: int
    mean_iou: float | None
    matched: float | None
    found: float | None


def count(output_manifest: str, *, storage: Storage) -> Contributions:
    """Count over all answers of the job that wrote `.../<job>/manifests/output/output.manifest`.

    Raises `DataError` for a file that is no worker response.
    """
    found = Contributions()
    reading = ReadResponses(storage)
    for file in files(output_manifest.removesuffix(_MANIFEST), storage=storage):
        for answer in reading(file):
            found.tasks[answer.worker] += 1
            found.boxes[answer.worker] += len(answer.boxes)
    return found


def source(described: Mapping[str, Any]) -> Source:
    """Tell from a DescribeLabelingJob answer where a job's answers are."""
    path = str(described["OutputConfig"]["S3OutputPath"]).rstrip("/")
    return Source(
        root=f"{path}/{described['LabelingJobName']}/",
        attribute=str(described["LabelAttributeName"]),
        boxes=kind_of(described) != "verify",
    )


def report(
    sources: Sequence[Source], *, storage: Storage, engine: Engine, progress: Progress
) -> list[Share]:
    """Return every worker's share over these jobs, those with most answers first.

    Without an output manifest, as while a job runs, nothing is compared. Raises `DataError` for
    a file or a manifest line that cannot be read.
    """
    tallies: dict[str, _Tally] = {}
    done = 0
    for one in sources:
        manifest = one.root + _MANIFEST
        held: list[_Held] = []
        compares = one.boxes and storage.exists(manifest)
        weight = 0
        for file, found in _read(one.root, storage, engine):
            done += 1
            progress(READING, done, 0)
            for answer in found:
                tally = tallies.setdefault(answer.worker, _Tally())
                tally.add(answer)
                if compares and file.place is not None:
                    held.append(_Held(file.place, tally, answer.boxes))
                    weight += 1 + len(answer.boxes)
            if weight >= _HELD:
                _compare(held, manifest, one.attribute, storage)
                held, weight = [], 0
        _compare(held, manifest, one.attribute, storage)
    progress(READING, done, done)
    shares = [tally.share(worker) for worker, tally in tallies.items()]
    return sorted(shares, key=lambda share: (-share.tasks, share.worker))


class _Tally:
    """What is known of one worker so far."""

    __slots__ = (
        *("boxes", "seconds", "subject", "tasks", "tenths"),
        *("compared", "drawn", "expected", "overlap", "pairs"),
    )

    def __init__(self) -> None:
        self.subject = ""
        self.tasks = self.boxes = 0
        self.compared = self.drawn = self.expected = self.pairs = 0
        self.overlap = self.seconds = 0.0
        # Durations by tenths of a second: a task takes 8 hours at most, so they are not many.
        self.tenths: Counter[int] = Counter()

    def add(self, answer: Answer) -> None:
        self.subject = answer.subject or self.subject
        self.tasks += 1
        self.boxes += len(answer.boxes)
        if answer.seconds is not None:
            self.tenths[round(answer.seconds * 10)] += 1
            self.seconds += answer.seconds

    def compare(self, drawn: Sequence[Named], label: Sequence[Named]) -> None:
        self.compared += 1
        self.drawn += len(drawn)
        self.expected += len(label)
        for overlap in matches(drawn, label):
            self.pairs += 1
            self.overlap += overlap

    def share(self, worker: str) -> Share:
        timed = self.tenths.total()
        seconds = round(self.seconds, 3)
        pairs = self.pairs
        return Share(
            worker=worker,
            subject=self.subject,
            tasks=self.tasks,
            boxes=self.boxes,
            seconds=seconds,
            median_seconds=_median(self.tenths) / 10 if timed else None,
            per_hour=timed / seconds * 3600 if seconds > 0 else None,
            compared=self.compared,
            mean_iou=self.overlap / pairs if pairs else None,
            matched=pairs / self.drawn if self.drawn else None,
            found=pairs / self.expected if self.expected else None,
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """An answer that waits for its object's label."""

    place: int
    tally: _Tally
    boxes: tuple[Named, ...]


def _read(
    root: str, storage: Storage, engine: Engine
) -> Iterator[tuple[ResponseFile, list[Answer]]]:
    """Read a job's files where the engine does, in order."""
    for outcome in engine.map(ReadResponses(storage), files(root, storage=storage)):
        yield outcome.item, outcome.result()


def _compare(held: list[_Held], manifest: str, attribute: str, storage: Storage) -> None:
    """Compare answers with their objects' labels, in one pass over the output manifest."""
    if not held:
        return
    waiting: dict[int, list[_Held]] = {}
    for one in held:
        waiting.setdefault(one.place, []).append(one)
    places: deque[int] = deque()
    with closing(storage.open(manifest)) as file:
        lines = _wanted(split_lines(file, uri=manifest), waiting, places)
        for record in read(lines, uri=manifest, attribute=attribute):
            place = places.popleft()
            label = record.label
            if label is not None:
                truth = [(box.label, box.box) for box in label.annotations]
                for one in waiting[place]:
                    one.tally.compare(one.boxes, truth)


def _wanted(
    lines: Iterable[bytes], waiting: Mapping[int, Any], places: deque[int]
) -> Iterator[bytes]:
    """Yield the lines of objects that are waited for, and blank ones for all others.

    So line numbers in errors stay true and nobody decodes what nobody asks for; `places` gets
    the place of every line that is no blank.
    """
    place, last = -1, max(waiting)
    for line in lines:
        if line and not line.isspace():
            place += 1
            if place in waiting:
                places.append(place)
                yield line
                if place == last:
                    return
                continue
        yield b""


def _median(counts: Counter[int]) -> float:
    """Return the median of values given with how often each occurs; there is one at least."""
    total = counts.total()
    lower, upper = (total - 1) // 2, total // 2
    found: list[int] = []
    passed = 0
    for value in sorted(counts):
        passed += counts[value]
        while len(found) < 2 and passed > (lower, upper)[len(found)]:
            found.append(value)
    return (found[0] + found[1]) / 2
