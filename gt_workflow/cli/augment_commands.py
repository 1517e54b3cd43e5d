"""`augment`: photographs or labelled lines in, variants whose boxes follow out."""

from __future__ import annotations

from pathlib import Path

import click

from gt_workflow.cli import options
from gt_workflow.cli.options import Common, names
from gt_workflow.errors import UsageError


def register(app: click.Group) -> None:
    """Add the command."""
    app.add_command(augment)


@click.command()
@click.argument("source", metavar="SOURCE", help="A folder of photographs, or a manifest.")
@click.option("--out", metavar="DIR|s3://", required=True, help="Where images and manifest go.")
@click.option(
    "--variants",
    metavar="NAME[,NAME...]",
    help="seed-ten, flip-lr, flip-tb, rotate-<degrees> (counter-clockwise); by chance: rotate, "
    "scale, crop, brightness, contrast, blur, noise [default: seed-ten].",
)
@click.option(
    "--per-image",
    metavar="N",
    type=int,
    help="So many of them for each image, by chance [default: all].",
)
@click.option("--seed", metavar="N", type=int, help="Where chance begins [default: 0].")
@click.option("--expand", is_flag=True, help="Turned frames grow; else they are kept.")
@click.option(
    "--fill", metavar="RRGGBB", help="The colour of what a turn leaves open [default: 000000]."
)
@click.option(
    "--box-fit",
    metavar="rectangle|ellipse",
    help="What a turned box bounds: the whole old box, or the ellipse in it, which hugs animals "
    "closer [default: rectangle].",
)
@click.option(
    "--min-visible",
    metavar="SHARE",
    type=float,
    help="Keep boxes of which so much is in the frame [default: 0.3].",
)
@click.option(
    "--min-side",
    metavar="PIXELS",
    type=float,
    help="Keep boxes with no side below this [default: 1].",
)
@click.option(
    "--originals/--no-originals", default=True, help="List the photographs themselves as well."
)
@click.option("--train-only", is_flag=True, help="Vary the train side of convert's split alone.")
@click.option("--attribute", help="The label attribute [default: the only one].")
@click.option(
    "--on-bad-line",
    metavar="stop|skip",
    default="stop",
    help="What a manifest's line does that cannot be read, or whose image cannot; a folder's "
    "photographs are left out and named.",
)
@click.option("--quality", metavar="1-100", type=int, help="JPEG quality [default: the source's].")
@click.option("--chroma", metavar="4:4:4|4:2:2|4:2:0", help="JPEG chroma [default: the source's].")
@click.option(
    "--lossless", is_flag=True, help="Flips, right angles, crops without loss where possible."
)
@click.option(
    "--sheet",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Also draw one photograph's variants with boxes.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan; write nothing.")
@options.with_common
def augment(  # noqa: PLR0913 - one parameter per flag
    *,
    source: str,
    out: str,
    variants: str | None,
    per_image: int | None,
    seed: int | None,
    expand: bool,
    fill: str | None,
    box_fit: str | None,
    min_visible: float | None,
    min_side: float | None,
    originals: bool,
    train_only: bool,
    attribute: str | None,
    on_bad_line: str,
    quality: int | None,
    chroma: str | None,
    lossless: bool,
    sheet: Path | None,
    dry_run: bool,
    common: Common,
) -> None:
    """Make variants of photographs; boxes that are there follow."""
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
