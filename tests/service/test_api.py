"""Unmodified boto3 against the running service, its own parameter checks switched off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_stack import FILES, REGION, ROLE, TEAM, Stack, human, request, running
from botocore.exceptions import ClientError

from gt_workflow.core.limits import function_arn
from gt_workflow.service.sagemaker.api import OPERATIONS

JOB_ARN = "arn:aws:sagemaker:us-east-1:123456789012:labeling-job"
OTHER_TEAM = "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/nobody"


@pytest.fixture
def stack(tmp_path):
    with running(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """Give a service for tests that leave nothing behind."""
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture
def sagemaker(stack):
    return stack.client()


def answer(given: dict[str, Any]) -> dict[str, Any]:
    """Leave out what boto3 adds."""
    return {key: value for key, value in given.items() if key != "ResponseMetadata"}


def refused(stack: Stack, operation: str, **given: Any) -> str:
    """Return code and message; one request was sent, as nothing here may be tried again."""
    sent = len(stack.calls.requests)
    client = stack.client()
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**given)
    assert len(stack.calls.requests) - sent == 1
    error = caught.value.response["Error"]
    assert caught.value.response["ResponseMetadata"]["RequestId"].startswith("request-")
    return f"{error['Code']}: {error['Message']}"


def test_every_operation_of_ours_is_one_of_aws(sagemaker):
    assert set(sagemaker.meta.method_to_api_mapping.values()) >= OPERATIONS


def test_a_job_is_created_described_listed_and_stopped(stack, sagemaker):
    tags = [{"Key": "team", "Value": "Äthiopien 1"}]
    made = answer(sagemaker.create_labeling_job(**request("Degus", Tags=tags)))
    assert made == {"LabelingJobArn": f"{JOB_ARN}/degus"}
    assert stack.changed.is_set()
    shown = sagemaker.describe_labeling_job(LabelingJobName="degus")
    assert shown["LabelingJobName"] == "Degus"
    assert shown["LabelingJobStatus"] == "Initializing"
    assert shown["Tags"] == tags
    assert shown["CreationTime"] == datetime(2026, 1, 1, tzinfo=UTC)
    for key, value in request("Degus").items():
        assert shown[key] == value
    listed = sagemaker.list_labeling_jobs()["LabelingJobSummaryList"]
    assert [job["LabelingJobArn"] for job in listed] == [f"{JOB_ARN}/degus"]
    of_team = sagemaker.list_labeling_jobs_for_workteam(WorkteamArn=TEAM)
    assert [job["LabelingJobName"] for job in of_team["LabelingJobSummaryList"]] == ["Degus"]
    stack.changed.clear()
    assert answer(sagemaker.stop_labeling_job(LabelingJobName="degus")) == {}
    assert stack.changed.is_set()
    assert sagemaker.describe_labeling_job(LabelingJobName="degus")["LabelingJobStatus"] in {
        "Stopping",
        "Stopped",
    }


def test_tags_of_a_job_are_those_of_the_tag_operations(sagemaker):
    arn = sagemaker.create_labeling_job(**request(Tags=[{"Key": "a", "Value": "1"}]))
    arn = arn["LabelingJobArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    tags = [{"Key": "b", "Value": "2"}]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
    assert sagemaker.describe_labeling_job(LabelingJobName="degus")["Tags"] == tags


def test_a_name_that_is_taken_in_any_case(stack, sagemaker):
    sagemaker.create_labeling_job(**request("Degus"))
    told = refused(stack, "create_labeling_job", **request("DEGUS"))
    assert told.startswith("ResourceInUse: ")
    assert "DEGUS" in told
    with pytest.raises(sagemaker.exceptions.ResourceInUse) as caught:
        sagemaker.create_labeling_job(**request("DEGUS"))
    assert caught.value.response["Message"] == caught.value.response["Error"]["Message"]


def test_a_job_that_is_not_there(idle):
    for operation in ("describe_labeling_job", "stop_labeling_job"):
        told = refused(idle, operation, LabelingJobName="never")
        assert told.startswith("ResourceNotFound: ")
        assert "never" in told
    told = refused(idle, "list_labeling_jobs_for_workteam", WorkteamArn=OTHER_TEAM)
    assert told == f"ResourceNotFound: The work team {OTHER_TEAM} does not exist."


def test_another_region_is_another_world(stack, sagemaker):
    sagemaker.create_labeling_job(**request())
    elsewhere = stack.client(region="eu-west-1")
    assert elsewhere.list_labeling_jobs()["LabelingJobSummaryList"] == []
    assert elsewhere.list_workteams()["Workteams"] == []


def test_shapes_are_checked_by_the_service(idle):
    told = refused(idle, "create_labeling_job", **request("a_b", RoleArn="me"))
    assert told == (
        "ValidationException: 3 validation errors detected: "
        "Value 'a_b' at 'labelingJobName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}; "
        "Value 'me' at 'roleArn' failed to satisfy constraint: Member must have length greater "
        "than or equal to 20; "
        "Value 'me' at 'roleArn' failed to satisfy constraint: Member must satisfy regular "
        r"expression pattern: arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
    )


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        (
            {
                "LabelingJobAlgorithmsConfig": {
                    "LabelingJobAlgorithmSpecificationArn": "arn:aws:sagemaker:us-east-1:"
                    "027400017018:labeling-job-algorithm-specification/object-detection"
                }
            },
            "LabelingJobAlgorithmsConfig: this service does not label automatically.",
        ),
        (
            {
                "InputConfig": {
                    "DataSource": {
                        "SnsDataSource": {"SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:in"}
                    }
                }
            },
            "InputConfig.DataSource.SnsDataSource: this service has no streaming labeling jobs.",
        ),
        (
            {
                "HumanTaskConfig": human(
                    WorkteamArn="arn:aws:sagemaker:us-east-1:394669845002:workteam/public-crowd/"
                    "default"
                )
            },
            "HumanTaskConfig.WorkteamArn: Amazon Mechanical Turk has closed on 2026-09-30",
        ),
        (
            {
                "HumanTaskConfig": human(
                    WorkteamArn="arn:aws:sagemaker:us-east-1:123456789012:workteam/vendor-crowd/x"
                )
            },
            "HumanTaskConfig.WorkteamArn: this service has no subscriptions",
        ),
        (
            {
                "HumanTaskConfig": human(
                    WorkteamArn="arn:aws:sagemaker:us-east-1:123456789012:workteam/mine"
                )
            },
            "HumanTaskConfig.WorkteamArn: ",
        ),
        (
            {
                "HumanTaskConfig": human(
                    UiConfig={
                        "HumanTaskUiArn": "arn:aws:sagemaker:us-east-1:394669845002:human-task-ui/x"
                    }
                )
            },
            "HumanTaskConfig.UiConfig.HumanTaskUiArn: bounding box tasks have their page in",
        ),
        (
            {"HumanTaskConfig": human(WorkteamArn=OTHER_TEAM)},
            f"HumanTaskConfig.WorkteamArn: the work team {OTHER_TEAM} does not exist in us-east-1.",
        ),
        ({"LabelAttributeName": "boxes-ref"}, "LabelAttributeName: "),
        (
            {"Tags": [{"Key": "a", "Value": ""}, {"Key": "a", "Value": ""}]},
            "The tag key 'a' is there twice",
        ),
        (
            {"LabelCategoryConfigS3Uri": "s3://pictures/no.json"},
            'LabelCategoryConfigS3Uri: no S3 object found at "s3://pictures/no.json". Please ',
        ),
        (
            {"HumanTaskConfig": human(UiConfig={"UiTemplateS3Uri": "s3://pictures/no.html"})},
            'HumanTaskConfig.UiConfig.UiTemplateS3Uri: no S3 object found at "s3://pictures/no',
        ),
        (
            {
                "InputConfig": {
                    "DataSource": {"S3DataSource": {"ManifestS3Uri": "s3://pictures/no.manifest"}}
                }
            },
            "InputConfig.DataSource.S3DataSource.ManifestS3Uri: no S3 object found at",
        ),
        (
            {"LabelCategoryConfigS3Uri": "s3://pictures/input.manifest"},
            "LabelCategoryConfigS3Uri: s3://pictures/input.manifest: ",
        ),
    ],
)
def test_a_job_that_could_not_be_carried_out_is_refused(idle, changes, start):
    told = refused(idle, "create_labeling_job", **request(**changes))
    assert told.startswith(f"ValidationException: {start}")
    assert idle.client().list_labeling_jobs()["LabelingJobSummaryList"] == []


def test_all_broken_rules_are_told_at_once(idle):
    wrong = request(
        LabelAttributeName="boxes-metadata",
        HumanTaskConfig=human(
            PreHumanTaskLambdaArn=function_arn(REGION, "PRE", "adjust"),
            TaskTimeLimitInSeconds=40_000,
        ),
    )
    told = refused(idle, "create_labeling_job", **wrong)
    assert told.startswith("ValidationException: ")
    for field in ("LabelAttributeName", "HumanTaskConfig.TaskTimeLimitInSeconds"):
        assert field in told
    assert "PreHumanTaskLambdaArn" in told or "AnnotationConsolidationLambdaArn" in told


def test_jobs_are_listed_in_pages_with_filters_and_in_order(stack, sagemaker):
    start = stack.clock.now()
    for number in range(12):
        sagemaker.create_labeling_job(**request(f"Job-{number:02}"))
        stack.clock.sleep(60)

    def names(**given: Any) -> list[str]:
        pages = sagemaker.get_paginator("list_labeling_jobs").paginate(**given)
        return [job["LabelingJobName"] for page in pages for job in page["LabelingJobSummaryList"]]

    every = [f"Job-{number:02}" for number in range(12)]
    assert len(sagemaker.list_labeling_jobs()["LabelingJobSummaryList"]) == 10
    assert names() == every
    assert names(PaginationConfig={"PageSize": 5}) == every
    assert names(SortOrder="Descending", SortBy="Name") == every[::-1]
    assert names(NameContains="jOb-0", PaginationConfig={"PageSize": 3}) == every[:10]
    assert names(StatusEquals="Completed") == []
    assert names(StatusEquals="Initializing", SortBy="Status") == every
    after, before = start + timedelta(seconds=90), start + timedelta(seconds=250)
    assert names(CreationTimeAfter=after, CreationTimeBefore=before) == every[2:5]
    assert names(LastModifiedTimeAfter=after, LastModifiedTimeBefore=before) == every[2:5]
    pages = sagemaker.get_paginator("list_labeling_jobs_for_workteam").paginate(
        WorkteamArn=TEAM,
        CreationTimeAfter=after,
        SortOrder="Descending",
        PaginationConfig={"PageSize": 4},
    )
    found = [job["LabelingJobName"] for page in pages for job in page["LabelingJobSummaryList"]]
    assert found == every[:1:-1]
    codes = sagemaker.list_labeling_jobs_for_workteam(
        WorkteamArn=TEAM, JobReferenceCodeContains="id-12"
    )
    assert len(codes["LabelingJobSummaryList"]) == 1


def test_a_page_token_is_good_for_its_own_list_only(stack, sagemaker):
    for number in range(3):
        sagemaker.create_labeling_job(**request(f"job-{number}"))
    token = sagemaker.list_labeling_jobs(MaxResults=1)["NextToken"]
    second = sagemaker.list_labeling_jobs(MaxResults=2, NextToken=token)
    assert len(second["LabelingJobSummaryList"]) == 2
    changed = ("B" if token[5] != "B" else "C").join((token[:5], token[6:]))
    for operation, given in (
        ("list_labeling_jobs", {"NextToken": changed}),
        ("list_labeling_jobs", {"NextToken": "made by hand"}),
        ("list_labeling_jobs", {"NextToken": "äöü"}),
        ("list_labeling_jobs", {"NextToken": token, "StatusEquals": "Failed"}),
        ("list_labeling_jobs_for_workteam", {"NextToken": token, "WorkteamArn": TEAM}),
        ("list_workteams", {"NextToken": token}),
    ):
        told = refused(stack, operation, **given)
        assert told.startswith("ValidationException: Invalid pagination token")


def test_teams_and_workforces_over_http(sagemaker):
    group = {"UserPool": "us-east-1_local", "UserGroup": "night", "ClientId": "local"}
    arn = sagemaker.create_workteam(
        WorkteamName="night",
        MemberDefinitions=[{"CognitoMemberDefinition": group}],
        Description="At night",
    )["WorkteamArn"]
    shown = sagemaker.describe_workteam(WorkteamName="night")["Workteam"]
    assert (shown["WorkteamArn"], shown["CreateDate"]) == (arn, datetime(2026, 1, 1, tzinfo=UTC))
    changed = sagemaker.update_workteam(WorkteamName="night", Description="By day")["Workteam"]
    assert changed["Description"] == "By day"
    assert len(sagemaker.list_workteams()["Workteams"]) == 2
    assert sagemaker.delete_workteam(WorkteamName="night")["Success"] is True
    assert sagemaker.list_subscribed_workteams()["SubscribedWorkteams"] == []
    assert len(sagemaker.list_workforces()["Workforces"]) == 1
    cidrs = {"Cidrs": ["127.0.0.0/8"]}
    forced = sagemaker.update_workforce(WorkforceName="default", SourceIpConfig=cidrs)
    assert forced["Workforce"]["SourceIpConfig"] == cidrs
    assert sagemaker.describe_workforce(WorkforceName="default")["Workforce"]["Status"] == "Active"
    sagemaker.delete_workteam(WorkteamName="default")
    sagemaker.delete_workforce(WorkforceName="default")
    made = sagemaker.create_workforce(
        WorkforceName="own", CognitoConfig={"UserPool": "p_1", "ClientId": "c"}
    )
    assert made["WorkforceArn"].endswith(":workforce/own")


def test_a_template_is_previewed(stack, sagemaker):
    content = (
        '<crowd-bounding-box src="{{ task.input.taskObject | grant_read_access }}" '
        'labels="{{ task.input.labels | to_json | escape }}">{{ task.input.title }}'
    )
    task = '{"taskObject": "s3://pictures/a b.jpg", "labels": ["degu"], "title": "<b>"}'
    shown = sagemaker.render_ui_template(
        UiTemplate={"Content": content}, Task={"Input": task}, RoleArn=ROLE
    )
    assert shown["Errors"] == []
    assert (
        '<crowd-bounding-box src="http://localhost/pictures/a%20b.jpg?X-Amz-Algorithm='
        in (shown["RenderedContent"])
    )
    assert 'labels="[&#34;degu&#34;]">&lt;b&gt;' in shown["RenderedContent"]
    told = refused(
        stack,
        "render_ui_template",
        HumanTaskUiArn="arn:aws:sagemaker:us-east-1:394669845002:human-task-ui/x",
        Task={"Input": task},
        RoleArn=ROLE,
    )
    assert told.startswith("ValidationException: Give UiTemplate.Content")
    told = refused(
        stack,
        "render_ui_template",
        UiTemplate={"Content": "x" * 128_001},
        Task={"Input": task},
        RoleArn=ROLE,
    )
    assert told.endswith("Member must have length less than or equal to 128000")


def test_a_file_that_cannot_be_read_is_the_callers_to_mend(stack):
    stack.storage.objects = {**FILES, "s3://pictures/labels.json": b'{"labels": []}'}
    told = refused(stack, "create_labeling_job", **request())
    assert told.startswith("ValidationException: LabelCategoryConfigS3Uri: s3://pictures/labels")
