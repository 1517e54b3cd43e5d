"""A job's output beside its input, and what was open sent again: once, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from repair_world import SETTINGS, Api, Fatal, Killed, finish, half_done, seen, world
from small_describe import fake_job

from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.core import manifest
from gt_workflow.core.matching import sendable
from gt_workflow.errors import JobFailedError, UsageError
from gt_workflow.workflow.repair import follow_up, reconcile, recover, relaunch

__all__ = ["world"]

OUT = "s3://bucket/out/job/manifests/output/output.manifest"


def surveyed(storage, job, **options):
    return reconcile.survey(job, storage=storage, **options)[0]


def test_a_stopped_job_is_compared_relaunched_and_merged(world):
    job = half_done(world)
    found = surveyed(world.storage, job)
    assert (found.total, found.labelled, found.untouched, found.complete) == (6, 3, 3, False)
    assert [line.line for line in found.listed] == [4, 5, 6]

    api = Api(world)
    planned = relaunch.plan(job, settings=SETTINGS, storage=world.storage)
    assert (planned.sent, planned.left_out, planned.cost.tasks) == (3, {"labelled": 3}, 3)
    assert follow_up.run(planned, storage=world.storage, ground_truth=api)
    assert not follow_up.run(planned, storage=world.storage, ground_truth=api)
    finish(world, planned.name)
    again = relaunch.plan(job, settings=SETTINGS, storage=world.storage)
    assert again.name == planned.name

    later = relaunch.rounds(job, settings=SETTINGS, storage=world.storage, ground_truth=api)
    assert [one.name for one in later] == [planned.name]
    out = "s3://bucket/merged.manifest"
    merged = reconcile.merge([job], later, out=out, storage=world.storage)
    assert (merged.total, merged.labelled, merged.written) == (6, 6, True)
    lines = world.storage.objects[out].splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(6))
    assert lines[:3] == world.storage.objects[job.output_uri].splitlines()[:3]
    assert not reconcile.merge([job], later, out=out, storage=world.storage).written
    world.storage.objects[out] += b"{}\n"
    with pytest.raises(UsageError, match="says something else"):
        reconcile.merge([job], later, out=out, storage=world.storage)


def test_a_finished_job_is_complete_and_has_nothing_to_send(world):
    world.begin(2)
    job = finish(world, "job")
    assert surveyed(world.storage, job).complete
    planned = relaunch.plan(job, settings=SETTINGS, storage=world.storage)
    assert (planned.name, planned.sent) == ("", 0)
    assert not follow_up.run(planned, storage=world.storage, ground_truth=Api(world))


def test_a_manifest_that_lacks_a_finished_jobs_labels_is_no_reason_to_pay_again(world):
    world.begin(3)
    job = finish(world, "job")
    first, *others = world.storage.objects[job.output_uri].splitlines(keepends=True)
    for number, manifest_lines in ((3, b""), (2, first)):
        world.storage.objects["s3://bucket/other"] = manifest_lines
        with pytest.raises(UsageError, match=f"labels for {number} of these .*/other lacks"):
            relaunch.plan(job, settings=SETTINGS, storage=world.storage, output="s3://bucket/other")
    for uri in [uri for uri in world.storage.objects if "/annotations/" in uri]:
        del world.storage.objects[uri]
    with pytest.raises(UsageError, match="labels for 2 of these"):
        relaunch.plan(job, settings=SETTINGS, storage=world.storage, output="s3://bucket/other")
    world.storage.objects["s3://bucket/other"] = first + b"".join(others)
    again = {"settings": SETTINGS, "storage": world.storage, "output": "s3://bucket/other"}
    assert relaunch.plan(job, **again).sent == 0


def test_a_job_that_runs_is_not_relaunched(world):
    world.begin(2)
    with pytest.raises(UsageError, match="InProgress"):
        relaunch.plan(seen(world), settings=SETTINGS, storage=world.storage)


def test_a_relaunch_killed_anywhere_and_run_again_makes_one_job(world):
    job = half_done(world)
    api = Api(world)
    before = dict(world.storage.objects)
    for left in range(100):
        names = len(api.created)
        fatal = Fatal(world.storage, api, left=left)
        storage, ground_truth = fatal.parts
        try:
            planned = relaunch.plan(job, settings=SETTINGS, storage=storage)
            follow_up.run(planned, storage=storage, ground_truth=ground_truth)
        except Killed:
            assert len(api.created) - names in {0, 1}
            continue
        break
    assert left > 10
    assert len(set(api.created)) == len(api.created) == 1
    written = {uri for uri in world.storage.objects if uri not in before}
    assert f"{planned.folder}launch.json" in written
    sent = world.storage.objects[f"{planned.folder}input.manifest"].splitlines()
    assert [json.loads(line)["number"] for line in sent] == [3, 4, 5]


@pytest.mark.parametrize("boundary", range(12))
def test_a_fresh_relaunch_killed_at_each_boundary_makes_one_job(world, boundary):
    job = half_done(world, lines=3, done=1)
    api = Api(world)
    planned = relaunch.plan(job, settings=SETTINGS, storage=world.storage)
    fatal = Fatal(world.storage, api, left=boundary)
    storage, ground_truth = fatal.parts
    try:
        follow_up.run(planned, storage=storage, ground_truth=ground_truth)
    except Killed:
        if api.created:
            assert f"{planned.folder}launch.json" in world.storage.objects
    again = relaunch.plan(job, settings=SETTINGS, storage=world.storage)
    follow_up.run(again, storage=world.storage, ground_truth=api)
    assert api.created == [planned.name]


def test_a_relaunch_that_is_overtaken_by_another_adopts_its_job(world):
    job = half_done(world)
    planned = relaunch.plan(job, settings=SETTINGS, storage=world.storage)

    class Overtaken(Api):
        def create(self, request):
            Api(world).create(request)
            return super().create(request)

    overtaken = Overtaken(world)
    assert not follow_up.run(planned, storage=world.storage, ground_truth=overtaken)
    assert not overtaken.created
    assert world.describe(planned.name)


def test_failures_are_grouped_and_sent_without_their_stale_keys(world):
    lines = [world.line(i) for i in range(3)]
    lines[1] = json.dumps(
        json.loads(lines[1]) | {"boxes-metadata": {"failure-reason": "old", "retry-count": 1}}
    ).encode()
    world.begin(lines)
    job = finish(world, "job")
    output = world.storage.objects[job.output_uri].splitlines()
    output[1] = manifest.failed_line(lines[1], attribute="boxes", reason="expired", retries=2)
    world.storage.objects[job.output_uri] = b"\n".join(output)
    found = surveyed(world.storage, job)
    assert (found.failed, found.reasons) == (1, (("expired", 1),))
    planned = relaunch.plan(job, settings=SETTINGS, storage=world.storage)
    assert [json.loads(line) for line in planned.content()] == [
        json.loads(sendable(lines[1], attribute="boxes"))
    ]
    assert "boxes-metadata" not in json.loads(next(planned.content()))


def test_lines_that_are_lost_doubled_strange_or_changed_are_each_told(world):
    world.begin(5)
    job = finish(world, "job")
    out = world.storage.objects[job.output_uri].splitlines()
    changed = out[4].replace(b'"number": 4', b'"number": 40')
    strange = out[0].replace(b"images/0", b"images/77")
    world.storage.objects[job.output_uri] = b"\n".join([out[1], out[0], out[1], strange, changed])
    found = surveyed(world.storage, job)
    told = (found.missing, found.duplicated, found.foreign, found.changed, found.moved)
    assert told == (2, 1, 1, 1, 1)
    assert not found.complete
    assert {(line.kind, line.line) for line in found.listed} == {
        ("missing", 3), ("missing", 4), ("duplicated", 3), ("foreign", 4), ("changed", 5),
    }  # fmt: skip
    out_uri = "s3://bucket/whole"
    reconcile.merge([job], [], out=out_uri, storage=world.storage)
    whole = [json.loads(line) for line in world.storage.objects[out_uri].splitlines()]
    assert [line["source-ref"][-5] for line in whole] == list("01234")
    assert ["boxes" in line for line in whole] == [True, True, False, False, True]


def test_a_launch_of_several_jobs_is_merged_in_its_order(world):
    world.manifest([world.line(0), world.line(1)], "a.manifest")
    jobs = []
    for name, images in (("a", (0, 1)), ("b", (2, 1))):
        source = world.manifest([world.line(i) for i in images], f"{name}.manifest")
        request = world.request(name)
        request["InputConfig"]["DataSource"]["S3DataSource"]["ManifestS3Uri"] = source
        Api(world).create(request)
        jobs.append(finish(world, name))
    made = reconcile.merge(jobs, [], out="s3://bucket/all", storage=world.storage)
    assert (made.total, made.labelled) == (4, 4)
    lines = [json.loads(line) for line in world.storage.objects["s3://bucket/all"].splitlines()]
    assert [(line["number"], line["boxes-metadata"]["job-name"]) for line in lines] == [
        (0, "labeling-job/a"), (1, "labeling-job/a"), (2, "labeling-job/b"), (1, "labeling-job/b"),
    ]  # fmt: skip


def test_jobs_of_other_photographs_or_attributes_are_not_merged(world):
    job = half_done(world)
    with pytest.raises(UsageError, match="attributes"):
        reconcile.merge(
            [job], [replace(job, attribute="x")], out="s3://bucket/m", storage=world.storage
        )
    strange = replace(job, name="other", output_uri=world.manifest([world.line(99)], "other"))
    with pytest.raises(UsageError, match="other has lines that are not"):
        reconcile.merge([job], [strange], out="s3://bucket/m", storage=world.storage)


@pytest.mark.parametrize(
    ("name", "attribute"), [("one-class-470", None), ("symbols-sparse-ids", None)]
)
def test_real_manifests_are_compared_and_recovered_by_their_lines(shared, name, attribute):
    raw = (shared / "data" / "manifests" / f"{name}.manifest").read_bytes()
    lines = [line for line in raw.splitlines() if line.strip()]
    attribute = manifest.attributes(lines, uri=name)[0]
    bare = [sendable_of(line, attribute) for line in lines]
    storage = MemoryStorage({"s3://b/in": b"\n".join(bare), "s3://b/out": b"\n".join(lines)})
    job = fake_job(attribute=attribute, input_uri="s3://b/in", output_uri="s3://b/out")
    labelled = sum(1 for line in lines if attribute in json.loads(line))
    found = surveyed(storage, job)
    assert (found.total, found.labelled) == (len(lines), labelled)
    assert found.missing + found.duplicated + found.foreign + found.changed == 0
    storage.objects["s3://b/out"] = b"\n".join(reversed(lines))
    reconcile.merge([job], [], out="s3://b/m", storage=storage)
    assert storage.objects["s3://b/m"] == b"".join(line + b"\n" for line in lines)


def sendable_of(line, attribute):
    return manifest.with_members(line, {}, drop=[attribute, f"{attribute}-metadata"])


def test_a_relaunch_of_a_failed_job_waits_for_its_labels_to_be_harvested(world):
    job = half_done(world)
    del world.storage.objects[job.output_uri]
    job = replace(job, status="Failed")
    found = surveyed(world.storage, job)
    assert (found.output, found.missing) == (None, 6)
    with pytest.raises(UsageError, match="has labels for 3 of these lines"):
        relaunch.plan(job, settings=SETTINGS, storage=world.storage)
    responses = [uri for uri in world.storage.objects if "/consolidation-response/" in uri]
    kept = {uri: world.storage.objects.pop(uri) for uri in responses}
    with pytest.raises(UsageError, match="has labels for 3 of these lines"):
        relaunch.plan(job, settings=SETTINGS, storage=world.storage)
    world.storage.objects |= kept
    out = "s3://bucket/recovered"
    recover.recover(job, out=out, storage=world.storage)
    planned = relaunch.plan(job, settings=SETTINGS, storage=world.storage, output=out)
    assert planned.sent == 3


def test_a_manifest_that_was_not_written_by_a_stopped_job_is_recovered_alike(world):
    job = half_done(world)
    written = world.storage.objects.pop(job.output_uri)
    out = "s3://bucket/recovered"
    made = recover.recover(job, out=out, storage=world.storage)
    assert (made.from_consolidation, made.labelled, made.verified) == (3, 3, 3)
    assert world.storage.objects[out] == written
    assert not recover.recover(job, out=out, storage=world.storage).written


def test_later_iterations_win_by_number_and_machines_give_way_to_people(world):
    job = half_done(world, lines=12, done=1)
    objects = world.storage.objects
    for uri in [uri for uri in objects if "/annotations/" in uri or uri == job.output_uri]:
        del objects[uri]

    def entry(index, confidence):
        content = {
            "boxes": {"image_size": [], "annotations": []},
            "boxes-metadata": {"type": "groundtruth/object-detection", "mark": confidence},
        }
        return {"datasetObjectId": str(index), "consolidatedAnnotation": {"content": content}}

    responses = f"{job.root}/annotations/consolidated-annotation/consolidation-response"
    for number in (1, 2, 10):
        uri = f"{responses}/iteration-{number}/2026-01-01_00:00:00.json"
        objects[uri] = json.dumps([entry(0, number), entry(number, number)]).encode()
    machine = f"{job.root}/activelearning/1/x/auto_annotator_output.txt"
    label = entry(0, "machine")["consolidatedAnnotation"]["content"]
    objects[machine] = "".join(f"{i} {json.dumps(label)}\n" for i in (0, 5)).encode()
    made = recover.recover(job, out="s3://bucket/r", storage=world.storage)
    assert (made.from_consolidation, made.from_model, made.from_workers) == (4, 1, 0)
    lines = [json.loads(line) for line in objects["s3://bucket/r"].splitlines()]
    marks = [line.get("boxes-metadata", {}).get("mark") for line in lines]
    assert marks == [10, 1, 2, None, None, "machine", *[None] * 4, 10, None]


def test_answers_without_consolidation_are_consolidated_here(world):
    job = half_done(world)
    written = world.storage.objects.pop(job.output_uri)
    objects = world.storage.objects
    for uri in [uri for uri in objects if "/consolidation-response/" in uri]:
        del objects[uri]
    made = recover.recover(job, out="s3://bucket/r", storage=world.storage)
    assert (made.from_consolidation, made.from_workers, made.thin) == (0, 3, 0)
    ours = [json.loads(line) for line in objects["s3://bucket/r"].splitlines()]
    theirs = [json.loads(line) for line in written.splitlines()]
    assert [line.get("boxes") for line in ours] == [line.get("boxes") for line in theirs]
    thin = recover.recover(replace(job, workers=3), out="s3://bucket/r", storage=world.storage)
    assert thin.thin == 3


def test_a_manifest_changed_since_is_met_before_labels_come_to_wrong_images(world):
    job = half_done(world)
    del world.storage.objects[job.output_uri]
    world.manifest([world.line(i) for i in (1, 0, 2, 3, 4, 5)])
    with pytest.raises(Exception, match="was the manifest changed since"):
        recover.recover(job, out="s3://bucket/r", storage=world.storage)


def test_nothing_to_recover_writes_nothing(world):
    job = half_done(world, done=0)
    with pytest.raises(JobFailedError, match="nothing to recover"):
        recover.recover(job, out="s3://bucket/r", storage=world.storage)
    assert "s3://bucket/r" not in world.storage.objects
