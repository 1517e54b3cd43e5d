"""`scripts/bench service`: our Ground Truth under a large job, and tasks per second.

A server is started and talked to over HTTP. A task is two durable transactions (a lease, an
answer), so the peer is SQLite alone doing as many. Clients and server share the machine's cores.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench_frame import Measure, Row, against, growth, interleave, progress, value
from bench_process import memory_of

TEAM = "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/default"
WORKERS = 8


def rows(work: Path, rounds: int, *, quick: bool = False) -> list[Row]:
    """Create a small and a large job; hand out and take in; compare memory and speed."""
    small, large = (20, 200) if quick else (10_000, 100_000)
    seconds = 0.2 if quick else 4.0
    root = work / "root"
    progress(f"service: laying out {large:,} objects")
    lay_out(root, small, large)
    with hosted(root) as (told, pid):
        client = client_of(told["address"])
        idle = memory_of(pid)
        created = [
            create_job(client, pid, name, count)
            for name, count in (("small", small), ("large", large))
        ]
        labour = Labour(told["address"], [told["token"]] * WORKERS)
        figures = interleave(
            {
                "ours": lambda: labour.measure(pid, seconds),
                "SQLite alone, two durable transactions a task": lambda: _commits(
                    work / "peer.sqlite", seconds=seconds / 2
                ),
            },
            rounds=rounds,
            name="service",
        )
        worked = [measure.memory for measure in figures["ours"]]
    tasks = f"tasks handed out and answers taken in, {WORKERS} workers, job of {large:,} objects"
    name = "SQLite alone, two durable transactions a task"
    rates = [measure.rate("wall") for measure in figures["ours"]]
    return [
        value(rates, work=tasks, unit="tasks/s", bar=200),
        against(figures, name, work=tasks, unit="tasks/s", per="wall"),
        value([created[1].wall], work=f"job of {large:,} objects in progress", unit="s",
              bar=60, at_most=True),
        value([max(worked)], work=f"memory of the service (idle {idle:.0f} MB)", unit="MB",
              bar=400, at_most=True),
        growth(created[:1], created[1:], work=f"memory, job of {large:,} against {small:,} objects",
               bar=1.2),
    ]  # fmt: skip


@contextlib.contextmanager
def hosted(root: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Host the service over a folder; give what it tells of itself and its process."""
    command = [sys.executable, "-m", "gt_workflow", "serve", "--port", "0", "--json"]
    server = subprocess.Popen(
        [*command, "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield _first_json(server), server.pid
    finally:
        server.terminate()
        server.wait()


def _first_json(server: subprocess.Popen[str]) -> dict[str, Any]:
    """Read what `serve --json` prints once it answers."""
    text = ""
    assert server.stdout is not None
    for line in server.stdout:
        text += line
        if line.rstrip() == "}":
            return dict(json.loads(text))
    raise SystemExit("the service did not start")


def lay_out(root: Path, small: int, large: int) -> None:
    """Lay out as many images as objects (links to a few files) and the manifests."""
    from gt_workflow.adapters.scenes.draw import draw

    bucket = root / "bench"
    bucket.mkdir(parents=True)
    drawn = []
    for number in range(8):
        path = bucket / f"scene-{number}.jpg"
        path.write_bytes(draw(seed=0, index=number).jpeg)
        drawn.append(path)
    lines = []
    for number in range(large):
        name = f"images/{number // 1000:03}/{number:06}.jpg"
        path = bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(drawn[number % len(drawn)], path)
        lines.append(json.dumps({"source-ref": f"s3://bench/{name}"}) + "\n")
    (bucket / "small.manifest").write_text("".join(lines[:small]))
    (bucket / "large.manifest").write_text("".join(lines))
    (bucket / "labels.json").write_text(
        json.dumps({"document-version": "2018-11-28", "labels": [{"label": "degu"}]})
    )
    (bucket / "template.html").write_text("<crowd-form></crowd-form>")


def client_of(address: str) -> Any:
    """Return a boto3 client of the service, as anybody would make one."""
    import boto3

    return boto3.client(
        "sagemaker",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - our own service takes any
    )


def create_job(
    client: Any, pid: int, name: str, objects: int, *, template: str = "template.html"
) -> Measure:
    """Create a job and wait until all its objects are known; measure seconds and memory."""
    from gt_workflow.core.requests.job import JobSpec, create_labeling_job

    progress(f"service: creating a job of {objects:,} objects")
    start = time.perf_counter()
    client.create_labeling_job(
        **create_labeling_job(
            JobSpec(
                name=f"bench-{name}",
                attribute="boxes",
                kind="label",
                region="us-east-1",
                manifest_uri=f"s3://bench/{name}.manifest",
                labels_uri="s3://bench/labels.json",
                template_uri=f"s3://bench/{template}",
                output_uri="s3://bench/output",
                role_arn="arn:aws:iam::123456789012:role/bench",
                workteam_arn=TEAM,
                title="Draw boxes",
                description="Draw boxes",
                workers_per_object=1,
                task_time_limit=600,
            )
        )
    )
    while True:
        now = client.describe_labeling_job(LabelingJobName=f"bench-{name}")
        if now["LabelCounters"]["Unlabeled"] >= objects:
            took = time.perf_counter() - start
            return Measure(amount=objects, wall=took, cpu=took, memory=memory_of(pid))
        if now["LabelingJobStatus"] == "Failed":
            raise SystemExit(now["FailureReason"])
        time.sleep(0.05)


class Labour:
    """Several workers who accept and submit as fast as they can."""

    def __init__(self, address: str, tokens: Sequence[str]) -> None:
        """Know where the service is, and what lets each of them in."""
        from gt_workflow.adapters.task_client import TaskClient

        self._clients = [TaskClient(address, token) for token in tokens]
        self._held: list[dict[str, Any] | None] = [None] * len(tokens)

    def measure(self, pid: int, seconds: float) -> Measure:
        """Work for so long; what a worker holds at the end is where the next round goes on."""
        halt = threading.Event()

        def work(number: int) -> int:
            done = 0
            while not halt.is_set():
                task = self._held[number] or self._clients[number].accept(None)
                if task is None:  # the batch's last objects are in other hands
                    halt.wait(0.005)
                    continue
                self._held[number] = self._clients[number].submit(
                    task["id"], {"boundingBox": _answer(task["image"])}, then="any"
                )
                done += 1
            return done

        with ThreadPoolExecutor(len(self._clients)) as pool:
            start = time.perf_counter()
            working = [pool.submit(work, number) for number in range(len(self._clients))]
            halt.wait(seconds)
            halt.set()
            done = sum(future.result() for future in working)
            took = time.perf_counter() - start
        return Measure(amount=done, wall=took, cpu=took, memory=memory_of(pid))


def _answer(image: dict[str, Any]) -> dict[str, Any]:
    box = {"label": "degu", "left": 10, "top": 10, "width": 50, "height": 40}
    properties = {"width": image["width"], "height": image["height"]}
    return {"boundingBoxes": [box], "inputImageProperties": properties}


def _commits(path: Path, *, seconds: float) -> Measure:
    """Count pairs of durable transactions of SQLite alone, in this process."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS answers (id INTEGER PRIMARY KEY, answer TEXT)")
    start, pairs = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(2):
            database.execute("INSERT INTO answers (answer) VALUES (?)", ("x" * 300,))
        pairs += 1
    took = time.perf_counter() - start
    database.close()
    return Measure(amount=pairs, wall=took, cpu=took, memory=0.0)
