"""The parts of a split become channels: who is on which side is said by the manifests alone."""

from __future__ import annotations

import io
import json
import pickle

import pytest
from msgspec.structs import replace
from PIL import Image

from gt_workflow.adapters.memory import MemoryStorage, SerialEngine
from gt_workflow.core import json_lines
from gt_workflow.core.split import side
from gt_workflow.errors import DataError, StorageError
from gt_workflow.ports import Outcome
from gt_workflow.workflow import convert
from gt_workflow.workflow.convert import ConvertSettings

OUT = "s3://bucket/out"
TRAIN, HELD_OUT = "s3://bucket/parts/train.manifest", "s3://bucket/parts/validation.manifest"
PATHS = [f"{OUT}/manifest/{name}.manifest" for name in ("train", "validation")]


def quiet(_stage, _done, _total):
    pass


def ref(number):
    return f"s3://bucket/{number:03}.jpg"


def labelled(number, *boxes, names=("degu", "wheel"), **further):
    keys = ("class_id", "left", "top", "width", "height")
    return {
        "source-ref": ref(number),
        "boxes": {
            "image_size": [{"width": 64, "height": 48, "depth": 3}],
            "annotations": [dict(zip(keys, box, strict=True)) for box in boxes],
        },
        "boxes-metadata": {
            "objects": [{"confidence": 0.5} for _ in boxes],
            "class-map": {str(number): name for number, name in enumerate(names)},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00.000001",
            "job-name": "labeling-job/j",
        },
    } | further


def written(lines):
    rows = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    return "".join(f"{row}\n" for row in rows).encode()


