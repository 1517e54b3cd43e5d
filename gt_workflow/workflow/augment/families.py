"""A photograph and its variants, read back from what a run wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from gt_workflow.core.label_schema import VARIANT
from gt_workflow.workflow.augment.settings import AugmentReceipt


def families(lines: Iterable[bytes], receipt: AugmentReceipt) -> Iterator[list[dict[str, Any]]]:
    """Yield a run's variants photograph by photograph, before them the photograph if it is listed.

    Lines that nobody can read, and photographs without variants, are passed over.
    """
    images = f"{receipt.manifest.rpartition('/')[0]}/images/"
    listed: list[dict[str, Any]] = []
    variants: list[dict[str, Any]] = []
    for raw in lines:
        line = _read(raw)
        made = VARIANT in line and str(line.get("source-ref")).startswith(images)
        of = line[VARIANT]["of"] if made else None
        if variants and of != variants[0][VARIANT]["of"]:
            yield listed + variants
            listed, variants = [], []
        if made:
            variants.append(line)
            listed = [one for one in listed if one["source-ref"] == of]
        else:
            listed = [line] if "source-ref" in line else []
    if variants:
        yield listed + variants


def _read(raw: bytes) -> dict[str, Any]:
    try:
        line = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return line if isinstance(line, dict) else {}
