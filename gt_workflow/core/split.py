"""Which side of the split an origin falls on: train or validation.

Whole origins are split, never images: all variants and near-duplicates of a photograph stay
together. The side is a salted hash of the origin alone, so that it is the same on every machine
and stays the same when images are added or removed.

One exception, for small sets: if there are two or more origins and one side would be empty, the
origin with the smallest hash goes to validation, or the one with the largest hash to train. That
origin goes back to its own side once the other side has others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

Side = Literal["train", "validation"]

SIDES: tuple[Side, Side] = ("train", "validation")


def fraction(origin: str, *, salt: str = "") -> float:
    """Hash an origin to a number in [0, 1); the salt gives another, independent split."""
    digest = hashlib.sha256(f"{salt}\0{origin}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)


def side(origin: str, *, validation: float, salt: str = "") -> Side:
    """Tell on which side an origin falls by itself; `validation` is the fraction asked, 0 to 1."""
    return "validation" if fraction(origin, salt=salt) < validation else "train"


def exceptions(origins: Iterable[str], *, validation: float, salt: str = "") -> dict[str, Side]:
    """Name the one origin, if any, that has to change sides for both to have some; flat memory."""
    lowest: tuple[float, str] | None = None
    highest: tuple[float, str] | None = None
    for origin in origins:
        key = (fraction(origin, salt=salt), origin)
        if lowest is None or key < lowest:
            lowest = key
        if highest is None or key > highest:
            highest = key
    if lowest is None or highest is None or lowest == highest:
        return {}
    if lowest[0] >= validation:
        return {lowest[1]: "validation"}
    if highest[0] < validation:
        return {highest[1]: "train"}
    return {}


def split(origins: Iterable[str], *, validation: float, salt: str = "") -> dict[str, Side]:
    """Put every origin on one side; both sides have some if there are two origins or more."""
    known = dict.fromkeys(origins)
    moved = exceptions(known, validation=validation, salt=salt)
    return {
        origin: moved.get(origin) or side(origin, validation=validation, salt=salt)
        for origin in known
    }
