"""A detector's answers become labels on a manifest's lines: pre-labels of an adjustment job.

Every line is kept, in order, and gets the label under an attribute of its own; nothing that a line
holds is written over. What is done is kept in parts beside the output, so that an interrupted run
goes on where it stopped; the output appears whole, its receipt last.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

import msgspec

from gt_workflow.core.limits import attribute_problem
from gt_workflow.core.manifest import Record, labelled_line, read, split_lines
from gt_workflow.core.training.predictions import label_metadata, label_value, read_answer
from gt_workflow.errors import DataError, ObjectNotFoundError, StorageError, UsageError
from gt_workflow.ports import Clock, Progress, Storage
from gt_workflow.workflow.channels.samples import snapshot
from gt_workflow.workflow.parts import PART, Counts, Parts
from gt_workflow.workflow.training.answers import Answers, MissingAnswerError, find_cut


@dataclass(frozen=True, slots=True)
class PredictSettings:
    """What to label with whose answers.

    `manifest` and `out` are paths or `s3://` addresses. `classes` are names in the order that the
    model has learnt. `source` is an endpoint's name, or the `s3://` prefix of a batch transform's
    output. Boxes that score below `threshold` are left out. An image without an answer stops the
    run, or its line stays as it is. `size` is that of all images, if it is known.
    """

    manifest: str
    out: str
    classes: tuple[str, ...]
    source: str
    attribute: str = "predictions"
    threshold: float = 0.2
    on_missing: Literal["stop", "skip"] = "stop"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense; UsageError names the setting."""
        if not 0 <= self.threshold <= 1:
            raise UsageError("--threshold is a score between 0 and 1")
        if self.size is not None and min(self.size) < 1:
            raise UsageError("--size is WIDTHxHEIGHT in pixels")
        if not self.out:
            raise UsageError("--out: name the manifest to write")
        if (problem := attribute_problem(self.attribute)) is not None:
            raise UsageError(f"--attribute: {problem.message}")


@dataclass(frozen=True, slots=True)
class PredictPlan:
    """What a run will do; `cut` is of `answers.find_cut`, None for an endpoint."""

    settings: PredictSettings
    manifest_sha256: str
    lines: int
    cut: str | None

    @property
    def digest(self) -> str:
        """Hash what decides about the output."""
        deciding = {**asdict(self.settings), "out": "", "manifest": self.manifest_sha256}
        encoded = msgspec.json.encode(deciding, order="deterministic")
        return hashlib.sha256(encoded).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Give the plan for JSON."""
        return {**asdict(self.settings), "lines": self.lines}


class PredictReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did; `unchanged` if it had been done before."""

    out: str
    attribute: str
    counts: Counts
    digest: str
    unchanged: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Give the receipt for JSON."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def plan(settings: PredictSettings, *, storage: Storage) -> PredictPlan:
    """Read the manifest; nothing is asked of a detector yet.

    Raises `DataError` for a line that has the attribute already, `UsageError` if a transform's
    output has no answer to any line, or if the output file is there and not ours.
    """
    with snapshot(storage, settings.manifest) as (file, digest):
        lines = 0
        for record in _records(file, settings):
            lines += 1
            if record.state != "untouched":
                raise DataError(
                    f"has {settings.attribute!r} already; name another with --attribute",
                    uri=settings.manifest,
                    line=record.line,
                )
        if not lines:
            raise DataError("there is no line in it", uri=settings.manifest)
        cut = None
        if settings.source.startswith("s3://"):
            file.seek(0)
            refs = (record.source_ref for record in _records(file, settings))
            cut = find_cut(settings.source, refs, storage=storage)
            if cut is None:
                raise UsageError(
                    f"there is no answer to any image of {settings.manifest} under "
                    f"{settings.source}; a batch transform writes KEY.out for each"
                )
    found = PredictPlan(settings, digest, lines, cut)
    # With parts beside it the output is our own: the run was killed between its last two steps.
    ours = _receipt(found, storage) or Parts(settings.out, found.digest, storage).count()
    if storage.exists(settings.out) and not ours:
        raise UsageError(f"{settings.out} is there already; name another file with --out")
    return found


