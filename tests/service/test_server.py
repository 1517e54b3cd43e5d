from __future__ import annotations

import contextlib
import socket
import threading

import pytest
import urllib3
from starlette.responses import PlainTextResponse

from gt_workflow.errors import UsageError
from gt_workflow.service.server import Host, Server


def test_the_address_is_known_before_the_application():
    with Server() as server:
        assert server.address == f"http://127.0.0.1:{server.port}"
        server.start(PlainTextResponse("here"))
        assert urllib3.request("GET", server.address).data == b"here"
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        urllib3.request("GET", server.address, retries=0)


def test_a_port_that_is_taken_is_a_usage_error():
    with Server() as first, pytest.raises(UsageError, match=f"port {first.port}.*choose another"):
        Server(port=first.port)
    with Server(port=first.port) as again:  # given back
        assert again.port == first.port


def test_a_host_that_is_not_ours_is_a_usage_error():
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"):
        Server(host="192.0.2.1")


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("0.0.0.0", "http://127.0.0.1:"),  # noqa: S104 - what a client is told is the point
        ("::1", "http://[::1]:"),
    ],
)
def test_an_address_can_be_used_on_this_machine(host, told):
    with Server(host=host) as server:
        assert server.address == f"{told}{server.port}"


def test_stopping_twice_is_no_error():
    server = Server()
    server.start(PlainTextResponse("here"))
    server.stop()
    server.stop()


class Work:
    """Work of so many steps, that tells when each round is over."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.rounds = threading.Semaphore(0)

    def advance(self) -> bool:
        if self.left:
            self.left -= 1
            return True
        self.rounds.release()
        return False


def test_the_host_works_until_nothing_is_left_and_again_when_woken():
    work = Work(3)
    host = Host(work.advance, interval=3600)
    host.start()
    assert work.rounds.acquire(timeout=30)
    assert work.left == 0
    work.left = 2
    host.wake()
    assert work.rounds.acquire(timeout=30)
    assert work.left == 0
    host.stop()
    host.stop()


def test_the_host_looks_again_after_the_interval():
    work = Work(0)
    host = Host(work.advance, interval=0.001)
    host.start()
    for _ in range(3):
        assert work.rounds.acquire(timeout=30)
    host.stop()


def test_a_failure_does_not_end_the_host_and_is_told_once(caplog):
    tried = threading.Semaphore(0)

    def fail() -> bool:
        tried.release()
        raise OSError("the disk is full")

    host = Host(fail, interval=0.001)
    host.start()
    for _ in range(5):
        assert tried.acquire(timeout=30)
    host.stop()
    assert caplog.text.count("the labeling jobs could not be moved on") == 1


def test_a_host_that_never_started_can_be_stopped():
    Host(lambda: False, interval=1).stop()


def test_headers_without_end_are_cut_off():
    with Server() as server, contextlib.ExitStack() as stack:
        server.start(PlainTextResponse("ok"))
        line = b"X-Filler: " + b"x" * 60_000 + b"\r\n"
        peer = stack.enter_context(socket.create_connection((server.host, server.port), 10))
        with contextlib.suppress(ConnectionError):
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            for _ in range(200):
                peer.sendall(line)
            assert peer.recv(1) == b""
        whole = stack.enter_context(socket.create_connection((server.host, server.port), 10))
        whole.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 30_000 + b"\r\n\r\n")
        assert whole.recv(12) == b"HTTP/1.1 200"
