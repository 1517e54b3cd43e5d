"""The built wheel, alone in an empty environment: what `pip install` gives a user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from gt_workflow.core.plain_lines import COMPILED

ROOT = Path(__file__).parents[1]


def build(folder, **environment):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env=os.environ | environment,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_templates_page_and_licence_but_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("templates/label.liquid.html", "templates/gt.toml", "py.typed"):
        assert f"gt_workflow/{wanted}" in names
    assert any(name.endswith(".js") and "/static/" in name for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests/")]


@pytest.mark.skipif(sys.platform == "win32", reason="its compiler is found otherwise")
def test_without_a_compiler_the_wheel_is_pure_and_complete(tmp_path):
    pure = build(tmp_path, CC="no-such-compiler")
    assert pure.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(pure).namelist()
    assert "gt_workflow/core/plain_lines.py" in names
    assert not [name for name in names if name.endswith((".so", ".pyd"))]


def test_the_main_job_runs_from_the_wheel_in_an_empty_environment(wheel, tmp_path):
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    lock = ROOT / "requirements.lock"
    subprocess.run([*install, "--require-hashes", "-r", lock], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    told = "from gt_workflow.core.plain_lines import COMPILED; print(COMPILED)"
    told = subprocess.run([python, "-c", told], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == str(COMPILED)
    command = python.with_name("gt-workflow")
    subprocess.run([command, "demo", "demo", "--count", "3"], cwd=tmp_path, check=True)
    launch = [command, "launch", "demo/photographs", "--labels", "degu,wheel", "--json"]
    simulated = ["--workers", "simulated", "--truth", "demo/truth.manifest"]
    done = subprocess.run(
        [*launch, *simulated], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["job"]["human"] == 3
    assert (tmp_path / "gt-data" / "gt-workflow" / "channels").is_dir()
    page = subprocess.run(
        [command, "launch", "--init"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "gt.toml" in page.stderr
