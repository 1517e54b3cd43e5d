"""A raw client of an ASGI application: sends what no SDK would send, sees what none would show."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: int = 0

    @property
    def code(self) -> str:
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        return found[1].decode() if found else ""

    def all(self, element: str) -> list[str]:
        text = self.body.decode()
        return re.findall(f"<{element}>([^<]*)</{element}>", text)


class Wire:
    """Calls the application in-process; `Authorization` is of Version 2, which needs no clock."""

    def __init__(self, application: Any, *, watch: Callable[[bytes], object] = len) -> None:
        """`watch` is called with every piece of an answer's body."""
        self._application = application
        self._watch = watch

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        signed: bool = True,
        aborts: bool = False,
        **headers: str,
    ) -> Reply:
        pieces = [body] if isinstance(body, bytes) else list(body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("host", "127.0.0.1:9000")
        if signed:
            sent.setdefault("authorization", "AWS key:signature")
        if method in {"PUT", "POST"} and sent.get("content-length") != "none":
            sent.setdefault("content-length", str(sum(map(len, pieces))))
        raw, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": raw,
            "raw_path": raw.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [
                (name.encode(), value.encode("latin-1"))
                for name, value in sent.items()
                if value != "none"
            ],
        }
        return asyncio.run(self._exchange(scope, pieces, aborts=aborts))

    async def _exchange(self, scope: dict[str, Any], pieces: list[bytes], *, aborts: bool) -> Reply:
        reply = Reply()
        messages = [
            {"type": "http.request", "body": piece, "more_body": aborts or piece is not pieces[-1]}
            for piece in pieces
        ]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            if not aborts:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                assert not reply.status
                reply.status = message["status"]
                reply.headers = {n.decode(): v.decode("latin-1") for n, v in message["headers"]}
            else:
                reply.body += message["body"]
                reply.pieces += 1
                self._watch(message["body"])

        await self._application(scope, receive, send)
        return reply
