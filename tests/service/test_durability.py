"""The service is really killed, at many moments of a job; no answer is lost, no line differs."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jobs_world import LABELS, TEAM, World, answer, fast_folder
from sqlalchemy import insert

from gt_workflow.service.store import Store, worker_teams, workers

HOST = Path(__file__).with_name("jobs_host.py")
OBJECTS = 14
WORKERS = ("w0", "w1", "w2")
MISSING = 5


@pytest.fixture
def folders() -> Iterator[list[Path]]:
    made = [fast_folder(), fast_folder()]
    yield made
    for folder in made:
        shutil.rmtree(folder)


class Host:
    """The other side of the pipes: says commands, and says them again after a death."""

    def __init__(self, folder: Path, spans: Iterator[int | None]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HOST), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.spans = spans
        self.deaths = 0
        self._born(self._hear())

    def _born(self, message: dict[str, Any]) -> None:
        self.life = message["life"]
        self.fatal = next(self.spans)

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the host has ended by itself"
        found: dict[str, Any] = json.loads(line)
        return found

    def do(self, what: str, at: float, **more: Any) -> Any:
        while True:
            assert self.process.stdin is not None
            command = {"life": self.life, "fatal": self.fatal, "do": what, "at": at, "with": more}
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            message = self._hear()
            if "answer" in message:
                return message["answer"]
            self.deaths += 1
            self._born(message)

    def close(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0


def prepare(folder: Path) -> dict[str, Any]:
    """Put images, manifest, labels and workers in place; returns the request."""
    bucket = folder / "root" / "bucket"
    (bucket / "images").mkdir(parents=True)
    lines = []
    for index in range(OBJECTS):
        if index != MISSING:
            (bucket / "images" / f"{index}.jpg").write_bytes(b"100x80")
        uri = f"s3://bucket/images/{index}.jpg"
        lines.append(json.dumps({"source-ref": uri, "number": index}) + "\n")
    (bucket / "input.manifest").write_text("".join(lines))
    labels = {"labels": [{"label": label} for label in LABELS]}
    (bucket / "labels.json").write_text(json.dumps(labels))
    (bucket / "template.liquid").write_text("<crowd-form></crowd-form>")
    store = Store(f"sqlite:///{folder}/service.sqlite")
    with store.write() as connection:
        for name in WORKERS:
            connection.execute(insert(workers).values(id=name, name=name, created=0.0))
            connection.execute(insert(worker_teams).values(worker_id=name, workteam_arn=TEAM))
    store.close()
    return World.request(
        None,  # type: ignore[arg-type]  # the request needs nothing of a world
        NumberOfHumanWorkersPerDataObject=2,
        MaxConcurrentTaskCount=4,
    )


def whole_job(
    folder: Path, spans: Iterator[int | None], *, stop_after: int | None
) -> tuple[dict[str, bytes], dict[tuple[int, str], Any], Host]:
    """Do a job from its creation to its end; returns its files, and what was acknowledged."""
    request = prepare(folder)
    host = Host(folder, spans)
    acknowledged: dict[tuple[int, str], Any] = {}
    at = 0.0
    host.do("create", at, request=request)
    status = host.do("advance", at)
    step = 0
    while status not in {"Completed", "Stopped", "Failed"}:
        step += 1
        at += 1.5
        worker = WORKERS[step % len(WORKERS)]
        task = host.do("take", at, worker=worker)
        if task is not None:
            task_id, index = task
            number = WORKERS.index(worker)
            if (index + number) % 7 == 6:
                host.do("decline", at, worker=worker, task=task_id)
            else:
                given = answer(("cat", index, number, 20, 20), ("dog", 60, 50, 9 + number, 9))
                assert (
                    host.do("submit", at, worker=worker, task=task_id, answer=given)
                    == "acknowledged"
                )
                acknowledged[index, worker] = given
        if step == stop_after:
            host.do("stop", at)
        status = host.do("advance", at)
        assert step < 500
    host.fatal = None
    host.close()
    return written(folder), acknowledged, host


def all_fetched_ahead(
    folder: Path, spans: Iterator[int | None]
) -> tuple[dict[str, bytes], list[str], Host]:
    """Do a job in which everybody fetches ahead; returns its files, and what was passed on.

    The first worker takes breaks, so that what waits in their hands goes to the others.
    """
    host = Host(folder, spans)
    host.do("create", 0.0, request=prepare(folder))
    passed: list[str] = []
    waiting: dict[str, str | None] = {}
    at, status = 0.0, host.do("advance", 0.0)
    for step in range(500):
        if status == "Completed":
            break
        at += 4
        worker = WORKERS[step % len(WORKERS)]
        task = host.do("take", at, worker=worker)
        if task is not None:
            if waiting.get(worker) == task[0]:
                assert host.do("begin", at + 1, worker=worker, task=task[0])
            found = host.do("ahead", at + 2, worker=worker)
            if waiting.get(worker) not in {None, task[0], found}:
                passed.append(worker)
            waiting[worker] = found
            if worker != WORKERS[0] or step % 4 == 0:
                given = answer(("cat", task[1], WORKERS.index(worker), 20, 20))
                told = host.do("submit", at + 3, worker=worker, task=task[0], answer=given)
                assert told == "acknowledged"
        status = host.do("advance", at + 3)
    assert status == "Completed"
    host.fatal = None
    host.close()
    return written(folder), passed, host


def written(folder: Path) -> dict[str, bytes]:
    out = folder / "root" / "bucket" / "out"
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def deaths(seed: int) -> Iterator[int | None]:
    """After how many moments each life ends: short lives and long ones, the same every time."""
    lengths = random.Random(seed)  # noqa: S311 - moments to die at, no secret
    while True:
        yield lengths.randint(12, 70)


@pytest.mark.parametrize(("stop_after", "seed", "least"), [(None, 1, 30), (17, 3, 20)])
def test_a_killed_service_ends_where_an_undisturbed_one_ends(folders, stop_after, seed, least):
    def forever() -> Iterator[int | None]:
        while True:
            yield None

    whole, said, host = whole_job(folders[0], forever(), stop_after=stop_after)
    assert host.deaths == 0
    killed, acknowledged, host = whole_job(folders[1], deaths(seed), stop_after=stop_after)
    assert host.deaths >= least
    assert acknowledged == said
    assert killed == whole
    manifest = whole["job/manifests/output/output.manifest"].splitlines()
    assert [json.loads(line)["number"] for line in manifest] == list(range(OBJECTS))
    kept = {
        (int(path.split("/")[-2]), one["workerId"]): one["answerContent"]
        for path, body in killed.items()
        if "worker-response" in path
        for one in json.loads(body)["answers"]
    }
    assert kept == acknowledged
    labelled = {json.loads(line)["number"] for line in manifest if b'"boxes":' in line}
    assert labelled == {index for index, _ in acknowledged}


def test_what_was_fetched_ahead_or_passed_on_outlives_a_kill(folders):
    def forever() -> Iterator[int | None]:
        while True:
            yield None

    whole, passed, host = all_fetched_ahead(folders[0], forever())
    assert (host.deaths, len(passed) > 1) == (0, True)
    killed, passed_too, host = all_fetched_ahead(folders[1], deaths(5))
    assert host.deaths >= 20
    assert passed_too == passed
    assert killed == whole
