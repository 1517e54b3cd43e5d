"""What a labeling job will cost, in US dollars, before it is created.

Two parts: AWS's fee per labelled object, in tiers over a calendar month, and what workers are paid
per task (one worker on one object). Prices are settings, not facts: their defaults carry a date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from gt_workflow.errors import UsageError


@dataclass(frozen=True, slots=True)
class Tier:
    """`price` per object for a month's objects up to number `up_to`; None is the last tier."""

    up_to: int | None
    price: Decimal


# Ground Truth's fee for people's and automatic labels alike. 0.08 stands in AWS's example
# notebooks (2025-02-13); the upper tiers are from memory and must be checked against AWS's
# price list before a large job.
AWS_TIERS: Final = (
    Tier(50_000, Decimal("0.08")),
    Tier(1_000_000, Decimal("0.04")),
    Tier(None, Decimal("0.02")),
)
AWS_TIERS_DATE: Final = "2025-02-13"

# Our own service charges nothing.
FREE: Final = (Tier(None, Decimal(0)),)


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars: `service` is the fee per object, `workers` the pay of `tasks` tasks."""

    objects: int
    tasks: int
    service: Decimal
    workers: Decimal

    @property
    def total(self) -> Decimal:
        """What the job costs in all, without storage and traffic."""
        return self.service + self.workers


def cost(
    objects: int,
    workers: int,
    *,
    tiers: Sequence[Tier] = FREE,
    price_per_task: Decimal = Decimal(0),
) -> Cost:
    """Return what `objects` cost if `workers` people each label every one of them.

    The month is taken to begin with this job. `price_per_task` is what one worker gets for one
    object: 0 for one's own people. `UsageError` if the tiers do not rise or do not suffice.
    """
    if objects < 0 or workers < 0:
        raise UsageError("a job has no fewer than 0 objects and 0 workers")
    fee, counted = Decimal(0), 0
    for tier in tiers:
        end = objects if tier.up_to is None else min(tier.up_to, objects)
        if tier.up_to is not None and tier.up_to < counted:
            raise UsageError("the price tiers must rise")
        fee += (end - counted) * tier.price
        counted = end
    if counted < objects:
        raise UsageError(f"the price tiers end at {counted:,} objects; add one without an end")
    return Cost(objects, objects * workers, fee, objects * workers * price_per_task)
