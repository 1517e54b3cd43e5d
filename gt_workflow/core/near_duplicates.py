"""Which photographs look alike: 64-bit perceptual hashes that differ in a few bits, in clusters.

A cluster is what is connected by such pairs, and stays on one side of every split. Pairs are found
without comparing all with all: hashes are cut into `distance` + r blocks, of which two that are
near have r in common at least; for every r blocks, those that have them in common are neighbours
after sorting (Manku, Jain, Das Sarma, Detecting Near-Duplicates for Web Crawling, WWW 2007). Memory
is about 40 bytes a hash while this works, 16 bytes a photograph that has a near-duplicate after it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from math import comb, inf
from typing import Any, Final

import msgspec

NEAR: Final = 6
"""Bits that hashes of near-duplicates differ in at most; see `scripts/bench split --distances`."""

FURTHEST: Final = 12
"""The most bits that may be asked for; beyond, images of different things look alike."""

OFF: Final = -1
"""The distance at which no image is another's near-duplicate."""

_BITS: Final = 64
_SORTING: Final = 8.0  # what sorting a hash costs, in comparisons of two
_ODD: Final = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio
_ALL: Final = (1 << _BITS) - 1


def look_in(value: msgspec.Raw) -> int | None:
    """Return the hash that a line tells as 16 hexadecimal digits, None for anything else."""
    text = bytes(value)
    if len(text) != 18 or text[:1] != b'"' or not text[1:17].isalnum():
        return None
    try:
        return int(text[1:17], 16)
    except ValueError:
        return None


class Alike:
    """Which photographs are near-duplicates; photographs are known by `split.digest`.

    `compared` is of how many images the hash was known.
    """

    def __init__(self, members: Any = (), units: Any = (), *, compared: int = 0) -> None:
        """Take digests in ascending order, and beside each its cluster's representative."""
        self._members = array("Q", members)
        self._units = array("Q", units)
        self.compared = compared

    def __len__(self) -> int:
        """Count the photographs that have a near-duplicate."""
        return len(self._members)

    def unit(self, digest: int) -> int | None:
        """Return the digest of the cluster's representative, None for what is alone."""
        at = bisect_left(self._members, digest)
        if at == len(self._members) or self._members[at] != digest:
            return None
        return int(self._units[at])

    def leaks(self, rank: Callable[[int], int]) -> int:
        """Count photographs that would be on another side than a near-duplicate of theirs.

        `rank` gives the side of a digest by itself, 0 for train; the side of the lowest rank in
        a cluster keeps its photographs, the others count.
        """
        sides: dict[int, Counter[int]] = {}
        for member, unit in zip(self._members, self._units, strict=True):
            sides.setdefault(unit, Counter())[rank(member)] += 1
        return sum(found.total() - found[min(found)] for found in sides.values())

    def largest(self) -> int:
        """Count the photographs of the largest cluster."""
        return max(Counter(self._units).values(), default=0)


class Looks:
    """What a manifest's photographs look like: 16 bytes for each line."""

    def __init__(self) -> None:
        """Begin with none."""
        self._digests = array("Q")
        self._looks = array("Q")

    def __len__(self) -> int:
        """Count the lines."""
        return len(self._looks)

    def add(self, digest: int, look: int) -> None:
        """Take a line: its origin's digest, its image's hash."""
        self._digests.append(digest)
        self._looks.append(look)

    def add_missing(self, others: Looks) -> None:
        """Take the first line that `others` have of each origin of which there is none here."""
        if not others:
            return
        import numpy as np

        digests = np.frombuffer(others._digests, dtype=np.uint64)
        _, first = np.unique(digests, return_index=True)
        missing = ~np.isin(digests[first], np.frombuffer(self._digests, dtype=np.uint64))
        for at in np.sort(first[missing]).tolist():
            self.add(others._digests[at], others._looks[at])

    def alike(self, *, distance: int) -> Alike:
        """Return the clusters; origins that have several images join what each of them is near.

        The representative is drawn by the digests alone, independently of their order and side:
        an image that comes to a cluster of k becomes it with a chance of 1 / (k + 1). Raises
        `ValueError` for a distance that is neither `OFF` nor from 0 to `FURTHEST`.
        """
        if distance == OFF or len(self._looks) < 2:
            return Alike(compared=len(self._looks))
        import numpy as np

        clusters = _Clusters(self._looks, distance=distance)
        digests = np.frombuffer(self._digests, dtype=np.uint64)
        order = np.argsort(digests, kind="stable")
        digests, numbers = digests[order], clusters.numbers[order]
        clusters.join(numbers[:-1], numbers[1:], digests[:-1] == digests[1:])
        first = np.ones(len(digests), dtype=bool)
        first[1:] = digests[1:] != digests[:-1]
        digests, labels = digests[first], clusters.labels(numbers[first])
        sizes = np.bincount(labels)
        several = sizes[labels] > 1
        digests, labels = digests[several], labels[several]
        by_draw = np.lexsort((_draw(digests), labels))
        heads = np.ones(len(labels), dtype=bool)
        heads[1:] = labels[by_draw][1:] != labels[by_draw][:-1]
        units = np.empty_like(digests)
        units[by_draw] = digests[by_draw[heads]][np.cumsum(heads) - 1]
        return Alike(digests.tobytes(), units.tobytes(), compared=len(self._looks))