def run(
    planned: PredictPlan,
    *,
    answers: Answers,
    storage: Storage,
    clock: Clock,
    progress: Progress,
    parallel: int = 4,
) -> PredictReceipt:
    """Label the lines that are not done yet, `parallel` at a time, then write the manifest.

    Raises `DataError` if an image has no answer and that stops the run, if an answer is none, or
    if the manifest has changed since it was planned.
    """
    settings = planned.settings
    if (before := _receipt(planned, storage)) is not None:
        return before
    parts = Parts(settings.out, planned.digest, storage)
    done = parts.count()
    with snapshot(storage, settings.manifest) as (file, digest):
        if digest != planned.manifest_sha256:
            raise DataError("has changed since it was planned", uri=settings.manifest)
        left = islice(_records(file, settings), done * PART, None)

        def one(record: Record) -> tuple[bytes, Counts]:
            return _labelled(record, settings, answers, clock)

        labelled = _in_order(one, left, parallel)
        while block := list(islice(_told(labelled, done, planned, progress), PART)):
            parts.write(done, block)
            done += 1
    counts = parts.join()
    receipt = PredictReceipt(
        out=settings.out, attribute=settings.attribute, counts=counts, digest=planned.digest
    )
    with storage.create(_receipt_uri(settings)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(receipt), indent=2) + b"\n")
    parts.clear()
    return receipt


def _records(file: Any, settings: PredictSettings) -> Iterator[Record]:
    uri = settings.manifest
    return read(split_lines(file, uri=uri), uri=uri, attribute=settings.attribute)


def _labelled(
    record: Record, settings: PredictSettings, answers: Answers, clock: Clock
) -> tuple[bytes, Counts]:
    """Return a line with its label, or as it is if there is no answer."""
    try:
        answer = answers.find(record.source_ref)
    except MissingAnswerError as error:
        if settings.on_missing == "skip":
            return record.raw, Counts(missing=1)
        raise DataError(
            f"{error}; --on-missing skip leaves such lines without a label",
            uri=settings.manifest,
            line=record.line,
        ) from error
    except (StorageError, DataError) as error:
        raise DataError(
            f"the image {record.source_ref}: {error.reason}",
            uri=settings.manifest,
            line=record.line,
        ) from error
    found = read_answer(
        answer.data,
        width=answer.width,
        height=answer.height,
        classes=len(settings.classes),
        threshold=settings.threshold,
        uri=answer.uri,
    )
    line = labelled_line(
        record.raw,
        attribute=settings.attribute,
        value=label_value(found, width=answer.width, height=answer.height),
        metadata=label_metadata(
            found,
            classes=settings.classes,
            job_name=settings.source.rstrip("/").rpartition("/")[2],
            created=clock.now(),
        ),
    )
    return line, Counts(answered=1, boxes=len(found))


def _in_order(one: Any, records: Iterable[Record], parallel: int) -> Iterator[tuple[bytes, Counts]]:
    """Work on a few records at once; memory does not grow, and the order stays."""
    waiting: deque[Future[tuple[bytes, Counts]]] = deque()
    pool = ThreadPoolExecutor(parallel)
    try:
        for record in records:
            waiting.append(pool.submit(one, record))
            if len(waiting) > 2 * parallel:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _told(
    lines: Iterator[tuple[bytes, Counts]], done: int, planned: PredictPlan, progress: Progress
) -> Iterator[tuple[bytes, Counts]]:
    for number, line in enumerate(lines, done * PART + 1):
        progress("predicting", number, planned.lines)
        yield line


def _receipt_uri(settings: PredictSettings) -> str:
    return f"{settings.out}.receipt.json"


def _receipt(planned: PredictPlan, storage: Storage) -> PredictReceipt | None:
    """Return the receipt of a run that did the same, if its output still stands."""
    settings = planned.settings
    try:
        with storage.open(_receipt_uri(settings)) as file:
            found = msgspec.json.decode(file.read(), type=PredictReceipt)
    except (ObjectNotFoundError, msgspec.DecodeError):
        return None
    if found.digest != planned.digest or not storage.exists(settings.out):
        return None
    return msgspec.structs.replace(found, unchanged=True)
