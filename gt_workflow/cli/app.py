"""The commands. Each parses, wires, makes one call into a stage and prints; no logic lives here.

Everything heavy is imported inside the command that needs it, so that `--help` stays quick.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from gt_workflow import __version__
from gt_workflow.cli import (
    augment_commands,
    following_commands,
    preflight_commands,
    repair_commands,
    split_commands,
    teams_commands,
    training_commands,
)
from gt_workflow.cli.options import (
    Augment,
    Common,
    JobName,
    Json,
    Root,
    SettingsFile,
    names,
    read_settings,
    with_common,
)
from gt_workflow.errors import GtWorkflowError, InterruptedByUserError


class _Commands(typer.core.TyperGroup):
    """Typer would end an interrupted command with `Aborted!` and 1; ours says how to go on."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C becomes an error like any other."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedByUserError from None


app = typer.Typer(
    name="gt_workflow",
    cls=_Commands,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From a pile of photographs to a trained object detector's data.",
    epilog="Main job: python -m gt_workflow launch PHOTOGRAPHS --labels NAME[,NAME...]",
)


@app.command()
@with_common
def launch(  # noqa: PLR0913 - one parameter per flag
    photographs: Annotated[
        str | None,
        typer.Argument(metavar="[PHOTOGRAPHS]", help="A folder, an s3:// prefix or a manifest."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="NAME[,NAME...]", help="What to draw boxes around.")
    ] = None,
    *,
    name: Annotated[str | None, typer.Option(help="How the job's name begins.")] = None,
    workers_per_object: Annotated[
        int | None, typer.Option(metavar="N", help="Distinct workers per photograph, 1-9.")
    ] = None,
    instructions: Annotated[
        str | None, typer.Option(metavar="FILE", help="Text, Markdown or HTML shown to workers.")
    ] = None,
    gold: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A manifest of known images, mixed in with feedback."),
    ] = None,
    gold_rate: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Of each worker's tasks [default: 0.1].")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(metavar="people|simulated", help="Who labels.")
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What simulated workers know: a manifest or VOC folder."),
    ] = None,
    duplicates: Annotated[
        str | None,
        typer.Option(metavar="keep|drop", help="Label photographs of the same content again?"),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FORM[,FORM...]", help="Channels: recordio, image, manifest."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR|s3://", help="Where the channels go.")
    ] = None,
    augment: Augment = None,
    bucket: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where objects go [default: gt-workflow].")
    ] = None,
    role: Annotated[
        str | None, typer.Option(metavar="NAME|ARN", help="AWS: the execution role.")
    ] = None,
    workteam: Annotated[
        str | None,
        typer.Option(metavar="NAME|ARN", help="AWS: who labels, a private or a vendor's team."),
    ] = None,
    auto_label: Annotated[
        bool, typer.Option("--auto-label", help="AWS: a model labels what it is sure of.")
    ] = False,
    auto_label_from: Annotated[
        str | None,
        typer.Option(metavar="JOB", help="AWS: begin with the model of an earlier job."),
    ] = None,
    public_anyway: Annotated[
        bool, typer.Option("--public-anyway", help="AWS: ask for the closed public workforce.")
    ] = False,
    max_cost: Annotated[
        str | None, typer.Option(metavar="USD", help="AWS: above this, ask first.")
    ] = None,
    init: Annotated[
        bool, typer.Option("--init", help="Write a commented gt.toml, no more.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print plan, request and cost; create nothing.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return as soon as the job exists.")
    ] = False,
    common: Common,
) -> None:
    """Turn photographs into a labeling job and, when it is done, into training channels."""
    from gt_workflow.cli import launching

    if init:
        launching.write_settings_file(
            common.settings_file or Path("gt.toml"), as_json=common.as_json
        )
        return
    settings = common.settings(
        {
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
            "augment.variants": names(augment),
            "store.bucket": bucket,
            "aws.role": role,
            "aws.workteam": workteam,
            "aws.public-anyway": public_anyway or None,
            "auto-label.enabled": auto_label or bool(auto_label_from) or None,
            "auto-label.start-from": auto_label_from,
            "cost.max": max_cost,
        },
    )
    if dry_run:
        launching.dry_run(settings, as_json=common.as_json)
    else:
        launching.launch(settings, waits=not no_wait, as_json=common.as_json)


# Where a command is registered is where `--help` lists it: in the order of the work.
augment_commands.register(app)
following_commands.register(app)


