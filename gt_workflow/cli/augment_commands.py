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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(augment)


@with_common
def augment(  # noqa: PLR0913 - one parameter per flag
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A folder of photographs, or a manifest.")
    ],
    *,
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where images and manifest go.")],
    variants: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME...]",
            help="seed-ten, flip-lr, flip-tb, rotate-<degrees>; by chance: rotate, scale, crop, "
            "brightness, contrast, blur, noise.",
        ),
    ] = "seed-ten",
    per_image: Annotated[
        int | None,
        typer.Option(metavar="N", help="So many of them for each image, by chance."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Where chance begins.")] = 0,
    expand: Annotated[
        bool, typer.Option("--expand", help="Turned frames grow; else they are kept.")
    ] = False,
    fill: Annotated[
        str, typer.Option(metavar="RRGGBB", help="The colour of what a turn leaves open.")
    ] = "000000",
    box_fit: Annotated[
        str,
        typer.Option(
            metavar="rectangle|ellipse", help="What a turned box bounds: all of it, or its ellipse."
        ),
    ] = "rectangle",
    min_visible: Annotated[
        float, typer.Option(metavar="SHARE", help="Keep boxes of which so much is in the frame.")
    ] = 0.3,
    min_side: Annotated[
        float, typer.Option(metavar="PIXELS", help="Keep boxes with no side below this.")
    ] = 1.0,
    originals: Annotated[
        bool, typer.Option(help="List the photographs themselves as well.")
    ] = True,
    train_only: Annotated[
        bool, typer.Option("--train-only", help="Vary the train side of convert's split alone.")
    ] = False,
    attribute: Annotated[
        str | None, typer.Option(help="The label attribute [default: the only one].")
    ] = None,
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

    found = common.settings()
    part.augment(
        found,
        part.asked(
            found,
            source=source,
            out=out,
            variants=tuple(names(variants) or ()),
            per_image=per_image,
            seed=seed,
            expand=expand,
            keeping=part.keeping(box_fit, min_visible, min_side),
            look=part.look(fill, quality, chroma, lossless=lossless),
            originals=originals,
            train_only=train_only,
            attribute=attribute,
        ),
        sheet=sheet,
        dry_run=dry_run,
        as_json=common.as_json,
    )
