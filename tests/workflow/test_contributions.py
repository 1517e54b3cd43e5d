"""Who labelled how much, how fast, how well: from the files that Ground Truth writes."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from gt_workflow.adapters.memory import MemoryStorage, SerialEngine
from gt_workflow.core.names import function_arn
from gt_workflow.errors import DataError
from gt_workflow.workflow import contributions, worker_responses

ROOT = "s3://bucket/out/degu-1/"
MANIFEST = f"{ROOT}manifests/output/output.manifest"
SOURCE = contributions.Source(ROOT, "boxes")


def box(left=10, label="degu"):
    return {"label": label, "left": left, "top": 10, "width": 100, "height": 50}


def answer(worker, *drawn, seconds=10.0, **members):
    return {
        "acceptanceTime": "2026-01-01T10:00:00.000Z",
        "submissionTime": "2026-01-01T10:00:30.500Z",
        "timeSpentInSeconds": seconds,
        "workerId": worker,
        "answerContent": {"boundingBox": {"boundingBoxes": list(drawn)}},
        **members,
    }


def line(place, *drawn):
    """Return a labelled line; without boxes the photograph has nothing on it."""
    value = {
        "image_size": [{"width": 800, "height": 600, "depth": 3}],
        "annotations": [
            {"class_id": 0, "left": b["left"], "top": 10, "width": 100, "height": 50} for b in drawn
        ],
    }
    metadata = {
        "objects": [{"confidence": 0.9} for _ in drawn],
        "class-map": {"0": "degu"} if drawn else {},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00.000000",
        "job-name": "labeling-job/degu-1",
    }
    return {"source-ref": f"s3://bucket/{place}.jpg", "boxes": value, "boxes-metadata": metadata}


def failed(place):
    metadata = {"retry-count": 1, "failure-reason": "expired", "human-annotated": "true"}
    return {"source-ref": f"s3://bucket/{place}.jpg", "boxes-metadata": metadata}


def storage(files, manifest=None):
    """Build a job's output: {(iteration, object): answers} and manifest lines."""
    objects = {
        f"{ROOT}annotations/worker-response/iteration-{iteration}/{place}/"
        "2026-01-01_10:00:30.json": json.dumps({"answers": answers}).encode()
        for (iteration, place), answers in files.items()
    }
    if manifest is not None:
        objects[MANIFEST] = b"".join(json.dumps(entry).encode() + b"\n" for entry in manifest)
    return MemoryStorage(objects)


def report(stored, *sources, told=None):
    def progress(stage, done, total):
        if told is not None:
            told.append((stage, done, total))

    return contributions.report(
        sources or [SOURCE], storage=stored, engine=SerialEngine(), progress=progress
    )


def test_each_workers_share():
    stored = storage(
        {
            (1, 0): [answer("ada", box()), answer("bob", box(30), box(400), seconds=30)],
            (1, 1): [answer("ada", seconds=20), answer("bob", box(), seconds=50)],
            (2, 2): [answer("ada", box(), seconds=90)],  # its object failed all the same
            (2, 3): [answer("ada", box(), seconds=0)],
        },
        [line(0, box()), line(1), failed(2), line(3, box(), box(300))],
    )
    ada, bob = report(stored)
    assert (ada.worker, ada.tasks, ada.boxes, ada.seconds) == ("ada", 4, 3, 120.0)
    assert ada.median_seconds == 15.0
    assert ada.per_hour == 4 / 120 * 3600
    assert ada.compared == 3
    assert ada.mean_iou == 1.0
    assert ada.matched == 1.0
    assert ada.found == 2 / 3
    assert (bob.worker, bob.tasks, bob.boxes, bob.median_seconds) == ("bob", 2, 3, 40.0)
    assert bob.mean_iou == pytest.approx(80 / 120)
    assert bob.matched == 1 / 3  # one is beside, one on a photograph with nothing on it
    assert bob.found == 1.0


def test_iterations_come_by_number_not_by_name():
    stored = storage({(n, n): [answer("ada")] for n in (10, 2, 1, 33, 9)})
    found = [file.iteration for file in worker_responses.files(ROOT, storage=stored)]
    assert found == [1, 2, 9, 10, 33]


def test_other_files_are_passed_over():
    stored = storage({(1, 0): [answer("ada")]})
    folder = f"{ROOT}annotations/worker-response/"
    for name in ("", "iteration-1/", "iteration-x/0/a.json", "iteration-1/0/a.txt", "a.json"):
        stored.objects[folder + name] = b"?"
    assert [share.tasks for share in report(stored)] == [1]


def test_while_the_job_runs_there_is_nothing_to_agree_with():
    (ada,) = report(storage({(1, 0): [answer("ada", box())]}))
    assert (ada.tasks, ada.compared) == (1, 0)
    assert (ada.mean_iou, ada.matched, ada.found) == (None, None, None)


def test_without_any_answer_there_is_nobody():
    told = []
    assert report(storage({}, [line(0)]), told=told) == []
    assert told == [(contributions.READING, 0, 0)]


def test_verdicts_are_counted_and_not_compared():
    verdict = answer("ada") | {"answerContent": {"crowd-image-classifier": {"label": "good"}}}
    source = contributions.Source(ROOT, "verdict", boxes=False)
    (ada,) = report(storage({(1, 0): [verdict]}, [{"source-ref": "x"}]), source)
    assert (ada.tasks, ada.boxes, ada.compared) == (1, 0, 0)


