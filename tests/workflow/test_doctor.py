"""A sound set-up gives no error; each of the broken ones names its one fault and the cure."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from account_world import (
    ACCOUNT,
    CORS,
    PHOTOGRAPHS,
    REGION,
    ROLE,
    ROLE_ARN,
    TEAM,
    WORK,
    account,
    give,
    labeling,
    request,
)
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    SSOTokenLoadError,
)

from gt_workflow.adapters.account import AwsAccount
from gt_workflow.core.access.findings import RULES, table
from gt_workflow.core.access.iam import execution_policy, trust_policy
from gt_workflow.core.access.touched import access_of
from gt_workflow.core.names import public_workteam_arn
from gt_workflow.core.problems import Problem
from gt_workflow.core.requests.job import AutoLabel
from gt_workflow.errors import ServiceError, UsageError
from gt_workflow.workflow.preflight import doctor
from gt_workflow.workflow.preflight.doctor import Preflight

NOT_ALLOWED = "User: arn:aws:iam::123456789012:user/me is not authorized to perform: {}"
BUCKETS = {"s3:GetBucketLocation", "s3:ListBucket"}


def preflight(**changes):
    """Return a launch of one job on photographs that stay where they are."""
    given = request(**changes)
    return Preflight(
        access=access_of([given], images=[f"s3://{PHOTOGRAPHS}/degus/"]),
        images=(f"s3://{PHOTOGRAPHS}/degus/",),
        requests=(given,),
        objects=(2_000,),
    )


def automated(**changes):
    return preflight(auto_label=AutoLabel(**changes))


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with labeling(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture
def world(tmp_path, api):
    with account(tmp_path, api) as made:
        yield made


def check(world, asked, *, role=True):
    if role:
        give(world, execution_policy(asked.access), trust=trust_policy())
    return doctor.check(asked, account=AwsAccount(world))


def faults(found):
    return [one for one in found if one.severity != "ok"]


def codes(found):
    return sorted({one.code for one in found if one.severity == "ok"})


def test_nothing_is_wrong_with_a_sound_set_up(world):
    found = check(world, preflight())
    assert faults(found) == []
    assert codes(found) == [
        *("GT100", "GT110", "GT200", "GT210", "GT300", "GT310", "GT400", "GT600", "GT700", "GT710"),
    ]


def test_nothing_is_wrong_with_sound_automated_labeling_and_keys(world):
    keys = [world("kms").create_key()["KeyMetadata"]["KeyId"] for _ in "ab"]
    asked = replace(
        preflight(output_kms_key=keys[0], auto_label=AutoLabel(volume_kms_key=keys[1])),
        objects=(5_000,),
    )
    found = check(world, asked)
    assert faults(found) == []
    assert {"GT310", "GT500"} <= set(codes(found))


# Each breaks one thing. What it returns is checked instead of the sound launch.


def no_credentials(world):
    world.fail("GetCallerIdentity", NoCredentialsError())


def expired(world):
    world.refuse("GetCallerIdentity", "ExpiredToken", "The security token included is expired")


def expired_login(world):
    world.fail("GetCallerIdentity", SSOTokenLoadError(error_msg="expired", profile_name="work"))


def unknown_key(world):
    world.refuse("GetCallerIdentity", "InvalidClientTokenId", "The token is invalid", 403)


def wrong_clock(world):
    world.refuse(
        "GetCallerIdentity", "SignatureDoesNotMatch", "Signature expired: 2026 is now", 403
    )


def no_region(world):
    world.fail("GetCallerIdentity", NoRegionError())


def no_network(world):
    url = "https://sts.us-east-1.amazonaws.com"
    world.fail("GetCallerIdentity", EndpointConnectionError(endpoint_url=url))


def region_without(world):
    asked = preflight()
    for bucket in (PHOTOGRAPHS, WORK):
        world("s3").delete_bucket(Bucket=bucket)
        world("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-north-1"}
        )
        world("s3").put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [CORS]})
    return replace(asked, requests=(), access=replace(asked.access, region="eu-north-1"))


def closed(world):
    words = "Amazon SageMaker Ground Truth is no longer available to new customers."
    world.refuse("ListLabelingJobs", "ValidationException", words)


def closed_silently(world):
    world.refuse("ListLabelingJobs", "AccessDeniedException", "Account is not allowed.", 403)


def closed_as_service(world):
    world.refuse("ListLabelingJobs", "OptInRequired", "You need to sign up", 403)


def no_api(world):
    words = NOT_ALLOWED.format("sagemaker:ListLabelingJobs")
    world.refuse("ListLabelingJobs", "AccessDeniedException", words)


def no_image_bucket(world):
    world("s3").delete_bucket(Bucket=PHOTOGRAPHS)


def no_output_bucket(_world):
    return preflight(output_uri="s3://nowhere-at-all/output")


def closed_bucket(world):
    world.refuse("HeadBucket", "403", "Forbidden", 403)


def bucket_elsewhere(world):
    world("s3").create_bucket(
        Bucket="in-europe", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    return preflight(output_uri="s3://in-europe/output")


def no_cors(world):
    world("s3").delete_bucket_cors(Bucket=PHOTOGRAPHS)


def cors_for_others(world):
    rule = CORS | {"AllowedOrigins": ["https://example.org"]}
    world("s3").put_bucket_cors(Bucket=PHOTOGRAPHS, CORSConfiguration={"CORSRules": [rule]})


def cors_without_header(world):
    rule = {key: value for key, value in CORS.items() if key != "ExposeHeaders"}
    world("s3").put_bucket_cors(Bucket=PHOTOGRAPHS, CORSConfiguration={"CORSRules": [rule]})


def cors_refused(world):
    world("s3").delete_bucket_cors(Bucket=PHOTOGRAPHS)
    world.refuse("PutBucketCors", "AccessDenied", "Access Denied", 403)
    return replace(preflight(), fix=True)


def cors_unreadable(world):
    world.refuse("GetBucketCors", "AccessDenied", "Access Denied", 403)


def role_unnamed(_world):
    asked = preflight()
    return replace(asked, access=replace(asked.access, role_arn=""))


def role_missing(_world):
    return preflight(role_arn=f"arn:aws:iam::{ACCOUNT}:role/nobody")


def role_of_another(_world):
    return preflight(role_arn=f"arn:aws:iam::999999999999:role/{ROLE}")


def role_with_path(_world):
    return preflight(role_arn=f"arn:aws:iam::{ACCOUNT}:role/teams/{ROLE}")


def untrusted(world):
    text = json.dumps(trust_policy()).replace("sagemaker", "lambda")
    world("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=text)


def changed_policy(world, asked, without):
    """Take actions out of the role's policy."""
    text = json.dumps(execution_policy(asked.access))
    for action in without:
        text = text.replace(f'"{action}"', '"s3:ListAllMyBuckets"')
    world("iam").put_role_policy(RoleName=ROLE, PolicyName="gt-workflow", PolicyDocument=text)
    return asked


