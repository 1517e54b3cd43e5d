"""One photograph at a time: read it, look inside, store it. Runs in the engine's processes.

What a file is, its content decides. Its name decides only whether somebody will miss it: a broken
`holiday.jpg` is rejected with its reason, a broken `notes.txt` is no photograph and skipped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from gt_workflow.core.label_schema import LOOK
from gt_workflow.core.objects import MAX_IMAGE_BYTES
from gt_workflow.errors import DataError, ObjectNotFoundError, StorageError
from gt_workflow.object_store import RefusedError
from gt_workflow.ports import Folders, Images, Storage
from gt_workflow.workflow.sources import Candidate

NO_IMAGE: Final = "no image"
UNREADABLE: Final = "unreadable, no photograph by its name"

SUFFIXES: Final = {
    "JPEG": frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    "PNG": frozenset({".png"}),
    "GIF": frozenset({".gif"}),
    "WEBP": frozenset({".webp"}),
    "BMP": frozenset({".bmp", ".dib"}),
    "TIFF": frozenset({".tif", ".tiff"}),
}
_RAW: Final = frozenset(
    f".{name}"
    for name in (
        *("3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "kdc", "mrw", "nef", "nrw"),
        *("orf", "pef", "raf", "raw", "rw2", "sr2", "srf", "srw", "x3f"),
    )
)
_FOREIGN: Final = frozenset({".avif", ".heic", ".heif", ".hif", ".jp2", ".jxl", ".psd"})
_KNOWN: Final = frozenset().union(*SUFFIXES.values(), _RAW, _FOREIGN)

_HEAD: Final = 64  # bytes that are enough to tell a format
_BITMAP_HEADERS: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"}
)
_MAGIC: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What looking inside told: fit for use, or rejected (`reason`), or no photograph (`skip`).

    `original` and `stored` are SHA-256 (hexadecimal) of the bytes as found and as to be stored;
    `format` ("JPEG" or "PNG"), `width`, `height`, `size` (bytes) and `perceptual_hash` (16
    hexadecimal digits, or "" for none) are of what is to be stored.
    """

    original: str = ""
    stored: str = ""
    format: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    note: str = ""
    reason: str = ""
    skip: str = ""
    perceptual_hash: str = ""


@dataclass(frozen=True, slots=True)
class Photograph:
    """One data object to be: a photograph that passed, and what is stored of it.

    `photograph` is its owner's name for it, `origin` the first 16 hexadecimal digits of the
    SHA-256 of its original bytes (of the first of several alike), `uri` its place in S3. `width`,
    `height` in pixels, `size` in bytes, `sha256` and `perceptual_hash` are of what is stored,
    `original` is the SHA-256 of what its owner has; `note` tells how the two differ. `where` is
    the original (a path or URI), `line` its line in the source manifest (0: none); a `variant` was
    made from another photograph, as that line says.
    """

    photograph: str
    origin: str
    uri: str
    width: int
    height: int
    size: int
    sha256: str
    original: str
    note: str
    where: str
    line: int = 0
    perceptual_hash: str = ""
    variant: bool = False

    @property
    def names(self) -> dict[str, str]:
        """The members of its line beside the image's address; one that looks flat has no hash."""
        found = {"origin": self.origin, "photograph": self.photograph}
        return found | ({LOOK: self.perceptual_hash} if self.perceptual_hash else {})

    @property
    def converted(self) -> bool:
        """Whether other bytes are stored than its owner has."""
        return self.sha256 != self.original

    @property
    def in_place(self) -> bool:
        """Whether the original is already where jobs can read it, and needs no copy."""
        return self.uri == self.where


