"""Where a detector's answers come from: an endpoint that is asked, or a batch transform's output.

A batch transform writes `PREFIX/KEY.out` for the image `INPUT/KEY`; how much of an address is
`INPUT` does not stand in the output and is found out from the first image that has an answer.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from gt_workflow.errors import ObjectNotFoundError, ServiceError, TransientError
from gt_workflow.ports import Detector, Images, Storage

# What an endpoint says of one image that it cannot read; anything else is the endpoint's trouble.
_REFUSALS = frozenset({"ModelError", "ValidationError", "ValidationException"})


class MissingAnswerError(Exception):
    """There is no answer to one image; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came: its bytes, its address for errors, the image's size in pixels."""

    data: bytes
    uri: str
    width: int
    height: int


class Answers(Protocol):
    """Finds the answer to an image; may be called from several threads."""

    def find(self, source_ref: str) -> Answer:
        """Return it; raises `MissingAnswerError` if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """Answers of a detector that is sent the images one by one."""

    detector: Detector
    name: str
    storage: Storage
    images: Images
    size: tuple[int, int] | None = None

    def find(self, source_ref: str) -> Answer:
        """Send the image; `DataError` if it is none, `StorageError` if it cannot be read."""
        with self.storage.open(source_ref) as file:
            image = file.read()
        width, height = self.size or self.images.read_size(io.BytesIO(image))
        try:
            data = self.detector.detect(image)
        except TransientError:
            raise
        except ServiceError as error:
            if error.code in _REFUSALS and "not found" not in error.reason:
                raise MissingAnswerError(str(error)) from error
            raise
        return Answer(data, f"{self.name}({source_ref})", width, height)


@dataclass(frozen=True, slots=True)
class Transformed:
    """Answers that a batch transform wrote under `prefix` for images whose keys begin with `cut`.

    `cut` is None as long as it is not known. Sizes are read from the images' headers, unless all
    have the `size` given.
    """

    prefix: str
    cut: str | None
    storage: Storage
    images: Images
    size: tuple[int, int] | None = None

    def find(self, source_ref: str) -> Answer:
        """Read the image's answer, and its size."""
        key = key_of(source_ref)
        if self.cut is None or not key.startswith(self.cut):
            raise MissingAnswerError(f"there is no answer under {self.prefix}")
        uri = _output(self.prefix, key.removeprefix(self.cut))
        try:
            with self.storage.open(uri) as file:
                data = file.read()
        except ObjectNotFoundError:
            raise MissingAnswerError(f"there is no {uri}") from None
        if self.size is not None:
            return Answer(data, uri, *self.size)
        with self.storage.open(source_ref) as file:
            return Answer(data, uri, *self.images.read_size(file))


def find_cut(prefix: str, source_refs: Iterable[str], *, storage: Storage) -> str | None:
    """Find what the images' keys have more than their answers' names; None if none has an answer.

    The longest name is tried first, so that `a/1.jpg` is not taken for `b/1.jpg`.
    """
    for source_ref in source_refs:
        key = key_of(source_ref)
        start = 0
        while True:
            if storage.exists(_output(prefix, key[start:])):
                return key[:start]
            start = key.find("/", start) + 1
            if not start:
                break
    return None


def key_of(source_ref: str) -> str:
    """Return an address without its bucket; of a file, without its leading slash."""
    if source_ref.startswith("s3://"):
        return source_ref.removeprefix("s3://").partition("/")[2]
    return source_ref.lstrip("/")


def _output(prefix: str, name: str) -> str:
    return f"{prefix.rstrip('/')}/{name}.out"
