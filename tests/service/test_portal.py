from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from portal_house import HEIGHT, LEASE, TEAM, TEAMS, WIDTH, House, answer, box, image

from gt_workflow.errors import StorageError
from gt_workflow.service.portal.routes import BODY_LIMIT


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


# The life of a task


def test_a_worker_sees_who_they_are(house):
    token = house.worker("Ada")
    me = house.call("GET", "/_/api/me", token=token).json()
    assert (me["name"], me["teams"]) == ("Ada", [TEAM])


def test_jobs_are_offered_with_what_is_left_of_them(house):
    token = house.worker()
    arn = house.job(objects=3)
    [offer] = house.call("GET", "/_/api/jobs", token=token).json()["jobs"]
    assert offer["job_arn"] == arn
    assert offer["job_name"] == "cats"
    assert offer["kind"] == "label"
    assert offer["title"] == "Box the cats"
    assert offer["description"] == "Tight boxes."
    assert offer["available"] == 3
    assert offer["progress"] == {"labeled": 0, "failed": 0, "total": 3}


def test_a_task_tells_all_that_a_page_needs(house):
    token = house.worker()
    arn = house.job()
    task = house.accept(token)
    link = task["image"].pop("url")
    assert link.startswith(f"/_/image/{task['id']}?")
    assert task.pop("frame").startswith(f"/_/frame/{task['id']}?")
    assert "photo" not in link
    assert "bucket" not in link
    assert task == {
        "id": task["id"],
        "job_arn": arn,
        "job_name": "cats",
        "kind": "label",
        "title": "Box the cats",
        "description": "Tight boxes.",
        "labels": ["cat", "dog"],
        "image": {"width": WIDTH, "height": HEIGHT},
        "boxes": [],
        "object": "s3://bucket/cats/photo 0.jpg",
        "line": {"source-ref": "s3://bucket/cats/photo 0.jpg", "photograph": "album/photo 0.jpg"},
        "lease_until": "2026-01-01T00:10:00+00:00",
        "seconds_left": float(LEASE),
        "progress": {"labeled": 0, "failed": 0, "total": 3},
    }


def test_time_left_runs_down(house):
    token = house.worker()
    house.job()
    task = house.accept(token)
    house.clock.sleep(100)
    again = house.call("GET", f"/_/api/tasks/{task['id']}", token=token).json()["task"]
    assert again["seconds_left"] == LEASE - 100


def test_a_job_is_worked_through(house):
    token = house.worker()
    house.job(objects=3)
    seen = []
    while (task := house.accept(token)) is not None:
        seen.append(task["object"])
        assert house.submit(token, task["id"], answer(box())).status == 200
    assert seen == [f"s3://bucket/cats/photo {index}.jpg" for index in range(3)]
    assert house.counters()["HumanLabeled"] == 3


def test_nothing_to_label_is_an_answer(house):
    token = house.worker()
    house.job(objects=1)
    assert house.submit(token, house.accept(token)["id"], answer()).status == 200
    assert house.counters()["HumanLabeled"] == 1


def test_held_tasks_come_back_after_a_reload(house):
    token = house.worker()
    house.job()
    task = house.accept(token)
    held = house.call("GET", "/_/api/tasks", token=token).json()["tasks"]
    assert [one["id"] for one in held] == [task["id"]]


def test_a_returned_task_is_handed_out_again(house):
    token = house.worker()
    house.job(objects=1)
    task = house.accept(token)
    assert house.call("POST", f"/_/api/tasks/{task['id']}/return", token=token).status == 200
    again = house.accept(token)
    assert again["object"] == task["object"]
    assert again["id"] != task["id"]


def test_a_declined_task_is_not_handed_to_the_worker_again(house):
    token = house.worker()
    house.job(objects=1, workers=2)
    task = house.accept(token)
    path = f"/_/api/tasks/{task['id']}/decline"
    assert house.call("POST", path, token=token, body={"reason": "too dark"}).status == 200
    assert house.accept(token) is None


@pytest.mark.parametrize("reason", ["", "  ", None, 7, ["x"], "x" * 1001])
def test_a_decline_needs_a_reason(house, reason):
    token = house.worker()
    house.job()
    task = house.accept(token)
    path = f"/_/api/tasks/{task['id']}/decline"
    reply = house.call("POST", path, token=token, body={"reason": reason})
    assert reply.status == 422
    assert reply.message.startswith("reason: ")
    assert house.call("GET", f"/_/api/tasks/{task['id']}", token=token).status == 200


