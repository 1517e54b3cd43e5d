"""The composition root: settings → storage, engine, labeling API, clock. Knows every adapter.

Two backends, one code path: `embedded` runs or finds our own Ground Truth in a root folder (see
`embedded`), `aws` uses an account's. They differ in where objects lie and in the clients' address.

`files` has what needs no service. A part is imported when one of its names is first asked for, so
that who converts files does not wait for what launches jobs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gt_workflow.wiring.files import Local, local, require_root
    from gt_workflow.wiring.places import account
    from gt_workflow.wiring.services import Backend, backend, simulate, truth, work_teams

__all__ = [
    "Backend",
    "Local",
    "account",
    "backend",
    "local",
    "require_root",
    "simulate",
    "truth",
    "work_teams",
]

_PARTS = {"Local": "files", "local": "files", "require_root": "files", "account": "places"}


def __getattr__(name: str) -> Any:
    """Import the part that has this name."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_PARTS.get(name, 'services')}"), name)
    globals()[name] = found
    return found
