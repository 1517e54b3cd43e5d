"""The commands. Each parses, wires, makes one call into a stage and prints; no logic lives here.

Everything heavy is imported inside the command that needs it, so that `--help` stays quick.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from gt_workflow import __version__
from gt_workflow.cli import (
    augment_commands,
    following_commands,
    interrupts,
    options,
    preflight_commands,
    repair_commands,
    split_commands,
    teams_commands,
    training_commands,
)
from gt_workflow.cli.options import Common, names, read_settings
from gt_workflow.errors import GtWorkflowError, InterruptedByUserError


class _Commands(options.InOrder):
    """Click would end an interrupted command with `Aborted!` and 1; ours says how to go on."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Ctrl-C becomes an error like any other."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedByUserError from None


@click.group(
    "gt_workflow",
    cls=_Commands,
    epilog="Main job: python -m gt_workflow launch PHOTOGRAPHS --labels NAME[,NAME...]",
    context_settings={"show_default": True},
)
@click.version_option(__version__, message="gt_workflow %(version)s", help="Print the version.")
def app() -> None:
    """From a pile of photographs to a trained object detector's data."""


@app.command()
@click.argument(
    "photographs",
    metavar="[PHOTOGRAPHS]",
    required=False,
    help="A folder, an s3:// prefix or a manifest.",
)
@click.option("--labels", metavar="NAME[,NAME...]", help="What to draw boxes around.")
@click.option("--name", help="How the job's name begins.")
@click.option(
    "--workers-per-object", metavar="N", type=int, help="Distinct workers per photograph, 1-9."
)
@click.option("--instructions", metavar="FILE", help="Text, Markdown or HTML shown to workers.")
@click.option("--gold", metavar="FILE", help="A manifest of known images, mixed in with feedback.")
@click.option(
    "--gold-rate", metavar="SHARE", type=float, help="Of each worker's tasks [default: 0.1]."
)
@click.option("--workers", metavar="people|simulated", help="Who labels.")
@click.option(
    "--truth", metavar="FILE", help="What simulated workers know: a manifest or VOC folder."
)
@click.option(
    "--duplicates", metavar="keep|drop", help="Label photographs of the same content again?"
)
@click.option("--to", metavar="FORM[,FORM...]", help="Channels: recordio, image, manifest.")
@click.option("--out", metavar="DIR|s3://", help="Where the channels go.")
@options.augment
@click.option("--bucket", metavar="NAME", help="Where objects go [default: gt-workflow].")
@click.option("--role", metavar="NAME|ARN", help="AWS: the execution role.")
@click.option(
    "--workteam", metavar="NAME|ARN", help="AWS: who labels, a private or a vendor's team."
)
@click.option("--auto-label", is_flag=True, help="AWS: a model labels what it is sure of.")
@click.option(
    "--auto-label-from", metavar="JOB", help="AWS: begin with the model of an earlier job."
)
@click.option("--public-anyway", is_flag=True, help="AWS: ask for the closed public workforce.")
@click.option("--max-cost", metavar="USD", help="AWS: above this, ask first.")
@click.option("--init", is_flag=True, help="Write a commented gt.toml with these flags, no more.")
@click.option("--dry-run", is_flag=True, help="Print plan, request and cost; create nothing.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the job exists.")
@options.with_common
def launch(  # noqa: PLR0913 - one parameter per flag
    *,
    photographs: str | None,
    labels: str | None,
    name: str | None,
    workers_per_object: int | None,
    instructions: str | None,
    gold: str | None,
    gold_rate: float | None,
    workers: str | None,
    truth: str | None,
    duplicates: str | None,
    to: str | None,
    out: str | None,
    augment: str | None,
    bucket: str | None,
    role: str | None,
    workteam: str | None,
    auto_label: bool,
    auto_label_from: str | None,
    public_anyway: bool,
    max_cost: str | None,
    init: bool,
    dry_run: bool,
    no_wait: bool,
    common: Common,
) -> None:
    """Turn photographs into a labeling job, then training channels."""
    from gt_workflow.cli import launching

    flags = {
        "photographs": photographs,
        "labels": names(labels),
        "name": name,
        "duplicates": duplicates,
        "job.workers": workers_per_object,
        "job.instructions": instructions,
        "job.gold": gold,
        "job.gold-rate": gold_rate,
        "workers.kind": workers,
        "workers.truth": truth,
        "channels.forms": names(to),
        "channels.out": out,
        "augment.variants": options.variants(augment),
        "store.bucket": bucket,
        "aws.role": role,
        "aws.workteam": workteam,
        "aws.public-anyway": public_anyway or None,
        "auto-label.enabled": auto_label or bool(auto_label_from) or None,
        "auto-label.start-from": auto_label_from,
        "cost.max": max_cost,
    }
    if init:
        launching.write_settings_file(
            common.settings_file or Path("gt.toml"),
            lambda template: common.settings_text(template, flags),
            as_json=common.as_json,
        )
        return
    settings = common.settings(flags)
    if dry_run:
        launching.dry_run(settings, as_json=common.as_json)
    else:
        launching.launch(settings, waits=not no_wait, as_json=common.as_json)


