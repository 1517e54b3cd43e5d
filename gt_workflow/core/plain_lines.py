"""Manifest lines that a channel can take as they stand, told from all others as they are decoded.

A *plain* line holds a label with boxes in whole pixels, all inside the raster and none smaller than
the least side, three colour channels, and nothing that the reader of `core.manifest` would refuse
or a channel leave out. Whatever is not proved plain is for that reader, which says what it is and
what is wrong with it: nothing is raised here, and no line is lost by being taken for another.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import compress
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from gt_workflow.core.json_lines import count_lines, lines_of, members
from gt_workflow.core.label_schema import LOOK, RESERVED, SUFFIX, VARIANT, box_attributes, usable
from gt_workflow.core.near_duplicates import Alike
from gt_workflow.core.split import NONE_ALIKE, SIDES, Side, boundary, share_of

try:
    from gt_workflow.core.sieve import Sieve
    from gt_workflow.core.sieve import part as sieve_part
except ImportError:  # no compiler where the package was built
    COMPILED = False
else:
    COMPILED = True

_MAPS = 4096  # spellings of class maps that are remembered; a job has few, a hostile file many
PARTS: Final = 64
"""Keys are parted by their first byte, so that those of a part can be compared by themselves."""

_TEXTS = 19  # on a line without boxes, keys included, but for those of the class map
_KEY = slice(6, 14)  # of an address's digest: eight bytes on which the side does not hang
_PART = 6  # the first of them
_CLOSE = 125  # }
_OF_SIDE = [bytes(int(verdict == side + 1) for verdict in range(256)) for side in range(len(SIDES))]
_PEOPLE = frozenset({"yes", "true"})

_SideOf: TypeAlias = Callable[[str, bytes], int]

_Pixels = Annotated[int, Meta(ge=1, le=1_000_000)]
_Text = Annotated[str, Meta(min_length=1)]


class _Size(Struct, gc=False):
    width: _Pixels
    height: _Pixels
    depth: Literal[3]


class _Object(Struct, gc=False):
    confidence: Annotated[float, Meta(ge=0, le=1)]


class _Metadata(Struct, gc=False, rename="kebab"):
    type: Literal["groundtruth/object-detection"]
    human_annotated: Literal["yes", "no", "true", "false"]
    class_map: Raw
    objects: list[_Object]
    job_name: str
    creation_date: str
    adjustment_status: str | UnsetType = UNSET


class Rules(Struct, frozen=True):
    """What decides about a line: whose label counts, how small a box may be, how sides are drawn.

    `given` tells that the attribute was named by the user, not found in the file; without one no
    line is plain. `moved` are the origins that do not lie where `core.split.side` puts them, with
    those `alike` taken together.
    """

    attribute: str | None
    given: bool
    min_side: float
    validation: float
    salt: str
    moved: Mapping[str, Side] = {}
    alike: Alike = NONE_ALIKE


class Tally(Struct, gc=False):
    """The plain lines of one side: images, those among them that augmentation made, and boxes.

    `boxes` counts them by their classes' names, `most_boxes` is of one image.
    """

    images: int = 0
    variants: int = 0
    most_boxes: int = 0
    boxes: Counter[str] = field(default_factory=Counter)


class Sorted(Struct):
    """What was found among some lines; numbers of sides are places in `SIDES`.

    `verdicts` has a byte for every line: the number of its side plus 1, or 0 if it is not plain.
    `maps` are the class maps, each with the place of the line on which it was first, in order.
    `keys` are `key_of` every plain line's image, those of part n those whose first byte times
    `PARTS` over 256 is n. `local` counts images that are not in S3. `looks` tells that a line says
    what its image looks like.
    """

    verdicts: bytearray
    tallies: tuple[Tally, ...]
    people: int = 0
    local: int = 0
    maps: list[tuple[int, Mapping[int, str]]] = field(default_factory=list)
    keys: list[bytearray] = field(default_factory=lambda: [bytearray() for _ in range(PARTS)])
    looks: bool = False


class _Map:
    """A class map as it is spelt, and the classes of the boxes on lines that have it, by side."""

    __slots__ = ("boxes", "first", "ids", "names", "texts")

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        self.ids = frozenset(names)
        self.texts = _TEXTS + 2 * len(names)
        self.boxes: tuple[list[int], ...] = tuple([] for _ in SIDES)
        self.first = -1


def add_key(keys: Sequence[bytearray], source_ref: str, *, salt: str) -> None:
    """Add the eight bytes by which an address that comes twice is found to their part."""
    digest = _digest(salt, source_ref)
    keys[digest[_PART] * PARTS >> 8].extend(digest[_KEY])


def sort_out(blocks: list[bytes], rules: Rules, *, compiled: bool = COMPILED) -> Sorted:
    """Judge the lines of blocks, each of which ends where a line does (`json_lines.blocks`).

    `compiled` code looks at them first, where there is some.
    """
    found = Sorted(bytearray(), tuple(Tally() for _ in SIDES))
    attribute = rules.attribute if rules.attribute and usable(rules.attribute) else None
    side_of = partial(_side, rules) if rules.moved or rules.alike else None
    if compiled and attribute is not None:
        _sift(blocks, rules, side_of, found)
    else:
        found.verdicts.extend(bytes(sum(map(count_lines, blocks))))
    if attribute is not None and 0 in found.verdicts:
        _judge([line for block in blocks for line in lines_of(block)], rules, side_of, found)
    maps = sorted(found.maps, key=_place)
    found.maps = [*{id(names): (at, names) for at, names in maps[::-1]}.values()][::-1]
    return found


def part(blocks: list[bytes], verdicts: bytearray, *, compiled: bool = COMPILED) -> list[bytes]:
    """Return what each side takes of the lines of blocks, by the verdicts of `sort_out`."""
    if compiled:
        return sieve_part(blocks, verdicts)
    return join([line for block in blocks for line in lines_of(block)], verdicts)


def join(lines: list[bytes], verdicts: bytearray) -> list[bytes]:
    """Return what each side takes of lines, as `part` does."""
    chosen = [compress(lines, verdicts.translate(table)) for table in _OF_SIDE]
    return [b"\n".join([*kept, b""]) for kept in chosen]


def _side(rules: Rules, origin: str, digest: bytes) -> int:
    """Return the place of an origin's side where some are alike or moved."""
    if origin in rules.moved:
        return SIDES.index(rules.moved[origin])
    number = int.from_bytes(digest[:8], "big")
    unit = rules.alike.unit(number) if rules.alike else None
    return int(share_of(number if unit is None else unit) < rules.validation)