def test_a_worker_chooses_the_job(house):
    token = house.worker()
    house.job("cats")
    dogs = house.job("dogs")
    assert house.accept(token, dogs)["job_name"] == "dogs"


def test_adjust_and_verify_tasks_carry_the_boxes_of_the_earlier_job(house):
    token = house.worker()
    adjust = house.job("adjust", kind="adjust")
    verify = house.job("verify", kind="verify", labels=("right", "wrong"))
    given = [box("cat", 1.5, 2, 10, 12.25), box("dog", 30, 20, 20, 10)]
    task = house.accept(token, adjust)
    assert task["boxes"] == given
    changed = answer(box("cat", 2, 2, 10, 12))
    changed["boundingBox"]["initialValueModified"] = True
    assert house.submit(token, task["id"], changed).status == 200
    task = house.accept(token, verify)
    assert task["boxes"] == given
    assert task["labels"] == ["right", "wrong"]
    verdict = {"crowd-image-classifier": {"label": "wrong"}, "explanation": "<b>loose</b>"}
    assert house.submit(token, task["id"], verdict).status == 200


# Who may do what


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "me"),
        ("GET", "jobs"),
        ("GET", "tasks"),
        ("POST", "tasks/accept"),
        ("GET", "tasks/1"),
        ("POST", "tasks/1/submit"),
        ("POST", "tasks/1/return"),
        ("POST", "tasks/1/decline"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer forged"},
        {"authorization": "Basic c2VjcmV0LXRva2VuLTE6"},
        {"authorization": "secret-token-1"},
        {"cookie": "token=secret-token-1"},
    ],
)
def test_without_a_good_token_there_is_nothing(house, method, path, headers):
    house.worker()
    reply = house.call(method, f"/_/api/{path}", headers=headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.headers["content-type"] == "application/json"


def test_a_token_in_the_address_is_no_token(house):
    token = house.worker()
    assert house.call("GET", f"/_/api/me?token={token}").status == 401


def test_an_expired_token_is_refused(house):
    token = house.worker()
    house.clock.sleep(31 * 86_400)
    assert house.call("GET", "/_/api/me", token=token).status == 401


@pytest.mark.parametrize(
    ("method", "end"), [("GET", ""), ("POST", "/submit"), ("POST", "/return"), ("POST", "/decline")]
)
def test_another_workers_task_is_out_of_reach(house, method, end):
    ada, bob = house.worker("Ada"), house.worker("Bob")
    house.job()
    task = house.accept(ada)
    body = answer(box()) | {"reason": "no"}
    reply = house.call(method, f"/_/api/tasks/{task['id']}{end}", token=bob, body=body)
    assert reply.status == 403
    assert house.call("GET", f"/_/api/tasks/{task['id']}", token=ada).status == 200


def test_a_job_of_another_team_is_not_there(house):
    token = house.worker(team=TEAMS + "others")
    arn = house.job()
    assert house.call("GET", "/_/api/jobs", token=token).json() == {"jobs": []}
    assert house.accept(token) is None
    reply = house.call("POST", "/_/api/tasks/accept", token=token, body={"job_arn": arn})
    assert reply.json().get("task") is None


@pytest.mark.parametrize("task_id", ["unknown", "0", "..%2F..%2Fetc", "'%20OR%201=1", "%00"])
def test_an_unknown_task_is_not_found(house, task_id):
    token = house.worker()
    reply = house.call("GET", f"/_/api/tasks/{task_id}", token=token)
    assert reply.status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "me"),
        ("DELETE", "tasks"),
        ("PUT", "tasks/1"),
        ("GET", "tasks/1/submit"),
        ("PATCH", "jobs"),
    ],
)
def test_a_method_that_does_not_fit_is_said_so(house, method, path):
    token = house.worker()
    reply = house.call(method, f"/_/api/{path}", token=token)
    assert reply.status == 405
    assert "allow" in reply.headers


@pytest.mark.parametrize("path", ["/_/api/nothing", "/_/nothing", "/_/static/../portal.py"])
def test_an_unknown_address_is_not_found(house, path):
    assert house.call("GET", path).status == 404


