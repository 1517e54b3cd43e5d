"""Which side of the split an origin falls on: train or validation.

Whole origins are split, never images: all variants of a photograph stay together. The side is a
salted hash of the origin alone, so that it is the same on every machine and stays the same when
images are added or removed. Near-duplicates (`near_duplicates.Alike`) are on the side of the one
among them that represents their cluster.

One exception, for small sets: if there are two or more origins and one side would be empty, the
origin with the smallest hash goes to validation, or the one with the largest hash to train; its
near-duplicates go along. It goes back to its own side once the other side has others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Final, Literal

from gt_workflow.core.near_duplicates import Alike

Side = Literal["train", "validation"]

SIDES: tuple[Side, Side] = ("train", "validation")

NONE_ALIKE: Final = Alike()


def digest(origin: str, *, salt: str = "") -> int:
    """Hash an origin to 64 bits; the salt gives another, independent split."""
    text = f"{salt}\0{origin}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def share_of(digest: int) -> float:
    """Return the number in [0, 1) that decides about a digest's side."""
    return (digest >> 16) / (1 << 48)


def fraction(origin: str, *, salt: str = "", alike: Alike = NONE_ALIKE) -> float:
    """Hash an origin, or its cluster of near-duplicates, to a number in [0, 1)."""
    own = digest(origin, salt=salt)
    unit = alike.unit(own) if alike else None
    return share_of(own if unit is None else unit)


def side(origin: str, *, validation: float, salt: str = "", alike: Alike = NONE_ALIKE) -> Side:
    """Tell on which side an origin falls by itself; `validation` is the fraction asked, 0 to 1."""
    return "validation" if fraction(origin, salt=salt, alike=alike) < validation else "train"


def boundary(validation: float) -> bytes:
    """Return what the SHA-256 of `digest` is less than on the validation side, compared as bytes.

    For those who have it at hand for every line; it says what `side` says where nothing is alike.
    """
    below = math.ceil(validation * (1 << 48))
    return b"\xff" * 33 if below >= 1 << 48 else below.to_bytes(6, "big")


def exceptions(
    origins: Iterable[str], *, validation: float, salt: str = "", alike: Alike = NONE_ALIKE
) -> dict[str, Side]:
    """Name the one origin, if any, that has to change sides for both to have some.

    Its near-duplicates are named with it; beside them, memory is flat. A share of 0 or 1 asks for
    one side alone.
    """
    if not 0 < validation < 1:
        return {}
    lowest: tuple[float, str] | None = None
    highest: tuple[float, str] | None = None
    low, high = set[str](), set[str]()
    for origin in origins:
        own = digest(origin, salt=salt)
        unit = alike.unit(own) if alike else None
        key = (share_of(own), origin) if unit is None else (share_of(unit), f"{unit:016x}")
        if lowest is None or key < lowest:
            lowest, low = key, set()
        if highest is None or key > highest:
            highest, high = key, set()
        if key == lowest:
            low.add(origin)
        if key == highest:
            high.add(origin)
    if lowest is None or highest is None or lowest == highest:
        return {}
    if lowest[0] >= validation:
        return dict.fromkeys(sorted(low), "validation")
    if highest[0] < validation:
        return dict.fromkeys(sorted(high), "train")
    return {}


def split(
    origins: Iterable[str], *, validation: float, salt: str = "", alike: Alike = NONE_ALIKE
) -> dict[str, Side]:
    """Put every origin on one side; both have some if there are two that do not look alike."""
    known = dict.fromkeys(origins)
    moved = exceptions(known, validation=validation, salt=salt, alike=alike)
    return {
        origin: moved.get(origin) or side(origin, validation=validation, salt=salt, alike=alike)
        for origin in known
    }
