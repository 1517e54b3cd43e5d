"""The whole service on a folder, as `serve` runs it, and the commands typed beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gt_workflow import config, wiring
from gt_workflow.cli.app import run


class Workshop:
    """A service in a root folder of its own."""

    def __init__(self, running: wiring.Backend, root: Path) -> None:
        self._running = running
        self._root = root

    def link(self, name: str, *, admin: bool = False) -> str:
        """Return a one-time link to the worker page."""
        return self._running.page(name, role="admin" if admin else None)

    def command(self, *arguments: str) -> Any:
        """Run a command of the package; return the object that it prints."""
        told = StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", told)
            with pytest.raises(SystemExit) as ended:
                run([*arguments, "--root", str(self._root), "--json"])
        assert not ended.value.code, told.getvalue()
        return json.loads(told.getvalue())

    def output(self, name: str) -> list[dict[str, Any]]:
        """Wait for a job's end; return the lines of its output manifest."""
        uri = self.command("wait", name)["output"]
        return [
            json.loads(line)
            for line in (self._root / uri[len("s3://") :]).read_bytes().splitlines()
        ]


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    """Serve a root folder on a free port."""
    root = folder / "gt-data"
    settings = config.load(flags={"store.root": str(root)})
    with wiring.backend(settings, port=0) as running:
        yield Workshop(running, root)