# What other sites can make a browser send


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://labels.test.evil.test"},
        {"origin": "http://labels.test:81"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://labels.test", "sec-fetch-site": "cross-site"},
    ],
)
def test_another_sites_page_is_refused(house, headers):
    token = house.worker()
    house.job()
    reply = house.call("POST", "/_/api/tasks/accept", token=token, headers=headers)
    assert reply.status == 403
    assert house.call("GET", "/_/api/tasks", token=token).json() == {"tasks": []}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://labels.test"},
        {"origin": "https://LABELS.test"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_our_own_page_is_served(house, headers):
    assert house.call("GET", "/_/api/me", token=house.worker(), headers=headers).status == 200


def test_no_other_site_may_read_an_answer(house):
    token = house.worker()
    headers = {"origin": "http://labels.test", "access-control-request-method": "POST"}
    for method in ("GET", "OPTIONS"):
        reply = house.call(method, "/_/api/jobs", token=token, headers=headers)
        assert not [name for name in reply.headers if name.startswith("access-control")]
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_what_a_form_can_send_is_refused(house, kind):
    token = house.worker()
    house.job()
    headers = {"content-type": kind}
    reply = house.call("POST", "/_/api/tasks/accept", token=token, headers=headers)
    assert reply.status == 415


def test_no_cookie_is_ever_set(house):
    token = house.worker()
    for path in ("/_/", "/_/api/me", "/_/static/main.js"):
        assert "set-cookie" not in house.call("GET", path, token=token).headers


# Answers that are none


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (answer(box("wolf")), "wolf"),
        (answer(box("<script>alert(1)</script>")), "<script>alert(1)</script>"),
        (answer(box("cat ")), "cat "),
        (answer(box(left=-5)), "boundingBoxes[0]"),
        (answer(box(left=60)), "boundingBox"),
        (answer(box(height=1000)), "boundingBox"),
        (answer(box(width=0)), "boundingBoxes[0]"),
        (answer(box(width=-3)), "boundingBoxes[0]"),
        (answer(box(left="5")), "left"),
        (answer(box(left=None)), "left"),
        (answer(box(left=True)), "left"),
        (answer(box(left=10**400)), "left"),
        (answer({"label": "cat"}), "left"),
        (answer(7), "boundingBoxes"),
        (answer(width=65), "64 x 48"),
        (answer(width="64"), "64 x 48"),
        (answer(*[box()] * 1001), "1001"),
        ({"boundingBox": {"boundingBoxes": {}}}, "boundingBox"),
        ({"boundingBox": None}, "boundingBoxes"),
        ({}, "boundingBoxes"),
        ([], "object"),
        ([answer(box())], "object"),
        ("text", "object"),
        (5, "object"),
    ],
)
def test_an_answer_that_is_none_is_refused_with_the_reason(house, given, reason):
    token = house.worker()
    house.job()
    task = house.accept(token)
    reply = house.submit(token, task["id"], json.dumps(given).encode())
    assert reply.status == 422
    assert reason in reply.message
    # Nothing is stored, and a good answer is still welcome.
    assert house.counters()["HumanLabeled"] == 0
    assert house.submit(token, task["id"], answer(box())).status == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'"\xff"', 400),
        (b'{"a": NaN}', 400),
        (b'{"a": Infinity}', 400),
        (b"[" * 200_000, 400),
        (b'{"boundingBox":' * 50_000, 400),
        (b"<xml/>", 400),
        (b" " * (BODY_LIMIT + 1), 413),
        (b'"' + b"x" * BODY_LIMIT + b'"', 413),
        (b'"' + b"x" * 300_000 + b'"', 422),
    ],
)
def test_a_body_that_is_none_is_refused(house, given, status):
    token = house.worker()
    house.job()
    task = house.accept(token)
    assert house.submit(token, task["id"], given).status == status
    assert house.counters()["HumanLabeled"] == 0


def test_a_body_announced_too_large_is_not_read(house):
    token = house.worker()
    reply = house.call(
        "POST", "/_/api/tasks/accept", token=token, headers={"content-length": "999999999999"}
    )
    assert reply.status == 413


@pytest.mark.parametrize("arn", [5, ["x"], {}, "x" * 3000])
def test_a_job_arn_that_is_none_is_refused(house, arn):
    reply = house.call(
        "POST", "/_/api/tasks/accept", token=house.worker(), body={"job_arn": arn, "more": 1}
    )
    assert reply.status == 422


# Too late, or twice


def test_a_replayed_submit_is_refused(house):
    token = house.worker()
    house.job(objects=2, workers=2)
    task = house.accept(token)
    assert house.submit(token, task["id"], answer(box())).status == 200
    again = house.submit(token, task["id"], answer(box(left=30)))
    assert again.status == 409
    assert again.json()["error"]["code"] == "ConflictException"


