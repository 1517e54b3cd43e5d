"""Where photographs come from: a folder, an `s3://` prefix or a manifest; named, not yet read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import msgspec

from gt_workflow.core.json_lines import explain, members, repeated_member, split_lines
from gt_workflow.core.label_schema import VARIANT
from gt_workflow.errors import DataError, StorageError, UsageError
from gt_workflow.ports import Folders, Storage

MANIFEST_SUFFIXES: Final = (".manifest", ".jsonl", ".json")
# What `augment` leaves in its folder beside the variants, which are in a folder of their own.
_OF_AUGMENT: Final = ("augment.json", "augmented.manifest")
_IMAGES_OF_AUGMENT: Final = "images"

_text = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be a photograph.

    `name` is how its owner knows it: the path below the folder or prefix, or what the manifest
    says. `where` is a path or an `s3://` URI. `size` in bytes is None if nobody has looked.
    `line` is its line in the source manifest, from 1; 0 if there is none. A `variant` was made
    from another photograph, as the line says.
    """

    name: str
    where: str
    size: int | None = None
    modified: str = ""  # when, in whatever words: two states of a file differ in it
    line: int = 0
    variant: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """A photograph that cannot be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a source holds before any file is opened.

    `candidates` are in the order of the manifest or else of their names' UTF-8 bytes.
    `manifest_digest` is the SHA-256 of the source manifest's lines, "" if there is none.
    """

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]
    skipped: Counter[str]
    manifest_digest: str = ""


def is_manifest(source: str) -> bool:
    """Tell whether a source's name is that of a manifest."""
    return source.lower().endswith(MANIFEST_SUFFIXES)


def gather(
    source: str,
    *,
    storage: Storage,
    folders: Folders,
    exclude: Iterable[str],
    looks_like_photograph: Callable[[str], bool],
) -> Gathered:
    """List what a source holds.

    `exclude` are paths or URI prefixes to leave out. Raises `UsageError` for a source of no known
    kind and for a folder of variants, `StorageError` if it cannot be listed, `DataError` for a
    broken line of a manifest.
    """
    if is_manifest(source):
        return _manifest(source, storage)
    if source.startswith("s3://"):
        return _prefix(source, storage, tuple(exclude))
    if "://" in source:
        raise UsageError(f"{source} is neither a folder nor an s3:// address nor a manifest")
    return _folder(source, folders, exclude, looks_like_photograph)


def manifest_lines(source: str, storage: Storage) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) of a manifest, blank lines left out."""
    with storage.open(source) as file:
        for number, raw in enumerate(split_lines(file, uri=source), start=1):
            if raw.strip():
                yield number, raw


class ManifestDigest:
    """Folds a manifest's lines into one digest, to tell whether it was changed meanwhile."""

    def __init__(self) -> None:
        """Begin with no line."""
        self._hash = hashlib.sha256()

    def add(self, number: int, raw: bytes) -> None:
        """Take one line."""
        self._hash.update(b"%d %d\n" % (number, len(raw)))
        self._hash.update(raw)

    def value(self) -> str:
        """Return the digest so far, as hexadecimal."""
        return self._hash.hexdigest()


def _folder(
    source: str,
    folders: Folders,
    exclude: Iterable[str],
    looks_like_photograph: Callable[[str], bool],
) -> Gathered:
    candidates: list[Candidate] = []
    rejected: list[Rejected] = []
    skipped: Counter[str] = Counter()
    told = _Variants(source, lambda path: _readable(path, folders))
    for found in folders.walk(source, exclude=[path for path in exclude if "://" not in path]):
        told.look(found.name)
        if found.skip:
            skipped[found.skip] += 1
        elif not found.problem:
            at = str(found.modified)
            candidates.append(Candidate(found.name, found.path, found.size, modified=at))
        elif found.is_folder or looks_like_photograph(found.name):
            rejected.append(Rejected(found.name or ".", found.problem))
        else:
            skipped["unreadable, no photograph by its name"] += 1
    told.refuse()
    candidates.sort(key=lambda candidate: (candidate.name.encode(), candidate.where))
    rejected.sort(key=lambda entry: entry.name.encode())
    return Gathered(tuple(candidates), tuple(rejected), skipped)


