"""What a labeling job costs, in US dollars: foreseen before it is created, counted while it runs.

Two parts: AWS's fee per labelled object, in tiers over a calendar month, and what workers are paid
per task (one worker on one object). What the model labels costs the fee and no worker. Prices are
settings, not facts: their defaults carry a date.
"""

from __future__ import annotations

import re
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

_DOLLARS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars: `service` is the fee per object, `workers` the pay of `tasks` tasks.

    `machine` of the `objects` are the model's; the others are people's.
    """

    objects: int
    tasks: int
    service: Decimal
    workers: Decimal
    machine: int = 0

    @property
    def total(self) -> Decimal:
        """What the job costs in all, without storage, traffic and the model's training."""
        return self.service + self.workers


def estimate(
    objects: int,
    workers: int,
    *,
    tiers: Sequence[Tier] = FREE,
    price_per_task: Decimal = Decimal(0),
    machine_share: Decimal | float = 0,
) -> Cost:
    """Return what `objects` cost if `workers` people each label every one that is people's.

    The month is taken to begin with this job; the objects of jobs that are split are counted
    together. `price_per_task` is what one worker gets for one object: 0 for one's own people.
    `machine_share`, 0 to 1, is the part of the objects that the model is expected to label; what
    is not a whole object is people's. `UsageError` for a share outside, for fewer than no
    objects, and for tiers that do not rise or do not suffice.
    """
    share = Decimal(str(machine_share))
    if not (share.is_finite() and 0 <= share <= 1):
        raise UsageError(
            f"{machine_share} is no share of the objects; "
            "set cost.machine-share between 0 and 1, such as 0.5"
        )
    machine = int(objects * share)
    return so_far(
        human=objects - machine,
        machine=machine,
        workers=workers,
        tiers=tiers,
        price_per_task=price_per_task,
    )


def so_far(
    *,
    human: int,
    machine: int,
    workers: int,
    tiers: Sequence[Tier] = FREE,
    price_per_task: Decimal = Decimal(0),
) -> Cost:
    """Return what a job has cost by its counters HumanLabeled and MachineLabeled.

    Every one of `workers` people is taken to have answered; who declined is paid nothing, and
    answers to objects that failed are not counted by AWS, so pay is not known to the last task.
    Other rules as in `estimate`.
    """
    if human < 0 or machine < 0 or workers < 0:
        raise UsageError("a job has no fewer than 0 objects and 0 workers")
    objects = human + machine
    return Cost(
        objects=objects,
        tasks=human * workers,
        service=_fee(objects, tiers),
        workers=human * workers * price_per_task,
        machine=machine,
    )


def dollars(text: str, *, setting: str) -> Decimal:
    """Read a price as settings write it, `0.036`; `UsageError` names the setting."""
    if not _DOLLARS.fullmatch(text.strip()):
        raise UsageError(f"{setting}: {text!r} is no amount of US dollars; write it as 0.036")
    return Decimal(text.strip())


def parse_tiers(texts: Sequence[str], *, setting: str = "cost.tiers") -> tuple[Tier, ...]:
    """Read price tiers as settings write them: `50000:0.08`, ..., and a last `:0.02` without end.

    `UsageError`, one sentence, for the first thing that is wrong.
    """
    tiers: list[Tier] = []
    for text in texts:
        up_to, colon, price = (part.strip() for part in text.partition(":"))
        if not colon or (up_to and not _COUNT.fullmatch(up_to)):
            raise UsageError(
                f"{setting}: {text!r} is no price tier; write UP-TO:PRICE such as 50000:0.08, "
                "and :0.02 for the last"
            )
        if tiers and tiers[-1].up_to is None:
            raise UsageError(
                f"{setting}: the tier without an end must come last, but {text!r} follows it"
            )
        end = int(up_to) if up_to else None
        before = tiers[-1].up_to if tiers else 0
        if end is not None and before is not None and end <= before:
            raise UsageError(
                f"{setting}: tiers must rise, but {text!r} does not go beyond {before:,} objects"
            )
        tiers.append(Tier(end, dollars(price, setting=f"{setting}: {text!r}")))
    if not tiers or tiers[-1].up_to is not None:
        raise UsageError(f"{setting}: add a last tier without an end, such as :0.02")
    return tuple(tiers)


def _fee(objects: int, tiers: Sequence[Tier]) -> Decimal:
    """Add up the tiers."""
    fee, counted = Decimal(0), 0
    for tier in tiers:
        end = objects if tier.up_to is None else min(tier.up_to, objects)
        if tier.up_to is not None and tier.up_to < counted:
            raise UsageError("the price tiers must rise")
        fee += (end - counted) * tier.price
        counted = end
    if counted < objects:
        raise UsageError(f"the price tiers end at {counted:,} objects; add one without an end")
    return fee
