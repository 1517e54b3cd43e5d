"""What augmentation is asked, what it will do and what it did: settings, plan, receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gt_workflow.core.near_duplicates import NEAR, Alike
from gt_workflow.core.split import NONE_ALIKE, Side
from gt_workflow.core.variant_boxes import Keeping
from gt_workflow.core.variants import choose, parse
from gt_workflow.errors import UsageError
from gt_workflow.ports import Look
from gt_workflow.workflow.channels.plan import check_distance

_MOST = 1000  # variants of a photograph
_APART = 12  # digits of the digest that name a folder


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """What to make of which photographs.

    `source` is a folder or `s3://` prefix of photographs, or a manifest; `out` a folder or prefix,
    in which a set that is `apart` has a folder of its own, so that sets of other settings stay.
    `per_image` None is all `variants`. With `side` "train" the split is that of `convert` with the
    same `validation`, `salt` and `distance`, and photographs labelled as empty get no variants:
    convert drops them there. `originals` also lists the photographs themselves. Under `on_bad_line`
    "skip" a manifest's line that cannot be read, or whose image cannot, gets no variants; a
    folder's photograph that cannot be read never stops a run.
    """

    source: str
    out: str
    variants: tuple[str, ...] = ("seed-ten",)
    per_image: int | None = None
    seed: int = 0
    expand: bool = False
    keeping: Keeping = field(default_factory=Keeping)
    look: Look = field(default_factory=Look)
    originals: bool = True
    attribute: str | None = None
    side: Literal["all", "train"] = "all"
    validation: float = 0.2
    salt: str = ""
    distance: int = NEAR
    on_bad_line: Literal["stop", "skip"] = "stop"
    apart: bool = False

    def __post_init__(self) -> None:
        """Check what no later stage could explain; raises `UsageError`."""
        if not self.source or not self.folder:
            raise UsageError("name a source, and a folder for the variants: --out")
        if self.per_image is not None and not 1 <= self.per_image <= _MOST:
            raise UsageError(f"--per-image (augment.per-image): from 1 to {_MOST:,} of each image")
        if not 0 <= self.keeping.min_visible <= 1:
            raise UsageError("--min-visible (augment.min-visible): a share of a box, from 0 to 1")
        if not self.keeping.min_side > 0:
            raise UsageError("--min-side (augment.min-side): a length in pixels, more than 0")
        if self.look.quality is not None and not 1 <= self.look.quality <= 100:
            raise UsageError("--quality (augment.quality): a JPEG's, from 1 to 100")
        if self.look.chroma not in {None, "4:4:4", "4:2:2", "4:2:0"}:
            raise UsageError("--chroma (augment.chroma): 4:4:4, 4:2:2 or 4:2:0")
        if self.side == "train":
            if not 0 <= self.validation < 1:  # 0: all of it is train
                raise UsageError(f"channels.validation: a share below 1, not {self.validation}")
            check_distance(self.distance)
        if f"{self.folder}/".startswith(f"{self.source.rstrip('/')}/"):
            raise UsageError(
                "variants among the photographs would be taken for photographs; name a folder "
                f"outside {self.source} with --out"
            )
        choose(self.names, per_image=self.per_image, seed=self.seed, key="")

    @property
    def folder(self) -> str:
        """`out` without a slash at its end."""
        return self.out.rstrip("/")

    @property
    def names(self) -> tuple[str, ...]:
        """The variants, sets spelt out; `UsageError` for one that does not exist."""
        return parse(self.variants)

    @property
    def each(self) -> int:
        """How many variants a photograph gets."""
        return self.per_image or len(self.names)


@dataclass(frozen=True, slots=True)
class Item:
    """One photograph: a file (`name`, `where`), or a line of a manifest (`raw`, its number).

    A line with `vary` False is passed on as it is; `reason` tells why it cannot be read.
    """

    name: str = ""
    where: str = ""
    raw: bytes = b""
    line: int = 0
    vary: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AugmentPlan:
    """What a run would do; `photographs` get variants, `passed` lines do not.

    `seen` tells in which state a folder's photographs were found: who has replaced one by another
    of the same name and size gets its variants. A manifest is known by its bytes.
    """

    settings: AugmentSettings
    photographs: int
    passed: int
    attribute: str | None
    digest: str
    moved: Mapping[str, Side] = field(default_factory=dict)
    alike: Alike = NONE_ALIKE
    files: tuple[Item, ...] = ()
    labelled: bool = False
    seen: str = ""

    @property
    def folder(self) -> str:
        """Where everything goes, without a slash at the end."""
        apart = f"/{self.digest[:_APART]}" if self.settings.apart else ""
        return self.settings.folder + apart

    @property
    def strict(self) -> bool:
        """Whether a line without variants of its own ends the run."""
        return not self.files and self.settings.on_bad_line == "stop"

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--dry-run` prints."""
        return {
            "source": self.settings.source,
            "out": self.folder,
            "attribute": self.attribute,
            "photographs": self.photographs,
            "lines_without_variants": self.passed,
            "variants": list(self.settings.names),
            "variants_of_each": self.settings.each,
            "variants_at_most": self.settings.each * self.photographs,
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class AugmentReceipt:
    """What a run did: `manifest` lists everything, `left_out` (name, reason) what is missing.

    `size` is the manifest's in bytes, `images` a digest of the names and sizes of what is beside
    it. `seen` is the plan's, and may differ between copies of a folder. `fresh` is how many of the
    variants this run made, not one before it.
    """

    manifest: str
    size: int
    source: str
    digest: str
    attribute: str | None
    counts: Mapping[str, int]
    left_out: tuple[tuple[str, str], ...]
    images: str = ""
    seen: str = ""
    unchanged: bool = False
    fresh: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints and `augment.json` keeps."""
        return {
            "manifest": self.manifest,
            "manifest_bytes": self.size,
            "source": self.source,
            "digest": self.digest,
            "attribute": self.attribute,
            "counts": dict(sorted(self.counts.items())),
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            "images": self.images,
            "seen": self.seen,
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> AugmentReceipt:
        """Return the receipt that was kept; raises `KeyError` or `TypeError` for anything else."""
        return cls(
            manifest=told["manifest"],
            size=told["manifest_bytes"],
            source=told["source"],
            digest=told["digest"],
            attribute=told["attribute"],
            counts=told["counts"],
            left_out=tuple((one["name"], one["reason"]) for one in told["left_out"]),
            images=told.get("images", ""),
            seen=told.get("seen", ""),
            unchanged=True,
        )
