"""The workers' task API over HTTP: what a script, a simulated worker or a test uses.

One client is one worker; it may be used from several threads. A refusal is a `ServiceError` (404:
`NotFoundError`) whose `code` is the service's. A request that never reached the service, or whose
answer was lost, is `Unreachable`: it may be sent again, since the same answer to the same task
counts once, and what else the API does counts nothing.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urljoin

import urllib3

from gt_workflow.errors import NotFoundError, ServiceError

_TIMEOUT = urllib3.Timeout(connect=10.0, read=60.0)
# Once more, at once, for a kept connection that the service had just closed; waiting is the
# caller's, who has a clock. A POST that may have arrived is not sent again behind their back.
_RETRIES = urllib3.Retry(
    total=None, connect=1, read=1, status=0, other=0, allowed_methods=frozenset({"GET"})
)


class UnreachableError(ServiceError):
    """Nobody answered."""


class TaskClient:
    """One worker's view of the service."""

    def __init__(
        self, address: str, token: str, *, pool: urllib3.PoolManager | None = None
    ) -> None:
        """`address` is the service's, e.g. `http://127.0.0.1:8080`; `token` the worker's."""
        self._base = address.rstrip("/") + "/_/"
        self._pool = pool or urllib3.PoolManager(timeout=_TIMEOUT, retries=_RETRIES)
        self._headers = {"Authorization": f"Bearer {token}"}

    def me(self) -> dict[str, Any]:
        """Return id, name and teams of the worker."""
        return self._call("me", "GET", "me")

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs that the worker can work on."""
        offers: list[dict[str, Any]] = self._call("jobs", "GET", "jobs")["jobs"]
        return offers

    def held(self) -> list[dict[str, Any]]:
        """Return the tasks that the worker has accepted and not ended."""
        tasks: list[dict[str, Any]] = self._call("tasks", "GET", "tasks")["tasks"]
        return tasks

    def accept(self, job_arn: str | None = None) -> dict[str, Any] | None:
        """Take the next task, of one job if it is named; None if there is none now."""
        body = {} if job_arn is None else {"job_arn": job_arn}
        task: dict[str, Any] | None = self._call("accept", "POST", "tasks/accept", body)["task"]
        return task

    def task(self, task_id: str) -> dict[str, Any]:
        """Return one held task, with a fresh image link."""
        task: dict[str, Any] = self._call("task", "GET", f"tasks/{_segment(task_id)}")["task"]
        return task

    def submit(
        self, task_id: str, answer: dict[str, Any], *, then: str | None = None
    ) -> dict[str, Any] | None:
        """Answer a task; it is stored when this returns.

        With `then` (a job's ARN, or `any`) the next task is accepted in the same request and
        returned; None if there is none.
        """
        query = "" if then is None else f"?then={quote(then, safe='')}"
        told = self._call("submit", "POST", f"tasks/{_segment(task_id)}/submit{query}", answer)
        following: dict[str, Any] | None = told.get("task")
        return following

    def give_back(self, task_id: str) -> None:
        """Return a task unanswered."""
        self._call("return", "POST", f"tasks/{_segment(task_id)}/return", {})

    def decline(self, task_id: str, reason: str) -> None:
        """Refuse a task for good, with a reason."""
        self._call("decline", "POST", f"tasks/{_segment(task_id)}/decline", {"reason": reason})

    def image(self, task: dict[str, Any]) -> bytes:
        """Return the bytes of a task's image, through its signed link."""
        url = urljoin(self._base, task["image"]["url"])
        return self._request("image", "GET", url).data

    def close(self) -> None:
        """Close the connections; the client may be used again."""
        self._pool.clear()

    def _call(self, operation: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers, content = self._headers, None
        if method == "POST":
            headers = {**headers, "Content-Type": "application/json"}
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        response = self._request(
            operation, method, f"{self._base}api/{path}", headers=headers, body=content
        )
        try:
            answer: dict[str, Any] = json.loads(response.data)
        except ValueError:
            raise ServiceError(
                "the answer is no JSON; is this the address of the service?",
                operation=operation,
                code="NoTaskApi",
            ) from None
        return answer

    def _request(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool.request(method, url, headers=headers, body=body, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"the service at {self._base} does not answer: {_reason(error)}",
                operation=operation,
                code="Unreachable",
            ) from error
        if response.status != 200:
            raise _refusal(response, operation)
        return response


def _refusal(response: urllib3.BaseHTTPResponse, operation: str) -> ServiceError:
    try:
        told = json.loads(response.data)["error"]
        code, message = str(told["code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        code, message = f"Http{response.status}", f"the service answered {response.status}"
    kind = NotFoundError if response.status == 404 else ServiceError
    return kind(message, operation=operation, code=code)


def _segment(task_id: str) -> str:
    return quote(task_id, safe="")


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    # The reasons of urllib3 wrap each other; the innermost one says what happened.
    inner: BaseException = error
    while isinstance(reason := getattr(inner, "reason", None), BaseException):
        inner = reason
    return type(inner).__name__
