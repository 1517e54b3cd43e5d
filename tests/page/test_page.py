"""Runs the tests of the page's modules under node's own test runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from browser import missing

HERE = Path(__file__).parent
OLDEST = 18  # the first with a test runner that is no experiment


def test_the_pages_modules():
    node = shutil.which("node")
    if node is None:
        missing("node is not installed; it runs the tests of the page's JavaScript")
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(told[1:].partition(".")[0]) < OLDEST:
        missing(f"node {told.strip()} has no test runner; {OLDEST} has")
    run = subprocess.run(
        [node, "--test", "--test-reporter=tap", *sorted(map(str, HERE.glob("*.test.mjs")))],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", "")},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    counted = re.search(r"^# pass (\d+)$", run.stdout, re.MULTILINE)
    assert counted is not None
    assert int(counted[1]) >= 50
