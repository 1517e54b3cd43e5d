"""The parts' manifests, each whole, and the receipt last."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated, Any

import msgspec

from gt_workflow.core.balance import PARTS
from gt_workflow.core.json_lines import split_lines
from gt_workflow.errors import DataError, ObjectNotFoundError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels.samples import snapshot
from gt_workflow.workflow.split.settings import SplitPlan, SplitReceipt


def run(plan: SplitPlan, *, storage: Storage) -> SplitReceipt:
    """Write the parts and the receipt, or nothing if they stand.

    Raises `UsageError` if other files are where they go or another run is writing there,
    `DataError` if the manifest has changed.
    """
    with storage.exclusive(plan.settings.folder):
        return _run(plan, storage)


def _run(plan: SplitPlan, storage: Storage) -> SplitReceipt:
    settings = plan.settings
    standing = read_receipt(storage, settings.receipt)
    if standing is None:
        for uri in settings.written:
            if storage.exists(uri):
                raise UsageError(f"{uri} was not written by split; name another --out")
    elif standing.digest == plan.digest and _stands(storage, plan, standing):
        return SplitReceipt(plan, unchanged=True)
    elif standing.finished:
        raise UsageError(
            f"{settings.folder} holds another split, or one that was changed since; name another "
            "--out, and --earlier for this one to be kept"
        )
    parts = settings.shares.parts()
    _write_receipt(storage, settings.receipt, {"digest": plan.digest, "finished": False})
    for part in set(range(len(PARTS))).difference(parts):
        storage.delete(settings.uri(part))  # an unfinished run's
    with snapshot(storage, settings.manifest) as (file, content), ExitStack() as files:
        if content != plan.manifest_sha256:
            raise DataError("has changed since it was planned", uri=settings.manifest)
        outputs = [files.enter_context(storage.create(settings.uri(part))) for part in parts]
        lines = (line for line in split_lines(file, uri=settings.manifest) if line.strip())
        for line, place in zip(lines, plan.places, strict=True):
            outputs[place].write(line + b"\n")
    sizes = {PARTS[part]: storage.stat(settings.uri(part)).size for part in parts}
    told = plan.to_dict() | {"settings": asdict(settings), "bytes": sizes, "finished": True}
    _write_receipt(storage, settings.receipt, told)
    return SplitReceipt(plan, unchanged=False)


class Told(msgspec.Struct, frozen=True):
    """What is read of a receipt; an unfinished split's has no more than the first two."""

    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    finished: bool
    parts: dict[str, Any] = {}
    bytes: dict[str, int] = {}


def read_receipt(storage: Storage, uri: str) -> Told | None:
    """Read a receipt; None if there is none, or something that is none of ours."""
    try:
        with storage.open(uri) as file:
            return msgspec.json.decode(file.read(), type=Told)
    except (ObjectNotFoundError, msgspec.DecodeError):
        return None


def _write_receipt(storage: Storage, uri: str, told: dict[str, Any]) -> None:
    with storage.create(uri) as file:
        file.write(json.dumps(told, ensure_ascii=False, indent=2).encode() + b"\n")


def _stands(storage: Storage, plan: SplitPlan, told: Told) -> bool:
    """Tell whether a finished split's files are as they were written."""
    if not told.finished:
        return False
    try:
        return all(
            storage.stat(plan.settings.uri(part)).size == told.bytes.get(PARTS[part])
            for part in plan.settings.shares.parts()
        )
    except ObjectNotFoundError:
        return False
