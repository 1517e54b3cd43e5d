"""Work teams of an account (our service, moto's Cognito behind it) and of our own service."""

from __future__ import annotations

import pytest
from api_stack import running

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.userpool import NAME, UserPool
from gt_workflow.adapters.workteams import CognitoTeams, OwnTeams
from gt_workflow.errors import AlreadyExistsError, NotFoundError, ServiceError, UsageError
from gt_workflow.ports import Member
from gt_workflow.service.portal.workers import Workers
from gt_workflow.service.store import Store
from gt_workflow.workflow import teams as stage

EMPTY = "eu-west-1"  # a region in which nothing was made yet


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture(scope="module")
def clients(stack):
    return [stack.client(name, EMPTY) for name in ("sagemaker", "cognito-idp")]


@pytest.fixture
def account(clients):
    """An account whose region has neither pool nor workforce nor team; emptied afterwards."""
    sagemaker, cognito = clients
    yield CognitoTeams(sagemaker=sagemaker, cognito=cognito, clock=ManualClock())
    for team in sagemaker.list_workteams()["Workteams"]:
        sagemaker.delete_workteam(WorkteamName=team["WorkteamName"])
    for force in sagemaker.list_workforces()["Workforces"]:
        sagemaker.delete_workforce(WorkforceName=force["WorkforceName"])
    for pool in cognito.list_user_pools(MaxResults=60)["UserPools"]:
        known = cognito.describe_user_pool(UserPoolId=pool["Id"])["UserPool"]
        if "Domain" in known:
            cognito.delete_user_pool_domain(UserPoolId=pool["Id"], Domain=known["Domain"])
        cognito.delete_user_pool(UserPoolId=pool["Id"])


def names(members):
    return [member.name for member in members]


def pools(teams):
    return teams._cognito.list_user_pools(MaxResults=60)["UserPools"]


def test_the_first_team_brings_pool_client_domain_and_workforce(account):
    assert account.workforce() is None
    assert account.find("day") is None
    team = account.create("day", description="By day")
    assert account.workforce() == "default"
    assert team == account.find("day")
    assert [known.name for known in account.list()] == ["day"]
    assert team.arn == f"arn:aws:sagemaker:{EMPTY}:123456789012:workteam/private-crowd/day"
    assert team.portal == "https://localhost/_"
    ((pool, group),) = team.groups
    assert group == "day"
    assert [found["Name"] for found in pools(account)] == [NAME]
    cognito = account._cognito
    known = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    assert known["Domain"] == f"{NAME}-{pool.partition('_')[2].lower()}"
    (client,) = cognito.list_user_pool_clients(UserPoolId=pool)["UserPoolClients"]
    client = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client["ClientId"])
    assert client["UserPoolClient"]["CallbackURLs"] == ["https://localhost/_/oauth2/idpresponse"]
    assert client["UserPoolClient"]["ClientSecret"]


def test_a_second_team_shares_pool_and_workforce(account):
    account.create("day", description="By day")
    account.create("night", description="By night")
    assert [team.name for team in account.list()] == ["day", "night"]
    assert len(pools(account)) == 1


def test_a_name_that_is_taken_is_an_error_of_its_own(account):
    account.create("day", description="By day")
    with pytest.raises(AlreadyExistsError):
        account.create("day", description="By day")


def test_a_name_that_is_part_of_another_is_not_it(account):
    account.create("day-and-night", description="Always")
    assert account.find("day") is None


