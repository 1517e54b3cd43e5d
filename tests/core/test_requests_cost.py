"""What a job costs is told beforehand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gt_workflow.core.cost import AWS_TIERS, Cost, Tier, cost
from gt_workflow.errors import UsageError


def test_our_own_service_is_free():
    assert cost(1000, 3) == Cost(1000, 3000, Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("objects", "fee"),
    [
        (0, "0"),
        (1, "0.08"),
        (50_000, "4000"),
        (50_001, "4000.04"),
        (1_000_000, "42000"),
        (1_500_000, "52000"),
    ],
)
def test_fee_goes_by_tiers(objects, fee):
    assert cost(objects, 1, tiers=AWS_TIERS).service == Decimal(fee)


def test_example_of_aws():
    # The example notebook: 100 images, 5 workers at 0.036, a fee of 0.08: 26 dollars.
    estimate = cost(100, 5, tiers=AWS_TIERS, price_per_task=Decimal("0.036"))
    assert estimate.tasks == 500
    assert estimate.service == 8
    assert estimate.workers == 18
    assert estimate.total == 26


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        ((), "end at 0 objects"),
        ((Tier(50, Decimal(1)),), "end at 50 objects"),
        ((Tier(60, Decimal(1)), Tier(50, Decimal(1))), "must rise"),
    ],
)
def test_prices_that_make_no_sense_are_refused(tiers, message):
    with pytest.raises(UsageError, match=message):
        cost(100, 1, tiers=tiers)


def test_fewer_than_no_objects_are_refused():
    with pytest.raises(UsageError, match="fewer than 0"):
        cost(-1, 1)