def _prefix(source: str, storage: Storage, exclude: tuple[str, ...]) -> Gathered:
    prefix = source if source.endswith("/") else f"{source}/"
    candidates: list[Candidate] = []
    skipped: Counter[str] = Counter()
    told = _Variants(source, storage.exists)
    for stat in storage.list(prefix):
        name = stat.uri.removeprefix(prefix)
        if not stat.uri.startswith(exclude):
            told.look(name)
        if stat.uri.startswith(exclude):
            skipped["stored by this command"] += 1
        elif name.endswith("/") or not name:
            skipped["folder marker"] += 1
        elif any(part.startswith(".") for part in name.split("/")):
            skipped["hidden"] += 1
        else:
            at = stat.modified.isoformat()
            candidates.append(Candidate(name, stat.uri, stat.size, modified=at))
    told.refuse()
    candidates.sort(key=lambda candidate: candidate.name.encode())
    return Gathered(tuple(candidates), (), skipped)


class _Variants:
    """Finds folders that `augment` wrote: files alone do not tell whose variants they are."""

    def __init__(self, source: str, exists: Callable[[str], bool]) -> None:
        """Begin with the folder above, if `source` may be where one keeps its images."""
        self._source = source.rstrip("/")
        self._found: Counter[str] = Counter()
        above, slash, last = self._source.rpartition("/")
        if last == _IMAGES_OF_AUGMENT and not above.endswith("/"):  # as of a bucket's address
            above = above if slash else "."
            self._found[above] += sum(exists(f"{above}/{name}") for name in _OF_AUGMENT)

    def look(self, name: str) -> None:
        """Take the name of a file below the source."""
        if name.endswith(_OF_AUGMENT):
            folder, _, last = f"{self._source}/{name}".rpartition("/")
            self._found[folder] += last in _OF_AUGMENT

    def refuse(self) -> None:
        """Raise `UsageError` if there is such a folder."""
        receipt, manifest = _OF_AUGMENT
        for folder, files in sorted(self._found.items()):
            if files == len(_OF_AUGMENT):
                raise UsageError(
                    f"{folder} holds variants that augment made ({receipt}), and as files they "
                    "would be photographs of their own, on any side of the split; name their "
                    f"manifest instead: {folder}/{manifest}"
                )


def _readable(path: str, folders: Folders) -> bool:
    try:
        folders.read(path, limit=1)
    except StorageError:
        return False
    return True


def _manifest(source: str, storage: Storage) -> Gathered:
    candidates: list[Candidate] = []
    digest = ManifestDigest()
    for number, raw in manifest_lines(source, storage):
        digest.add(number, raw)
        candidates.append(_of_line(source, number, raw))
    return Gathered(tuple(candidates), (), Counter(), digest.value())


def _of_line(source: str, number: int, raw: bytes) -> Candidate:
    try:
        present = members(raw)
        if twice := repeated_member(raw, ()):
            raise DataError("this member occurs twice", uri=source, line=number, field=twice)
        if "source-ref" not in present:
            hint = "; a box job needs images, not text" if "source" in present else ""
            raise DataError(
                f"this member is missing; it names the image{hint}",
                uri=source,
                line=number,
                field="source-ref",
            )
        reference = _text.decode(present["source-ref"])
        name = present.get("photograph")
        known = msgspec.json.decode(name) if name is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise explain(error, raw, uri=source, line=number) from error
    where, own = _locate(source, number, reference)
    called = known if isinstance(known, str) and known else own
    return Candidate(called, where, line=number, variant=VARIANT in present)


def _locate(source: str, number: int, reference: str) -> tuple[str, str]:
    """Return where a manifest's photograph is, and what to call it if the line does not say."""
    scheme, colon, rest = reference.partition("://")
    if scheme == "s3" and colon and "/" in rest:
        return reference, rest.partition("/")[2]
    if reference and not colon and not source.startswith("s3://"):
        return str(PurePath(source).parent / reference), reference
    kinds = "s3://bucket/key" if source.startswith("s3://") else "s3://bucket/key or a path"
    raise DataError(
        f"{reference[:200]!r} is no image's address; write {kinds}",
        uri=source,
        line=number,
        field="source-ref",
    )
