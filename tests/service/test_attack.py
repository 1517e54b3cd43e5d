"""An attack run: hostile input, each refused with the right status, and nothing stored by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from portal_house import HEIGHT, TEAMS, WIDTH, House, Reply, answer, box
from sqlalchemy import select

from gt_workflow.service.portal.routes import BODY_LIMIT
from gt_workflow.service.store import metadata

SCRIPT = '"><script>alert(1)</script>'
OTHERS = TEAMS + "others"


class Site:
    """A house with somebody in every room: what an attacker finds."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.arn = house.job(objects=3)
        self.theirs = house.job("theirs", team=OTHERS)
        self.ada = house.worker("Ada")
        self.bob = house.worker("Bob", team=OTHERS)
        self.cookie = house.sign_in("Ada")
        self.admin = house.sign_in("Root", role="admin")
        self.spent = house.invite("Carol")
        house.call("POST", "/_/api/session", body={"invite": self.spent})
        self.task = house.accept(self.ada)
        self.done = house.accept(self.ada)
        house.submit(self.ada, self.done["id"], answer(box()))
        self.bobs = house.accept(self.bob)
        house.settle()

    def stored(self) -> dict[str, list[Any]]:
        """All that the database and the storage hold."""
        with self.house.store.read() as connection:
            kept = {
                table.name: sorted(repr(row) for row in connection.execute(select(table)))
                for table in metadata.sorted_tables
            }
        kept["objects"] = sorted(kept["objects"])
        kept["files"] = sorted(self.house.storage.objects)
        return kept

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.house.call(method, f"/_/{path}", body=body, headers=named)

    def as_ada(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return self.send(method, path, body, authorization=f"Bearer {self.ada}", **headers)

    def submit(self, body: Any, task: str | None = None) -> Reply:
        return self.as_ada("POST", f"api/tasks/{task or self.task['id']}/submit", body)

    def by_cookie(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.house.call(method, f"/_/{path}", body=body, headers={**self.cookie, **named})


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    house = House(tmp_path)
    yield Site(house)
    house.close()


def raw(value: str) -> bytes:
    """A good answer with one number put as written."""
    return json.dumps(answer(box(left="?"))).replace('"?"', value).encode()


def nested(depth: int) -> bytes:
    return b'{"boundingBox":' * depth + b"1" + b"}" * depth


def bare(cookie: dict[str, str]) -> str:
    return cookie["cookie"]


ATTACKS: dict[str, tuple[Any, int]] = {
    # Answers
    "label that is markup": (lambda s: s.submit(answer(box(SCRIPT))), 422),
    "label of nobody": (lambda s: s.submit(answer(box("wolf"))), 422),
    "label in other letters": (lambda s: s.submit(answer(box("CAT"))), 422),
    "label with a zero byte": (lambda s: s.submit(answer(box("cat\x00"))), 422),
    "label that is a list": (lambda s: s.submit(answer(box(["cat"]))), 422),
    "box left of the raster": (lambda s: s.submit(answer(box(left=-1))), 422),
    "box beyond the raster": (lambda s: s.submit(answer(box(left=WIDTH - 1, width=9))), 422),
    "box below the raster": (lambda s: s.submit(answer(box(top=HEIGHT, height=5))), 422),
    "box without area": (lambda s: s.submit(answer(box(width=0))), 422),
    "box inside out": (lambda s: s.submit(answer(box(height=-4))), 422),
    "not a number": (lambda s: s.submit(raw("NaN")), 400),
    "infinity": (lambda s: s.submit(raw("Infinity")), 400),
    "minus infinity": (lambda s: s.submit(raw("-Infinity")), 400),
    "a number that overflows": (lambda s: s.submit(raw("1e999")), 400),
    "a number of 400 digits": (lambda s: s.submit(raw("9" * 400)), 422),
    "a boolean for a number": (lambda s: s.submit(answer(box(left=True))), 422),
    "501 boxes": (lambda s: s.submit(answer(*[box()] * 501)), 422),
    "another image's size": (lambda s: s.submit(answer(box(), width=WIDTH * 10)), 422),
    "two answers in one": (lambda s: s.submit({**answer(), "other": answer()["boundingBox"]}), 422),
    "51 fields": (lambda s: s.submit({**answer(), **{str(n): 1 for n in range(60)}}), 422),
    "300,000 letters beside": (lambda s: s.submit({**answer(), "x": "x" * 300_000}), 422),
    "a lone surrogate": (lambda s: s.submit(b'{"x":"\\ud800"}'), 400),
    "nothing at all": (lambda s: s.submit(b""), 422),
    "no JSON": (lambda s: s.submit(b"{boundingBox}"), 400),
    "no UTF-8": (lambda s: s.submit(b"\xff\xfe\x00"), 400),
    "deep JSON": (lambda s: s.submit(nested(50_000)), 400),
    "too large a body": (lambda s: s.submit(b" " * (BODY_LIMIT + 1)), 413),
    "too large by its own word": (
        lambda s: s.as_ada("POST", "api/tasks/accept", content_length="99999999999"),
        413,
    ),
    "a form": (
        lambda s: s.as_ada(
            "POST", "api/tasks/accept", content_type="application/x-www-form-urlencoded"
        ),
        415,
    ),
    "text that is JSON": (
        lambda s: s.as_ada("POST", "api/tasks/accept", content_type="text/plain"),
        415,
    ),
    # Tasks
    "another answer to an answered task": (
        lambda s: s.submit(answer(box(left=9)), s.done["id"]),
        409,
    ),
    "returning an answered task": (
        lambda s: s.as_ada("POST", f"api/tasks/{s.done['id']}/return"),
        409,
    ),
    "another team's task": (lambda s: s.submit(answer(box()), s.bobs["id"]), 403),
    "looking at another team's task": (
        lambda s: s.as_ada("GET", f"api/tasks/{s.bobs['id']}"),
        403,
    ),
    "declining another team's task": (
        lambda s: s.as_ada("POST", f"api/tasks/{s.bobs['id']}/decline", {"reason": "x"}),
        403,
    ),
    "a task that is a path": (lambda s: s.submit(answer(), "..%2F..%2Fetc%2Fpasswd"), 404),
    "a task that is SQL": (lambda s: s.submit(answer(), "'%20OR%20'1'='1"), 404),
    "a decline without words": (
        lambda s: s.as_ada("POST", f"api/tasks/{s.task['id']}/decline", {"reason": " "}),
        422,
    ),
    "a decline of a novel": (
        lambda s: s.as_ada("POST", f"api/tasks/{s.task['id']}/decline", {"reason": "x" * 9999}),
        422,
    ),
    # Credentials
    "no token": (lambda s: s.send("POST", "api/tasks/accept"), 401),
    "a forged token": (
        lambda s: s.send("POST", "api/tasks/accept", authorization="Bearer forged"),
        401,
    ),
    "a token of a megabyte": (
        lambda s: s.send("POST", "api/tasks/accept", authorization=f"Bearer {'x' * 1_000_000}"),
        401,
    ),
    "a token in the address": (lambda s: s.send("POST", f"api/tasks/accept?token={s.ada}"), 401),
    "a token as a password": (
        lambda s: s.send("POST", "api/tasks/accept", authorization=f"Basic {s.ada}"),
        401,
    ),
    "a forged cookie": (
        lambda s: s.by_cookie(
            "POST", "api/tasks/accept", cookie=bare(s.cookie).partition("=")[0] + "=forged"
        ),
        401,
    ),
    "a bearer token as a cookie": (
        lambda s: s.by_cookie(
            "POST", "api/tasks/accept", cookie=bare(s.cookie).partition("=")[0] + f"={s.ada}"
        ),
        401,
    ),
    "a session as a bearer token": (
        lambda s: s.send(
            "POST",
            "api/tasks/accept",
            authorization=f"Bearer {bare(s.cookie).partition('=')[2]}",
        ),
        401,
    ),
    "two cookies": (
        lambda s: s.by_cookie(
            "POST", "api/tasks/accept", cookie=f"{bare(s.cookie)}; {bare(s.admin)}"
        ),
        401,
    ),
    "a cookie bomb": (
        lambda s: s.by_cookie("POST", "api/tasks/accept", cookie="a=b; " * 5000 + bare(s.cookie)),
        431,
    ),
    "an invitation used twice": (
        lambda s: s.send("POST", "api/session", {"invite": s.spent}),
        410,
    ),
    "a forged invitation": (lambda s: s.send("POST", "api/session", {"invite": "forged"}), 401),
    "an invitation that is a list": (lambda s: s.send("POST", "api/session", {"invite": []}), 422),
    "an invitation of a megabyte": (
        lambda s: s.send("POST", "api/session", {"invite": "x" * 900_000}),
        413,
    ),
    # Other sites
    "a post from another site": (
        lambda s: s.by_cookie("POST", "api/tasks/accept", origin="https://evil.test"),
        403,
    ),
    "a post from a sandbox": (
        lambda s: s.by_cookie("POST", "api/tasks/accept", origin="null"),
        403,
    ),
    "a cross-site fetch": (
        lambda s: s.by_cookie("POST", "api/tasks/accept", sec_fetch_site="cross-site"),
        403,
    ),
    "a sister site's fetch": (
        lambda s: s.by_cookie("POST", "api/session/end", sec_fetch_site="same-site"),
        403,
    ),
    "a cookie without the page's header": (
        lambda s: s.by_cookie("POST", "api/tasks/accept", x_gt_page=""),
        403,
    ),
    "signing out from outside": (
        lambda s: s.by_cookie("POST", "api/session/end", x_gt_page="0"),
        403,
    ),
    "signing in from another site": (
        lambda s: s.send("POST", "api/session", {"invite": s.ada}, sec_fetch_site="cross-site"),
        403,
    ),
    "a form that signs in": (
        lambda s: s.send("POST", "api/session", {"invite": s.ada}, content_type="text/plain"),
        415,
    ),
    # Admins' calls by a worker
    "a worker lists all jobs": (lambda s: s.by_cookie("GET", "api/admin/jobs"), 403),
    "a worker lists workers": (lambda s: s.as_ada("GET", "api/admin/workers"), 403),
    "a worker stops a job": (
        lambda s: s.by_cookie("POST", "api/admin/stop", {"job_arn": s.arn, "confirm": "cats"}),
        403,
    ),
    "a worker makes an admin": (
        lambda s: s.as_ada("POST", "api/admin/invite", {"name": "Ada", "role": "admin"}),
        403,
    ),
    "a worker shuts another out": (
        lambda s: s.as_ada("POST", "api/admin/revoke", {"name": "Bob"}),
        403,
    ),
    "a worker looks at any image": (
        lambda s: s.by_cookie("GET", f"api/admin/image?job_arn={s.theirs}&index=0"),
        403,
    ),
    "nobody looks at any image": (
        lambda s: s.send("GET", f"api/admin/image?job_arn={s.theirs}&index=0"),
        401,
    ),
    "another site shows an image": (
        lambda s: s.house.call(
            "GET",
            f"/_/api/admin/image?job_arn={s.arn}&index=0",
            headers={"cookie": bare(s.admin), "sec-fetch-site": "cross-site"},
        ),
        403,
    ),
    "a stop that is not confirmed": (
        lambda s: s.house.call(
            "POST", "/_/api/admin/stop", body={"job_arn": s.arn}, headers=s.admin
        ),
        422,
    ),
    "a worker whose name is two lines": (
        lambda s: s.house.call(
            "POST", "/_/api/admin/invite", body={"name": "a\nb"}, headers=s.admin
        ),
        422,
    ),
    "a team that is not there": (
        lambda s: s.house.call(
            "POST", "/_/api/admin/invite", body={"name": "E", "team_arn": "x"}, headers=s.admin
        ),
        404,
    ),
    # Images and files
    "an image by a path": (lambda s: s.send("GET", "image/..%2F..%2Fservice.sqlite"), 403),
    "an image without a seal": (lambda s: s.send("GET", f"image/{s.task['id']}"), 403),
    "an image of an answered task": (lambda s: s.house.call("GET", s.done["image"]["url"]), 409),
    "another's image by one's own seal": (
        lambda s: s.house.call("GET", s.task["image"]["url"].replace(s.task["id"], s.bobs["id"])),
        403,
    ),
    "an image index that is none": (
        lambda s: s.house.call(
            "GET", f"/_/api/admin/image?job_arn={s.arn}&index=-1", headers=s.admin
        ),
        422,
    ),
    "a sheet of a million": (
        lambda s: s.house.call(
            "GET", f"/_/api/admin/sheet?job_arn={s.arn}&limit=1000000", headers=s.admin
        ),
        422,
    ),
    "a sheet sorted by SQL": (
        lambda s: s.house.call(
            "GET", f"/_/api/admin/sheet?job_arn={s.arn}&sort=idx;DROP", headers=s.admin
        ),
        422,
    ),
    "a file above the page": (lambda s: s.send("GET", "static/..%2Fworkers.py"), 404),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_stores_nothing(site, name):
    attack, status = ATTACKS[name]
    before = site.stored()
    reply = attack(site)
    assert reply.status == status, reply.body[:300]
    assert site.stored() == before
    assert "set-cookie" not in reply.headers
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert b"<script" not in reply.body or reply.headers["content-type"] == "application/json"
    # And whoever works there goes on as if nothing had been.
    assert site.submit(answer(box())).status == 200


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 40


def test_tokens_sessions_and_links_that_expired_let_nobody_in(site):
    site.house.clock.sleep(31 * 86_400)
    before = site.stored()
    assert site.submit(answer(box())).status == 401
    assert site.by_cookie("POST", "api/tasks/accept").status == 401
    assert site.house.call("GET", site.task["image"]["url"]).status == 403
    assert site.stored() == before


def test_names_that_are_markup_stay_text(tmp_path):
    house = House(tmp_path)
    house.job("marked", keys=(f"../{SCRIPT}.jpg", "%2e%2e/x.jpg"), labels=(SCRIPT,), title=SCRIPT)
    token, admin = house.worker(SCRIPT), house.sign_in("Root", role="admin")
    while (task := house.accept(token)) is not None:
        assert SCRIPT not in task["image"]["url"]
        assert house.call("GET", task["image"]["url"]).status == 200
        house.submit(token, task["id"], answer(box(SCRIPT)))
    arn = house.call("GET", "/_/api/admin/jobs", headers=admin).json()["jobs"][0]["job_arn"]
    for path in (f"sheet?job_arn={arn}", f"workers?job_arn={arn}", "jobs"):
        reply = house.call("GET", f"/_/api/admin/{path}", headers=admin)
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert (
        house.call("GET", f"/_/api/admin/image?job_arn={arn}&index=0", headers=admin).status == 200
    )
    house.close()
