"""Make the variants of a plan: photographs through the engine, shard after shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Final

from gt_workflow.ports import Engine, Folders, Images, Progress, Storage, Warper
from gt_workflow.workflow.augment.photographs import Made, Vary
from gt_workflow.workflow.augment.planning import items
from gt_workflow.workflow.augment.settings import AugmentPlan, AugmentReceipt, Item
from gt_workflow.workflow.augment.shards import Shards

VARYING: Final = "making variants"
_SHARD: Final = 32  # photographs


def run(
    plan: AugmentPlan,
    *,
    storage: Storage,
    folders: Folders,
    engine: Engine,
    images: Images,
    warper: Warper,
    progress: Progress,
) -> AugmentReceipt:
    """Make what is not there yet.

    Raises `DataError` if the manifest has changed since it was planned and for an image that
    cannot be used, `UsageError` if `out` holds variants of another source or other settings, or
    somebody else's files, `BusyError` if another run is writing there.
    """
    with storage.exclusive(plan.folder):
        shards = Shards(plan, storage)
        told = shards.standing()
        if told is not None:
            return told
        shards.begin()
        done = shards.done()
        vary = Vary(
            storage=storage,
            folders=folders,
            images=images,
            warper=warper,
            settings=plan.settings,
            attribute=plan.attribute if plan.labelled else None,
            out=shards.images,
        )
        total = plan.photographs + plan.passed
        last = -(-total // _SHARD)
        each, finished = plan.settings.each, 0  # images

        def missing() -> Iterator[Item]:
            nonlocal finished
            for index, item in enumerate(items(plan, storage)):
                if index // _SHARD not in done:
                    yield item
                elif item.vary:
                    finished += each

        shard, fresh = list[tuple[Item, Made]](), 0
        waiting = (number for number in range(last) if number not in done)
        number = 0
        still = missing()
        begun = list(islice(still, 1))
        progress(VARYING, finished, each * plan.photographs)
        for outcome in engine.map(vary, chain(begun, still)):
            if not shard:
                number = next(waiting)
            shard.append((outcome.item, outcome.result()))
            fresh += shard[-1][1].counts["variants"]
            if outcome.item.vary:
                finished += each
                progress(VARYING, finished, each * plan.photographs)
            if len(shard) == _length(number, total):
                shards.write(number, shard)
                shard = []
        return replace(shards.join(last), fresh=fresh)


def _length(number: int, total: int) -> int:
    """Return how many photographs a shard has."""
    return max(0, min(_SHARD, total - number * _SHARD))
