"""The manifest form written while its lines are counted, so that the manifest is read once.

Every line goes to the side that it has if nothing more turns up: no photographs that look alike, no
side without an image, no class that needs another id. Mostly nothing does; otherwise what was
written is thrown away, and the form is written from the plan (`channels.passing`). Nobody sees a
file before `publish`.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from msgspec import Struct

from gt_workflow.core.near_duplicates import OFF
from gt_workflow.core.plain_lines import Rules
from gt_workflow.core.split import Side
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels import receipts
from gt_workflow.workflow.channels.passing import Files, Passing, respelt
from gt_workflow.workflow.channels.plan import ConvertPlan, ConvertSettings
from gt_workflow.workflow.channels.report import Spool
from gt_workflow.workflow.channels.samples import Samples


class _AbandonedError(Exception):
    """What is being written is not wanted any more."""


class Ahead:
    """Writes ahead of the plan where that can be; a context manager, which leaves no part behind.

    A form that stands already is not written ahead: it may be the very one.
    """

    def __init__(self, settings: ConvertSettings, storage: Storage, *, wanted: bool = True) -> None:
        """Write nothing yet, and nothing at all if it is not wanted."""
        self._settings = settings
        self._storage = storage
        self._wanted = wanted and settings.forms == ("manifest",) and settings.images == "trust"
        self._notes = ExitStack()
        self._under_way: _UnderWay | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Throw away what was not published."""
        self.abandon()
        self._notes.close()

    def begin(self, rules: Rules, *, head: int) -> None:
        """Throw away what was written, and begin anew where lines are judged by these rules."""
        self.abandon()
        settings = self._settings
        standing = receipts.receipt_uri(settings.folder, "manifest")
        if not self._wanted or rules.attribute is None or self._storage.exists(standing):
            return
        told = Samples(*(Spool(self._notes) for _ in range(3)))
        files = ExitStack()
        self._under_way = _UnderWay(
            told=told,
            passing={
                source.side: Passing(
                    source.uri,
                    rules.attribute,
                    settings.rules(source, moved=rules.moved, alike=rules.alike),
                    given=settings.attribute is not None,
                    head=0 if number else head,
                    told=told,
                )
                for number, source in enumerate(settings.sources)
            },
            stack=files,
            files=Files(settings, self._storage, files),
            split=bool(rules.alike or settings.manifests) or settings.distance == OFF,
        )

    def add(
        self,
        blocks: list[bytes],
        verdicts: bytearray,
        first: int,
        *,
        looks: bool,
        side: Side | None,
    ) -> None:
        """Write blocks' lines by their verdicts, which are used up; `first` is the first's number.

        All are of the `side`, if there is one. `looks` tells that some may say what their images
        look like, by which sides may change.
        """
        now = self._under_way
        if looks and now is not None and not now.split:
            self.abandon()
        elif now is not None:
            now.files.append(now.passing[side].sides(blocks, verdicts, first))

    def abandon(self) -> None:
        """Throw away what was written."""
        if (now := self._under_way) is not None:
            self._under_way = None
            error = _AbandonedError()
            now.stack.__exit__(type(error), error, None)

    def publish(self, plan: ConvertPlan) -> tuple[dict[str, int], Samples] | None:
        """Let the files appear if they are what was planned, else do nothing and return None.

        They are told by their paths under OUT with their sizes; beside them, what was left out.
        """
        now = self._under_way
        if now is None or respelt(plan.classes):
            return None
        self._under_way = None
        now.stack.close()
        return now.files.sizes, now.told


class _UnderWay(Struct, frozen=True):
    """What is being written; `split` tells that what images look like was seen to."""

    told: Samples
    passing: dict[Side | None, Passing]
    stack: ExitStack
    files: Files
    split: bool
