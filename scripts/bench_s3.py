"""`scripts/bench s3`: small objects go up to S3, by our storage in processes and by boto3 alone.

The server does nothing but answer, so that the clients are measured: boto3 spends some 4 ms of
processor time on a request, which no thread of the same process takes off it.
"""

from __future__ import annotations

import socketserver
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench_frame import Row, against, clock, interleave, run

COUNT, QUICK, SIZE = 1000, 40, 200_000


def rows(_work: Path, rounds: int, *, quick: bool = False) -> list[Row]:
    """Compare on all cores; processes and their clients are started before the clock runs."""
    count = QUICK if quick else COUNT
    with answering() as address:
        here = [sys.executable, __file__]
        found = interleave(
            {
                name: lambda name=name: run([*here, name, address, str(count)], cores=None)
                for name in ("ours", "boto3")
            },
            rounds=rounds,
            name="s3",
        )
    work = f"{count:,} objects of 200 kB to S3, the server doing nothing"
    return [against(found, "boto3", work=work, unit="objects/s", per="wall", bar=1.7)]


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        """Take the body in and say yes."""
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 18)))
        self.send_response(200)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(socketserver.ForkingMixIn, socketserver.TCPServer):
    allow_reuse_address = True


def _serve(pipe: Any) -> None:
    with _Server(("127.0.0.1", 0), _Answers) as server:
        pipe.send(server.server_address[1])
        server.serve_forever()


@contextmanager
def answering() -> Iterator[str]:
    """Run the server in a process of its own; give its address."""
    context = get_context("fork")
    mine, its = context.Pipe()
    server = context.Process(target=_serve, args=(its,))
    server.start()
    try:
        yield f"http://127.0.0.1:{mine.recv()}"
    finally:
        server.terminate()
        server.join()


class Put:
    """Puts one object; a value that an engine sends to its processes."""

    def __init__(self, storage: Any) -> None:
        """Use a storage."""
        self._storage = storage

    def __call__(self, number: int) -> None:
        """Put the object of this number."""
        with self._storage.create(f"s3://bench/{number:06}") as file:
            file.write(bytes(SIZE))


def measure(method: str, address: str, count: int) -> None:
    """Do one method's work, and print its figures."""
    from gt_workflow.adapters.clients import AccountStorage, Clients
    from gt_workflow.adapters.engine import ProcessEngine

    clients = Clients("us-east-1", endpoint=address, access_key="k", secret_key="s")  # noqa: S106 - any
    if method == "boto3":
        client = clients("s3")
        client.put_object(Bucket="bench", Key="first", Body=bytes(SIZE))
        with clock(amount=count):
            for number in range(count):
                client.put_object(Bucket="bench", Key=f"{number:06}", Body=bytes(SIZE))
        return
    import os

    with closing(ProcessEngine(os.cpu_count() or 1)) as engine:
        put = Put(AccountStorage(clients))
        for outcome in engine.map(put, range(64)):
            outcome.result()
        with clock(amount=count):
            for outcome in engine.map(put, range(count)):
                outcome.result()


if __name__ == "__main__":
    measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
