"""`augment`: photographs or labelled lines in, variants whose boxes follow out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gt_workflow.cli.options import (
    Common,
    names,
    with_common,
)
from gt_workflow.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(augment)


@with_common
def augment(  # noqa: PLR0913 - one parameter per flag
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A folder of photographs, or a manifest.")
    ],
    *,
    out: Annotated[str, typer.Option(metavar="DIR|s3://", help="Where images and manifest go.")],
    variants: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME...]",
            help="seed-ten, flip-lr, flip-tb, rotate-<degrees>; by chance: rotate, scale, crop, "
            "brightness, contrast, blur, noise [default: seed-ten].",
        ),
    ] = None,
    per_image: Annotated[
        int | None,
        typer.Option(metavar="N", help="So many of them for each image, by chance [default: all]."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Where chance begins [default: 0].")
    ] = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="Turned frames grow; else they are kept.")
    ] = False,
    fill: Annotated[
        str | None,
        typer.Option(
            metavar="RRGGBB", help="The colour of what a turn leaves open [default: 000000]."
        ),
    ] = None,
    box_fit: Annotated[
        str | None,
        typer.Option(
            metavar="rectangle|ellipse",
            help="What a turned box bounds: the whole old box, or the ellipse in it, which hugs "
            "animals closer [default: rectangle].",
        ),
    ] = None,
    min_visible: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Keep boxes of which so much is in the frame [default: 0.3]."
        ),
    ] = None,
    min_side: Annotated[
        float | None,
        typer.Option(metavar="PIXELS", help="Keep boxes with no side below this [default: 1]."),
    ] = None,
    originals: Annotated[
        bool, typer.Option(help="List the photographs themselves as well.")
    ] = True,
    train_only: Annotated[
        bool, typer.Option("--train-only", help="Vary the train side of convert's split alone.")
    ] = False,
    attribute: Annotated[
        str | None, typer.Option(help="The label attribute [default: the only one].")
    ] = None,
    on_bad_line: Annotated[
        str,
        typer.Option(metavar="stop|skip", help="What a line or image that cannot be read does."),
    ] = "stop",
    quality: Annotated[
        int | None, typer.Option(metavar="1-100", help="JPEG quality [default: the source's].")
    ] = None,
    chroma: Annotated[
        str | None,
        typer.Option(metavar="4:4:4|4:2:2|4:2:0", help="JPEG chroma [default: the source's]."),
    ] = None,
    lossless: Annotated[
        bool,
        typer.Option("--lossless", help="Flips, right angles, crops without loss where possible."),
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw one photograph's variants with boxes."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan; write nothing.")
    ] = False,
    common: Common,
) -> None:
    """Make variants of photographs; the boxes of labelled ones follow."""
    from gt_workflow.cli import augment as part

    if on_bad_line not in {"stop", "skip"}:
        raise UsageError(f"--on-bad-line is stop or skip, not {on_bad_line!r}")
    if variants is not None and not names(variants):
        raise UsageError("--variants: name at least one, such as seed-ten")
    found = common.settings(
        {
            "augment.variants": names(variants),
            "augment.per-image": per_image,
            "augment.seed": seed,
            "augment.expand": expand or None,
            "augment.fill": fill,
            "augment.box-fit": box_fit,
            "augment.min-visible": min_visible,
            "augment.min-side": min_side,
            "augment.quality": quality,
            "augment.chroma": chroma,
            "augment.lossless": lossless or None,
        }
    )
    part.augment(
        found,
        part.asked(
            found,
            source=source,
            out=out,
            originals=originals,
            side="train" if train_only else "all",
            attribute=attribute,
            on_bad_line=on_bad_line,
        ),
        sheet=sheet,
        dry_run=dry_run,
        as_json=common.as_json,
    )
