"""What workers meet: hand-out, leases, answers, returns, declines, batches, broken images."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from jobs_world import WIDTH, World, answer

from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling.handout import HOLDING_LIMIT
from gt_workflow.service.labeling.jobs import MOST_IMAGES
from gt_workflow.service.labeling.sizes import IMAGE_WAITS


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    yield here
    here.close()


def raises(code: str, match: str | None = None):
    return pytest.raises(Fault, match=match, check=lambda fault: fault.code == code)


def test_a_task_tells_all_that_a_page_needs(world):
    world.begin(1)
    task = world.accept()
    assert task.job_name == "job"
    assert task.job_arn.endswith(":labeling-job/job")
    assert (task.index, task.kind, task.labels) == (0, "label", ("cat", "dog"))
    assert (task.title, task.description) == ("Animals", "Draw a box around each")
    assert (task.width, task.height, task.boxes) == (100, 80, ())
    assert task.object_uri == "s3://bucket/images/0.jpg"
    assert task.line == world.line(0)
    assert task.template_uri == "s3://bucket/template.liquid"
    assert task.accepted == world.clock.now()
    assert task.lease_until == world.clock.now() + timedelta(seconds=300)
    assert world.jobs.task("w0", task.id) == task
    assert world.jobs.held("w0") == [task]


def test_objects_come_in_the_manifests_order_and_never_twice_to_one_worker(world):
    world.begin(4, NumberOfHumanWorkersPerDataObject=2)
    assert [world.accept("w0").index for _ in range(4)] == [0, 1, 2, 3]
    assert world.jobs.accept("w0") is None
    assert [world.accept("w1").index for _ in range(4)] == [0, 1, 2, 3]
    assert world.jobs.accept("w2") is None, "two workers were asked for each object"


def test_older_jobs_come_first_unless_one_is_named(world):
    world.begin(1, name="old")
    world.clock.sleep(1)
    world.begin(1, name="new")
    arn = world.describe("new")["LabelingJobArn"]
    named = world.jobs.accept("w0", job_arn=arn)
    assert named is not None
    assert named.job_name == "new"
    assert world.accept("w1").job_name == "old"
    assert world.jobs.accept("w1") is None
    assert world.jobs.accept("w1", job_arn="arn:of:nothing") is None


def test_only_the_jobs_of_a_workers_teams_are_offered(world):
    world.begin(1, WorkteamArn=world.request()["HumanTaskConfig"]["WorkteamArn"] + "-b")
    assert world.jobs.accept("w0") is None
    assert world.jobs.offers("w0") == []
    assert world.jobs.accept("nobody") is None


def test_offers_count_what_a_worker_could_take(world):
    world.begin(3, NumberOfHumanWorkersPerDataObject=2)
    task = world.accept("w0")
    (offer,) = world.jobs.offers("w0")
    assert (offer.job_name, offer.available, offer.held) == ("job", 2, 1)
    assert (offer.workers_per_object, offer.task_time_limit) == (2, 300)
    assert world.jobs.offers("w1")[0].available == 3
    world.jobs.give_back("w0", task.id)
    assert world.jobs.offers("w0")[0].available == 3
    world.stop()
    assert world.jobs.offers("w0") == []


def test_a_worker_may_hold_some_tasks_but_not_all(world):
    world.begin(HOLDING_LIMIT + 1)
    tasks = [world.accept() for _ in range(HOLDING_LIMIT)]
    with raises("ConflictException", "You hold 10 tasks already"):
        world.jobs.accept("w0")
    world.submit(tasks[0])
    assert world.accept().index == HOLDING_LIMIT


def test_a_finished_job_has_all_labels(world):
    world.begin(2)
    world.label_one("w0", ("cat", 1, 2, 30, 40))
    assert world.counters() == (1, 0, 1)
    assert world.status() == "InProgress"
    world.label_one("w1")
    assert world.counters() == (2, 0, 0)
    assert world.status() == "Completed"


def test_an_object_is_labelled_with_the_last_of_its_answers(world):
    world.begin(1, NumberOfHumanWorkersPerDataObject=3)
    for done, worker in enumerate(world.workers):
        assert world.counters() == (0, 0, 1), done
        world.submit(world.accept(worker), worker, ("dog", 10 + done, 10, 20, 20))
    assert world.counters() == (1, 0, 0), "the label is there before anything else happens"
    world.run()
    (line,) = world.output()
    assert line["boxes"]["annotations"] == [
        {"class_id": 1, "left": 11, "top": 10, "width": 20, "height": 20}
    ]


def test_a_task_is_its_workers_alone(world):
    world.begin(1)
    task = world.accept("w0")
    for act in (
        lambda: world.jobs.task("w1", task.id),
        lambda: world.submit(task, "w1"),
        lambda: world.jobs.give_back("w1", task.id),
        lambda: world.jobs.decline("w1", task.id, "mine"),
    ):
        with raises("AccessDeniedException"):
            act()
    with raises("ResourceNotFound"):
        world.jobs.task("w0", "no-such-task")


def test_an_answer_that_is_refused_leaves_the_task_with_its_worker(world):
    world.begin(1)
    task = world.accept()
    with raises("ValidationException", "not one of the job's labels"):
        world.submit(task, "w0", ("bird", 1, 1, 5, 5))
    assert world.jobs.held("w0") == [task]
    world.submit(task, "w0", ("cat", 1, 1, 5, 5))
    assert world.counters() == (1, 0, 0)


def test_the_same_answer_again_is_a_repetition_and_another_a_conflict(world):
    world.begin(1)
    task = world.accept()
    world.submit(task, "w0", ("cat", 1, 1, 5, 5))
    world.submit(task, "w0", ("cat", 1, 1, 5, 5))
    with raises("ConflictException", "submitted an answer"):
        world.submit(task, "w0", ("cat", 2, 1, 5, 5))
    with raises("ConflictException"):
        world.jobs.give_back("w0", task.id)
    world.run()
    assert world.status() == "Completed"
    world.submit(task, "w0", ("cat", 1, 1, 5, 5))
    assert len(world.output()[0]["boxes"]["annotations"]) == 1


def test_an_overdue_task_goes_to_somebody_else(world):
    world.begin(1, TaskTimeLimitInSeconds=60)
    task = world.accept("w0")
    world.clock.sleep(59.9)
    assert world.jobs.task("w0", task.id) == task
    world.clock.sleep(0.1)
    with raises("ConflictException", "time for this task is over"):
        world.submit(task, "w0")
    assert world.jobs.held("w0") == []
    world.run()
    with raises("ConflictException", "time for this task is over"):
        world.submit(task, "w0")
    other = world.accept("w1")
    world.jobs.give_back("w1", other.id)
    assert world.accept("w0").index == task.index, "an overdue task may be taken again"


def test_what_was_given_back_comes_last_for_that_worker(world):
    world.begin(2)
    first = world.accept("w0")
    world.jobs.give_back("w0", first.id)
    world.jobs.give_back("w0", first.id)  # a repetition
    with raises("ConflictException", "returned"):
        world.submit(first, "w0")
    assert world.accept("w1").index == 0
    world.jobs.give_back("w1", world.jobs.held("w1")[0].id)
    assert world.accept("w0").index == 1
    assert world.accept("w0").index == 0


def test_a_decline_keeps_the_object_from_that_worker(world):
    world.begin(1, NumberOfHumanWorkersPerDataObject=2)
    task = world.accept("w0")
    world.jobs.decline("w0", task.id, "too dark")
    assert world.jobs.accept("w0") is None
    world.submit(world.accept("w1"), "w1", ("cat", 1, 1, 5, 5))
    world.submit(world.accept("w2"), "w2", ("cat", 1, 1, 5, 5))
    world.run()
    assert world.status() == "Completed"
    assert world.counters() == (1, 0, 0)


def test_as_many_declines_as_workers_were_asked_fail_the_object(world):
    world.begin(1, NumberOfHumanWorkersPerDataObject=2)
    for worker in ("w0", "w1"):
        world.jobs.decline(worker, world.accept(worker).id, "no animal")
    assert world.jobs.accept("w2") is None, "it is not sent again"
    world.run()
    assert world.status() == "Completed"
    assert world.counters() == (0, 1, 0)
    metadata = world.output()[0]["boxes-metadata"]
    assert metadata["failure-reason"].startswith("ClientError: Annotation tasks expired")


def test_one_answer_is_enough_for_an_object_that_others_declined(world):
    world.begin(1, NumberOfHumanWorkersPerDataObject=2)
    last = world.accept("w0")
    for worker in ("w1",):
        world.jobs.decline(worker, world.accept(worker).id, "unsure")
    second = world.accept("w2")
    world.jobs.decline("w2", second.id, "unsure, too")
    world.run()
    assert world.counters() == (0, 0, 1), "somebody is still at it"
    world.submit(last, "w0", ("dog", 1, 1, 5, 5))
    assert world.counters() == (1, 0, 0)


def test_a_declined_object_is_labelled_from_earlier_answers(world):
    world.begin(1, NumberOfHumanWorkersPerDataObject=2)
    world.jobs.decline("w0", world.accept("w0").id, "unsure")
    world.submit(world.accept("w1"), "w1", ("dog", 1, 1, 5, 5))
    world.jobs.decline("w2", world.accept("w2").id, "unsure")
    world.run()
    assert world.counters() == (1, 0, 0)
    assert world.output()[0]["boxes-metadata"]["objects"] == [{"confidence": 0}]


def test_a_decline_needs_a_short_reason(world):
    world.begin(1)
    task = world.accept()
    with raises("ValidationException", "1000 are allowed"):
        world.jobs.decline("w0", task.id, "x" * 1001)
    world.jobs.decline("w0", task.id, "")


def test_the_next_batch_opens_with_the_last_answer_of_the_one_before(world):
    world.begin(5, MaxConcurrentTaskCount=2)
    first, second = world.accept("w0"), world.accept("w1")
    assert (first.index, second.index) == (0, 1)
    assert world.jobs.accept("w2") is None
    world.submit(second, "w1")
    assert world.jobs.accept("w2") is None, "a batch is finished first"
    world.submit(first, "w0")
    assert world.accept("w2").index == 2


def test_a_batch_whose_images_are_all_broken_does_not_hold_the_job_up(world):
    world.begin(4, MaxConcurrentTaskCount=2)
    for index in (0, 1):
        world.storage.delete(f"s3://bucket/images/{index}.jpg")
    assert world.accept("w0").index == 2
    assert world.counters() == (0, 2, 2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "The image is missing: s3://bucket/images/0.jpg: there is no such object"),
        (b"", "s3://bucket/images/0.jpg cannot be read as an image: image: no image"),
        (b"ax80", "s3://bucket/images/0.jpg cannot be read as an image: invalid literal"),
        (b"10001x10000", "the image has 10001 x 10000 pixels"),
        (b"100x80" + b" " * 40_000_000, "the image has 40,000,006 bytes"),
    ],
)
def test_an_image_that_cannot_be_shown_fails_alone(world, content, reason):
    world.begin(2)
    if content is None:
        world.storage.delete("s3://bucket/images/0.jpg")
    else:
        world.put("images/0.jpg", content)
    assert world.accept().index == 1
    assert world.counters() == (0, 1, 1)
    world.submit(world.jobs.held("w0")[0])
    world.run()
    assert world.status() == "Completed"
    metadata = world.output()[0]["boxes-metadata"]
    assert metadata["failure-reason"].startswith("ClientError: ")
    assert reason in metadata["failure-reason"]
    assert metadata["retry-count"] == 0


def test_an_image_that_storage_withholds_is_tried_again_and_fails_in_the_end(world):
    world.begin(2)
    world.storage.broken = lambda uri: uri.endswith("/0.jpg")
    assert world.label_one() == 1
    assert world.jobs.accept("w1") is None
    for wait in IMAGE_WAITS:
        assert world.counters() == (1, 0, 1)
        world.wait(wait - 1)
        assert world.jobs.accept("w1") is None
        world.wait(1)
        assert world.jobs.accept("w1") is None, "tried, and kept back again"
    assert world.counters() == (1, 1, 0)
    world.run()
    metadata = world.output()[0]["boxes-metadata"]
    assert metadata["retry-count"] == len(IMAGE_WAITS)
    assert "the storage does not answer" in metadata["failure-reason"]


def test_an_image_that_storage_withheld_for_a_while_is_labelled(world):
    world.begin(1)
    world.storage.broken = lambda uri: uri.endswith("/0.jpg")
    assert world.jobs.accept("w0") is None
    world.storage.broken = lambda _: False
    assert world.jobs.accept("w0") is None
    world.wait(IMAGE_WAITS[0])
    assert world.accept().width == WIDTH


def test_one_call_looks_at_a_bounded_number_of_images(world):
    world.begin(MOST_IMAGES + 2)
    for index in range(MOST_IMAGES + 1):
        world.storage.delete(f"s3://bucket/images/{index}.jpg")
    assert world.jobs.accept("w0") is None
    assert world.counters() == (0, MOST_IMAGES, 2)
    assert world.accept().index == MOST_IMAGES + 1


def test_many_workers_at_once_share_the_objects_out(world):
    objects, asked = 30, 2
    world.begin(objects, NumberOfHumanWorkersPerDataObject=asked, MaxConcurrentTaskCount=7)
    taken: list[tuple[int, str]] = []
    failures: list[BaseException] = []

    def work(worker: str) -> None:
        try:
            idle = 0
            while idle < 200:
                task = world.jobs.accept(worker)
                if task is None:
                    idle += 1
                    world.jobs.advance()
                    continue
                taken.append((task.index, worker))
                world.jobs.submit(worker, task.id, answer(("cat", 1, 1, 9, 9)))
        except BaseException as error:  # told to the test below
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(worker,)) for worker in world.workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.run()
    assert not failures
    assert world.status() == "Completed"
    assert len(set(taken)) == len(taken) == objects * asked
    assert sorted(index for index, _ in taken) == sorted([*range(objects)] * asked)
    assert world.counters() == (objects, 0, 0)
    assert all(len(line["boxes"]["annotations"]) == 1 for line in world.output())


def test_two_requests_of_one_worker_get_two_objects(world):
    world.begin(20, NumberOfHumanWorkersPerDataObject=3)
    found: list[int] = []

    def accept() -> None:
        task = world.jobs.accept("w0")
        if task is not None:
            found.append(task.index)

    threads = [threading.Thread(target=accept) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(8))