def cannot_read(world):
    return changed_policy(world, preflight(), ["s3:GetObject"])


def cannot_write(world):
    return changed_policy(world, preflight(), ["s3:PutObject"])


def cannot_log(world):
    return changed_policy(world, preflight(), ["logs:PutLogEvents"])


def forbidden(world):
    policy = execution_policy(preflight().access)
    policy["Statement"].append({"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"})
    bucket_lets_in(world)
    world("iam").put_role_policy(
        RoleName=ROLE, PolicyName="gt-workflow", PolicyDocument=json.dumps(policy)
    )


def on_condition(world):
    """Have the role write only from a network that no simulation knows."""
    policy = execution_policy(preflight().access)
    for one in policy["Statement"]:
        if one["Sid"] == "WriteOutput":
            one["Condition"] = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    world("iam").put_role_policy(
        RoleName=ROLE, PolicyName="gt-workflow", PolicyDocument=json.dumps(policy)
    )


def in_the_region(world):
    """Conditions on what every call carries are no fault."""
    policy = execution_policy(preflight().access)
    for one in policy["Statement"]:
        one["Condition"] = {"StringEquals": {"aws:RequestedRegion": REGION}}
    world("iam").put_role_policy(
        RoleName=ROLE, PolicyName="gt-workflow", PolicyDocument=json.dumps(policy)
    )


