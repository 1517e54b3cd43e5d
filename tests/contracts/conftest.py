"""A server of ours in a thread, for the suites that reach it over the wire."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gt_workflow.adapters.clock import SystemClock
from gt_workflow.adapters.folder import FolderObjects
from gt_workflow.service.objects import Objects


@contextmanager
def served(application: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of the loopback interface; yields its address."""
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.set()

    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, log_level="warning", lifespan="off"
    )
    server = Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(30), "the server did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="session")
def object_server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Our own object store over the wire: its address and its root folder."""
    root = tmp_path_factory.mktemp("served")
    store = FolderObjects(root)
    application = Objects(store, clock=SystemClock())
    with served(application) as address:
        yield address, root
    application.close()
    store.close()


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], AbstractContextManager[str]]:
    """The means to serve another application."""
    return served
