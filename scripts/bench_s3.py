"""`scripts/bench s3`: small objects go up to S3, by our storage in processes and by boto3 alone.

The server does nothing but answer, with so little work of its own that the clients are measured:
boto3 spends 1 to 4 ms of processor time on a request, which no thread of its process takes off it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
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
                name: partial(run, [*here, name, address, str(count)], cores=None)
                for name in ("ours", "boto3")
            },
            rounds=rounds,
            name="s3",
        )
    work = f"{count:,} objects of 200 kB to S3, the server doing nothing"
    return [against(found, "boto3", work=work, unit="objects/s", per="wall", bar=1.7)]


def _answer(connection: socket.socket) -> None:
    """Take in one request after the other and say yes, until nobody asks any more."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 20)
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := connection.recv(1 << 16)):
                return
            head += more
        head, _, body = head.partition(b"\r\n\r\n")
        head = head.lower()
        if b"\r\nexpect: 100-continue" in head and not body:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        left = int(length or 0) - len(body)
        while left > 0:
            left -= connection.recv_into(buffer)
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: 0\r\n\r\n')


def _serve(pipe: Any) -> None:
    """Answer each connection in a process of its own, which ends with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        pipe.send(server.getsockname()[1])
        while True:
            connection, _ = server.accept()
            with connection:
                if os.fork() == 0:
                    server.close()
                    _answer(connection)
                    os._exit(0)


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
    with closing(ProcessEngine(os.cpu_count() or 1)) as engine:
        put = Put(AccountStorage(clients))
        for outcome in engine.map(put, range(64)):
            outcome.result()
        with clock(amount=count):
            for outcome in engine.map(put, range(count)):
                outcome.result()


if __name__ == "__main__":
    measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
