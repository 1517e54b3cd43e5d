"""SageMaker's labeling API: an operation's name and parameters in, AWS's answer or a Fault out.

No HTTP in here. `handle` checks parameters against AWS's own model first, so that what it passes
on has the right types; times in parameters and answers are aware datetimes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from gt_workflow.ports import Storage
from gt_workflow.service.faults import Fault, invalid, not_found
from gt_workflow.service.labeling.jobs import Jobs
from gt_workflow.service.sagemaker.admission import check_labeling_job
from gt_workflow.service.sagemaker.arns import ACCOUNT, OWN_KINDS, kind_of
from gt_workflow.service.sagemaker.paging import Pages, slices
from gt_workflow.service.sagemaker.parameters import Parameters
from gt_workflow.service.sagemaker.preview import render_ui_template
from gt_workflow.service.sagemaker.tags import check as check_tags
from gt_workflow.service.sagemaker.teams import Teams
from gt_workflow.service.sagemaker.templates import Grant

Answer = dict[str, Any]
Given = Mapping[str, Any]
Handler = Callable[[str, Given], Answer]

_TAG_OPERATIONS = frozenset({"AddTags", "ListTags", "DeleteTags"})
OPERATIONS = _TAG_OPERATIONS | {
    *("CreateLabelingJob", "DescribeLabelingJob", "ListLabelingJobs", "StopLabelingJob"),
    *("ListLabelingJobsForWorkteam", "RenderUiTemplate"),
    *("CreateWorkteam", "DescribeWorkteam", "UpdateWorkteam", "DeleteWorkteam", "ListWorkteams"),
    *("CreateWorkforce", "DescribeWorkforce", "UpdateWorkforce", "DeleteWorkforce"),
    *("ListWorkforces", "DescribeSubscribedWorkteam", "ListSubscribedWorkteams"),
}


class Api:
    """Answers the operations in OPERATIONS; may be called from many threads."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        teams: Teams,
        storage: Storage,
        grant: Grant,
        secret: bytes,
        on_change: Callable[[], None] = lambda: None,
        vendors: Iterable[Answer] = (),
    ) -> None:
        """`grant` turns an S3 URI into an address that a browser may read, for RenderUiTemplate.

        `secret` signs page tokens. `on_change` is called when a job was created or stopped, so
        that whoever drives the jobs need not wait for the next round. `vendors` are
        SubscribedWorkteams; there is no marketplace here, so the host says which there are.
        """
        self._jobs = jobs
        self._teams = teams
        self._vendors = {team["WorkteamArn"]: team for team in vendors}
        self._storage = storage
        self._grant = grant
        self._on_change = on_change
        self._pages = Pages(secret)
        self._parameters: Parameters | None = None
        self._handlers = self._table()

    def owns(self, operation: str, parameters: object) -> bool:
        """Tell whether a SageMaker call is answered here; tags only of resources kept here."""
        if operation in _TAG_OPERATIONS and isinstance(parameters, dict):
            arn = parameters.get("ResourceArn")
            return not isinstance(arn, str) or kind_of(arn) in OWN_KINDS
        return operation in OPERATIONS

    def handle(self, operation: str, parameters: object, *, region: str) -> Answer:
        """Carry out one operation; every refusal is a Fault with AWS's code."""
        if operation not in self._handlers:
            raise Fault("UnknownOperationException", f"Unknown operation {operation}.")
        # Reading the model takes 0.1 s, which no start of the service has to wait for. Two
        # threads may both read it; the second result is as good as the first.
        if self._parameters is None:
            self._parameters = Parameters(OPERATIONS)
        checked = self._parameters.check(operation, parameters)
        return self._handlers[operation](region, checked)

    def _table(self) -> dict[str, Handler]:
        teams, forces = self._teams, self._teams.workforces
        return {
            "CreateLabelingJob": self._create_labeling_job,
            "DescribeLabelingJob": self._describe_labeling_job,
            "ListLabelingJobs": self._list_labeling_jobs,
            "ListLabelingJobsForWorkteam": self._list_labeling_jobs_for_workteam,
            "StopLabelingJob": self._stop_labeling_job,
            "RenderUiTemplate": self._render_ui_template,
            "CreateWorkteam": teams.create,
            "DescribeWorkteam": teams.describe,
            "UpdateWorkteam": teams.update,
            "DeleteWorkteam": teams.delete,
            "ListWorkteams": partial(self._list, "Workteams", teams.list),
            "CreateWorkforce": forces.create,
            "DescribeWorkforce": forces.describe,
            "UpdateWorkforce": forces.update,
            "DeleteWorkforce": forces.delete,
            "ListWorkforces": partial(self._list, "Workforces", forces.list),
            "DescribeSubscribedWorkteam": self._describe_subscribed_workteam,
            "ListSubscribedWorkteams": partial(self._list, "SubscribedWorkteams", self._subscribed),
            "AddTags": lambda _, given: teams.tags.add(given["ResourceArn"], given["Tags"]),
            "ListTags": self._list_tags,
            "DeleteTags": lambda _, given: teams.tags.delete(
                given["ResourceArn"], given["TagKeys"]
            ),
        }

    def _create_labeling_job(self, region: str, given: Given) -> Answer:
        check_tags(given.get("Tags", ()))
        check_labeling_job(
            given, region=region, storage=self._storage, teams=self._teams, vendors=self._vendors
        )
        arn = self._jobs.create(region=region, account=ACCOUNT, request=given)
        self._on_change()
        return {"LabelingJobArn": arn}

    def _describe_labeling_job(self, region: str, given: Given) -> Answer:
        return self._jobs.describe(region=region, name=given["LabelingJobName"])

    def _stop_labeling_job(self, region: str, given: Given) -> Answer:
        self._jobs.stop(region=region, name=given["LabelingJobName"])
        self._on_change()
        return {}

    def _list_labeling_jobs(self, region: str, given: Given) -> Answer:
        fetch = partial(
            self._jobs.list,
            region=region,
            creation_time_after=given.get("CreationTimeAfter"),
            creation_time_before=given.get("CreationTimeBefore"),
            last_modified_time_after=given.get("LastModifiedTimeAfter"),
            last_modified_time_before=given.get("LastModifiedTimeBefore"),
            name_contains=given.get("NameContains"),
            status_equals=given.get("StatusEquals"),
            sort_by=given.get("SortBy", "CreationTime"),
            sort_order=given.get("SortOrder", "Ascending"),
        )
        return self._pages.cut(
            "LabelingJobSummaryList",
            ("ListLabelingJobs", region, given),
            lambda offset, limit: fetch(offset=offset, limit=limit),
        )

    def _list_labeling_jobs_for_workteam(self, region: str, given: Given) -> Answer:
        arn = given["WorkteamArn"]
        if arn not in self._vendors and not self._teams.exists(region, arn):
            raise not_found(f"The work team {arn} does not exist.")
        fetch = partial(
            self._jobs.list_for_workteam,
            workteam_arn=arn,
            creation_time_after=given.get("CreationTimeAfter"),
            creation_time_before=given.get("CreationTimeBefore"),
            job_reference_code_contains=given.get("JobReferenceCodeContains"),
            sort_order=given.get("SortOrder", "Ascending"),
        )
        return self._pages.cut(
            "LabelingJobSummaryList",
            ("ListLabelingJobsForWorkteam", region, given),
            lambda offset, limit: fetch(offset=offset, limit=limit),
        )

    def _render_ui_template(self, _region: str, given: Given) -> Answer:
        return render_ui_template(given, grant=self._grant)

    def _list(
        self, key: str, items: Callable[[str, Given], list[Answer]], region: str, given: Given
    ) -> Answer:
        return self._pages.cut(key, (key, region, given), slices(items(region, given)))

    def _list_tags(self, region: str, given: Given) -> Answer:
        items = self._teams.tags.list(given["ResourceArn"])
        return self._pages.cut("Tags", ("ListTags", region, given), slices(items), size=50)

    def _subscribed(self, region: str, given: Given) -> list[Answer]:
        """Return the vendors' work teams of a region that are subscribed to."""
        return [
            team
            for team in self._vendors.values()
            if f":{region}:" in team["WorkteamArn"]
            and given.get("NameContains", "").lower() in team["MarketplaceTitle"].lower()
        ]

    def _describe_subscribed_workteam(self, _region: str, given: Given) -> Answer:
        team = self._vendors.get(given["WorkteamArn"])
        if team is None:
            raise invalid(f"The work team {given['WorkteamArn']} is not subscribed to.")
        return {"SubscribedWorkteam": team}
