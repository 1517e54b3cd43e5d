"""The commands that look at labeling jobs: `status`, `wait`, `list` and `stop`."""

from __future__ import annotations

import click

from gt_workflow.cli import options
from gt_workflow.cli.options import Common


def register(app: click.Group) -> None:
    """Add the commands."""
    app.add_command(status)
    app.add_command(wait)
    app.add_command(list_)
    app.add_command(stop)


@click.command()
@options.newest_job
@options.with_common
def status(*, job: str | None, common: Common) -> None:
    """Show how far a labeling job is, and why it may stand still.

    On AWS also what it has cost.

    Exit status 0 whatever the job's own status; 5 if the job is unknown.
    """
    from gt_workflow.cli import following

    settings = common.settings()
    following.status(settings, job, as_json=common.as_json)


@click.command()
@options.newest_job
@options.with_common
def wait(*, job: str | None, common: Common) -> None:
    """Follow a labeling job until it is over.

    Our own service is hosted meanwhile.

    Exit status 0: Completed. 6: Failed. 7: Stopped; what was labelled before is written out. 5: the
    service cannot be asked any more; the job goes on. 130: Ctrl-C; the job goes on.
    """
    from gt_workflow.cli import following

    settings = common.settings()
    ended = following.wait(settings, job, as_json=common.as_json)
    if ended:
        raise click.exceptions.Exit(ended)


@click.command("list")
@options.with_common
def list_(*, common: Common) -> None:
    """List the labeling jobs, newest first."""
    from gt_workflow.cli import following

    settings = common.settings()
    following.list_jobs(settings, as_json=common.as_json)


@click.command()
@click.argument("job", metavar="JOB", help="The job's name.")
@click.option(
    "--wait/--no-wait", "waits", default=True, help="Wait until what is labelled is written out."
)
@options.with_common
def stop(*, job: str, waits: bool, common: Common) -> None:
    """Stop a labeling job for good; what is labelled is written out.

    Exit status 0: stopped, or with --no-wait: stopping. 6: it failed meanwhile.
    """
    from gt_workflow.cli import following

    settings = common.settings()
    following.stop(settings, job, waits=waits, as_json=common.as_json)
