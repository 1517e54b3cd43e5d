"""A host of labeling jobs that kills itself, really, at a stated moment; run as a program.

    python jobs_host.py FOLDER

Reads commands and writes answers, a JSON line each. Every life is a forked process that opens
database and storage anew. It counts the moments that matter (a statement or a commit about to
run, an object about to be written or just published), and at the moment it was told sends
itself SIGKILL: nothing is flushed, closed or rolled back. The next life follows by itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import event

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.storage import FolderStorage
from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling.jobs import Jobs, Unmeasured
from gt_workflow.service.store import Store

# Run as a program, it does not have what pytest puts on the path.
sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from jobs_world import ACCOUNT, REGION, read_size

START = datetime(2026, 1, 1, tzinfo=UTC)


class Moments:
    """Counts; at the fatal moment the process is gone."""

    def __init__(self) -> None:
        self.seen = 0
        self.fatal: int | None = None

    def pass_one(self, *_: Any, **__: Any) -> None:
        self.seen += 1
        if self.seen == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalStorage(FolderStorage):
    """The folder storage, with its moments."""

    def __init__(self, root: Path, moments: Moments) -> None:
        super().__init__(root)
        self.moments = moments

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        self.moments.pass_one()
        with super().create(uri) as file:
            yield file
            self.moments.pass_one()
        self.moments.pass_one()


class Life:
    """One process's worth of service."""

    def __init__(self, folder: Path) -> None:
        self.moments = Moments()
        self.clock = ManualClock()
        self.store = Store(f"sqlite:///{folder}/service.sqlite")
        engine = self.store._engine  # the crash points lie between its statements
        event.listen(engine, "checkout", self._watch)
        ids = iter(range(10**9))
        self.jobs = Jobs(
            store=self.store,
            storage=MortalStorage(folder / "root", self.moments),
            clock=self.clock,
            new_id=lambda: f"{os.getpid()}-{next(ids)}",
            read_size=read_size,
        )

    def _watch(self, connection: Any, *_: Any) -> None:
        connection.set_trace_callback(self.moments.pass_one)

    def do(self, command: dict[str, Any]) -> Any:
        """Carry a command out at the time it says."""
        at = START + timedelta(seconds=command["at"])
        self.clock.sleep((at - self.clock.now()).total_seconds())
        self.moments.fatal = command["fatal"]
        answer = getattr(self, command["do"])(**command.get("with", {}))
        self.moments.pass_one()  # done, and the other side does not know it
        return answer

    def create(self, request: dict[str, Any]) -> str:
        try:
            return self.jobs.create(region=REGION, account=ACCOUNT, request=request)
        except Fault as refusal:
            return refusal.code

    def advance(self) -> str:
        while self.jobs.advance():
            pass
        name = "job"
        return str(self.jobs.describe(region=REGION, name=name)["LabelingJobStatus"])

    def take(self, worker: str) -> list[Any] | None:
        """Return the task that the worker holds, or else a new one."""
        with self.store.together():  # as the task API does
            held = self.jobs.held(worker)
            task = held[0] if held else self.jobs.accept(worker)
        return None if task is None else [task.id, task.index]

    def ahead(self, worker: str) -> str | None:
        """Have the worker hold a second task, not shown yet, if there is one."""
        with self.store.together():
            held = self.jobs.held(worker)
            while len(held) == 1:
                found = self.jobs.next(worker, ahead=True)
                if not isinstance(found, Unmeasured):
                    return None if found is None else found.id
                self.jobs.look(found)
        return held[1].id if held else None

    def begin(self, worker: str, task: str) -> bool:
        with self.store.together():
            return self.jobs.begin(worker, task)

    def submit(self, worker: str, task: str, answer: Any) -> str:
        with self.store.together():
            self.jobs.submit(worker, task, answer)
        return "acknowledged"

    def decline(self, worker: str, task: str) -> str:
        self.jobs.decline(worker, task, "no")
        return "acknowledged"

    def stop(self) -> str:
        self.jobs.stop(region=REGION, name="job")
        return "acknowledged"


def live(folder: Path, number: int) -> None:
    """Answer the commands meant for this life until it ends."""
    life = Life(folder)
    say({"life": number})
    for line in iter(sys.stdin.readline, ""):
        command = json.loads(line)
        if command["life"] == number:
            say({"answer": life.do(command)})
    life.store.close()


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    number = 0
    while True:
        number += 1
        child = os.fork()
        if child == 0:
            live(Path(sys.argv[1]), number)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            return


if __name__ == "__main__":
    main()
