"""A labeling job that follows from another: planned from its files, recorded, created once.

The new job is named from a digest of the lines it sends and of its settings, and its files and
record are written before it is created: however often the command is run, and wherever it is
killed, there is one job. Everything lies in the job's own output folder, which its role can read:

    S3OutputPath/NAME/gt-workflow/input.manifest  [labels.json  template.liquid.html]  launch.json
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from gt_workflow.config import Settings
from gt_workflow.core.cost import Cost, dollars, estimate, parse_tiers
from gt_workflow.core.described import DescribedJob
from gt_workflow.errors import AlreadyExistsError, NotFoundError, UsageError
from gt_workflow.ports import GroundTruth, Storage

LABELS_FILE: Final = "labels.json"
TEMPLATE_FILE: Final = "template.liquid.html"
RECORD_FILE: Final = "launch.json"
_LONGEST_NAME: Final = 63
_GIVEN: Final = re.compile(r"-(?:relaunch|adjust|verify)-[0-9a-f]{10}$")


@dataclass(frozen=True, slots=True)
class FollowUp:
    """All that a follow-up will write and ask for; building it changes nothing.

    `sent` lines of the manifest `source` go to the job, `left_out` counts the others by reason.
    With nothing to send, `name` is empty and there is no job to create. `content` yields the
    lines anew each time it is called; `digest` is theirs.
    """

    what: str
    of: str
    source: str
    name: str
    folder: str
    request: Mapping[str, Any]
    files: Mapping[str, bytes]
    digest: str
    sent: int
    left_out: Mapping[str, int]
    cost: Cost
    warnings: tuple[str, ...]
    content: Callable[[], Iterator[bytes]] = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return what `--dry-run --json` prints."""
        return {
            "what": self.what,
            "of": self.of,
            "source": self.source,
            "name": self.name or None,
            "lines": self.sent,
            "left-out": dict(self.left_out),
            "cost": {"tasks": self.cost.tasks, "total-usd": str(self.cost.total)},
            "warnings": list(self.warnings),
            "request": dict(self.request) or None,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """What a stage knows of its job before the job has a name.

    `request` makes the request from the name and the folder of the job's files; the latter ends
    with a slash.
    """

    what: str
    job: DescribedJob
    source: str
    content: Callable[[], Iterator[bytes]]
    request: Callable[[str, str], dict[str, Any]]
    files: Mapping[str, bytes] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def finish(
    draft: Draft, *, settings: Settings, left_out: Callable[[], Mapping[str, int]]
) -> FollowUp:
    """Count and digest the lines, name the job; `left_out` is asked when all lines were seen."""
    digest, sent = hashlib.sha256(), 0
    for line in draft.content():
        digest.update(line + b"\n")
        sent += 1
    name, folder, request = "", "", {}
    if sent:
        # What makes it this job and no other; its own addresses follow from the name.
        identity = [
            draft.what,
            draft.job.answer["LabelingJobArn"],
            digest.hexdigest(),
            draft.request("NAME", "FOLDER/"),
            [hashlib.sha256(draft.files[key]).hexdigest() for key in sorted(draft.files)],
        ]
        short = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
        ending = f"-{draft.what}-{short}"
        begin = _GIVEN.sub("", draft.job.name)[: _LONGEST_NAME - len(ending)].rstrip("-")
        name = begin + ending
        folder = f"{draft.job.root.rpartition('/')[0]}/{name}/gt-workflow/"
        request = draft.request(name, folder)
    return FollowUp(
        what=draft.what,
        of=draft.job.name,
        source=draft.source,
        name=name,
        folder=folder,
        request=request,
        files=dict(draft.files),
        digest=digest.hexdigest(),
        sent=sent,
        left_out=dict(left_out()),
        cost=_cost(settings, sent, request),
        warnings=draft.warnings if sent else (),
        content=draft.content,
    )


def run(planned: FollowUp, *, storage: Storage, ground_truth: GroundTruth) -> bool:
    """Create the job, or adopt the one that is there already: False then, or if none is needed.

    Raises `UsageError` if the lines changed since the plan.
    """
    if not planned.name or exists(planned.name, ground_truth):
        return False
    digest = hashlib.sha256()
    with storage.create(f"{planned.folder}input.manifest") as file:
        for line in planned.content():
            file.write(line + b"\n")
            digest.update(line + b"\n")
        if digest.hexdigest() != planned.digest:
            raise UsageError(f"{planned.source} changed while it was read; run the command again")
    for name, data in planned.files.items():
        _put(storage, planned.folder + name, data)
    record = {
        "name": planned.name,
        "what": planned.what,
        "of": planned.of,
        "source": planned.source,
        "digest": planned.digest,
        "request": planned.request,
    }
    text = json.dumps(record, ensure_ascii=False, indent=2)
    _put(storage, planned.folder + RECORD_FILE, text.encode())
    try:
        ground_truth.create(planned.request)
    except AlreadyExistsError:
        return False
    return True


def exists(name: str, ground_truth: GroundTruth) -> bool:
    """Ask whether a job of this name is there."""
    try:
        ground_truth.describe(name)
    except NotFoundError:
        return False
    return True


def recorded_source(job: DescribedJob, *, storage: Storage) -> str | None:
    """Return the manifest whose lines a follow-up was sent, as its record says; None without."""
    uri = f"{job.root}/gt-workflow/{RECORD_FILE}"
    if not storage.exists(uri):
        return None
    with storage.open(uri) as file:
        try:
            return str(json.loads(file.read())["source"])
        except (ValueError, KeyError, TypeError):
            return None


def _cost(settings: Settings, objects: int, request: Mapping[str, Any]) -> Cost:
    """Estimate what the job costs; our own service charges nothing."""
    human = request.get("HumanTaskConfig", {})
    workers = int(human.get("NumberOfHumanWorkersPerDataObject", 0))
    if settings.backend == "embedded":
        return estimate(objects, workers)
    price = dollars(settings.job.price or settings.cost.per_task, setting="cost.per-task")
    asked = human.get("PublicWorkforceTaskPrice", {}).get("AmountInUsd")
    if asked:  # what the request itself promises is what will be paid
        mills = asked.get("Dollars", 0) * 1000 + asked.get("Cents", 0) * 10
        price = Decimal(mills + asked.get("TenthFractionsOfACent", 0)) / 1000
    tiers = parse_tiers(settings.cost.tiers)
    return estimate(objects, workers, tiers=tiers, price_per_task=price)


def _put(storage: Storage, uri: str, data: bytes) -> None:
    with storage.create(uri) as file:
        file.write(data)
