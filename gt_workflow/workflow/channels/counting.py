"""What a manifest holds, counted block by block wherever the engine works, in flat memory.

One pass over the lines; a second one only if the rule for small sets (`core.split`) moves an
origin. Plain lines (`core.plain_lines`) are counted as they are decoded; the others are read by
`core.manifest` and judged one by one. Errors are those of a reader that goes line by line. Of every
line a byte is kept, from which the manifest form is written without another look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from gt_workflow.core.json_lines import LONGEST_LINE, too_long
from gt_workflow.core.label_schema import LOOK
from gt_workflow.core.manifest import Reader, Record, WholeFileError
from gt_workflow.core.near_duplicates import Alike
from gt_workflow.core.plain_lines import Rules, Sorted, add_key, sort_out
from gt_workflow.core.split import NONE_ALIKE, SIDES, Side, exceptions
from gt_workflow.errors import DataError
from gt_workflow.ports import Engine, Progress
from gt_workflow.workflow.channels.labels import ClassTable, judge
from gt_workflow.workflow.channels.repeats import Repeats
from gt_workflow.workflow.channels.stretches import Blocks, Stretch
from gt_workflow.workflow.channels.survey import Survey, side_of

CLOSER: Final = 255
"""The verdict on a line that has to be looked at again; 0 is nothing, n side n - 1 as it stands."""

_LOOK = f'"{LOOK}"'.encode()


class Counted(Struct):
    """What some blocks hold; places count lines from 0.

    `looks` tells that a line may say what its image looks like. `problem` is the place of what
    stops the reading, the reason and the field; what comes behind it is counted or not.
    """

    survey: Survey
    verdicts: bytearray
    maps: list[tuple[int, Mapping[int, str]]]
    keys: list[bytearray]
    looks: bool = False
    problem: tuple[int, str, str | None] | None = None


class CountBlocks(Struct, frozen=True):
    """Counts blocks; a value, so that an engine may send it to other processes."""

    rules: Rules
    uri: str
    patient: bool

    def __call__(self, stretch: Stretch) -> Counted:
        """Count a stretch of a manifest."""
        rules = self.rules
        if not stretch.known:
            rules = msgspec.structs.replace(rules, attribute=None)
        if stretch.side is not None:  # a share of all or nothing: every origin falls there
            rules = msgspec.structs.replace(rules, validation=float(stretch.side == "validation"))
        plain = sort_out(stretch.blocks, rules)
        found = Counted(_survey_of(plain), plain.verdicts, plain.maps, plain.keys, plain.looks)
        if plain.verdicts.count(0):
            self._look_closer(stretch.lines(), rules, found)
        return found

    def _look_closer(self, lines: list[bytes], rules: Rules, found: Counted) -> None:
        """Count the lines that are not plain, up to one that stops the reading."""
        reader = Reader(self.uri, rules.attribute, given=rules.given)
        verdicts, names = found.verdicts, set[tuple[int, str]]()
        at = -1
        while (at := verdicts.find(0, at + 1)) >= 0:
            raw = lines[at].rstrip(b"\r\n")
            if not raw or raw.isspace():
                continue
            verdicts[at] = CLOSER
            found.looks = found.looks or _LOOK in raw
            try:
                if len(raw) > LONGEST_LINE:
                    raise WholeFileError(too_long(uri=self.uri, line=1).reason, uri=self.uri)
                record = reader.record(raw, at + 1)
            except DataError as error:
                if not self.patient or isinstance(error, WholeFileError):
                    found.problem = (at, error.reason, error.field)
                    break
                found.survey.rejected += 1
                continue
            classes = self._judge(record, rules, found)
            if not names.issuperset(classes.items()):
                names.update(classes.items())
                found.maps.append((at, classes))
        found.maps.sort(key=_place)

    def _judge(self, record: Record, rules: Rules, found: Counted) -> Mapping[int, str]:
        """Count a line that was read; return its class map."""
        judged = judge(record, min_side=rules.min_side)
        side = side_of(
            record.origin,
            rules.moved,
            validation=rules.validation,
            salt=rules.salt,
            alike=rules.alike,
        )
        found.survey.add(judged, side)
        if judged.label is None:
            return {}
        add_key(found.keys, record.source_ref, salt=rules.salt)
        return judged.label.class_map


class Writes(Protocol):
    """Takes lines as they are counted; see `channels.ahead`."""

    def begin(self, rules: Rules, *, head: int) -> None:
        """Begin again."""
        ...

    def add(
        self,
        blocks: list[bytes],
        verdicts: bytearray,
        first: int,
        *,
        looks: bool,
        side: Side | None,
    ) -> None:
        """Take the lines of blocks."""
        ...


class Counting(Struct, frozen=True):
    """How a manifest is counted: `blocks` and `records` read it from the beginning at each call.

    `held_out` are the blocks of a second manifest where sides are not drawn but go by manifest.
    `ahead` is given all lines with their verdicts each time. `head` are the lines before the label
    attribute is known. `alike` finds near-duplicates, None if they do not matter.
    """

    count: CountBlocks
    blocks: Blocks
    records: Callable[[], Iterator[Record]]
    alike: Callable[[], Alike] | None
    head: int
    fixed_classes: tuple[str, ...] | None
    engine: Engine | None
    progress: Progress
    ahead: Writes
    held_out: Blocks | None = None

    def survey(self) -> Survey:
        """Count all lines.

        Raises DataError for contradicting class maps, and whatever reading raises, for the first
        line that there is something to say of.
        """
        rules = self.count.rules
        found, looks = self._counted(rules)
        if self.held_out is not None:
            return found
        # Most manifests tell no looks; those are read once.
        alike = self.alike() if looks and self.alike is not None else NONE_ALIKE
        if alike:
            rules = msgspec.structs.replace(rules, alike=alike)
            found, _ = self._counted(rules)
        images = [found.sides[side].images for side in SIDES]
        if any(images) and not all(images):
            moved = exceptions(
                (r.origin for r in self.records() if judge(r, min_side=rules.min_side).boxes),
                validation=rules.validation,
                salt=rules.salt,
                alike=rules.alike,
            )
            if moved:
                found, _ = self._counted(msgspec.structs.replace(rules, moved=moved))
        found.alike = alike  # which also tells how many images were compared
        return found

    def _counted(self, rules: Rules) -> tuple[Survey, bool]:
        """Count all lines; tell as well whether one says what its image looks like."""
        count, uri, before = msgspec.structs.replace(self.count, rules=rules), self.count.uri, 0
        looks = False
        found = Survey(
            attribute=rules.attribute,
            validation=rules.validation if self.held_out is None else 0.0,
            moved=dict(rules.moved),
            alike=rules.alike,
            head=self.head,
        )
        classes = ClassTable(self.fixed_classes, uri=uri)
        self.ahead.begin(rules, head=self.head)
        with ExitStack() as temporary:
            repeats = Repeats(temporary)
            for stretch, block in self._mapped(count, self._stretches()):
                if stretch.uri != uri:
                    uri = classes.uri = stretch.uri
                    before = len(found.verdicts)
                line = len(found.verdicts) - before + 1
                for at, names in block.maps:
                    if block.problem is None or at < block.problem[0]:
                        classes.add(names, line=line + at)
                if block.problem is not None:
                    at, reason, where = block.problem
                    raise DataError(reason, uri=uri, line=line + at, field=where)
                found.join(block.survey)
                found.verdicts += block.verdicts
                repeats.add(block.keys)
                self.ahead.add(
                    stretch.blocks, block.verdicts, line, looks=block.looks, side=stretch.side
                )
                looks = looks or block.looks
                self.progress("reading the manifest", len(found.verdicts), 0)
            found.repeated = repeats.count()
        found.classes = classes.classes()
        return found, looks

    def _stretches(self) -> Iterator[Stretch]:
        yield from self.blocks.stretches(self.head)
        if self.held_out is not None:
            yield from self.held_out.stretches(0)

    def _mapped(
        self, count: CountBlocks, items: Iterator[Stretch]
    ) -> Iterator[tuple[Stretch, Counted]]:
        # What looks alike would travel with every stretch.
        if self.engine is None or count.rules.alike:
            return ((item, count(item)) for item in items)
        return ((found.item, found.result()) for found in self.engine.map(count, items, batch=1))


def _survey_of(plain: Sorted) -> Survey:
    """Begin to count with the plain lines."""
    found = Survey(people=plain.people, local=plain.local)
    for side, tally in zip(SIDES, plain.tallies, strict=True):
        counts = found.sides[side]
        counts.images, counts.variants = tally.images, tally.variants
        counts.boxes, counts.most_boxes = tally.boxes, tally.most_boxes
        found.lines += tally.images
    found.machine = found.lines - found.people
    return found


def _place(item: tuple[int, object]) -> int:
    return item[0]
