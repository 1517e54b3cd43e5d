"""`scripts/bench pack`: images in a bucket become a RecordIO in a bucket, through our own S3.

`convert --backend aws` packs them whole; then again into another folder, killed in the middle and
run once more: the bytes must be the same. Memory is of all the command's processes, the disk what
its temporary files take beside the buckets.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench_frame import Row, progress, value
from bench_process import memory_of
from bench_recordio import line

COUNT, QUICK, TENTH = 20_000, 200, 2000
SIZE = (160, 120)


def rows(work: Path, rounds: int, *, quick: bool = False) -> list[Row]:  # noqa: ARG001 - one is enough
    """Pack, pack again with a kill in the middle, compare; and a tenth, to see memory grow."""
    folder = work / "pack"
    count = QUICK if quick else COUNT
    tenth = max(20, min(TENTH, count // 10))
    make(folder / "root" / "photographs", count, tenth)
    with served(folder) as address:
        small = packed(folder, address, "tenth", images=tenth)
        whole = packed(folder, address, "whole", images=count)
        halves = [packed(folder, address, "halves", images=count, kill=True)]
        halves.append(packed(folder, address, "halves", images=count))
    assert records(folder, "whole") == records(folder, "halves"), "other bytes after the kill"
    name = f"{count:,} images, bucket to RecordIO in a bucket"
    print(
        f"killed after {halves[0].seconds:.1f} s, ended {halves[1].seconds:.1f} s later "
        f"(whole: {whole.seconds:.1f} s), the same bytes",
        file=sys.stderr,
    )
    return [
        value([count / whole.seconds], work=name, unit="images/s, all cores"),
        value([whole.memory], work=f"{name}: memory of all processes", unit="MB"),
        value(
            [whole.memory / small.memory],
            work=f"{name}: memory against that of {tenth:,} images",
            unit="times",
            bar=1.5,
            at_most=True,
        ),
        value([max(whole.disk, 0.1)], work=f"{name}: disk beside the buckets", unit="MB"),
    ]


@dataclass
class Seen:
    """What was seen of a run: seconds, and the most MB of memory and of temporary files."""

    seconds: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self, session: int) -> None:
        """Look again and again, until it is over."""
        while not self.over.wait(0.1):
            self.memory = max(self.memory, memory_of(session))
            self.disk = max(self.disk, unlinked(session))


def unlinked(process: int) -> float:
    """Return the MB of files that a process holds open and that have no name any more."""
    total = 0
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.endswith("(deleted)") and not target.startswith("/dev/"):
                    total += link.stat().st_size
    return total / 1e6


def make(bucket: Path, count: int, tenth: int) -> None:
    """Lay out images of noise of about 8 kB, and the manifests of all and of a tenth."""
    from PIL import Image

    bucket.mkdir(parents=True, exist_ok=True)
    drawn = []
    for number in range(20):
        noise = [Image.effect_noise(SIZE, 40 + number) for _ in range(3)]
        buffer = io.BytesIO()
        Image.merge("RGB", noise).save(buffer, "JPEG", quality=60)
        drawn.append(buffer.getvalue())
    for number in range(count):
        data = drawn[number % len(drawn)]
        path = bucket / f"{number // 1000:03}" / f"{number:06}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data[:2] + b"\xff\xfe\x00\x0a%08d" % number + data[2:])
    for name, lines in (("all", count), ("tenth", tenth)):
        with (bucket / f"{name}.manifest").open("w", encoding="utf-8") as file:
            for number in range(lines):
                ref = f"s3://photographs/{number // 1000:03}/{number:06}.jpg"
                file.write(line(ref, SIZE))


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run our own service over the buckets; give its address."""
    words = ["serve", "--port", "0", "--json", "--root", str(folder / "root")]
    with subprocess.Popen(
        [sys.executable, "-m", "gt_workflow", *words], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            text = ""
            assert server.stdout is not None
            for said in server.stdout:
                text += said
                if said.rstrip() == "}":
                    break
            yield str(json.loads(text)["address"])
        finally:
            server.terminate()


def packed(folder: Path, address: str, name: str, *, images: int, kill: bool = False) -> Seen:
    """Run convert into a bucket of this name; with `kill` until a third of the notes are there."""
    progress(f"pack: {images:,} images into {name}{', to be killed' if kill else ''}")
    import boto3

    settings = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    bucket = f"{name}-channels"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",  # noqa: S106 - our own service takes any
    )
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=bucket)
    manifest = "tenth" if name == "tenth" else "all"
    words = ["convert", f"s3://photographs/{manifest}.manifest", "--backend", "aws"]
    where = ["--region", "us-east-1", "--to", "recordio", "--out", f"s3://{bucket}/out", "--json"]
    seen, began = Seen(), time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "gt_workflow", *words, *where],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as child:
        watcher = threading.Thread(target=seen.watch, args=(child.pid,))
        watcher.start()
        notes = folder / "root" / bucket / "out" / "recordio" / "unfinished"
        while kill and child.poll() is None:
            if len(list(notes.glob("*"))) >= 3:
                os.killpg(child.pid, signal.SIGKILL)
                break
            time.sleep(0.02)
        status = child.wait()
    seen.seconds = time.perf_counter() - began
    seen.over.set()
    watcher.join()
    assert status == 0 or kill, f"convert ended with {status}"
    return seen


def records(folder: Path, name: str) -> list[str]:
    """Return the digests of what was made, but for the receipt, which tells its address."""
    made = folder / "root" / f"{name}-channels" / "out" / "recordio"
    return [
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(made.rglob("*"))
        if path.is_file() and path.name != "channel.json"
    ]
