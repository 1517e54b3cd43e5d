"""How findings of a preflight are written: one line each, and one with the cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gt_workflow.core.access.findings import Finding


def lines(found: Iterable[Finding]) -> Iterator[str]:
    """Yield the lines, without their ends."""
    for one in found:
        yield f"{one.code} {one.severity:<7}  {one.message}"
        if one.cure:
            yield f"{'':15}cure: {one.cure}"
