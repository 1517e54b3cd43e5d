"""What the portal's endpoints share: bodies in, JSON out, and a status for every refusal.

`HANDLERS` is the one place where a refusal gets its HTTP status. At most `BODY_LIMIT` bytes are
read of a request.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gt_workflow.errors import GtWorkflowError
from gt_workflow.service.faults import Fault, invalid

BODY_LIMIT: Final = 1_000_000  # bytes; 300 boxes are about 25,000
_NO_STORE: Final = {"Cache-Control": "no-store"}
_STATUS: Final = {
    "ValidationException": 422,
    "AccessDeniedException": 403,
    "ResourceNotFound": 404,
    "ConflictException": 409,
    "ResourceInUse": 409,
    "ResourceLimitExceeded": 429,
}

_log = logging.getLogger(__name__)


async def json_body(request: Request, *, limit: int = BODY_LIMIT) -> Any:
    """Read a POST's body: JSON within the limit, or {} if there is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Not only tidy: other sites cannot send this type without asking first.
    if kind != "application/json":
        raise HTTPException(415, "The Content-Type must be application/json.")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    if not body:
        return {}
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"The body is not JSON: {error}.") from None


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The body is larger than {limit:,} bytes.")


def text(body: Any, field: str, *, limit: int) -> str | None:
    """Return a member of a body that is text, or None if it is not there; else a `Fault`."""
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > limit:
        raise invalid(f"{field}: a text of at most {limit} characters is expected.")
    return value


def answer(content: dict[str, Any], *, status: int = 200, **headers: str) -> Response:
    """Answer with JSON that nobody keeps."""
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type="application/json",
        headers={**_NO_STORE, **headers},
    )


def _refusal(status: int, code: str, message: str) -> Response:
    return answer({"error": {"code": code, "message": message}}, status=status)


async def _answer_fault(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Fault)  # noqa: S101 - registered for this type alone
    return _refusal(_STATUS.get(error.code, error.status), error.code, error.message)


async def _answer_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    answer = _refusal(error.status_code, f"Http{error.status_code}", error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def _answer_failure(_request: Request, error: Exception) -> Response:
    # What failed is inside the house: told to its owner, not to the worker.
    _log.error("a worker's request failed: %s", error)
    return _refusal(503, "Unavailable", "The service cannot do this just now; try again later.")


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)


HANDLERS: Final[dict[Any, Any]] = {
    HTTPException: _answer_http,
    Fault: _answer_fault,
    GtWorkflowError: _answer_failure,
    ClientDisconnect: _answer_nobody,
}
