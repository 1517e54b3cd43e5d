"""Workers do anything in any order while time passes: what must hold, holds after every step."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from jobs_world import World, answer
from sqlalchemy import select

from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling import states
from gt_workflow.service.labeling.jobs import Task
from gt_workflow.service.store import jobs, objects, tasks

DAY = 86_400
workers = st.sampled_from(["w0", "w1", "w2", "w3"])
REFUSALS = {"ConflictException", "ValidationException"}


class JobMachine(RuleBasedStateMachine):
    """One job, four workers, and a model of what the workers were told."""

    leased = Bundle("leased")
    ended = Bundle("ended")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(team=4)
        self.acknowledged: dict[tuple[int, str], dict[str, Any]] = {}
        self.declined: set[tuple[int, str]] = set()
        self.frozen: dict[str, Any] | None = None
        self.stopped = False
        self.steps = 0
        self.begun = self.world.clock.now()

    @initialize(
        total=st.integers(4, 9),
        asked=st.integers(1, 3),
        batch=st.integers(2, 5),
        missing=st.sets(st.integers(0, 8), max_size=2),
        most=st.sampled_from([None, None, 3, 6]),
        begun=st.sampled_from([True, True, True, False]),
    )
    def begin(
        self,
        *,
        total: int,
        asked: int,
        batch: int,
        missing: set[int],
        most: int | None,
        begun: bool,
    ):
        self.total, self.asked, self.missing = total, asked, missing
        conditions = {} if most is None else {"MaxHumanLabeledObjectCount": most}
        self.most = total if most is None else most
        self.world.create(
            total,
            NumberOfHumanWorkersPerDataObject=asked,
            MaxConcurrentTaskCount=batch,
            TaskTimeLimitInSeconds=60,
            TaskAvailabilityLifetimeInSeconds=600,
            StoppingConditions=conditions,
        )
        for index in missing:
            self.world.storage.delete(f"s3://bucket/images/{index}.jpg")
        if begun:
            self.world.run()

    @rule(worker=workers, wanted=st.integers(1, 6), left=st.integers(0, 60))
    def work(self, worker: str, wanted: int, left: int):
        """What workers mostly do; without it few runs would come to a job's later parts."""
        self.steps += 1
        for _ in range(wanted):
            found = self._accept(worker)
            if found is None:
                return
            given = answer(("cat", left, 1, 9, 9))
            self.world.jobs.submit(worker, found.id, given)
            self.acknowledged[found.index, worker] = given

    @rule(target=leased, worker=workers)
    def accept(self, worker: str):
        self.steps += 1
        task = self._accept(worker)
        return multiple() if task is None else (worker, task)

    def _accept(self, worker: str) -> Task | None:
        task = self.world.jobs.accept(worker)
        if task is None:
            return None
        key = (task.index, worker)
        assert key not in self.acknowledged
        assert key not in self.declined
        assert not self.stopped
        assert all(
            held.index != task.index or held.id == task.id for held in self.world.jobs.held(worker)
        )
        return task

    @rule(target=ended, held=consumes(leased), left=st.integers(0, 60))
    def submit(self, held: tuple[str, Task], left: int):
        worker, task = held
        given = answer(("cat", left, 1, 9, 9))
        if self._try(lambda: self.world.jobs.submit(worker, task.id, given), task):
            self.acknowledged[task.index, worker] = given
        return (worker, task)

    @rule(held=leased)
    def submit_nonsense(self, held: tuple[str, Task]):
        worker, task = held
        with pytest.raises(Fault) as refusal:
            self.world.jobs.submit(worker, task.id, {"boundingBox": {}})
        assert refusal.value.code in REFUSALS

    @rule(task=ended, left=st.integers(61, 90))
    def submit_again(self, task: tuple[str, Task], left: int):
        worker, old = task
        told = self.acknowledged.get((old.index, worker))
        with pytest.raises(Fault) as refusal:
            self.world.jobs.submit(worker, old.id, answer(("dog", left, 1, 9, 9)))
        assert refusal.value.code == "ConflictException"
        if told is not None and self._is_submitted(old):
            self.world.jobs.submit(worker, old.id, told)

    @rule(target=ended, held=consumes(leased))
    def give_back(self, held: tuple[str, Task]):
        worker, task = held
        self._try(lambda: self.world.jobs.give_back(worker, task.id), task)
        return (worker, task)

    @rule(target=ended, held=consumes(leased))
    def decline(self, held: tuple[str, Task]):
        worker, task = held
        if self._try(lambda: self.world.jobs.decline(worker, task.id, "no"), task):
            self.declined.add((task.index, worker))
            found = self._accept(worker)  # never the same object again
            if found is not None:
                self.world.jobs.give_back(worker, found.id)
        return (worker, task)

    @rule(seconds=st.sampled_from([1, 20, 61]))
    def time_passes(self, seconds: int):
        self.world.clock.sleep(seconds)

    @precondition(lambda self: self.steps > 3)
    @rule(seconds=st.sampled_from([601, 601, DAY, 31 * DAY]))
    def much_time_passes(self, seconds: int):
        self.world.clock.sleep(seconds)
        self.steps = 0

    @rule()
    def advance(self):
        self.world.jobs.advance()

    @rule()
    def advance_as_far_as_possible(self):
        self.world.run()

    @precondition(lambda self: self.steps > 3 and not self.stopped)
    @rule(worker=workers)
    def stop(self, worker: str):
        self._accept(worker)  # somebody is usually in the middle of a task
        status = self.world.status()
        if status in states.TERMINAL:
            with pytest.raises(Fault, match="in status"):
                self.world.stop()
        else:
            self.world.stop()
            self.stopped = True

    def _try(self, act: Any, task: Task) -> bool:
        """Act on a held task: refused for a reason that the worker could know, and only then."""
        late = self.world.clock.now() >= task.lease_until
        if late or self.stopped or self.world.status() != "InProgress":
            with pytest.raises(Fault) as refusal:
                act()
            assert refusal.value.code == "ConflictException"
            return False
        act()
        return True

    def _is_submitted(self, task: Task) -> bool:
        with self.world.store.read() as connection:
            state = connection.execute(select(tasks.c.state).where(tasks.c.id == task.id)).scalar()
        return state == "submitted"

    @invariant()
    def the_books_balance(self):
        with self.world.store.read() as connection:
            job = connection.execute(select(jobs)).one_or_none()
            if job is None or job.labels is None:
                return
            rows = connection.execute(select(objects).order_by(objects.c.idx)).all()
            done = connection.execute(select(tasks)).all()
        counted = [row.state for row in rows]
        assert job.total == self.total == len(rows)
        assert job.human_labeled == counted.count("labelled") <= self.most
        assert job.failed == counted.count("failed")
        assert job.active == counted.count("active")
        for row in rows:
            own = [task for task in done if task.idx == row.idx]
            live = [task for task in own if task.state == "leased"]
            answered = [task for task in own if task.state == "submitted"]
            said = [task for task in own if task.state in {"leased", "submitted", "declined"}]
            assert len({task.worker_id for task in said}) == len(said)
            assert len(live) + len(answered) <= self.asked
            assert row.answers == len(answered)
            assert row.declines == sum(task.state == "declined" for task in own)
            assert row.leases == len(live)
            if row.state == "active":
                wanted = self.asked - len(live) - len(answered)
                assert row.open == (0 if row.declines >= self.asked else wanted)
            else:
                assert row.open == 0
                assert not live
            assert (row.label is not None) == (row.state == "labelled")
            if row.state == "labelled":
                assert answered
        stored = {(task.idx, task.worker_id) for task in done if task.state == "submitted"}
        assert stored == set(self.acknowledged)

    @invariant()
    def what_has_ended_never_changes(self):
        if self.frozen is not None:
            assert self._everything() == self.frozen
        elif self.world.jobs.list(region="us-east-1") and self.world.status() in states.TERMINAL:
            self.frozen = self._everything()

    def _everything(self) -> dict[str, Any]:
        return {"described": self.world.describe(), "files": self.world.written()}

    def teardown(self):
        try:
            if self.world.jobs.list(region="us-east-1"):
                self._finish()
        finally:
            self.world.close()

    def _finish(self) -> None:
        self.world.run()
        ended_early = (
            self.world.status() in states.TERMINAL
            and (self.world.clock.now() - self.begun).total_seconds() < 600
        )
        while self.world.status() not in states.TERMINAL:
            self.world.wait(601)
        self.the_books_balance()
        self.what_has_ended_never_changes()
        output = self.world.output()
        assert [line["number"] for line in output] == list(range(self.total))
        answered = {index for index, _ in self.acknowledged}
        assert {line["number"] for line in output if "boxes" in line} == answered
        if ended_early:
            failed = {line["number"] for line in output if "failure-reason" in str(line)}
            refused = [index for index, _ in self.declined]
            turned_down = {index for index in refused if refused.count(index) >= self.asked}
            assert failed <= self.missing | turned_down
        responses = [
            (int(path.split("/")[3]), given["workerId"], given["answerContent"])
            for path, body in self.world.written().items()
            if "worker-response" in path
            for given in json.loads(body)["answers"]
        ]
        assert len(responses) == len(self.acknowledged)
        assert {(index, worker): given for index, worker, given in responses} == self.acknowledged


# Shrinking would take minutes; forty steps can be read as they are.
JobMachine.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
test_whatever_workers_do = JobMachine.TestCase
