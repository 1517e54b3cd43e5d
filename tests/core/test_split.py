"""The split by origin: stable, and both sides filled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.near_duplicates import Looks
from gt_workflow.core.split import SIDES, digest, exceptions, fraction, side, split

origins = st.sets(st.text(max_size=8), max_size=12)
shares = st.floats(0.01, 0.99)
salts = st.sampled_from(["", "a", "b"])


@given(origins=origins, validation=shares, salt=salts)
def test_two_origins_or_more_fill_both_sides(origins, validation, salt):
    sides = split(origins, validation=validation, salt=salt)
    assert set(sides) == origins
    if len(origins) >= 2:
        assert set(sides.values()) == {"train", "validation"}


@given(origins=origins, validation=shares, salt=salts)
def test_at_most_one_origin_leaves_its_own_side(origins, validation, salt):
    sides = split(origins, validation=validation, salt=salt)
    own = {origin: side(origin, validation=validation, salt=salt) for origin in origins}
    moved = exceptions(origins, validation=validation, salt=salt)
    assert {origin: sides[origin] for origin in origins if sides[origin] != own[origin]} == moved
    assert len(moved) <= 1
    for origin, to in moved.items():
        fractions = [fraction(other, salt=salt) for other in origins]
        bound = min(fractions) if to == "validation" else max(fractions)
        assert fraction(origin, salt=salt) == bound


@given(origins=origins, more=origins, validation=shares, salt=salts)
def test_added_origins_move_none_of_those_on_their_own_side(origins, more, validation, salt):
    before = split(origins, validation=validation, salt=salt)
    after = split(origins | more, validation=validation, salt=salt)
    if len(set(before.values())) < 2:
        return
    moved = exceptions(origins, validation=validation, salt=salt)
    assert {o: after[o] for o in origins if o not in moved} == {
        o: before[o] for o in origins if o not in moved
    }


@given(names=st.lists(st.text(max_size=4), max_size=12), validation=shares)
def test_order_and_repetition_do_not_matter(names, validation):
    once = split(set(names), validation=validation)
    assert split(names, validation=validation) == once
    assert split(reversed(names), validation=validation) == once
    assert exceptions(iter(names + names), validation=validation) == exceptions(
        set(names), validation=validation
    )


def test_one_origin_stays_whole():
    assert len(split(["only"], validation=0.2)) == 1
    assert split([], validation=0.2) == {}


def test_the_split_is_the_same_on_every_machine():
    assert fraction("0123456789abcdef") == 0.39974441650299397
    assert fraction("0123456789abcdef", salt="x") == 0.5731650047310204
    names = [f"{number:04x}" for number in range(8)]
    sides = split(names, validation=0.3)
    assert [name for name in names if sides[name] == "validation"] == ["0001"]


def test_the_share_asked_for_is_about_kept():
    sides = split((str(number) for number in range(5000)), validation=0.2).values()
    assert 850 < sum(value == "validation" for value in sides) < 1150


def test_another_salt_is_another_split():
    names = [str(number) for number in range(200)]
    assert split(names, validation=0.5, salt="a") != split(names, validation=0.5, salt="b")


def test_a_name_that_is_no_unicode_is_hashed_all_the_same():
    assert 0 <= fraction("\udcff") < 1


@given(count=st.integers(2, 10), together=st.integers(2, 10), validation=shares, salt=salts)
def test_what_looks_alike_is_on_one_side_even_where_the_rule_for_small_sets_moves_it(
    count, together, validation, salt
):
    names = [f"p{number}" for number in range(count)]
    looks = Looks()
    for name in names[:together]:
        looks.add(digest(name, salt=salt), 0b1011)
    alike = looks.alike(distance=0)
    sides = split(names, validation=validation, salt=salt, alike=alike)
    assert len({sides[name] for name in names[:together]}) == 1
    if together < count:
        assert set(sides.values()) == {"train", "validation"}
    moved = exceptions(names, validation=validation, salt=salt, alike=alike)
    assert not moved or set(moved) <= set(names[:together]) or len(moved) == 1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_all_or_nothing_is_one_side_for_all(share):
    names = [f"{number}.jpg" for number in range(50)]
    assert exceptions(names, validation=share) == {}
    assert set(split(names, validation=share).values()) == {SIDES[int(share)]}
