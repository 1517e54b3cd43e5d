"""Input manifests beside the outputs of the jobs that read them, line by line.

Memory: 36 bytes per line (two digests, a state, a place), and the text of lines that an output
has out of order. Manifests are read once to match them and once more to use their lines.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from gt_workflow.core.json_lines import split_lines
from gt_workflow.core.matching import Keys, Look, Match, look, match
from gt_workflow.core.records import State
from gt_workflow.errors import UsageError
from gt_workflow.ports import Storage

MISSING: Final = 0
CODES: Final[dict[State, int]] = {"untouched": 1, "failed": 2, "labelled": 3}
LABELLED: Final = CODES["labelled"]

_COMPARED = 1024 * 1024  # bytes


@dataclass(slots=True)
class Alignment:
    """The lines of one or several inputs in order, and the best that any output says of each.

    `states[i]` is `MISSING` or a value of `CODES`. `best[i]` is the number of the output (in the
    order of `outputs`, from 1) that has the line, `at[i]` the line's place in it; 0 if none has.
    """

    inputs: tuple[str, ...]
    attribute: str
    keys: Keys
    states: bytearray
    best: bytearray
    at: array[int]
    outputs: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Count the input lines."""
        return len(self.keys)

    def take(
        self, uri: str, *, start: int, storage: Storage, seen: Callable[[Look], None] | None = None
    ) -> Match:
        """Match an output with what is not labelled yet, and keep what it says of each line.

        A line that failed twice is told by the later output. `start` is the input line that the
        output's first should be. Raises `DataError` and `StorageError`.
        """
        found, states = Keys(), bytearray()
        for number, raw in lines(uri, storage=storage):
            one = look(raw, attribute=self.attribute, uri=uri, line=number)
            found.add(one)
            states.append(CODES[one.state])
            if seen is not None:
                seen(one)
        taken = bytearray(1 if state == LABELLED else 0 for state in self.states)
        matched = match(self.keys, found, start=start, taken=taken)
        self.outputs.append(uri)
        for place, i in enumerate(matched.place):
            if i >= 0 and states[place] >= self.states[i]:
                self.states[i] = states[place]
                self.best[i] = len(self.outputs)
                self.at[i] = place
        return matched

    def merged(self, *, storage: Storage) -> Iterator[bytes]:
        """Yield one line per input line, in order: the best there is, else the input's own."""
        pickers = []
        for number, uri in enumerate(self.outputs, 1):
            wanted = (place for i, place in enumerate(self.at) if self.best[i] == number)
            pickers.append(_Picker(lines(uri, storage=storage), _disordered(wanted)))
        i = 0
        for source in self.inputs:
            for _, raw in lines(source, storage=storage):
                best = self.best[i]
                yield pickers[best - 1].pick(self.at[i]) if best else raw
                i += 1


def align(inputs: Sequence[str], *, attribute: str, storage: Storage) -> Alignment:
    """Read the inputs; no output is known yet."""
    keys = Keys()
    for uri in inputs:
        for number, raw in lines(uri, storage=storage):
            keys.add(look(raw, attribute=attribute, uri=uri, line=number))
    size = len(keys)
    return Alignment(
        inputs=tuple(inputs),
        attribute=attribute,
        keys=keys,
        states=bytearray(size),
        best=bytearray(size),
        at=array("q", bytes(8 * size)),
    )


def lines(uri: str, *, storage: Storage) -> Iterator[tuple[int, bytes]]:
    """Yield every line that is not blank with its number, from 1, blank ones counted."""
    with closing(storage.open(uri)) as file:
        for number, raw in enumerate(split_lines(file, uri=uri), 1):
            if raw and not raw.isspace():
                yield number, raw


def put_once(uri: str, content: Callable[[], Iterable[bytes]], *, storage: Storage) -> bool:
    """Write a manifest's lines, or find them there already: True if they were written now.

    Never over anything else: raises `UsageError` then. `content` yields the same lines each time.
    """
    if storage.exists(uri):
        if not _same(uri, content(), storage=storage):
            raise UsageError(f"{uri} is there already and says something else; name another --out")
        return False
    with storage.create(uri) as file:
        file.writelines(line + b"\n" for line in content())
    return True


def _same(uri: str, content: Iterable[bytes], *, storage: Storage) -> bool:
    with _reading(uri, storage) as file:
        for line in content:
            if file.read(len(line) + 1) != line + b"\n":
                return False
        return not file.read(1)


@contextmanager
def _reading(uri: str, storage: Storage) -> Iterator[BinaryIO]:
    with closing(storage.open(uri)) as file:
        yield file


class _Picker:
    """Gives lines of a stream by place; holds back only those asked for later than they come."""

    def __init__(self, source: Iterator[tuple[int, bytes]], late: frozenset[int]) -> None:
        self._source = source
        self._late = late
        self._next = 0
        self._held: dict[int, bytes] = {}

    def pick(self, place: int) -> bytes:
        """Return the line at this place, counted from 0."""
        if place in self._held:
            return self._held.pop(place)
        for _, raw in self._source:
            here, self._next = self._next, self._next + 1
            if here == place:
                return raw
            if here in self._late:
                self._held[here] = raw
        raise UsageError("a manifest changed while it was read; try again")


def _disordered(wanted: Iterable[int]) -> frozenset[int]:
    """Return the places that will be asked for after a later one."""
    late, last = set(), -1
    for place in wanted:
        if place < last:
            late.add(place)
        last = max(last, place)
    return frozenset(late)
