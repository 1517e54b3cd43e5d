"""Where jobs live: in our own service, or in an account, whose clients are made here."""

from __future__ import annotations

from gt_workflow.adapters.clients import Clients, account_of, region_of
from gt_workflow.adapters.clock import SystemClock
from gt_workflow.config import Settings
from gt_workflow.core.names import private_workteam_arn
from gt_workflow.errors import UsageError
from gt_workflow.workflow.specify import Place

ACCOUNT = "123456789012"  # moto's, so that both halves of the service speak of one account
TEAM = "default"
REGION = "us-east-1"


def account(settings: Settings) -> Clients:
    """Return the clients of the account that the settings name; nothing is asked of it yet."""
    profile = settings.aws.profile
    region = settings.store.region or region_of(profile)
    if not region:
        raise UsageError("name the account's region: --region (store.region)")
    return Clients(region=region, profile=profile)


def here(region: str, base: str) -> Place:
    """Return where our own service's jobs live, all under `base`."""
    region = region or REGION
    return Place(
        base=base,
        region=region,
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/gt-workflow",
        workteam_arn=private_workteam_arn(region, ACCOUNT, TEAM),
    )


def on_aws(settings: Settings, clients: Clients, base: str) -> Place:
    """Turn the account's names into ARNs; empty ones stay empty, for who does not need them."""
    from gt_workflow.adapters.workteams import CognitoTeams
    from gt_workflow.workflow.teams import resolve

    role, team = settings.aws.role, settings.aws.workteam
    if role and not role.startswith("arn:"):
        role = f"arn:aws:iam::{account_of(clients)}:role/{role}"
    if team and not team.startswith("arn:"):
        sagemaker, cognito = clients("sagemaker"), clients("cognito-idp")
        teams = CognitoTeams(sagemaker=sagemaker, cognito=cognito, clock=SystemClock())
        team = resolve(team, teams=teams)
    return Place(base=base, region=clients.region, role_arn=role, workteam_arn=team)
