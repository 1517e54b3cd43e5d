"""Adjustment and verification jobs, and what comes back of them."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from jobs_world import HEIGHT, WIDTH
from PIL import Image
from repair_world import SETTINGS, Api, Fatal, Killed, finish, half_done, seen, world

from gt_workflow import config
from gt_workflow.core import manifest
from gt_workflow.core.described import audited_attribute
from gt_workflow.errors import DataError, UsageError
from gt_workflow.workflow import convert
from gt_workflow.workflow.repair import chain, follow_up
from gt_workflow.workflow.repair.chain import ChainOptions
from gt_workflow.workflow.repair.fold import fold

__all__ = ["world"]

BOX = ("cat", 1, 2, 30, 40)
MOVED = ("dog", 5, 6, 30, 40)
OUT = "s3://bucket/folded.manifest"


def planned(world, job, kind="adjust", *, settings=SETTINGS, output=None, **options):
    return chain.plan(
        kind,
        job,
        ChainOptions(**options),
        settings=settings,
        storage=world.storage,
        ground_truth=Api(world),
        output=output,
    )


def run(world, plan):
    return follow_up.run(plan, storage=world.storage, ground_truth=Api(world))


def adjusted(world, job, *boxes, **options):
    plan = planned(world, job, **options)
    assert run(world, plan)
    return finish(world, plan.name, *boxes)


def quiet(stage, done, total):
    del stage, done, total


def test_only_labelled_lines_go_to_an_adjustment_with_all_of_the_labels(world):
    job = half_done(world)
    plan = planned(world, job, labels=("bird", "cat"))
    assert (plan.sent, dict(plan.left_out)) == (3, {"untouched": 3})
    request = plan.request
    assert request["LabelAttributeName"] == "boxes-adjusted"
    assert "StoppingConditions" not in request
    labels = json.loads(plan.files["labels.json"])["labels"]
    assert [one["label"] for one in labels] == ["cat", "dog", "bird"]
    template = plan.files["template.liquid.html"].decode()
    assert audited_attribute(template, own="boxes-adjusted") == "boxes"
    assert run(world, plan)
    assert not run(world, plan)
    done = finish(world, plan.name, MOVED)
    assert world.counters(plan.name) == (3, 0, 0)
    assert done.kind == "adjust"
    assert planned(world, job, labels=("bird", "cat")).name == plan.name


def test_workers_and_times_come_from_the_settings(world):
    job = half_done(world)
    settings = config.load(flags={"job.workers": 2, "job.task-time-limit": 60})
    human = planned(world, job, settings=settings).request["HumanTaskConfig"]
    assert human["NumberOfHumanWorkersPerDataObject"] == 2
    assert human["TaskTimeLimitInSeconds"] == 60
    assert planned(world, job, settings=settings).name != planned(world, job).name
    refused = msgspec.structs.replace(settings, job=config.Job(workers=10))
    with pytest.raises(UsageError, match="workers"):
        planned(world, job, settings=refused)


@pytest.mark.parametrize("boundary", range(18))
def test_an_adjustment_killed_at_each_boundary_makes_one_job(world, boundary):
    job = half_done(world, lines=3, done=2)
    api = Api(world)
    plan = planned(world, job)
    storage, ground_truth = Fatal(world.storage, api, left=boundary).parts
    try:
        follow_up.run(plan, storage=storage, ground_truth=ground_truth)
    except Killed:
        if api.created:
            assert f"{plan.folder}launch.json" in world.storage.objects
    again = planned(world, job)
    follow_up.run(again, storage=world.storage, ground_truth=api)
    assert api.created == [again.name] == [plan.name]


def test_adjusted_boxes_are_folded_back_and_both_histories_kept(world):
    job = half_done(world)
    adjustment = adjusted(world, job, MOVED)
    made = fold(adjustment, out=OUT, storage=world.storage)
    assert (made.total, made.adjusted, made.confirmed, made.kept) == (6, 3, 0, 3)
    assert (made.base, made.attribute, made.too_long) == (job.output_uri, "boxes", 0)
    before = [json.loads(line) for line in world.storage.objects[job.output_uri].splitlines()]
    after = [json.loads(line) for line in world.storage.objects[OUT].splitlines()]
    assert before[3:] == after[3:]
    name = f"boxes-before-{adjustment.name}"
    for old, new in zip(before[:3], after[:3], strict=True):
        assert new[name] == {"label": old["boxes"]}
        assert new[f"{name}-details"] == old["boxes-metadata"]
        assert new["boxes-metadata"]["job-name"] == f"labeling-job/{adjustment.name}"
        assert new["boxes"]["annotations"][0]["left"] == 5
        assert "boxes-adjusted" not in new
    lines = world.storage.objects[OUT].splitlines()
    assert manifest.attributes(lines, uri=OUT) == ("boxes",)
    assert [record.state for record in manifest.read(lines, uri=OUT)][2:4] == [
        "labelled", "untouched",
    ]  # fmt: skip
    assert not fold(adjustment, out=OUT, storage=world.storage).written


def test_converters_read_what_was_folded(world):
    adjustment = adjusted(world, half_done(world), MOVED)
    fold(adjustment, out=OUT, storage=world.storage)
    picture = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT)).save(picture, "JPEG")
    for index in range(3):
        world.put(f"images/{index}.jpg", picture.getvalue())
    plan = convert.plan(
        convert.ConvertSettings(manifest=OUT, out="s3://bucket/channels", forms=("manifest",)),
        storage=world.storage,
        progress=quiet,
    )
    convert.run(plan, storage=world.storage, progress=quiet)
    parts = [
        content
        for uri, content in world.storage.objects.items()
        if uri.startswith("s3://bucket/channels") and uri.endswith(".manifest")
    ]
    assert sum(len(part.splitlines()) for part in parts) == 3


def test_a_folded_manifest_can_be_adjusted_and_folded_again(world):
    job = half_done(world)
    first = adjusted(world, job, MOVED)
    fold(first, out=OUT, storage=world.storage)
    second = adjusted(world, job, BOX, output=OUT)
    again = "s3://bucket/twice.manifest"
    made = fold(second, out=again, storage=world.storage)
    assert (made.adjusted, made.base) == (3, OUT)
    line = json.loads(world.storage.objects[again].splitlines()[0])
    histories = [key for key in line if "-before-" in key]
    assert len(histories) == 4
    with pytest.raises(UsageError, match="are not those of"):
        fold(first, out="s3://bucket/x", base=again, storage=world.storage)


def test_boxes_found_right_are_told(world):
    made = fold(adjusted(world, half_done(world), BOX), out=OUT, storage=world.storage)
    assert (made.adjusted, made.confirmed) == (0, 3)


def verified(world, job, verdicts):
    plan = planned(world, job, "verify")
    assert run(world, plan)
    world.run()
    for verdict in verdicts:
        task = world.accept("w0")
        world.jobs.submit("w0", task.id, {"crowd-image-classifier": {"label": verdict}})
        world.run()
    assert world.status(plan.name) == "Completed"
    return seen(world, plan.name)


def test_wrong_boxes_alone_are_adjusted_and_right_ones_alone_are_kept(world):
    job = half_done(world)
    checked = verified(world, job, ["correct", "wrong", "correct"])
    assert checked.attribute == "boxes-verified"
    made = fold(checked, out=OUT, only="correct", storage=world.storage)
    assert (made.kept, made.dropped) == (2, 1)
    lines = world.storage.objects[OUT].splitlines()
    assert [record.state for record in manifest.read(lines, uri=OUT)] == ["labelled"] * 2
    plan = planned(world, checked, only="wrong")
    assert (plan.sent, dict(plan.left_out)) == (1, {"not judged wrong": 2})
    assert plan.request["LabelAttributeName"] == "boxes-adjusted"
    labels = json.loads(plan.files["labels.json"])["labels"]
    assert [one["label"] for one in labels] == ["cat", "dog"]
    assert run(world, plan)
    done = finish(world, plan.name, MOVED)
    folded = fold(done, out="s3://bucket/f", storage=world.storage)
    assert (folded.adjusted, folded.kept) == (1, 2)
    with pytest.raises(UsageError, match="--only"):
        fold(checked, out="s3://bucket/x", storage=world.storage)
    with pytest.raises(UsageError, match="judged no line"):
        fold(checked, out="s3://bucket/x", only="perhaps", storage=world.storage)


def test_what_cannot_be_chained_is_refused_before_anything_is_written(world):
    job = half_done(world)
    before = dict(world.storage.objects)
    with pytest.raises(UsageError, match="no verification job"):
        planned(world, job, only="wrong")
    with pytest.raises(UsageError, match="already"):
        planned(world, job, attribute="boxes")
    with pytest.raises(UsageError, match="no adjustment job"):
        fold(job, out=OUT, storage=world.storage)
    world.put("labels.json", json.dumps({"labels": [{"label": "dog"}]}))
    with pytest.raises(DataError, match="'cat' is not in the job's label category file"):
        planned(world, job)
    world.storage.objects["s3://bucket/labels.json"] = before["s3://bucket/labels.json"]
    assert world.storage.objects == before
    del world.storage.objects[job.output_uri]
    with pytest.raises(UsageError, match="recover job"):
        planned(world, job, "verify")


def test_lines_too_long_for_ground_truth_stay_behind(world):
    job = half_done(world, lines=2, done=2)
    lines = world.storage.objects[job.output_uri].splitlines()
    lines[0] = manifest.with_members(lines[0], {"note": "x" * 20_001})
    world.storage.objects[job.output_uri] = b"\n".join(lines)
    plan = planned(world, job)
    assert (plan.sent, dict(plan.left_out)) == (1, {"too long for Ground Truth": 1})


def test_nothing_labelled_is_nothing_to_adjust(world):
    plan = planned(world, half_done(world, done=0))
    assert (plan.name, plan.sent) == ("", 0)


def test_a_public_follow_up_costs_what_its_request_pays():
    settings = config.load(flags={"backend": "aws", "cost.per-task": "0.012"})
    human = {
        "NumberOfHumanWorkersPerDataObject": 2,
        "PublicWorkforceTaskPrice": {
            "AmountInUsd": {"Dollars": 1, "Cents": 8, "TenthFractionsOfACent": 5}
        },
    }
    cost = follow_up._cost(settings, 10, {"HumanTaskConfig": human})
    assert str(cost.workers) == "21.700"
