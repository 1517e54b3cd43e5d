"""One process tree measured: seconds, processor seconds, peak memory; and the peers' environments.

Needs the standard library alone: what runs in a peer's environment imports it, too. A process that
knows better than its parent when the work began prints its own figures with `clock`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "scripts" / "peers"
POLL = 0.02  # seconds between two looks at the memory of a tree, at least


class PeerMissingError(Exception):
    """A peer cannot be had on this machine; the row says so."""


class RunFailedError(Exception):
    """A measured command ended with another status than 0; the bench's row says so."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One run: what was done, seconds on the wall, processor seconds, peak MB of the whole tree."""

    amount: float
    wall: float
    cpu: float
    memory: float
    told: Mapping[str, Any] = field(default_factory=dict)

    def rate(self, per: str) -> float:
        """Return the amount per second: of one core's work (`core`), or on the clock (`wall`)."""
        return self.amount / max(1e-9, self.cpu if per == "core" else self.wall)


def run(
    command: Sequence[str | Path],
    *,
    amount: float = 1.0,
    cores: int | None = 1,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Measure:
    """Run a command to its end on so many cores (None: all) and measure its whole tree.

    The last line of its standard output may be JSON; `amount`, `wall`, `cpu` and `memory` in it
    go before what was seen from outside, the rest is in `told`. Standard output and standard error
    are kept apart; a status other than 0 raises `RunFailedError` with the end of both.
    """
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed if cores is None else allowed[-cores:]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.sched_setaffinity(0, chosen)  # of this thread alone; the child inherits it
        try:
            began = time.perf_counter()
            child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(os.environ) | dict(env or {}),
                cwd=cwd,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, allowed)
        with _watched(child.pid) as peak:
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, complained = out.read().decode(), err.read().decode(errors="replace")
    if child.returncode:
        said = f"{printed[-1000:]}\n{complained[-3000:]}"
        said = f"{' '.join(map(str, command))} ended with {child.returncode}:\n{said}".strip()
        raise RunFailedError(said)
    told = _last_json(printed)
    return Measure(
        amount=float(told.pop("amount", amount)),
        wall=float(told.pop("wall", wall)),
        cpu=float(told.pop("cpu", usage.ru_utime + usage.ru_stime)),
        memory=float(told.pop("memory", max(peak))),
        told=told,
    )


@contextlib.contextmanager
def clock(**told: Any) -> Iterator[dict[str, Any]]:
    """In a measured process: time the block, then print the figures as `run` wants them.

    Set `amount` (and what else is worth telling) in the dictionary that it gives. Children count
    once they are waited for.
    """
    began, spent = time.perf_counter(), _cpu()
    yield told
    figures = {"wall": time.perf_counter() - began, "cpu": _cpu() - spent}
    print(json.dumps(figures | told), flush=True)


def peer(name: str) -> Path:
    """Return the Python of a peer's environment, made once for each state of its lock.

    The lock is `scripts/peers/NAME.lock`, written by `scripts/lock` from `NAME.in`.
    """
    lock = PEERS / f"{name}.lock"
    home = ROOT / ".venv" / "peers" / name
    python, mark = home / "bin" / "python", home / "installed.lock"
    if mark.exists() and mark.read_text() == lock.read_text():
        return python
    print(f"making the environment of the peer {name} ...", file=sys.stderr, flush=True)
    with_hashes = ["--require-hashes", "--only-binary", ":all:", "-r", str(lock)]
    quietly = ["--quiet", "--disable-pip-version-check"]
    for command in (
        [_interpreter(name), "-m", "venv", "--clear", str(home)],
        [str(python), "-m", "pip", "install", *quietly, *with_hashes],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise PeerMissingError(f"{name}: there is no {command[0]} here") from error
        except subprocess.CalledProcessError as error:
            lines = str(error.stderr).strip().splitlines() or [f"status {error.returncode}"]
            raise PeerMissingError(f"{name}: {lines[-1]}") from error
    mark.write_text(lock.read_text())
    return python


def _interpreter(name: str) -> str:
    """Return this Python, or an older one for a peer whose wheels end with it."""
    return "python3.11" if name == "mxnet" and sys.version_info >= (3, 12) else sys.executable


def _cpu() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _last_json(printed: str) -> dict[str, Any]:
    lines = printed.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        with contextlib.suppress(json.JSONDecodeError):
            return dict(json.loads(lines[-1]))
    return {}


@contextlib.contextmanager
def _watched(session: int) -> Iterator[list[float]]:
    """Look at the memory of all processes of a session again and again; the list holds MB."""
    seen, over = [0.0], threading.Event()

    def look() -> None:
        while True:
            began = time.thread_time()
            seen.append(memory_of(session))
            # Looking takes the processor, too: a twentieth of one core at most.
            if over.wait(max(POLL, 20 * (time.thread_time() - began))):
                return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def memory_of(session: int) -> float:
    """Return the MB that a session's processes hold now; what they share is counted once.

    That is the sum of their proportional set sizes, and never less than the high-water mark of the
    largest one of them.
    """
    shares, marks = 0, [0]
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        # A process may end between two looks at it.
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) != session:
                continue
            marks.append(_kilobytes(folder / "status", "VmHWM:"))
            shares += _kilobytes(folder / "smaps_rollup", "Pss:")
    return max(shares, *marks) / 1024


def _kilobytes(file: Path, key: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0
