"""Near-duplicates: what a slow comparison of all with all finds, and clusters that stay."""

from __future__ import annotations

import random
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.near_duplicates import FURTHEST, OFF, Alike, Looks, look_in
from gt_workflow.core.split import digest

BASES = [0, (1 << 64) - 1, 0x0F0F0F0F0F0F0F0F, 0x123456789ABCDEF0]


@st.composite
def near(draw):
    """Hashes that differ from a few in a few bits, so that distances of interest occur."""
    look = draw(st.sampled_from(BASES))
    for bit in draw(st.sets(st.integers(0, 63), max_size=9)):
        look ^= 1 << bit
    return look


photographs = st.lists(st.tuples(st.integers(0, 20), near()), max_size=24)


def alike(seen, *, distance):
    looks = Looks()
    for name, look in seen:
        looks.add(digest(str(name)), look)
    return looks.alike(distance=distance)


def slowly(seen, distance):
    """Return the clusters of two or more, each as a set of names, by comparing all with all."""
    clusters = {name: {name} for name, _ in seen}
    for name, look in seen:
        for other, another in seen:
            if (look ^ another).bit_count() <= distance and clusters[name] is not clusters[other]:
                clusters[name] |= clusters[other]
                for member in clusters[name]:
                    clusters[member] = clusters[name]
    return {frozenset(found) for found in clusters.values() if len(found) > 1}


def groups(found, names):
    by_unit = defaultdict(set)
    for name in names:
        unit = found.unit(digest(str(name)))
        if unit is not None:
            by_unit[unit].add(name)
    return {frozenset(members) for members in by_unit.values()}


@given(seen=photographs, distance=st.integers(0, FURTHEST))
def test_clusters_are_those_of_comparing_all_with_all(seen, distance):
    found = alike(seen, distance=distance)
    expected = slowly(seen, distance)
    assert groups(found, {name for name, _ in seen}) == expected
    assert len(found) == sum(map(len, expected))
    assert found.largest() == max(map(len, expected), default=0)


@pytest.mark.parametrize("distance", [2, 4, 6, 9])
def test_none_of_many_pairs_is_missed(distance):
    chance = random.Random(distance)  # noqa: S311 - test data, no secret
    seen = []
    for name in range(1500):
        look = chance.getrandbits(64)
        seen.append((f"{name}", look))
        for bit in chance.sample(range(64), distance):
            look ^= 1 << bit
        seen.append((f"{name} again", look))
    found = alike(seen, distance=distance)
    for name in range(1500):
        unit = found.unit(digest(f"{name}"))
        assert unit is not None
        assert unit == found.unit(digest(f"{name} again"))


@given(seen=photographs, distance=st.integers(0, FURTHEST))
def test_order_and_repetition_do_not_matter(seen, distance):
    once = alike(seen, distance=distance)
    again = alike([*reversed(seen), *seen], distance=distance)
    for name, _ in seen:
        assert once.unit(digest(str(name))) == again.unit(digest(str(name)))


@given(seen=photographs, more=photographs, distance=st.integers(0, FURTHEST))
def test_an_added_photograph_changes_only_clusters_that_it_joins(seen, more, distance):
    before, after = alike(seen, distance=distance), alike(seen + more, distance=distance)
    old = {name for name, _ in seen}
    grown = [
        found for found in slowly(seen + more, distance) if found not in slowly(seen, distance)
    ]
    for name in old.difference(*grown):
        assert after.unit(digest(str(name))) == before.unit(digest(str(name)))


def test_a_cluster_is_represented_by_each_of_its_photographs_about_as_often():
    """So that its side is drawn as a single photograph's is."""
    first = 0
    for number in range(400):
        names = [f"{number}-{member}" for member in range(4)]
        found = alike([(name, 7) for name in names], distance=0)
        digests = [digest(name) for name in names]
        unit = found.unit(digests[0])
        assert unit in digests
        first += unit == min(digests)
    assert 60 < first < 140  # a quarter, if the draw knows nothing of the digests' order


def test_a_chain_is_one_cluster_and_its_length_is_told():
    found = alike([("a", 0b000), ("b", 0b001), ("c", 0b011), ("d", 0b111)], distance=1)
    assert len({found.unit(digest(name)) for name in "abcd"}) == 1
    assert found.largest() == len(found) == 4


def test_a_hundred_thousand_pictures_of_one_camera_are_joined_quickly():
    """Clusters that are one already are not compared again."""
    chance = random.Random(0)  # noqa: S311 - test data, no secret
    looks = Looks()
    for number in range(100_000):
        looks.add(number, sum(1 << bit for bit in chance.sample(range(64), 2)))
    assert looks.alike(distance=4).largest() == 100_000


def test_leaks_are_photographs_that_would_be_held_out_beside_one_in_train():
    sides = {1: 0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2}
    found = Alike([1, 2, 3, 4, 5, 6], [1, 1, 1, 4, 4, 4])
    assert found.leaks(sides.__getitem__) == 2 + 1
    assert Alike().leaks(sides.__getitem__) == 0


def test_off_finds_nothing_and_a_distance_without_sense_is_refused():
    assert len(alike([("a", 5), ("b", 5)], distance=OFF)) == 0
    for wrong in (FURTHEST + 1, -2):
        with pytest.raises(ValueError, match="0 to 12"):
            alike([("a", 5), ("b", 5)], distance=wrong)


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ('"00000000000000ff"', 255),
        ('"FFFFFFFFFFFFFFFF"', 2**64 - 1),
        ('""', None),
        ("16", None),
        ("null", None),
        ('"00000000000000fg"', None),
        ('"000000000000_0ff"', None),
        ('"-0000000000000ff"', None),
        ('"000000000000000ff"', None),
        ('{"a":"0123456789"}', None),
    ],
)
def test_a_hash_is_sixteen_hexadecimal_digits(text, look):
    assert look_in(msgspec.Raw(text.encode())) == look
