"""What a job must know of an image before a worker sees it: that it is there, and how big it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import msgspec

from gt_workflow.core.objects import check_image
from gt_workflow.errors import GtWorkflowError, ObjectNotFoundError, StorageError
from gt_workflow.ports import Storage


class UnusableImageError(Exception):
    """No worker can be shown this image, now or later; the text is the object's failure."""


class _Line(msgspec.Struct):
    source_ref: str = msgspec.field(name="source-ref")


_line = msgspec.json.Decoder(_Line).decode


def source_ref(line: bytes) -> str:
    """Return the URI of the image that a manifest line is about."""
    return _line(line).source_ref


def measure(
    line: bytes, *, storage: Storage, read_size: Callable[[BinaryIO], tuple[int, int]]
) -> tuple[int, int]:
    """Return width and height of the stored raster, in pixels.

    Raises `UnusableImageError` for an image that is missing, unreadable or above Ground Truth's
    limits, and `StorageError` where trying again later may help.
    """
    uri = source_ref(line)
    try:
        with storage.open(uri) as file:
            size = file.seek(0, 2)
            file.seek(0)
            width, height = read_size(file)
    except ObjectNotFoundError as error:
        raise UnusableImageError(f"ClientError: The image is missing: {error}") from error
    except StorageError:
        raise
    except (GtWorkflowError, ValueError, OSError) as error:
        # What the system numbers is its own trouble (a share that is gone, a disk that fails);
        # what decoders raise has no number.
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError(f"it cannot be read: {error.strerror}", uri=uri) from error
        raise UnusableImageError(
            f"ClientError: {uri} cannot be read as an image: {error}"
        ) from error
    for problem in check_image(size=size, width=width, height=height):
        raise UnusableImageError(f"ClientError: {uri}: the image {problem.message}")
    return width, height