def _sift(blocks: list[bytes], rules: Rules, side_of: _SideOf | None, found: Sorted) -> None:
    """Take the lines that the sieve takes."""
    sieve = _sieve(str(rules.attribute), math.ceil(rules.min_side), rules.salt, rules.validation)
    sifted = sieve.sift(blocks, found.verdicts, found.keys, side_of)
    found.local, found.looks = sifted.local, sifted.looks
    for first, names, boxes in sifted.maps:
        found.maps.append((first, names))
        for tally, counts in zip(found.tallies, boxes, strict=True):
            for class_id, count in counts.items():
                tally.boxes[names[class_id]] += count
    for side, tally in enumerate(found.tallies):
        tally.images = found.verdicts.count(side + 1)
        tally.most_boxes, tally.variants = sifted.most_boxes[side], sifted.variants[side]
        found.people += tally.images
    found.people -= sifted.machine


@lru_cache(8)
def _sieve(attribute: str, least: int, salt: str, validation: float) -> Sieve:
    return Sieve(
        attribute, least=least, salt=salt, limit=boundary(validation), class_map=_usual_class_map
    )


def _judge(  # noqa: C901, PLR0912, PLR0915 - one loop; a call costs a line as much as a decision
    lines: Sequence[bytes], rules: Rules, side_of: _SideOf | None, found: Sorted
) -> None:
    """Judge the lines that have no verdict."""
    decode = _decoder(str(rules.attribute), math.ceil(rules.min_side))
    sha256, salt, limit = hashlib.sha256, f"{rules.salt}\0", boundary(rules.validation)
    verdicts, keys, tallies = found.verdicts, found.keys, found.tallies
    maps: dict[bytes, _Map] = {}
    at = -1
    while (at := verdicts.find(0, at + 1)) >= 0:
        raw = lines[at]
        try:
            line = decode(raw)
            spelt = bytes(line.metadata.class_map)
            used = maps.get(spelt)
            if used is None:
                used = maps[spelt] = _Map(_class_map(spelt))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
        label, metadata = line.label, line.metadata
        (size,) = label.image_size
        width, height = size.width, size.height
        ids = [
            box.class_id
            for box in label.annotations
            if box.left + box.width <= width and box.top + box.height <= height
        ]
        count = len(ids)
        if (
            not count
            or count != len(label.annotations)
            or count != len(metadata.objects)
            or not used.ids.issuperset(ids)
            or raw[-1] != _CLOSE
            or not (raw.isascii() or _is_text(raw))
        ):
            continue
        variant = False
        texts = used.texts + 6 * count
        if raw.count(b'"') != 2 * texts:
            further = _further(raw, line, texts, rules)
            if further is None:
                continue
            variant = further
        source_ref, origin = line.source_ref, line.origin
        digest = sha256((salt + source_ref).encode()).digest()
        keys[digest[_PART] * PARTS >> 8] += digest[_KEY]
        if origin is UNSET:
            origin = source_ref
        else:
            digest = sha256((salt + origin).encode()).digest()
        side = int(digest < limit) if side_of is None else side_of(origin, digest)
        verdicts[at] = side + 1
        used.boxes[side].extend(ids)
        if used.first < 0:
            used.first = at
        tally = tallies[side]
        tally.images += 1
        tally.variants += variant
        tally.most_boxes = max(tally.most_boxes, count)
        if metadata.human_annotated in _PEOPLE:
            found.people += 1
        if source_ref[:5] != "s3://":
            found.local += 1
        if line.look is not UNSET:
            found.looks = True
    for used in maps.values():
        for tally, ids in zip(tallies, used.boxes, strict=True):
            for class_id, count in Counter(ids).items():
                tally.boxes[used.names[class_id]] += count
    found.maps += [(used.first, used.names) for used in maps.values() if used.first >= 0]


