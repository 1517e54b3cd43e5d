"""Our own object store over the wire, for the suites that compare storages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import served

from gt_workflow.adapters.clock import SystemClock
from gt_workflow.adapters.folder.objects import FolderObjects
from gt_workflow.service.s3.application import Objects


@pytest.fixture(scope="session")
def object_server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Give its address and its root folder."""
    root = tmp_path_factory.mktemp("served")
    store = FolderObjects(root)
    application = Objects(store, clock=SystemClock())
    with served(application) as address:
        yield address, root
    application.close()
    store.close()
