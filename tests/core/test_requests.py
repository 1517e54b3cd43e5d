"""Settings become the requests that AWS documents: whole, and by botocore's own model.

To write the expected requests anew: UPDATE_GOLDEN=1, then read the difference.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from golden import assert_valid, compare, service_model

from gt_workflow.core import limits, names
from gt_workflow.core.requests.arns import PII_CLASSIFIER
from gt_workflow.core.requests.job import AutoLabel, JobSpec, create_labeling_job
from gt_workflow.errors import UsageError

ACCOUNT = "123456789012"
TEAMS = {
    "private": names.private_workteam_arn("us-west-2", ACCOUNT, "a-team"),
    "vendor": "arn:aws:sagemaker:us-west-2:111122223333:workteam/vendor-crowd/some-team",
    "public": names.public_workteam_arn("us-west-2"),
}


@pytest.fixture(scope="module")
def sagemaker():
    return service_model("sagemaker")


def spec(kind="label", force="private"):
    """Every field given that this kind and workforce may have."""
    base = JobSpec(
        name="degu-1",
        attribute={"label": "boxes", "adjust": "boxes-2", "verify": "verdict"}[kind],
        kind=kind,
        region="us-west-2",
        manifest_uri="s3://bucket/degu-1/input.manifest",
        labels_uri="s3://bucket/degu-1/labels.json",
        template_uri="s3://bucket/degu-1/template.liquid.html",
        output_uri="s3://bucket/degu-1/output/",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/GroundTruth",
        workteam_arn=TEAMS[force],
        title='Draw boxes: degus, 浣熊 & "wheels"',
        description="Draw a box around every animal.",
        workers_per_object=3,
        task_time_limit=3600,
        availability=21_600,
        max_concurrent=1000,
        keywords=("boxes", "animal photographs"),
    )
    if force == "private":
        return replace(
            base,
            max_human_labeled=500,
            max_percentage=50,
            output_kms_key=f"arn:aws:kms:us-west-2:{ACCOUNT}:key/1234abcd",
            tags=(("project", "degu"), ("für", "")),
        )
    if force == "public":
        return replace(base, price=Decimal("0.036"), content_classifiers=(PII_CLASSIFIER,))
    return base


@pytest.mark.parametrize("kind", names.KINDS)
@pytest.mark.parametrize("force", TEAMS)
def test_labeling_job(kind, force, sagemaker):
    request = create_labeling_job(spec(kind, force))
    compare(f"{kind}-{force}", request)
    assert_valid(sagemaker.operation_model("CreateLabelingJob").input_shape, request)
    assert problems(request, force) == []
    assert limits.kind_of(request) == kind
    assert limits.workforce(request["HumanTaskConfig"]["WorkteamArn"]) == force


def problems(request, force):
    """Check as the workforce is to be asked for: the public one needs a word of its own."""
    context = {"account": ACCOUNT, "region": "us-west-2", "public_anyway": force == "public"}
    return limits.check_labeling_request(request, **context)


AUTO_LABEL = AutoLabel(
    initial_model_arn=f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model/degu-0-labels",
    volume_kms_key=f"arn:aws:kms:us-west-2:{ACCOUNT}:key/5678efab",
    subnets=("subnet-0123abcd", "subnet-4567cdef"),
    security_groups=("sg-0123abcd",),
)


@pytest.mark.parametrize("kind", ["label", "adjust"])
@pytest.mark.parametrize("force", TEAMS)
def test_labeling_job_with_automated_labeling(kind, force, sagemaker):
    request = create_labeling_job(replace(spec(kind, force), auto_label=AUTO_LABEL))
    compare(f"{kind}-{force}-auto", request)
    assert_valid(sagemaker.operation_model("CreateLabelingJob").input_shape, request)
    assert problems(request, force) == []
    assert limits.kind_of(request) == kind


def test_smallest_automated_labeling_is_the_algorithm_alone(sagemaker):
    request = create_labeling_job(replace(spec(), auto_label=AutoLabel(volume_kms_key="")))
    assert list(request["LabelingJobAlgorithmsConfig"]) == ["LabelingJobAlgorithmSpecificationArn"]
    assert_valid(sagemaker.operation_model("CreateLabelingJob").input_shape, request)
    assert problems(request, "private") == []


@pytest.mark.parametrize("force", TEAMS)
def test_nothing_verifies_automatically(force):
    request = create_labeling_job(replace(spec("verify", force), auto_label=AutoLabel()))
    assert [problem.code for problem in problems(request, force)] == ["algorithm"]


@pytest.mark.parametrize("half", ["subnets", "security_groups"])
def test_half_a_vpc_is_told(half):
    request = create_labeling_job(replace(spec(), auto_label=replace(AUTO_LABEL, **{half: ()})))
    (problem,) = problems(request, "private")
    assert problem.code == "vpc"
    assert "or neither" in problem.message


@pytest.mark.parametrize("region", names.LAMBDA_ACCOUNTS)
def test_every_region_has_its_algorithm(region):
    request = create_labeling_job(replace(spec(), region=region, auto_label=AutoLabel()))
    assert f":{region}:027400017018:" in str(request["LabelingJobAlgorithmsConfig"])


def test_smallest_labeling_job_has_no_empty_member(sagemaker):
    request = create_labeling_job(
        replace(
            spec("label", "vendor"),
            availability=None,
            max_concurrent=None,
            keywords=(),
            output_kms_key="",
        )
    )
    compare("label-smallest", request)
    assert_valid(sagemaker.operation_model("CreateLabelingJob").input_shape, request)
    assert limits.check_labeling_request(request) == []


def test_the_same_settings_give_the_same_bytes():
    assert json.dumps(create_labeling_job(spec())) == json.dumps(create_labeling_job(spec()))


def test_empty_tag_value_is_kept():
    request = create_labeling_job(spec())
    assert {"Key": "für", "Value": ""} in request["Tags"]


def test_region_without_ground_truth_is_refused():
    with pytest.raises(UsageError, match="not in region 'us-west-1'"):
        create_labeling_job(replace(spec(), region="us-west-1"))


@pytest.mark.parametrize(
    ("price", "amount"),
    [("0.036", (0, 3, 6)), ("1.200", (1, 20, 0)), ("0.84", (0, 84, 0)), ("2.999", (2, 99, 9))],
)
def test_price_is_written_as_aws_counts(price, amount):
    request = create_labeling_job(replace(spec(force="public"), price=Decimal(price)))
    written = request["HumanTaskConfig"]["PublicWorkforceTaskPrice"]["AmountInUsd"]
    assert tuple(written.values()) == amount


@pytest.mark.parametrize("price", ["0.0365", "-0.036", "3", "NaN", "Infinity"])
def test_price_that_cannot_be_written_is_refused(price):
    with pytest.raises(UsageError, match="no price per task"):
        create_labeling_job(replace(spec(force="public"), price=Decimal(price)))
