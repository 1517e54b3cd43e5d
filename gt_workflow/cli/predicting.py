"""`predict`: a detector's answers become pre-labels."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from gt_workflow import wiring
from gt_workflow.cli import show
from gt_workflow.config import Settings
from gt_workflow.errors import InterruptedByUserError, UsageError
from gt_workflow.workflow.training import answers
from gt_workflow.workflow.training import predict as stage
from gt_workflow.workflow.training.channel import read_classes


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asked for, as it was written."""

    manifest: str
    out: str
    classes_from: str
    transform_output: str | None
    endpoint: str | None
    attribute: str
    threshold: float
    size: str | None
    on_missing: Any


def predict(settings: Settings, asked: Asked, *, dry_run: bool, as_json: bool) -> None:
    """Label a manifest with a detector's answers, or print what would be done."""
    if (asked.transform_output is None) == (asked.endpoint is None):
        raise UsageError(
            "name where the answers come from: --transform-output s3://... or --endpoint NAME"
        )
    if asked.transform_output is not None and not asked.transform_output.startswith("s3://"):
        raise UsageError("--transform-output is an s3:// address")
    if asked.on_missing not in {"stop", "skip"}:
        raise UsageError(f"--on-missing is stop or skip, not {asked.on_missing!r}")
    writes = asked.out.startswith("s3://") and not dry_run
    with (
        ExitStack() as stack,
        show.Narrator() as narrator,
        wiring.local(settings, writes=writes) as wired,
    ):
        planned = stage.plan(
            stage.PredictSettings(
                manifest=asked.manifest,
                out=asked.out,
                classes=read_classes(asked.classes_from, storage=wired.storage),
                source=str(asked.transform_output or asked.endpoint),
                attribute=asked.attribute,
                threshold=asked.threshold,
                on_missing=asked.on_missing,
                size=_size(asked.size),
            ),
            storage=wired.storage,
        )
        if dry_run:
            if as_json:
                show.data(show.hyphened(planned.to_dict()))
            else:
                lines = show.count(planned.lines, "line")
                show.line(f"pre-labels for {lines} under {asked.attribute!r}")
                show.line(f"manifest (not written): {wired.path(asked.out)}")
            return
        try:
            receipt = stage.run(
                planned,
                answers=_answers(planned, asked, settings, wired, stack),
                storage=wired.storage,
                clock=wired.clock,
                progress=narrator,
            )
        except KeyboardInterrupt:
            raise InterruptedByUserError(
                "interrupted; what is done is kept beside the output, and the same command goes on "
                "from there"
            ) from None
    if as_json:
        show.data(show.hyphened(receipt.to_dict()))
        return
    counts = receipt.counts
    known = " (unchanged)" if receipt.unchanged else ""
    boxes = "1 box" if counts.boxes == 1 else f"{counts.boxes} boxes"
    show.line(
        f"{show.count(counts.answered, 'image')} with {boxes}, {counts.missing} without an "
        f"answer: {wired.path(receipt.out)}{known}"
    )


def _answers(
    planned: stage.PredictPlan,
    asked: Asked,
    settings: Settings,
    wired: wiring.Local,
    stack: ExitStack,
) -> answers.Answers:
    size = planned.settings.size
    if asked.endpoint is None:
        source = planned.settings.source
        return answers.Transformed(source, planned.cut, wired.storage, wired.images, size)
    from gt_workflow.adapters.training import Endpoint

    running = stack.enter_context(wiring.backend(settings))
    detector = Endpoint(running.client("sagemaker-runtime"), asked.endpoint)
    return answers.Asked(detector, asked.endpoint, wired.storage, wired.images, size)


def _size(text: str | None) -> tuple[int, int] | None:
    """Read a size in pixels."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text)
    if match is None:
        raise UsageError(f"--size is WIDTHxHEIGHT in pixels, such as 1024x768, not {text!r}")
    return int(match[1]), int(match[2])
