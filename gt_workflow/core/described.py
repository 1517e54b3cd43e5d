"""A labeling job as DescribeLabelingJob tells it: its files, and the request that would repeat it.

Source: DescribeLabelingJob in the API reference; developer guide, "Output Data" for the folders
below `S3OutputPath/JOB`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from gt_workflow.core.names import Kind, kind_of, region_of
from gt_workflow.errors import UsageError

OUTPUT_MANIFEST: Final = "/manifests/output/output.manifest"
TERMINAL: Final = frozenset({"Completed", "Failed", "Stopped"})

# What an answer and a request have in common.
_REPEATED: Final = (
    "LabelAttributeName",
    "InputConfig",
    "OutputConfig",
    "RoleArn",
    "LabelCategoryConfigS3Uri",
    "StoppingConditions",
    "LabelingJobAlgorithmsConfig",
    "HumanTaskConfig",
    "Tags",
)
# `{{ task.input.manifestLine.boxes.annotations }}`, with dots or brackets.
_AUDITED: Final = re.compile(
    r"""task\.input\.manifestLine
        (?:\.([A-Za-z0-9-]+)|\[\s*["']([A-Za-z0-9-]+)["']\s*\])
        (?:\.annotations\b|\[\s*["']annotations["']\s*\])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class DescribedJob:
    """A job for boxes that reads a manifest; addresses as `s3://bucket/key`.

    `root` is its output folder, without a slash at the end. `output_uri` is where its output
    manifest is, or would be: a job that failed may have none.
    """

    name: str
    kind: Kind
    status: str
    region: str
    attribute: str
    input_uri: str
    labels_uri: str
    template_uri: str
    root: str
    output_uri: str
    workers: int
    answer: Mapping[str, Any]

    @property
    def over(self) -> bool:
        """Whether the job has reached a status that never changes."""
        return self.status in TERMINAL

    def request(self, *, name: str, manifest_uri: str) -> dict[str, Any]:
        """Return the CreateLabelingJob request of a job like this one over another manifest.

        Empty members of the answer, such as AWS's `KmsKeyId: ""`, and tags that AWS reserves for
        itself are left out.
        """
        repeated = {key: self.answer[key] for key in _REPEATED if key in self.answer}
        request: dict[str, Any] = _without_empty(deepcopy(repeated))
        request["LabelingJobName"] = name
        request["InputConfig"]["DataSource"] = {"S3DataSource": {"ManifestS3Uri": manifest_uri}}
        tags = [tag for tag in request.pop("Tags", []) if not tag["Key"].startswith("aws:")]
        return {**request, "Tags": tags} if tags else request


def describe(answer: Mapping[str, Any]) -> DescribedJob:
    """Read a DescribeLabelingJob answer; `UsageError` for a job that is not about boxes."""
    name = str(answer["LabelingJobName"])
    kind = kind_of(answer)
    source = answer["InputConfig"]["DataSource"].get("S3DataSource", {})
    if kind is None:
        raise UsageError(f"labeling job {name} is no box job; only box jobs can be looked through")
    if not source.get("ManifestS3Uri"):
        raise UsageError(f"labeling job {name} is a streaming job and has no input manifest")
    human = answer["HumanTaskConfig"]
    root = f"{answer['OutputConfig']['S3OutputPath'].rstrip('/')}/{name}"
    output = (answer.get("LabelingJobOutput") or {}).get("OutputDatasetS3Uri")
    return DescribedJob(
        name=name,
        kind=kind,
        status=str(answer["LabelingJobStatus"]),
        region=region_of(human["PreHumanTaskLambdaArn"]) or "",
        attribute=str(answer["LabelAttributeName"]),
        input_uri=str(source["ManifestS3Uri"]),
        labels_uri=str(answer.get("LabelCategoryConfigS3Uri") or ""),
        template_uri=str(human["UiConfig"].get("UiTemplateS3Uri") or ""),
        root=root,
        output_uri=str(output or root + OUTPUT_MANIFEST),
        workers=int(human["NumberOfHumanWorkersPerDataObject"]),
        answer=answer,
    )


def audited_attribute(template: str, *, own: str) -> str | None:
    """Return the attribute whose boxes a worker template shows, or None; `own` is the job's."""
    for match in _AUDITED.finditer(template):
        name = match[1] or match[2]
        if name != own:
            return name
    return None


def _without_empty(value: Any) -> Any:
    """Drop None, "", [] and {} from the members of objects; numbers stay."""
    if not isinstance(value, dict):
        return value
    kept = {key: _without_empty(member) for key, member in value.items()}
    return {key: member for key, member in kept.items() if member not in (None, "", [], {})}
