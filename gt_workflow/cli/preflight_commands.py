"""`doctor` and `iam`: what is wrong with a set-up, and which permissions it needs."""

from __future__ import annotations

from typing import Any

import click

from gt_workflow.cli import options
from gt_workflow.cli.options import Common, names

_photographs = click.argument(
    "photographs",
    metavar="[PHOTOGRAPHS]",
    required=False,
    help="A folder, an s3:// prefix or a manifest.",
)
_bucket = click.option("--bucket", metavar="NAME", help="Where objects go [default: gt-workflow].")
_role = click.option("--role", metavar="NAME|ARN", help="The execution role.")
_workteam = click.option(
    "--workteam", metavar="NAME|ARN", help="Who labels, a private or a vendor's team."
)
_auto_label = click.option(
    "--auto-label", is_flag=True, help="A model will label what it is sure of."
)


def register(app: click.Group) -> None:
    """Add the commands."""
    app.add_command(doctor)
    app.add_command(iam)


@click.command()
@_photographs
@click.option("--labels", metavar="NAME[,NAME...]", help="What to draw boxes around.")
@click.option("--fix", is_flag=True, help="Add the CORS rule that image buckets lack.")
@_bucket
@_role
@_workteam
@_auto_label
@click.option("--public-anyway", is_flag=True, help="Let the closed public workforce pass.")
@options.with_common
def doctor(  # noqa: PLR0913 - one parameter per flag
    *,
    photographs: str | None,
    labels: str | None,
    fix: bool,
    bucket: str | None,
    role: str | None,
    workteam: str | None,
    auto_label: bool,
    public_anyway: bool,
    common: Common,
) -> None:
    """Check everything that a launch needs; name faults and cures."""
    from gt_workflow.cli import preflight

    flags: dict[str, Any] = {
        "photographs": photographs,
        "labels": names(labels),
        "store.bucket": bucket,
        "aws.role": role,
        "aws.workteam": workteam,
        "aws.fix": fix or None,
        "aws.public-anyway": public_anyway or None,
        "auto-label.enabled": auto_label or None,
    }
    preflight.doctor(common.settings(flags), as_json=common.as_json)


@click.command()
@_photographs
@click.option(
    "--job", metavar="NAME", multiple=True, help="Only for jobs of these names [default: any]."
)
@click.option("--create", is_flag=True, help="Make the role; one that is there stays as it is.")
@click.option("--training", is_flag=True, help="The role will run training jobs, too.")
@_bucket
@_role
@_workteam
@_auto_label
@click.option("--fix", is_flag=True, help="You will add CORS rules, with doctor --fix.")
@options.with_common
def iam(  # noqa: PLR0913 - one parameter per flag
    *,
    photographs: str | None,
    job: tuple[str, ...],
    create: bool,
    training: bool,
    bucket: str | None,
    role: str | None,
    workteam: str | None,
    auto_label: bool,
    fix: bool,
    common: Common,
) -> None:
    """Print the least permissions for a launch, or make its role."""
    from gt_workflow.cli import preflight

    flags: dict[str, Any] = {
        "photographs": photographs,
        "store.bucket": bucket,
        "aws.role": role,
        "aws.workteam": workteam,
        "aws.fix": fix or None,
        "auto-label.enabled": auto_label or None,
    }
    preflight.iam(
        common.settings(flags),
        jobs=job,
        training=training,
        create=create,
        as_json=common.as_json,
    )
