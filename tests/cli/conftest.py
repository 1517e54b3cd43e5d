"""The command line, called in this process."""

from __future__ import annotations

import os

import pytest

from gt_workflow.cli.app import run


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; return exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GT_") and name != "GT_SHARED"]:
        monkeypatch.delenv(name)

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            run(list(arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call