def picture(shade):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (shade, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def parts(train=range(20), held_out=range(20, 30)):
    """Lines whose hashes would put them elsewhere: 16 and 14 of 30 are where convert has them."""
    return [
        [labelled(number, (number % 2, 1, 2, 20, 10)) for number in own]
        for own in (train, held_out)
    ]


def world(train, held_out):
    objects = {TRAIN: written(train), HELD_OUT: written(held_out)}
    return Shared(objects | {ref(number): picture(number) for number in range(40)})


def settings(**changes):
    return replace(ConvertSettings(manifest=TRAIN, out=OUT, held_out=HELD_OUT), **changes)


class Shared(MemoryStorage):
    """Objects that other processes see as well, as far as `Pickling` has any."""

    def __reduce__(self):
        return Shared, (dict(self.objects),)


class Pickling:
    """An engine that sends everything through pickle, as processes do, and stays here."""

    def map(self, fn, items, *, batch=None):  # noqa: ARG002 - as the port has it
        for item in items:
            there = pickle.loads(pickle.dumps((fn, item)))  # noqa: S301 - written a moment before
            yield Outcome(item=item, value=pickle.loads(pickle.dumps(there[0](there[1]))))  # noqa: S301


def run(storage, chosen=None, *, engine=None, ahead=False):
    chosen = chosen or settings()
    with convert.Ahead(chosen, storage, wanted=ahead) as writing:
        planned = convert.plan(
            chosen, storage=storage, progress=quiet, engine=engine, ahead=writing
        )
        return convert.run(planned, storage=storage, progress=quiet, engine=engine, ahead=writing)


def read(storage, path):
    return json.loads(storage.objects[f"{OUT}/{path}"])


def test_lines_are_on_the_side_of_their_manifest_whatever_their_hashes():
    train, held_out = parts()
    drawn = [side(line["source-ref"], validation=0.2) for line in train + held_out]
    assert set(drawn[:20]) == set(drawn[20:]) == {"train", "validation"}
    storage = world(train, held_out)
    receipt = run(storage)
    assert [storage.objects[path] for path in PATHS] == [written(train), written(held_out)]
    for channel in receipt.channels:
        assert [channel[name]["images"] for name in ("train", "validation")] == [20, 10]
    listed = [json.loads(row) for row in storage.objects[f"{OUT}/image/files.jsonl"].splitlines()]
    assert {row["source-ref"] for row in listed if row["file"].startswith("validation/")} == {
        ref(number) for number in range(20, 30)
    }
    assert receipt.warnings == ()
    assert receipt.hashes is None
    told = read(storage, "report.json")
    assert (told["manifest"], told["validation_manifest"]) == (TRAIN, HELD_OUT)
    assert read(storage, "recordio/channel.json")["validation_manifest"] == HELD_OUT


def test_photographs_that_look_alike_stay_in_their_parts():
    train, held_out = ([line | {"perceptual-hash": "0" * 16} for line in own] for own in parts())
    storage = world(train, held_out)
    receipt = run(storage)
    assert [storage.objects[path] for path in PATHS] == [written(train), written(held_out)]
    assert (receipt.near_duplicates, receipt.leaks_prevented) == (0, 0)


@pytest.mark.parametrize("size", [300, 1 << 17])
@pytest.mark.parametrize("attribute", [None, "boxes"])
@pytest.mark.parametrize("classes", [None, ("wheel", "degu")])
@pytest.mark.parametrize(
    "way", [{}, {"engine": Pickling()}, {"ahead": True}, {"ahead": True, "engine": Pickling()}]
)
def test_the_manifest_form_is_the_same_however_it_is_made(
    monkeypatch, size, attribute, classes, way
):
    monkeypatch.setattr(json_lines, "_CHUNK", size)
    train, held_out = parts()
    train[:0] = [{"source-ref": ref(30)}, "", {"source-ref": ref(31)}]
    held_out[:0] = [{"source-ref": ref(32)}, labelled(33, (0, 1.5, 2.25, 90, 4)), "{broken"]
    storage = world(train, held_out)
    chosen = settings(
        forms=("manifest",),
        images="trust",
        attribute=attribute,
        classes=classes,
        on_bad_line="skip",
    )
    run(storage, chosen, **way)
    found = [storage.objects[path].splitlines() for path in PATHS]
    assert [[json.loads(line)["source-ref"] for line in own] for own in found] == [
        [ref(number) for number in range(20)],
        [ref(number) for number in (33, *range(20, 30))],
    ]
    assert (found[0] == written(train[3:]).splitlines()) == (classes is None)
    events = [
        (event["manifest"], event["line"], event["what"])
        for event in read(storage, "report.json")["lines"]
    ]
    assert events == [
        (TRAIN, 1, "untouched"),
        (TRAIN, 3, "untouched"),
        (HELD_OUT, 1, "untouched"),
        (HELD_OUT, 2, "boxes clipped"),
        (HELD_OUT, 3, "rejected"),
    ]
    assert read(storage, "report.json")["counts"]["lines"] == 35


@pytest.mark.parametrize(("where", "place"), [(0, f"{TRAIN}:3: "), (1, f"{HELD_OUT}:3: ")])
def test_a_broken_line_is_told_by_its_own_manifest(where, place):
    both = parts()
    both[where].insert(2, "{broken")
    with pytest.raises(DataError, match=f"^{place}"):
        run(world(*both))


def test_class_maps_that_contradict_each_other_are_told_with_both_places():
    train, held_out = parts()
    held_out[4] = labelled(24, (0, 1, 2, 20, 10), names=("wheel", "degu"))
    with pytest.raises(DataError) as raised:
        run(world(train, held_out))
    assert str(raised.value).startswith(f"{HELD_OUT}:5: ")
    assert f"'degu' on line 1 of {TRAIN}; " in str(raised.value)


def test_images_that_cannot_be_used_are_told_and_left_out_by_manifest_and_line():
    storage = world(*parts())
    del storage.objects[ref(3)], storage.objects[ref(23)], storage.objects[ref(24)]
    with pytest.raises(DataError, match=f"^{TRAIN}:4: .* Of both manifests' images 3 ") as raised:
        run(storage)
    assert not isinstance(raised.value, StorageError)
    run(storage, settings(on_bad_line="skip"))
    told = [(event["manifest"], event["line"]) for event in read(storage, "report.json")["images"]]
    assert told == [(TRAIN, 4), (HELD_OUT, 4), (HELD_OUT, 5)]
    train, held_out = parts()
    left = [written(train[:3] + train[4:]), written(held_out[:3] + held_out[5:])]
    assert [storage.objects[path] for path in PATHS] == left


def test_a_side_needs_a_line_with_a_box():
    train, _ = parts()
    with pytest.raises(DataError, match=f"^{HELD_OUT}: no line has a box .* for validation"):
        run(world(train, [labelled(30), {"source-ref": ref(31)}]))
    with pytest.raises(DataError, match=f"^{TRAIN}: no line has a box .* for train"):
        run(world([{"source-ref": ref(31)}], train))


def test_one_image_is_enough_on_a_side():
    train, held_out = parts(range(1), range(1, 2))
    storage = world(train, held_out)
    run(storage)
    assert [storage.objects[path] for path in PATHS] == [written(train), written(held_out)]


def test_both_manifests_decide_what_stands():
    train, held_out = parts()
    storage = world(train, held_out)
    run(storage)
    assert len(run(storage).unchanged) == 3
    for both in ((train[1:], held_out), (train, held_out[1:]), (held_out, train)):
        storage.objects |= {TRAIN: written(both[0]), HELD_OUT: written(both[1])}
        assert run(storage).unchanged == ()
    assert run(storage, settings(validation=0.5, distance=3)).unchanged != ()


@pytest.mark.parametrize("forms", [("recordio",), ("manifest",)])
@pytest.mark.parametrize("changed", [{"held_out": HELD_OUT}, {"held_out": None}])
def test_a_manifest_that_grows_after_the_plan_is_told_by_its_name(forms, changed):
    storage = world(*parts())
    chosen = settings(forms=forms, images="trust", **changed)
    planned = convert.plan(chosen, storage=storage, progress=quiet)
    last = chosen.held_out or chosen.manifest
    storage.objects[last] += written([labelled(39, (0, 1, 2, 20, 10))])
    with pytest.raises(DataError, match=f"^{last}: has changed since"):
        convert.run(planned, storage=storage, progress=quiet)
    assert not storage.objects.keys() & set(PATHS)


class Failing(MemoryStorage):
    """Refuses the images of the validation side the first time."""

    failing = True

    def read_all(self, uris, *, limit):
        for outcome in super().read_all(uris, limit=limit):
            if self.failing and outcome.item == ref(25):
                raise StorageError("the cable was pulled", uri=outcome.item)
            yield outcome


def test_a_run_that_was_interrupted_is_gone_on_with():
    train, held_out = parts()
    expected = world(train, held_out)
    run(expected, engine=SerialEngine())
    storage = Failing(world(train, held_out).objects)
    with pytest.raises(StorageError, match="cable"):
        run(storage, engine=SerialEngine())
    storage.failing = False
    run(storage, engine=SerialEngine())
    assert storage.objects == expected.objects


def test_empty_photographs_are_kept_in_validation_where_that_is_asked():
    train, held_out = parts()
    storage = world([*train, labelled(30)], [*held_out, labelled(31)])
    receipt = run(storage, settings(forms=("recordio",), keep_empty="validation"))
    counts = [receipt.channels[0][name]["images_without_boxes"] for name in ("train", "validation")]
    assert counts == [0, 1]
