"""The service's threads: one that answers HTTP, one that drives the jobs. Both stop cleanly."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gt_workflow.errors import UsageError

_log = logging.getLogger(__name__)
_HEAD_LIMIT = 1 << 16  # bytes of request line and headers; AWS allows 8 KB
_GRACE_SECONDS = 5  # for requests under way when the server is stopped


class Server:
    """An HTTP server in a thread; the port is taken when the object is made.

    So the address is known before the application is, which has to tell it to workers.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Take a port, 0 for any that is free; `UsageError` if that cannot be done."""
        try:
            self._socket = _listen(host, port)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; choose another "
                "host or port"
            ) from error
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._server: _Uvicorn | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """The server's address for clients on this machine: no slash at the end."""
        reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - told, not bound to
        host = reachable.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self, app: ASGIApp) -> None:
        """Begin to answer; returns when requests are taken."""
        config = uvicorn.Config(
            app,
            http=_Http,  # parses in C; this thread shares one core with everything else
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # request lines hold workers' image links and signatures
            server_header=False,
            proxy_headers=False,  # anyone could name another client's address
            timeout_keep_alive=60,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = _Uvicorn(config)
        self._thread = threading.Thread(target=self._run, name="gt-http", daemon=True)
        self._thread.start()
        self._server.settled.wait()
        if not self._server.started:
            self.stop()
            raise RuntimeError("the HTTP server did not start; its log says why")

    def stop(self) -> None:
        """End requests under way, or cut them off after 5 s, and give the port back."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        if self._server is not None:
            try:
                self._server.run(sockets=[self._socket])
            finally:
                self._server.settled.set()

    def __enter__(self) -> Self:
        """Stop at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def _listen(host: str, port: int) -> socket.socket:
    """Take a port.

    The protocol is named because asyncio sends small packets at once (TCP_NODELAY) only on
    sockets that say that they are TCP; else each answer on a kept connection waits 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere this would share the port with another server
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


class _Http(HttpToolsProtocol):
    """uvicorn's protocol with a limit on the head of a request, which the parser lacks."""

    _head = 0

    def on_message_begin(self) -> None:
        """Count anew for each request of the connection."""
        super().on_message_begin()
        self._head = 1

    def on_headers_complete(self) -> None:
        """Count no more: bodies are measured by whoever reads them."""
        super().on_headers_complete()
        self._head = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came; cut off who sends headers without end."""
        super().data_received(data)
        if self._head:
            self._head += len(data)
            if self._head > _HEAD_LIMIT:
                self.transport.abort()


class _Uvicorn(uvicorn.Server):
    """uvicorn that tells when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()


class Host:
    """Drives the jobs: calls `advance` until there is nothing to do, then waits a while."""

    def __init__(self, advance: Callable[[], bool], *, interval: float) -> None:
        """`advance` returns True if it did anything; `interval` is in seconds."""
        self._advance = advance
        self._interval = interval
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gt-jobs", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the jobs now and not at the end of the interval."""
        self._wake.set()

    def stop(self) -> None:
        """End after the step under way; idempotent."""
        self._stopping.set()
        self._wake.set()
        with suppress(RuntimeError):  # it was never started
            self._thread.join()

    def _run(self) -> None:
        told = ""
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                busy = self._advance()
                told = ""
            except Exception as error:  # noqa: BLE001 - logged; the next round is another try
                # What fails now, a full disk say, may work later: the thread must live on. The
                # log gets each failure once, not at every round.
                busy = False
                if told != repr(error):
                    told = repr(error)
                    _log.exception("the labeling jobs could not be moved on")
            if not busy:
                self._wake.wait(self._interval)
