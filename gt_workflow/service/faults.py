"""What the service refuses, in AWS's own words: an error code, a sentence, an HTTP status."""

from __future__ import annotations

from gt_workflow.errors import GtWorkflowError


class Fault(GtWorkflowError):  # noqa: N818 - "fault" is the service-side word of AWS SDKs
    """A refusal that is the caller's to mend; `code` is what boto3 shows as the error code."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        """Faults are never retryable: `status` is 4xx."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> Fault:
    """Refuse parameters that break a documented rule."""
    return Fault("ValidationException", message)


def in_use(message: str) -> Fault:
    """Refuse a name that is taken."""
    return Fault("ResourceInUse", message)


def not_found(message: str) -> Fault:
    """Refuse to act on what does not exist."""
    return Fault("ResourceNotFound", message)


def limit_exceeded(message: str) -> Fault:
    """Refuse what would pass a quota."""
    return Fault("ResourceLimitExceeded", message)


def forbidden(message: str) -> Fault:
    """Refuse a worker what is another's."""
    return Fault("AccessDeniedException", message, status=403)


def conflict(message: str) -> Fault:
    """Refuse to act on a task that is no longer the worker's (expired, submitted, stopped)."""
    return Fault("ConflictException", message, status=409)
