"""A run must not write over what it reads, nor clear it away, whatever names lead there."""

from __future__ import annotations

from collections.abc import Iterable

from gt_workflow.errors import UsageError
from gt_workflow.ports import Storage


def refuse(
    storage: Storage, source: str, *, out: str, files: Iterable[str], folders: Iterable[str] = ()
) -> None:
    """Raise `UsageError` if a run into `out` may replace or delete its source, or is no folder.

    `files` are what it writes, `folders` its own.
    """
    if not out.startswith("s3://") and storage.exists(out):
        raise UsageError(f"--out: {out} is a file; name a folder")
    head, slash, name = source.rpartition("/")
    # A link is looked at as well as what it leads to: the one would be deleted, the other replaced.
    own = {storage.place(source), f"{storage.place(head + slash).rstrip('/')}/{name}"}
    taken = own.intersection(map(storage.place, files))
    below = tuple(f"{storage.place(folder)}/" for folder in folders)
    if taken or any(place.startswith(below) for place in own):
        raise UsageError(
            f"{source} lies where this run writes into {out}; name another --out, or move it"
        )
