"""`reconcile`, `relaunch`, `recover`, `adjust`, `verify`, `fold`: what follows a labeling job."""

from __future__ import annotations

from typing import Any

import click

from gt_workflow.cli import options
from gt_workflow.cli.options import Common, names

_job = click.argument("job", metavar="JOB", help="The job's name.")
_output = click.option(
    "--output",
    metavar="MANIFEST",
    help="Read this instead of the job's output manifest (see recover).",
)
_dry_run = click.option("--dry-run", is_flag=True, help="Print the plan; create nothing.")
_workers = click.option("--workers", metavar="people|simulated", help="Who works on the new job.")
_truth = click.option("--truth", metavar="FILE", help="What simulated workers know.")
_max_cost = click.option("--max-cost", metavar="USD", help="Create nothing that may cost more.")
_per_object = click.option(
    "--workers-per-object", metavar="N", type=int, help="Distinct workers per photograph, 1-9."
)
_attribute = click.option(
    "--attribute", help="The new label attribute [default: the old one and -adjusted or -verified]."
)
_title = click.option("--title", help="The title workers see.")
_instructions = click.option(
    "--instructions", metavar="FILE", help="Text, Markdown or HTML shown to workers."
)
_team = click.option("--workteam", metavar="ARN", help="Another work team than the job's.")
_only = click.option("--only", metavar="VERDICT", help="Of a verified job, lines judged so.")


def register(app: click.Group) -> None:
    """Add the commands."""
    for command in (reconcile, relaunch, recover, adjust, verify, fold):
        app.add_command(command)


@click.command()
@_job
@click.option(
    "--merge", metavar="OUT", help="Write one manifest of this job's output and its relaunches'."
)
@click.option(
    "--with",
    "with_",
    metavar="JOB",
    multiple=True,
    help="Merge this job, not the relaunches found.",
)
@click.option("--list", "listed", metavar="N", default=20, help="Lines of each kind to name.")
@_output
@options.with_common
def reconcile(
    *,
    job: str,
    merge: str | None,
    with_: tuple[str, ...],
    listed: int,
    output: str | None,
    common: Common,
) -> None:
    """Compare a job's output with its input, line by line.

    Exit status 6 if anything is open.
    """
    from gt_workflow.cli import repair

    settings = common.settings()
    if merge is None:
        repair.reconcile(settings, job, output=output, listed=listed, as_json=common.as_json)
    else:
        repair.merge(settings, job, out=merge, later=with_, output=output, as_json=common.as_json)


@click.command()
@_job
@_output
@_workers
@_truth
@_max_cost
@_dry_run
@options.with_common
def relaunch(
    *,
    job: str,
    output: str | None,
    workers: str | None,
    truth: str | None,
    max_cost: str | None,
    dry_run: bool,
    common: Common,
) -> None:
    """Send a job's missing, failed and untouched lines again.

    Never one that has a label.
    """
    from gt_workflow.cli import repair

    flags: dict[str, Any] = {"workers.kind": workers, "workers.truth": truth, "cost.max": max_cost}
    settings = common.settings(flags)
    repair.relaunch(settings, job, output=output, dry_run=dry_run, as_json=common.as_json)


@click.command()
@_job
@click.option("--out", metavar="MANIFEST|s3://", required=True, help="Where it is written.")
@options.with_common
def recover(*, job: str, out: str, common: Common) -> None:
    """Harvest the labels of a job that ended without a manifest."""
    from gt_workflow.cli import repair

    settings = common.settings()
    repair.recover(settings, job, out=out, as_json=common.as_json)


@click.command()
@_job
@click.option("--labels", metavar="NAME[,NAME...]", help="Labels to add to the job's.")
@_attribute
@_per_object
@_title
@_instructions
@_team
@_only
@_output
@_workers
@_truth
@_max_cost
@_dry_run
@options.with_common
def adjust(  # noqa: PLR0913 - one parameter per flag
    *,
    job: str,
    labels: str | None,
    attribute: str | None,
    workers_per_object: int | None,
    title: str | None,
    instructions: str | None,
    workteam: str | None,
    only: str | None,
    output: str | None,
    workers: str | None,
    truth: str | None,
    max_cost: str | None,
    dry_run: bool,
    common: Common,
) -> None:
    """Launch a job in which workers correct the boxes of this one."""
    from gt_workflow.cli import repair

    flags: dict[str, Any] = {"workers.kind": workers, "workers.truth": truth, "cost.max": max_cost}
    flags |= {"job.workers": workers_per_object}
    asked = repair.Asked(
        labels=tuple(names(labels) or ()),
        attribute=attribute or "",
        title=title or "",
        instructions=instructions or "",
        workteam=workteam or "",
        only=only or "",
    )
    settings = common.settings(flags)
    repair.chain(
        "adjust", settings, job, asked, output=output, dry_run=dry_run, as_json=common.as_json
    )


@click.command()
@_job
@click.option("--labels", metavar="NAME[,NAME...]", help="The verdicts [default: correct,wrong].")
@_attribute
@_per_object
@_title
@_instructions
@_team
@_output
@_workers
@_truth
@_max_cost
@_dry_run
@options.with_common
def verify(  # noqa: PLR0913 - one parameter per flag
    *,
    job: str,
    labels: str | None,
    attribute: str | None,
    workers_per_object: int | None,
    title: str | None,
    instructions: str | None,
    workteam: str | None,
    output: str | None,
    workers: str | None,
    truth: str | None,
    max_cost: str | None,
    dry_run: bool,
    common: Common,
) -> None:
    """Launch a job in which workers judge the boxes of this one."""
    from gt_workflow.cli import repair

    flags: dict[str, Any] = {"workers.kind": workers, "workers.truth": truth, "cost.max": max_cost}
    flags |= {"job.workers": workers_per_object}
    asked = repair.Asked(
        labels=tuple(names(labels) or ()),
        attribute=attribute or "",
        title=title or "",
        instructions=instructions or "",
        workteam=workteam or "",
    )
    settings = common.settings(flags)
    repair.chain(
        "verify", settings, job, asked, output=output, dry_run=dry_run, as_json=common.as_json
    )


@click.command()
@_job
@click.option("--out", metavar="MANIFEST|s3://", required=True, help="Where it is written.")
@click.option("--base", metavar="MANIFEST", help="What was adjusted [default: as adjust recorded].")
@click.option("--only", metavar="VERDICT", help="Of a verification job, keep lines judged so.")
@_output
@options.with_common
def fold(
    *,
    job: str,
    out: str,
    base: str | None,
    only: str | None,
    output: str | None,
    common: Common,
) -> None:
    """Take adjusted boxes back under their first attribute.

    The earlier boxes are kept beside them.
    """
    from gt_workflow.cli import repair

    settings = common.settings()
    repair.fold(settings, job, out=out, base=base, only=only, output=output, as_json=common.as_json)
