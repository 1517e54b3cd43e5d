"""What our own service needs of the machine: a folder it may write, some disk, a port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gt_workflow.core.access.findings import Finding, finding

_LITTLE: Final = 1_000_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Machine:
    """What was seen: `unwritable` and `silent` are reasons, "" if all is well.

    `free` is in bytes; `address` is where the folder's service answers, "" if none runs;
    `port_taken` tells that another program listens on the usual `port`.
    """

    folder: str
    port: int
    unwritable: str = ""
    silent: str = ""
    free: int = _LITTLE
    address: str = ""
    port_taken: bool = False


def own(machine: Machine) -> Iterator[Finding]:
    """Yield what is wrong, or that nothing is."""
    folder = machine.folder
    wrong = False
    if machine.unwritable:
        wrong = True
        message = f"the folder {folder} cannot be written: {machine.unwritable}"
        yield finding("GT901", message, folder=folder)
    if machine.silent:
        wrong = True
        yield finding("GT902", machine.silent, folder=folder)
    if machine.free < _LITTLE:
        yield finding("GT904", f"{machine.free // 1_000_000:,} MB are free for {folder}")
    if machine.port_taken and not machine.address:
        yield finding("GT903", f"port {machine.port} is taken", port=machine.port)
    if not wrong:
        where = f"it answers at {machine.address}" if machine.address else "it starts when needed"
        yield finding(
            "GT900",
            f"your own service in {folder}: {where}; no account, role, team or bucket is needed",
        )
