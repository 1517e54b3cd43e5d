"""A proxy in front of a real service that misbehaves on a schedule: by operation and call number.

It stands on the wire, so that bodies are really cut and connections really reset. What it does to
a call is one word:

    throttled, broken, expired   answered by the proxy with AWS's error; the service never sees it
    timeout, reset               the service never sees it; no answer, or a reset connection
    lost                         carried out, and the connection is reset instead of an answer
    cut, stalled                 carried out; half the answer comes, then the end, or nothing more
    dribbled                     carried out; the answer comes in many small pieces
"""

from __future__ import annotations

import http.client
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.retries import quota, standard

Schedule = Callable[[str, int], str | None]
"""Operation and its call number, from 1, to what is done to the call; None: nothing."""

ERRORS = {
    "throttled": ((400, "ThrottlingException"), (503, "SlowDown")),
    "broken": ((500, "InternalFailure"), (500, "InternalError")),
    "expired": ((400, "ExpiredTokenException"), (400, "ExpiredToken")),
}


class Proxy(ThreadingHTTPServer):
    """Counts the calls of each operation and does to them what `schedule` says."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.upstream = upstream.partition("//")[2]
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.begin()

    def begin(self, schedule: Schedule = lambda _operation, _number: None) -> None:
        """Count anew, and misbehave as told."""
        self.schedule = schedule
        self.calls: Counter[str] = Counter()

    def fate(self, operation: str) -> str | None:
        with self.lock:
            self.calls[operation] += 1
            return self.schedule(operation, self.calls[operation])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections end in all manners here."""


class _Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self._body()
        fate = self.server.fate(self._operation())
        if fate in ERRORS:
            self._send(self._error(fate))
        elif fate == "reset":
            self._reset()
        elif fate == "timeout":
            self._wait()
        else:
            head, content = self._forward(body)
            half = len(head) + len(content) // 2 if content else len(head) // 2
            if fate == "lost":
                self._reset()
            elif fate in {"cut", "stalled"}:
                self._send((head + content)[:half])
                if fate == "stalled":
                    self._wait()
                self.close_connection = True
            elif fate == "dribbled":
                for start in range(0, len(head + content), 97):
                    self._send((head + content)[start : start + 97])
            else:
                self._send(head + content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - the library's names

    def _operation(self) -> str:
        target = self.headers.get("X-Amz-Target", "")
        if target:
            return target.rpartition(".")[2]
        if self.command == "GET" and "list-type" in self.path:
            return "ListObjectsV2"
        return {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject"}.get(
            self.command, self.command
        )

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _forward(self, body: bytes) -> tuple[bytes, bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        dropped = {"expect", "connection", "transfer-encoding", "content-length"}
        headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
        connection.request(
            self.command, self.path, body, headers | {"Content-Length": str(len(body))}
        )
        response = connection.getresponse()
        content = response.read()
        length = response.getheader("Content-Length") if self.command == "HEAD" else None
        kept = {
            k: v
            for k, v in response.getheaders()
            if k.lower() not in {"transfer-encoding", "content-length", "connection"}
        }
        connection.close()
        return self._head(
            response.status, kept | {"Content-Length": length or len(content)}
        ), content

    def _error(self, fate: str) -> bytes:
        is_json = "X-Amz-Target" in self.headers
        status, code = ERRORS[fate][0 if is_json else 1]
        body = (
            f'{{"__type":"{code}","message":"as scheduled"}}'
            if is_json
            else f"<Error><Code>{code}</Code><Message>as scheduled</Message></Error>"
        )
        head = self._head(status, {"Content-Length": len(body)})
        return head + (b"" if self.command == "HEAD" else body.encode())

    def _head(self, status: int, headers: dict[str, Any]) -> bytes:
        lines = [f"HTTP/1.1 {status} {http.client.responses[status]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)

    def _reset(self) -> None:
        """Close without the goodbye of TCP."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def _wait(self) -> None:
        """Wait until the client has had enough."""
        self.close_connection = True
        self.connection.recv(1)


@contextmanager
def misbehaving(upstream: str) -> Iterator[Proxy]:
    """Stand in front of the service at an address until the end of the block."""
    with Proxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _AtOnce:
    """botocore's pause between two attempts, for tests: none."""

    def delay_amount(self, _context: Any) -> float:
        return 0.0


def without_pauses(client: Any, attempts: int) -> Any:
    """Let a client try again as botocore's standard mode does, but at once."""
    service = client.meta.service_model.service_id.hyphenize()
    event, name = f"needs-retry.{service}", f"retry-config-{service}"
    client.meta.events.unregister(event, unique_id=name)
    handler = standard.RetryHandler(
        retry_policy=standard.RetryPolicy(
            retry_checker=standard.StandardRetryConditions(max_attempts=attempts),
            retry_backoff=_AtOnce(),
        ),
        retry_event_adapter=standard.RetryEventAdapter(),
        retry_quota=standard.RetryQuotaChecker(quota.RetryQuota(initial_capacity=10**6)),
    )
    client.meta.events.register(event, handler.needs_retry, unique_id=name)
    return client
