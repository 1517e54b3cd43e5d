"""One port: tells AWS's protocols and the portal apart, and hands each request to its owner.

    /_/...                                     the portal, for people and their task clients
    POST /  X-Amz-Target: SageMaker.<Op>       our API, if the operation is ours
    signed for s3, or not signed at all        objects
    signed for anything else                   moto

A request that names a host which is not ours is refused before anything else: a page of another
site, whose name was made to point to this machine, must reach nothing. With credentials
configured, every AWS call must be signed with one of them; objects verify their own, since
their bodies are streamed.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, quote

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gt_workflow.ports import Clock
from gt_workflow.service import wire
from gt_workflow.service.faults import Fault, invalid
from gt_workflow.service.s3 import signatures
from gt_workflow.service.sagemaker.api import Api

_log = logging.getLogger(__name__)

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_REGION: Final = "us-east-1"
# Template and task input of RenderUiTemplate have 128,000 characters each, which JSON may spell
# with up to 12 bytes.
API_LIMIT: Final = 4_000_000
OTHER_LIMIT: Final = 64_000_000
_TARGET: Final = "SageMaker."
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z0-9]+)+")


def application(  # noqa: PLR0913 - the parts of the service, each by its name
    *,
    api: Api,
    objects: ASGIApp,
    other: ASGIApp,
    portal: Sequence[BaseRoute],
    clock: Clock,
    new_id: Callable[[], str],
    allowed_hosts: Collection[str] = LOOPBACK,
    secrets: Mapping[str, str] | None = None,
    admits: Callable[[str], bool] = lambda _address: True,
    name: str = "",
) -> ASGIApp:
    """Return the service as one ASGI application.

    `objects` answers S3, `other` (see `fallback`) all that is not ours, `portal` has routes under
    `/_`. `allowed_hosts` are host names without ports; `*` allows any. `secrets` maps access keys
    to secrets; None takes any signature, which is for loopback only. `admits` tells whether
    workers may come from an IP address. `new_id` returns a fresh request id. `name` is told at
    `/_/health`, so that a client can make sure whom it has reached.
    """
    return _Application(
        aws=_Aws(
            api=api, objects=objects, other=other, clock=clock, new_id=new_id, secrets=secrets
        ),
        portal=Starlette(routes=list(portal)),
        allowed_hosts=frozenset(host.lower() for host in allowed_hosts),
        admits=admits,
        name=name,
    )


class _Application:
    """Checks the host, then chooses between people and programs."""

    def __init__(
        self,
        *,
        aws: ASGIApp,
        portal: ASGIApp,
        allowed_hosts: frozenset[str],
        admits: Callable[[str], bool],
        name: str,
    ) -> None:
        self._aws = aws
        self._portal = portal
        self._allowed_hosts = allowed_hosts
        self._admits = admits
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._portal(scope, receive, send)
            return
        app = await self._choose(Request(scope))
        await app(scope, receive, send)

    async def _choose(self, request: Request) -> ASGIApp:
        if not self._is_ours(request.headers.get("host", "")):
            return PlainTextResponse(
                "This service does not answer to that host name. Start it with the name among "
                "its allowed hosts.\n",
                status_code=421,
            )
        path = request.url.path
        if path == "/_/health":
            return JSONResponse({"status": "ok", "host": self._name})
        if path == "/_" or path.startswith("/_/"):
            address = request.client.host if request.client else ""
            admitted = await run_sync(self._admits, address)
            return self._portal if admitted else PlainTextResponse("Not Found\n", status_code=404)
        if path == "/" and _is_browser(request):
            return RedirectResponse("/_/", status_code=303)
        return self._aws

    def _is_ours(self, host: str) -> bool:
        # A port may follow, an IPv6 address stands in brackets.
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        return name.lower() in self._allowed_hosts or "*" in self._allowed_hosts


def _is_browser(request: Request) -> bool:
    """Tell whether a person typed the address: SDKs sign, and do not ask for HTML."""
    headers = request.headers
    asks = request.method in {"GET", "HEAD"} and "text/html" in headers.get("accept", "")
    return asks and "authorization" not in headers and not request.url.query


class _Aws:
    """Chooses between our API, objects and the rest by target and credential scope."""

    def __init__(
        self,
        *,
        api: Api,
        objects: ASGIApp,
        other: ASGIApp,
        clock: Clock,
        new_id: Callable[[], str],
        secrets: Mapping[str, str] | None,
    ) -> None:
        self._api = api
        self._objects = objects
        self._other = other
        self._clock = clock
        self._new_id = new_id
        self._secrets = secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        # Equal names are one list, as HTTP says.
        headers = {name: ", ".join(request.headers.getlist(name)) for name in request.headers}
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        signed = signatures.scope_of(headers, query)
        service = signed.service if signed else ""
        if service == "s3" or (signed is None and not _is_call(request)):
            await self._objects(scope, receive, send)
            return
        target = headers.get("x-amz-target", "")
        is_api = target.startswith(_TARGET) and request.method == "POST"
        reply: wire.Reply | None
        try:
            body = await _body(request, API_LIMIT if is_api else OTHER_LIMIT)
            self._verify(request, headers, body, is_signed=signed is not None)
            reply = None
            if is_api:
                operation = target.removeprefix(_TARGET)
                reply = await run_sync(self._answer, operation, body, _region(signed))
        except Fault as fault:
            protocol = wire.protocol_of(service=service, headers=headers)
            reply = wire.error(fault, protocol=protocol, request_id=self._new_id())
        except ClientDisconnect:
            return
        if reply is None:
            await self._other(scope, _replay(body), send)
            return
        response = Response(reply.body, reply.status, reply.headers)
        await response(scope, receive, send)

    def _answer(self, operation: str, body: bytes, region: str) -> wire.Reply | None:
        """Carry out an operation; None if it is not one of ours."""
        request_id = self._new_id()
        try:
            given = wire.parameters(body)
            if not self._api.owns(operation, given):
                return None
            content = self._api.handle(operation, given, region=region)
            return wire.answer(content, request_id=request_id)
        except Fault:
            raise
        except Exception as error:  # noqa: BLE001 - logged, and told to the caller, whatever it is
            # Not the caller's fault, and it may pass (a full disk), so SDKs may try again.
            _log.exception("%s failed (request %s)", operation, request_id)
            fault = Fault("InternalFailure", f"{type(error).__name__}: {error}", status=500)
            return wire.error(fault, protocol="json", request_id=request_id)

    def _verify(
        self, request: Request, headers: Mapping[str, str], body: bytes, *, is_signed: bool
    ) -> None:
        """Refuse a call that none of the configured credentials signed.

        Where there are none, a page of any site could make a browser send a form.
        """
        if self._secrets is None:
            if _is_another_sites(headers):
                raise Fault(
                    "AccessDeniedException",
                    "Pages of other sites may not call this service",
                    status=403,
                )
            return
        if not is_signed:
            raise Fault(
                "MissingAuthenticationTokenException", "Missing Authentication Token", status=403
            )
        sha256 = hashlib.sha256(body).hexdigest()
        if headers.get("x-amz-content-sha256", sha256) != sha256:
            raise Fault("InvalidSignatureException", "The body is not what was signed", status=403)
        path = request.scope["raw_path"].decode("latin-1")
        for signed_path in (path, quote(path, safe="/~")):  # but for S3, paths are encoded twice
            signed_request = signatures.SignedRequest(
                method=request.method, path=signed_path, query=request.url.query, headers=headers
            )
            try:
                signatures.verify(
                    signed_request,
                    now=self._clock.now(),
                    secrets=self._secrets,
                    body_sha256=sha256,
                )
            except Fault as fault:
                refusal = fault
            else:
                return
        raise refusal


def _is_another_sites(headers: Mapping[str, str]) -> bool:
    """Tell whether a page that is not this service's own has made a browser ask."""
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _region(signed: signatures.CredentialScope | None) -> str:
    """Return the region that a call is meant for; it becomes a part of ARNs."""
    region = signed.region if signed and signed.region else DEFAULT_REGION
    if not _REGION.fullmatch(region):
        raise invalid(f"The credential scope names no region of AWS: {region!r}")
    return region


def _is_call(request: Request) -> bool:
    """Tell whether an unsigned request is a call of an API: S3 has neither targets nor forms at /.

    Some calls are never signed: Cognito's for clients without credentials, STS's with a token.
    """
    is_form = request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    )
    at_root = request.method == "POST" and request.url.path == "/"
    return at_root and (is_form or "x-amz-target" in request.headers)


async def _body(request: Request, limit: int) -> bytes:
    """Read the whole body, or refuse it as soon as it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Fault(
                "RequestEntityTooLargeException",
                f"The request body is longer than {limit} bytes.",
                status=413,
            )
        parts.append(part)
    return b"".join(parts)


def _replay(body: bytes) -> Receive:
    """Let an application read a body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
