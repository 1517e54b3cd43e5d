"""The S3 REST protocol as an ASGI application over an object store.

Unmodified boto3, the AWS CLI and presigned addresses in a browser are its clients. It streams:
neither a body nor a listing is ever held whole, the disk is never waited for on the event loop.
What S3 has and this has not is refused at once, with an error no client retries. Written here
since no package to be had keeps these promises: those found hold bodies in memory, force nothing
to the disk, or know no conditional put.
"""

from __future__ import annotations

import asyncio
import logging
import secrets as random
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from gt_workflow.errors import StorageError
from gt_workflow.object_store import ObjectStore, RefusedError
from gt_workflow.ports import Clock
from gt_workflow.service.faults import Fault
from gt_workflow.service.s3 import cors, xml
from gt_workflow.service.s3.body import DisconnectedError, Document, Intake, Receive, take
from gt_workflow.service.s3.buckets import ABSENT, FIXED, BucketActions, owner_is_other
from gt_workflow.service.s3.exchange import Exchange, Send, place, refusal
from gt_workflow.service.s3.items import ObjectActions
from gt_workflow.service.s3.request import Answer, Request
from gt_workflow.service.s3.signatures import SignedRequest, verify
from gt_workflow.service.s3.uploads import UploadActions

_log = logging.getLogger(__name__)

_THREADS = 16
_MAX_DOCUMENT_BYTES = 2 * 1024 * 1024
# The names in a query that ask for something else than the bucket or object itself.
_SUBRESOURCES = frozenset(
    {
        *ABSENT,
        *FIXED,
        *("analytics", "attributes", "cors", "delete", "intelligent-tiering", "inventory"),
        *("legal-hold", "location", "metrics", "object-lock", "policyStatus", "restore"),
        *("retention", "select", "session", "torrent", "uploadId", "uploads", "versions"),
    }
)


@dataclass(frozen=True, slots=True)
class _Plain:
    """An action without a body; `slow` if it may take longer than a client waits."""

    act: Callable[[Request], Answer]
    slow: bool = False


@dataclass(frozen=True, slots=True)
class _WithDocument:
    """An action on a body of limited size.

    `checksums` tells whether checksum headers are of this body, as they are but at a completion.
    """

    act: Callable[[Request, bytes], Answer]
    slow: bool = False
    checksums: bool = True


@dataclass(frozen=True, slots=True)
class _Streaming:
    """An action on a body of any size."""

    begin: Callable[[Request], Intake[Any]]
    end: Callable[[Request, Intake[Any]], Answer]


_Action = _Plain | _WithDocument | _Streaming