def _place(item: tuple[int, object]) -> int:
    return item[0]


def _digest(salt: str, text: str) -> bytes:
    return hashlib.sha256(f"{salt}\0{text}".encode()).digest()


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _further(raw: bytes, line: Any, texts: int, rules: Rules) -> bool | None:
    """Look at a line that holds other texts than the label's own: None if it is not plain.

    Otherwise tell whether it is a variant's.
    """
    for known in (line.origin, line.photograph, line.look, line.metadata.adjustment_status):
        texts += 2 * (known is not UNSET)
    if raw.count(b'"') == 2 * texts:
        return False
    table = members(raw)
    own = {*RESERVED, str(rules.attribute), f"{rules.attribute}{SUFFIX}"}
    others = {key: value for key, value in table.items() if key not in own}
    if not rules.given and box_attributes(others)[0]:
        return None
    passed_on = [bytes(value) for value in others.values()]
    quotes = 2 * (texts + len(passed_on)) + sum(value.count(b'"') for value in passed_on)
    return VARIANT in others if raw.count(b'"') == quotes else None


_names = msgspec.json.Decoder(dict[int, str]).decode


@lru_cache(_MAPS)
def _class_map(spelt: bytes) -> dict[int, str]:
    """Read a class map; DecodeError if anything about it is unusual."""
    names = _names(spelt)
    if spelt.count(b'"') != 4 * len(names):
        raise msgspec.DecodeError
    return names


def _usual_class_map(spelt: bytes) -> dict[int, str] | None:
    try:
        return _class_map(spelt)
    except (msgspec.DecodeError, UnicodeError):
        return None


@lru_cache(8)
def _decoder(attribute: str, least: int) -> Any:
    """Return what decodes plain lines of an attribute, and refuses most of the others."""
    fields = {"class_id": Annotated[int, Meta(ge=0, le=2**31 - 1)]}
    start, length = Annotated[int, Meta(ge=0, le=10**6)], Annotated[int, Meta(ge=least, le=10**6)]
    fields |= {"left": start, "top": start, "width": length, "height": length}
    box: Any = msgspec.defstruct("Box", list(fields.items()), gc=False)
    sizes = Annotated[list[_Size], Meta(min_length=1, max_length=1)]
    label = msgspec.defstruct(
        "Label", [("image_size", sizes), ("annotations", list[box])], gc=False
    )
    line = msgspec.defstruct(
        "Line",
        [
            ("source_ref", _Text, field(name="source-ref")),
            ("label", label, field(name=attribute)),
            ("metadata", _Metadata, field(name=attribute + SUFFIX)),
            ("origin", _Text | UnsetType, UNSET),
            ("photograph", Raw, UNSET),
            ("look", Raw, field(name=LOOK, default=UNSET)),
        ],
        gc=False,
    )
    return msgspec.json.Decoder(line).decode
