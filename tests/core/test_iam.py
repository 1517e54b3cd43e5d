"""The documents against the committed ones, and the rules behind them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from golden import compare
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.access.iam import (
    caller_policy,
    execution_needs,
    execution_policy,
    trust_policy,
)
from gt_workflow.core.access.policies import may_admit, same_policy, trusts
from gt_workflow.core.access.touched import Access, access_of, folders, key_arn
from gt_workflow.core.names import private_workteam_arn
from gt_workflow.core.requests.job import AutoLabel, JobSpec, create_labeling_job

REGION, ACCOUNT = "us-west-2", "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/labeling/gt-role"
TEAM = private_workteam_arn(REGION, ACCOUNT, "degu-people")
VENDOR = f"arn:aws:sagemaker:{REGION}:444455556666:workteam/vendor-crowd/vendors"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def request(name="Degus-5f2a", **changes):
    spec = {
        "name": name,
        "attribute": "boxes",
        "kind": "label",
        "region": REGION,
        "manifest_uri": f"s3://studio/gt/jobs/{name}/input.manifest",
        "labels_uri": f"s3://studio/gt/jobs/{name}/labels.json",
        "template_uri": f"s3://studio/gt/jobs/{name}/template.liquid.html",
        "output_uri": "s3://results/gt",
        "role_arn": ROLE,
        "workteam_arn": TEAM,
        "title": "Draw boxes",
        "description": "Draw a box around every degu",
        "workers_per_object": 1,
        "task_time_limit": 300,
    }
    return create_labeling_job(JobSpec(**(spec | changes)))


def private():
    return access_of(
        [request()],
        images=["s3://photographs/degus/1.jpg", "s3://photographs/degus/2.jpg"],
        uploads=["s3://studio/gt/jobs/Degus-5f2a/"],
        channels=["s3://studio/gt/channels/Degus-5f2a/"],
    )


def automated():
    automation = AutoLabel(volume_kms_key=KEY, subnets=("subnet-1",), security_groups=("sg-1",))
    jobs = [
        request(
            f"degus-{number}",
            auto_label=automation,
            tags=(("team", "degus"),),
            output_kms_key="alias/labels",
        )
        for number in (1, 2)
    ]
    return access_of(jobs, images=["s3://photographs/"], mend=True)


def vendor():
    return access_of([request(workteam_arn=VENDOR)], images=["s3://photographs/a.jpg"])


def training():
    return replace(private(), training=True, training_kms_key=KEY, tags=True)


def any_job():
    return Access(
        region=REGION,
        account=ACCOUNT,
        role_arn=ROLE,
        reads=("s3://studio/images/", "s3://studio/jobs/"),
        writes=("s3://studio/output/",),
        uploads=("s3://studio/images/", "s3://studio/jobs/"),
    )


@pytest.mark.parametrize("plan", [private, automated, vendor, training, any_job])
def test_the_documents_are_the_committed_ones(plan):
    access = plan()
    documents = {
        "execution-policy": execution_policy(access),
        "trust-policy": trust_policy(),
        "caller-policy": caller_policy(access),
    }
    compare(f"iam-{plan.__name__.replace('_', '-')}", documents)


@pytest.mark.parametrize("plan", [private, automated, vendor, training, any_job])
def test_every_document_is_a_policy_that_iam_takes(plan):
    for policy in (execution_policy(plan()), caller_policy(plan())):
        names = [statement["Sid"] for statement in policy["Statement"]]
        assert len(names) == len(set(names))
        assert all(name.isalnum() for name in names)
        assert len(json.dumps(policy, separators=(",", ":"))) < 6_144  # a managed policy's limit
        for statement in policy["Statement"]:
            assert statement["Action"]
            assert statement["Resource"]
            assert all(
                resource == "*" or resource.startswith("arn:") for resource in statement["Resource"]
            )


def test_what_is_asked_of_a_simulator_has_no_wildcard_and_leaves_aliases_out():
    needs = list(execution_needs(automated()))
    assert not [action for need in needs for action in need.actions if "*" in action]
    assert {resource for need in needs for resource in need.resources if "*" in resource} == {"*"}
    keys = {resource for need in needs for resource in need.resources if ":kms:" in resource}
    assert keys == {KEY}


@given(st.text("ab*?$/{}", min_size=1, max_size=8))
def test_signs_that_policies_read_are_written_so_that_they_mean_themselves(text):
    access = replace(any_job(), reads=(f"s3://studio/{text}",), writes=("s3://studio/out/",))
    policy = execution_policy(access)
    (resource,) = next(one for one in policy["Statement"] if one["Sid"] == "ReadInput")["Resource"]
    key = resource.removeprefix("arn:aws:s3:::studio/")
    bare = key[:-1] if text.endswith("/") else key
    for sign in "*?$":
        bare = bare.replace(f"${{{sign}}}", f"<{ord(sign)}>")
    assert not set(bare) & set("*?$")
    for sign in "*?$":
        bare = bare.replace(f"<{ord(sign)}>", sign)
    assert bare == text


def test_photographs_become_folders_and_many_folders_a_bucket():
    few = [f"s3://photographs/{day}/{number}.jpg" for day in "ab" for number in range(99)]
    assert folders(few) == ("s3://photographs/a/", "s3://photographs/b/")
    many = [f"s3://photographs/{day}/x.jpg" for day in range(999)]
    assert folders([*many, "s3://others/x/"]) == ("s3://others/x/", "s3://photographs/")


@pytest.mark.parametrize(
    ("key", "arn"),
    [
        (KEY, KEY),
        ("1234", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"),
        ("alias/labels", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/labels"),
    ],
)
def test_a_key_is_named_by_id_alias_or_arn(key, arn):
    assert key_arn(key, region=REGION, account=ACCOUNT) == arn


SERVICE = {"Service": "sagemaker.amazonaws.com"}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (trust_policy()["Statement"], True),
        (trust_policy()["Statement"][0], True),
        ([], False),
        ([{"Effect": "Allow", "Principal": {"Service": ["x", *SERVICE.values()]},
           "Action": ["sts:TagSession", "sts:AssumeRole"]}], True),
        ([{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}], False),
        ([{"Effect": "Allow", "Principal": SERVICE, "Action": "sts:TagSession"}], False),
        ([*trust_policy()["Statement"],
          {"Effect": "Deny", "Principal": SERVICE, "Action": "sts:*"}], False),
        ([*trust_policy()["Statement"],
          {"Effect": "Deny", "Principal": SERVICE, "Action": "sts:*",
           "Condition": {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}}}], True),
    ],
)  # fmt: skip
def test_trust(statements, expected):
    assert trusts({"Statement": statements}) is expected


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ({"AWS": ROLE}, True),
        ({"AWS": ["x", ROLE]}, True),
        ("*", True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, False),
        ({"Service": "s3.amazonaws.com"}, False),
        (None, False),
    ],
)
def test_whom_a_resource_lets_in(principal, expected):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": "*"}
    assert may_admit({"Statement": statement}, ROLE) is expected
    assert not may_admit({"Statement": statement | {"Effect": "Deny"}}, ROLE)


def test_policies_are_the_same_in_any_order_and_way_of_writing():
    policy = execution_policy(private())
    other = json.loads(json.dumps(policy))
    other["Statement"].reverse()
    for statement in other["Statement"]:
        statement.pop("Sid")
        statement["Action"].reverse()
        if len(statement["Resource"]) == 1:
            statement["Resource"] = statement["Resource"][0]
    assert same_policy(policy, other)
    other["Statement"].pop()
    assert not same_policy(policy, other)
