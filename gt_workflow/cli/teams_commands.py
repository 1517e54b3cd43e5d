"""`teams` and `workers`: who labels, and what each of them has done."""

from __future__ import annotations

from typing import Annotated

import typer

from gt_workflow.cli.options import (
    Backend,
    Json,
    Profile,
    Region,
    Root,
    Set,
    SettingsFile,
    read_settings,
    where,
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
def list_(
    *,
    members: Annotated[bool, typer.Option("--members", help="Name the members, too.")] = False,
    root: Root = None,
    backend: Backend = None,
    profile: Profile = None,
    region: Region = None,
    settings_file: SettingsFile = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """List the work teams: your own, and vendors' that you subscribe to."""
    from gt_workflow.cli import teams as calls

    settings = read_settings(settings_file, set_, where(root, backend, profile, region))
    calls.list_teams(settings, members=members, as_json=as_json)


@teams.command()
def create(  # noqa: PLR0913 - one parameter per flag
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The new team's name.")],
    *,
    member: Annotated[
        list[str] | None, typer.Option(metavar="MEMBER", help="Somebody to let in; repeatable.")
    ] = None,
    description: Annotated[str, typer.Option(help="What the team is for.")] = "",
    root: Root = None,
    backend: Backend = None,
    profile: Profile = None,
    region: Region = None,
    settings_file: SettingsFile = None,
    set_: Set = None,
    dry_run: _DryRun = False,
    as_json: Json = False,
) -> None:
    """Create a private work team; the first in a region brings workforce and user pool along."""
    from gt_workflow.cli import teams as calls

    settings = read_settings(settings_file, set_, where(root, backend, profile, region))
    calls.create(
        settings,
        team,
        description=description,
        members=member or [],
        dry_run=dry_run,
        as_json=as_json,
    )


@teams.command()
def add(  # noqa: PLR0913 - one parameter per flag
    team: _Team,
    members: _Members,
    *,
    root: Root = None,
    backend: Backend = None,
    profile: Profile = None,
    region: Region = None,
    settings_file: SettingsFile = None,
    set_: Set = None,
    dry_run: _DryRun = False,
    as_json: Json = False,
) -> None:
    """Let people into a team: by e-mail on AWS, by a personal link on your own service."""
    from gt_workflow.cli import teams as calls

    settings = read_settings(settings_file, set_, where(root, backend, profile, region))
    calls.add(settings, team, members, dry_run=dry_run, as_json=as_json)


@teams.command()
def remove(  # noqa: PLR0913 - one parameter per flag
    team: _Team,
    members: _Members,
    *,
    root: Root = None,
    backend: Backend = None,
    profile: Profile = None,
    region: Region = None,
    settings_file: SettingsFile = None,
    set_: Set = None,
    dry_run: _DryRun = False,
    as_json: Json = False,
) -> None:
    """Take people out of a team; their users and answers stay."""
    from gt_workflow.cli import teams as calls

    settings = read_settings(settings_file, set_, where(root, backend, profile, region))
    calls.remove(settings, team, members, dry_run=dry_run, as_json=as_json)


def workers(  # noqa: PLR0913 - one parameter per flag
    jobs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[JOB]...", help="Jobs' names [default: the newest job]."),
    ] = None,
    *,
    names: Annotated[
        bool, typer.Option("--names", help="On AWS, look up the members' e-mail addresses.")
    ] = False,
    root: Root = None,
    backend: Backend = None,
    profile: Profile = None,
    region: Region = None,
    settings_file: SettingsFile = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Tell who labelled how much, how fast, and how well it agrees with the job's labels."""
    from gt_workflow.cli import teams as calls

    settings = read_settings(settings_file, set_, where(root, backend, profile, region))
    calls.workers(settings, jobs or [], names=names, as_json=as_json)
