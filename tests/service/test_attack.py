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
        self.fresh = house.invite("Dan")
        self.ended = house.sign_in("Fay")
        self.revoked = house.invite("Fay")
        house.workers.revoke("Fay")
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

    def as_admin(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.house.call(
            method, f"/_/api/admin/{path}", body=body, headers={**self.admin, **named}
        )

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


def raw_boxes(boxes: bytes) -> bytes:
    """An answer with these for its boxes, as written."""
    return json.dumps(answer()).encode().replace(b"[]", boxes)


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
    "400,000 numbers for boxes": (
        lambda s: s.submit(raw_boxes(b"[" + b"0," * 399_999 + b"0]")),
        422,
    ),
    "a million empty lists": (lambda s: s.submit(raw_boxes(b"[" + b"[]," * 300_000 + b"[]]")), 422),
    "a list for an answer": (lambda s: s.submit([answer(box())]), 422),
    "two values in one body": (lambda s: s.submit(b"{}{}"), 400),
    "a label that reads backwards": (lambda s: s.submit(answer(box("\u202etac"))), 422),
    "a label with an invisible letter": (lambda s: s.submit(answer(box("cat\u200b"))), 422),
    "a label in wide letters": (lambda s: s.submit(answer(box("\uff43\uff41\uff54"))), 422),
    "a box as a text": (lambda s: s.submit(answer(box(left="5"))), 422),
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
    "returning another's task": (
        lambda s: s.as_ada("POST", f"api/tasks/{s.bobs['id']}/return"),
        403,
    ),
    "a job that is not there": (
        lambda s: s.as_ada("POST", "api/tasks/accept", {"job_arn": "x" * 3000}),
        422,
    ),
    "a job that is a list": (
        lambda s: s.as_ada("POST", "api/tasks/accept", {"job_arn": [s.arn]}),
        422,
    ),
    "accepting by a link": (lambda s: s.as_ada("GET", "api/tasks/accept"), 404),
    "submitting by a link": (lambda s: s.as_ada("GET", f"api/tasks/{s.task['id']}/submit"), 405),
    "deleting a task": (lambda s: s.as_ada("DELETE", f"api/tasks/{s.task['id']}"), 405),
    "a method in a header": (
        lambda s: s.as_ada(
            "GET", f"api/tasks/{s.task['id']}/return", x_http_method_override="POST"
        ),
        405,
    ),
    "a decline that is a list": (
        lambda s: s.as_ada("POST", f"api/tasks/{s.task['id']}/decline", {"reason": ["x"]}),
        422,
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
    "an invitation with a space behind it": (
        lambda s: s.send("POST", "api/session", {"invite": s.spent + " "}),
        401,
    ),
    "an invitation as a bearer token": (
        lambda s: s.send("POST", "api/tasks/accept", authorization=f"Bearer {s.fresh}"),
        401,
    ),
    "an invitation as a cookie": (
        lambda s: s.by_cookie(
            "POST", "api/tasks/accept", cookie=bare(s.cookie).partition("=")[0] + f"={s.fresh}"
        ),
        401,
    ),
    "an invitation of who was shut out": (
        lambda s: s.send("POST", "api/session", {"invite": s.revoked}),
        401,
    ),
    "the session of who was shut out": (
        lambda s: s.house.call("POST", "/_/api/tasks/accept", headers=s.ended),
        401,
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
    "a post that does not say where it comes from": (
        lambda s: s.house.call(
            "POST", "/_/api/tasks/accept", headers={"cookie": s.cookie["cookie"]}
        ),
        403,
    ),
    "a form that does not say where it comes from": (
        lambda s: s.house.call(
            "POST",
            "/_/api/admin/stop",
            headers={"cookie": s.admin["cookie"], "content-type": "text/plain"},
            body={"job_arn": s.arn, "confirm": "cats"},
        ),
        403,
    ),
    "a post from another port": (
        lambda s: s.by_cookie("POST", "api/tasks/accept", origin="http://labels.test:81"),
        403,
    ),
    "an admin's page that is not the admin's": (
        lambda s: s.as_admin("POST", "stop", {"job_arn": s.arn, "confirm": "cats"}, x_gt_page=""),
        403,
    ),
    "an admin's post from another site": (
        lambda s: s.as_admin("POST", "revoke", {"name": "Ada"}, sec_fetch_site="cross-site"),
        403,
    ),
    "a beginning from another site": (
        lambda s: s.by_cookie(
            "POST", f"api/tasks/{s.task['id']}/begin", origin="https://evil.test"
        ),
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
    "a worker looks at any thumbnail": (
        lambda s: s.by_cookie("GET", f"api/admin/thumbnail?job_arn={s.theirs}&index=0"),
        403,
    ),
    "nobody looks at any thumbnail": (
        lambda s: s.send("GET", f"api/admin/thumbnail?job_arn={s.theirs}&index=0"),
        401,
    ),
    "another site shows a thumbnail": (
        lambda s: s.as_admin(
            "GET", f"thumbnail?job_arn={s.arn}&index=0", sec_fetch_site="cross-site"
        ),
        403,
    ),
    "a worker reads the contact sheet": (
        lambda s: s.by_cookie("GET", f"api/admin/sheet?job_arn={s.arn}"),
        403,
    ),
    "a worker lists the teams": (lambda s: s.as_ada("GET", "api/admin/teams"), 403),
    "a script's token that says it is an admin": (
        lambda s: s.as_ada("GET", "api/admin/jobs?role=admin", x_role="admin"),
        403,
    ),
    "a stop under another job's name": (
        lambda s: s.as_admin("POST", "stop", {"job_arn": s.arn, "confirm": "theirs"}),
        422,
    ),
    "a stop of a list of jobs": (
        lambda s: s.as_admin("POST", "stop", {"job_arn": [s.arn], "confirm": ["cats"]}),
        422,
    ),
    "a stop of no job": (
        lambda s: s.as_admin("POST", "stop", {"job_arn": "x", "confirm": "x"}),
        404,
    ),
    "a stop by a link": (
        lambda s: s.as_admin("GET", f"stop?job_arn={s.arn}&confirm=cats"),
        405,
    ),
    "a role that is none": (
        lambda s: s.as_admin("POST", "invite", {"name": "Eve", "role": "root"}),
        422,
    ),
    "a role that is a list": (
        lambda s: s.as_admin("POST", "invite", {"name": "Eve", "role": ["admin"]}),
        422,
    ),
    "a name that reads backwards": (
        lambda s: s.as_admin("POST", "invite", {"name": "\u202eadA"}),
        422,
    ),
    "a name with an invisible letter": (
        lambda s: s.as_admin("POST", "invite", {"name": "Ada\u200b"}),
        422,
    ),
    "a name of a thousand letters": (
        lambda s: s.as_admin("POST", "invite", {"name": "x" * 1000}),
        422,
    ),
    "a name that is nothing": (lambda s: s.as_admin("POST", "invite", {"name": " "}), 422),
    "an invitation in a list": (lambda s: s.as_admin("POST", "invite", [{"name": "Eve"}]), 422),
    "an invitation that is too deep": (lambda s: s.as_admin("POST", "invite", nested(50_000)), 400),
    "an invitation that is too large": (
        lambda s: s.as_admin("POST", "invite", b" " * (BODY_LIMIT + 1)),
        413,
    ),
    "revoking nobody": (lambda s: s.as_admin("POST", "revoke", {"name": "Nobody"}), 404),
    "revoking a path": (lambda s: s.as_admin("POST", "revoke", {"name": "../Ada\x00"}), 422),
    "a sheet of no job": (lambda s: s.as_admin("GET", "sheet?job_arn='%20OR%201=1--"), 404),
    "a sheet from before its begin": (
        lambda s: s.as_admin("GET", f"sheet?job_arn={s.arn}&offset=-1"),
        422,
    ),
    "a sheet beyond all numbers": (
        lambda s: s.as_admin("GET", f"sheet?job_arn={s.arn}&offset={'9' * 400}"),
        422,
    ),
    "a sheet in other digits": (
        lambda s: s.as_admin("GET", f"sheet?job_arn={s.arn}&limit=%D9%A3"),
        422,
    ),
    "a thumbnail of no job": (lambda s: s.as_admin("GET", "thumbnail?job_arn=x&index=0"), 404),
    "a thumbnail by a path": (
        lambda s: s.as_admin("GET", f"thumbnail?job_arn={s.arn}&index=../0"),
        422,
    ),
    "a thumbnail of any object": (
        lambda s: s.as_admin("GET", "thumbnail?uri=s3://bucket/cats/labels.json"),
        422,
    ),
    # Images and files
    "an image by a path": (lambda s: s.send("GET", "image/..%2F..%2Fservice.sqlite"), 404),
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
    "a file above the page, bare": (lambda s: s.send("GET", "static/../workers.py"), 404),
    "a file above the page, encoded": (
        lambda s: s.send("GET", "static/%2e%2e/%2e%2e/store.py"),
        404,
    ),
    "a file above the page, encoded twice": (
        lambda s: s.send("GET", "static/%252e%252e%252fworkers.py"),
        404,
    ),
    "a file above the page, by backslashes": (
        lambda s: s.send("GET", "static/..%5C..%5Cstore.py"),
        404,
    ),
    "a file at the root": (lambda s: s.send("GET", "static//etc/passwd"), 404),
    "a file behind a zero byte": (lambda s: s.send("GET", "static/main.js%00.css"), 404),
    "a file that is a folder": (lambda s: s.send("GET", "static/crowd/"), 404),
    "a file that is no part of the page": (lambda s: s.send("GET", "static/package.json"), 404),
    "a frame without a seal": (lambda s: s.send("GET", f"frame/{s.task['id']}"), 403),
    "another's frame by one's own seal": (
        lambda s: s.house.call("GET", s.task["frame"].replace(s.task["id"], s.bobs["id"])),
        403,
    ),
    "any object by a frame's seal": (
        lambda s: s.house.call(
            "GET",
            s.task["frame"].replace("?", "/object?") + "&uri=s3://bucket/cats/labels.json",
        ),
        403,
    ),
    "a link that lives longer": (
        lambda s: s.house.call("GET", s.task["image"]["url"].replace("expires=", "expires=9")),
        403,
    ),
    "a link for somebody else": (
        lambda s: s.house.call(
            "GET", s.task["image"]["url"].replace("worker=private", "worker=public")
        ),
        403,
    ),
    "a link whose signature is cut": (
        lambda s: s.house.call("GET", s.task["image"]["url"][:-1]),
        403,
    ),
    "a link with a letter beyond ASCII": (
        lambda s: s.house.call("GET", s.task["image"]["url"] + "%C3%BC"),
        403,
    ),
    "an expiry that is no number": (
        lambda s: s.send("GET", f"image/{s.task['id']}?worker=x&expires=never&signature=0"),
        403,
    ),
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
