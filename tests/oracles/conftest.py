"""Environments of their own for MXNet and for the SageMaker SDK.

No dependency of ours can live with MXNet; the SDK is ten times as large as all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# The last MXNet, and the last numpy and OpenCV that it can be imported with.
PACKAGES = (
    "numpy==1.23.5",
    "mxnet==1.9.1",
    "opencv-python-headless==4.8.1.78",
    "pillow>=10",
)


class Oracle:
    """Runs MXNet's own tools."""

    def __init__(self, python: Path) -> None:
        self._python = python

    def run(self, *arguments: str | Path) -> str:
        """Run Python there; return what it printed, or fail with what it complained of."""
        done = subprocess.run(
            [self._python, "-W", "ignore", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def im2rec(self, lists: Path, root: Path) -> None:
        """Pack every `.lst` in a folder, beside it."""
        found = self.run(
            "-c",
            "import importlib.util as u; print(u.find_spec('mxnet').submodule_search_locations[0])",
        )
        script = Path(found.strip()) / "tools" / "im2rec.py"
        self.run(script, f"{lists}/", root, "--pass-through", "--pack-label")


def _interpreter() -> str:
    """MXNet's wheel needs Python 3.11 or older."""
    return sys.executable if sys.version_info < (3, 12) else "python3.11"


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """MXNet 1.9.1, installed once into GT_ORACLE_VENV or the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("GT_ORACLE_VENV") or cache / "gt_workflow" / "oracle")
    python, done = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join(PACKAGES)
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        for command in (
            [_interpreter(), "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "-q", *PACKAGES],
        ):
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.fail(f"{' '.join(command)}\n{made.stdout}{made.stderr}")
        done.write_text(wanted, encoding="utf-8")
    return Oracle(python)


@pytest.fixture(scope="session")
def sdk() -> Path:
    """Return the Python of the SageMaker SDK, made from its lock in the user's cache.

    GT_SAGEMAKER_PYTHON names one that has it already.
    """
    if ready := os.environ.get("GT_SAGEMAKER_PYTHON"):
        return Path(ready)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "gt_workflow" / "sagemaker"
    python, done = folder / "bin" / "python", folder / "installed.txt"
    lock = Path(__file__).with_name("sagemaker.lock")
    if not done.is_file() or done.read_text(encoding="utf-8") != lock.read_text(encoding="utf-8"):
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock)],
        ):
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.fail(f"{' '.join(command)}\n{made.stdout}{made.stderr}")
        done.write_text(lock.read_text(encoding="utf-8"), encoding="utf-8")
    return python
