"""Every other AWS call of a labeling script, answered by moto: STS, IAM, SNS, training jobs ...

moto is imported at the first such call (0.6 s), runs in this process, needs neither network nor
credentials, and keeps what it is told in memory: a restart forgets it. Its S3 and its control
interface (`/moto-api/`) are closed: S3 is ours, on disk. Whatever moto cannot do is refused with an
AWS error that no SDK tries again. (moto itself opens connections only where a caller asks it to,
as with an SNS subscription of an http address.)
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from a2wsgi import WSGIMiddleware
from anyio.to_thread import run_sync
from starlette.types import Receive, Scope, Send

from gt_workflow.service import wire
from gt_workflow.service.faults import Fault

_log = logging.getLogger(__name__)
# moto's own S3 in all its forms, and what is no AWS service at all.
_CLOSED = frozenset(
    {*("s3", "s3control", "s3bucket_path", "moto_api", "moto_proxy"), "instance_metadata"}
)
_CLOSED_PATHS = ("/moto-api", "/latest/meta-data", "/latest/api", "/favicon.ico")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class Fallback:
    """An ASGI application over moto; the request's credential scope names the service."""

    def __init__(self, *, new_id: Callable[[], str]) -> None:
        """`new_id` returns a fresh request id; nothing is imported yet."""
        self._new_id = new_id
        self._lock = threading.Lock()
        self._app: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._app is None:
            await run_sync(self._load)
        await self._app(scope, receive, send)

    def _load(self) -> None:
        """Import moto, once; calls that come meanwhile wait."""
        with self._lock:
            if self._app is None:
                self._app = WSGIMiddleware(_Guard(_dispatcher(), self._new_id))


class _Guard:
    """WSGI around moto: everything that goes wrong in there becomes an AWS error."""

    def __init__(self, app: Wsgi, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        scope = environ["asgi.scope"]
        # Not what a2wsgi gives: standard output is for data, and moto wants the path undecoded.
        environ["wsgi.errors"] = sys.stderr
        environ["RAW_URI"] = scope.get("raw_path", b"").decode("latin-1")
        # Imported here, as moto is: starting the service must not wait for botocore.
        from botocore.model import OperationNotFoundError

        try:
            status, headers, body = self._moto(environ)
        except _UnknownServiceError as problem:
            fault = Fault("UnknownOperationException", f"There is no service {problem} here.")
        except NotImplementedError as problem:
            reason = str(problem) or "the operation is not implemented"
            fault = _unknown_operation(environ, reason)
        except OperationNotFoundError:
            fault = _unknown_operation(environ, "AWS has no such operation")
        except ImportError as problem:  # some services of moto need more than moto brings
            reason = f"install the Python package {problem.name} for it"
            fault = _unknown_operation(environ, reason)
        except Exception as problem:  # noqa: BLE001 - logged, and told to the caller, whatever it is
            # A defect of moto would come again at each retry, so it must not look retryable.
            _log.exception("moto failed on a call of %s", _service(environ))
            fault = Fault("InternalFailure", f"{type(problem).__name__}: {problem}")
        else:
            kind = dict(headers).get("Content-Type", "")
            if not (kind.startswith("text/html") and int(status[:3]) >= 400):
                start_response(status, headers)
                return [body]
            fault = _unknown_operation(environ, f"{environ['REQUEST_METHOD']} is not routed")
        reply = _reply(environ, fault, self._new_id())
        start_response(
            f"{reply.status} Bad Request",
            [*reply.headers.items(), ("Content-Length", str(len(reply.body)))],
        )
        return [reply.body]

    def _moto(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        """Let moto answer, whole, before anything is sent."""
        if environ["PATH_INFO"].startswith(_CLOSED_PATHS):
            raise _UnknownServiceError(environ["PATH_INFO"])
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], _info: object = None) -> object:
            started.append((status, headers))
            return None

        chunks = self._app(environ, start)
        try:
            body = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        status, headers = started[-1]
        # moto lets pages of any origin read its answers; ours are for programs.
        kept = [pair for pair in headers if not pair[0].lower().startswith("access-control-")]
        return status, kept, body


class _UnknownServiceError(Exception):
    """The credential scope names nothing that moto should answer."""


def _dispatcher() -> Wsgi:
    """Build moto's server application, with our choice of the services it may run."""
    from moto import backends
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    class Dispatcher(DomainDispatcherApplication):
        """moto's choice of the service, without its default: S3."""

        def get_backend_for_host(self, host: str | None) -> str | None:
            if host is None:
                return None  # not known yet: moto looks at the signature next
            if host in backends.list_of_moto_modules():
                name = host
            else:
                found = (
                    service
                    for service, pattern in self.backend_url_patterns
                    if pattern.match(f"http://{host}")
                )
                name = next(found, "")
            if not name or name in _CLOSED:
                raise _UnknownServiceError(host.partition(".")[0])
            return name

    dispatcher: Wsgi = Dispatcher(create_backend_app)
    return dispatcher


def _unknown_operation(environ: Environ, reason: str) -> Fault:
    """Name the operation as the protocol does: in a header or in a form."""
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    code = "UnknownOperationException"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        code = "InvalidAction"
    what = f"Unknown operation {target}" if target else "Unknown operation"
    return Fault(code, f"{what} of {_service(environ)}: {reason}")


def _service(environ: Environ) -> str:
    """Return the service that the request is signed for."""
    parts = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
    return parts[3] if len(parts) > 3 else "an unsigned request"


def _reply(environ: Environ, fault: Fault, request_id: str) -> wire.Reply:
    names = {"x-amz-target": "HTTP_X_AMZ_TARGET", "smithy-protocol": "HTTP_SMITHY_PROTOCOL"}
    names["content-type"] = "CONTENT_TYPE"
    headers = {name: environ[key] for name, key in names.items() if key in environ}
    protocol = wire.protocol_of(service=_service(environ), headers=headers)
    return wire.error(fault, protocol=protocol, request_id=request_id)
