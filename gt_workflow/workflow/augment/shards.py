"""What a run leaves in its folder: shards of lines on the way, at the end manifest and receipt.

All of it is below the plan's folder:

    unfinished.json      whose run is under way; the folder is that run's alone
    part-00000000.lines  a shard's counts, then its lines; there once all its images are
    images/              the variants, and photographs of a folder made upright
    augmented.manifest   all shards' lines, in the source's order
    augment.json         the receipt, written last
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gt_workflow.errors import DataError, ObjectNotFoundError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.augment.photographs import Made
from gt_workflow.workflow.augment.settings import AugmentPlan, AugmentReceipt, Item


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

        Raises `UsageError` if the folder holds something else.
        """
        ours = False
        for uri in (self._receipt, self._marker):
            told = self._read(uri)
            if told is None:
                continue
            ours = True
            if told["digest"] != self._plan.digest:
                raise UsageError(
                    f"{self._plan.folder} holds variants of another source or with other settings; "
                    "name another folder with --out"
                )
            if uri == self._receipt and self._complete(receipt := AugmentReceipt.of(told)):
                return receipt
        if not ours:
            self._refuse_strangers()
        return None

    def begin(self) -> None:
        """Claim the folder."""
        with self._storage.create(self._marker) as file:
            file.write(json.dumps({"digest": self._plan.digest}).encode())
        self._storage.delete(self._receipt)

    def done(self) -> frozenset[int]:
        """Return the numbers of the shards that are done."""
        prefix = self._part("")
        names = [uri.removeprefix(prefix)[:8] for uri in self._listed(prefix)]
        return frozenset(int(name) for name in names if name.isdigit())

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
        """
        plan, storage = self._plan, self._storage
        counts, left_out, size = Counter[str](), list[tuple[str, str]](), 0
        with storage.create(self._manifest) as file:
            for number in range(shards):
                with storage.open(self._part(f"{number:08d}.lines")) as part:
                    head = json.loads(part.readline())
                    counts.update(head["counts"])
                    left_out += [(name, reason) for name, reason in head["left_out"]]
                    while chunk := part.read(1 << 20):
                        size += file.write(chunk)
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
        )
        with storage.create(self._receipt) as file:
            file.write(json.dumps(receipt.to_dict(), ensure_ascii=False, indent=2).encode() + b"\n")
        self._clear()
        return receipt

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
        return len(self._listed(f"{self.images}/")) >= receipt.counts["files"]

    def _refuse_strangers(self) -> None:
        """Raise `UsageError` if what would be written is there, and no run of ours wrote it."""
        found = self._listed(f"{self.images}/")[:1] + self._listed(self._part(""))[:1]
        if self._storage.exists(self._manifest):
            found.append(self._manifest)
        if found:
            raise UsageError(f"{found[0]} was not written by augment; name another --out")

    def _listed(self, prefix: str) -> list[str]:
        try:
            return [stat.uri for stat in self._storage.list(prefix)]
        except ObjectNotFoundError:
            return []  # no bucket or folder yet

    def _clear(self) -> None:
        """Take away what only an unfinished run needs."""
        for number in sorted(self.done()):
            self._storage.delete(self._part(f"{number:08d}.lines"))
        self._storage.delete(self._marker)
