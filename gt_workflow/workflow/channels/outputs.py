"""The files of a run that many images share: shards are joined to them, one behind the other.

Records grow in the storage itself, so that an interrupted run is gone on with at the shard; files
of lines are short and written anew each time. All appear together at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO, Self

from gt_workflow.core import recordio
from gt_workflow.core.split import SIDES, Side
from gt_workflow.ports import Growing, Storage
from gt_workflow.workflow.channels.journal import Journal, Places
from gt_workflow.workflow.channels.shards import Done, Packed, Shard
from gt_workflow.workflow.channels.writers import Forms, Sample, index, rec

_IMAGES_A_NOTE = 2000  # where no records are written, whose storage says what is worth a note


class Outputs:
    """Open it as a context: a clean exit publishes, an exception leaves it for the next run.

    `files` are the paths under OUT of what many images share, with their sizes; `written` those of
    what one image has for itself.
    """

    def __init__(self, forms: Forms, storage: Storage, journal: Journal) -> None:
        """Go on where the journal says, or begin."""
        self.forms = forms
        self.journal = journal
        self.written: set[str] = set()
        self._storage = storage
        self._stack = ExitStack()
        self._texts: dict[str, BinaryIO] = {}
        self._growing: dict[str, Growing] = {}
        self._rows: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._noted: Places = {}
        self._unnoted: list[tuple[str, int, list[Done]]] = []  # path, its end, what was done

    def __enter__(self) -> Self:
        """Open what is written to."""
        out, places = self.forms.out, self.journal.places()
        if not places:
            self.journal.clear(out)
        if "recordio" in self.forms.forms:
            for path in map(rec, SIDES):
                token, size = places.get(path, ("", 0))
                self._growing[path] = self._storage.grow(f"{out}/{path}", token=token, size=size)
            if any(self._growing[path].size != size for path, (_, size) in places.items()):
                self._begin_again()
                places = {}
        self._noted = places
        self._rows = dict.fromkeys(self._growing, 0)
        for form in self.forms.forms:
            for path in self.forms.texts(form):
                self._texts[path] = self._stack.enter_context(self._storage.create(f"{out}/{path}"))
        self._sizes = dict.fromkeys(self._texts, 0)
        return self

    def _begin_again(self) -> None:
        """Forget an earlier run whose records are no longer there as it left them."""
        out = self.forms.out
        for path, growing in self._growing.items():
            growing.discard()
            self._growing[path] = self._storage.grow(f"{out}/{path}")
        self.journal.clear(out)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish, or leave what has grown."""
        try:
            if error is None:
                for growing in self._growing.values():
                    growing.publish()
        except BaseException as failure:
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        else:
            self._stack.__exit__(kind, error, trace)
        finally:
            for growing in self._growing.values():
                growing.close()

    def discard(self) -> None:
        """Throw away what has grown: it is not what the next run will want."""
        for growing in self._growing.values():
            growing.discard()
        self.journal.clear(self.forms.out)

    @property
    def files(self) -> dict[str, int]:
        """The shared files and their sizes."""
        return {**{path: one.size for path, one in self._growing.items()}, **self._sizes}

    def again(self, sample: Sample, done: Done) -> None:
        """Write the lines of a sample whose record stands since an earlier run."""
        if done.event is not None:
            return
        if self._growing:
            self._place(sample.side, [(sample, done)])
        self.written.update(self.forms.paths(sample, done.suffix))
        for path, line in self.forms.lines(sample, done.suffix, self.forms.label(sample)):
            self._append(path, line)

    def add(self, shard: Shard, packed: Packed) -> None:
        """Join a shard to what is there."""
        for path, lines in packed.lines.items():
            self._append(path, lines)
        if "image" in self.forms.forms:
            for sample, done in zip(shard.samples, packed.done, strict=True):
                if done.event is None:
                    self.written.update(self.forms.paths(sample, done.suffix))
        path = ""
        if self._growing:
            side = shard.samples[0].side  # a shard is of one side
            path = rec(side)
            self._place(side, zip(shard.samples, packed.done, strict=True))
            for other in list(self._growing)[: list(self._growing).index(path)]:
                self._growing[other].seal()
            self._growing[path].append(packed.frames)
            self._growing[path].hasten()
        self._unnoted.append((path, self._rows.get(path, 0), packed.done))
        self._note()

    def _place(self, side: Side, several: Iterable[tuple[Sample, Done]]) -> None:
        """Write the lines of a side's index: where the records begin."""
        path = rec(side)
        at = self._rows[path]
        lines = []
        for sample, done in several:
            if done.event is None:
                lines.append(recordio.index_line(sample.line - 1, at))
                at += done.size
        self._append(index(side, "idx"), b"".join(lines))
        self._rows[path] = at

    def _append(self, path: str, data: bytes) -> None:
        self._texts[path].write(data)
        self._sizes[path] += len(data)

    def _note(self) -> None:
        """Write a note if enough of what was done outlives this process."""
        if self._too_early():
            return
        safe = 0
        for path, end, _ in self._unnoted:
            if path and self._growing[path].kept < end:
                break
            safe += 1
        some = self._unnoted[:safe]
        done = [one for _, _, several in some for one in several]
        if not done or not self._worth(some, len(done)):
            return
        places = self._noted | {
            path: (self._growing[path].token, end) for path, end, _ in some if path
        }
        self.journal.write(done, places)
        self._noted = places
        del self._unnoted[:safe]

    def _too_early(self) -> bool:
        """Tell at once that no note is worth it, as it is for nearly every shard of files."""
        path = self._unnoted[-1][0]
        if not path or path != self._unnoted[0][0]:
            return False
        growing = self._growing[path]
        return growing.kept - self._noted.get(path, ("", 0))[1] < growing.step

    def _worth(self, some: list[tuple[str, int, list[Done]]], images: int) -> bool:
        path, end, _ = some[-1]
        if not path:
            return images >= _IMAGES_A_NOTE
        before = self._noted.get(path, ("", 0))[1]
        return end - before >= self._growing[path].step or path != some[0][0]
