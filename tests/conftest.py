"""What every part's tests share."""

from __future__ import annotations

import os
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
