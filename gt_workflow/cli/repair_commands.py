"""`reconcile`, `relaunch`, `recover`, `adjust`, `verify`, `fold`: what follows a labeling job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gt_workflow.cli.options import (
    Common,
    names,
    with_common,
)

_Job = Annotated[str, typer.Argument(metavar="JOB", help="The job's name.")]
_Output = Annotated[
    str | None,
    typer.Option(
        metavar="MANIFEST", help="Read this instead of the job's output manifest (see recover)."
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan; create nothing.")]
_Workers = Annotated[
    str | None, typer.Option(metavar="people|simulated", help="Who works on the new job.")
]
_Truth = Annotated[str | None, typer.Option(metavar="FILE", help="What simulated workers know.")]
_MaxCost = Annotated[
    str | None, typer.Option(metavar="USD", help="Create nothing that may cost more.")
]
_PerObject = Annotated[
    int | None, typer.Option(metavar="N", help="Distinct workers per photograph, 1-9.")
]
_Attribute = Annotated[
    str | None,
    typer.Option(help="The new label attribute [default: the old one and -adjusted or -verified]."),
]
_Title = Annotated[str | None, typer.Option(help="The title workers see.")]
_Instructions = Annotated[
    str | None, typer.Option(metavar="FILE", help="Text, Markdown or HTML shown to workers.")
]
_Team = Annotated[str | None, typer.Option(metavar="ARN", help="Another work team than the job's.")]
_Only = Annotated[
    str | None, typer.Option(metavar="VERDICT", help="Of a verified job, lines judged so.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (reconcile, relaunch, recover, adjust, verify, fold):
        app.command()(command)


@with_common
def reconcile(
    job: _Job,
    *,
    merge: Annotated[
        str | None,
        typer.Option(
            metavar="OUT", help="Write one manifest of this job's output and its relaunches'."
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="JOB", help="Merge this job, not the relaunches found."),
    ] = None,
    listed: Annotated[
        int, typer.Option("--list", metavar="N", help="Lines of each kind to name.")
    ] = 20,
    output: _Output = None,
    common: Common,
) -> None:
    """Compare a job's output with its input, line by line; ends with 6 if anything is open."""
    from gt_workflow.cli import repair

    settings = common.settings()
    if merge is None:
        repair.reconcile(settings, job, output=output, listed=listed, as_json=common.as_json)
    else:
        repair.merge(settings, job, out=merge, later=with_, output=output, as_json=common.as_json)


@with_common
def relaunch(
    job: _Job,
    *,
    output: _Output = None,
    workers: _Workers = None,
    truth: _Truth = None,
    max_cost: _MaxCost = None,
    dry_run: _DryRun = False,
    common: Common,
) -> None:
    """Send a job's missing, failed and untouched lines again; never one that has a label."""
    from gt_workflow.cli import repair

    flags: dict[str, Any] = {"workers.kind": workers, "workers.truth": truth, "cost.max": max_cost}
    settings = common.settings(flags)
    repair.relaunch(settings, job, output=output, dry_run=dry_run, as_json=common.as_json)


@with_common
def recover(
    job: _Job,
    *,
    out: Annotated[str, typer.Option(metavar="MANIFEST|s3://", help="Where it is written.")],
    common: Common,
) -> None:
    """Harvest the labels of a job that ended without its output manifest."""
    from gt_workflow.cli import repair

    settings = common.settings()
    repair.recover(settings, job, out=out, as_json=common.as_json)


@with_common
def adjust(  # noqa: PLR0913 - one parameter per flag
    job: _Job,
    *,
    labels: Annotated[
        str | None, typer.Option(metavar="NAME[,NAME...]", help="Labels to add to the job's.")
    ] = None,
    attribute: _Attribute = None,
    workers_per_object: _PerObject = None,
    title: _Title = None,
    instructions: _Instructions = None,
    workteam: _Team = None,
    only: _Only = None,
    output: _Output = None,
    workers: _Workers = None,
    truth: _Truth = None,
    max_cost: _MaxCost = None,
    dry_run: _DryRun = False,
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


@with_common
def verify(  # noqa: PLR0913 - one parameter per flag
    job: _Job,
    *,
    labels: Annotated[
        str | None,
        typer.Option(metavar="NAME[,NAME...]", help="The verdicts [default: correct,wrong]."),
    ] = None,
    attribute: _Attribute = None,
    workers_per_object: _PerObject = None,
    title: _Title = None,
    instructions: _Instructions = None,
    workteam: _Team = None,
    output: _Output = None,
    workers: _Workers = None,
    truth: _Truth = None,
    max_cost: _MaxCost = None,
    dry_run: _DryRun = False,
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


@with_common
def fold(
    job: _Job,
    *,
    out: Annotated[str, typer.Option(metavar="MANIFEST|s3://", help="Where it is written.")],
    base: Annotated[
        str | None,
        typer.Option(metavar="MANIFEST", help="What was adjusted [default: as adjust recorded]."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="VERDICT", help="Of a verification job, keep lines judged so."),
    ] = None,
    output: _Output = None,
    common: Common,
) -> None:
    """Take adjusted boxes back under their first attribute, earlier ones kept beside them."""
    from gt_workflow.cli import repair

    settings = common.settings()
    repair.fold(settings, job, out=out, base=base, only=only, output=output, as_json=common.as_json)