def test_an_answer_behind_the_lease_is_refused(house):
    token = house.worker()
    house.job()
    task = house.accept(token)
    house.clock.sleep(LEASE + 1)
    assert house.submit(token, task["id"], answer(box())).status == 409
    house.settle()
    assert house.submit(token, task["id"], answer(box())).status == 409
    assert house.call("GET", "/_/api/tasks", token=token).json() == {"tasks": []}


def test_a_returned_or_declined_task_takes_no_answer(house):
    token = house.worker()
    house.job()
    for end in ("return", "decline"):
        task = house.accept(token)
        path = f"/_/api/tasks/{task['id']}/{end}"
        assert house.call("POST", path, token=token, body={"reason": "dark"}).status == 200
        assert house.submit(token, task["id"], answer(box())).status == 409


def test_a_stopped_job_takes_no_answer(house):
    token = house.worker()
    house.job()
    task = house.accept(token)
    house.jobs.stop(region="us-east-1", name="cats")
    assert house.submit(token, task["id"], answer(box())).status == 409


# Images


def _changed(link: str, **changes: str | None) -> str:
    parts = urlsplit(link)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = value
    return f"{parts.path}?{urlencode(query)}"


def test_an_image_is_streamed_as_it_is_stored(house):
    token = house.worker()
    house.job()
    task = house.accept(token)
    reply = house.call("GET", task["image"]["url"])
    assert reply.status == 200
    assert reply.body == house.storage.objects[task["object"]]
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"].startswith("private")


def test_a_large_image_arrives_whole(house):
    token = house.worker()
    house.job(objects=1)
    task = house.accept(token)
    large = image() + bytes(range(256)) * 4000
    house.storage.objects[task["object"]] = large
    assert house.call("GET", task["image"]["url"]).body == large


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (image("PNG"), 200, "image/png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", 415, None),
        (b"<html><script>alert(1)</script>", 415, None),
        (b"", 415, None),
        (image("GIF"), 415, None),
    ],
)
def test_what_an_image_is_follows_from_its_bytes(house, content, status, kind):
    token = house.worker()
    house.job(objects=1)
    task = house.accept(token)
    house.storage.objects[task["object"]] = content
    reply = house.call("GET", task["image"]["url"])
    assert reply.status == status
    assert kind is None or reply.headers["content-type"] == kind
    assert kind is not None or reply.headers["content-type"] == "application/json"


def test_a_missing_image_is_not_found_and_its_place_not_told(house):
    token = house.worker()
    house.job(objects=1)
    task = house.accept(token)
    house.storage.delete(task["object"])
    reply = house.call("GET", task["image"]["url"])
    assert reply.status == 404
    assert b"bucket" not in reply.body


def test_a_storage_that_fails_is_told_to_the_log_and_not_to_the_worker(house, caplog):
    token = house.worker()
    house.job(objects=1)
    task = house.accept(token)

    def broken(uri):
        raise StorageError("the disk is gone", uri=uri)

    house.storage.open = broken
    reply = house.call("GET", task["image"]["url"])
    assert reply.status == 503
    assert reply.json()["error"]["code"] == "Unavailable"
    assert b"disk" not in reply.body
    assert "the disk is gone" in caplog.text
    assert task["image"]["url"].rpartition("=")[2] not in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": None},
        {"signature": "é" * 64},
        {"expires": "99999999999"},
        {"expires": None},
        {"expires": "x"},
        {"worker": "private.us-east-1.0000000000000000"},
        {"worker": None},
    ],
)
def test_a_forged_image_link_is_refused(house, changes):
    token = house.worker()
    house.job()
    link = house.accept(token)["image"]["url"]
    assert house.call("GET", _changed(link)).status == 200
    assert house.call("GET", _changed(link, **changes)).status == 403


def test_a_link_is_good_for_its_own_task_only(house):
    token = house.worker()
    house.job()
    first, second = house.accept(token), house.accept(token)
    assert first["id"] != second["id"]
    forged = first["image"]["url"].replace(first["id"], second["id"])
    assert house.call("GET", forged).status == 403
    # The worker's own link may be opened by who has it, not turned into another's.
    house.worker("Bob")
    bob = next(one.id for one in house.workers.list() if one.name == "Bob")
    assert house.call("GET", _changed(first["image"]["url"], worker=bob)).status == 403


