"""Jobs as AWS shows them: DescribeLabelingJob and the two lists."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, select

from gt_workflow.service.labeling import states
from gt_workflow.service.labeling.records import OUTPUT_MANIFEST, moment, output_root
from gt_workflow.service.store import jobs, tags

SortBy = Literal["Name", "CreationTime", "Status"]
_ORDER = {"Name": jobs.c.name_key, "CreationTime": jobs.c.created, "Status": jobs.c.status}
# Shown as they came, in AWS's order.
_ECHOED = (
    "LabelAttributeName",
    "InputConfig",
    "OutputConfig",
    "RoleArn",
    "LabelCategoryConfigS3Uri",
    "StoppingConditions",
    "LabelingJobAlgorithmsConfig",
    "HumanTaskConfig",
)


def describe(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return the DescribeLabelingJob answer for a whole row of the jobs table."""
    request = json.loads(row.request)
    answer: dict[str, Any] = {
        "LabelingJobStatus": row.status,
        "LabelCounters": counters(row),
        "CreationTime": moment(row.created),
        "LastModifiedTime": moment(row.modified),
        "JobReferenceCode": row.reference_code,
        "LabelingJobName": row.name,
        "LabelingJobArn": row.arn,
        **{key: request[key] for key in _ECHOED if key in request},
        **_ended(row),
    }
    found = connection.execute(
        select(tags.c.key, tags.c.value).where(tags.c.arn == row.arn).order_by(tags.c.key)
    )
    answer["Tags"] = [{"Key": key, "Value": value} for key, value in found]
    return answer


def summary(row: Row[Any]) -> dict[str, Any]:
    """Return one LabelingJobSummary of ListLabelingJobs."""
    request = json.loads(row.request)
    human = request["HumanTaskConfig"]
    answer: dict[str, Any] = {
        "LabelingJobName": row.name,
        "LabelingJobArn": row.arn,
        "CreationTime": moment(row.created),
        "LastModifiedTime": moment(row.modified),
        "LabelingJobStatus": row.status,
        "LabelCounters": counters(row),
        "WorkteamArn": row.workteam_arn,
        "InputConfig": request["InputConfig"],
        **_ended(row),
    }
    if "PreHumanTaskLambdaArn" in human:
        answer["PreHumanTaskLambdaArn"] = human["PreHumanTaskLambdaArn"]
    consolidation = human.get("AnnotationConsolidationConfig", {})
    if "AnnotationConsolidationLambdaArn" in consolidation:
        key = "AnnotationConsolidationLambdaArn"
        answer[key] = consolidation[key]
    return answer


def workteam_summary(row: Row[Any]) -> dict[str, Any]:
    """Return one LabelingJobForWorkteamSummary of ListLabelingJobsForWorkteam."""
    human = json.loads(row.request)["HumanTaskConfig"]
    done = row.human_labeled + row.machine_labeled + row.failed
    return {
        "LabelingJobName": row.name,
        "JobReferenceCode": row.reference_code,
        "WorkRequesterAccountId": row.arn.split(":")[4],
        "CreationTime": moment(row.created),
        "LabelCounters": {
            "HumanLabeled": row.human_labeled,
            "PendingHuman": row.total - done,
            "Total": row.total,
        },
        "NumberOfHumanWorkersPerDataObject": human["NumberOfHumanWorkersPerDataObject"],
    }


def counters(row: Row[Any]) -> dict[str, int]:
    """Return LabelCounters; they count the objects that this job labels, all 0 before it starts.

    Lines that a chained job skips, because they have its label already, are not counted.
    """
    labeled = row.human_labeled + row.machine_labeled
    return {
        "TotalLabeled": labeled,
        "HumanLabeled": row.human_labeled,
        "MachineLabeled": row.machine_labeled,
        "FailedNonRetryableError": row.failed,
        "Unlabeled": row.total - labeled - row.failed,
    }


def narrowed(
    query: Select[Any],
    *,
    created_after: datetime | None,
    created_before: datetime | None,
    modified_after: datetime | None = None,
    modified_before: datetime | None = None,
) -> Select[Any]:
    """Keep the jobs whose times lie strictly between the given ones."""
    for column, after, before in (
        (jobs.c.created, created_after, created_before),
        (jobs.c.modified, modified_after, modified_before),
    ):
        if after is not None:
            query = query.where(column > after.timestamp())
        if before is not None:
            query = query.where(column < before.timestamp())
    return query


def containing(query: Select[Any], part: str | None) -> Select[Any]:
    """Keep the jobs whose name contains this text, in whatever case."""
    if part is None:
        return query
    return query.where(jobs.c.name_key.contains(part.lower(), autoescape=True))


def ordered(query: Select[Any], sort_by: str, sort_order: str) -> Select[Any]:
    """Sort as asked; jobs that compare equal stand in the order they were created in."""
    column, tie = _ORDER[sort_by], jobs.c.id
    if sort_order == "Descending":
        return query.order_by(column.desc(), tie.desc())
    return query.order_by(column, tie)


def _ended(row: Row[Any]) -> dict[str, Any]:
    """Return why a job failed, and where its output is once it is written.

    A job that failed before it began has written nothing.
    """
    ended: dict[str, Any] = {}
    if row.status == states.FAILED and row.failure_reason:
        ended["FailureReason"] = row.failure_reason
    if row.status in states.TERMINAL and row.ending == row.status:
        root = output_root(json.loads(row.request)["OutputConfig"]["S3OutputPath"], row.name)
        ended["LabelingJobOutput"] = {"OutputDatasetS3Uri": root + OUTPUT_MANIFEST}
    return ended
