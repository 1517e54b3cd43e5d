"""Compile `core/sieve.pyx` into the wheel, or beside its source for an editable installation.

Without a C compiler the wheel has none of it, and `core.plain_lines` does its work in Python.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

MODULE = "gt_workflow.core.sieve"


class CompileSieve(BuildHookInterface):
    """Hatchling's hook; a project may have one under this name."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the wheel is put together."""
        if self.target_name != "wheel":
            return
        home = Path(self.root)
        self._folder = tempfile.TemporaryDirectory(prefix="gt-build-")
        if version == "editable":
            for stale in home.glob("gt_workflow/core/sieve.*[do]"):  # sieve.….so, sieve.….pyd
                stale.unlink()
        made = compiled(home, home if version == "editable" else Path(self._folder.name))
        if made is None:
            self.app.display_warning("no C compiler: a million manifest lines will take longer")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version != "editable":
            build_data["force_include"][str(made)] = f"gt_workflow/core/{made.name}"

    def finalize(self, *_: object) -> None:
        """Leave nothing behind."""
        if self.target_name == "wheel":
            self._folder.cleanup()


def compiled(home: Path, out: Path) -> Path | None:
    """Compile the module under `out` as it lies in the package; None if nothing here can."""
    source = home / "gt_workflow" / "core" / "sieve.pyx"
    with tempfile.TemporaryDirectory(prefix="gt-build-") as work:
        arguments = [] if sys.platform == "win32" else ["-O2", "-g0"]
        extension = Extension(MODULE, [str(source)], extra_compile_args=arguments)
        (module,) = cythonize([extension], build_dir=work, quiet=True)
        module.optional = True  # an error of the compiler's is a warning
        distribution = Distribution({"name": "gt_workflow", "ext_modules": [module]})
        command = distribution.get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(out), work
        command.ensure_finalized()
        command.run()
        made = out / command.get_ext_filename(MODULE)
    return made if made.exists() else None