def test_an_image_link_expires_long_before_a_long_lease(house):
    token = house.worker()
    house.job()
    link = house.accept(token)["image"]["url"]
    house.clock.sleep(LEASE)
    reply = house.call("GET", link)
    assert reply.status == 403
    assert "expired" in reply.message


def test_an_image_link_dies_with_the_task(house):
    token = house.worker()
    house.job()
    task = house.accept(token)
    house.submit(token, task["id"], answer(box()))
    assert house.call("GET", task["image"]["url"]).status == 409


def test_links_of_another_secret_are_worth_nothing(house):
    token = house.worker()
    house.job()
    link = house.accept(token)["image"]["url"]
    other = house.portal(secret=b"another secret of this length")
    assert house.call("GET", link, app=other).status == 403


def test_a_short_secret_is_refused(house):
    with pytest.raises(ValueError, match="16 bytes"):
        house.portal(secret=b"short")


@pytest.mark.parametrize("path", ["/_/image/", "/_/image/..%2F..%2Fservice.sqlite", "/_/image/1"])
def test_no_image_without_a_link(house, path):
    assert house.call("GET", path).status in {403, 404}


# Text that would be markup


def test_hostile_names_travel_as_text_only(house):
    token = house.worker('"><script>alert(1)</script>')
    label, key = '"><img src=x onerror=alert(1)>', '../"><script>x</script>.jpg'
    house.job(
        labels=(label, "b"), keys=(key,), title="<script>t</script>", description="{{ 7 | x }}"
    )
    task = house.accept(token)
    reply = house.call("GET", f"/_/api/tasks/{task['id']}", token=token)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert task["labels"][0] == label
    assert key not in task["image"]["url"]
    assert house.call("GET", task["image"]["url"]).status == 200
    assert house.submit(token, task["id"], answer(box(label))).status == 200


# The page


def test_the_page_runs_nothing_but_its_own_files(house):
    reply = house.call("GET", "/_/")
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'self'"
    )
    assert reply.headers["referrer-policy"] == "no-referrer"
    text = reply.body.decode()
    assert "style=" not in text
    assert "<style" not in text
    assert text.count("<script") == 1
    assert "http:" not in text
    assert "https:" not in text


def test_every_file_the_page_names_is_served_with_its_type(house):
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
    types["svg"] = "image/svg+xml"
    static = files("gt_workflow.service.portal").joinpath("static")
    names = [path.name for path in static.iterdir() if path.name.split(".")[-1] in types]
    crowd = static.joinpath("crowd").iterdir()
    assert {"main.js", "task.js", "style.css", "icon.svg"} < set(names)
    for name in [*names, *(f"crowd/{path.name}" for path in crowd)]:
        reply = house.call("GET", f"/_/static/{name}")
        assert (reply.status, reply.headers["content-type"]) == (200, types[name.split(".")[1]])
        assert b"innerHTML" not in reply.body
        assert reply.headers["x-content-type-options"] == "nosniff"
        again = house.call(
            "GET", f"/_/static/{name}", headers={"if-none-match": reply.headers["etag"]}
        )
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["package.json", "..%2Fportal.py", "%2e%2e/portal.py", ""])
def test_no_other_file_is_served(house, name):
    assert house.call("GET", f"/_/static/{name}").status == 404


def test_the_page_is_found_without_its_slash(house):
    reply = house.call("GET", "/_")
    assert (reply.status, reply.headers["location"]) == (308, "/_/")


def test_even_a_refusal_carries_the_security_headers(house):
    for path in ("/_/nothing", "/_/api/me", "/_/image/1"):
        reply = house.call("GET", path)
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
        assert reply.headers["x-frame-options"] == "DENY"


def test_answers_of_the_api_are_not_kept_by_anyone(house):
    assert house.call("GET", "/_/api/me", token=house.worker()).headers["cache-control"] == (
        "no-store"
    )


def test_the_next_task_comes_with_the_acknowledgement(house):
    token = house.worker()
    house.job(objects=2)
    task = house.accept(token)
    path = f"/_/api/tasks/{task['id']}/submit?then=any"
    reply = house.call("POST", path, token=token, body=answer(box()))
    assert reply.status == 200
    following = reply.json()["task"]
    assert following["id"] != task["id"]
    path = f"/_/api/tasks/{following['id']}/submit?then=arn:of-no-job"
    assert house.call("POST", path, token=token, body=answer(box())).json()["task"] is None
