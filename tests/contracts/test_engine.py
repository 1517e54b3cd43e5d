"""The Engine contract, over every engine that is shipped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gt_workflow.adapters.engine import ProcessEngine, WorkerDiedError
from gt_workflow.adapters.gradual import GradualEngine
from gt_workflow.adapters.memory import SerialEngine
from gt_workflow.errors import DataError, GtWorkflowError


@pytest.fixture(scope="module", params=["serial", "processes", "gradual", "along"])
def engine(request):
    along = request.param == "along"
    made = SerialEngine() if request.param == "serial" else ProcessEngine(2, batch=3, along=along)
    yield GradualEngine(lambda: made, alone=2) if request.param == "gradual" else made
    made.close()


def double(number: int) -> int:
    return 2 * number


def picky(number: int) -> int:
    if number % 3 == 1:
        raise DataError("is wrong", uri="file.jpg", line=number, field="a.b")
    if number % 3 == 2:
        raise OSError(28, "disk full", f"file{number}")
    return number


@dataclass(frozen=True)
class Meet:
    """Opens a pipe, which waits for the one who opens its other end; tells in which process."""

    path: str

    def __call__(self, mode: str) -> int:
        with open(self.path, mode):  # noqa: PTH123 - no ordinary file
            return os.getpid()


def silent(_: object) -> None:
    return None


class Counted:
    """Tells how often it came to the process that it is called in."""

    arrivals = 0

    def __setstate__(self, _state: object) -> None:
        Counted.arrivals += 1

    def __getstate__(self) -> str:
        return "sent"

    def __call__(self, _: int) -> int:
        return Counted.arrivals


class CannotTravelError(Exception):
    def __init__(self) -> None:
        super().__init__(threading.Lock())


def strange(number: int) -> object:
    if number == 1:
        raise CannotTravelError
    if number == 2:
        return threading.Lock()
    return number


def deadly(number: int) -> int:
    if number in {4, 11}:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def always_deadly(_: int) -> int:
    os._exit(1)


def test_every_item_gives_one_outcome_in_order(engine):
    outcomes = list(engine.map(double, range(100)))
    assert [outcome.item for outcome in outcomes] == list(range(100))
    assert [outcome.result() for outcome in outcomes] == [2 * n for n in range(100)]


def test_no_items_give_no_outcomes(engine):
    assert list(engine.map(double, [])) == []


def test_none_is_a_value(engine):
    assert [outcome.result() for outcome in engine.map(silent, [1, None])] == [None, None]


def test_an_error_is_the_outcome_of_its_item_alone(engine):
    outcomes = list(engine.map(picky, range(30)))
    assert [outcome.item for outcome in outcomes] == list(range(30))
    for outcome in outcomes:
        if outcome.item % 3 == 0:
            assert outcome.error is None
            assert outcome.result() == outcome.item
        else:
            assert outcome.value is None
    wrong = outcomes[4].error
    assert isinstance(wrong, DataError)
    assert (wrong.uri, wrong.line, wrong.field) == ("file.jpg", 4, "a.b")
    assert str(wrong) == "file.jpg:4: a.b: is wrong"
    full = outcomes[5].error
    assert isinstance(full, OSError)
    assert (full.errno, full.filename) == (28, "file5")
    with pytest.raises(DataError):
        outcomes[1].result()


def test_an_endless_input_is_not_taken_in_eagerly(engine):
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    outcomes = engine.map(double, endless())
    first = [next(outcomes).result() for _ in range(10)]
    assert first == [2 * n for n in range(1, 11)]
    assert taken < 100
    outcomes.close()


def test_an_input_that_fails_gives_what_came_before_and_then_its_error(engine):
    def failing() -> Iterator[int]:
        yield from range(10)
        raise LookupError

    outcomes = engine.map(double, failing())
    assert [next(outcomes).item for _ in range(10)] == list(range(10))
    with pytest.raises(LookupError):
        next(outcomes)


def test_a_process_that_works_along_does_not_wait(tmp_path):
    meeting = tmp_path / "meeting"
    os.mkfifo(meeting)
    engine = ProcessEngine(1, batch=1, ahead=1, along=True)
    # Nobody gets through before the other has come.
    places = [found.result() for found in engine.map(Meet(str(meeting)), ["r", "w"])]
    engine.close()
    assert places[0] != os.getpid() == places[1]


def test_one_engine_maps_again_and_again(engine):
    inner = engine.map(double, range(10))
    outer = engine.map(picky, range(0, 30, 3))
    pairs = list(zip(inner, outer, strict=True))
    assert [pair[0].item for pair in pairs] == list(range(10))


def test_closing_twice_is_no_error():
    for engine in (SerialEngine(), ProcessEngine(1)):
        engine.close()
        engine.close()


def test_what_cannot_travel_is_an_error_of_its_item():
    engine = ProcessEngine(1)
    lock = threading.Lock()
    outcomes = list(engine.map(strange, [0, 1, 2, lock, 4]))
    engine.close()
    assert [outcome.item for outcome in outcomes] == [0, 1, 2, lock, 4]
    assert [outcome.value for outcome in outcomes] == [0, None, None, None, 4]
    assert isinstance(outcomes[1].error, GtWorkflowError)
    assert "CannotTravelError" in str(outcomes[1].error)
    assert isinstance(outcomes[2].error, TypeError)
    assert isinstance(outcomes[3].error, TypeError)


def test_a_process_that_dies_fails_only_the_item_that_killed_it():
    engine = ProcessEngine(2, batch=4)
    outcomes = list(engine.map(deadly, range(16)))
    assert [outcome.item for outcome in outcomes] == list(range(16))
    died = [outcome.item for outcome in outcomes if isinstance(outcome.error, WorkerDiedError)]
    assert died == [4, 11]
    assert all(o.value == o.item for o in outcomes if o.item not in died)
    # and the engine goes on
    assert [outcome.result() for outcome in engine.map(double, [1, 2])] == [2, 4]
    engine.close()


def test_an_engine_whose_every_process_dies_gives_up():
    engine = ProcessEngine(1, batch=2, deaths=2)
    outcomes = engine.map(always_deadly, range(10))
    assert [next(outcomes).item for _ in range(2)] == [0, 1]
    with pytest.raises(WorkerDiedError, match="in a row"):
        next(outcomes)
    engine.close()


def test_closing_cancels_what_has_not_begun(tmp_path):
    engine = ProcessEngine(1, batch=1, ahead=50)
    outcomes = engine.map(touch, [tmp_path / str(n) for n in range(50)])
    next(outcomes)
    outcomes.close()
    engine.close()
    assert len(list(tmp_path.iterdir())) < 50


def touch(path) -> None:
    path.touch()
    for _ in range(200_000):
        pass


SCRIPT = """
import sys, threading, os, signal
from gt_workflow.adapters.engine import ProcessEngine