def bucket_lets_in(world):
    """Have the bucket's own policy speak of the role, which no simulation sees."""
    changed_policy(world, preflight(), ["s3:PutObject"])
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ROLE_ARN},
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{WORK}/*",
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world("s3").put_bucket_policy(Bucket=WORK, Policy=text)


def cannot_pass_itself(world):
    return changed_policy(world, replace(automated(), objects=(5_000,)), ["iam:PassRole"])


def cannot_use_output_key(world):
    key = world("kms").create_key()["KeyMetadata"]["Arn"]
    return changed_policy(world, preflight(output_kms_key=key), ["kms:Encrypt"])


def cannot_grant_volume_key(world):
    key = world("kms").create_key()["KeyMetadata"]["Arn"]
    asked = replace(automated(volume_kms_key=key), objects=(5_000,))
    return changed_policy(world, asked, ["kms:CreateGrant"])


def no_simulation(world):
    words = NOT_ALLOWED.format("iam:SimulatePrincipalPolicy")
    world.refuse("SimulatePrincipalPolicy", "AccessDenied", words, 403)


def role_unreadable(world):
    world.refuse("GetRole", "AccessDenied", NOT_ALLOWED.format("iam:GetRole"), 403)


def no_team(_world):
    asked = preflight()
    return replace(asked, access=replace(asked.access, workteam_arn=""))


def team_missing(_world):
    return preflight(workteam_arn=TEAM.replace("default", "strangers"))


def team_elsewhere(_world):
    return preflight(workteam_arn=TEAM.replace(REGION, "eu-west-1"))


def team_misspelt(_world):
    asked = preflight()
    return replace(asked, access=replace(asked.access, workteam_arn=f"{TEAM}/x"), requests=())


def team_of_another(_world):
    return preflight(workteam_arn=TEAM.replace(ACCOUNT, "999999999999"))


def vendor_unsubscribed(_world):
    return preflight(workteam_arn=TEAM.replace("private-crowd", "vendor-crowd"))


def public(_world):
    return replace(preflight(workteam_arn=public_workteam_arn(REGION)), requests=())


def public_anyway(_world):
    return replace(public(_world), public_anyway=True)


def key_missing(_world):
    return preflight(output_kms_key="1234abcd-12ab-34cd-56ef-1234567890ab")


def alias_missing(_world):
    return preflight(output_kms_key="alias/nothing")


def key_disabled(world):
    key = world("kms").create_key()["KeyMetadata"]["KeyId"]
    world("kms").disable_key(KeyId=key)
    return preflight(output_kms_key=key)


def key_dying(world):
    key = world("kms").create_key()["KeyMetadata"]["KeyId"]
    world("kms").schedule_key_deletion(KeyId=key)
    return preflight(output_kms_key=key)


def key_elsewhere(_world):
    return preflight(output_kms_key=f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd")


def key_that_signs(world):
    made = world("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    return preflight(output_kms_key=made["KeyMetadata"]["Arn"])


def key_for_nothing(world):
    asked = preflight()
    key = world("kms").create_key()["KeyMetadata"]["Arn"]
    return replace(asked, access=replace(asked.access, volume_kms_key=key))


def name_taken(world):
    world.job("degus-1")


def name_taken_in_capitals(world):
    world.job("DEGUS-1")


def too_many_workers(_world):
    return preflight(workers_per_object=10)


def odd_availability(_world):
    return preflight(availability=120)


def bad_line(_world):
    problem = Problem("line-json", "photos.manifest:7", "must be one JSON object")
    return replace(preflight(), problems=(problem,))


def huge_image(_world):
    problem = Problem("image-bytes", "s3://our-photographs/degus/big.jpg", "has 50,000,000 bytes")
    return replace(preflight(), problems=(problem,))


def too_few_for_a_machine(_world):
    return replace(automated(), objects=(1_249,))


def few_for_a_machine(_world):
    return replace(automated(), objects=(1_250,))


def too_many(_world):
    return replace(preflight(), objects=(100_001,))


def throttled(world):
    world.refuse("DescribeWorkteam", "ThrottlingException", "Rate exceeded")


# Set-up, code, the beginning of the cure.
BROKEN = [
    (no_credentials, "GT101", "name a profile with --profile, or sign in with `aws configure`"),
    (expired, "GT102", "sign in again"),
    (expired_login, "GT102", "sign in again"),
    (unknown_key, "GT103", "make a new access key, or name another profile with --profile"),
    (no_region, "GT104", "name one of `aws configure list-profiles` with --profile"),
    (no_network, "GT105", "look at the network and its proxy"),
    (wrong_clock, "GT106", "set the clock"),
    (region_without, "GT111", "use one of ap-northeast-1, ap-northeast-2, ap-south-1,"),
    (closed, "GT112", "label on your own machine instead: --backend embedded"),
    (closed_silently, "GT112", "label on your own machine instead: --backend embedded"),
    (closed_as_service, "GT112", "label on your own machine instead: --backend embedded"),
    (no_api, "GT113", "have what `python -m gt_workflow iam` prints as the caller's policy"),
    (no_image_bucket, "GT201", f"create it: aws s3 mb s3://{PHOTOGRAPHS} --region {REGION}"),
    (no_output_bucket, "GT201", f"create it: aws s3 mb s3://nowhere-at-all --region {REGION}"),
    (closed_bucket, "GT202", "have what `python -m gt_workflow iam` prints as the caller's policy"),
    (bucket_elsewhere, "GT203", f"use a bucket in {REGION}, or launch in eu-west-1 with --region"),
    (no_cors, "GT211", "add it, beside the rules there are: python -m gt_workflow doctor --fix"),
    (cors_for_others, "GT211", "add it, beside the rules there are"),
    (cors_without_header, "GT211", "add it, beside the rules there are"),
    (cors_refused, "GT212", f"have an owner of {PHOTOGRAPHS} allow GET from origin *"),
    (cors_unreadable, "GT802", "have what `python -m gt_workflow iam` prints as the caller's"),
    (role_unnamed, "GT301", "name one with --role, or make one: python -m gt_workflow iam"),
    (role_missing, "GT302", "make it: python -m gt_workflow iam --create --role nobody;"),
    (untrusted, "GT303", f"let SageMaker assume {ROLE_ARN}:"),
    (role_of_another, "GT304", f"name a role of account {ACCOUNT} with --role"),
    (role_with_path, "GT305", f"name {ROLE_ARN} with --role"),
    (cannot_read, "GT311", "add the execution policy that `python -m gt_workflow iam` prints"),
    (cannot_write, "GT311", "add the execution policy that `python -m gt_workflow iam` prints"),
    (cannot_log, "GT311", "add the execution policy that `python -m gt_workflow iam` prints"),
    (forbidden, "GT311", "add the execution policy that `python -m gt_workflow iam` prints"),
    (cannot_use_output_key, "GT311", "add the execution policy that `python -m gt_workflow iam`"),
    (cannot_grant_volume_key, "GT311", "add the execution policy that `python -m gt_workflow iam`"),
    (cannot_pass_itself, "GT312", "add the statement PassRoleToSelf that `python -m gt_workflow"),
    (bucket_lets_in, "GT313", f"make sure that the policy of arn:aws:s3:::{WORK}/output/degus-1/"),
    (no_simulation, "GT314", "have what `python -m gt_workflow iam` prints as the caller's policy"),
    (on_condition, "GT315", f"make sure that the conditions in the policies of {ROLE_ARN} hold"),
    (role_unreadable, "GT802", "have what `python -m gt_workflow iam` prints as the caller's"),
    (no_team, "GT401", "name one with --workteam; `python -m gt_workflow teams list`"),
    (team_missing, "GT402", "make it with `python -m gt_workflow teams create`, or name"),
    (team_elsewhere, "GT403", f"use a work team of {REGION}, or launch in eu-west-1"),
    (team_misspelt, "GT404", f"name arn:aws:sagemaker:{REGION}:{ACCOUNT}:workteam/private-crowd/"),
    (vendor_unsubscribed, "GT405", "subscribe to the vendor in AWS Marketplace"),
    (public, "GT406", "use a private or a vendor's work team; --public-anyway"),
    (team_of_another, "GT407", f"name {TEAM} with --workteam"),
    (public_anyway, "GT408", "use a private or a vendor's work team"),
    (key_missing, "GT501", f"name a key of {REGION} by its id, ARN or alias/NAME"),
    (alias_missing, "GT501", f"name a key of {REGION} by its id, ARN or alias/NAME"),
    (key_disabled, "GT502", "enable it, or cancel its deletion: aws kms enable-key --key-id "),
    (key_dying, "GT502", "enable it, or cancel its deletion: aws kms enable-key --key-id "),
    (key_elsewhere, "GT503", f"name a key of {REGION}"),
    (key_that_signs, "GT504", "name a symmetric key for encryption and decryption"),
    (key_for_nothing, "GT505", "leave out auto-label.volume-kms-key, or add --auto-label"),
    (name_taken, "GT601", "take another name with --name"),
    (name_taken_in_capitals, "GT601", "take another name with --name"),
    (too_many_workers, "GT701", "change HumanTaskConfig.NumberOfHumanWorkersPerDataObject as the"),
    (odd_availability, "GT702", "look at HumanTaskConfig.TaskAvailabilityLifetimeInSeconds"),
    (bad_line, "GT711", "mend or leave out photos.manifest:7"),
    (huge_image, "GT711", "mend or leave out s3://our-photographs/degus/big.jpg"),
    (too_few_for_a_machine, "GT712", "change the number of photographs, or leave out --auto-label"),
    (too_many, "GT712", "change the number of photographs"),
    (few_for_a_machine, "GT713", "add photographs, or leave out --auto-label"),
    (throttled, "GT801", "repeat the command"),
]


@pytest.mark.parametrize(
    ("breaks", "code", "cure"), BROKEN, ids=[breaks.__name__ for breaks, _, _ in BROKEN]
)
def test_a_broken_set_up_names_its_fault_and_the_cure(world, breaks, code, cure):
    give(world, execution_policy(preflight().access), trust=trust_policy())
    asked = breaks(world) or preflight()
    if asked.access.role_arn == ROLE_ARN and breaks not in POLICIES:
        policy = json.dumps(execution_policy(asked.access))
        world("iam").put_role_policy(RoleName=ROLE, PolicyName="gt-workflow", PolicyDocument=policy)
    found = faults(check(world, asked, role=False))
    assert {one.code for one in found} == {code}, found
    for one in found:
        assert one.cure.startswith(cure)
        assert one.severity == RULES[code].severity
        assert "\n" not in one.message


POLICIES = {
    *(cannot_read, cannot_write, cannot_log, cannot_pass_itself),
    *(cannot_use_output_key, cannot_grant_volume_key),
    *(forbidden, bucket_lets_in, on_condition),
}


def test_the_set_of_broken_set_ups_is_large_enough():
    assert len({breaks for breaks, _, _ in BROKEN}) >= 25
    told = {code for _, code, _ in BROKEN}
    own = {"GT714", "GT715", "GT901", "GT902", "GT903", "GT904"}  # told by the command itself
    assert {code for code, rule in RULES.items() if rule.severity != "ok"} - told == own


def test_one_failing_check_hides_no_other(world):
    """Everything is broken at once, and everything is told."""
    world("s3").delete_bucket_cors(Bucket=PHOTOGRAPHS)
    world("s3").delete_bucket(Bucket=WORK)
    world.refuse("DescribeWorkteam", "InternalFailure", "Sorry", 500)
    world.refuse("GetRole", "ServiceFailure", "Sorry", 500)
    world.refuse("DescribeLabelingJob", "Whatever", "Sorry")
    asked = preflight(
        output_kms_key="alias/nothing", auto_label=AutoLabel(volume_kms_key="nothing")
    )
    found = faults(check(world, replace(asked, objects=(10,)), role=False))
    assert [one.code for one in found] == [
        *("GT201", "GT211", "GT501", "GT501", "GT712"),
        *("GT801", "GT801", "GT801", "GT801"),
    ]
    assert [one for one in found if "degus-1" in one.message]


def test_fixing_keeps_the_rules_there_are_and_happens_once(world):
    other = {"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://example.org"]}
    world("s3").put_bucket_cors(Bucket=PHOTOGRAPHS, CORSConfiguration={"CORSRules": [other]})
    give(world, execution_policy(preflight().access), trust=trust_policy())
    asked = replace(preflight(), fix=True)

    def rules():
        return world("s3").get_bucket_cors(Bucket=PHOTOGRAPHS)["CORSRules"]

    found = check(world, asked, role=False)
    assert faults(found) == []
    assert "GT213" in codes(found)
    first, second = rules()
    assert first == other
    assert second["AllowedOrigins"] == ["*"]
    assert second["ExposeHeaders"] == ["Access-Control-Allow-Origin"]
    assert "GT210" in codes(check(world, asked, role=False))
    assert len(rules()) == 2


def test_many_problems_are_told_by_their_number(world):
    problems = tuple(Problem("x", f"a.manifest:{line}", "is bad") for line in range(50))
    found = check(world, replace(preflight(), problems=problems))
    assert len([one for one in found if one.code == "GT711"]) == 21
    assert faults(found)[-1].message == "and 30 more like these"


def test_a_profile_that_is_not_there_is_a_finding():
    def clients(_service):
        raise UsageError("there is no AWS profile 'nowhere'")

    found = doctor.check(preflight(), account=AwsAccount(clients))
    assert [one.code for one in faults(found)] == ["GT104"]


def test_a_key_by_its_alias_hides_no_lack_of_permissions(world):
    key = world("kms").create_key()["KeyMetadata"]["KeyId"]
    world("kms").create_alias(AliasName="alias/labels", TargetKeyId=key)
    asked = preflight(output_kms_key="alias/labels")
    assert faults(check(world, asked)) == []
    changed_policy(world, asked, ["s3:PutObject"])
    assert [one.code for one in faults(check(world, asked, role=False))] == ["GT311"]


def test_conditions_on_what_is_known_are_no_fault(world):
    give(world, execution_policy(preflight().access), trust=trust_policy())
    in_the_region(world)
    assert faults(check(world, preflight(), role=False)) == []


def test_a_role_by_its_name_is_looked_up(world):
    asked = preflight()
    give(world, execution_policy(asked.access), trust=trust_policy())
    named = replace(asked, access=replace(asked.access, role_arn=ROLE, account=""))
    assert faults(check(world, named, role=False)) == []


def test_a_work_team_by_its_name_is_looked_up(world):
    asked = preflight()
    give(world, execution_policy(asked.access), trust=trust_policy())
    named = replace(asked, access=replace(asked.access, workteam_arn="default"))
    assert faults(check(world, named, role=False)) == []
    unknown = replace(asked, access=replace(asked.access, workteam_arn="strangers"))
    assert [one.code for one in faults(check(world, unknown, role=False))] == ["GT402"]


def test_a_launch_goes_on_with_its_own_job_but_not_with_one_in_other_letters(world):
    give(world, execution_policy(preflight().access), trust=trust_policy())
    world.job("degus-1")
    found = check(world, replace(preflight(), adopts=True), role=False)
    assert faults(found) == []
    assert "GT602" in codes(found)
    world.job("DEGUS-1")
    found = check(world, replace(preflight(), adopts=True), role=False)
    assert [one.code for one in faults(found)] == ["GT601"]


def test_a_launch_is_refused_with_the_first_fault_and_their_number(world):
    found = check(world, replace(preflight(), objects=(100_001,)))
    with pytest.raises(ServiceError, match=r"100,001 data objects.*nothing was created \[GT712\]"):
        doctor.refuse(found)
    with pytest.raises(ServiceError, match="and 1 more"):
        doctor.refuse([*found, *found])
    doctor.refuse(check(world, preflight(), role=False))


def test_the_table_has_a_row_for_every_fault():
    rows = table().splitlines()
    assert len(rows) == 2 + len([1 for rule in RULES.values() if rule.severity != "ok"])
    assert {row.count("|") for row in rows} == {5}


def test_every_code_is_told_in_one_line_with_a_cure():
    for code, rule in RULES.items():
        assert re.fullmatch(r"GT[1-9]\d\d", code)
        assert rule.code == code
        assert bool(rule.cure) == (rule.severity != "ok"), code
        assert "\n" not in rule.meaning + rule.cure
