"""`teams` and `workers`: who labels, and what each of them has done."""

from __future__ import annotations

from typing import Annotated

import typer

from gt_workflow.cli.options import (
    Common,
    with_common,
)

_Team = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name or ARN.")]
_Members = Annotated[
    list[str],
    typer.Argument(
        metavar="MEMBER...", help="E-mail addresses; on your own service any names of workers."
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan; change nothing.")]

teams = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Work teams and their members.",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(teams, name="teams")
    app.command()(workers)


@teams.command("list")
@with_common
def list_(
    *,
    members: Annotated[bool, typer.Option("--members", help="Name the members, too.")] = False,
    common: Common,
) -> None:
    """List the work teams: your own, and vendors' that you subscribe to."""
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.list_teams(settings, members=members, as_json=common.as_json)


@teams.command()
@with_common
def create(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The new team's name.")],
    *,
    member: Annotated[
        list[str] | None, typer.Option(metavar="MEMBER", help="Somebody to let in; repeatable.")
    ] = None,
    description: Annotated[str, typer.Option(help="What the team is for.")] = "",
    dry_run: _DryRun = False,
    common: Common,
) -> None:
    """Create a private work team; the first in a region brings workforce and user pool along."""
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
@with_common
def add(
    team: _Team,
    members: _Members,
    *,
    dry_run: _DryRun = False,
    common: Common,
) -> None:
    """Let people into a team: by e-mail on AWS, by a personal link on your own service."""
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.add(settings, team, members, dry_run=dry_run, as_json=common.as_json)


@teams.command()
@with_common
def remove(
    team: _Team,
    members: _Members,
    *,
    dry_run: _DryRun = False,
    common: Common,
) -> None:
    """Take people out of a team; their users and answers stay."""
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.remove(settings, team, members, dry_run=dry_run, as_json=common.as_json)


@with_common
def workers(
    jobs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[JOB]...", help="Jobs' names [default: the newest job]."),
    ] = None,
    *,
    names: Annotated[
        bool, typer.Option("--names", help="On AWS, look up the members' e-mail addresses.")
    ] = False,
    common: Common,
) -> None:
    """Tell who labelled how much, how fast, and how well it agrees with the job's labels."""
    from gt_workflow.cli import teams as calls

    settings = common.settings()
    calls.workers(settings, jobs or [], names=names, as_json=common.as_json)