def echo(n):
    return n

if __name__ == "__main__":
    engine = ProcessEngine(2, batch=1)
    try:
        for outcome in engine.map(echo, iter(int, 1)):
            print(outcome.value, flush=True)
    except KeyboardInterrupt:
        engine.close()
        print("stopped", flush=True)
        sys.exit(130)
"""


def test_an_interrupt_reaches_the_caller_and_no_worker_complains(tmp_path):
    script = tmp_path / "interrupted.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == "0\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to parent and workers alike
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.endswith("stopped\n")
    assert err == ""


def test_a_function_comes_to_a_process_once():
    engine = ProcessEngine(1, batch=2)
    try:
        assert {outcome.result() for outcome in engine.map(Counted(), range(9))} == {1}
        assert {outcome.result() for outcome in engine.map(double, range(3))} == {0, 2, 4}
    finally:
        engine.close()


ORPHANS = """
from gt_workflow.adapters.engine import ProcessEngine

def echo(n):
    return n

if __name__ == "__main__":
    for outcome in ProcessEngine(2, batch=1).map(echo, iter(int, 1)):
        print(outcome.value, flush=True)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(ORPHANS)
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == "0\n"
        process.kill()
        try:
            # The workers hold the pipe, too: it ends when the last of them has.
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == -signal.SIGKILL
