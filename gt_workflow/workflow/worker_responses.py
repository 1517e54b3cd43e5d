"""What each worker answered, from a job's worker-response files as Ground Truth writes them.

    JOB/annotations/worker-response/iteration-N/OBJECT/TIME.json

OBJECT is the object's 0-based place in the manifest. Iterations are read in the order of their
numbers; names sort `iteration-10` before `iteration-2`. Source: developer guide, "Output Data".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gt_workflow.core.agreement import Named
from gt_workflow.core.boxes import Box
from gt_workflow.errors import DataError
from gt_workflow.ports import Storage

_FOLDER = "annotations/worker-response/"
_FILE = re.compile(r"iteration-([0-9]{1,9})/([^/]+)/[^/]+\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class ResponseFile:
    """One file: all answers to one object in one iteration.

    `place` counts the manifest's objects from 0; None if the file names its object otherwise.
    """

    uri: str
    iteration: int
    place: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one worker submitted: boxes by class name, and the seconds it took, if they are told.

    `subject` is the identity provider's id of the worker, in private teams only.
    """

    worker: str
    subject: str
    seconds: float | None
    boxes: tuple[Named, ...]


def files(root: str, *, storage: Storage) -> Iterator[ResponseFile]:
    """Yield a job's files, iteration after iteration; `root` ends in a slash.

    The folder is listed twice, so that memory does not grow with it.
    """
    folder = root + _FOLDER
    numbers = {file.iteration for file in _listed(folder, folder, storage)}
    for number in sorted(numbers):
        yield from _listed(f"{folder}iteration-{number}/", folder, storage)


@dataclass(frozen=True, slots=True)
class ReadResponses:
    """Reads one file; a value, so that an engine may send it to other processes."""

    storage: Storage

    def __call__(self, file: ResponseFile) -> list[Answer]:
        """Return the answers in the file; `DataError` if it is no worker response."""
        with closing(self.storage.open(file.uri)) as opened:
            try:
                return [_answer(one) for one in json.load(opened)["answers"]]
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise DataError(f"is no worker response: {error!r}", uri=file.uri) from None


def _listed(prefix: str, folder: str, storage: Storage) -> Iterator[ResponseFile]:
    for stat in storage.list(prefix):
        match = _FILE.fullmatch(stat.uri.removeprefix(folder))
        if match is not None:
            name = match[2]
            place = int(name) if name.isascii() and name.isdigit() else None
            yield ResponseFile(stat.uri, int(match[1]), place)


def _answer(told: Mapping[str, Any]) -> Answer:
    identity = (told.get("workerMetadata") or {}).get("identityData") or {}
    return Answer(
        worker=str(told["workerId"]),
        subject=str(identity.get("sub") or ""),
        seconds=_seconds(told),
        boxes=tuple(_boxes(told["answerContent"])),
    )


def _boxes(content: Mapping[str, Any]) -> Iterator[Named]:
    """Yield the boxes of one answer; `boundingBoxes` may be null, which AWS writes for none."""
    for part in content.values():
        if isinstance(part, dict):
            for box in part.get("boundingBoxes") or ():
                sides = (_number(box[side]) for side in ("left", "top", "width", "height"))
                yield str(box["label"]), Box(*sides)


def _seconds(told: Mapping[str, Any]) -> float | None:
    """Return the time spent without pauses; else the time between acceptance and submission."""
    spent = told.get("timeSpentInSeconds")
    if spent is not None:
        return max(0.0, _number(spent))
    accepted, submitted = told.get("acceptanceTime"), told.get("submissionTime")
    if not accepted or not submitted:
        return None
    between = datetime.fromisoformat(submitted) - datetime.fromisoformat(accepted)
    return max(0.0, between.total_seconds())


def _number(value: Any) -> float:
    """Read a number; `ValueError` for what JSON does not know but Python reads: NaN, Infinity."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is no number")
    return number
