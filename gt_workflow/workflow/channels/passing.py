"""The manifest form: the lines that can be used, in the manifest's order, as they stand where so.

By the verdicts of the plan (`channels.counting`) lines are copied without being looked at; only
those that are not plain are read again, and their labels rewritten: boxes that are kept in whole
pixels, the channel's class ids, metadata to match. The order is left alone, since such a channel is
shuffled by the training job; see `ShuffleConfig` in `core.training.requests`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import ExitStack
from itertools import compress

from gt_workflow.core.json_lines import lines_of
from gt_workflow.core.manifest import Reader
from gt_workflow.core.split import SIDES
from gt_workflow.errors import DataError
from gt_workflow.ports import Progress, Storage
from gt_workflow.workflow.channels.counting import CLOSER
from gt_workflow.workflow.channels.plan import ConvertPlan
from gt_workflow.workflow.channels.samples import Rules, Samples, take
from gt_workflow.workflow.channels.writers import Sample, channel_line, lines_path

_OF_SIDE = [bytes(int(verdict == side + 1) for verdict in range(256)) for side in range(len(SIDES))]


_ALL_CLOSER = bytes([0, *([CLOSER] * 255)])


class Passing:
    """Writes the manifest form of a plan."""

    def __init__(
        self, plan: ConvertPlan, rules: Rules, *, told: Samples | None, without: Collection[int]
    ) -> None:
        """Leave out the lines `without`; what is to be said of others is `told`."""
        settings = plan.settings
        self._plan = plan
        self._rules = rules
        self._told = told
        self._without = frozenset(without)
        self._names = {entry.class_id: entry.name for entry in plan.classes}
        self._ids = {entry.name: entry.class_id for entry in plan.classes}
        self._head = Reader(settings.manifest, None)
        given = settings.attribute is not None
        self._reader = Reader(settings.manifest, plan.attribute or None, given=given)
        # With other ids than the manifest's no line can stay as it is.
        self._rewrite = any(set(entry.manifest_ids) - {entry.class_id} for entry in plan.classes)

    def write(
        self, source: Iterable[bytes], storage: Storage, progress: Progress
    ) -> dict[str, int]:
        """Write both sides; return the files' paths under OUT with their sizes.

        Raises DataError, and nothing appears, if the source is not what was planned.
        """
        out, verdicts = self._plan.settings.folder, self._plan.survey.verdicts
        sizes = {lines_path(side): 0 for side in SIDES}
        with ExitStack() as stack:
            files = [stack.enter_context(storage.create(f"{out}/{path}")) for path in sizes]
            line = 1
            for block in source:
                lines = lines_of(block)
                asked = verdicts[line - 1 : line - 1 + len(lines)]
                self._look_closer(lines, asked, line)
                for file, path, table in zip(files, sizes, _OF_SIDE, strict=True):
                    if data := b"\n".join(compress(lines, asked.translate(table))):
                        sizes[path] += file.write(data) + file.write(b"\n")
                line += len(lines)
                progress("writing the manifests", line - 1, len(verdicts))
        return sizes

    def _look_closer(self, lines: list[bytes], verdicts: bytearray, first: int) -> None:
        """Bring lines that cannot be passed on into their form, and both lists up to date."""
        for line in self._without:
            if 0 <= line - first < len(verdicts):
                verdicts[line - first] = 0
        if self._rewrite:
            verdicts[:] = verdicts.translate(_ALL_CLOSER)
        at = -1
        while (at := verdicts.find(CLOSER, at + 1)) >= 0:
            verdicts[at] = 0
            sample = self._sample(lines[at].rstrip(b"\r\n"), first + at)
            if sample is not None and sample.objects:
                lines[at] = channel_line(sample, attribute=self._plan.attribute, names=self._names)
                verdicts[at] = SIDES.index(sample.side) + 1

    def _sample(self, raw: bytes, line: int) -> Sample | None:
        reader = self._reader if line > self._plan.survey.head else self._head
        try:
            record = reader.record(raw, line)
        except DataError as error:
            if self._told is not None:
                self._told.reject(raw, error)
            return None
        return take(record, self._rules, self._ids, told=self._told)
