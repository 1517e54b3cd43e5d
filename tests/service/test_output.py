"""The output tree, file for file; the same bytes however often it is written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from jobs_world import ROOT, World

from gt_workflow.core import manifest
from gt_workflow.service.labeling.output import Output
from gt_workflow.service.labeling.records import read_job


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    yield here
    here.close()


def paths(world: World) -> list[str]:
    return list(world.written())


def test_a_job_writes_ground_truths_files(world):
    world.begin(3, NumberOfHumanWorkersPerDataObject=2, MaxConcurrentTaskCount=2)
    world.clock.sleep(61.25)
    world.submit(world.accept("w0"), "w0", ("cat", 1, 1, 10, 10))
    world.clock.sleep(10)
    world.submit(world.accept("w1"), "w1", ("cat", 2, 1, 10, 10))
    world.finish("w0", "w1")
    assert world.status() == "Completed"
    at = "2026-01-01_00:01:11.json"
    assert paths(world) == [
        f"annotations/consolidated-annotation/consolidation-request/iteration-1/{at}",
        f"annotations/consolidated-annotation/consolidation-request/iteration-2/{at}",
        f"annotations/consolidated-annotation/consolidation-response/iteration-1/{at}",
        f"annotations/consolidated-annotation/consolidation-response/iteration-2/{at}",
        "annotations/intermediate/1/annotations.json",
        "annotations/intermediate/2/annotations.json",
        f"annotations/worker-response/iteration-1/0/{at}",
        f"annotations/worker-response/iteration-1/1/{at}",
        f"annotations/worker-response/iteration-2/2/{at}",
        "manifests/output/output.manifest",
    ]


def test_a_worker_response_has_each_workers_answer_as_submitted(world):
    world.begin(1, NumberOfHumanWorkersPerDataObject=2)
    task = world.accept("w0")
    world.clock.sleep(61.25)
    world.submit(task, "w0", ("cat", 1, 1, 10, 10))
    world.label_one("w1")
    (path,) = [path for path in paths(world) if "worker-response" in path]
    response = json.loads(world.written()[path])
    assert list(response) == ["answers"]
    first, second = response["answers"]
    assert first == {
        "acceptanceTime": "2026-01-01T00:00:00.000Z",
        "submissionTime": "2026-01-01T00:01:01.250Z",
        "timeSpentInSeconds": 61.25,
        "answerContent": {
            "boundingBox": {
                "boundingBoxes": [{"label": "cat", "left": 1, "top": 1, "width": 10, "height": 10}],
                "inputImageProperties": {"width": 100, "height": 80},
            }
        },
        "workerId": "w0",
        "workerMetadata": {
            "identityData": {
                "identityProviderType": "Oidc",
                "issuer": "gt_workflow",
                "sub": "w0",
            }
        },
    }
    assert second["workerId"] == "w1"
    assert second["answerContent"]["boundingBox"]["boundingBoxes"] == []


def test_consolidation_files_hold_what_goes_in_and_what_comes_out(world):
    world.begin(2)
    world.storage.delete("s3://bucket/images/1.jpg")
    world.label_one("w0", ("dog", 1, 1, 10, 10))
    world.finish()
    assert world.status() == "Completed"
    files = {path.split("/")[2]: body for path, body in world.written().items()}
    (request,) = json.loads(files["consolidation-request"])
    assert request["datasetObjectId"] == "0"
    assert request["dataObject"] == {"s3Uri": "s3://bucket/images/0.jpg"}
    (annotation,) = request["annotations"]
    assert annotation["workerId"] == "w0"
    content = json.loads(annotation["annotationData"]["content"])
    assert content["boundingBox"]["boundingBoxes"][0]["label"] == "dog"
    (response,) = json.loads(files["consolidation-response"])
    output = world.output()
    assert response == {
        "datasetObjectId": "0",
        "consolidatedAnnotation": {
            "content": {key: output[0][key] for key in ("boxes", "boxes-metadata")}
        },
    }
    intermediate = [
        json.loads(line)
        for line in world.written()["annotations/intermediate/1/annotations.json"].splitlines()
    ]
    assert [line["datasetObjectId"] for line in intermediate] == ["0", "1"]
    assert intermediate[0]["boxes"] == output[0]["boxes"]
    assert intermediate[1]["boxes-metadata"] == output[1]["boxes-metadata"]
    assert intermediate[1]["inputAttribute"] == {"source-ref": "s3://bucket/images/1.jpg"}


def test_a_batch_without_answers_writes_empty_lists(world):
    world.begin(1)
    world.jobs.decline("w0", world.accept().id, "no")
    world.run()
    files = {path.split("/")[2]: body for path, body in world.written().items()}
    assert files["consolidation-request"] == files["consolidation-response"] == b"[]"
    assert not [path for path in paths(world) if "worker-response" in path]


def test_lines_pass_through_byte_for_byte(world):
    for name in ("a", "b", "c"):
        world.put(f"{name}.jpg", "100x80")
    lines = [
        b'{ "x" : 1.50, "source-ref" : "s3://bucket/a.jpg" , "y":"\\u00e9" }',
        b'{"source-ref":"s3:\\/\\/bucket/b.jpg","boxes-metadata":{"failure-reason":0},"z":[1 ,2]}',
        '{"source-ref": "s3://bucket/c.jpg", "name": "Zoë", "big": 12345678901234567890}'.encode(),
    ]
    world.begin(lines, MaxConcurrentTaskCount=2)
    world.label_one("w0", ("cat", 1, 1, 10, 10))
    world.jobs.decline("w0", world.accept().id, "no")
    world.run()
    world.stop()
    world.run()
    body = world.written()["manifests/output/output.manifest"]
    first, second, third = body.splitlines()
    assert first.startswith(lines[0].rstrip(b" }"))
    assert b'"source-ref":"s3:\\/\\/bucket/b.jpg","boxes-metadata":{"retry-count":0,' in second
    assert second.endswith(b',"z":[1 ,2]}')
    assert third == lines[2]
    assert body.endswith(b"}\n")


def test_the_output_manifest_is_what_the_reader_expects(world):
    world.begin(3, MaxConcurrentTaskCount=2)
    world.label_one("w0", ("cat", 1, 1, 10, 10), ("dog", 5.5, 5, 10, 10))
    world.jobs.decline("w0", world.accept().id, "no")
    world.run()
    world.stop()
    world.run()
    body = world.written()["manifests/output/output.manifest"]
    records = list(manifest.read(manifest.split_lines(io.BytesIO(body)), uri="output"))
    assert [record.state for record in records] == ["labelled", "failed", "untouched"]
    label = records[0].label
    assert label is not None
    assert label.job_name == "job"
    assert label.human
    assert [box.label for box in label.annotations] == ["cat", "dog"]
    assert label.annotations[0].confidence == 0
    assert records[1].failure is not None
    assert records[1].failure.retries == 0


@pytest.mark.parametrize("path", ["s3://bucket/out", "s3://bucket/out/", "s3://bucket/out//"])
def test_the_output_path_may_end_with_a_slash_or_not(world, path):
    world.begin(1, OutputConfig={"S3OutputPath": path})
    world.label_one()
    expected = "s3://bucket/out/job/manifests/output/output.manifest"
    assert world.describe()["LabelingJobOutput"] == {"OutputDatasetS3Uri": expected}
    assert expected in world.storage.objects


def test_iterations_are_written_while_the_job_runs_but_no_manifest(world):
    world.begin(2, MaxConcurrentTaskCount=1)
    world.label_one()
    assert [path.split("/")[1] for path in paths(world)] == [
        "consolidated-annotation",
        "consolidated-annotation",
        "intermediate",
        "worker-response",
    ]
    assert "LabelingJobOutput" not in world.describe()
    world.label_one()
    assert world.describe()["LabelingJobOutput"] == {
        "OutputDatasetS3Uri": f"{ROOT}/job/manifests/output/output.manifest"
    }


def test_an_object_of_a_stopped_batch_that_nobody_answered_is_in_no_iteration(world):
    world.begin(2)
    world.label_one()
    world.stop()
    world.run()
    (line,) = world.written()["annotations/intermediate/1/annotations.json"].splitlines()
    assert json.loads(line)["datasetObjectId"] == "0"


def test_writing_breaks_off_and_is_done_again_with_the_same_bytes(world):
    def work(here: World) -> dict[str, bytes]:
        here.begin(5, MaxConcurrentTaskCount=3)
        here.finish("w0", "w1")
        assert here.status() == "Completed"
        return here.written()

    undisturbed = work(world)
    for at in range(len(undisturbed) + 4):
        again = World()
        left = iter([False] * at + [True])
        again.storage.broken = lambda uri, left=left: uri.startswith(ROOT) and next(left, False)
        again.begin(5, MaxConcurrentTaskCount=3)
        again.finish("w0", "w1")
        again.wait(2)
        assert again.written() == undisturbed
        again.close()


def test_output_that_is_written_twice_is_the_same(world):
    world.begin(3, MaxConcurrentTaskCount=2)
    world.finish()
    before = world.written()
    with world.store.read() as connection:
        job = read_job(connection, 1)
    output = Output(store=world.store, storage=world.storage, clock=world.clock)
    world.clock.sleep(1000)
    for number in (1, 2):
        for _ in output.iteration(job, number):
            pass
    assert world.written() == before
    with pytest.raises(ValueError, match=r"iteration 3 .* is not finished"):
        next(output.iteration(job, 3))


def test_many_objects_are_written_page_by_page(world):
    world.begin(450, MaxConcurrentTaskCount=1000)
    world.stop()
    world.run()
    assert [line["number"] for line in world.output()] == list(range(450))
