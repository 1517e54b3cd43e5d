"""The manifest form: the lines that can be used, in the manifest's order, as they stand where so.

By the verdicts of the plan (`channels.counting`) lines are copied without being looked at; only
those that are not plain are read again, and their labels rewritten: boxes that are kept in whole
pixels, the channel's class ids, metadata to match. The order is left alone, since such a channel is
shuffled by the training job; see `ShuffleConfig` in `core.training.requests`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from typing import BinaryIO

from gt_workflow.core.json_lines import count_lines, lines_of
from gt_workflow.core.manifest import Reader, Record
from gt_workflow.core.plain_lines import join, part
from gt_workflow.core.split import SIDES
from gt_workflow.errors import DataError
from gt_workflow.ports import Progress, Storage
from gt_workflow.workflow.channels.counting import CLOSER
from gt_workflow.workflow.channels.labels import ChannelClass
from gt_workflow.workflow.channels.plan import ConvertPlan, ConvertSettings
from gt_workflow.workflow.channels.samples import Rules, Samples, take
from gt_workflow.workflow.channels.writers import channel_line, lines_path

_ALL_CLOSER = bytes([0, *([CLOSER] * 255)])


class Passing:
    """Turns lines into those of both sides."""

    def __init__(
        self,
        uri: str,
        attribute: str,
        rules: Rules,
        *,
        given: bool,
        head: int,
        told: Samples | None,
        classes: tuple[ChannelClass, ...] | None = None,
        without: Collection[int] = (),
    ) -> None:
        """Leave out the lines `without`; what is to be said of others is `told`.

        `given` tells that the attribute was named by the user. Without `classes` every line's own
        ids are taken for the channel's.
        """
        self._attribute = attribute
        self._rules = rules
        self._told = told
        self._without = frozenset(without)
        self._known_after = head
        self._head = Reader(uri, None)
        self._reader = Reader(uri, attribute or None, given=given)
        self._names = None if classes is None else {one.class_id: one.name for one in classes}
        self._rewrite = classes is not None and respelt(classes)

    def sides(self, blocks: list[bytes], verdicts: bytearray, first: int) -> list[bytes]:
        """Return what each side takes of blocks' lines, the first of which is `first` of the file.

        The verdicts are used up.
        """
        for line in self._without:
            if 0 <= line - first < len(verdicts):
                verdicts[line - first] = 0
        if self._rewrite:
            verdicts[:] = verdicts.translate(_ALL_CLOSER)
        if CLOSER not in verdicts:
            return part(blocks, verdicts)
        lines = [line for block in blocks for line in lines_of(block)]
        self._look_closer(lines, verdicts, first)
        return join(lines, verdicts)

    def _look_closer(self, lines: list[bytes], verdicts: bytearray, first: int) -> None:
        """Bring lines that cannot be passed on into their form, and both lists up to date."""
        at = -1
        while (at := verdicts.find(CLOSER, at + 1)) >= 0:
            verdicts[at] = 0
            if (found := self._rewritten(lines[at].rstrip(b"\r\n"), first + at)) is not None:
                verdicts[at], lines[at] = found

    def _rewritten(self, raw: bytes, line: int) -> tuple[int, bytes] | None:
        """Return a line's verdict and its form, None if no side takes it."""
        reader = self._reader if line > self._known_after else self._head
        try:
            record = reader.record(raw, line)
        except DataError as error:
            if self._told is not None:
                self._told.reject(raw, error, manifest=self._rules.manifest)
            return None
        names = _own(record) if self._names is None else self._names
        ids = {name: class_id for class_id, name in names.items()}
        sample = take(record, self._rules, ids, told=self._told)
        if sample is None or not sample.objects:
            return None
        made = channel_line(sample, attribute=self._attribute, names=names)
        return SIDES.index(sample.side) + 1, made


def respelt(classes: tuple[ChannelClass, ...]) -> bool:
    """Tell whether a class has another id than in the manifest: then no line stays as it is."""
    return any(set(entry.manifest_ids) - {entry.class_id} for entry in classes)


def _own(record: Record) -> Mapping[int, str]:
    return {} if record.label is None else record.label.class_map


def write(
    plan: ConvertPlan,
    sources: Iterable[tuple[Passing, Iterable[bytes]]],
    storage: Storage,
    progress: Progress,
) -> dict[str, int]:
    """Write both sides of manifests' blocks; return the files' paths under OUT with their sizes.

    Raises DataError, and nothing appears, if the source is not what was planned.
    """
    verdicts = plan.survey.verdicts
    with ExitStack() as stack:
        files = Files(plan.settings, storage, stack)
        done = 0
        for passing, blocks in sources:
            before = done
            for block in blocks:
                count = count_lines(block)
                own = verdicts[done : done + count]
                own.extend(bytes(count - len(own)))  # it has grown, which is told at its end
                files.append(passing.sides([block], own, done - before + 1))
                done += count
                progress("writing the manifests", done, len(verdicts))
    return files.sizes


class Files:
    """The files of both sides on their way; they appear when the stack closes."""

    def __init__(self, settings: ConvertSettings, storage: Storage, stack: ExitStack) -> None:
        """Begin them."""
        self.sizes = {lines_path(side): 0 for side in SIDES}
        self._files: list[BinaryIO] = [
            stack.enter_context(storage.create(f"{settings.folder}/{path}")) for path in self.sizes
        ]

    def append(self, sides: list[bytes]) -> None:
        """Append to each side."""
        for file, path, data in zip(self._files, self.sizes, sides, strict=True):
            if data:
                self.sizes[path] += file.write(data)
