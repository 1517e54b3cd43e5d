"""Photographs become more photographs: variants whose boxes follow, and a manifest of them all.

`plan` reads the source's lines or names, no image. `run` makes every variant once, shard by shard:
a shard's lines are written when all its images are, as the shard's receipt, so that an interrupted
run goes on at the shard. At the end the shards' lines are joined to `OUT/augmented.manifest`, and
`OUT/augment.json` tells what was done. The same source and settings give the same bytes.

    labelled   variants with their boxes; on the train side alone if `side` says so
    untouched  variants without boxes, if no line of the manifest has a label; else passed on
    failed     passed on
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, Final, Literal

from gt_workflow.core.manifest import Record, read, split_lines
from gt_workflow.core.split import Side
from gt_workflow.core.variant_boxes import Keeping
from gt_workflow.core.variants import choose, parse
from gt_workflow.errors import DataError, ObjectNotFoundError, UsageError
from gt_workflow.ports import Engine, Folders, Images, Look, Progress, Storage, Warper
from gt_workflow.workflow.augment_items import Item, Made, Recipes, Vary
from gt_workflow.workflow.channels.samples import snapshot
from gt_workflow.workflow.channels.survey import side_of, survey
from gt_workflow.workflow.examine import looks_like_photograph
from gt_workflow.workflow.sources import gather, is_manifest

VARYING: Final = "making variants"
_VERSION: Final = 1  # counts up when the same source and settings would give other bytes
_SHARD: Final = 32  # photographs


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """What to make of which photographs.

    `source` is a folder or `s3://` prefix of photographs, or a manifest; `out` a folder or prefix.
    `per_image` None is all `variants`. With `side` "train" the split is that of `convert` with the
    same `validation` and `salt`. `originals` also lists the photographs themselves.
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

    def __post_init__(self) -> None:
        """Check what no later stage could explain; raises `UsageError`."""
        if not self.source or not self.out:
            raise UsageError("name a source, and a folder for the variants: --out")
        if self.per_image is not None and self.per_image < 1:
            raise UsageError("at least 1 variant of each image: --per-image")
        if not 0 <= self.keeping.min_visible <= 1:
            raise UsageError("--min-visible is a share of a box, from 0 to 1")
        if not self.keeping.min_side > 0:
            raise UsageError("--min-side is a length in pixels, more than 0")
        if self.look.quality is not None and not 1 <= self.look.quality <= 100:
            raise UsageError("--quality is a JPEG's, from 1 to 100")
        if self.look.chroma not in {None, "4:4:4", "4:2:2", "4:2:0"}:
            raise UsageError("--chroma is 4:4:4, 4:2:2 or 4:2:0")
        if self.folder == self.source.rstrip("/"):
            raise UsageError("the variants must not go where the photographs are: --out")

    @property
    def folder(self) -> str:
        """`out` without a slash at its end."""
        return self.out.rstrip("/")


