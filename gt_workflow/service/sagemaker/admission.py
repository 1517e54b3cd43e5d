"""What CreateLabelingJob refuses: requests that this service, or Ground Truth, could not carry out.

First what is legal on AWS but not offered here, each with its reason; then the rules of
`core.limits`; then whether the files and the work team that the request names are there. All are
ValidationException, as on AWS, whose wording for most of these is not published.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from gt_workflow.core import limits
from gt_workflow.core.labels import MAX_CATEGORY_FILE_BYTES
from gt_workflow.errors import DataError, StorageError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.service.faults import Fault, invalid
from gt_workflow.service.sagemaker.teams import Teams

Request = Mapping[str, Any]


def check_labeling_job(
    request: Request,
    *,
    region: str,
    storage: Storage,
    teams: Teams,
    vendors: Container[str] = (),
) -> None:
    """Raise a Fault unless the job can be started; the request is of AWS's shape already.

    `vendors` are the ARNs of vendors' work teams that are subscribed to.
    """
    _check_offered(request, vendors)
    problems = limits.check_labeling_request(request, region=region)
    if problems:
        raise invalid("; ".join(str(problem) for problem in problems))
    team = request["HumanTaskConfig"]["WorkteamArn"]
    if team not in vendors and not teams.exists(region, team):
        raise invalid(
            f"HumanTaskConfig.WorkteamArn: the work team {team} does not exist in {region}. "
            "ListWorkteams tells those that do."
        )
    _check_files(request, region=region, storage=storage)


def _check_offered(request: Request, vendors: Container[str]) -> None:
    """Refuse what AWS has and this service has not."""
    human = request["HumanTaskConfig"]
    if "LabelingJobAlgorithmsConfig" in request:
        raise invalid(
            "LabelingJobAlgorithmsConfig: this service does not label automatically. Leave it out "
            "to have all objects labeled by people."
        )
    if "SnsDataSource" in request["InputConfig"]["DataSource"]:
        raise invalid(
            "InputConfig.DataSource.SnsDataSource: this service has no streaming labeling jobs. "
            "Give S3DataSource.ManifestS3Uri, and chain jobs to add objects."
        )
    if "HumanTaskUiArn" in human["UiConfig"]:
        raise invalid(
            "HumanTaskConfig.UiConfig.HumanTaskUiArn: bounding box tasks have their page in "
            "UiTemplateS3Uri; human task UIs are for video, point cloud and text tasks."
        )
    workforce = _workforce(human["WorkteamArn"])
    if workforce == "public":
        raise invalid(
            "HumanTaskConfig.WorkteamArn: Amazon Mechanical Turk has closed on 2026-09-30 and "
            "this service has no public workforce. Name a private work team."
        )
    if workforce == "vendor" and human["WorkteamArn"] not in vendors:
        raise invalid(
            "HumanTaskConfig.WorkteamArn: this service has no subscriptions to vendors' work "
            "teams. Name a private work team."
        )


def _workforce(arn: str) -> limits.Workforce:
    try:
        return limits.workforce(arn)
    except UsageError as error:
        raise invalid(f"HumanTaskConfig.WorkteamArn: {error}") from None


def _check_files(request: Request, *, region: str, storage: Storage) -> None:
    """Look at the files that the job will read; the manifest's lines are read when it begins."""
    where = f"Please ensure that the bucket exists in the selected region ({region}) and that the"
    role = f'{where} role "{request["RoleArn"]}" has "s3:GetObject" permission for the object.'

    def missing(field: str, uri: str) -> Fault:
        return invalid(f'{field}: no S3 object found at "{uri}". {role}')

    manifest = request["InputConfig"]["DataSource"]["S3DataSource"]["ManifestS3Uri"]
    template = request["HumanTaskConfig"]["UiConfig"]["UiTemplateS3Uri"]
    labels = request["LabelCategoryConfigS3Uri"]
    for field, uri in (
        ("InputConfig.DataSource.S3DataSource.ManifestS3Uri", manifest),
        ("HumanTaskConfig.UiConfig.UiTemplateS3Uri", template),
        ("LabelCategoryConfigS3Uri", labels),
    ):
        try:
            found = storage.exists(uri)
        except StorageError as error:
            raise invalid(f"{field}: {error}") from error
        if not found:
            raise missing(field, uri)
    try:
        with storage.open(labels) as file:
            data = file.read(MAX_CATEGORY_FILE_BYTES + 1)
        kind = limits.kind_of(request)
        limits.parse_label_category_file(data, labels, kind=kind or "label")
    except (DataError, StorageError) as error:
        raise invalid(f"LabelCategoryConfigS3Uri: {error}") from error
