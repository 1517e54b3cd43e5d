"""Calls that are not ours: moto answers, or an AWS error that no SDK tries again."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest
import urllib3
from api_stack import ROLE, Stack, running
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started


def refused(stack: Stack, service: str, operation: str, **given: Any) -> dict[str, Any]:
    """Return the error of a call that was sent once."""
    client = stack.client(service)
    sent = len(stack.calls.requests)
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**given)
    assert len(stack.calls.requests) - sent == 1
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    error: dict[str, Any] = caught.value.response["Error"]
    return error


def test_a_training_job_can_be_created(stack):
    sagemaker = stack.client()
    made = sagemaker.create_training_job(
        TrainingJobName="detector",
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
        RoleArn=ROLE,
        InputDataConfig=[],
        OutputDataConfig={"S3OutputPath": "s3://pictures/model"},
        ResourceConfig={
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
        Tags=[{"Key": "a", "Value": "b"}],
    )
    arn = made["TrainingJobArn"]
    assert arn.endswith(":training-job/detector")
    shown = sagemaker.describe_training_job(TrainingJobName="detector")
    assert shown["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert len(sagemaker.list_training_jobs()["TrainingJobSummaries"]) == 1
    # The tags of what moto keeps are moto's, those of what is kept here are ours.
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    team = sagemaker.list_workteams()["Workteams"][0]["WorkteamArn"]
    assert sagemaker.list_tags(ResourceArn=team)["Tags"] == []


def test_what_a_labeling_script_calls_besides(stack):
    assert stack.client("sts").get_caller_identity()["Account"] == "123456789012"
    role = stack.client("iam").create_role(RoleName="labeler", AssumeRolePolicyDocument="{}")
    assert role["Role"]["Arn"] == ROLE
    topic = stack.client("sns").create_topic(Name="labels")["TopicArn"]
    assert topic == "arn:aws:sns:us-east-1:123456789012:labels"
    assert stack.client("sqs").create_queue(QueueName="labels")["QueueUrl"]
    assert stack.client("logs").describe_log_groups()["logGroups"] == []
    metrics = stack.client("cloudwatch")
    metrics.put_metric_data(Namespace="gt", MetricData=[{"MetricName": "a", "Value": 1.0}])
    assert [found["Namespace"] for found in metrics.list_metrics()["Metrics"]] == ["gt"]


def test_an_unknown_operation_of_sagemaker(stack):
    error = refused(stack, "sagemaker", "create_flow_definition", FlowDefinitionName="x")
    assert error["Code"] == "UnknownOperationException"
    assert error["Message"].startswith("Unknown operation CreateFlowDefinition of sagemaker: ")


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("cloudwatch", "describe_alarm_contributors", "UnknownOperationException"),  # CBOR
        ("iam", "get_organizations_access_report", "InvalidAction"),  # query
        ("lambda", "get_account_settings", "UnknownOperationException"),  # REST, JSON
        ("route53", "get_checker_ip_ranges", "UnknownOperationException"),  # REST, XML
    ],
)
def test_an_unknown_operation_is_told_in_the_services_own_protocol(stack, service, operation, code):
    error = refused(stack, service, operation)
    assert error["Code"] == code
    assert error["Message"].startswith("Unknown operation")


@pytest.mark.parametrize(
    ("service", "operation"),
    [("kendra", "list_indices"), ("translate", "list_languages"), ("neptune-graph", "list_graphs")],
)
def test_an_unknown_service(stack, service, operation):
    error = refused(stack, service, operation)
    assert error["Code"] == "UnknownOperationException"
    assert error["Message"] == f"There is no service {service} here."


def test_a_service_that_lacks_a_package_names_it(stack):
    if importlib.util.find_spec("joserfc"):
        pytest.skip("the package that moto's Cognito needs is installed")
    error = refused(stack, "cognito-idp", "list_user_pools", MaxResults=1)
    assert error["Code"] == "UnknownOperationException"
    assert error["Message"].endswith("install the Python package joserfc for it")


def test_a_defect_of_moto_is_logged_and_not_tried_again(stack, caplog):
    # moto takes this apart without looking whether it is there.
    error = refused(stack, "sagemaker", "create_training_job", TrainingJobName="x")
    assert error["Code"] == "InternalFailure"
    assert "moto failed on a call of sagemaker" in caplog.text


def test_an_error_of_moto_is_passed_on(stack):
    error = refused(stack, "sagemaker", "describe_training_job", TrainingJobName="never")
    assert error["Code"] == "ValidationException"


def signed(stack: Stack, service: str, path: str) -> dict[str, Any]:
    """Send a call that no SDK would send, well signed; return what it is told."""
    call = AWSRequest("POST", stack.address + path, data=b"{}", headers={"X-Amz-Target": "A.B"})
    SigV4Auth(Credentials("local", "local"), service, "us-east-1").add_auth(call)
    answer = urllib3.request("POST", call.url, body=call.data, headers=dict(call.headers.items()))
    assert answer.status == 400
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize("path", ["/moto-api/reset", "/latest/meta-data/iam", "/latest/api/token"])
def test_motos_own_controls_are_out_of_reach(stack, path):
    topics = stack.client("sns")
    topics.create_topic(Name="kept")
    assert signed(stack, "sns", path)["message"] == f"There is no service {path} here."
    names = {topic["TopicArn"].rpartition(":")[2] for topic in topics.list_topics()["Topics"]}
    assert "kept" in names


@pytest.mark.parametrize("name", ["s3control", "s3-outposts", "s3express", "moto_api"])
def test_motos_s3_is_out_of_reach(stack, name):
    told = signed(stack, name, "/")
    assert (told["__type"], told["message"]) == (
        "UnknownOperationException",
        f"There is no service {name} here.",
    )


def test_moto_is_not_imported_before_it_is_needed():
    code = (
        "import sys, gt_workflow.service.http, gt_workflow.service.sagemaker.api\n"
        "from gt_workflow.service.fallback import Fallback\n"
        "Fallback(new_id=str)\n"
        "sys.exit(any(name.split('.')[0] in {'moto', 'flask', 'botocore'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
