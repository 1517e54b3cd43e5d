"""What must hold of the repository itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import gt_workflow

ROOT = Path(__file__).parents[1]


def test_the_lock_names_versions_and_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    for requirement in re.split(r"\n(?=\S)", lock.strip()):
        assert re.match(r"[a-z0-9-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_the_changelog_knows_the_version():
    assert f"## {gt_workflow.__version__} " in (ROOT / "CHANGELOG.md").read_text()
    assert f'version = "{gt_workflow.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_every_module_of_the_top_level_stands_in_the_layers():
    layers = re.findall(r"gt_workflow\.(\w+)", (ROOT / "pyproject.toml").read_text())
    for path in (ROOT / "gt_workflow").iterdir():
        name = path.name.removesuffix(".py")
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and name != "__init__":
            assert name in layers, f"{name} has no place in the import contracts"


def test_the_readme_says_what_the_command_line_says():
    done = subprocess.run(
        [sys.executable, "scripts/docs", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_the_readme_shows_and_links_to_is_there():
    found = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    ours = [one for one in found if "://" not in one]
    assert "docs/pictures/label.jpg" in ours
    assert [one for one in ours if not (ROOT / one).exists()] == []
