"""The main job's stages over any storage and any labeling API, without a command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from small_job import BOX, picture

from gt_workflow import config
from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.memory import SerialEngine
from gt_workflow.adapters.storage import LocalFiles, Router
from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.core.names import private_workteam_arn
from gt_workflow.workflow import convert, follow, launch
from gt_workflow.workflow.specify import Place

ACCOUNT = "123456789012"
REGION = "us-east-1"


def quiet(stage: str, done: int, total: int) -> None:
    del stage, done, total


def photographs(folder: Path, count: int = 3) -> Path:
    """Draw so many small photographs."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(picture(number))
    return folder


def answers(_line: dict[str, Any]) -> list[dict[str, Any]]:
    """What every worker sees on every photograph."""
    return [BOX]


def main_job(
    folder: Path,
    *,
    storage: Any,
    ground_truth: Any,
    clock: Any,
    bucket: str = "lab",
    forms: tuple[config.Form, ...] = ("image",),
) -> str:
    """Ingest, launch, follow and convert; returns the job's name.

    Who labels is the caller's business: the follower's clock and the service see to it.
    """
    ports: dict[str, Any] = {
        "storage": Router(s3=storage, local=LocalFiles()),
        "engine": SerialEngine(),
        "images": PillowImages(),
        "folders": LocalFolders(),
        "progress": quiet,
    }
    settings = config.load(flags={"photographs": str(folder), "labels": ["degu"]})
    planned = launch.plan(
        settings,
        place=Place(
            base=f"s3://{bucket}/",
            region=REGION,
            role_arn=f"arn:aws:iam::{ACCOUNT}:role/labeler",
            workteam_arn=private_workteam_arn(REGION, ACCOUNT, "default"),
        ),
        instructions="",
        **ports,
    )
    launch.run(planned, ground_truth=ground_truth, **ports)
    end = follow.wait(planned.jobs[0].name, ground_truth=ground_truth, clock=clock)
    converting = convert.plan(
        convert.ConvertSettings(
            manifest=end.output_uri or "",
            out=planned.channels_uri,
            attribute="boxes",
            forms=forms,
        ),
        storage=ports["storage"],
        progress=quiet,
    )
    convert.run(converting, storage=ports["storage"], progress=quiet)
    return end.name


def contents(storage: Any, bucket: str = "lab") -> dict[str, bytes]:
    """Return every object of a bucket."""
    found = {}
    for stat in storage.list(f"s3://{bucket}/"):
        with storage.open(stat.uri) as file:
            found[stat.uri] = file.read()
    return found
