"""`teams` and `workers`: who labels, and what each of them has done."""

from __future__ import annotations

import click

from gt_workflow.cli import options
from gt_workflow.cli.options import Common

_team = click.argument("team", metavar="TEAM", help="The team's name or ARN.")
_members = click.argument(
    "members",
    metavar="MEMBER...",
    nargs=-1,
    required=True,
    help="E-mail addresses; on your own service any names of workers.",
)
_dry_run = click.option("--dry-run", is_flag=True, help="Print the plan; change nothing.")


@click.group(cls=options.InOrder)
def teams() -> None:
    """Work teams and their members."""


def register(app: click.Group) -> None:
    """Add the commands."""
    app.add_command(teams)
    app.add_command(workers)


@teams.command("list")
@click.option("--members", is_flag=True, help="Name the members, too.")
@options.with_common
def list_(*, members: bool, common: Common) -> None:
    """List the work teams: your own, and vendors' that you subscribe to."""
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.list_teams(settings, members=members, as_json=common.as_json)


@teams.command()
@click.argument("team", metavar="TEAM", help="The new team's name.")
@click.option("--member", metavar="MEMBER", multiple=True, help="Somebody to let in; repeatable.")
@click.option("--description", default="", show_default=False, help="What the team is for.")
@_dry_run
@options.with_common
def create(
    *,
    team: str,
    member: tuple[str, ...],
    description: str,
    dry_run: bool,
    common: Common,
) -> None:
    """Create a private work team.

    The first in a region brings workforce and user pool along.
    """
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.create(
        settings,
        team,
        description=description,
        members=member or [],
        dry_run=dry_run,
        as_json=common.as_json,
    )


@teams.command()
@_team
@_members
@_dry_run
@options.with_common
def add(*, team: str, members: tuple[str, ...], dry_run: bool, common: Common) -> None:
    """Let people into a team: by e-mail on AWS, else by a link."""
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.add(settings, team, members, dry_run=dry_run, as_json=common.as_json)


@teams.command()
@_team
@_members
@_dry_run
@options.with_common
def remove(*, team: str, members: tuple[str, ...], dry_run: bool, common: Common) -> None:
    """Take people out of a team; their users and answers stay."""
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.remove(settings, team, members, dry_run=dry_run, as_json=common.as_json)


@click.command()
@click.argument("jobs", metavar="[JOB]...", nargs=-1, help="Jobs' names [default: the newest job].")
@click.option("--names", is_flag=True, help="On AWS, look up the members' e-mail addresses.")
@options.with_common
def workers(*, jobs: tuple[str, ...], names: bool, common: Common) -> None:
    """Tell who labelled how much, how fast, and how well it agrees."""
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.workers(settings, jobs or [], names=names, as_json=common.as_json)
