"""Adjustment and verification jobs over the labelled lines of an earlier job.

Unlabelled lines would fail one by one and may be charged for all the same, so they stay behind.
The job takes role, work team, bucket, keys and tags from the earlier one, and the number of
workers and the times from the settings. Source: developer guide, "Verify and Adjust Labels".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from gt_workflow.config import Settings
from gt_workflow.core import limits, manifest
from gt_workflow.core.described import DescribedJob, audited_attribute, describe
from gt_workflow.core.json_lines import members
from gt_workflow.core.label_schema import SUFFIX
from gt_workflow.core.labels import check_labels, label_category_file, parse_label_category_file
from gt_workflow.core.markup import Html
from gt_workflow.core.matching import look, stale_members
from gt_workflow.core.names import function_arn, workforce
from gt_workflow.core.objects import check_manifest_line
from gt_workflow.core.requests.arns import MAX_AVAILABILITY
from gt_workflow.errors import DataError, ObjectNotFoundError, UsageError
from gt_workflow.ports import GroundTruth, Storage
from gt_workflow.workflow import templates
from gt_workflow.workflow.repair.follow_up import (
    LABELS_FILE,
    TEMPLATE_FILE,
    Draft,
    FollowUp,
    finish,
)
from gt_workflow.workflow.specify import refuse

CATEGORIES: Final = ("correct", "wrong")
ENDINGS: Final = {"adjust": "adjusted", "verify": "verified"}
_TOO_LONG: Final = frozenset({"line-length", "attribute-length"})


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """What is asked of the new job; empty texts take the default.

    `labels` are added to the earlier job's for an adjustment, and are the categories of a
    verification (`CATEGORIES`). `attribute` is the new label attribute (`<audited>-adjusted`,
    `<audited>-verified`). `only` is a category: of a verified job, only lines judged so are sent.
    """

    labels: tuple[str, ...] = ()
    attribute: str = ""
    title: str = ""
    instructions: str | Html = ""
    workteam_arn: str = ""
    only: str = ""


def plan(
    kind: Literal["adjust", "verify"],
    job: DescribedJob,
    options: ChainOptions,
    *,
    settings: Settings,
    storage: Storage,
    ground_truth: GroundTruth,
    output: str | None = None,
) -> FollowUp:
    """Plan the job; nothing is written.

    `output` is read instead of the job's output manifest. Raises `UsageError` for what Ground
    Truth would refuse and for a job that is not over, `DataError` for a label that cannot be read.
    """
    if not job.over:
        raise UsageError(f"labeling job {job.name} is {job.status}; stop it, or wait for its end")
    source = output or job.output_uri
    if not storage.exists(source):
        raise UsageError(
            f"labeling job {job.name} has no output manifest; see what can be harvested: recover "
            f"{job.name} --out MANIFEST"
        )
    if options.only and job.kind != "verify":
        raise UsageError(f"--only takes a verdict, and {job.name} is no verification job")
    audited = job.attribute if job.kind != "verify" else _audited(job, storage)
    attribute = options.attribute or f"{audited}-{ENDINGS[kind]}"
    labels = options.labels or CATEGORIES
    if kind == "adjust":
        known = _known_labels(job, audited, source, storage=storage, ground_truth=ground_truth)
        labels = (*known, *(label for label in options.labels if label not in known))
    refuse(check_labels(labels, kind=kind))
    counts: Counter[str] = Counter()
    only = (job.attribute, options.only) if options.only else None

    def content() -> Iterator[bytes]:
        counts.clear()
        allowed = frozenset(labels) if kind == "adjust" else None
        chosen = _Chosen(source, audited, attribute, allowed, only, counts)
        with closing(storage.open(source)) as file:
            yield from chosen.lines(manifest.split_lines(file, uri=source))

    template = templates.render(
        kind, header=options.title, instructions=options.instructions, audited=audited
    )

    draft = Draft(
        what=kind,
        job=job,
        source=source,
        content=content,
        request=lambda name, folder: _request(
            job, kind, name, folder, settings=settings, options=options, attribute=attribute
        ),
        files={LABELS_FILE: label_category_file(labels), TEMPLATE_FILE: template.encode()},
    )
    planned = finish(draft, settings=settings, left_out=lambda: counts)
    if planned.name:
        public = settings.aws.public_anyway
        refuse(limits.check_labeling_request(planned.request, public_anyway=public))
    return planned


def _request(
    job: DescribedJob,
    kind: Literal["adjust", "verify"],
    name: str,
    folder: str,
    *,
    settings: Settings,
    options: ChainOptions,
    attribute: str,
) -> dict[str, Any]:
    """Return the earlier job's request, changed to what this one asks of its workers."""
    made = job.request(name=name, manifest_uri=f"{folder}input.manifest")
    for member in ("StoppingConditions", "LabelingJobAlgorithmsConfig"):
        made.pop(member, None)
    human = made["HumanTaskConfig"]
    human["WorkteamArn"] = options.workteam_arn or human["WorkteamArn"]
    force = workforce(human["WorkteamArn"])
    if force != "public":
        human.pop("PublicWorkforceTaskPrice", None)
    chosen = settings.job
    human |= {
        "UiConfig": {"UiTemplateS3Uri": folder + TEMPLATE_FILE},
        "PreHumanTaskLambdaArn": function_arn(job.region, "PRE", kind),
        "AnnotationConsolidationConfig": {
            "AnnotationConsolidationLambdaArn": function_arn(job.region, "ACS", kind)
        },
        "TaskTitle": options.title or templates.HEADERS[kind],
        "TaskDescription": f"{templates.HEADERS[kind]} ({job.name})",
        "NumberOfHumanWorkersPerDataObject": chosen.workers,
        "TaskTimeLimitInSeconds": chosen.task_time_limit,
        "TaskAvailabilityLifetimeInSeconds": min(chosen.availability, MAX_AVAILABILITY[force]),
        "MaxConcurrentTaskCount": chosen.max_concurrent,
    }
    return made | {
        "LabelAttributeName": attribute,
        "LabelCategoryConfigS3Uri": folder + LABELS_FILE,
    }


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Picks the lines that are sent, and counts the others by reason."""

    source: str
    audited: str
    attribute: str
    allowed: frozenset[str] | None
    only: tuple[str, str] | None
    counts: Counter[str]

    def lines(self, source: Iterator[bytes]) -> Iterator[bytes]:
        for record in manifest.read(source, uri=self.source, attribute=self.audited):
            if record.state != "labelled":
                self.counts[record.state] += 1
            elif self.only and verdict(record.raw, self.only[0]) != self.only[1]:
                self.counts[f"not judged {self.only[1]}"] += 1
            elif (raw := self._sendable(record)) is None:
                self.counts["too long for Ground Truth"] += 1
            else:
                yield raw

    def _sendable(self, record: manifest.Record) -> bytes | None:
        """Return the line as it is sent; None if Ground Truth would not read a line so long."""
        if self.allowed is not None and record.label is not None:
            self._require_known(record, record.label)
        one = look(record.raw, attribute=self.attribute, uri=self.source, line=record.line)
        if one.state == "labelled":
            raise UsageError(
                f"line {record.line} of {self.source} has a label under {self.attribute} already, "
                "so no job would look at it; name another --attribute"
            )
        drop = stale_members(record.raw, attribute=self.attribute)
        raw = manifest.with_members(record.raw, {}, drop=drop)
        for problem in check_manifest_line(raw):
            if problem.code in _TOO_LONG:
                return None
            if problem.code != "source-suffix":
                raise DataError(
                    problem.message, uri=self.source, line=record.line, field=problem.field
                )
        return raw

    def _require_known(self, record: manifest.Record, label: manifest.Label) -> None:
        used = {annotation.label for annotation in label.annotations}
        if unknown := sorted(used - (self.allowed or used)):
            raise DataError(
                f"the label {unknown[0]!r} is not in the job's label category file, so its boxes "
                "could not be shown; add it with --labels",
                uri=self.source,
                line=record.line,
                field=self.audited,
            )


def _known_labels(
    job: DescribedJob, audited: str, source: str, *, storage: Storage, ground_truth: GroundTruth
) -> tuple[str, ...]:
    """Return the labels of the job that drew the audited boxes, in the order of its file."""
    origin = job
    if job.kind == "verify":
        with closing(storage.open(source)) as file:
            read = manifest.read(manifest.split_lines(file), uri=source, attribute=audited)
            names = (record.label.job_name for record in read if record.label)
            name = next((name for name in names if name), None)
        if name is None:
            raise UsageError(f"{source} does not say which job drew the boxes; adjust that one")
        origin = describe(ground_truth.describe(name))
    try:
        with closing(storage.open(origin.labels_uri)) as file:
            return parse_label_category_file(file.read(), origin.labels_uri)
    except ObjectNotFoundError:
        raise UsageError(
            f"the label category file {origin.labels_uri} of {origin.name} is gone; its labels and "
            "their order are needed to adjust its boxes, so put it back"
        ) from None


def _audited(job: DescribedJob, storage: Storage) -> str:
    """Return the attribute whose boxes a verification job showed."""
    with closing(storage.open(job.template_uri)) as file:
        text = file.read().decode(errors="replace")
    name = audited_attribute(text, own=job.attribute)
    if name is None:
        raise UsageError(f"the worker template of {job.name} does not say whose boxes it shows")
    return name


class _Said(msgspec.Struct, rename="kebab"):
    class_name: str = ""


_said = msgspec.json.Decoder(_Said).decode


def verdict(raw: bytes, attribute: str) -> str:
    """Return the category that a verification job chose for a line; empty if it chose none."""
    metadata = members(raw).get(attribute + SUFFIX)
    return "" if metadata is None else _said(metadata).class_name
