"""`train`, `tune` and `predict`: from channels to a detector, and from a detector to pre-labels."""

from __future__ import annotations

import click

from gt_workflow.cli import options
from gt_workflow.cli.options import Common

_channel = click.argument(
    "channel", metavar="CHANNEL", help="Where convert wrote: a folder in S3, or one form."
)
_form = click.option(
    "--form", metavar="recordio|image|manifest", help="Which form [default: the first there]."
)
_model = click.option(
    "--from", "model", metavar="JOB|s3://", help="Go on from an earlier training's model."
)
_role = click.option("--role", metavar="NAME|ARN", help="AWS: the execution role.")
_again = click.option(
    "--again", is_flag=True, help="After a failed or stopped job: create another."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Print the request; create nothing.")
_no_wait = click.option("--no-wait", is_flag=True, help="Return as soon as the job exists.")


def register(app: click.Group) -> None:
    """Add the commands."""
    for command in (train, tune, predict):
        app.add_command(command)


@click.command()
@_channel
@_form
@_model
@_again
@_role
@_dry_run
@_no_wait
@options.with_common
def train(
    *,
    channel: str,
    form: str | None,
    model: str | None,
    again: bool,
    role: str | None,
    dry_run: bool,
    no_wait: bool,
    common: Common,
) -> None:
    """Train the built-in Object Detection on a channel."""
    from gt_workflow.cli import training as calls

    settings = common.settings({"aws.role": role})
    job = calls.Job(settings, channel, form=calls.form_of(form), model=model)
    if dry_run:
        calls.dry_run(job, as_json=common.as_json)
    else:
        calls.train(job, again=again, waits=not no_wait, as_json=common.as_json)


@click.command()
@_channel
@_form
@_model
@click.option("--jobs", metavar="N", default=10, help="Trainings in all.")
@click.option("--parallel", metavar="N", default=2, help="Trainings at a time.")
@click.option(
    "--range",
    "ranges",
    metavar="NAME=LOW:HIGH",
    multiple=True,
    help="What to search; may be repeated.",
)
@_again
@_role
@_dry_run
@_no_wait
@options.with_common
def tune(  # noqa: PLR0913 - one parameter per flag
    *,
    channel: str,
    form: str | None,
    model: str | None,
    jobs: int,
    parallel: int,
    ranges: tuple[str, ...],
    again: bool,
    role: str | None,
    dry_run: bool,
    no_wait: bool,
    common: Common,
) -> None:
    """Search the hyperparameters that give the best mAP."""
    from gt_workflow.cli import training as calls

    settings = common.settings({"aws.role": role})
    job = calls.Job(
        settings,
        channel,
        form=calls.form_of(form),
        model=model,
        tune=calls.TuneSettings(ranges=ranges, jobs=jobs, parallel=parallel),
    )
    if dry_run:
        calls.dry_run(job, as_json=common.as_json)
    else:
        calls.tune(job, again=again, waits=not no_wait, as_json=common.as_json)


@click.command()
@click.argument("manifest", metavar="MANIFEST", help="The images to label.")
@click.option("--out", metavar="FILE|s3://", required=True, help="The manifest to write.")
@click.option(
    "--classes-from",
    metavar="FILE|s3://",
    required=True,
    help="The training's record, its model or its channel.",
)
@click.option(
    "--transform-output", metavar="s3://", help="Where a batch transform wrote its answers."
)
@click.option("--endpoint", metavar="NAME", help="An endpoint to ask.")
@click.option("--attribute", default="predictions", help="The label attribute to write.")
@click.option("--threshold", metavar="SCORE", default=0.2, help="Leave out boxes that score less.")
@click.option("--size", metavar="WIDTHxHEIGHT", help="Of all images [default: look into each].")
@click.option(
    "--on-missing",
    metavar="stop|skip",
    default="stop",
    help="What an image without an answer does.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan only.")
@options.with_common
def predict(  # noqa: PLR0913 - one parameter per flag
    *,
    manifest: str,
    out: str,
    classes_from: str,
    transform_output: str | None,
    endpoint: str | None,
    attribute: str,
    threshold: float,
    size: str | None,
    on_missing: str,
    dry_run: bool,
    common: Common,
) -> None:
    """Turn a detector's answers into pre-labels, to be adjusted."""
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