class Broken:
    """A client whose operation breaks once, after or before it is carried out."""

    def __init__(self, client, operation, *, after):
        self.client, self.operation, self.after = client, operation, after

    def __getattr__(self, name):
        real = getattr(self.client, name)
        if name != self.operation:
            return real

        def call(**given):
            self.operation = ""
            if self.after:
                real(**given)
            raise ServiceError("lost", operation=name, code="ConnectionClosed")

        return call


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("cognito", "create_user_pool"),
        ("cognito", "create_user_pool_domain"),
        ("cognito", "create_user_pool_client"),
        ("sagemaker", "create_workforce"),
        ("cognito", "update_user_pool_client"),
        ("cognito", "create_group"),
        ("sagemaker", "create_workteam"),
        ("cognito", "admin_create_user"),
        ("cognito", "admin_add_user_to_group"),
    ],
)
def test_whatever_breaks_off_the_second_run_finishes_and_makes_nothing_twice(
    account, service, operation, after
):
    clients = {"sagemaker": account._sagemaker, "cognito": account._cognito}
    clients[service] = Broken(clients[service], operation, after=after)
    shaky = CognitoTeams(**clients, clock=ManualClock())
    planned = stage.plan_create("day", description="By day", members=["a@b.org"], teams=shaky)
    with pytest.raises(ServiceError, match="lost"):
        stage.run(planned, teams=shaky)
    stage.run(planned, teams=shaky)
    assert [team.name for team in account.list()] == ["day"]
    (pool,) = pools(account)
    assert len(account._cognito.list_user_pool_clients(UserPoolId=pool["Id"])) > 0
    assert len(account._cognito.list_users(UserPoolId=pool["Id"])["Users"]) == 1
    assert names(account.members(account.find("day"))) == ["a@b.org"]


def test_members_come_and_go(account):
    day = account.create("day", description="By day")
    night = account.create("night", description="By night")
    for member in ("zoe@b.org", "ada@b.org", "zoe@b.org"):
        assert account.add(day, member).page == ""
    account.add(night, "zoe@b.org")
    members = list(account.members(day))
    assert names(members) == ["ada@b.org", "zoe@b.org"]
    assert {member.status for member in members} == {"FORCE_CHANGE_PASSWORD"}
    assert len({member.id for member in members}) == 2
    assert account.remove(day, "ZOE@b.org")
    assert not account.remove(day, "zoe@b.org")
    assert not account.remove(day, "nobody@b.org")
    assert names(account.members(day)) == ["ada@b.org"]
    assert names(account.members(night)) == ["zoe@b.org"]


def test_a_user_that_the_pool_knows_by_another_name_is_found_by_e_mail(account):
    day = account.create("day", description="By day")
    pool = account._cognito.create_user_pool(PoolName="theirs")["UserPool"]["Id"]
    account._cognito.admin_create_user(
        UserPoolId=pool,
        Username="ada-lovelace",
        UserAttributes=[{"Name": "email", "Value": "ada@b.org"}],
    )
    account._cognito.create_group(UserPoolId=pool, GroupName="g")
    theirs = UserPool(account._cognito, pool)
    theirs.add("ada@b.org", "g")
    assert names(theirs.members("g")) == ["ada@b.org"]
    assert len(account._cognito.list_users(UserPoolId=pool)["Users"]) == 1
    assert theirs.remove("ada-lovelace", "g")
    assert names(account.members(day)) == []


def test_a_workforce_that_others_made_is_used_as_it_is(account):
    cognito, sagemaker = account._cognito, account._sagemaker
    pool = cognito.create_user_pool(PoolName="theirs")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="their-client", CallbackURLs=["https://theirs"]
    )["UserPoolClient"]["ClientId"]
    sagemaker.create_workforce(
        WorkforceName="theirs", CognitoConfig={"UserPool": pool, "ClientId": client}
    )
    team = account.create("day", description="By day")
    assert team.groups == ((pool, "day"),)
    known = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client)["UserPoolClient"]
    assert known["CallbackURLs"] == ["https://theirs"]
    assert [found["Name"] for found in pools(account)] == ["theirs"]


def test_a_workforce_with_an_identity_provider_of_its_own_is_left_alone(account):
    link = "https://idp.example/x"
    account._sagemaker.create_workforce(
        WorkforceName="oidc",
        OidcConfig={
            "ClientId": "c",
            "ClientSecret": "s",
            "Issuer": link,
            "AuthorizationEndpoint": link,
            "TokenEndpoint": link,
            "UserInfoEndpoint": link,
            "LogoutEndpoint": link,
            "JwksUri": link,
        },
    )
    with pytest.raises(UsageError, match="OIDC"):
        account.create("day", description="By day")
    account._sagemaker.create_workteam(
        WorkteamName="theirs",
        Description="d",
        MemberDefinitions=[{"OidcMemberDefinition": {"Groups": ["g"]}}],
    )
    team = account.find("theirs")
    assert list(account.members(team)) == []
    for change in (account.add, account.remove):
        with pytest.raises(UsageError, match="identity provider"):
            change(team, "a@b.org")


