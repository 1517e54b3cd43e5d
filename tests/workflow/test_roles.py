"""Making the execution role: once, and never over another's."""

from __future__ import annotations

import json

import boto3
import pytest
from moto import mock_aws

from gt_workflow.adapters.account import AccountRoles
from gt_workflow.core.access.iam import trust_policy
from gt_workflow.core.access.touched import Access
from gt_workflow.errors import ServiceError, UsageError
from gt_workflow.workflow.preflight import roles

ROLE = "arn:aws:iam::123456789012:role/gt-role"
ACCESS = Access(
    region="us-east-1",
    account="123456789012",
    role_arn=ROLE,
    reads=("s3://studio/images/",),
    writes=("s3://studio/output/",),
)


@pytest.fixture
def iam():
    with mock_aws():
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        yield boto3.client("iam", region_name="us-east-1", **keys)


def make(iam, access=ACCESS):
    return roles.run(roles.plan(access), roles=AccountRoles(iam))


def inline(iam):
    return iam.get_role_policy(RoleName="gt-role", PolicyName="gt-workflow")["PolicyDocument"]


def test_a_role_is_made_once(iam):
    assert make(iam) == roles.RoleReceipt(ROLE, created=True)
    found = iam.get_role(RoleName="gt-role")["Role"]
    assert found["AssumeRolePolicyDocument"] == trust_policy()
    before = inline(iam)
    assert before == roles.plan(ACCESS).policy
    assert make(iam) == roles.RoleReceipt(ROLE, created=False)
    assert inline(iam) == before


def test_a_role_that_differs_is_told_and_left_alone(iam):
    trust = trust_policy()
    trust["Statement"][0]["Principal"] = {"Service": "ec2.amazonaws.com"}
    iam.create_role(RoleName="gt-role", AssumeRolePolicyDocument=json.dumps(trust))
    besides = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": besides}
    iam.put_role_policy(
        RoleName="gt-role", PolicyName="gt-workflow", PolicyDocument=json.dumps(policy)
    )
    receipt = make(iam)
    assert not receipt.created
    told = "\n".join(receipt.differences)
    assert "sagemaker.amazonaws.com may not take it on" in told
    assert told.count("its policy lacks") == len(roles.plan(ACCESS).policy["Statement"])
    assert told.count("its policy has besides") == 1
    assert inline(iam) == policy
    assert receipt.to_dict()["differences"] == list(receipt.differences)


def test_a_foreign_role_without_policy_is_told_and_left_alone(iam):
    iam.create_role(RoleName="gt-role", AssumeRolePolicyDocument=json.dumps(trust_policy()))
    assert "has no inline policy gt-workflow" in make(iam).differences[0]
    assert iam.list_role_policies(RoleName="gt-role")["PolicyNames"] == []


def test_a_run_that_was_cut_off_is_finished_by_the_next(iam):
    class Cut(AccountRoles):
        def put_policy(self, *_given):
            raise ServiceError("cut off", operation="PutRolePolicy", code="X")

    with pytest.raises(ServiceError):
        roles.run(roles.plan(ACCESS), roles=Cut(iam))
    assert make(iam) == roles.RoleReceipt(ROLE, created=True)
    assert make(iam) == roles.RoleReceipt(ROLE, created=False)


def test_a_role_needs_a_name():
    with pytest.raises(UsageError, match="--role NAME"):
        roles.plan(Access(region="us-east-1", account="1", role_arn="", reads=(), writes=()))
