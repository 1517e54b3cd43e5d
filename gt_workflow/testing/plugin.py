"""The pytest fixture `ground_truth`: name this module in `pytest_plugins` to have it.

It is no entry point, so that test suites which do not ask for it never load it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gt_workflow.testing import GroundTruthService, mock_ground_truth


@pytest.fixture
def ground_truth() -> Iterator[GroundTruthService]:
    """Give each test an AWS of its own, in memory, with labeling jobs and their workers."""
    with mock_ground_truth() as service:
        yield service
