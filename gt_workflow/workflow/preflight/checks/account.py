"""Whose credentials, and whether the account and the region have Ground Truth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from gt_workflow.core.access.findings import RULES, Finding, finding
from gt_workflow.core.names import LAMBDA_ACCOUNTS
from gt_workflow.errors import GtWorkflowError, ServiceError, UsageError
from gt_workflow.ports import Account, Identity
from gt_workflow.workflow.preflight.checks.asked import DENIED, Preflight

# AWS's codes, and botocore's exceptions for what never reached AWS.
_CREDENTIALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "NoCredentialsError": "GT101",
        "PartialCredentialsError": "GT101",
        "CredentialRetrievalError": "GT101",
        "MissingAuthenticationToken": "GT101",
        "ExpiredToken": "GT102",
        "ExpiredTokenException": "GT102",
        "RequestExpired": "GT102",
        "TokenRefreshRequired": "GT102",
        "TokenRetrievalError": "GT102",
        "SSOTokenLoadError": "GT102",
        "UnauthorizedSSOTokenError": "GT102",
        "InvalidClientTokenId": "GT103",
        "InvalidAccessKeyId": "GT103",
        "InvalidToken": "GT103",
        "UnrecognizedClientException": "GT103",
        "SignatureDoesNotMatch": "GT103",
        "IncompleteSignature": "GT103",
        "AuthFailure": "GT103",
        "ProfileNotFound": "GT104",
        "NoRegionError": "GT104",
        "InvalidRegionError": "GT104",
        "ConfigParseError": "GT104",
        "EndpointConnectionError": "GT105",
        "ConnectTimeoutError": "GT105",
        "ReadTimeoutError": "GT105",
        "ConnectionClosedError": "GT105",
        "ProxyConnectionError": "GT105",
        "SSLError": "GT105",
        "RequestTimeTooSkewed": "GT106",
        "RequestInTheFuture": "GT106",
    }
)
_CLOCK: Final = re.compile(r"signature (expired|not yet current)", re.IGNORECASE)
# IAM's own sentence; a refusal of the whole service reads otherwise.
_POLICY: Final = re.compile(r"not authorized to perform", re.IGNORECASE)
_CLOSED_CODES: Final = frozenset({"OptInRequired", "SubscriptionRequiredException"})
_CLOSED: Final = re.compile(
    r"new customers|existing customers|no longer (open|available|offered|accepting)"
    r"|not available (to|for|in) (new|this|your)|needs? a subscription|not (yet )?subscribed"
    r"|account is not (enabled|allowed|eligible)",
    re.IGNORECASE,
)


def identify(account: Account) -> tuple[Identity | None, Finding]:
    """Ask whose credentials these are; without them nothing else can be asked."""
    try:
        found = account.identity()
    except UsageError as error:
        return None, finding("GT104", str(error))
    except ServiceError as error:
        code = "GT106" if _CLOCK.search(error.reason) else _CREDENTIALS.get(error.code)
        told = f"{RULES[code].meaning} [{error.code}]" if code else str(error)
        return None, finding(code or "GT801", f"{told}; nothing in the account could be checked")
    except GtWorkflowError as error:
        return None, finding("GT801", str(error))
    return found, finding("GT100", f"credentials of account {found.account}: {found.arn}")


def region(asked: Preflight) -> Iterator[Finding]:
    """Yield a finding if the region has no Ground Truth."""
    if asked.access.region not in LAMBDA_ACCOUNTS:
        yield finding(
            "GT111",
            f"Ground Truth is not in region {asked.access.region or '(none)'}",
            regions=", ".join(LAMBDA_ACCOUNTS),
        )


def admission(asked: Preflight, account: Account) -> Iterator[Finding]:
    """Try the cheapest call of the labeling API."""
    try:
        account.try_labeling()
    except ServiceError as error:
        if _is_closed(error):
            yield finding(
                "GT112",
                "this account is not admitted to Ground Truth, which is closed to new customers "
                f"since 2026-07-30: {error}",
            )
            return
        if error.code not in DENIED:
            raise
        yield finding("GT113", f"you may not use Ground Truth's API: {error}")
        return
    yield finding("GT110", f"the account is admitted to Ground Truth in {asked.access.region}")


def _is_closed(error: ServiceError) -> bool:
    """Tell a refusal of the service itself from one by IAM; AWS documents no code for it."""
    if error.code in _CLOSED_CODES or _CLOSED.search(error.reason):
        return True
    return error.code in DENIED and not _POLICY.search(error.reason)
