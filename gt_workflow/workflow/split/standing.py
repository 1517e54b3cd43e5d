"""A finished split as it stands in its folder, for the stages that go on from it."""

from __future__ import annotations

from dataclasses import dataclass

from gt_workflow.core.balance import PARTS
from gt_workflow.errors import ObjectNotFoundError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.split.running import read_receipt


@dataclass(frozen=True, slots=True)
class Standing:
    """The manifests of a split's parts; `test` is None if it was asked for none."""

    train: str
    validation: str
    test: str | None


def standing(folder: str, storage: Storage) -> Standing | None:
    """Return the split that was written to a folder or `s3://` prefix, None if none was.

    Raises `UsageError` for one that is not finished, or whose files are not as they were written.
    """
    folder = folder.rstrip("/")
    told = read_receipt(storage, f"{folder}/split.json")
    if told is None:
        return None
    sizes = told.bytes
    if not told.finished or not {"train", "validation"} <= sizes.keys():
        raise UsageError(
            f"{folder} holds no finished split; run split again, it ends what it began"
        )
    found = {part: f"{folder}/{part}.manifest" for part in PARTS if part in sizes}
    for part, uri in found.items():
        try:
            same = storage.stat(uri).size == sizes[part]
        except ObjectNotFoundError:
            same = False
        if not same:
            raise UsageError(
                f"{uri} is not as split wrote it; delete the folder and split again, or name "
                "another --out"
            )
    return Standing(found["train"], found["validation"], found.get("test"))
