"""What the ARNs of a CreateLabelingJob request say must agree: task type, region, account, pay.

Sources: `HumanTaskConfig` and `PublicWorkforceTaskPrice` in the API reference (botocore 1.44.5);
developer guide, "Use the Amazon Mechanical Turk Workforce".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from gt_workflow.core.names import (
    FUNCTION_SUFFIX,
    LAMBDA_ACCOUNTS,
    PUBLIC_CROWD_ACCOUNT,
    Workforce,
    account_of,
    function_of,
    kind_of,
    region_of,
    workforce,
)
from gt_workflow.core.problems import Problem, member, short
from gt_workflow.errors import UsageError

# Seconds that a task may wait for workers.
MAX_AVAILABILITY: Final[Mapping[Workforce, int]] = {
    "private": 2_592_000,
    "vendor": 2_592_000,
    "public": 43_200,
}

# Thousandths of a dollar per task (`PublicWorkforceTaskPrice`). Classification tasks, and so
# verification, may also cost 12 or 24.
BOX_PRICES: Final = (36, 48, 60, 72, 120, 240, 360, 480, 600, 720, 840, 960, 1080, 1200)
VERIFICATION_PRICES: Final = (12, 24, *BOX_PRICES)

PII_CLASSIFIER: Final = "FreeOfPersonallyIdentifiableInformation"

PUBLIC_CLOSED: Final = (
    "the public workforce closed on 2026-09-30 with Amazon Mechanical Turk; name a private or "
    "vendor work team, or say that you want it all the same (--public-anyway)"
)

_WORKTEAM: Final = "HumanTaskConfig.WorkteamArn"
_PRE: Final = "HumanTaskConfig.PreHumanTaskLambdaArn"
_ACS: Final = "HumanTaskConfig.AnnotationConsolidationConfig.AnnotationConsolidationLambdaArn"
_PRICE: Final = "HumanTaskConfig.PublicWorkforceTaskPrice"
_AVAILABILITY: Final = "HumanTaskConfig.TaskAvailabilityLifetimeInSeconds"
_CLASSIFIERS: Final = "InputConfig.DataAttributes.ContentClassifiers"


def arn_problems(
    request: Mapping[str, Any], *, region: str | None, account: str | None, public_anyway: bool
) -> Iterator[Problem]:
    """Yield what does not agree; without `region` the PRE function's region is the job's.

    The public work team is refused unless `public_anyway`; then the rules on what it is paid and
    may see are applied.
    """
    yield from _functions(request, region)
    yield from _team(request, region, public_anyway=public_anyway)
    yield from _accounts(request, account)


def price_amount(usd: Decimal) -> dict[str, int]:
    """Write a price per task as `AmountInUsd`; `UsageError` unless it is whole tenths of a cent."""
    thousandths = usd * 1000
    if not usd.is_finite() or thousandths != int(thousandths) or not 0 <= usd < 3:
        raise UsageError(f"{usd} is no price per task; use dollars such as 0.036")
    dollars, rest = divmod(int(thousandths), 1000)
    cents, tenths = divmod(rest, 10)
    return {"Dollars": dollars, "Cents": cents, "TenthFractionsOfACent": tenths}


def _functions(request: Mapping[str, Any], region: str | None) -> Iterator[Problem]:
    if region is not None and region not in LAMBDA_ACCOUNTS:
        yield _no_region(region, "HumanTaskConfig.PreHumanTaskLambdaArn")
        return
    kinds = []
    for stage, field in (("PRE", _PRE), ("ACS", _ACS)):
        arn = member(request, field)
        function = function_of(arn)
        if arn is None:
            yield Problem("missing", field, f"is missing; {_expected(stage, region)}")
        elif function is None or function[2] != stage:
            yield Problem(
                "function",
                field,
                f"{short(arn)} is no built-in box function; {_expected(stage, region)}",
            )
        else:
            where, account, _, kind = function
            kinds.append(kind)
            yield from _function_place(field, where, account, region)
            region = region or where
    if len(set(kinds)) > 1:
        yield Problem(
            "function",
            _ACS,
            f"is for {kinds[1]} tasks but the PRE function for {kinds[0]} tasks; "
            f"use ACS-{FUNCTION_SUFFIX[kinds[0]]}",
        )


def _expected(stage: str, region: str | None) -> str:
    account = LAMBDA_ACCOUNTS.get(region or "", "ACCOUNT")
    return (
        f"use arn:aws:lambda:{region or 'REGION'}:{account}:function:{stage}-"
        f"{'|'.join(FUNCTION_SUFFIX.values())}"
    )


def _no_region(region: str, field: str) -> Problem:
    return Problem(
        "region",
        field,
        f"Ground Truth is not in region {region}; use one of {', '.join(LAMBDA_ACCOUNTS)}",
    )


def _function_place(field: str, where: str, account: str, region: str | None) -> Iterator[Problem]:
    if where not in LAMBDA_ACCOUNTS:
        yield _no_region(where, field)
    elif account != LAMBDA_ACCOUNTS[where]:
        yield Problem(
            "function",
            field,
            f"the functions of {where} are in account {LAMBDA_ACCOUNTS[where]}, not {account}",
        )
    if region is not None and where != region:
        yield Problem("region", field, f"is in {where}, but the job would be in {region}")


def longest_availability(workteam_arn: str) -> int:
    """Return for how many seconds a task may wait for the workers of this team.

    `UsageError` if it is no work team's ARN. For jobs with automated labeling AWS documents no
    other number.
    """
    return MAX_AVAILABILITY[workforce(workteam_arn)]


def _team(
    request: Mapping[str, Any], region: str | None, *, public_anyway: bool
) -> Iterator[Problem]:
    arn = member(request, _WORKTEAM)
    if arn is None:
        yield Problem("missing", _WORKTEAM, "is missing; name the work team that labels")
        return
    try:
        force = workforce(arn if isinstance(arn, str) else "")
    except UsageError:
        yield Problem(
            "workteam",
            _WORKTEAM,
            f"{short(arn)} is no work team; use "
            "arn:aws:sagemaker:REGION:ACCOUNT:workteam/private-crowd/NAME",
        )
        return
    here = region_of(arn)
    job_region = region or region_of(member(request, _PRE))
    if job_region is not None and here != job_region:
        yield Problem("region", _WORKTEAM, f"is in {here}, but the job would be in {job_region}")
    if force == "public" and not public_anyway:
        yield Problem("public", _WORKTEAM, PUBLIC_CLOSED)
        return
    most = MAX_AVAILABILITY[force]
    availability = member(request, _AVAILABILITY)
    if isinstance(availability, int) and availability > most:
        yield Problem(
            "range",
            _AVAILABILITY,
            f"{availability} does not do; a {force} work team's tasks live up to {most} seconds",
        )
    if force == "public":
        yield from _public(request, arn)
    elif member(request, _PRICE) is not None:
        yield Problem("price", _PRICE, f"a {force} work team is not paid per task; leave it out")


def _public(request: Mapping[str, Any], arn: str) -> Iterator[Problem]:
    if account_of(arn) != PUBLIC_CROWD_ACCOUNT:
        yield Problem(
            "workteam", _WORKTEAM, f"the public work team is in account {PUBLIC_CROWD_ACCOUNT}"
        )
    classifiers = member(request, _CLASSIFIERS)
    if not isinstance(classifiers, list | tuple) or PII_CLASSIFIER not in classifiers:
        yield Problem(
            "classifiers",
            _CLASSIFIERS,
            f"the public may only see what shows no personal data; declare {PII_CLASSIFIER} "
            "if that is so",
        )
    allowed = VERIFICATION_PRICES if kind_of(request) == "verify" else BOX_PRICES
    amount = member(request, f"{_PRICE}.AmountInUsd")
    parts = [member(amount, name) or 0 for name in ("Dollars", "Cents", "TenthFractionsOfACent")]
    if not all(isinstance(part, int) for part in parts) or (
        parts[0] * 1000 + parts[1] * 10 + parts[2] not in allowed
    ):
        points = ", ".join(f"{point / 1000:.3f}" for point in allowed)
        yield Problem("price", _PRICE, f"the public is paid per task; offer one of {points} USD")


def _accounts(request: Mapping[str, Any], account: str | None) -> Iterator[Problem]:
    if account is None:
        return
    team = member(request, _WORKTEAM)
    fields = ["RoleArn"]
    if isinstance(team, str) and ":workteam/private-crowd/" in team:
        fields.append(_WORKTEAM)
    for field in fields:
        owner = account_of(member(request, field))
        if owner is not None and owner != account:
            yield Problem(
                "account", field, f"belongs to account {owner}; use one of account {account}"
            )
