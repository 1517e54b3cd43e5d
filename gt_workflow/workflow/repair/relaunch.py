"""Send a job's missing, failed and untouched lines again, and nothing that has a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from gt_workflow.config import Settings
from gt_workflow.core import limits
from gt_workflow.core.described import DescribedJob, describe
from gt_workflow.core.matching import look, sendable
from gt_workflow.core.objects import MIN_OBJECTS_AUTOMATED
from gt_workflow.errors import UsageError
from gt_workflow.ports import GroundTruth, Storage
from gt_workflow.workflow.repair import reconcile, recover
from gt_workflow.workflow.repair.alignment import CODES, LABELLED, lines
from gt_workflow.workflow.repair.follow_up import Draft, FollowUp, exists, finish
from gt_workflow.workflow.specify import refuse

_MOST_ROUNDS: Final = 100


def plan(
    job: DescribedJob, *, settings: Settings, storage: Storage, output: str | None = None
) -> FollowUp:
    """Plan a job like `job` over exactly the input lines that have no label; nothing is written.

    Template, labels, team and settings are the job's own. `output` is looked at instead of the
    job's output manifest. Raises `UsageError` for a job that is not over, and for one that has
    labels which its output manifest lacks: `recover` harvests them first.
    """
    if not job.over:
        raise UsageError(f"labeling job {job.name} is {job.status}; stop it, or wait for its end")
    found, aligned = reconcile.survey(job, storage=storage, output=output, most=0)
    _require_harvested(job, found, aligned.states, storage)
    counts: Counter[str] = Counter()

    def content() -> Iterator[bytes]:
        counts.clear()
        for i, (number, raw) in enumerate(lines(job.input_uri, storage=storage)):
            one = look(raw, attribute=job.attribute, uri=job.input_uri, line=number)
            if aligned.states[i] == LABELLED or one.state == "labelled":
                counts["labelled"] += 1
            else:
                yield sendable(raw, attribute=job.attribute)

    open_lines = found.total - found.labelled
    automated = open_lines >= MIN_OBJECTS_AUTOMATED

    def request(name: str, folder: str) -> dict[str, Any]:
        made = job.request(name=name, manifest_uri=f"{folder}input.manifest")
        if not automated:
            made.pop("LabelingJobAlgorithmsConfig", None)
        return made

    draft = Draft(
        what="relaunch",
        job=job,
        source=found.output or job.input_uri,
        content=content,
        request=request,
        warnings=tuple(_warnings(job, automated=automated)),
    )
    planned = finish(draft, settings=settings, left_out=lambda: counts)
    if planned.name:
        public = settings.aws.public_anyway
        refuse(limits.check_labeling_request(planned.request, public_anyway=public))
    return planned


def rounds(
    job: DescribedJob,
    *,
    settings: Settings,
    storage: Storage,
    ground_truth: GroundTruth,
    output: str | None = None,
) -> tuple[DescribedJob, ...]:
    """Return the relaunches of a job that exist: of itself, of that relaunch, and so on.

    Their names follow from what their predecessors left, so nothing needs to be listed. `output`
    is what the first relaunch was given instead of the job's output manifest.
    """
    found: list[DescribedJob] = []
    last = job
    while last.over and len(found) < _MOST_ROUNDS:
        instead = output if last is job else None
        try:
            name = plan(last, settings=settings, storage=storage, output=instead).name
        except UsageError:
            break  # it could not be relaunched as it is, so nobody has done it
        if not name or not exists(name, ground_truth):
            break
        last = describe(ground_truth.describe(name))
        found.append(last)
    return tuple(found)


def _require_harvested(
    job: DescribedJob, found: reconcile.Survey, states: bytearray, storage: Storage
) -> None:
    """Refuse to pay again for labels that the job has, but not in the manifest looked at."""
    is_own = found.output == job.output_uri
    if job.status == "Completed" and is_own:
        return
    paid = recover.paid_for(job, storage=storage)
    # What the manifest calls failed has had its answers, and they made no label.
    given_up = {LABELLED, CODES["failed"]}
    lost = {i for i in paid if i < len(states) and states[i] not in given_up}
    if not is_own and storage.exists(job.output_uri):
        own = reconcile.survey(job, storage=storage, most=0)[1].states
        lost |= {i for i, state in enumerate(own) if state == LABELLED != states[i]}
    if lost:
        lacks = f"{found.output} lacks" if found.output else "no output manifest holds"
        raise UsageError(
            f"labeling job {job.name} has labels for {len(lost)} of these lines in its output "
            f"folder, which {lacks}; harvest them first: recover "
            f"{job.name} --out MANIFEST, then relaunch {job.name} --output MANIFEST"
        )


def _warnings(job: DescribedJob, *, automated: bool) -> Iterator[str]:
    if job.answer.get("StoppingConditions"):
        yield "the original job's stopping conditions apply to the new one, too"
    if job.answer.get("LabelingJobAlgorithmsConfig") and not automated:
        yield (
            f"automated labeling needs {MIN_OBJECTS_AUTOMATED:,} objects; people label all of these"
        )
