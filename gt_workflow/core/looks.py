"""Near-duplicates among the lines of a manifest, read without their labels.

A line tells what its image looks like in `perceptual-hash`; one without is nobody's duplicate, and
a line that cannot be read is passed over, as `core.manifest` says what is wrong with it. A variant
tells what its photograph looks like, and speaks for its origin if no photograph does.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from gt_workflow.core.label_schema import LOOK, VARIANT
from gt_workflow.core.near_duplicates import OFF, Alike, Looks, look_in
from gt_workflow.core.split import NONE_ALIKE, digest


class _Line(
    Struct, gc=False, rename={"source_ref": "source-ref", "look": LOOK, "variant": VARIANT}
):
    source_ref: str
    origin: str | UnsetType = UNSET
    look: Raw = field(default_factory=Raw)
    variant: Raw = field(default_factory=Raw)


_line = msgspec.json.Decoder(_Line).decode
_NAME = f'"{LOOK}"'.encode()


def alike_in(lines: Iterable[bytes], *, salt: str, distance: int) -> Alike:
    """Return the near-duplicates among a manifest's photographs; 16 bytes a line while it reads.

    `distance` is as for `Looks.alike`; at `OFF` nothing is read.
    """
    if distance == OFF:
        return NONE_ALIKE
    looks, of_variants = Looks(), Looks()
    last = None
    for raw in lines:
        if _NAME not in raw:
            continue
        try:
            found = _line(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        look = look_in(found.look)
        if look is None:
            continue
        origin = found.origin or found.source_ref
        if not bytes(found.variant):
            looks.add(digest(origin, salt=salt), look)
        elif origin != last:  # else it is behind its photograph, or behind another of its variants
            of_variants.add(digest(origin, salt=salt), look)
        last = origin
    looks.add_missing(of_variants)
    return looks.alike(distance=distance)
