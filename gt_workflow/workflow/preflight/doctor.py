"""The preflight: everything that can break a launch on an account, told before it costs anything.

`check` asks and reports; with `fix` it adds the CORS rule that image buckets lack, and that is all
it ever changes. A check that fails hides no other. Codes and cures stand in `core.findings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gt_workflow.core.access.findings import Finding, Severity, finding
from gt_workflow.core.access.touched import Access
from gt_workflow.core.names import LAMBDA_ACCOUNTS
from gt_workflow.errors import ServiceError
from gt_workflow.ports import Account
from gt_workflow.workflow.preflight.checks import account as accounts
from gt_workflow.workflow.preflight.checks import buckets, data, others, role
from gt_workflow.workflow.preflight.checks.asked import Preflight, guarded

__all__ = ["Access", "Finding", "Preflight", "Severity", "check", "errors", "finding", "refuse"]


def check(asked: Preflight, *, account: Account) -> tuple[Finding, ...]:
    """Return what was found, good and bad, in the order of the codes.

    Raises nothing for what AWS answers: that is a finding, too.
    """
    return tuple(sorted(_found(asked, account), key=lambda one: one.code))


def errors(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings for which nothing may be created."""
    return tuple(one for one in found if one.severity == "error")


def refuse(found: Iterable[Finding]) -> None:
    """Raise `ServiceError` with the first error among the findings, naming how many more."""
    wrong = errors(found)
    if wrong:
        first = wrong[0]
        more = f" (and {len(wrong) - 1} more; see `doctor`)" if len(wrong) > 1 else ""
        raise ServiceError(
            f"{first.message}; {first.cure}{more}; nothing was created",
            operation="preflight",
            code=first.code,
        )


def _found(asked: Preflight, account: Account) -> Iterator[Finding]:
    yield from data.requests(asked)
    yield from data.objects(asked)
    yield from accounts.region(asked)
    identity, told = accounts.identify(account)
    yield told
    if identity is None:
        return
    yield from buckets.buckets(asked, account)
    yield from guarded("the execution role", role.role(asked, account, identity))
    yield from others.keys(asked, account)
    if asked.access.region not in LAMBDA_ACCOUNTS:
        return
    admitted = [*guarded("Ground Truth", accounts.admission(asked, account))]
    yield from admitted
    yield from guarded("the work team", others.workteam(asked, account, identity))
    if not errors(admitted):
        for wanted in asked.access.job_names:
            if "*" not in wanted:
                yield from guarded(
                    f"job name {wanted}", others.name(wanted, account, adopts=asked.adopts)
                )
