"""Take adjusted boxes back under the attribute they were drawn under; keep both histories.

For the attribute `boxes` and the adjustment job `J`, a folded line has

    boxes, boxes-metadata            what J says; the metadata name J and its `adjustment-status`
    boxes-before-J                   {"label": the value that stood under `boxes`}
    boxes-before-J-details           the metadata that stood under `boxes-metadata`

Neither name ends in `-metadata` or `-ref`, nor has the form of a label, so every reader still
finds one label on the line; folding after the next adjustment adds another such pair. Lines that
J did not label stand as they were. A verification job has no boxes to fold: of its lines, those
with one verdict can be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from gt_workflow.core import manifest
from gt_workflow.core.described import DescribedJob, audited_attribute
from gt_workflow.core.json_lines import members
from gt_workflow.core.label_schema import SUFFIX
from gt_workflow.core.objects import MAX_ATTRIBUTE_CHARACTERS, MAX_LINE_CHARACTERS
from gt_workflow.errors import DataError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.repair.alignment import align, lines, put_once
from gt_workflow.workflow.repair.chain import verdict
from gt_workflow.workflow.repair.follow_up import recorded_source

_MAX_NAME: Final = 127
_DETAILS: Final = "-details"


@dataclass(frozen=True, slots=True)
class Folded:
    """What is in the manifest `out`: `adjusted` and `confirmed` lines are the job's, `kept` not.

    `dropped` lines had another verdict, or none. `too_long` lines are longer than Ground Truth
    reads, so no other job can be sent them.
    """

    job: str
    out: str
    written: bool
    attribute: str
    base: str
    total: int
    adjusted: int = 0
    confirmed: int = 0
    kept: int = 0
    dropped: int = 0
    too_long: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        return {name: getattr(self, name) for name in self.__slots__}


def fold(
    job: DescribedJob,
    *,
    out: str,
    storage: Storage,
    base: str | None = None,
    only: str | None = None,
    output: str | None = None,
) -> Folded:
    """Write the folded manifest to `out`, in the order of `base`.

    `base` is the manifest whose lines were adjusted: by default what the record of `adjust` names,
    else the job's input. `only` keeps the lines of a verification job with this verdict. Raises
    `UsageError` and `DataError`.
    """
    source = output or job.output_uri
    if not storage.exists(source):
        raise UsageError(f"labeling job {job.name} has no output manifest; wait for it, or recover")
    if job.kind == "verify":
        if not only:
            raise UsageError(
                f"{job.name} judged boxes and drew none; keep some with --only VERDICT"
            )
        return _filtered(job, source, out=out, only=only, storage=storage)
    if job.kind != "adjust" or only:
        needed = "a verification job" if only else "an adjustment job"
        raise UsageError(f"{job.name} is no {needed[needed.index(' ') + 1 :]}")
    attribute = _audited(job, storage)
    start = base or recorded_source(job, storage=storage) or job.input_uri
    folding = _Folding(job, attribute, start, storage)
    aligned = align([start], attribute=job.attribute, storage=storage)
    found = aligned.take(source, start=0, storage=storage)
    if found.fates or found.changed:
        raise UsageError(
            f"{len(found.fates) + len(found.changed)} lines of {source} are not those of {start}, "
            "so their boxes would come to lines that nobody adjusted; name the manifest that was "
            "adjusted with --base"
        )
    written = put_once(
        out,
        lambda: folding.lines(
            zip(aligned.merged(storage=storage), lines(start, storage=storage), strict=True)
        ),
        storage=storage,
    )
    return Folded(
        job=job.name,
        out=out,
        written=written,
        attribute=attribute,
        base=start,
        total=len(aligned),
        **folding.counts,
    )


@dataclass(slots=True)
class _Folding:
    job: DescribedJob
    attribute: str
    base: str
    storage: Storage
    counts: dict[str, int] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)

    def lines(self, pairs: Iterator[tuple[bytes, tuple[int, bytes]]]) -> Iterator[bytes]:
        """Yield each base line, with the job's label of it if there is one."""
        self.counts.update(adjusted=0, confirmed=0, kept=0, too_long=0)
        self.classes.clear()
        for best, (number, raw) in pairs:
            record = next(
                manifest.read([best], uri=self.job.output_uri, attribute=self.job.attribute)
            )
            line = raw
            if record.label is None:
                self.counts["kept"] += 1
            else:
                line = self._folded(raw, best)
                self.counts[_status(members(best)[self.job.attribute + SUFFIX])] += 1
            self._check_classes(line, number)
            self.counts["too_long"] += _too_long(line)
            yield line

    def _folded(self, raw: bytes, best: bytes) -> bytes:
        present, made = members(raw), members(best)
        before = self.attribute + "-before-" + self.job.name
        before = before[: _MAX_NAME - len(_DETAILS)].rstrip("-")
        history: dict[str, Any] = {}
        if self.attribute in present:
            history[before] = {"label": present[self.attribute]}
        if self.attribute + SUFFIX in present:
            history[before + _DETAILS] = present[self.attribute + SUFFIX]
        own = self.job.attribute
        new = {
            self.attribute: made[own],
            self.attribute + SUFFIX: made[own + SUFFIX],
        }
        return manifest.with_members(raw, new | history)

    def _check_classes(self, line: bytes, number: int) -> None:
        """Refuse a class id that means two things: whoever trains on it would mix them up."""
        record = next(manifest.read([line], uri=self.base, attribute=self.attribute))
        for class_id, name in (record.label.class_map if record.label else {}).items():
            if self.classes.setdefault(class_id, name) != name:
                raise DataError(
                    f"class {class_id} is {name!r} here and {self.classes[class_id]!r} before; the "
                    "adjustment's label category file has the labels in another order",
                    uri=self.base,
                    line=number,
                )


def _filtered(job: DescribedJob, source: str, *, out: str, only: str, storage: Storage) -> Folded:
    counts = {"kept": 0, "dropped": 0}

    def content() -> Iterator[bytes]:
        counts.update(kept=0, dropped=0)
        for _, raw in lines(source, storage=storage):
            if verdict(raw, job.attribute) == only:
                counts["kept"] += 1
                yield raw
            else:
                counts["dropped"] += 1

    if not any(True for _ in content()):
        raise UsageError(f"{job.name} judged no line {only!r}; nothing was written")
    written = put_once(out, content, storage=storage)
    return Folded(
        job=job.name,
        out=out,
        written=written,
        attribute=job.attribute,
        base=source,
        total=counts["kept"],
        **counts,
    )


def _audited(job: DescribedJob, storage: Storage) -> str:
    """Return the attribute that was adjusted: the one its worker template shows."""
    with closing(storage.open(job.template_uri)) as file:
        name = audited_attribute(file.read().decode(errors="replace"), own=job.attribute)
    if name is None:
        raise UsageError(f"the worker template of {job.name} does not say whose boxes it shows")
    return name


class _Status(msgspec.Struct, rename="kebab"):
    adjustment_status: str = "adjusted"


def _status(metadata: msgspec.Raw) -> str:
    """Tell whether workers changed the boxes, in the words of `Folded`."""
    told = msgspec.json.decode(metadata, type=_Status)
    return "confirmed" if told.adjustment_status == "unadjusted" else "adjusted"


def _too_long(line: bytes) -> bool:
    """Tell whether Ground Truth would not read a line; no text has more characters than bytes."""
    if len(line) <= MAX_ATTRIBUTE_CHARACTERS:
        return False
    return len(line.decode()) > MAX_LINE_CHARACTERS or any(
        len(bytes(value).decode()) > MAX_ATTRIBUTE_CHARACTERS for value in members(line).values()
    )
