"""What a split is asked, what it will do and what it did: settings, plan, receipt."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gt_workflow.core.balance import PARTS, PHOTOGRAPHS, Shares, Totals
from gt_workflow.core.near_duplicates import NEAR, OFF, Alike
from gt_workflow.errors import UsageError
from gt_workflow.workflow.channels.plan import check_distance


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """What to split, and how.

    `manifest` is a path or `s3://` address, `out` a folder or prefix. `validation` and `test` are
    shares of the photographs, train has the rest; no class is further off these than `tolerance`
    (a share of its objects), as far as whole photographs allow. `distance` and `salt` are those of
    `convert`. `attribute` is needed only where several jobs labelled the lines. `earlier` is the
    `out` of a split whose photographs keep their places.
    """

    manifest: str
    out: str
    validation: float = 0.2
    test: float = 0.1
    tolerance: float = 0.05
    distance: int = NEAR
    salt: str = ""
    attribute: str | None = None
    earlier: str | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense; UsageError names the setting."""
        if not self.folder:
            raise UsageError("--out: name a folder or an s3:// prefix")
        if not (0 < self.validation < 1 and self.test >= 0 and self.validation + self.test < 1):
            raise UsageError(
                "--validation and --test are shares between 0 and 1 that leave some for train; "
                "--test 0 makes none"
            )
        if not 0 <= self.tolerance <= 1:
            raise UsageError("--tolerance is a share of a class's objects, from 0 to 1")
        check_distance(self.distance)
        if self.earlier is not None and self.earlier.rstrip("/") == self.folder:
            raise UsageError("--earlier and --out are one place; write the new split elsewhere")

    @property
    def folder(self) -> str:
        """`out` without a slash at its end."""
        return self.out.rstrip("/")

    @property
    def shares(self) -> Shares:
        """The shares of the parts."""
        return Shares(self.validation, self.test, self.tolerance)

    def uri(self, part: int) -> str:
        """Name a part's manifest."""
        return f"{self.folder}/{PARTS[part]}.manifest"

    @property
    def receipt(self) -> str:
        """Name the receipt, which is written last."""
        return f"{self.folder}/split.json"

    @property
    def written(self) -> tuple[str, ...]:
        """Name every file that a split may write or delete."""
        return (*map(self.uri, range(len(PARTS))), self.receipt)


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Where every line goes: `places` has a byte for each line that is not blank."""

    settings: SplitSettings
    digest: str
    places: bytes = field(repr=False)
    totals: Totals = field(repr=False)
    alike: Alike = field(repr=False)
    corrected: int  # photographs, near-duplicates as one, that the balance moved
    kept: int  # that an earlier split had
    moved: int  # of those, near-duplicates of held-out photographs, which leave train
    manifest_sha256: str

    @property
    def hashes(self) -> int | None:
        """Photographs whose perceptual hashes were compared; None if none was to be."""
        return None if self.settings.distance == OFF else self.alike.compared

    def warnings(self) -> list[str]:
        """Say what is allowed but likely to hurt, one sentence each."""
        found = []
        for name, part in self.totals.uneven():
            what = f"class {name!r}" if name else "the photographs"
            share = self.totals.parts[part][name] / self.totals.of(name)
            found.append(
                f"{PARTS[part]} has {share:.0%} of {what} instead of "
                f"{self.settings.shares.of(part):.0%}: too few photographs that differ have it"
            )
        if self.moved:
            found.append(
                f"{self.moved} photographs leave the part they had in {self.settings.earlier}: "
                "they look like one that is held out there"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Give the plan for JSON; photographs and their boxes leave out variants, lines do not."""
        shares, totals = self.settings.shares, self.totals
        names = sorted({name for part in totals.parts for name in part} - {PHOTOGRAPHS})
        lines = Counter(self.places)
        return {
            "manifest": self.settings.manifest,
            "manifest_sha256": self.manifest_sha256,
            "out": self.settings.folder,
            "parts": {
                PARTS[part]: {
                    "manifest": self.settings.uri(part),
                    "lines": lines[part],
                    "photographs": totals.parts[part][PHOTOGRAPHS],
                    "boxes_by_class": {name: totals.parts[part][name] for name in names},
                }
                for part in shares.parts()
            },
            "near_duplicates": len(self.alike),
            "leaks_prevented": self.alike.leaks(shares.part),
            "perceptual_hashes": self.hashes,
            "corrected": self.corrected,
            "kept": self.kept,
            "moved": self.moved,
            "warnings": self.warnings(),
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class SplitReceipt:
    """What a run did; `unchanged` if all of it stood already."""

    plan: SplitPlan
    unchanged: bool

    def to_dict(self) -> dict[str, Any]:
        """Give the receipt for JSON."""
        return self.plan.to_dict() | {"unchanged": self.unchanged}
