from __future__ import annotations

import threading
from typing import Any

import pytest
from api_stack import FILES, REGION, TEAM, make_api, request

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.service.faults import Fault
from gt_workflow.service.portal.workers import Workers
from gt_workflow.service.store import Store, jobs

GROUP = {"CognitoMemberDefinition": {"UserPool": "p_1", "UserGroup": "g", "ClientId": "c"}}
OIDC = {
    "ClientId": "c",
    "ClientSecret": "hush",
    "Issuer": "https://idp",
    "AuthorizationEndpoint": "https://idp/a",
    "TokenEndpoint": "https://idp/t",
    "UserInfoEndpoint": "https://idp/u",
    "LogoutEndpoint": "https://idp/l",
    "JwksUri": "https://idp/j",
}
EMPTY = "eu-west-1"  # a region in which nothing was made yet


class Caller:
    """Calls the API and remembers nothing."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        storage = MemoryStorage(FILES)
        self.api, self.jobs, self.teams = make_api(store, storage, clock, threading.Event())

    def __call__(self, operation: str, region: str = REGION, **parameters: Any) -> Any:
        return self.api.handle(operation, parameters, region=region)

    def refused(self, operation: str, region: str = REGION, **parameters: Any) -> str:
        with pytest.raises(Fault) as caught:
            self(operation, region, **parameters)
        return f"{caught.value.code}: {caught.value.message}"


@pytest.fixture
def store(tmp_path):
    opened = Store(f"sqlite:///{tmp_path / 'service.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def call(store):
    return Caller(store, ManualClock())


def team(name: str = "night-shift", **changes: Any) -> dict[str, Any]:
    return {
        "WorkteamName": name,
        "MemberDefinitions": [GROUP],
        "Description": "They see in the dark",
        **changes,
    }


def test_the_default_team_is_made_once_and_survives(call, store):
    assert call.teams.ensure_default(REGION) == TEAM
    assert Caller(store, ManualClock()).teams.ensure_default(REGION) == TEAM
    assert [found["WorkteamName"] for found in call("ListWorkteams")["Workteams"]] == ["default"]
    assert call("DescribeWorkforce", WorkforceName="default")["Workforce"]["Status"] == "Active"
    assert call.teams.exists(REGION, TEAM)
    assert not call.teams.exists(EMPTY, TEAM)


def test_a_team_has_exactly_the_members_of_aws(call):
    made = call(
        "CreateWorkteam",
        **team(
            WorkforceName="default",
            NotificationConfiguration={
                "NotificationTopicArn": "arn:aws:sns:us-east-1:123456789012:x"
            },
            WorkerAccessConfiguration={
                "S3Presign": {"IamPolicyConstraints": {"SourceIp": "Enabled"}}
            },
            Tags=[{"Key": "a", "Value": "b"}],
        ),
    )
    arn = "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/night-shift"
    assert made == {"WorkteamArn": arn}
    now = call.clock.now()
    assert call("DescribeWorkteam", WorkteamName="night-shift")["Workteam"] == {
        "WorkteamName": "night-shift",
        "MemberDefinitions": [GROUP],
        "WorkteamArn": arn,
        "WorkforceArn": "arn:aws:sagemaker:us-east-1:123456789012:workforce/default",
        "ProductListingIds": [],
        "Description": "They see in the dark",
        "SubDomain": "localhost/_",
        "CreateDate": now,
        "LastUpdatedDate": now,
        "NotificationConfiguration": {
            "NotificationTopicArn": "arn:aws:sns:us-east-1:123456789012:x"
        },
        "WorkerAccessConfiguration": {
            "S3Presign": {"IamPolicyConstraints": {"SourceIp": "Enabled"}}
        },
    }
    assert call("ListTags", ResourceArn=arn) == {"Tags": [{"Key": "a", "Value": "b"}]}


def test_an_update_changes_what_it_names(call):
    call("CreateWorkteam", **team())
    call.clock.sleep(60)
    answer = call("UpdateWorkteam", WorkteamName="night-shift", Description="They sleep by day")
    changed = answer["Workteam"]
    assert changed["Description"] == "They sleep by day"
    assert changed["MemberDefinitions"] == [GROUP]
    assert changed["LastUpdatedDate"] == call.clock.now() > changed["CreateDate"]


def test_what_is_not_there_is_told_in_the_words_that_others_look_for(call):
    arn = "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/x"
    gone = f"ValidationException: The work team {arn} does not exist."
    assert call.refused("DescribeWorkteam", WorkteamName="x") == gone
    assert call.refused("UpdateWorkteam", WorkteamName="x") == gone
    assert call.refused("DeleteWorkteam", WorkteamName="x") == gone
    nothing = "ValidationException: No workforce found with the name x in us-east-1."
    assert call.refused("DescribeWorkforce", WorkforceName="x") == nothing
    assert call.refused("UpdateWorkforce", WorkforceName="x") == nothing
    assert call.refused("DeleteWorkforce", WorkforceName="x") == nothing
    assert call.refused("CreateWorkteam", **team(WorkforceName="x")) == nothing


def test_a_name_is_taken_once_and_a_region_has_25_teams(call):
    for number in range(24):
        call("CreateWorkteam", **team(f"t{number}"))
    assert call.refused("CreateWorkteam", **team("t1")).startswith("ResourceInUse: The work team")
    assert call.refused("CreateWorkteam", **team("t24")) == (
        "ResourceLimitExceeded: There are already 25 work teams in us-east-1, which is the limit."
    )
    assert call("CreateWorkteam", EMPTY, **team("t24"))  # another region, another count


def test_a_team_with_an_unfinished_job_stays(call, store):
    call("CreateLabelingJob", **request())
    Workers(store=store, clock=call.clock, new_token=lambda: "t").add("Ada", team_arns=[TEAM])
    assert call.refused("DeleteWorkteam", WorkteamName="default") == (
        f"ResourceInUse: The work team {TEAM} is in use by the labeling job degus. "
        "Stop the job, or wait until it is done."
    )
    with store.write() as connection:
        connection.execute(jobs.update().values(status="Stopped"))
    assert call("DeleteWorkteam", WorkteamName="default") == {"Success": True}
    assert call("ListWorkteams") == {"Workteams": []}
    call.teams.ensure_default(REGION)  # a namesake does not inherit the members
    workers = Workers(store=store, clock=call.clock, new_token=lambda: "t")
    assert [worker.teams for worker in workers.list()] == [()]


@pytest.mark.parametrize(
    "members",
    [
        [{}],
        [GROUP | {"OidcMemberDefinition": {"Groups": ["g"]}}],
        [GROUP, {"OidcMemberDefinition": {"Groups": ["g"]}}],
        [GROUP, {"CognitoMemberDefinition": GROUP["CognitoMemberDefinition"] | {"ClientId": "d"}}],
    ],
)
def test_members_are_of_one_kind_and_of_one_pool(call, members):
    told = call.refused("CreateWorkteam", **team(MemberDefinitions=members))
    assert told.startswith("ValidationException: ")
    assert "CognitoMemberDefinition" in told or "UserPool" in told


def test_the_first_team_of_a_region_brings_its_workforce(call):
    told = call.refused(
        "CreateWorkteam",
        EMPTY,
        **team(MemberDefinitions=[{"OidcMemberDefinition": {"Groups": ["g"]}}]),
    )
    assert told == (
        "ValidationException: There is no workforce in eu-west-1 yet: use CreateWorkforce first."
    )
    call("CreateWorkteam", EMPTY, **team())
    only = call("ListWorkforces", EMPTY)["Workforces"]
    assert [(force["WorkforceName"], force["CognitoConfig"]) for force in only] == [
        ("default", {"UserPool": "p_1", "ClientId": "c"})
    ]


def test_teams_are_listed_by_age_or_name_in_pages(call):
    for name in ("c", "A-b", "b"):
        call.clock.sleep(1)
        call("CreateWorkteam", **team(name))

    def names(**given: Any) -> list[str]:
        return [found["WorkteamName"] for found in call("ListWorkteams", **given)["Workteams"]]

    assert names() == ["default", "c", "A-b", "b"]
    assert names(SortOrder="Descending") == ["b", "A-b", "c", "default"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["A-b", "b", "c", "default"]
    assert names(NameContains="B") == ["A-b", "b"]
    first = call("ListWorkteams", MaxResults=3)
    assert len(first["Workteams"]) == 3
    rest = call("ListWorkteams", MaxResults=3, NextToken=first["NextToken"])
    assert [found["WorkteamName"] for found in rest["Workteams"]] == ["b"]
    assert "NextToken" not in rest


def test_a_region_has_one_workforce_that_goes_after_its_teams(call):
    made = call("CreateWorkforce", EMPTY, WorkforceName="own", OidcConfig=OIDC)
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:workforce/own"
    assert made == {"WorkforceArn": arn}
    told = call.refused("CreateWorkforce", EMPTY, WorkforceName="two", OidcConfig=OIDC)
    assert told.startswith("ResourceLimitExceeded: There is already a workforce in eu-west-1")
    shown = call("DescribeWorkforce", EMPTY, WorkforceName="own")["Workforce"]
    secretless = {key: value for key, value in OIDC.items() if key != "ClientSecret"}
    assert shown["OidcConfig"] == secretless
    members = [{"OidcMemberDefinition": {"Groups": ["g"]}}]
    call("CreateWorkteam", EMPTY, **team(MemberDefinitions=members))
    told = call.refused("DeleteWorkforce", EMPTY, WorkforceName="own")
    assert told == (
        f"ResourceInUse: The workforce {arn} has work teams. Delete them with DeleteWorkteam first."
    )
    told = call.refused("UpdateWorkforce", EMPTY, WorkforceName="own", OidcConfig=OIDC)
    assert told.startswith(f"ResourceInUse: The workforce {arn} has work teams.")
    call("DeleteWorkteam", EMPTY, WorkteamName="night-shift")
    assert call("DeleteWorkforce", EMPTY, WorkforceName="own") == {}
    assert call("ListWorkforces", EMPTY) == {"Workforces": []}


def test_a_client_secret_is_not_kept(call, tmp_path):
    call("CreateWorkforce", EMPTY, WorkforceName="own", OidcConfig=OIDC)
    call("UpdateWorkforce", EMPTY, WorkforceName="own", OidcConfig=OIDC)
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert files
    assert not any(b"hush" in content for content in files)


@pytest.mark.parametrize(
    "config", [{}, {"OidcConfig": OIDC, "CognitoConfig": {"UserPool": "p_1", "ClientId": "c"}}]
)
def test_a_workforce_has_one_identity_provider(call, config):
    told = call.refused("CreateWorkforce", EMPTY, WorkforceName="own", **config)
    assert told == "ValidationException: Specify exactly one of CognitoConfig and OidcConfig."


def test_addresses_outside_the_allow_list_are_not_admitted(call):
    forces = call.teams.workforces
    assert forces.admits("203.0.113.9")
    answer = call(
        "UpdateWorkforce",
        WorkforceName="default",
        SourceIpConfig={"Cidrs": ["10.1.2.3/8", "2001:db8::/56"]},
    )
    assert answer["Workforce"]["SourceIpConfig"] == {"Cidrs": ["10.1.2.3/8", "2001:db8::/56"]}
    assert forces.admits("10.9.9.9")
    assert forces.admits("2001:db8::1")
    assert not forces.admits("203.0.113.9")
    assert not forces.admits("::1")
    call("UpdateWorkforce", WorkforceName="default", SourceIpConfig={"Cidrs": []})
    assert forces.admits("203.0.113.9")


def test_an_allow_list_has_ten_ranges_at_most(call):
    cidrs = [f"10.{number}.0.0/16" for number in range(11)]
    told = call.refused("UpdateWorkforce", WorkforceName="default", SourceIpConfig={"Cidrs": cidrs})
    assert told == "ValidationException: SourceIpConfig can have 10 CIDRs at most; got 11."


def test_there_are_no_vendors(call):
    assert call("ListSubscribedWorkteams") == {"SubscribedWorkteams": []}
    arn = "arn:aws:sagemaker:us-east-1:123456789012:workteam/vendor-crowd/x"
    assert call.refused("DescribeSubscribedWorkteam", WorkteamArn=arn) == (
        f"ValidationException: The work team {arn} is not subscribed to."
    )


def test_tags_are_added_overwritten_and_deleted(call):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    assert call("AddTags", ResourceArn=TEAM, Tags=tags) == {"Tags": tags}
    call("AddTags", ResourceArn=TEAM, Tags=[{"Key": "a", "Value": "2"}])
    assert call("DeleteTags", ResourceArn=TEAM, TagKeys=["b", "never"]) == {}
    assert call("ListTags", ResourceArn=TEAM) == {"Tags": [{"Key": "a", "Value": "2"}]}


def test_a_resource_has_50_tags_at_most_and_no_key_twice(call):
    tags = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    call("AddTags", ResourceArn=TEAM, Tags=tags)
    call("AddTags", ResourceArn=TEAM, Tags=tags[:3])
    told = call.refused("AddTags", ResourceArn=TEAM, Tags=[{"Key": "more", "Value": ""}])
    assert told == f"ResourceLimitExceeded: The resource {TEAM} can have 50 tags at most."
    told = call.refused("AddTags", ResourceArn=TEAM, Tags=[tags[0], tags[0]])
    assert told.startswith("ValidationException: The tag key 'k0' is there twice")
    told = call.refused("AddTags", ResourceArn=TEAM, Tags=[{"Key": "aws:x", "Value": ""}])
    assert (
        told == "ValidationException: The tag key 'aws:x' is invalid: 'aws:' is a reserved prefix."
    )


@pytest.mark.parametrize("kind", ["labeling-job/x", "workteam/private-crowd/x", "workforce/x"])
def test_tags_need_their_resource(call, kind):
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:{kind}"
    gone = f"ResourceNotFound: The resource {arn} does not exist."
    assert call.refused("ListTags", ResourceArn=arn) == gone
    assert call.refused("AddTags", ResourceArn=arn, Tags=[]) == gone
    assert call.refused("DeleteTags", ResourceArn=arn, TagKeys=["a"]) == gone


def test_tags_go_with_their_resource(call):
    call("CreateWorkteam", **team(Tags=[{"Key": "a", "Value": "b"}]))
    call("DeleteWorkteam", WorkteamName="night-shift")
    arn = call("CreateWorkteam", **team())["WorkteamArn"]
    assert call("ListTags", ResourceArn=arn) == {"Tags": []}
