"""`train`, `tune` and `predict`: from channels to a detector, and from a detector to pre-labels."""

from __future__ import annotations

from typing import Annotated

import typer

from gt_workflow.cli.options import (
    Common,
    with_common,
)

_Channel = Annotated[
    str, typer.Argument(metavar="CHANNEL", help="Where convert wrote: a folder in S3, or one form.")
]
_Form = Annotated[
    str | None,
    typer.Option(metavar="recordio|image|manifest", help="Which form [default: the first there]."),
]
_Model = Annotated[
    str | None,
    typer.Option("--from", metavar="JOB|s3://", help="Go on from an earlier training's model."),
]
_Role = Annotated[str | None, typer.Option(metavar="NAME|ARN", help="AWS: the execution role.")]
_Again = Annotated[
    bool, typer.Option("--again", help="After a failed or stopped job: create another.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the request; create nothing.")]
_NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as the job exists.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (train, tune, predict):
        app.command()(command)


@with_common
def train(
    channel: _Channel,
    *,
    form: _Form = None,
    model: _Model = None,
    again: _Again = False,
    role: _Role = None,
    dry_run: _DryRun = False,
    no_wait: _NoWait = False,
    common: Common,
) -> None:
    """Train the built-in Object Detection on a channel, and follow it."""
    from gt_workflow.cli import training as calls

    settings = common.settings({"aws.role": role})
    job = calls.Job(settings, channel, form=calls.form_of(form), model=model)
    if dry_run:
        calls.dry_run(job, as_json=common.as_json)
    else:
        calls.train(job, again=again, waits=not no_wait, as_json=common.as_json)


@with_common
def tune(  # noqa: PLR0913 - one parameter per flag
    channel: _Channel,
    *,
    form: _Form = None,
    model: _Model = None,
    jobs: Annotated[int, typer.Option(metavar="N", help="Trainings in all.")] = 10,
    parallel: Annotated[int, typer.Option(metavar="N", help="Trainings at a time.")] = 2,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="NAME=LOW:HIGH", help="What to search; may be repeated."),
    ] = None,
    again: _Again = False,
    role: _Role = None,
    dry_run: _DryRun = False,
    no_wait: _NoWait = False,
    common: Common,
) -> None:
    """Search the hyperparameters that give the best mAP: a tuning job."""
    from gt_workflow.cli import training as calls

    settings = common.settings({"aws.role": role})
    job = calls.Job(
        settings,
        channel,
        form=calls.form_of(form),
        model=model,
        tune=calls.TuneSettings(ranges=tuple(ranges or ()), jobs=jobs, parallel=parallel),
    )
    if dry_run:
        calls.dry_run(job, as_json=common.as_json)
    else:
        calls.tune(job, again=again, waits=not no_wait, as_json=common.as_json)


@with_common
def predict(  # noqa: PLR0913 - one parameter per flag
    manifest: Annotated[str, typer.Argument(metavar="MANIFEST", help="The images to label.")],
    *,
    out: Annotated[str, typer.Option(metavar="FILE|s3://", help="The manifest to write.")],
    classes_from: Annotated[
        str,
        typer.Option(metavar="FILE|s3://", help="The training's record, its model or its channel."),
    ],
    transform_output: Annotated[
        str | None, typer.Option(metavar="s3://", help="Where a batch transform wrote its answers.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="An endpoint to ask.")
    ] = None,
    attribute: Annotated[str, typer.Option(help="The label attribute to write.")] = "predictions",
    threshold: Annotated[
        float, typer.Option(metavar="SCORE", help="Leave out boxes that score less.")
    ] = 0.2,
    size: Annotated[
        str | None,
        typer.Option(metavar="WIDTHxHEIGHT", help="Of all images [default: look into each]."),
    ] = None,
    on_missing: Annotated[
        str, typer.Option(metavar="stop|skip", help="What an image without an answer does.")
    ] = "stop",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan only.")] = False,
    common: Common,
) -> None:
    """Turn a detector's answers into pre-labels, for an adjustment job to start from."""
    from gt_workflow.cli import predicting as calls

    settings = common.settings()
    calls.predict(
        settings,
        calls.Asked(
            manifest=manifest,
            out=out,
            classes_from=classes_from,
            transform_output=transform_output,
            endpoint=endpoint,
            attribute=attribute,
            threshold=threshold,
            size=size,
            on_missing=on_missing,
        ),
        dry_run=dry_run,
        as_json=common.as_json,
    )
