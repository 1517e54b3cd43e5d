"""`doctor` and `iam`: what is wrong with a set-up, and which permissions it needs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gt_workflow.cli.options import (
    Common,
    names,
    with_common,
)

_Photographs = Annotated[
    str | None,
    typer.Argument(metavar="[PHOTOGRAPHS]", help="A folder, an s3:// prefix or a manifest."),
]
_Bucket = Annotated[
    str | None, typer.Option(metavar="NAME", help="Where objects go [default: gt-workflow].")
]
_Role = Annotated[str | None, typer.Option(metavar="NAME|ARN", help="The execution role.")]
_Workteam = Annotated[
    str | None, typer.Option(metavar="NAME|ARN", help="Who labels, a private or a vendor's team.")
]
_AutoLabel = Annotated[
    bool, typer.Option("--auto-label", help="A model will label what it is sure of.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(doctor)
    app.command()(iam)


@with_common
def doctor(  # noqa: PLR0913 - one parameter per flag
    photographs: _Photographs = None,
    labels: Annotated[
        str | None, typer.Option(metavar="NAME[,NAME...]", help="What to draw boxes around.")
    ] = None,
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Add the CORS rule that image buckets lack.")
    ] = False,
    bucket: _Bucket = None,
    role: _Role = None,
    workteam: _Workteam = None,
    auto_label: _AutoLabel = False,
    public_anyway: Annotated[
        bool, typer.Option("--public-anyway", help="Let the closed public workforce pass.")
    ] = False,
    common: Common,
) -> None:
    """Check everything that a launch needs; each fault with its code and its cure."""
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


@with_common
def iam(  # noqa: PLR0913 - one parameter per flag
    photographs: _Photographs = None,
    *,
    job: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only for jobs of these names [default: any]."),
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the role; one that is there stays as it is.")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="The role will run training jobs, too.")
    ] = False,
    bucket: _Bucket = None,
    role: _Role = None,
    workteam: _Workteam = None,
    auto_label: _AutoLabel = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="You will add CORS rules, with doctor --fix.")
    ] = False,
    common: Common,
) -> None:
    """Print the least permissions for a launch on an account, or make its execution role."""
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
        jobs=tuple(job or ()),
        training=training,
        create=create,
        as_json=common.as_json,
    )
