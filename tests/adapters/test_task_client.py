from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from portal_house import House, answer, box
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gt_workflow.adapters.task_client import TaskClient, UnreachableError
from gt_workflow.errors import NotFoundError, ServiceError
from gt_workflow.service.server import Server


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def address(house) -> Iterator[str]:
    with Server() as server:
        server.start(house.app)
        yield server.address


@pytest.fixture
def client(house, address) -> Iterator[TaskClient]:
    client = TaskClient(address, house.worker("Ada"))
    yield client
    client.close()


def test_a_script_can_do_a_job(house, client):
    house.job(objects=3, workers=2)
    assert client.me()["name"] == "Ada"
    assert client.jobs()[0]["available"] == 3
    task = client.accept()
    assert [one["id"] for one in client.held()] == [task["id"]]
    assert client.task(task["id"])["labels"] == ["cat", "dog"]
    assert client.image(task) == house.storage.objects[task["object"]]
    client.submit(task["id"], answer(box()))
    client.decline(client.accept()["id"], "zu dunkel: „nichts“ zu sehen, €")
    client.give_back(client.accept()["id"])
    assert client.jobs()[0]["available"] == 1


def test_no_work_is_no_error(house, client):
    arn = house.job(objects=1)
    assert client.accept(arn + "-other") is None
    assert client.accept(arn) is not None
    assert client.accept() is None


def test_a_slash_behind_the_address_does_not_matter(house, address):
    client = TaskClient(address + "/", house.worker())
    assert client.me()["name"] == "Ada"
    client.close()


def test_refusals_carry_the_services_code_and_sentence(house, client):
    house.job()
    task = client.accept()
    with pytest.raises(ServiceError, match="wolf") as refused:
        client.submit(task["id"], answer(box("wolf")))
    assert (refused.value.operation, refused.value.code) == ("submit", "ValidationException")
    client.submit(task["id"], answer(box()))
    client.submit(task["id"], answer(box()))  # as after a lost reply
    with pytest.raises(ServiceError, match="already") as refused:
        client.submit(task["id"], answer(box(left=9)))
    assert refused.value.code == "ConflictException"
    with pytest.raises(NotFoundError, match="no such task"):
        client.task("unknown")
    with pytest.raises(NotFoundError):
        client.task("../../me")


def test_a_wrong_token_is_said_to_be_wrong_and_not_shown(address):
    client = TaskClient(address, "forged-token")
    with pytest.raises(ServiceError, match="A valid token is needed") as refused:
        client.me()
    assert refused.value.code == "Http401"
    assert "forged-token" not in str(refused.value)
    client.close()


def test_a_service_that_is_not_there_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = TaskClient(f"http://127.0.0.1:{port}", "token")
    with pytest.raises(UnreachableError, match=rf"127.0.0.1:{port}/_/ does not answer") as refused:
        client.me()
    assert refused.value.code == "Unreachable"
    client.close()


def test_another_server_is_told_apart():
    def hello(_request):
        return PlainTextResponse("Welcome to nginx")

    with Server() as server:
        server.start(Starlette(routes=[Route("/_/api/me", hello)]))
        client = TaskClient(server.address, "token")
        with pytest.raises(ServiceError, match="is this the address of the service") as refused:
            client.me()
        assert refused.value.code == "NoTaskApi"
        with pytest.raises(NotFoundError, match="the service answered 404"):
            client.jobs()
        client.close()
