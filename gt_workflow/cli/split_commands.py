"""`split`: one manifest in; train, validation and test out, near-duplicates together."""

from __future__ import annotations

from typing import Any

import click

from gt_workflow.cli import options
from gt_workflow.cli.options import Common


def register(app: click.Group) -> None:
    """Add the command."""
    app.add_command(split)


@click.command()
@click.argument("manifest", metavar="MANIFEST", help="An input or output manifest.")
@click.option("--out", metavar="DIR|s3://", required=True, help="Where the three manifests go.")
@click.option(
    "--validation",
    metavar="SHARE",
    type=float,
    help="Of the photographs, for validation [default: 0.2].",
)
@click.option(
    "--test", metavar="SHARE", default=0.1, help="Of the photographs, for test; 0 makes none."
)
@click.option(
    "--tolerance",
    metavar="SHARE",
    default=0.05,
    help="How far a class's share may be off, on each side.",
)
@click.option(
    "--distance",
    metavar="BITS",
    type=int,
    help="In which the hashes of near-duplicates may differ, 0-12; -1: there are none "
    "[default: 6].",
)
@click.option("--salt", metavar="TEXT", help="Another text draws another split.")
@click.option(
    "--earlier",
    metavar="DIR|s3://",
    help="An earlier split (its --out): photographs stay as there.",
)
@click.option("--attribute", help="The label attribute, where a manifest has several.")
@click.option("--dry-run", is_flag=True, help="Print the plan; write nothing.")
@options.with_common
def split(  # noqa: PLR0913 - one parameter per flag
    *,
    manifest: str,
    out: str,
    validation: float | None,
    test: float,
    tolerance: float,
    distance: int | None,
    salt: str | None,
    earlier: str | None,
    attribute: str | None,
    dry_run: bool,
    common: Common,
) -> None:
    """Split a manifest in three, without leaks, classes in balance."""
    from gt_workflow import wiring
    from gt_workflow.cli import show
    from gt_workflow.workflow import split as stage

    options.require_file(manifest, "a manifest")
    settings = common.settings(
        {
            "channels.validation": validation,
            "channels.distance": distance,
            "channels.salt": salt,
        }
    )
    chosen = stage.SplitSettings(
        manifest=manifest,
        out=out,
        validation=settings.channels.validation,
        test=test,
        tolerance=tolerance,
        distance=settings.channels.distance,
        salt=settings.channels.salt,
        attribute=attribute,
        earlier=earlier,
    )
    writes = out.startswith("s3://") and not dry_run
    with show.Narrator() as narrator, wiring.local(settings, writes=writes) as wired:
        planned = stage.plan(chosen, storage=wired.storage, progress=narrator)
        if dry_run:
            told, known = planned.to_dict(), " (not written)"
        else:
            receipt = stage.run(planned, storage=wired.storage)
            told, known = receipt.to_dict(), " (unchanged)" if receipt.unchanged else ""
        if common.as_json:
            show.data(show.hyphened(told))
        else:
            _tell(told, wired, known=known)


def _tell(told: dict[str, Any], wired: Any, *, known: str) -> None:
    from gt_workflow.cli import show

    for part, entry in told["parts"].items():
        photographs = show.count(entry["photographs"], "photograph")
        boxes = [f"{number} {name}" for name, number in entry["boxes_by_class"].items()]
        detail = f" ({', '.join(boxes)})" if 0 < len(boxes) <= 8 else ""
        counts = f"{photographs}{detail}, {show.count(entry['lines'], 'line')}"
        show.line(f"{part}: {counts}: {wired.path(entry['manifest'])}{known}")
    if told["near_duplicates"]:
        show.near_duplicates(told["near_duplicates"], told["leaks_prevented"])
    if told["corrected"]:
        show.line(f"moved to keep the shares: {show.count(told['corrected'], 'photograph')}")
    hashes = told["perceptual_hashes"]
    number = sum(entry["photographs"] for entry in told["parts"].values())
    if hashes is not None and hashes < number:
        show.note(
            f"without a perceptual-hash: {number - hashes} of {number} photographs; "
            "near-duplicates among them were not looked for"
        )
    for warning in told["warnings"]:
        show.note(f"warning: {warning}")