# Where a command is registered is where `--help` lists it: in the order of the work.
augment_commands.register(app)
following_commands.register(app)


@app.command("open")
@options.newest_job
@click.option("--worker", default="me", help="Whose page it is.")
@options.root
@options.settings_file
@options.as_json
def open_(
    *,
    job: str | None,
    worker: str,
    root: str | None,
    settings_file: Path | None,
    as_json: bool,
) -> None:
    """Print a personal address of the worker page, and serve it."""
    from gt_workflow.cli import hosting

    settings = read_settings(settings_file, (), {"store.root": root})
    hosting.open_page(settings, job, worker=worker, as_json=as_json)


teams_commands.register(app)
repair_commands.register(app)
split_commands.register(app)


@app.command()
@click.argument(
    "manifest",
    metavar="OUTPUT_MANIFEST|DIR",
    help="A labeling job's output manifest, or what `split` wrote (its --out).",
)
@click.option("--to", metavar="FORM[,FORM...]", help="recordio, image, manifest [default: all].")
@click.option("--out", metavar="DIR|s3://", required=True, help="Where the channels go.")
@options.augment
@click.option("--attribute", help="The label attribute, where a manifest has several.")
@click.option("--validation", type=float, help="Share of photographs kept for validation.")
@click.option(
    "--on-bad-line",
    metavar="stop|skip",
    default="stop",
    help="What a line that cannot be read does.",
)
@click.option(
    "--keep-empty", metavar="drop|validation", default="drop", help="Where images without boxes go."
)
@click.option(
    "--classes", metavar="NAME[,NAME...]", help="The classes in this order [default: as labelled]."
)
@click.option("--dry-run", is_flag=True, help="Print the plan only.")
@options.with_common
def convert(  # noqa: PLR0913 - one parameter per flag
    *,
    manifest: str,
    to: str | None,
    out: str,
    augment: str | None,
    attribute: str | None,
    validation: float | None,
    on_bad_line: str,
    keep_empty: str,
    classes: str | None,
    dry_run: bool,
    common: Common,
) -> None:
    """Turn an output manifest into the detector's training channels."""
    from gt_workflow.cli import converting

    settings = common.settings(
        {
            "channels.forms": names(to),
            "channels.out": out,
            "channels.validation": validation,
            "augment.variants": options.variants(augment),
        },
    )
    converting.convert(
        settings,
        manifest,
        attribute=attribute,
        on_bad_line=on_bad_line,
        keep_empty=keep_empty,
        classes=None if classes is None else tuple(names(classes) or ()),
        validation=validation,
        dry_run=dry_run,
        as_json=common.as_json,
    )


training_commands.register(app)
preflight_commands.register(app)


@app.command()
@options.root
@click.option(
    "--host", default="127.0.0.1", help="Address to bind; anything but loopback needs credentials."
)
@click.option("--port", default=8577, help="Port; 0 takes any free one.")
@options.settings_file
@options.as_json
def serve(
    *,
    root: str | None,
    host: str,
    port: int,
    settings_file: Path | None,
    as_json: bool,
) -> None:
    """Run our own Ground Truth: labeling API, S3 and worker page."""
    from gt_workflow.cli import hosting

    settings = read_settings(settings_file, (), {"store.root": root})
    hosting.serve(settings, host=host, port=port, as_json=as_json)


@app.command()
@click.argument("worker", metavar="NAME", help="The worker's name.")
@click.option("--role", metavar="worker|admin", help="An admin sees all jobs and stops them.")
@options.root
@options.settings_file
@options.as_json
def invite(
    *,
    worker: str,
    role: str | None,
    root: str | None,
    settings_file: Path | None,
    as_json: bool,
) -> None:
    """Print a personal link to the worker page, good once."""
    from gt_workflow.cli import hosting

    settings = read_settings(settings_file, (), {"store.root": root})
    hosting.invite(settings, worker, role=role, as_json=as_json)


@app.command()
@click.argument("worker", metavar="NAME", help="The worker's name.")
@options.root
@options.settings_file
@options.as_json
def revoke(*, worker: str, root: str | None, settings_file: Path | None, as_json: bool) -> None:
    """Shut a worker out of the worker page at once; answers stay."""
    from gt_workflow.cli import hosting

    settings = read_settings(settings_file, (), {"store.root": root})
    hosting.revoke(settings, worker, as_json=as_json)


@app.command()
@click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=Path), help="Where to draw; must be new."
)
@click.option("--count", default=24, help="How many scenes.")
@click.option("--seed", default=0, help="Another seed draws other scenes.")
@options.as_json
def demo(*, folder: Path, count: int, seed: int, as_json: bool) -> None:
    """Draw scenes with known boxes, to try everything on."""
    from gt_workflow.cli import converting

    converting.draw_demo(folder, count=count, seed=seed, as_json=as_json)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; every expected failure is one sentence and its own exit status."""
    try:
        with interrupts.handled():
            app(args=arguments, prog_name="gt_workflow")
    except GtWorkflowError as error:
        from gt_workflow.cli.show import note

        note(f"error: {error}")
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
