"""An earlier split, whose photographs keep their places; about 200 bytes of memory for each."""

from __future__ import annotations

from gt_workflow.core.balance import PARTS
from gt_workflow.core.json_lines import split_lines
from gt_workflow.core.manifest import read
from gt_workflow.core.near_duplicates import Alike
from gt_workflow.core.split import digest
from gt_workflow.errors import UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels.samples import snapshot
from gt_workflow.workflow.split.running import read_receipt
from gt_workflow.workflow.split.settings import SplitSettings


class Earlier:
    """The parts of an earlier split's photographs, by digest."""

    def __init__(self, settings: SplitSettings, storage: Storage) -> None:
        """Read it, if one is named; `UsageError` if it is none."""
        self._parts: dict[int, int] = {}
        self.content: list[str] = []
        self.moved = 0
        if settings.earlier is None:
            return
        folder = settings.earlier.rstrip("/")
        told = read_receipt(storage, f"{folder}/split.json")
        if told is None or not told.finished:
            raise UsageError(f"--earlier: {settings.earlier} holds no finished split")
        for part, name in enumerate(PARTS):
            uri = f"{folder}/{name}.manifest"
            if name not in told.parts:
                continue
            if part not in settings.shares.parts():
                raise UsageError(f"--earlier: {settings.earlier} has a {name} part, --test is 0")
            with snapshot(storage, uri) as (file, content):
                self.content.append(content)
                for record in read(
                    split_lines(file, uri=uri), uri=uri, attribute=settings.attribute
                ):
                    self._parts[digest(record.origin, salt=settings.salt)] = part

    def __len__(self) -> int:
        """Count the photographs."""
        return len(self._parts)

    def pinned(self, alike: Alike) -> dict[int, int]:
        """Return each unit's part; what is held out draws its near-duplicates out of train."""
        found: dict[int, int] = {}
        for own, part in self._parts.items():
            unit = alike.unit(own)
            key = own if unit is None else unit
            found[key] = max(part, found.get(key, part))
        for own, part in self._parts.items():
            unit = alike.unit(own)
            self.moved += found[own if unit is None else unit] != part
        return found
