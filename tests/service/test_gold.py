"""Gold questions: mixed in, answered with feedback, and never in what the job makes of answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jobs_world import HEIGHT, WIDTH, World, answer
from portal_house import House, image
from portal_house import answer as drawn
from portal_house import box as drawn_box

from gt_workflow.core import gold
from gt_workflow.core.boxes import Box
from gt_workflow.errors import DataError
from gt_workflow.service.faults import Fault

KNOWN = [(10.0, 10.0, 20.0, 20.0), (50.0, 10.0, 20.0, 20.0)]


@pytest.fixture
def world() -> Iterator[World]:
    world = World(team=2)
    yield world
    world.close()


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def known_line(uri: str, boxes: list[tuple[float, ...]], *, label: str = "cat") -> bytes:
    sides = ("left", "top", "width", "height")
    return json.dumps(
        {
            "source-ref": uri,
            "truth": {
                "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
                "annotations": [
                    {"class_id": 0, **dict(zip(sides, one, strict=True))} for one in boxes
                ],
            },
            "truth-metadata": {
                "objects": [{"confidence": 1} for _ in boxes],
                "class-map": {"0": label},
                "type": "groundtruth/object-detection",
                "human-annotated": "yes",
                "creation-date": "2026-01-01T00:00:00",
                "job-name": "labeling-job/truth",
            },
        }
    ).encode()


def tags(uri: str = "s3://bucket/gold.manifest", rate: str = "0.5") -> list[dict[str, str]]:
    return [{"Key": gold.URI_TAG, "Value": uri}, {"Key": gold.RATE_TAG, "Value": rate}]


def begin(world: World, objects: int = 6, *, questions: int = 3, **options: Any) -> None:
    uris = [world.put(f"gold/{index}.jpg", f"{WIDTH}x{HEIGHT}") for index in range(questions)]
    world.put("gold.manifest", b"\n".join(known_line(uri, KNOWN) for uri in uris))
    world.begin(objects, Tags=tags(), **options)


def work(world: World, worker: str = "w0") -> tuple[list[str], list[dict[str, Any]]]:
    """Answer all there is with one good box; returns the images, and the feedback."""
    seen, told = [], []
    while (task := world.jobs.accept(worker)) is not None:
        seen.append(task.object_uri)
        feedback = world.jobs.submit(worker, task.id, answer(("cat", 10, 10, 20, 20)))
        if feedback is not None:
            told.append(feedback)
        world.run()
    return seen, told


def test_gold_is_mixed_in_at_the_rate_and_told_at_once(world):
    begin(world)
    seen, told = work(world)
    golden = [uri for uri in seen if "/gold/" in uri]
    assert len(set(golden)) == len(golden) == len(told) == 3
    assert told[0] == {
        "score": 0.5,
        "iou": 1.0,
        "matched": 1,
        "drawn": 1,
        "expected": 2,
        "missed": [{"label": "cat", "left": 50, "top": 10, "width": 20, "height": 20}],
        "extra": [],
        "known": [
            {"label": "cat", "left": left, "top": 10, "width": 20, "height": 20}
            for left in (10, 50)
        ],
        "width": WIDTH,
        "height": HEIGHT,
    }


def test_nothing_of_it_reaches_counters_or_output(world):
    begin(world)
    work(world)
    assert world.status() == "Completed"
    assert world.counters() == (6, 0, 0)
    plain = World(team=2)
    plain.begin(6)
    work(plain)
    assert world.output() == plain.output()
    assert list(world.written()) == list(plain.written())
    assert b"gold" not in b"".join(world.written().values())
    plain.close()


def test_a_gold_task_looks_like_any_other_until_it_is_answered(world):
    begin(world)
    tasks = [world.accept() for _ in range(4)]
    golden = [task for task in tasks if "/gold/" in task.object_uri]
    assert golden
    for task in golden:
        assert set(json.loads(task.line)) == {"source-ref"}
        assert (task.kind, task.labels, task.boxes) == ("label", ("cat", "dog"), ())
        assert world.jobs.task("w0", task.id) == task
    assert {task.id for task in world.jobs.held("w0")} == {task.id for task in tasks}


def golden_task(world: World, worker: str = "w0") -> Any:
    for _ in range(4):
        task = world.accept(worker)
        if "/gold/" in task.object_uri:
            return task
    raise AssertionError("no gold came")


def test_a_gold_task_is_its_workers_and_ends_like_any_other(world):
    begin(world)
    task = golden_task(world)
    for act in (
        lambda: world.jobs.task("w1", task.id),
        lambda: world.jobs.submit("w1", task.id, answer()),
        lambda: world.jobs.give_back("w1", task.id),
    ):
        with pytest.raises(Fault, match="another worker's"):
            act()
    with pytest.raises(Fault, match="not one of the job's labels"):
        world.jobs.submit("w0", task.id, answer(("wolf", 1, 1, 5, 5)))
    told = world.jobs.submit("w0", task.id, answer())
    assert told is not None
    assert told["score"] == 0
    assert world.jobs.submit("w0", task.id, answer()) == told  # the acknowledgement was lost
    with pytest.raises(Fault, match="submitted an answer"):
        world.jobs.submit("w0", task.id, answer(("cat", 1, 1, 5, 5)))


@pytest.mark.parametrize("end", ["returned", "declined", "expired", "stopped"])
def test_a_gold_task_that_ended_takes_no_answer(world, end):
    begin(world)
    task = golden_task(world)
    if end == "returned":
        world.jobs.give_back("w0", task.id)
    elif end == "declined":
        world.jobs.decline("w0", task.id, "dark")
    elif end == "expired":
        world.wait(301)
    else:
        world.stop()
    with pytest.raises(Fault) as caught:
        world.jobs.submit("w0", task.id, answer())
    assert caught.value.code == "ConflictException"
    assert task.id not in [held.id for held in world.jobs.held("w0")]


def test_a_job_without_images_left_hands_out_no_gold(world):
    begin(world, 1, questions=20)
    world.finish("w0")
    assert world.jobs.accept("w1") is None
    assert world.status() == "Completed"


def test_every_worker_gets_their_own(world):
    begin(world, 6, NumberOfHumanWorkersPerDataObject=2)
    for worker in ("w0", "w1"):
        seen, told = work(world, worker)
        assert len(told) == len({uri for uri in seen if "/gold/" in uri}) == 3
    assert world.counters() == (6, 0, 0)


def test_a_gold_image_that_cannot_be_read_is_left_out(world):
    begin(world)
    del world.storage.objects["s3://bucket/gold/0.jpg"]
    _, told = work(world)
    assert len(told) == 2
    assert world.status() == "Completed"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no gold question"),
        (b'{"source-ref": "s3://bucket/gold/0.jpg"}', "box label"),
        (known_line("photo.jpg", KNOWN), "s3://"),
        (known_line("s3://bucket/x.jpg", KNOWN, label="wolf"), "'wolf' is none"),
        (b"{", "breaks off"),
        (None, "gold.manifest"),
    ],
)
def test_a_gold_file_that_is_none_fails_the_job_with_the_reason(world, content, reason):
    if content is not None:
        world.put("gold.manifest", content)
    world.begin(3, Tags=tags())
    assert world.status() == "Failed"
    assert reason in world.describe()["FailureReason"]


def test_only_jobs_that_draw_have_gold(world):
    world.put("gold.manifest", known_line("s3://bucket/gold/0.jpg", KNOWN))
    world.put("template.liquid", "{{ task.input.manifestLine.earlier.annotations }}")
    world.begin(1, kind="adjust", Tags=tags())
    assert "jobs that draw boxes" in world.describe()["FailureReason"]


def test_an_answer_over_http_carries_the_feedback(house):
    house.storage.objects["s3://bucket/gold/0.jpg"] = image()
    line = known_line("s3://bucket/gold/0.jpg", [(5.0, 6.0, 20.0, 10.0)])
    house.storage.objects["s3://bucket/gold.manifest"] = line
    token = house.worker()
    house.job(objects=6, tags=((gold.URI_TAG, "s3://bucket/gold.manifest"), (gold.RATE_TAG, "0.5")))
    told = []
    while (task := house.accept(token)) is not None:
        assert house.call("GET", task["image"]["url"]).status == 200
        done = house.submit(token, task["id"], drawn(drawn_box()), query="?then=any").json()
        if "gold" in done:
            told.append(done["gold"])
            assert house.call("GET", done["gold"]["image"]).status == 200
        else:
            assert house.call("GET", task["image"]["url"]).status == 409
        if done["task"]:
            house.call("POST", f"/_/api/tasks/{done['task']['id']}/return", token=token)
    assert [one["score"] for one in told] == [1.0]
    assert house.counters()["HumanLabeled"] == 6


# Which task is gold


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3, 0.5])
def test_one_falls_into_every_stretch(rate):
    given = 0
    for handed in range(1000):
        given += gold.due(handed=handed, gold=given, rate=rate, salt="worker")
        assert abs(given - (handed + 1) * rate) <= 2
    places = set()
    for worker in range(50):
        first = next(
            n for n in range(200) if gold.due(handed=n, gold=0, rate=rate, salt=str(worker))
        )
        places.add(first)
    assert len(places) > 1


def test_boxes_are_compared_class_by_class():
    known = [("cat", Box(0, 0, 10, 10)), ("dog", Box(50, 0, 10, 10))]
    told = gold.feedback([("cat", Box(0, 0, 10, 8)), ("cat", Box(50, 0, 10, 10))], known)
    assert (told["score"], told["iou"], told["matched"]) == (0.4, 0.8, 1)
    assert [one["label"] for one in told["missed"]] == ["dog"]
    assert [one["label"] for one in told["extra"]] == ["cat"]
    assert gold.feedback([], [])["score"] == 1.0


@pytest.mark.parametrize("text", ["0", "0.6", "-1", "nan", "much", ""])
def test_a_rate_that_is_none_is_refused(text):
    with pytest.raises(ValueError):
        gold.rate_of(text)


def test_a_long_gold_file_is_refused():
    lines = [known_line("s3://bucket/x.jpg", KNOWN)] * (gold.MOST_QUESTIONS + 1)
    with pytest.raises(DataError, match="more than 1,000"):
        list(gold.questions(lines, uri="gold", labels=["cat"]))
