"""The browser, started once for each module of tests, and desks before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium as started
from desk import Desk


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    # Not longer than a module: while it runs, nothing else can run a loop in this thread.
    with started() as browser:
        yield browser


@pytest.fixture
def desk(tmp_path: Path, chromium: Any) -> Iterator[Desk]:
    desk = Desk(tmp_path, chromium)
    yield desk
    desk.close()
