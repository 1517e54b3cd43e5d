"""Regions, functions, work teams and images have AWS's own names."""

from __future__ import annotations

import json
import re

import pytest
from botocore.loaders import create_loader

from gt_workflow.core import names
from gt_workflow.errors import UsageError


def test_functions_are_those_that_botocore_documents():
    # The developer's copy of AWS's model names every function of every region.
    model = json.dumps(create_loader().load_service_model("sagemaker", "service-2"))
    pattern = (
        r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:"
        r"(?:PRE|ACS)-(?:Adjustment|Verification)?BoundingBox\b"
    )
    ours = {
        names.function_arn(region, stage, kind)
        for region in names.LAMBDA_ACCOUNTS
        for stage in ("PRE", "ACS")
        for kind in names.KINDS
    }
    assert ours == set(re.findall(pattern, model))
    assert len(ours) == 12 * 6


def test_algorithm_is_the_one_that_botocore_documents():
    model = json.dumps(create_loader().load_service_model("sagemaker", "service-2"))
    assert names.algorithm_arn("region") in model.replace("<i>", "").replace("</i>", "")


def test_regions_are_botocores_and_have_a_training_image():
    regions = {
        region
        for partition in create_loader().load_data("endpoints")["partitions"]
        for region in partition["regions"]
    }
    assert set(names.LAMBDA_ACCOUNTS) < set(names.TRAINING_ACCOUNTS) <= regions


def test_training_image_has_the_partitions_suffix():
    suffixes = {
        region: partition["dnsSuffix"]
        for partition in create_loader().load_data("endpoints")["partitions"]
        for region in partition["regions"]
    }
    for region, account in names.TRAINING_ACCOUNTS.items():
        image = names.training_image(region)
        assert image == f"{account}.dkr.ecr.{region}.{suffixes[region]}/object-detection:1"


@pytest.mark.parametrize(
    "accounts",
    [
        names.LAMBDA_ACCOUNTS.values(),
        names.TRAINING_ACCOUNTS.values(),
        [names.PUBLIC_CROWD_ACCOUNT, names.ALGORITHM_ACCOUNT],
    ],
)
def test_accounts_are_twelve_digits_and_differ(accounts):
    assert all(re.fullmatch(r"[0-9]{12}", account) for account in accounts)
    assert len(set(accounts)) == len(list(accounts))


def test_account_that_begins_with_zero_keeps_it():
    arn = names.function_arn("us-west-2", "PRE", "label")
    assert arn == "arn:aws:lambda:us-west-2:081040173940:function:PRE-BoundingBox"


@pytest.mark.parametrize("region", ["us-west-1", "cn-north-1", "", "US-EAST-1"])
def test_region_without_ground_truth_is_refused_with_the_list(region):
    with pytest.raises(UsageError, match=r"not in region .*us-west-2"):
        names.function_arn(region, "PRE", "label")


def test_region_without_training_image_is_refused():
    with pytest.raises(UsageError, match="ap-southeast-5"):
        names.training_image("ap-southeast-5")


@pytest.mark.parametrize(
    ("arn", "force"),
    [
        (names.private_workteam_arn("us-east-1", "123456789012", "a-team"), "private"),
        (names.public_workteam_arn("eu-west-1"), "public"),
        ("arn:aws:sagemaker:us-east-1:111122223333:workteam/vendor-crowd/some-team", "vendor"),
    ],
)
def test_workforce_is_told_from_the_arn(arn, force):
    assert names.workforce(arn) == force


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "a-team",
        "arn:aws:sagemaker:us-east-1:123456789012:workteam/a-team",
        "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/",
        "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/a\n",
        "arn:aws:sagemaker:us-east-1:123456789012:workteam/other-crowd/a",
        "arn:aws:sagemaker:us-east-1:١٢٣٤٥٦٧٨٩٠١٢:workteam/private-crowd/a",
    ],
)
def test_what_is_no_work_team_is_refused(arn):
    with pytest.raises(UsageError, match="is no work team"):
        names.workforce(arn)


def human(pre, acs):
    return {
        "HumanTaskConfig": {
            "PreHumanTaskLambdaArn": pre,
            "AnnotationConsolidationConfig": {"AnnotationConsolidationLambdaArn": acs},
        }
    }


@pytest.mark.parametrize("kind", names.KINDS)
def test_kind_of_a_request_is_that_of_both_functions(kind):
    pre = names.function_arn("eu-west-2", "PRE", kind)
    acs = names.function_arn("eu-west-2", "ACS", kind)
    assert names.kind_of(human(pre, acs)) == kind
    assert names.kind_of(human(acs, pre)) is None
    assert names.kind_of(human(pre, f"{acs}3D")) is None


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"HumanTaskConfig": "label"},
        {"HumanTaskConfig": {"PreHumanTaskLambdaArn": 7}},
        human(names.function_arn("us-east-1", "PRE", "label"), None),
        human(
            names.function_arn("us-east-1", "PRE", "label"),
            names.function_arn("us-east-1", "ACS", "adjust"),
        ),
    ],
)
def test_a_request_for_something_else_has_no_kind(request_):
    assert names.kind_of(request_) is None


def test_arn_of_a_job_has_its_name_in_lower_case():
    arn = names.labeling_job_arn("us-east-1", "123456789012", "Degu-2")
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:labeling-job/degu-2"
    assert names.region_of(arn) == "us-east-1"
    assert names.account_of(arn) == "123456789012"


@pytest.mark.parametrize("arn", [None, 3, "", "arn:aws", "s3://bucket/a:b:c:d:e:f"])
def test_what_is_no_arn_has_neither_region_nor_account(arn):
    assert names.region_of(arn) is None
    assert names.account_of(arn) is None


def test_a_workers_name_is_one_line_that_shows_as_it_is():
    assert names.worker_name("  Ada Lovelace ") == "Ada Lovelace"
    for given in ("", " ", "a\nb", "a\x00", "a\u202eb", "a\u200bb", "a\ufeff", "x" * 65):
        with pytest.raises(UsageError, match="is no worker's name; use 1 to 64 printable"):
            names.worker_name(given)
    with pytest.raises(UsageError) as refused:
        names.worker_name("x" * 9_999)
    assert len(str(refused.value)) < 200