def test_aws_may_write_null_and_leave_out_the_time():
    bare = {
        "workerId": "ada",
        "answerContent": {"boundingBox": {"boundingBoxes": None}},
        "workerMetadata": {"identityData": {"identityProviderType": "Cognito", "sub": "s-1"}},
    }
    stored = storage({(1, 0): [bare]}, [line(0)])
    (ada,) = report(stored)
    assert (ada.subject, ada.seconds, ada.median_seconds, ada.per_hour) == ("s-1", 0, None, None)
    assert (ada.compared, ada.mean_iou, ada.matched, ada.found) == (1, None, None, None)


def test_time_between_acceptance_and_submission_stands_in():
    (ada,) = report(storage({(1, 0): [answer("ada", seconds=None)]}))
    assert ada.median_seconds == 30.5


def test_an_object_answered_in_two_iterations_counts_twice():
    stored = storage(
        {(1, 0): [answer("ada", box(50))], (2, 0): [answer("ada", box())]}, [line(0, box())]
    )
    (ada,) = report(stored)
    assert (ada.tasks, ada.compared, ada.matched) == (2, 2, 0.5)


def test_jobs_of_one_launch_are_added_up():
    stored = storage({(1, 0): [answer("ada", box())]}, [line(0, box())])
    (ada,) = report(stored, SOURCE, SOURCE)
    assert (ada.tasks, ada.compared, ada.mean_iou) == (2, 2, 1.0)


@pytest.mark.parametrize("blank", ["", "   "])
def test_blank_lines_are_no_objects(blank):
    stored = storage({(1, 1): [answer("ada", box())]})
    lines = [line(0), line(1, box())]
    stored.objects[MANIFEST] = f"\n{blank}\n".join(json.dumps(one) for one in lines).encode()
    assert [share.mean_iou for share in report(stored)] == [1.0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"answers":[{}]}',
        b'{"answers":[{"workerId":"a","answerContent":[]}]}',
        b'{"answers":[{"workerId":"a","answerContent":{},"timeSpentInSeconds":NaN}]}',
        b'{"answers":[{"workerId":"a","answerContent":{"b":{"boundingBoxes":[{"label":"x"}]}}}]}',
    ],
)
def test_what_is_no_worker_response_is_named(content):
    stored = storage({(1, 7): []})
    (uri,) = stored.objects
    stored.objects[uri] = content
    with pytest.raises(DataError, match="is no worker response") as caught:
        report(stored)
    assert caught.value.uri == uri


def test_a_broken_line_of_the_manifest_is_named_with_its_number():
    stored = storage({(1, 1): [answer("ada", box())]}, [line(0)])
    stored.objects[MANIFEST] += b'{"source-ref":"s3://bucket/1.jpg","boxes":{}}\n'
    with pytest.raises(DataError) as caught:
        report(stored)
    assert (caught.value.uri, caught.value.line) == (MANIFEST, 2)


def test_where_the_answers_are_follows_from_the_job():
    described = {
        "LabelingJobName": "degu-1",
        "LabelAttributeName": "boxes",
        "OutputConfig": {"S3OutputPath": "s3://bucket/out/"},
        "HumanTaskConfig": {
            "PreHumanTaskLambdaArn": function_arn("us-east-1", "PRE", "verify"),
            "AnnotationConsolidationConfig": {
                "AnnotationConsolidationLambdaArn": function_arn("us-east-1", "ACS", "verify")
            },
        },
    }
    assert contributions.source(described) == contributions.Source(ROOT, "boxes", boxes=False)


def test_the_summary_of_a_launch_counts_tasks_and_boxes():
    stored = storage({(1, 0): [answer("ada", box(), box(300))], (2, 1): [answer("ada")]})
    drawn = contributions.count(MANIFEST, storage=stored)
    assert (drawn.tasks, drawn.boxes) == ({"ada": 2}, {"ada": 2})


class Endless(MemoryStorage):
    """So many objects of the same answers, made when they are asked for."""

    def __init__(self, objects):
        super().__init__({MANIFEST: b""})
        self.count = objects
        self.content = json.dumps({"answers": [answer("ada", box(), box(300))]}).encode()
        entry = json.dumps(line(0, box(), box(300))).encode() + b"\n"
        self.manifest = entry

    def list(self, prefix):
        from gt_workflow.ports import Stat

        when = None
        for place in range(self.count):
            number = place // 1000 + 1
            uri = f"{ROOT}annotations/worker-response/iteration-{number}/{place}/t.json"
            if uri.startswith(prefix):
                yield Stat(uri, 1, when)

    def open(self, uri):
        import io

        if uri == MANIFEST:
            return Lines(self.manifest, self.count)
        return io.BytesIO(self.content)


class Lines:
    """A file of one line, many times over."""

    def __init__(self, entry, count):
        self.entry, self.left = entry, count

    def read(self, size=-1):
        several = min(self.left, max(1, size // len(self.entry)))
        self.left -= several
        return self.entry * several

    def close(self):
        pass


def peak(objects):
    tracemalloc.start()
    try:
        (ada,) = report(Endless(objects))
        assert ada.compared == objects
        assert ada.mean_iou == 1.0
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_objects(monkeypatch):
    monkeypatch.setattr(contributions, "_HELD", 900)
    small, large = peak(1_000), peak(4_000)
    assert large < 1.3 * small