@dataclass(frozen=True, slots=True)
class AugmentPlan:
    """What a run would do; `photographs` get variants, `passed` lines do not."""

    settings: AugmentSettings
    names: tuple[str, ...]
    photographs: int
    passed: int
    attribute: str | None
    digest: str
    moved: Mapping[str, Side] = field(default_factory=dict)
    files: tuple[Item, ...] = ()
    labelled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--dry-run` prints."""
        each = self.settings.per_image or len(self.names)
        return {
            "source": self.settings.source,
            "out": self.settings.folder,
            "attribute": self.attribute,
            "photographs": self.photographs,
            "lines_without_variants": self.passed,
            "variants": list(self.names),
            "variants_of_each": each,
            "variants_at_most": each * self.photographs,
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class AugmentReceipt:
    """What a run did: `manifest` lists everything, `left_out` (name, reason) what is missing."""

    manifest: str
    digest: str
    attribute: str | None
    counts: Mapping[str, int]
    left_out: tuple[tuple[str, str], ...]
    unchanged: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints and `augment.json` keeps."""
        return {
            "manifest": self.manifest,
            "digest": self.digest,
            "attribute": self.attribute,
            "counts": dict(sorted(self.counts.items())),
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
        }


def plan(
    settings: AugmentSettings, *, storage: Storage, folders: Folders, progress: Progress
) -> AugmentPlan:
    """Decide what gets which variants.

    Raises `UsageError` for variants that do not exist and for `side` without labels, `DataError`
    for a broken manifest, or if there is nothing to vary.
    """
    names = parse(settings.variants)
    choose(names, per_image=settings.per_image, seed=settings.seed, key="")
    if is_manifest(settings.source):
        made = _of_manifest(settings, names, storage, progress)
    else:
        made = _of_folder(settings, names, storage, folders)
    if not made.photographs:
        raise DataError("there is no photograph to make variants of", uri=settings.source)
    return made


def _of_folder(
    settings: AugmentSettings, names: tuple[str, ...], storage: Storage, folders: Folders
) -> AugmentPlan:
    if settings.side == "train":
        raise UsageError("only labelled manifests have a train side; photographs are split later")
    gathered = gather(
        settings.source,
        storage=storage,
        folders=folders,
        exclude=(settings.folder,),
        looks_like_photograph=looks_like_photograph,
    )
    files = tuple(
        Item(name=one.name, where=one.where)
        for one in gathered.candidates
        if looks_like_photograph(one.name)
    )
    found = [f"{one.name}\0{one.size}" for one in gathered.candidates]
    digest = _digest(settings, names, hashlib.sha256("\n".join(found).encode(errors="replace")))
    return AugmentPlan(settings, names, len(files), 0, None, digest, files=files)


def _of_manifest(
    settings: AugmentSettings, names: tuple[str, ...], storage: Storage, progress: Progress
) -> AugmentPlan:
    with snapshot(storage, settings.source) as (file, content):
        states = Counter[str]()
        attribute = settings.attribute
        for record in _records(file, settings.source, settings.attribute):
            states[record.state] += 1
            attribute = attribute or record.attribute
            if states.total() % 1000 == 0:
                progress("reading the manifest", states.total(), 0)
        labelled = states["labelled"] > 0
        if settings.attribute is not None and not labelled:
            raise DataError(f"no line has boxes under {settings.attribute!r}", uri=settings.source)
        moved: Mapping[str, Side] = {}
        photographs = states["labelled"] if labelled else states["untouched"]
        if settings.side == "train":
            if not labelled:
                raise UsageError("no line is labelled yet, so there is no train side")
            moved = survey(
                lambda: _records(file, settings.source, attribute),
                validation=settings.validation,
                salt=settings.salt,
                min_side=settings.keeping.min_side,
                fixed_classes=None,
                uri=settings.source,
            ).moved
            photographs = sum(
                record.state == "labelled" and _trains(record, settings, moved)
                for record in _records(file, settings.source, attribute)
            )
    digest = _digest(settings, names, hashlib.sha256(content.encode()))
    return AugmentPlan(
        settings,
        names,
        photographs,
        states.total() - photographs,
        attribute,
        digest,
        moved=moved,
        labelled=labelled,
    )


def _records(file: BinaryIO, uri: str, attribute: str | None) -> Iterator[Record]:
    file.seek(0)
    return read(split_lines(file, uri=uri), uri=uri, attribute=attribute)


def _trains(record: Record, settings: AugmentSettings, moved: Mapping[str, Side]) -> bool:
    if settings.side == "all":
        return True
    where = side_of(record.origin, moved, validation=settings.validation, salt=settings.salt)
    return where == "train"


def _digest(settings: AugmentSettings, names: tuple[str, ...], source: Any) -> str:
    decides = asdict(settings) | {"variants": names, "source": source.hexdigest(), "v": _VERSION}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def run(
    plan: AugmentPlan,
    *,
    storage: Storage,
    folders: Folders,
    engine: Engine,
    images: Images,
    warper: Warper,
    progress: Progress,
) -> AugmentReceipt:
    """Make what is not there yet.

    Raises `DataError` if the manifest has changed since it was planned and for an image that
    cannot be used, `UsageError` if `out` holds variants of another source or other settings.
    """
    settings, out = plan.settings, plan.settings.folder
    told = _standing(plan, storage)
    if told is not None:
        return told
    _begin(plan, storage)
    done = _parts(plan, storage)
    vary = Vary(
        storage=storage,
        folders=folders,
        images=images,
        warper=warper,
        recipes=Recipes(
            plan.names,
            settings.per_image,
            settings.seed,
            settings.expand,
            settings.keeping,
            settings.look,
        ),
        source=settings.source,
        attribute=plan.attribute if plan.labelled else None,
        originals=settings.originals,
        out=f"{out}/images",
    )
    total = plan.photographs + plan.passed
    shard: list[tuple[Item, Made]] = []
    number, finished = 0, min(len(done) * _SHARD, total)

    def missing() -> Iterator[Item]:
        for index, item in enumerate(_items(plan, storage)):
            if index // _SHARD not in done:
                yield item

    progress(VARYING, finished, total)
    waiting = iter([number for number in range(-(-total // _SHARD)) if number not in done])
    for outcome in engine.map(vary, missing()):
        if not shard:
            number = next(waiting)
        shard.append((outcome.item, outcome.result()))
        finished += 1
        progress(VARYING, finished, total)
        if len(shard) == min(_SHARD, total - number * _SHARD):
            _write_part(plan, number, shard, storage)
            shard = []
    return _join(plan, storage)


def _items(plan: AugmentPlan, storage: Storage) -> Iterator[Item]:
    """Yield the source's photographs and lines, in its order."""
    settings = plan.settings
    if not is_manifest(settings.source):
        yield from plan.files
        return
    with snapshot(storage, settings.source) as (file, content):
        if _digest(settings, plan.names, hashlib.sha256(content.encode())) != plan.digest:
            raise DataError("has changed since it was planned", uri=settings.source)
        wanted = "labelled" if plan.labelled else "untouched"
        for record in _records(file, settings.source, plan.attribute):
            vary = record.state == wanted and _trains(record, settings, plan.moved)
            yield Item(raw=record.raw, line=record.line, vary=vary)


def _receipt_uri(plan: AugmentPlan) -> str:
    return f"{plan.settings.folder}/augment.json"


def _marker_uri(plan: AugmentPlan) -> str:
    return f"{plan.settings.folder}/unfinished.json"


def _standing(plan: AugmentPlan, storage: Storage) -> AugmentReceipt | None:
    """Return the receipt of a run that is done; refuse a folder that holds something else."""
    for uri in (_receipt_uri(plan), _marker_uri(plan)):
        try:
            with storage.open(uri) as file:
                told = json.load(file)
            found = told["digest"]
        except ObjectNotFoundError:
            continue
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("it is no receipt of augment", uri=uri) from error
        if found != plan.digest:
            raise UsageError(
                f"{plan.settings.folder} holds variants of another source or with other settings; "
                "name another folder with --out"
            )
        if uri == _receipt_uri(plan):
            return AugmentReceipt(
                told["manifest"],
                found,
                told["attribute"],
                told["counts"],
                tuple((one["name"], one["reason"]) for one in told["left_out"]),
                unchanged=True,
            )
    return None


def _begin(plan: AugmentPlan, storage: Storage) -> None:
    with storage.create(_marker_uri(plan)) as file:
        file.write(json.dumps({"digest": plan.digest}).encode())


def _part_uri(plan: AugmentPlan, number: int) -> str:
    return f"{plan.settings.folder}/parts/{number:08d}.lines"


def _parts(plan: AugmentPlan, storage: Storage) -> frozenset[int]:
    """Return the numbers of the shards that are done."""
    prefix = f"{plan.settings.folder}/parts/"
    names = [stat.uri.removeprefix(prefix) for stat in storage.list(prefix)]
    return frozenset(int(name.removesuffix(".lines")) for name in names if name[:8].isdigit())


def _write_part(
    plan: AugmentPlan, number: int, shard: list[tuple[Item, Made]], storage: Storage
) -> None:
    """Keep a shard's lines behind a head of counts; its images are all there."""
    counts = sum((made.counts for _, made in shard), Counter[str]())
    left_out = [[item.name, made.reason] for item, made in shard if made.reason]
    with storage.create(_part_uri(plan, number)) as file:
        head = json.dumps({"counts": counts, "left_out": left_out}, sort_keys=True)
        file.write(head.encode() + b"\n")
        file.writelines(line + b"\n" for _, made in shard for line in made.lines)


def _join(plan: AugmentPlan, storage: Storage) -> AugmentReceipt:
    """Write the manifest from the shards, then the receipt; then the shards are done with."""
    counts, left_out = Counter[str](), []
    manifest = f"{plan.settings.folder}/augmented.manifest"
    shards = range(-(-(plan.photographs + plan.passed) // _SHARD))
    with storage.create(manifest) as file:
        for number in shards:
            with storage.open(_part_uri(plan, number)) as part:
                head = json.loads(part.readline())
                counts.update(head["counts"])
                left_out += [(name, reason) for name, reason in head["left_out"]]
                while chunk := part.read(1 << 20):
                    file.write(chunk)
    if not counts["variants"]:
        _clear(plan, storage)
        first = f", the first: {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        storage.delete(manifest)
        raise DataError(f"no variant could be made{first}", uri=plan.settings.source)
    receipt = AugmentReceipt(manifest, plan.digest, plan.attribute, counts, tuple(left_out))
    with storage.create(_receipt_uri(plan)) as file:
        file.write(json.dumps(receipt.to_dict(), ensure_ascii=False, indent=2).encode() + b"\n")
    _clear(plan, storage)
    return receipt


def _clear(plan: AugmentPlan, storage: Storage) -> None:
    """Take away what only an unfinished run needs."""
    for number in sorted(_parts(plan, storage)):
        storage.delete(_part_uri(plan, number))
    storage.delete(_marker_uri(plan))