@dataclass(frozen=True, slots=True)
class Examine:
    """Reads a candidate and looks inside."""

    storage: Storage
    folders: Folders
    images: Images

    def __call__(self, candidate: Candidate) -> Finding:
        """Tell what a candidate is; raises `StorageError` only if the S3 storage itself fails."""
        missed = looks_like_photograph(candidate.name) or candidate.line > 0
        try:
            # Films and archives may lie about; their first bytes are enough.
            if not missed and sniff(self._read(candidate.where, _HEAD)) is None:
                return Finding(skip=NO_IMAGE)
            known_big = candidate.size is not None and candidate.size > MAX_IMAGE_BYTES
            limit = _HEAD if known_big else MAX_IMAGE_BYTES + 1
            data = self._read(candidate.where, limit)
        except _UnreadableError as error:
            return Finding(reason=str(error)) if missed else Finding(skip=UNREADABLE)
        if unsupported := _unsupported(sniff(data), _suffix(candidate.name)):
            return Finding(reason=unsupported)
        if len(data) == limit:
            return Finding(
                reason=f"it has more than the {MAX_IMAGE_BYTES / 1e6:g} MB that a labeling job "
                "takes; save it smaller"
            )
        return self._inspect(candidate, data)

    def _read(self, where: str, limit: int) -> bytes:
        return _read(where, limit, storage=self.storage, folders=self.folders)

    def _inspect(self, candidate: Candidate, data: bytes) -> Finding:
        inspection = self.images.inspect(data)
        if inspection.reason:
            return Finding(reason=inspection.reason)
        note = inspection.note
        if not note and _suffix(candidate.name) not in SUFFIXES[inspection.format]:
            note = f"its content is {inspection.format}, its name is not"
        original = _digest(data)
        kept = inspection.stored is data
        return Finding(
            original=original,
            stored=original if kept else _digest(inspection.stored),
            format=inspection.format,
            width=inspection.width,
            height=inspection.height,
            size=len(inspection.stored),
            note=note,
            perceptual_hash=inspection.perceptual_hash,
        )


@dataclass(frozen=True, slots=True)
class Store:
    """Writes a photograph to its place in S3, converted again if it has to be."""

    storage: Storage
    folders: Folders
    images: Images

    def __call__(self, photograph: Photograph) -> None:
        """Store it; `DataError` if it is not what was planned, `StorageError` as the storage."""
        try:
            data = _read(
                photograph.where, MAX_IMAGE_BYTES + 1, storage=self.storage, folders=self.folders
            )
        except _UnreadableError as error:
            raise DataError(str(error), uri=photograph.photograph) from error
        if photograph.converted and _digest(data) == photograph.original:
            data = self.images.inspect(data).stored
        if _digest(data) != photograph.sha256:
            raise DataError("it changed after it was checked", uri=photograph.photograph)
        with self.storage.create(photograph.uri) as file:
            file.write(data)


def looks_like_photograph(name: str) -> bool:
    """Tell from a file's name whether its owner takes it for a photograph."""
    return _suffix(name) in _KNOWN


def sniff(head: bytes) -> str | None:
    """Tell an image's format from its first 32 bytes; None if it is none."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return "BMP"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return "HEIF or AVIF"
    return None


class _UnreadableError(Exception):
    """The photograph's bytes cannot be had; the text says why."""


def _read(where: str, limit: int, *, storage: Storage, folders: Folders) -> bytes:
    """Return the first `limit` bytes; what fails for this one file is `_UnreadableError`."""
    if not where.startswith("s3://"):
        try:
            return folders.read(where, limit=limit)
        except StorageError as error:
            raise _UnreadableError(error.reason) from error
    try:
        with storage.open(where) as file:
            pieces: list[bytes] = []
            while limit and (piece := file.read(limit)):
                pieces.append(piece)
                limit -= len(piece)
    except (ObjectNotFoundError, RefusedError) as error:
        raise _UnreadableError(error.reason) from error
    return b"".join(pieces)


def _unsupported(kind: str | None, suffix: str) -> str | None:
    if kind is not None and kind not in SUFFIXES:
        return f"{kind} is not read; save it as JPEG"
    if suffix in _RAW and kind in {None, "TIFF"}:
        return "it is a camera's raw file; develop it to JPEG"
    if suffix in _FOREIGN and kind is None:
        return f"{suffix[1:].upper()} is not read; save it as JPEG"
    return None


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
