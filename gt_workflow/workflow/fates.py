"""What becomes of each photograph: stored, rejected, left out as a duplicate, or skipped."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from gt_workflow.core.objects import IMAGE_SUFFIXES, MAX_OBJECTS
from gt_workflow.errors import DataError, UsageError
from gt_workflow.workflow.examine import SUFFIXES, Finding, Photograph
from gt_workflow.workflow.sources import Candidate, Gathered, Rejected

_MAX_STEM: Final = 60
_MAX_URI: Final = 1024
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What to ingest and where to.

    `source` is a folder, an `s3://` prefix, or a manifest (a path or URI that ends in .manifest,
    .jsonl or .json). `images` is the `s3://` prefix for images, `manifest` and `report` the URIs
    to write. `exclude` names folders (or URI prefixes) to leave out of `source`. Photographs of
    the same content are one data object, the first by order, unless `keep_duplicates`: then each
    is labelled, and all of them carry the first one's origin, which keeps them on one side of
    every split. More than `most` photographs are refused.
    """

    source: str
    images: str
    manifest: str
    report: str
    exclude: tuple[str, ...] = ()
    keep_duplicates: bool = False
    most: int = MAX_OBJECTS


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A photograph whose content is also `of`'s; left out unless `kept`."""

    name: str
    of: str
    kept: bool = False


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """Every photograph's fate.

    `photographs` are in the order of the source manifest, or else of their names' UTF-8 bytes:
    the order of the input manifest. `skipped` counts what is no photograph, by kind. `digest`
    (SHA-256, hexadecimal) follows from names and contents alone.
    """

    settings: IngestSettings
    photographs: tuple[Photograph, ...]
    rejected: tuple[Rejected, ...]
    duplicates: tuple[Duplicate, ...]
    skipped: Mapping[str, int]
    digest: str
    source_digest: str = field(default="", repr=False)

    def counts(self) -> dict[str, int]:
        """Return how many there are of each fate."""
        return {
            "photographs": len(self.photographs),
            "converted": sum(photograph.converted for photograph in self.photographs),
            "in-place": sum(photograph.in_place for photograph in self.photographs),
            "rejected": len(self.rejected),
            "duplicates": len(self.duplicates),
            "skipped": sum(self.skipped.values()),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report: counts, and by name whatever is not as its owner has it."""
        return {
            "source": self.settings.source,
            "manifest": self.settings.manifest,
            "digest": self.digest,
            "counts": self.counts(),
            "rejected": [
                {"photograph": entry.name, "reason": entry.reason} for entry in self.rejected
            ],
            "converted": [
                {"photograph": entry.photograph, "source-ref": entry.uri, "note": entry.note}
                for entry in self.photographs
                if entry.note
            ],
            "duplicates": [
                {"photograph": entry.name, "of": entry.of, "kept": entry.kept}
                for entry in self.duplicates
            ],
            "skipped": dict(self.skipped),
        }


class Fates:
    """Sorts findings, in the candidates' order, into photographs, rejects and duplicates."""

    def __init__(self, settings: IngestSettings, gathered: Gathered) -> None:
        """Begin with what the source told before any file was opened."""
        self._settings = settings
        self._source_digest = gathered.manifest_digest
        self._found = len(gathered.candidates) + len(gathered.rejected)
        self._photographs: list[Photograph] = []
        self._rejected = list(gathered.rejected)
        self._duplicates: list[Duplicate] = []
        self._skipped: Counter[str] = Counter(gathered.skipped)
        self._first: dict[str, Photograph] = {}  # by content, original and stored
        self._uris: set[str] = set()

    def add(self, candidate: Candidate, finding: Finding) -> None:
        """Take one finding; `UsageError` as soon as there are too many photographs."""
        if finding.skip:
            self._skipped[finding.skip] += 1
            return
        if finding.reason:
            self.reject(candidate, finding.reason)
            return
        uri = self._uri(candidate, finding)
        # By the stored content too: a bitmap and a TIFF of the same pixels are one data object.
        first = self._first.get(finding.original) or self._first.get(finding.stored)
        if first is not None:
            kept = self._settings.keep_duplicates and uri not in self._uris
            self._duplicates.append(Duplicate(candidate.name, first.photograph, kept))
            if not kept:
                return
        elif uri in self._uris:  # 48 bits collide only where somebody made them
            raise DataError(f"two different images both ask for the key {uri}", uri=candidate.name)
        self._uris.add(uri)
        photograph = Photograph(
            photograph=candidate.name,
            origin=first.origin if first else finding.original[:16],
            uri=uri,
            width=finding.width,
            height=finding.height,
            size=finding.size,
            sha256=finding.stored,
            original=finding.original,
            note=finding.note,
            where=candidate.where,
            line=candidate.line,
            perceptual_hash=finding.perceptual_hash,
            variant=candidate.variant,
        )
        self._photographs.append(photograph)
        for content in (finding.original, finding.stored):
            self._first.setdefault(content, photograph)
        if len(self._photographs) > self._settings.most:
            raise UsageError(
                f"{self._settings.source} holds more than {self._settings.most:,} photographs "
                f"({self._found:,} files to look at); launch its subfolders one by one"
            )

    def reject(self, candidate: Candidate, reason: str) -> None:
        """Take a candidate that is no use."""
        self._rejected.append(Rejected(candidate.name, reason))

    def _uri(self, candidate: Candidate, finding: Finding) -> str:
        if _fits_in_place(candidate.where, finding):
            return candidate.where
        suffix = {"JPEG": "jpg", "PNG": "png"}[finding.format]
        name = f"{_stem(candidate.name)}-{finding.stored[:12]}.{suffix}"
        return f"{self._settings.images.rstrip('/')}/{name}"

    def plan(self) -> IngestPlan:
        """Return the plan; `DataError` if nothing is left to label."""
        if not self._photographs:
            raise DataError(self._why_nothing(), uri=self._settings.source)
        return IngestPlan(
            settings=self._settings,
            photographs=tuple(self._photographs),
            rejected=tuple(sorted(self._rejected, key=lambda entry: entry.name.encode())),
            duplicates=tuple(self._duplicates),
            skipped=MappingProxyType(dict(sorted(self._skipped.items()))),
            digest=self._digest(),
            source_digest=self._source_digest,
        )

    def _digest(self) -> str:
        digest = sha256(f"{self._source_digest}\n".encode())
        for entry in self._photographs:
            digest.update(json.dumps([entry.photograph, entry.origin, entry.sha256]).encode())
        return digest.hexdigest()

    def _why_nothing(self) -> str:
        if self._rejected:
            first = self._rejected[0]
            return (
                f"none of its {len(self._rejected)} photographs can be used; "
                f"the first, {first.name}: {first.reason}"
            )
        passed = sum(self._skipped.values())
        others = f" among {passed} files" if passed else ""
        return f"there is no photograph{others}; JPEG, PNG, GIF, WEBP, BMP and TIFF are read"


def _fits_in_place(where: str, finding: Finding) -> bool:
    """Tell whether a job can read an original where it is: in S3, unchanged, named as it is."""
    return (
        where.startswith("s3://")
        and finding.stored == finding.original
        and len(where) <= _MAX_URI
        and where.lower().endswith((*SUFFIXES[finding.format],))
        and where.lower().endswith(IMAGE_SUFFIXES)
    )


def _stem(name: str) -> str:
    """Return a file's name without its suffix in letters that are safe everywhere."""
    stem = unicodedata.normalize("NFKD", PurePosixPath(name).stem)
    safe = _UNSAFE.sub("-", stem.encode("ascii", "ignore").decode()).strip("-._")
    return safe[:_MAX_STEM].rstrip("-._") or "photograph"
