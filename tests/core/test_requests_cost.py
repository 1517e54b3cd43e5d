"""What a job costs is told beforehand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.config import CostSection
from gt_workflow.core.cost import (
    AWS_TIERS,
    Cost,
    Tier,
    dollars,
    estimate,
    parse_tiers,
    so_far,
)
from gt_workflow.errors import UsageError


def test_our_own_service_is_free():
    assert estimate(1000, 3) == Cost(1000, 3000, Decimal(0), Decimal(0))


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
    assert estimate(objects, 1, tiers=AWS_TIERS).service == Decimal(fee)


def test_example_of_aws():
    # The example notebook: 100 images, 5 workers at 0.036, a fee of 0.08: 26 dollars.
    foreseen = estimate(100, 5, tiers=AWS_TIERS, price_per_task=Decimal("0.036"))
    assert foreseen.tasks == 500
    assert foreseen.service == 8
    assert foreseen.workers == 18
    assert foreseen.total == 26


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
        estimate(100, 1, tiers=tiers)


def test_fewer_than_no_objects_are_refused():
    with pytest.raises(UsageError, match="fewer than 0"):
        estimate(-1, 1)


def test_what_the_model_labels_costs_the_fee_and_no_worker():
    foreseen = estimate(2001, 3, tiers=AWS_TIERS, price_per_task=Decimal("0.5"), machine_share=0.7)
    assert foreseen.machine == 1400  # 1400.7: the part of an object is people's
    assert foreseen.tasks == 3 * 601
    assert foreseen.service == Decimal("160.08")
    assert foreseen.workers == Decimal("901.5")


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_is_between_none_and_all(share):
    with pytest.raises(UsageError, match="machine-share"):
        estimate(100, 1, machine_share=share)


def test_cost_so_far_goes_by_the_counters():
    now = so_far(human=40, machine=60, workers=2, tiers=AWS_TIERS, price_per_task=Decimal("0.1"))
    assert now == Cost(100, 80, Decimal(8), Decimal(8), machine=60)
    assert so_far(human=0, machine=0, workers=2, tiers=AWS_TIERS).total == 0


@given(
    objects=st.integers(0, 2_000_000),
    workers=st.integers(1, 9),
    share=st.decimals(0, 1, places=4),
)
def test_the_estimate_is_what_the_counters_come_to(objects, workers, share):
    foreseen = estimate(objects, workers, tiers=AWS_TIERS, machine_share=share)
    human = objects - foreseen.machine
    counted = so_far(human=human, machine=foreseen.machine, workers=workers, tiers=AWS_TIERS)
    assert foreseen == counted


def test_tiers_are_read_as_the_settings_write_them():
    assert parse_tiers(CostSection().tiers) == AWS_TIERS
    assert parse_tiers([" 10 : 1 ", ":0"]) == (Tier(10, Decimal(1)), Tier(None, Decimal(0)))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "add a last tier"),
        (["50000:0.08"], "add a last tier"),
        (["0.08"], "no price tier"),
        (["many:0.08", ":0.02"], "no price tier"),
        (["0:0.08", ":0.02"], "no price tier"),
        (["-5:0.08", ":0.02"], "no price tier"),
        (["50000:", ":0.02"], "no amount"),
        (["50000:-1", ":0.02"], "no amount"),
        (["50000:NaN", ":0.02"], "no amount"),
        (["50000:1e3", ":0.02"], "no amount"),
        ([":0.02", "50000:0.08"], "must come last"),
        (["50000:0.08", "50000:0.04", ":0.02"], "must rise"),
    ],
)
def test_tiers_that_make_no_sense_are_one_sentence(texts, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_tiers(texts)
    assert str(caught.value).startswith("cost.tiers: ")
    assert "\n" not in str(caught.value)


def test_an_amount_that_is_none_names_its_setting():
    assert dollars(" 0.036 ", setting="job.price") == Decimal("0.036")
    with pytest.raises(UsageError, match=r"cost\.max: '5 USD' is no amount"):
        dollars("5 USD", setting="cost.max")
