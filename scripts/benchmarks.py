"""The benchmarks behind `scripts/bench`; every figure in the docs comes from here."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3

from gt_workflow.adapters.scenes.draw import draw
from gt_workflow.adapters.task_client import TaskClient
from gt_workflow.core.requests.job import JobSpec, create_labeling_job

TEAM = "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/default"


def main() -> None:
    """Run the benchmark that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    service = commands.add_parser("service")
    service.add_argument("--objects", type=int, default=100_000)
    service.add_argument("--seconds", type=float, default=20.0, help="of handing out and taking in")
    service.add_argument("--workers", type=int, default=8)
    commands.add_parser("help")
    chosen = parser.parse_args()
    if chosen.command == "help":
        bench_help()
    else:
        bench_service(chosen.objects, chosen.seconds, chosen.workers)


def bench_help() -> None:
    """Start-up of the command line against bare Python, medians of 20 runs each, interleaved."""
    ours, bare = [], []
    for _ in range(20):
        bare.append(_run_seconds([sys.executable, "-c", "pass"]))
        ours.append(_run_seconds([sys.executable, "-m", "gt_workflow", "--help"]))
    mine, peer = statistics.median(ours), statistics.median(bare)
    print(f"--help {mine * 1000:.0f} ms, bare Python {peer * 1000:.0f} ms: {mine / peer:.1f} times")


def bench_service(objects: int, seconds: float, workers: int) -> None:
    """Create a small and a large job; hand out and take in; compare memory and speed."""
    with tempfile.TemporaryDirectory(prefix="gt-bench-") as folder:
        root = Path(folder) / "root"
        _make_objects(root, objects)
        command = [sys.executable, "-m", "gt_workflow", "serve", "--port", "0", "--json"]
        server = subprocess.Popen(
            [*command, "--root", str(root)], stdout=subprocess.PIPE, text=True
        )
        try:
            told = _first_json(server)
            client = _client("sagemaker", told["address"])
            idle = _memory(server.pid)
            print(f"service idle: {idle:.0f} MB")
            for name, count in (("small", 1000), ("large", objects)):
                took = _create(client, name, count)
                print(
                    f"job of {count:,} objects in progress after {took:.1f} s, "
                    f"{_memory(server.pid):.0f} MB"
                )
            rate = _work(told, seconds=seconds, workers=workers)
            print(f"after {seconds:.0f} s of work: {_memory(server.pid):.0f} MB")
            peer = _commits(root / "peer.sqlite", seconds=3.0)
            print(
                f"hand-out and submit: {rate:.0f} tasks/s by {workers} workers over HTTP; "
                f"SQLite alone, two durable transactions a task: {peer:.0f}/s: "
                f"{rate / peer:.2f} of it"
            )
        finally:
            server.terminate()
            server.wait()


def _run_seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _make_objects(root: Path, count: int) -> None:
    """Lay out as many images as objects (links to a few files) and the manifests."""
    bucket = root / "bench"
    bucket.mkdir(parents=True)
    drawn = []
    for number in range(8):
        path = bucket / f"scene-{number}.jpg"
        path.write_bytes(draw(seed=0, index=number).jpeg)
        drawn.append(path)
    with (
        (bucket / "large.manifest").open("w") as large,
        (bucket / "small.manifest").open("w") as small,
    ):
        for number in range(count):
            name = f"images/{number // 1000:03}/{number:06}.jpg"
            path = bucket / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(drawn[number % len(drawn)], path)
            line = json.dumps({"source-ref": f"s3://bench/{name}"}) + "\n"
            large.write(line)
            if number < 1000:
                small.write(line)
    (bucket / "labels.json").write_text(
        json.dumps({"document-version": "2018-11-28", "labels": [{"label": "degu"}]})
    )
    (bucket / "template.html").write_text("<crowd-form></crowd-form>")


def _first_json(server: subprocess.Popen[str]) -> dict[str, Any]:
    """Read what `serve --json` prints once it answers."""
    text = ""
    assert server.stdout is not None
    for line in server.stdout:
        text += line
        if line.rstrip() == "}":
            return json.loads(text)
    raise SystemExit("the service did not start")


def _client(service: str, address: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - our own service takes any
    )


def _memory(pid: int) -> float:
    """Return the resident memory of a process in MB, from /proc."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def _create(client: Any, name: str, objects: int) -> float:
    """Create a job and wait until all its objects are known; return the seconds."""
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
                template_uri="s3://bench/template.html",
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
            return time.perf_counter() - start
        if now["LabelingJobStatus"] == "Failed":
            raise SystemExit(now["FailureReason"])
        time.sleep(0.05)


def _work(told: dict[str, Any], *, seconds: float, workers: int) -> float:
    """Let several workers accept and submit as fast as they can; return tasks per second."""
    token = told["token"]
    done = [0] * workers
    halt = threading.Event()

    def labour(number: int) -> None:
        client = TaskClient(told["address"], token)
        task = None
        while not halt.is_set():
            task = task or client.accept(None)
            if task is None:  # the batch's last objects are in other hands
                halt.wait(0.005)
                continue
            image = task["image"]
            box = {"label": "degu", "left": 10, "top": 10, "width": 50, "height": 40}
            properties = {"width": image["width"], "height": image["height"]}
            content = {"boundingBoxes": [box], "inputImageProperties": properties}
            task = client.submit(task["id"], {"boundingBox": content}, then="any")
            done[number] += 1

    with ThreadPoolExecutor(workers) as pool:
        work = [pool.submit(labour, number) for number in range(workers)]
        start = time.perf_counter()
        halt.wait(seconds)
        took = time.perf_counter() - start
        halt.set()
        for future in work:
            future.result()
    return sum(done) / took


def _commits(path: Path, *, seconds: float) -> float:
    """Return pairs of durable transactions per second of SQLite alone, in this process."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE answers (id INTEGER PRIMARY KEY, answer TEXT)")
    start, pairs = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(2):
            database.execute("INSERT INTO answers (answer) VALUES (?)", ("x" * 300,))
        pairs += 1
    database.close()
    return pairs / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
