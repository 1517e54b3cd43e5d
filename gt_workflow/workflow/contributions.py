"""Who drew how much: counted from a job's worker-response files, as Ground Truth writes them."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from gt_workflow.errors import DataError
from gt_workflow.ports import Storage


@dataclass(frozen=True, slots=True)
class Contributions:
    """Answers and boxes per worker id."""

    tasks: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)


def count(output_manifest: str, *, storage: Storage) -> Contributions:
    """Count over all answers of the job that wrote `.../<job>/manifests/output/output.manifest`.

    Raises `DataError` for a file that is no worker response.
    """
    found = Contributions()
    job = output_manifest.removesuffix("manifests/output/output.manifest")
    for stat in storage.list(f"{job}annotations/worker-response/"):
        with closing(storage.open(stat.uri)) as file:
            try:
                for answer in json.load(file)["answers"]:
                    found.tasks[answer["workerId"]] += 1
                    found.boxes[answer["workerId"]] += _boxes(answer["answerContent"])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(f"is no worker response: {error!r}", uri=stat.uri) from None
    return found


def _boxes(content: dict[str, Any]) -> int:
    """Count the boxes of one answer; `boundingBoxes` may be null, which AWS writes for none."""
    return sum(
        len(part.get("boundingBoxes") or ()) for part in content.values() if isinstance(part, dict)
    )
