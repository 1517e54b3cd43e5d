"""The request, the manifest and the images against Ground Truth's limits; nobody is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gt_workflow.core import limits
from gt_workflow.core.access.findings import Finding, finding
from gt_workflow.core.problems import Problem
from gt_workflow.workflow.preflight.checks.asked import Preflight

_TOLD: Final = 20  # of problems of one kind; more would hide everything else
# Looked at in the account, where more can be said of them.
_ELSEWHERE: Final = frozenset({"HumanTaskConfig.WorkteamArn", "RoleArn"})


def requests(asked: Preflight) -> Iterator[Finding]:
    """Hold every request to the limits; jobs of one launch mostly share their faults."""
    told: set[Problem] = set()
    for request in asked.requests:
        problems = limits.check_labeling_request(
            request, region=asked.access.region, audited=asked.audited, public_anyway=True
        )
        for code, found in (("GT701", problems), ("GT702", limits.warn_labeling_request(request))):
            for problem in found:
                if problem not in told and problem.field not in _ELSEWHERE:
                    told.add(problem)
                    yield finding(code, str(problem), field=problem.field)
    if asked.requests and not told:
        yield finding("GT700", "the request is within Ground Truth's limits")


def objects(asked: Preflight) -> Iterator[Finding]:
    """Tell what is wrong with the number of data objects, with lines and with images."""
    automated = asked.access.auto_label
    faults = 0
    for count in asked.objects:
        for problem in limits.check_object_count(count, automated=automated):
            faults += 1
            yield finding("GT712", f"the {problem}")
        for problem in limits.warn_object_count(count, automated=automated):
            yield finding("GT713", f"the {problem}")
    yield from _listed("GT711", asked.problems)
    yield from _listed("GT714", asked.left_out)
    if asked.objects and not faults and not asked.problems:
        yield finding("GT710", f"{sum(asked.objects):,} data objects are within the limits")


def _listed(code: str, problems: Sequence[Problem]) -> Iterator[Finding]:
    for problem in problems[:_TOLD]:
        yield finding(code, str(problem), place=problem.field)
    if len(problems) > _TOLD:
        more = f"and {len(problems) - _TOLD:,} more like these"
        yield finding(code, more, place="them")