class Objects:
    """The application; `close` it when the server has stopped."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Clock,
        secrets: Mapping[str, str] | None = None,
        new_id: Callable[[], str] = lambda: random.token_hex(8).upper(),
        patience: float = 10.0,
    ) -> None:
        """Serve a store.

        `secrets` maps access keys to secrets; None takes any key, which is for loopback only.
        After `patience` seconds a client that waits for a slow action is kept with white space.
        """
        self._store = store
        self._clock = clock
        self._secrets = secrets
        self._new_id = new_id
        self._patience = patience
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")
        buckets, objects, uploads = BucketActions(store), ObjectActions(store), UploadActions(store)
        self._buckets = buckets
        self._actions: Mapping[tuple[str, str, str], _Action] = {
            ("service", "GET", ""): _Plain(buckets.list_buckets),
            ("bucket", "PUT", ""): _WithDocument(buckets.create),
            ("bucket", "HEAD", ""): _Plain(buckets.head),
            ("bucket", "GET", ""): _Plain(buckets.list_objects),
            ("bucket", "DELETE", ""): _Plain(buckets.delete),
            ("bucket", "GET", "location"): _Plain(buckets.location),
            ("bucket", "GET", "cors"): _Plain(buckets.get_cors),
            ("bucket", "PUT", "cors"): _WithDocument(buckets.put_cors),
            ("bucket", "DELETE", "cors"): _Plain(buckets.delete_cors),
            ("bucket", "GET", "uploads"): _Plain(buckets.list_uploads),
            ("bucket", "POST", "delete"): _WithDocument(objects.delete_many),
            **{
                ("bucket", "GET", name): _Plain(partial(buckets.setting, name=name))
                for name in (*ABSENT, *FIXED)
            },
            ("object", "PUT", ""): _Streaming(objects.begin_put, objects.end_put),
            ("object", "PUT", "copy"): _Plain(objects.copy, slow=True),
            ("object", "GET", ""): _Plain(objects.get),
            ("object", "HEAD", ""): _Plain(objects.head),
            ("object", "DELETE", ""): _Plain(objects.delete),
            ("object", "GET", "acl"): _Plain(objects.acl),
            ("object", "GET", "tagging"): _Plain(objects.tagging),
            ("object", "POST", "uploads"): _Plain(uploads.create),
            ("object", "PUT", "uploadId"): _Streaming(uploads.begin_part, uploads.end_part),
            ("object", "PUT", "uploadId copy"): _Plain(uploads.copy_part, slow=True),
            ("object", "GET", "uploadId"): _Plain(uploads.list_parts),
            ("object", "POST", "uploadId"): _WithDocument(
                uploads.complete, slow=True, checksums=False
            ),
            ("object", "DELETE", "uploadId"): _Plain(uploads.abort),
        }

    def close(self) -> None:
        """Wait for what is under way and release the threads."""
        self._threads.shutdown()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send, self._new_id())
        try:
            await self._handle(exchange)
        except DisconnectedError:
            _log.info("%s %s: the client went away", exchange.method, exchange.path)

    async def _handle(self, exchange: Exchange) -> None:
        extra: dict[str, str] = {}
        try:
            bucket, key = place(exchange)
            extra = await self._cross_origin(exchange, bucket)
            if exchange.method == "OPTIONS":
                await exchange.send_answer(Answer(headers=extra), {}, self._run)
                return
            request = self._admitted(exchange, bucket, key)
            action = self._action(request)
            running = asyncio.ensure_future(self._act(action, request, exchange))
            if getattr(action, "slow", False):
                await asyncio.wait({running}, timeout=self._patience)
                if not running.done():
                    await self._keep_waiting(exchange, running, extra)
                    return
            answer = await running
        except (Fault, StorageError) as refused:
            await exchange.drain()
            await exchange.send_answer(refusal(refused, exchange), extra, self._run)
            return
        await exchange.send_answer(answer, extra, self._run)

    async def _act(self, action: _Action, request: Request, exchange: Exchange) -> Answer:
        match action:
            case _Plain():
                answer: Answer = await self._run(action.act, request)
                return answer
            case _WithDocument():
                document = Document(_MAX_DOCUMENT_BYTES)
                chunks = request.signature.chunks
                headers = {
                    name: value
                    for name, value in request.headers.items()
                    if action.checksums or not name.startswith("x-amz-checksum-")
                }

                def end(intake: Intake[Document]) -> Answer:
                    intake.finish()
                    return action.act(request, bytes(document.data))

                return await take(
                    exchange.receive,
                    self._run,
                    lambda: Intake(document, headers, chunks, length_required=False),
                    end,
                )
            case _Streaming():
                return await take(
                    exchange.receive,
                    self._run,
                    lambda: action.begin(request),
                    lambda intake: action.end(request, intake),
                )

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what blocks in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *arguments))

    def _admitted(self, exchange: Exchange, bucket: str, key: str) -> Request:
        signed = SignedRequest(exchange.method, exchange.path, exchange.query, exchange.headers)
        signature = verify(signed, now=self._clock.now(), secrets=self._secrets)
        if owner_is_other(exchange.headers):
            raise Fault("AccessDenied", "Access Denied", status=403)
        query = signed.parameters()
        if query.get("versionId", "null") != "null":
            raise Fault("NoSuchVersion", "The specified version does not exist.", status=404)
        return Request(
            method=exchange.method,
            bucket=bucket,
            key=key,
            query=query,
            headers=exchange.headers,
            id=exchange.id,
            signature=signature,
        )

    def _action(self, request: Request) -> _Action:
        level = "object" if request.key else "bucket" if request.bucket else "service"
        asked = next((name for name in request.query if name in _SUBRESOURCES), "")
        copied = request.method == "PUT" and "x-amz-copy-source" in request.headers
        if level == "object" and copied and asked in {"", "uploadId"}:
            asked = f"{asked} copy".strip()
        action = self._actions.get((level, request.method, asked))
        if action is None and not asked and (level, request.method) != ("bucket", "POST"):
            raise Fault(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                status=405,
            )
        if action is None:
            raise Fault(
                "NotImplemented",
                f"{request.method} with ?{asked} is not implemented by this object store",
                status=501,
            )
        return action

    async def _cross_origin(self, exchange: Exchange, bucket: str) -> dict[str, str]:
        """Return the headers that the bucket's rules add, or refuse a page that may not ask.

        Without secrets a page of another origin could sign as anyone, and some requests reach
        a server before a browser asks it: nothing is changed for a page that no rule allows.
        """
        origin = exchange.headers.get("origin")
        preflight = exchange.method == "OPTIONS"
        if origin is None and not preflight:
            return {}
        asked = exchange.headers.get("access-control-request-method")
        if preflight and (origin is None or asked is None):
            raise Fault("BadRequest", "Insufficient information. Origin request header needed.")
        allowed = None
        if bucket:
            names = exchange.headers.get("access-control-request-headers", "").lower()
            text = await self._run(self._cors, bucket)
            allowed = cors.match(
                () if text is None else cors.parse(text.encode()),
                origin=origin or "",
                method=asked if preflight and asked else exchange.method,
                headers=tuple(name.strip() for name in names.split(",") if name.strip())
                if preflight
                else (),
            )
        if allowed is not None:
            return dict(allowed)
        changes = exchange.method not in {"GET", "HEAD"}
        here = urlsplit(origin or "").netloc == exchange.headers.get("host")
        if preflight or (changes and not here and self._secrets is None):
            raise Fault(
                "AccessForbidden",
                "CORSResponse: This CORS request is not allowed.",
                status=403,
            )
        return {}

    def _cors(self, bucket: str) -> str | None:
        try:
            return self._store.cors(bucket)
        except RefusedError:
            return None  # whoever is signed learns that there is no such bucket

    async def _keep_waiting(
        self, exchange: Exchange, running: asyncio.Future[Answer], extra: Mapping[str, str]
    ) -> None:
        """Send white space until a slow action is done; S3 does the same, errors included."""
        await exchange.start(200, {"content-type": "application/xml", **extra})
        await exchange.send_body(xml.DECLARATION, more=True)
        while not running.done():
            await exchange.send_body(b" ", more=True)
            await asyncio.wait({running}, timeout=self._patience)
        try:
            body = running.result().body
        except (Fault, StorageError) as refused:
            body = refusal(refused, exchange).body
        if isinstance(body, bytes):
            await exchange.send_body(body.removeprefix(xml.DECLARATION), more=False)