@app.command("open")
def open_(
    job: JobName = None,
    *,
    worker: Annotated[str, typer.Option(help="Whose page it is.")] = "me",
    root: Root = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Print a personal address of the worker page and serve it until Ctrl-C."""
    from gt_workflow.cli import hosting

    settings = read_settings(settings_file, None, {"store.root": root})
    hosting.open_page(settings, job, worker=worker, as_json=as_json)


teams_commands.register(app)
repair_commands.register(app)
split_commands.register(app)


@app.command()
@with_common
def convert(  # noqa: PLR0913 - one parameter per flag
    manifest: Annotated[
        str, typer.Argument(metavar="OUTPUT_MANIFEST", help="A labeling job's output manifest.")
    ],
    *,
    to: Annotated[
        str | None,
        typer.Option(metavar="FORM[,FORM...]", help="recordio, image, manifest [default: all]."),
    ] = None,
    out: Annotated[str, typer.Option(metavar="DIR|s3://", help="Where the channels go.")],
    augment: Augment = None,
    attribute: Annotated[
        str | None, typer.Option(help="The label attribute, where a manifest has several.")
    ] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share of photographs kept for validation.")
    ] = None,
    on_bad_line: Annotated[
        str, typer.Option(metavar="stop|skip", help="What a line that cannot be read does.")
    ] = "stop",
    keep_empty: Annotated[
        str, typer.Option(metavar="drop|validation", help="Where images without boxes go.")
    ] = "drop",
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME...]", help="The classes in this order [default: as labelled]."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan only.")] = False,
    common: Common,
) -> None:
    """Turn an output manifest into the detector's training channels."""
    from gt_workflow.cli import converting

    settings = common.settings(
        {
            "channels.forms": names(to),
            "channels.out": out,
            "channels.validation": validation,
            "augment.variants": names(augment),
        },
    )
    converting.convert(
        settings,
        manifest,
        attribute=attribute,
        on_bad_line=on_bad_line,
        keep_empty=keep_empty,
        classes=None if classes is None else tuple(names(classes) or ()),
        dry_run=dry_run,
        as_json=common.as_json,
    )


training_commands.register(app)
preflight_commands.register(app)


@app.command()
def serve(
    *,
    root: Root = None,
    host: Annotated[
        str, typer.Option(help="Address to bind; anything but loopback needs credentials.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes any free one.")] = 8577,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Run our own Ground Truth: the labeling API, S3 and the worker page on one port."""
    from gt_workflow.cli import hosting

    settings = read_settings(settings_file, None, {"store.root": root})
    hosting.serve(settings, host=host, port=port, as_json=as_json)


@app.command()
def invite(
    worker: Annotated[str, typer.Argument(metavar="NAME", help="The worker's name.")],
    *,
    role: Annotated[
        str | None,
        typer.Option(metavar="worker|admin", help="An admin sees all jobs and stops them."),
    ] = None,
    root: Root = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Print a personal link to the worker page, good once."""
    from gt_workflow.cli import hosting

    settings = read_settings(settings_file, None, {"store.root": root})
    hosting.invite(settings, worker, role=role, as_json=as_json)


@app.command()
def revoke(
    worker: Annotated[str, typer.Argument(metavar="NAME", help="The worker's name.")],
    *,
    root: Root = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Shut a worker out of the worker page at once; answers stay."""
    from gt_workflow.cli import hosting

    settings = read_settings(settings_file, None, {"store.root": root})
    hosting.revoke(settings, worker, as_json=as_json)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to draw; must be new.")],
    *,
    count: Annotated[int, typer.Option(help="How many scenes.")] = 24,
    seed: Annotated[int, typer.Option(help="Another seed draws other scenes.")] = 0,
    as_json: Json = False,
) -> None:
    """Draw a set of photograph-like scenes with known boxes, to try everything on."""
    from gt_workflow.cli import converting

    converting.draw_demo(folder, count=count, seed=seed, as_json=as_json)


@app.callback(invoke_without_command=True)
def top(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Print the version, if asked."""
    if version:
        typer.echo(f"gt_workflow {__version__}")
        raise typer.Exit


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; every expected failure is one sentence and its own exit status."""
    # Whoever ends us politely, as a shutdown does, gets the orderly end of Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(args=arguments, prog_name="gt_workflow")
    except GtWorkflowError as error:
        from gt_workflow.cli.show import note

        note(f"error: {error}")
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    finally:
        signal.signal(signal.SIGTERM, before)