def _draw(digests: Any) -> Any:
    """Mix digests (splitmix64), so that their order tells nothing of their own."""
    mixed = digests + _ODD
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> shift)) * factor
    return mixed ^ (mixed >> 31)


class _Clusters:
    """Union-find over distinct hashes; `numbers` tells which of them each of the given is."""

    def __init__(self, looks: array[int], *, distance: int) -> None:
        """Join what is near."""
        import numpy as np

        if not 0 <= distance <= FURTHEST:
            raise ValueError(f"a distance is from 0 to {FURTHEST} bits, or {OFF} for none")
        given = np.frombuffer(looks, dtype=np.uint64)
        self._values, inverse = np.unique(given, return_inverse=True)
        self.numbers = inverse.astype(np.uint32)
        self._distance = distance
        # One memory, seen by loops and by NumPy.
        self._parents = array("I", range(len(self._values)))
        self._view = np.frombuffer(self._parents, dtype=np.uint32)
        if distance:
            for mask in _masks(distance, len(self._values)):
                self._join_where(mask)

    def labels(self, numbers: Any) -> Any:
        """Return a number for each hash's cluster."""
        self._flatten()
        return self._view[numbers]

    def join(self, ones: Any, others: Any, which: Any) -> None:
        """Join the clusters of two columns of hashes where `which` says so."""
        parents = self._parents
        for one, other in zip(ones[which].tolist(), others[which].tolist(), strict=True):
            left, right = one, other
            while (up := parents[left]) != left:
                parents[left] = left = parents[up]
            while (up := parents[right]) != right:
                parents[right] = right = parents[up]
            if left < right:
                parents[right] = left
            else:
                parents[left] = right

    def _flatten(self) -> None:
        view = self._view
        while ((up := view[view]) != view).any():
            view[:] = up

    def _join_where(self, mask: int) -> None:
        """Join those near ones that have a mask's bits in common."""
        import numpy as np

        values, view = self._values, self._view
        # Key and number in one word: sorting it needs no other memory. Keys that collide cost a
        # comparison.
        words = (values & np.uint64(mask)) * np.uint64(_ODD)
        words &= np.uint64(0xFFFFFFFF00000000)
        words |= np.arange(len(values), dtype=np.uint64)
        words.sort()
        keys = (words >> np.uint64(32)).astype(np.uint32)
        order = words.astype(np.uint32)
        del words
        at = np.flatnonzero(keys[1:] == keys[:-1])
        step = 1
        while len(at):
            ones, others = order[at], order[at + step]
            apart = view[ones] != view[others]
            ones, others = ones[apart], others[apart]
            near = np.bitwise_count(values[ones] ^ values[others]) <= self._distance
            self.join(ones, others, near)
            step += 1
            at = at[at < len(keys) - step]
            at = at[keys[at] == keys[at + step]]
            if len(at) and step & (step - 1) == 0:  # leave out what has become one cluster
                self._flatten()
                at = at[_mixed(keys, view[order])[at]]


def _mixed(keys: Any, labels: Any) -> Any:
    """Tell of each place whether its run of equal keys has more than one label."""
    import numpy as np

    begins = np.ones(len(keys), dtype=bool)
    begins[1:] = keys[1:] != keys[:-1]
    differs = np.zeros(len(keys), dtype=bool)
    differs[1:] = (labels[1:] != labels[:-1]) & ~begins[1:]
    runs = np.cumsum(begins) - 1
    return np.logical_or.reduceat(differs, np.flatnonzero(begins))[runs]


def _masks(distance: int, size: int) -> Iterator[int]:
    """Yield the bits that near ones may have in common: cheapest for so many hashes."""
    best, common = inf, 1
    for tried in range(1, 6):
        blocks = distance + tried
        compared = size / 2 ** (_BITS * tried // blocks + 1)
        cost = comb(blocks, tried) * (_SORTING + compared)
        if cost < best:
            best, common = cost, tried
    blocks = distance + common
    # Bits of a block are far apart: neighbours tell nearly the same of an image.
    parts = [sum(1 << bit for bit in range(block, _BITS, blocks)) for block in range(blocks)]
    for chosen in combinations(parts, common):
        yield sum(chosen) & _ALL