@pytest.mark.parametrize(
    "name", ["ada", "a b@c.org", 'a"@b.org', "@b.org", "a@b", "x" * 130 + "@b.org"]
)
def test_a_member_of_an_account_is_an_e_mail_address(account, name):
    with pytest.raises(UsageError, match="no e-mail address"):
        account.check_member(name)
    account.check_member("ada.lovelace+labels@example.org")


class Slow:
    """A SageMaker whose workforce takes a while, or fails."""

    meta = type("Meta", (), {"region_name": EMPTY})

    def __init__(self, *statuses):
        self.statuses = list(statuses)

    def get_paginator(self, _operation):
        return self

    def paginate(self, **_filters):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        force = {"WorkforceName": "f", "Status": status, "SubDomain": "portal"}
        return iter([{"Workforces": [force | {"FailureReason": "no domain"}]}])


def test_a_workforce_that_is_being_made_is_waited_for():
    clock = ManualClock()
    before = clock.now()
    slow = Slow("Initializing", "Initializing", "Active")
    assert CognitoTeams(sagemaker=slow, cognito=None, clock=clock)._active() == "portal"
    assert (clock.now() - before).total_seconds() == 10
    with pytest.raises(ServiceError, match="Failed: no domain"):
        CognitoTeams(sagemaker=Slow("Failed"), cognito=None, clock=clock)._active()
    with pytest.raises(ServiceError, match="run the same command again"):
        CognitoTeams(sagemaker=Slow("Initializing"), cognito=None, clock=clock)._active()


def test_vendors_teams_have_titles():
    class Vendors(Slow):
        def paginate(self, **_filters):
            arn = f"arn:aws:sagemaker:{EMPTY}:111122223333:workteam/vendor-crowd/a1"
            found = {"WorkteamArn": arn, "MarketplaceTitle": "Boxes Inc", "SellerName": "Boxes"}
            return iter([{"SubscribedWorkteams": [found]}])

    teams = CognitoTeams(sagemaker=Vendors("Active"), cognito=None, clock=ManualClock())
    (team,) = teams.subscribed()
    assert (team.name, team.title, team.seller) == ("a1", "Boxes Inc", "Boxes")
    assert stage.resolve("boxes inc", teams=Found(teams)) == team.arn


class Found:
    """An account with vendors' teams alone."""

    def __init__(self, teams):
        self.teams = teams
        self.region = EMPTY

    def find(self, _name):
        return None

    def subscribed(self):
        return self.teams.subscribed()


def test_an_error_of_aws_is_ours(account):
    with pytest.raises(NotFoundError):
        list(UserPool(account._cognito, "eu-west-1_nowhere").members("g"))


@pytest.fixture
def service(stack, tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'workers.sqlite'}")
    tokens = (f"token-{number}" for number in range(100))
    workers = Workers(store=store, clock=stack.clock, new_token=lambda: next(tokens))
    yield OwnTeams(sagemaker=stack.client(), workers=workers, address=stack.address)
    store.close()


def test_our_own_service_has_teams_whose_members_get_links(service, stack):
    assert "default" in [team.name for team in service.list()]
    assert list(service.subscribed()) == []
    team = service.create("night", description="By night")
    assert service.find("night") == team
    assert team.portal.startswith("http://")
    invited = service.add(team, "Ada")
    assert invited.page == f"{stack.address}/_/#invite=token-0"
    assert list(service.members(team)) == [Member("Ada", id=service._workers.list()[0].id)]
    assert list(service.members(service.find("default"))) == []
    assert service._workers.list()[0].teams == (team.arn,)
    assert service.remove(team, "Ada")
    assert not service.remove(team, "Ada")
    assert not service.remove(team, "Nobody")
    assert service._workers.list()[0].teams == ()


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb"])
def test_a_worker_of_our_own_needs_a_name(service, name):
    with pytest.raises(UsageError, match="no worker's name"):
        service.check_member(name)
