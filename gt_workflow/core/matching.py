"""Which output line belongs to which input line: by place, and verified by what the lines say.

A line is known by two digests: of its source-ref, and of everything that a job passes through.
So a hundred thousand lines cost a few megabytes, whatever is on them. Nothing is joined by place
alone: an output that lost, doubled or moved a line would hand its labels to the wrong image.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import msgspec

from gt_workflow.core.json_lines import explain, members, with_members
from gt_workflow.core.label_schema import SUFFIX
from gt_workflow.core.records import State

_SIZE: Final = 12  # bytes of a digest: two among 100,000 lines are alike once in 10^19 manifests
_NOBODY: Final = -1

Fate: TypeAlias = Literal["duplicated", "foreign"]


@dataclass(frozen=True, slots=True)
class Look:
    """What one line says: its image, its two digests, and how the job ended for it.

    `reason` is the failure's, else empty.
    """

    source_ref: str
    source: bytes
    whole: bytes
    state: State
    reason: str


def look(raw: bytes, *, attribute: str, uri: str, line: int) -> Look:
    """Read one line for the job that writes `attribute`; raises `DataError`.

    What the job owns (the attribute, its metadata) and names that begin with `$`, which a
    streaming job adds, are no part of the digest; nor are spelling, order and spaces of the rest.
    """
    try:
        present = members(raw)
        source_ref = _text(present.get("source-ref", msgspec.Raw(b'""')))
        own = {attribute, attribute + SUFFIX}
        rest = {
            key: _plain(msgspec.json.decode(value))
            for key, value in present.items()
            if key not in own and not key.startswith("$")
        }
        state, reason = _state(present, attribute)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explain(error, raw, uri=uri, line=line) from error
    whole = msgspec.json.encode(rest, order="sorted")
    return Look(source_ref, _digest(source_ref.encode()), _digest(whole), state, reason)


def stale_members(raw: bytes, *, attribute: str) -> tuple[str, ...]:
    """Return what must not be sent again: a failure's metadata, names that begin with `$`.

    A label stays; with the same attribute name, no job labels such a line anew.
    """
    present = members(raw)
    stale = [key for key in present if key.startswith("$")]
    if _state(present, attribute)[0] != "labelled":
        stale += [key for key in (attribute, attribute + SUFFIX) if key in present]
    return tuple(stale)


def sendable(raw: bytes, *, attribute: str) -> bytes:
    """Return a line as it may be sent to a job that writes `attribute`; see `stale_members`."""
    return with_members(raw, {}, drop=stale_members(raw, attribute=attribute))


class Keys:
    """The digests of many lines, in order; 24 bytes a line."""

    def __init__(self) -> None:
        """Begin with no line."""
        self._source = bytearray()
        self._whole = bytearray()

    def __len__(self) -> int:
        """Count the lines."""
        return len(self._source) // _SIZE

    def add(self, seen: Look) -> None:
        """Append a line's digests."""
        self._source += seen.source
        self._whole += seen.whole

    def source(self, index: int) -> bytes:
        """Return the digest of a line's source-ref."""
        return bytes(self._source[index * _SIZE : (index + 1) * _SIZE])

    def whole(self, index: int) -> bytes:
        """Return the digest of all that a line passes through."""
        return bytes(self._whole[index * _SIZE : (index + 1) * _SIZE])


@dataclass(frozen=True, slots=True)
class Match:
    """`place[j]` is the input line of output line `j`, both counted from 0, or -1.

    `fates` says of each output line that belongs to none whether its image is in the input.
    `changed` are output lines whose pass-through members differ from the input's.
    """

    place: array[int]
    fates: Mapping[int, Fate]
    changed: frozenset[int]
    moved: int


def match(inputs: Keys, outputs: Keys, *, start: int = 0, taken: bytearray | None = None) -> Match:
    """Find the input line of every output line; no input line has two.

    First the same line at the same place (the output begins at input line `start`), then the same
    line anywhere, then the same image at its place, then the same image anywhere. Input lines with
    a non-zero byte in `taken` are not to be had.
    """
    free = bytearray(1 if not byte else 0 for byte in taken or bytes(len(inputs)))
    place = array("q", [_NOBODY]) * len(outputs)
    for key_in, key_out in (
        (inputs.whole, outputs.whole),
        (inputs.source, outputs.source),
    ):
        for at in range(len(outputs)):
            i = start + at
            if place[at] < 0 and i < len(inputs) and free[i] and key_in(i) == key_out(at):
                place[at], free[i] = i, 0
        left = [at for at in range(len(outputs)) if place[at] < 0]
        if left:
            _anywhere(left, place, free, key_in, key_out)
    known = {inputs.source(i) for i in range(len(inputs))} if _NOBODY in place else set()
    fates: dict[int, Fate] = {
        at: "duplicated" if outputs.source(at) in known else "foreign"
        for at, i in enumerate(place)
        if i < 0
    }
    changed = frozenset(
        at for at, i in enumerate(place) if i >= 0 and inputs.whole(i) != outputs.whole(at)
    )
    return Match(place, fates, changed, sum(_behind(place)))


def _anywhere(
    left: list[int], place: array[int], free: bytearray, key_in: Any, key_out: Any
) -> None:
    """Give each output line that is left the first free input line with the same digest."""
    wanted = {key_out(at) for at in left}
    rooms: dict[bytes, deque[int]] = {}
    for i, is_free in enumerate(free):
        if is_free and (key := key_in(i)) in wanted:
            rooms.setdefault(key, deque()).append(i)
    for at in left:
        if found := rooms.get(key_out(at)):
            place[at] = found.popleft()
            free[place[at]] = 0


def _behind(place: array[int]) -> Iterator[bool]:
    """Say of each output line with a place whether one that belongs behind it stands before it."""
    last = _NOBODY
    for i in place:
        if i >= 0:
            yield i < last
            last = max(last, i)


class _Verdict(msgspec.Struct, gc=False, rename="kebab"):
    type: str | None = None
    failure_reason: str | None = None


_text = msgspec.json.Decoder(str).decode
_verdict = msgspec.json.Decoder(_Verdict).decode


def _state(present: Mapping[str, msgspec.Raw], attribute: str) -> tuple[State, str]:
    """Tell the three kinds of line apart; a label beside an old failure is a label."""
    value, metadata = present.get(attribute), present.get(attribute + SUFFIX)
    told = _Verdict()
    if metadata is not None and bytes(metadata) != b"null":
        told = _verdict(metadata)
    if told.failure_reason is not None and told.type is None:
        return "failed", told.failure_reason
    if value is not None and bytes(value) != b"null":
        return "labelled", ""
    return "untouched", ""


def _plain(value: Any) -> Any:
    """Write 2.0 and 2 alike: whoever copies JSON may respell numbers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SIZE).digest()
