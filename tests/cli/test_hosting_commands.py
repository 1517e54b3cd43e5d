"""`invite` and `revoke` as a user meets them, against a service that runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3

from gt_workflow import config, wiring


@pytest.fixture
def address(cli):  # noqa: ARG001 - `cli` first: it changes folder and environment
    """A service on the folder that the commands find."""
    with wiring.backend(config.load(flags={})) as running:
        yield running.address


@dataclass
class Browser:
    """What a link is opened in: keeps its cookie, sends what the page sends."""

    address: str
    cookie: str = ""
    pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"X-GT-Page": "1", "Cookie": self.cookie, "Content-Type": "application/json"}
        reply = self.pool.request(
            method,
            f"{self.address}/_/api/{path}",
            headers=headers,
            body=None if body is None else json.dumps(body),
            retries=False,
        )
        self.cookie = reply.headers.get("Set-Cookie", self.cookie).partition(";")[0]
        return reply.status, json.loads(reply.data)

    def open(self, link: str) -> tuple[int, Any]:
        return self.ask("POST", "session", {"invite": link.strip().partition("#invite=")[2]})


def invited(cli, *arguments):
    status, out, err = cli("invite", *arguments)
    assert (status, err) == (0, ""), err  # somebody serves: nothing to say beside the link
    return out


def test_an_invitation_makes_a_worker_unless_it_names_a_role(cli, address):
    ada = Browser(address)
    link = invited(cli, "Ada")
    assert link.startswith(f"{address}/_/#invite=")
    status, told = ada.open(link)
    assert (status, told["worker"]["name"], told["worker"]["role"]) == (200, "Ada", "worker")
    assert [team.rpartition("/")[2] for team in told["worker"]["teams"]] == ["default"]
    assert ada.ask("GET", "jobs")[0] == 200
    assert ada.ask("GET", "admin/jobs")[0] == 403


def test_an_admin_sees_all_jobs_until_made_a_worker_again(cli, address):
    root = Browser(address)
    assert root.open(invited(cli, "Root", "--role", "admin"))[1]["worker"]["role"] == "admin"
    assert root.ask("GET", "admin/jobs") == (200, {"jobs": []})
    # A new link for the next browser takes nothing away ...
    other = Browser(address)
    assert other.open(invited(cli, "Root"))[1]["worker"]["role"] == "admin"
    # ... what is named does.
    again = Browser(address)
    assert again.open(invited(cli, "Root", "--role", "worker"))[1]["worker"]["role"] == "worker"
    assert again.ask("GET", "admin/jobs")[0] == 403


def test_a_link_is_good_once(cli, address):
    told = json.loads(invited(cli, "Ada", "--role", "worker", "--json"))
    assert set(told) == {"worker", "page"}
    assert Browser(address).open(told["page"])[0] == 200
    status, answer = Browser(address).open(told["page"])
    assert status == 410
    assert "python -m gt_workflow invite Ada" in answer["error"]["message"]


def test_who_is_revoked_is_out_at_once_everywhere_and_may_come_back(cli, address):
    ada, bob = Browser(address), Browser(address)
    ada.open(invited(cli, "Ada"))
    bob.open(invited(cli, "Bob"))
    unopened = invited(cli, "Ada")
    status, out, err = cli("revoke", "Ada")
    assert (status, err) == (0, "")
    # One session, the link that began it, and the one that nobody has opened.
    assert out == "Ada is signed out everywhere; links, tokens and sessions ended: 3\n"
    assert Browser(address).open(unopened)[0] == 401
    assert ada.ask("GET", "jobs")[0] == 401
    assert bob.ask("GET", "jobs")[0] == 200
    assert json.loads(cli("revoke", "Ada", "--json")[1]) == {"worker": "Ada", "ended": 0}
    assert ada.open(invited(cli, "Ada"))[0] == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("invite", "Ada", "--role", "boss"), "--role boss: expected worker or admin"),
        (("revoke", "Ada"), "no service folder at gt-data"),
        (("invite",), "Missing argument 'NAME'"),
        (("revoke",), "Missing argument 'NAME'"),
        (("invite", ""), "1 to 64 printable characters"),
        (("invite", "a\nb"), "1 to 64 printable characters"),
        (("invite", "x" * 65), "1 to 64 printable characters"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_makes_no_folder(cli, tmp_path, arguments, message):
    status, out, err = cli(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_help_says_what_they_do(cli):
    status, out, _ = cli("invite", "--help")
    assert status == 0
    assert "good once" in out
    assert "--role worker|admin  An admin sees all jobs and stops them" in out
    assert "[default:" in out
    status, out, _ = cli("revoke", "--help")
    assert status == 0
    assert "Shut a worker out of the worker page at once; answers stay." in out
