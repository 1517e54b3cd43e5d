"""Labeling jobs from outside: created, read, listed, and what their input must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jobs_world import ACCOUNT, REGION, TEAM, World

from gt_workflow.core.objects import MAX_OBJECTS
from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling import intake, troubles
from gt_workflow.service.labeling.records import read_job


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    yield here
    here.close()


def create(world: World, **options: Any) -> str:
    return world.jobs.create(region=REGION, account=ACCOUNT, request=world.request(**options))


def test_creating_a_job_only_records_it(world):
    arn = create(world, name="Raccoons")
    assert arn == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:labeling-job/raccoons"
    described = world.describe("RACCOONS")
    assert described["LabelingJobName"] == "Raccoons"
    assert described["LabelingJobStatus"] == "Initializing"
    assert described["LabelCounters"] == {
        "TotalLabeled": 0,
        "HumanLabeled": 0,
        "MachineLabeled": 0,
        "FailedNonRetryableError": 0,
        "Unlabeled": 0,
    }
    assert "LabelingJobOutput" not in described
    assert described["CreationTime"] == world.clock.now()


def test_a_name_is_taken_whatever_its_case_but_only_in_its_region(world):
    create(world, name="Raccoons")
    with pytest.raises(Fault) as refusal:
        create(world, name="rACCOONS")
    assert refusal.value.code == "ResourceInUse"
    world.jobs.create(region="eu-west-1", account=ACCOUNT, request=world.request(name="raccoons"))
    with pytest.raises(Fault, match="no labeling job"):
        world.jobs.describe(region="us-west-2", name="raccoons")


def test_functions_of_another_task_type_are_refused(world):
    request = world.request()
    request["HumanTaskConfig"]["PreHumanTaskLambdaArn"] = "arn:aws:lambda:us-east-1:1:function:PRE"
    with pytest.raises(Fault) as refusal:
        world.jobs.create(region=REGION, account=ACCOUNT, request=request)
    assert refusal.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        (("LabelCategoryConfigS3Uri",), "LabelCategoryConfigS3Uri"),
        (("HumanTaskConfig", "UiConfig"), "UiTemplateS3Uri"),
        (("InputConfig", "DataSource", "S3DataSource"), "S3DataSource"),
        (("OutputConfig", "S3OutputPath"), "S3OutputPath"),
    ],
)
def test_a_request_that_cannot_become_a_box_job_is_never_recorded(world, missing, field):
    request = world.request()
    *way, last = missing
    inner = request
    for step in way:
        inner = inner[step]
    del inner[last]
    with pytest.raises(Fault, match=field) as refusal:
        world.jobs.create(region=REGION, account=ACCOUNT, request=request)
    assert refusal.value.code == "ValidationException"
    assert world.jobs.list(region=REGION) == []


def test_describe_shows_the_request_as_it_came_and_its_tags(world):
    create(world, Tags=[{"Key": "owner", "Value": "Zoë"}], TaskKeywords=["one", "two"])
    described = world.describe()
    request = world.request(TaskKeywords=["one", "two"])
    for key in ("LabelAttributeName", "InputConfig", "OutputConfig", "RoleArn", "HumanTaskConfig"):
        assert described[key] == request[key]
    assert described["Tags"] == [{"Key": "owner", "Value": "Zoë"}]
    assert described["JobReferenceCode"]


def test_lists_filter_sort_and_page(world):
    start = world.clock.now()
    for name in ("b-two", "A-one", "c-three"):
        create(world, name=name)
        world.clock.sleep(10)
    world.stop("c-three")

    def names(**filters: Any) -> list[str]:
        found = world.jobs.list(region=REGION, **filters)
        return [summary["LabelingJobName"] for summary in found]

    assert names() == ["b-two", "A-one", "c-three"]
    assert names(sort_by="Name") == ["A-one", "b-two", "c-three"]
    assert names(sort_by="Name", sort_order="Descending") == ["c-three", "b-two", "A-one"]
    assert names(sort_by="Status") == ["b-two", "A-one", "c-three"]
    assert names(name_contains="T") == ["b-two", "c-three"]
    assert names(name_contains="%") == []
    assert names(status_equals="Stopping") == ["c-three"]
    assert names(offset=1, limit=1) == ["A-one"]
    assert names(creation_time_after=start) == ["A-one", "c-three"]
    assert names(creation_time_before=start + timedelta(seconds=15)) == ["b-two", "A-one"]
    assert names(last_modified_time_after=start + timedelta(seconds=25)) == ["c-three"]
    assert names(last_modified_time_before=start + timedelta(seconds=5)) == ["b-two"]
    assert world.jobs.list(region="eu-west-1") == []
    summary = world.jobs.list(region=REGION, limit=1)[0]
    assert summary["WorkteamArn"] == TEAM
    assert summary["PreHumanTaskLambdaArn"].endswith(":PRE-BoundingBox")
    assert summary["AnnotationConsolidationLambdaArn"].endswith(":ACS-BoundingBox")


def test_a_work_teams_jobs_are_listed_with_what_is_left_for_people(world):
    world.begin(3, name="one", NumberOfHumanWorkersPerDataObject=2)
    world.finish("w0", "w1")
    world.begin(2, name="two")
    world.label_one()
    found = world.jobs.list_for_workteam(workteam_arn=TEAM)
    assert [entry["LabelCounters"] for entry in found] == [
        {"HumanLabeled": 3, "PendingHuman": 0, "Total": 3},
        {"HumanLabeled": 1, "PendingHuman": 1, "Total": 2},
    ]
    assert found[0]["NumberOfHumanWorkersPerDataObject"] == 2
    assert found[0]["WorkRequesterAccountId"] == ACCOUNT
    code = found[1]["JobReferenceCode"]
    again = world.jobs.list_for_workteam(workteam_arn=TEAM, job_reference_code_contains=code)
    assert found[1] in again
    assert world.jobs.list_for_workteam(workteam_arn=f"{TEAM}2") == []


def test_a_job_begins_with_its_whole_manifest(world):
    world.begin(3)
    assert world.status() == "InProgress"
    assert world.counters() == (0, 0, 3)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "has no data object"),
        ([b"  ", b""], "has no data object"),
        ([b'{"source-ref": "s3://bucket/a.jpg"'], "input.manifest:1: the line breaks off"),
        ([b'["source-ref"]'], "input.manifest:1: a line is a JSON object"),
        ([b'{"source-ref": "s3://bucket/a.jpg"}', b"", b'{"x": 1}'], ":3: source-ref: is missing"),
        ([b'{"source": "some text"}'], "needs images"),
        ([b'{"source-ref": "/tmp/a.jpg"}'], "no image's address"),
        ([b'{"source-ref": "s3://bucket/a.jpg", "$id": 1}'], "$id: begins with $"),
        ([b'{"source-ref": "s3://bucket/\xff.jpg"}'], "is not UTF-8"),
        ([b'{"source-ref": "s3://bucket/a.jpg", "a": [' + b"1," * 9999 + b"1]}"], "a: has 20,"),
        (
            [
                b'{"source-ref": "s3://bucket/a.jpg"'
                + b"".join(b', "a%d": "%s"' % (n, b"x" * 19_000) for n in range(6))
                + b"}"
            ],
            "has 114,",
        ),
        ([b'{"source-ref": "s3://bucket/a.jpg", "a": ' + b"[" * 5000], "nested too deep"),
    ],
)
def test_a_bad_manifest_fails_the_job_and_says_where(world, lines, complaint):
    world.begin(lines)
    described = world.describe()
    assert described["LabelingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: s3://bucket/input.manifest")
    assert complaint in described["FailureReason"]
    assert "LabelingJobOutput" not in described
    assert world.written() == {}
    assert world.jobs.accept("w0") is None


def test_a_failure_in_the_middle_of_a_manifest_leaves_no_objects(world):
    good = b'{"source-ref": "s3://bucket/a.jpg"}'
    world.begin([good] * 2_500 + [b"{}"])
    assert "input.manifest:2501: " in world.describe()["FailureReason"]
    with world.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM objects").scalar() == 0


def test_more_objects_than_ground_truth_takes_are_refused(world):
    world.begin([b'{"source-ref": "s3://bucket/a.jpg"}'] * (MAX_OBJECTS + 1))
    assert "has 100,001 data objects" in world.describe()["FailureReason"]


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        ("input.manifest", "s3://bucket/input.manifest: there is no such object"),
        ("labels.json", "s3://bucket/labels.json: there is no such object"),
        ("template.liquid", "s3://bucket/template.liquid: there is no such object"),
    ],
)
def test_a_missing_file_fails_the_job(world, missing, complaint):
    world.create()
    world.storage.delete(f"s3://bucket/{missing}")
    world.run()
    assert world.describe()["FailureReason"] == f"ClientError: {complaint}"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("labels.json", '{"labels": []}', "there are 0"),
        ("labels.json", '{"labels": [', "not a JSON document"),
        ("template.liquid", "x" * 1_000_001, "more than 1,000,000 bytes"),
    ],
)
def test_bad_labels_or_templates_fail_the_job(world, name, content, complaint):
    world.create()
    world.put(name, content)
    world.run()
    assert complaint in world.describe()["FailureReason"]
    assert world.status() == "Failed"


def test_byte_order_mark_windows_newlines_and_blank_lines_are_no_objects(world):
    lines = [world.line(0), world.line(1)]
    world.create()
    world.put("input.manifest", b"\xef\xbb\xbf" + lines[0] + b"\r\n\r\n" + lines[1])
    world.run()
    assert world.counters() == (0, 0, 2)
    world.finish()
    assert [line["number"] for line in world.output()] == [0, 1]


def test_storage_that_does_not_answer_is_tried_again(world):
    world.create()
    world.storage.broken = lambda uri: uri.endswith("input.manifest")
    world.run()
    assert world.status() == "Initializing"
    assert not world.jobs.advance()
    world.wait(1)
    assert world.status() == "Initializing"
    world.storage.broken = lambda _: False
    assert not world.jobs.advance(), "it waits before it tries again"
    world.wait(10)
    assert world.status() == "InProgress"


def test_storage_that_never_answers_fails_the_job_in_the_end(world):
    world.create()
    world.storage.broken = lambda uri: uri.endswith("labels.json")
    tries = 0
    start = world.clock.now()
    while world.status() == "Initializing":
        tries += 1
        world.wait(troubles.LONGEST_WAIT)
    assert tries <= troubles.MAX_TRIES
    assert world.clock.now() - start > timedelta(hours=1)
    assert world.describe()["FailureReason"] == (
        "ClientError: The input cannot be read: s3://bucket/labels.json: "
        "the storage does not answer"
    )


def test_an_interrupted_beginning_starts_anew(world):
    world.create(2_500)

    started = intake.Intake(store=world.store, storage=world.storage, clock=world.clock)
    job = only_job(world)
    halfway = started.run(job)
    next(halfway)
    next(halfway)
    halfway.close()  # as if the process had ended here
    with world.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM objects").scalar() == 2_000
    world.run()
    assert world.counters() == (0, 0, 2_500)


def only_job(world: World) -> Any:
    with world.store.read() as connection:
        return read_job(connection, 1)


def test_chaining_with_the_same_attribute_sends_only_what_lacks_it(world):
    world.begin(4, MaxConcurrentTaskCount=1)
    assert world.label_one("w0", ("cat", 1, 1, 10, 10)) == 0
    world.jobs.decline("w0", world.accept().id, "broken")  # 1 fails
    world.run()
    world.stop()
    world.run()
    first = world.output()
    assert "boxes" in first[0]
    assert "failure-reason" in first[1]["boxes-metadata"]
    assert set(first[2]) == set(first[3]) == {"source-ref", "number"}
    chained = world.describe()["LabelingJobOutput"]["OutputDatasetS3Uri"]
    raw = world.storage.objects[chained]
    world.begin(raw.splitlines(), name="second")
    assert world.counters("second") == (0, 0, 3)
    world.finish()
    assert world.status("second") == "Completed"
    second = world.output("second")
    assert second[0] == first[0]
    assert second[1]["boxes"]["annotations"] == []
    assert "failure-reason" not in second[1]["boxes-metadata"]
    assert second[2]["boxes-metadata"]["job-name"] == "labeling-job/second"


def test_chaining_with_another_attribute_sends_all(world):
    lines = [json.dumps({**json.loads(world.line(0)), "boxes": {"x": 1}}).encode()]
    world.begin(lines, LabelAttributeName="other")
    assert world.counters() == (0, 0, 1)
    world.finish()
    assert world.output()[0]["boxes"] == {"x": 1}
    assert world.output()[0]["other"]["annotations"] == []


def test_a_null_label_is_none(world):
    world.begin([world.line(0, boxes=None)])
    assert world.counters() == (0, 0, 1)
    world.finish()
    assert world.output()[0]["boxes"]["annotations"] == []


def test_a_job_with_nothing_left_to_label_completes_at_once(world):
    lines = [world.line(0, boxes={"x": 1})]
    world.begin(lines)
    assert world.status() == "Completed"
    assert world.counters() == (0, 0, 0)
    output = world.describe()["LabelingJobOutput"]["OutputDatasetS3Uri"]
    assert world.storage.objects[output] == lines[0] + b"\n"


def test_times_are_aware_and_move_with_the_job(world):
    world.begin(2)
    created = world.describe()["CreationTime"]
    assert created == datetime(2026, 1, 1, tzinfo=UTC)
    world.clock.sleep(5)
    world.label_one()
    assert world.describe()["LastModifiedTime"] == created + timedelta(seconds=5)
    assert world.describe()["CreationTime"] == created
