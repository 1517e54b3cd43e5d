"""What every part's tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# Deadlines measure the machine, not the code.
settings.register_profile("suite", deadline=None, max_examples=60)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photographs and real output manifests; fails without it on CI."""
    folder = Path(os.environ.get("GT_SHARED") or Path(__file__).parents[1] / ".." / "shared")
    if (folder / "data").is_dir():
        return folder.resolve()
    reason = f"no real data at {folder}; set GT_SHARED to the folder that holds data/"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tests that use, and pay for, a real AWS account run only if they are asked for."""
    parser.addoption("--aws", action="store_true", help="also run tests on a real AWS account")


def pytest_configure(config: pytest.Config) -> None:
    # A shell's background job ignores Ctrl-C, and so would every command that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "aws: uses a real AWS account; runs only with --aws")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--aws"):
        return
    for item in items:
        if item.get_closest_marker("aws"):
            item.add_marker(pytest.mark.skip(reason="uses a real AWS account; run with --aws"))
