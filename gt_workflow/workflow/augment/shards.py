"""What a run leaves in its folder: shards of lines on the way, at the end manifest and receipt.

All of it is below the plan's folder:

    unfinished.json      whose run is under way; the folder is that run's alone
    part-00000000.lines  a shard's counts, then its lines; there once all its images are
    images/              the variants, and photographs of a folder made upright
    augmented.manifest   all shards' lines, in the source's order
    augment.json         the receipt, written last
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Container, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from gt_workflow.errors import DataError, ObjectNotFoundError, StorageError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.augment.photographs import Made
from gt_workflow.workflow.augment.settings import AugmentPlan, AugmentReceipt, Item


class _Line(msgspec.Struct, gc=False, rename={"source_ref": "source-ref"}):
    source_ref: str


_line = msgspec.json.Decoder(_Line).decode


class Shards:
    """The folder of one plan's run."""

    def __init__(self, plan: AugmentPlan, storage: Storage) -> None:
        """Touch nothing yet."""
        self._plan = plan
        self._storage = storage
        self._receipt = f"{plan.folder}/augment.json"
        self._marker = f"{plan.folder}/unfinished.json"
        self._manifest = f"{plan.folder}/augmented.manifest"
        self.images = f"{plan.folder}/images"

    def standing(self) -> AugmentReceipt | None:
        """Return the receipt of a run that is done and whose files are all there.

        Raises `UsageError` if the folder holds something else; a run that has left nothing there
        but its name does not count.
        """
        plan, told, marker = self._plan, self._read(self._receipt), self._read(self._marker)
        if told is not None and told["digest"] != plan.digest:
            raise UsageError(
                f"{plan.folder} holds variants of another source or with other settings; "
                "name another folder with --out"
            )
        foreign = marker is not None and marker["digest"] != plan.digest
        if foreign and (self._any(self._part("")) or self._any(f"{self.images}/")):
            raise UsageError(
                f"{plan.folder} holds an unfinished run of another source or with other settings; "
                "delete that folder, or name another folder with --out"
            )
        if told is None:
            if marker is None or foreign:
                self._refuse_strangers()
            return None
        receipt = AugmentReceipt.of(told)
        if not self._complete(receipt) or (plan.strict and receipt.left_out):
            return None
        if marker is not None or self._numbers():
            self._clear()  # another run of the same was under way as this one ended
        return receipt

    def begin(self) -> None:
        """Claim the folder; parts of photographs as they were before count for nothing."""
        marker = self._read(self._marker)
        if marker is None or marker.get("seen") != self._plan.seen:
            self._clear()
        with self._storage.create(self._marker) as file:
            told = {"digest": self._plan.digest, "seen": self._plan.seen}
            file.write(json.dumps(told).encode())
        self._storage.delete(self._receipt)

    def done(self) -> frozenset[int]:
        """Return the numbers of the shards that are done, and whose images are all there."""
        numbers = self._numbers()
        if not numbers:
            return frozenset()
        there = frozenset(self._listed(f"{self.images}/"))
        return frozenset(number for number in numbers if self._whole(number, there))

    def write(self, number: int, shard: Sequence[tuple[Item, Made]]) -> None:
        """Keep a shard's lines behind a head of counts; its images are all there."""
        counts = sum((made.counts for _, made in shard), Counter[str]())
        left_out = [
            [item.name or f"line {item.line}", made.reason] for item, made in shard if made.reason
        ]
        with self._storage.create(self._part(f"{number:08d}.lines")) as file:
            head = json.dumps({"counts": counts, "left_out": left_out}, sort_keys=True)
            file.write(head.encode() + b"\n")
            file.writelines(line + b"\n" for _, made in shard for line in made.lines)

    def join(self, shards: int) -> AugmentReceipt:
        """Write the manifest from the shards, then the receipt; then the shards are done with.

        Raises `DataError` if there is no variant in them; then nothing but images is left.
        If another run of the same has taken the shards away, its receipt is returned; raises
        `StorageError` if there is none yet.
        """
        plan, storage = self._plan, self._storage
        try:
            counts, left_out, size = self._joined(shards)
        except ObjectNotFoundError as error:
            if (told := self.standing()) is not None:
                return told
            reason = "another run of augment is at work in this folder; run this again after it"
            raise StorageError(reason, uri=plan.folder) from error
        if not counts["variants"]:
            storage.delete(self._manifest)
            self._clear()
            first = f", the first: {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
            raise DataError(f"no variant could be made{first}", uri=plan.settings.source)
        receipt = AugmentReceipt(
            manifest=self._manifest,
            size=size,
            source=plan.settings.source,
            digest=plan.digest,
            attribute=plan.attribute,
            counts=counts,
            left_out=tuple(left_out),
            images=self._state(),
            seen=plan.seen,
        )
        with storage.create(self._receipt) as file:
            file.write(json.dumps(receipt.to_dict(), ensure_ascii=False, indent=2).encode() + b"\n")
        self._clear()
        return receipt

    def _joined(self, shards: int) -> tuple[Counter[str], list[tuple[str, str]], int]:
        """Write the manifest; return counts, what was left out, and the manifest's size."""
        counts, left_out, size = Counter[str](), list[tuple[str, str]](), 0
        with self._storage.create(self._manifest) as file:
            for number in range(shards):
                with self._storage.open(self._part(f"{number:08d}.lines")) as part:
                    head = json.loads(part.readline())
                    counts.update(head["counts"])
                    left_out += [(name, reason) for name, reason in head["left_out"]]
                    while chunk := part.read(1 << 20):
                        size += file.write(chunk)
        return counts, left_out, size

    def _part(self, name: str) -> str:
        return f"{self._plan.folder}/part-{name}"

    def _read(self, uri: str) -> dict[str, Any] | None:
        try:
            with self._storage.open(uri) as file:
                told = json.load(file)
            AugmentReceipt.of(told) if uri == self._receipt else told["digest"]
        except ObjectNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("it is no receipt of augment; name another --out", uri=uri) from error
        return dict(told)

    def _complete(self, receipt: AugmentReceipt) -> bool:
        """Tell whether the files of a receipt still stand; who cleared some gets them again."""
        try:
            if self._storage.stat(receipt.manifest).size != receipt.size:
                return False
        except ObjectNotFoundError:
            return False
        return receipt.seen == self._plan.seen and receipt.images == self._state()

    def _state(self) -> str:
        """Return a digest of the images' names and sizes."""
        digest, prefix = hashlib.sha256(), f"{self.images}/"
        with suppress(ObjectNotFoundError):
            for stat in self._storage.list(prefix):
                entry = f"{stat.uri.removeprefix(prefix)}\0{stat.size}\n"
                digest.update(entry.encode(errors="backslashreplace"))
        return digest.hexdigest()

    def _numbers(self) -> frozenset[int]:
        """Return the numbers of the shards whose lines are there."""
        prefix = self._part("")
        names = [uri.removeprefix(prefix)[:8] for uri in self._listed(prefix)]
        return frozenset(int(name) for name in names if name.isdigit())

    def _whole(self, number: int, there: Container[str]) -> bool:
        """Tell whether all images are there that a shard's lines name, and that runs write.

        What another run skipped is no reason for this one to.
        """
        with self._storage.open(self._part(f"{number:08d}.lines")) as part:
            head = json.loads(part.readline())
            refs = [_source_ref(line) for line in part]
        if self._plan.strict and head["left_out"]:
            return False
        return all(ref in there for ref in refs if ref.startswith(f"{self.images}/"))

    def _refuse_strangers(self) -> None:
        """Raise `UsageError` if what would be written is there, and no run of ours wrote it."""
        found = self._any(f"{self.images}/") or self._any(self._part(""))
        if found is None and self._storage.exists(self._manifest):
            found = self._manifest
        if found is not None:
            raise UsageError(f"{found} was not written by augment; name another --out")

    def _any(self, prefix: str) -> str | None:
        try:
            return next((stat.uri for stat in self._storage.list(prefix)), None)
        except ObjectNotFoundError:
            return None  # no bucket or folder yet

    def _listed(self, prefix: str) -> list[str]:
        try:
            return [stat.uri for stat in self._storage.list(prefix)]
        except ObjectNotFoundError:
            return []  # no bucket or folder yet

    def _clear(self) -> None:
        """Take away what only an unfinished run needs."""
        for number in sorted(self._numbers()):
            self._storage.delete(self._part(f"{number:08d}.lines"))
        self._storage.delete(self._marker)


def _source_ref(line: bytes) -> str:
    """Return the image of a line; none for a line that nobody can read, which was passed on."""
    try:
        return _line(line).source_ref
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
