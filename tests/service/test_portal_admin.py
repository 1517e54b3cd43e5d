"""The admin's API, and several workers at once against the served service."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from portal_house import TEAM, House, answer, box
from served import served
from sqlalchemy import select

from gt_workflow.adapters.task_client import TaskClient
from gt_workflow.core import gold
from gt_workflow.errors import ServiceError
from gt_workflow.service.store import gold_tasks, tasks, workteams


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def admin(house) -> dict[str, str]:
    return house.sign_in("Root", role="admin")


def get(house: House, admin: dict[str, str], path: str) -> Any:
    reply = house.call("GET", f"/_/api/admin/{path}", headers=admin)
    assert reply.status == 200, reply.body
    return reply.json()


def post(house: House, admin: dict[str, str], path: str, **body: Any) -> Any:
    return house.call("POST", f"/_/api/admin/{path}", headers=admin, body=body)


def label(house: House, token: str, *boxes: dict[str, Any], seconds: float = 10) -> str:
    task = house.accept(token)
    house.clock.sleep(seconds)
    assert house.submit(token, task["id"], answer(*boxes)).status == 200
    return task["object"]


def test_jobs_are_listed_with_live_counters(house, admin):
    house.job("first")
    house.clock.sleep(1)
    house.job("second", objects=2)
    token = house.worker()
    label(house, token, box())
    house.accept(token)
    second, first = get(house, admin, "jobs")["jobs"]
    assert (second["job_name"], first["job_name"]) == ("second", "first")
    assert (first["labeled"], first["left"], first["total"]) == (1, 2, 3)
    assert (first["in_hands"], first["last_hour"], first["gold"]) == (1, 1, None)
    assert (second["labeled"], second["status"]) == (0, "InProgress")


def test_workers_are_told_apart_by_speed_and_agreement(house, admin):
    arn = house.job(objects=2, workers=2)
    ada, bob = house.worker("Ada"), house.worker("Bob")
    for token, shift, seconds in ((ada, 0, 10), (bob, 2, 30)):
        for _ in range(2):
            label(house, token, box(left=5 + shift), seconds=seconds)
    house.settle()
    found = {one["name"]: one for one in get(house, admin, f"workers?job_arn={arn}")["workers"]}
    assert set(found) == {"Ada", "Bob"}
    assert (found["Ada"]["submitted"], found["Ada"]["median_seconds"]) == (2, 10.0)
    assert (found["Ada"]["objects_per_hour"], found["Bob"]["objects_per_hour"]) == (360, 120)
    assert 0.5 < found["Ada"]["agreement"] < 1
    assert found["Ada"]["gold"] is None
    assert {one["name"] for one in get(house, admin, "workers")["workers"]} >= {"Ada", "Root"}


def test_the_contact_sheet_begins_with_what_workers_disagree_about(house, admin):
    arn = house.job(objects=3, workers=2)
    ada, bob = house.worker("Ada"), house.worker("Bob")
    for left in (5, 5, 5):
        label(house, ada, box(left=left))
    for shift in (0, 40, 3):
        label(house, bob, box(left=5 + min(shift, 35)))
    house.settle()
    sheet = get(house, admin, f"sheet?job_arn={arn}")
    assert (sheet["total"], sheet["unscored"]) == (3, 0)
    assert [one["index"] for one in sheet["objects"]] == [1, 2, 0]
    assert [round(one["disagreement"], 2) for one in sheet["objects"]] == [1, 0.26, 0]
    assert sheet["objects"][2]["boxes"] == [box() | {"confidence": 1}]
    unsure = get(house, admin, f"sheet?job_arn={arn}&sort=confidence")["objects"]
    assert [one["index"] for one in unsure] == [2, 0, 1]  # nothing was agreed on in 1
    page = get(house, admin, f"sheet?job_arn={arn}&sort=order&offset=1&limit=1")
    assert [one["index"] for one in page["objects"]] == [1]
    image = house.call("GET", f"/_/api/admin/image?job_arn={arn}&index=1", headers=admin)
    assert (image.status, image.headers["content-type"]) == (200, "image/jpeg")


def test_a_verdict_stands_on_the_sheet_with_the_boxes_it_is_about(house, admin):
    arn = house.job("checked", kind="verify", objects=1, workers=2, labels=("right", "wrong"))
    for name, verdict in (("Ada", "right"), ("Bob", "wrong")):
        token = house.worker(name)
        task = house.accept(token)
        house.submit(token, task["id"], {"crowd-image-classifier": {"label": verdict}})
    house.settle()
    [one] = get(house, admin, f"sheet?job_arn={arn}")["objects"]
    assert (one["verdict"], one["disagreement"], len(one["boxes"])) == ("right", 0.5, 2)


def test_a_job_is_stopped_by_its_name(house, admin):
    arn = house.job()
    assert post(house, admin, "stop", job_arn=arn, confirm="dogs").status == 422
    assert post(house, admin, "stop", job_arn=arn, confirm="cats").status == 200
    house.settle()
    assert get(house, admin, "jobs")["jobs"][0]["status"] == "Stopped"


def test_an_admin_invites_and_shuts_out(house, admin):
    with house.store.write() as connection:
        connection.execute(
            workteams.insert().values(
                arn=TEAM,
                region="us-east-1",
                name="default",
                workforce_arn="w",
                config="{}",
                created=0.0,
                modified=0.0,
            )
        )
    assert get(house, admin, "teams") == {"teams": [{"team_arn": TEAM, "name": "default"}]}
    link = post(house, admin, "invite", name="Eve", team_arn=TEAM).json()["link"]
    assert link.startswith("/_/#invite=")
    invite = link.partition("=")[2]
    begun = house.call("POST", "/_/api/session", body={"invite": invite})
    assert begun.json()["worker"]["teams"] == [TEAM]
    assert post(house, admin, "revoke", name="Eve").json()["ended"] == 2
    cookie = {"x-gt-page": "1", "cookie": begun.headers["set-cookie"].partition(";")[0]}
    assert house.call("GET", "/_/api/me", headers=cookie).status == 401


def test_an_admin_who_is_one_no_more_is_shut_out(house, admin):
    assert house.call("GET", "/_/api/admin/jobs", headers=admin).status == 200
    house.workers.appoint("Root", "worker")
    house.clock.sleep(1)
    assert house.call("GET", "/_/api/admin/jobs", headers=admin).status == 403


def test_the_admins_page_is_plain_files_under_the_strict_policy(house):
    page = house.call("GET", "/_/admin")
    assert (page.status, b"<style" in page.body, b"onclick" in page.body) == (200, False, False)
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("admin.js", "admin_sheet.js", "admin.css", "gold.js", "gold.css", "session.js"):
        reply = house.call("GET", f"/_/static/{name}")
        assert (reply.status, b"innerHTML" in reply.body) == (200, False)
    again = house.call("GET", "/_/admin", headers={"if-none-match": page.headers["etag"]})
    assert again.status == 304


def test_workers_see_what_they_did(house):
    house.job()
    token = house.worker()
    label(house, token, box(), seconds=20)
    me = house.call("GET", "/_/api/me", token=token).json()
    assert me["role"] == "worker"
    assert me["statistics"] == {
        "hours": 12,
        "submitted": 1,
        "declined": 0,
        "returned": 0,
        "median_seconds": 20,
        "objects_per_hour": 180,
        "gold": None,
    }
    assert house.call("GET", "/_/api/jobs", token=token).json()["jobs"][0]["mine"] == 1


def test_who_leaves_a_team_is_handed_nothing_more(house):
    house.job()
    token = house.worker()
    task = house.accept(token)
    house.workers.leave("Ada", TEAM)
    assert house.call("GET", "/_/api/jobs", token=token).json()["jobs"] == []
    assert house.accept(token) is None
    following = house.submit(token, task["id"], answer(box()), query="?then=any")
    assert (following.status, following.json()["task"]) == (200, None)


# Several workers at once


@pytest.mark.parametrize("people", [3, 5])
def test_workers_at_once_never_meet_an_object_twice_and_the_job_completes(house, people):
    objects = 20
    house.job(objects=objects, workers=3)
    tokens = [house.worker(f"worker-{number}") for number in range(people)]
    done = threading.Event()
    seen: dict[str, list[str]] = {}

    def work(address: str, number: int) -> None:
        # Two tabs of the same worker; one gives a task back now and then.
        client = TaskClient(address, tokens[number // 2])
        mine = seen.setdefault(tokens[number // 2], [])
        turn, idle = 0, 0
        while idle < 40 and not done.is_set():
            task = client.accept()
            if task is None:
                idle += 1
                done.wait(0.01)
                continue
            idle, turn = 0, turn + 1
            if number % 2 and turn % 5 == 0:
                client.give_back(task["id"])
                continue
            client.submit(task["id"], answer(box()))
            mine.append(task["object"])
        client.close()

    with served(house.app) as address, ThreadPoolExecutor(2 * people) as pool:
        for future in [pool.submit(work, address, number) for number in range(2 * people)]:
            future.result(60)
    assert all(max(Counter(objects).values()) == 1 for objects in seen.values())
    given = Counter(one for objects in seen.values() for one in objects)
    assert set(given.values()) == {3}
    assert len(given) == objects
    assert house.counters()["HumanLabeled"] == objects
    assert house.jobs.describe(region="us-east-1", name="cats")["LabelingJobStatus"] == "Completed"
    with house.store.read() as connection:
        rows = connection.execute(
            select(tasks.c.idx, tasks.c.worker_id).where(tasks.c.state == "submitted")
        ).all()
    assert len(rows) == len(set(rows)) == 3 * objects


def test_a_lease_that_ran_out_goes_to_another_and_its_answer_is_refused(house):
    house.job(objects=1, workers=1)
    with served(house.app) as address:
        slow = TaskClient(address, house.worker("Slow"))
        quick = TaskClient(address, house.worker("Quick"))
        task = slow.accept()
        assert quick.accept() is None
        house.clock.sleep(601)
        house.settle()
        again = quick.accept()
        assert again["object"] == task["object"]
        with pytest.raises(ServiceError, match="time for this task is over"):
            slow.submit(task["id"], answer(box()))
        quick.submit(again["id"], answer(box()))
        slow.close()
        quick.close()
    assert house.counters()["HumanLabeled"] == 1


def test_gold_is_told_to_admins(house, admin):
    from test_gold import known_line  # the same file of gold questions

    house.storage.objects["s3://bucket/gold.manifest"] = b"\n".join(
        known_line(f"s3://bucket/cats/photo {index}.jpg", [(5.0, 6.0, 20.0, 10.0)])
        for index in range(3)
    )
    tags = ((gold.URI_TAG, "s3://bucket/gold.manifest"), (gold.RATE_TAG, "0.5"))
    arn = house.job(objects=6, tags=tags)
    token = house.worker()
    while house.call("GET", "/_/api/jobs", token=token).json()["jobs"]:
        task = house.accept(token)
        if task is None:
            break
        house.submit(token, task["id"], answer(box()))
        house.settle()
    [ada] = get(house, admin, f"workers?job_arn={arn}")["workers"]
    assert ada["gold"] == {"answered": 3, "accuracy": 1.0, "iou": 1.0, "missed": 0, "extra": 0}
    assert ada["submitted"] == 6
    assert get(house, admin, "jobs")["jobs"][0]["gold"] == {"questions": 3, "rate": 0.5}
    with house.store.read() as connection:
        assert len(connection.execute(select(gold_tasks)).all()) == 3
