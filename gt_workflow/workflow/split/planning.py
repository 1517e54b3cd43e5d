"""Where every line goes, decided from its origin, its looks and its boxes; nothing is written."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from heapq import nsmallest
from typing import BinaryIO, Final

from gt_workflow.core.balance import PARTS, PHOTOGRAPHS, Shares, Totals, Unit, correct
from gt_workflow.core.json_lines import split_lines
from gt_workflow.core.looks import alike_in
from gt_workflow.core.manifest import Record, attributes, is_variant, read
from gt_workflow.core.split import digest
from gt_workflow.errors import DataError
from gt_workflow.ports import Progress, Storage
from gt_workflow.workflow import own_source
from gt_workflow.workflow.channels.receipts import digest_of
from gt_workflow.workflow.channels.samples import snapshot
from gt_workflow.workflow.split.earlier import Earlier
from gt_workflow.workflow.split.settings import SplitPlan, SplitSettings

READING: Final = "reading the manifest"
_STEP: Final = 1000
_MANY: Final = 50_000
"""Photographs that are kept in mind for a correction; a frequent class needs no others."""


def plan(settings: SplitSettings, *, storage: Storage, progress: Progress) -> SplitPlan:
    """Read the manifest and decide about every line.

    Raises `DataError` for a line that cannot be read, if no line has the attribute that was named,
    and if a part would be empty; `UsageError` for a manifest that the run would replace.
    """
    own_source.refuse(storage, settings.manifest, out=settings.folder, files=settings.written)
    shares = settings.shares
    earlier = Earlier(settings, storage)
    with snapshot(storage, settings.manifest) as (file, content):
        file.seek(0)
        lines = split_lines(file, uri=settings.manifest)
        alike = alike_in(lines, salt=settings.salt, distance=settings.distance)
        pinned = earlier.pinned(alike)
        units, totals, known = array("Q"), Totals(shares), settings.attribute is None
        for record in _records(file, settings, progress):
            own = digest(record.origin, salt=settings.salt)
            unit = alike.unit(own) if alike else None
            units.append(own if unit is None else unit)
            known = known or record.state != "untouched"
            if is_variant(record.raw):
                continue
            part = pinned.get(units[-1])
            totals.add(shares.part(units[-1]) if part is None else part, record.class_names)
        if not known:
            raise _no_boxes(file, settings)
        moved: dict[int, int] = {}
        if uneven := totals.uneven():
            wanted = {name for name, _ in uneven}
            rare = {name for name in wanted if totals.photographs[name] <= _MANY}
            free = _free(_records(file, settings, progress), units, rare, shares=shares)
            free.difference_update(pinned)
            again = _records(file, settings, progress)
            candidates = _candidates(again, units, free, shares=shares)
            moved = correct(candidates, totals, shares)
    places = bytearray(len(units))
    for at, one in enumerate(units):
        place = moved.get(one)
        if place is None:
            place = pinned.get(one)
        places[at] = shares.part(one) if place is None else place
    if not any(totals.parts[part][PHOTOGRAPHS] for part in shares.parts()):
        raise DataError(
            "it lists variants alone; split them together with their photographs"
            if units
            else "it holds no line",
            uri=settings.manifest,
        )
    if empty := [PARTS[part] for part in shares.parts() if not totals.parts[part][PHOTOGRAPHS]]:
        raise DataError(
            f"no photograph is left for {' and '.join(empty)}: there are too few that do not look "
            "alike (--distance -1 takes each by itself, --test 0 makes no third part)",
            uri=settings.manifest,
        )
    return SplitPlan(
        settings=settings,
        digest=digest_of(
            {**asdict(settings), "content": content, "earlier": earlier.content, "split": 1}
        ),
        places=bytes(places),
        totals=totals,
        alike=alike,
        corrected=len(moved),
        kept=len(earlier),
        moved=earlier.moved,
        manifest_sha256=content,
    )


def _no_boxes(file: BinaryIO, settings: SplitSettings) -> DataError:
    """Say that no line has the attribute that was named, and which there are."""
    file.seek(0)
    uri = settings.manifest
    names = attributes(split_lines(file, uri=uri), uri=uri)
    there = f"they are under {', '.join(names)}" if names else "no key holds any"
    return DataError(f"no line has boxes under {settings.attribute!r}; {there}", uri=uri)


def _free(
    records: Iterator[Record], units: array[int], rare: set[str], *, shares: Shares
) -> set[int]:
    """Return the units that may be moved: those with a rare class, and the nearest to a border."""
    found = set(nsmallest(_MANY, units, key=lambda unit: (_border(shares, unit), unit)))
    for unit, record in zip(units, records, strict=True):
        if unit not in found and not rare.isdisjoint(record.class_names):
            found.add(unit)
    return found


def _candidates(
    records: Iterator[Record], units: array[int], free: set[int], *, shares: Shares
) -> list[Unit]:
    """Count what is on the units that may be moved."""
    counts: dict[int, Counter[str]] = {unit: Counter() for unit in sorted(free)}
    for unit, record in zip(units, records, strict=True):
        if unit in free and not is_variant(record.raw):
            counts[unit].update(record.class_names)
            counts[unit][PHOTOGRAPHS] += 1
    return [Unit(unit, shares.part(unit), found) for unit, found in counts.items()]


def _border(shares: Shares, unit: int) -> float:
    own = shares.part(unit)
    return min(shares.distance(unit, part) for part in shares.parts() if part != own)


def _records(file: BinaryIO, settings: SplitSettings, progress: Progress) -> Iterator[Record]:
    file.seek(0)
    found = read(
        split_lines(file, uri=settings.manifest),
        uri=settings.manifest,
        attribute=settings.attribute,
    )
    for number, record in enumerate(found):
        if number % _STEP == 0:
            progress(READING, number, 0)
        yield record
