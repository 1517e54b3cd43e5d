"""What a preflight is asked about, and how an answer that failed becomes a finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gt_workflow.core.access.findings import Finding, finding
from gt_workflow.core.access.touched import Access
from gt_workflow.core.problems import Problem
from gt_workflow.errors import ServiceError

DENIED: Final = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"),
        *("403", "Forbidden", "NotAuthorized", "UnauthorizedAccess"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """A launch that is to be checked before anything of it is made.

    `access` is what it touches: region, role (ARN or name), work team, prefixes, keys, names.
    `images` are addresses of photographs, or folders of them; the worker page reads them.
    `requests` are the CreateLabelingJob requests, `objects` the number of data objects of each
    job, in the same order; `problems` is what is wrong with manifest lines and images, their
    `field` the place. `left_out` are photographs that will not be labelled, with the reason.
    With `adopts`, jobs that have the very names are the launch's own, from an earlier run. With
    `fix`, what image buckets lack is added.
    """

    access: Access
    images: tuple[str, ...] = ()
    requests: tuple[Mapping[str, Any], ...] = ()
    objects: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()
    left_out: tuple[Problem, ...] = ()
    audited: str | None = None
    public_anyway: bool = False
    adopts: bool = False
    fix: bool = False


def guarded(what: str, probe: Iterable[Finding]) -> Iterator[Finding]:
    """Yield what a probe finds; its failure is one finding more, and hides no other probe."""
    try:
        yield from probe
    except ServiceError as error:
        yield trouble(what, error)


def trouble(what: str, error: ServiceError) -> Finding:
    """Tell why something could not be checked: that it is not allowed is no fault of the set-up."""
    if error.code in DENIED:
        return finding("GT802", f"{what} may not be looked at: {error}")
    return finding("GT801", f"{what} could not be checked: {error}")
