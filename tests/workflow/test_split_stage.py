"""A manifest in three parts: every line in one of them, alike together, what stood kept."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.adapters.plain_files import LocalFiles
from gt_workflow.errors import DataError, UsageError
from gt_workflow.workflow import split
from gt_workflow.workflow.split import SplitSettings

MANIFEST = "s3://lab/output.manifest"
OUT = "s3://lab/parts"
PARTS = ("train", "validation", "test")


def quiet(_stage, _done, _total):
    pass


def entry(name, classes=(), *, look=None, **members):
    """Return one line: labelled if there are classes."""
    line = {"source-ref": f"s3://lab/{name}.jpg", "origin": name, **members}
    if look is not None:
        line["perceptual-hash"] = f"{look:016x}"
    if classes:
        names = sorted(set(classes))
        boxes = [
            {"class_id": names.index(one), "left": 1, "top": 2, "width": 3, "height": 4}
            for one in classes
        ]
        line["boxes"] = {
            "image_size": [{"width": 64, "height": 48, "depth": 3}],
            "annotations": boxes,
        }
        line["boxes-metadata"] = {
            "objects": [{"confidence": 0.5} for _ in boxes],
            "class-map": {str(index): one for index, one in enumerate(names)},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00.000001",
            "job-name": "labeling-job/j",
        }
    return json.dumps(line)


def collection(count, seed=0):
    chance = random.Random(seed)  # noqa: S311 - test data, no secret
    return [
        entry(
            f"{seed}-{number}",
            chance.choices(["degu", "wheel"], [9, 1], k=2),
            look=chance.getrandbits(64),
        )
        for number in range(count)
    ]


def world(lines):
    return MemoryStorage({MANIFEST: "".join(f"{line}\n" for line in lines).encode()})


def settings(**changes):
    return SplitSettings(**({"manifest": MANIFEST, "out": OUT} | changes))


def plan(storage, **changes):
    return split.plan(settings(**changes), storage=storage, progress=quiet)


def run(storage, **changes):
    return split.run(plan(storage, **changes), storage=storage)


def parts(storage, out=OUT):
    """Return each part's lines."""
    return {
        part: storage.objects[uri].decode().splitlines()
        for part in PARTS
        if (uri := f"{out}/{part}.manifest") in storage.objects
    }


def places(storage, out=OUT):
    return {
        json.loads(line)["origin"]: part
        for part, lines in parts(storage, out).items()
        for line in lines
    }


def test_every_line_is_in_one_part_as_it_stood_and_in_order():
    lines = collection(100)
    lines[3:3] = [
        "",
        '{ "source-ref":"s3://lab/un.jpg", "origin" : "un", "x": 1.50 }',
        entry("failed", **{"boxes-metadata": {"failure-reason": "no", "retry-count": 1}}),
    ]
    storage = MemoryStorage({MANIFEST: ("\ufeff" + "\r\n".join(lines)).encode()})
    receipt = run(storage)
    written = parts(storage)
    assert sorted(line for part in written.values() for line in part) == sorted(filter(None, lines))
    for part in written.values():
        assert part == sorted(part, key=lines.index)
    told = receipt.to_dict()
    for part in PARTS:
        assert told["parts"][part]["lines"] == len(written[part])
        boxes = Counter({"degu": 0, "wheel": 0})
        for line in map(json.loads, written[part]):
            label = line.get("boxes", {"annotations": []})
            names = line.get("boxes-metadata", {}).get("class-map", {})
            boxes.update(names[str(box["class_id"])] for box in label["annotations"])
        assert told["parts"][part]["boxes_by_class"] == dict(boxes)
        for name in boxes:
            share = boxes[name] / sum(told["parts"][one]["boxes_by_class"][name] for one in PARTS)
            asked = {"train": 0.7, "validation": 0.2, "test": 0.1}[part]
            assert abs(share - asked) < 0.05 + 0.1  # of 20 wheels, whole ones


def test_near_duplicates_and_variants_follow_their_photograph():
    lines = collection(60)
    chance = random.Random(5)  # noqa: S311 - test data, no secret
    for number in range(20):
        look = chance.getrandbits(64)
        for copy in range(3):
            lines.append(entry(f"pair-{number}-{copy}", ["degu"], look=look ^ (1 << copy)))
        lines.append(entry(f"pair-{number}-1", ["degu"], variant={"of": "a", "name": "flip-lr"}))
    storage = world(lines)
    receipt = run(storage)
    where = places(storage)
    for number in range(20):
        assert len({where[f"pair-{number}-{copy}"] for copy in range(3)}) == 1
    told = receipt.to_dict()
    assert told["near_duplicates"] == 60
    assert told["leaks_prevented"] > 10
    assert sum(entry["photographs"] for entry in told["parts"].values()) == 120
    assert sum(entry["lines"] for entry in told["parts"].values()) == 140
    apart = MemoryStorage(dict(storage.objects))
    assert run(apart, distance=-1, out="s3://lab/apart").to_dict()["near_duplicates"] == 0
    alone = places(apart, "s3://lab/apart")
    assert any(
        len({alone[f"pair-{number}-{copy}"] for copy in range(3)}) > 1 for number in range(20)
    )


def test_added_photographs_leave_nearly_all_where_they_are_and_an_earlier_split_all():
    lines = collection(400) + collection(200, seed=1)
    old = world(lines[:400])
    run(old)
    before = places(old)
    new = MemoryStorage(old.objects | world(lines).objects)
    run(new, out="s3://lab/new")
    after = places(new, "s3://lab/new")
    assert sum(before[name] != after[name] for name in before) <= 8
    told = run(new, out="s3://lab/kept", earlier=OUT).to_dict()
    kept = places(new, "s3://lab/kept")
    assert all(kept[name] == before[name] for name in before)
    assert (told["kept"], told["moved"]) == (400, 0)


def test_a_photograph_that_looks_like_two_never_brings_a_held_out_one_into_train():
    lines = collection(200)
    storage = world(lines)
    run(storage)
    before = places(storage)
    by_part = {}
    for line in map(json.loads, lines):
        by_part.setdefault(before[line["origin"]], []).append(line)
    # One that is 2 bits from a train photograph, which is made 4 from a held-out one.
    for held in ("validation", "test"):
        one, other = by_part["train"][0], by_part[held][0]
        look = int(other["perceptual-hash"], 16)
        joined = [
            entry("between", ["degu"], look=look ^ 0b11),
            entry(one["origin"], ["degu"], look=look ^ 0b1111),
        ]
        others = [line for line in lines if json.loads(line)["origin"] != one["origin"]]
        grown = MemoryStorage(storage.objects | world([*others, *joined]).objects)
        receipt = run(grown, out="s3://lab/grown", earlier=OUT)
        after = places(grown, "s3://lab/grown")
        assert after["between"] == after[one["origin"]] == after[other["origin"]] == held
        told = receipt.to_dict()
        assert told["moved"] == 1
        assert any("look like one that is held out" in text for text in told["warnings"])


def test_a_second_run_does_nothing_and_nothing_is_written_over():
    storage = world(collection(80))
    first = run(storage)
    objects = dict(storage.objects)
    assert not first.unchanged
    assert run(storage).unchanged
    with pytest.raises(UsageError, match="another split"):
        run(storage, salt="b")
    storage.objects[f"{OUT}/train.manifest"] = b"mine\n"
    with pytest.raises(UsageError, match="changed since"):
        run(storage)
    assert storage.objects == objects | {f"{OUT}/train.manifest": b"mine\n"}
    strange = world(collection(80))
    strange.objects[f"{OUT}/test.manifest"] = b"mine\n"
    with pytest.raises(UsageError, match="not written by split"):
        run(strange)
    assert strange.objects[f"{OUT}/test.manifest"] == b"mine\n"
    assert len(strange.objects) == 2


class KilledStorage(MemoryStorage):
    """Ends a run once an object of this name is begun."""

    def __init__(self, objects, name):
        super().__init__(objects)
        self._name = name

    def create(self, uri):
        if uri.endswith(self._name):
            raise KeyboardInterrupt
        return super().create(uri)


@pytest.mark.parametrize("name", ["train.manifest", "test.manifest"])
def test_an_interrupted_run_is_gone_on_with(name):
    whole = world(collection(80))
    run(whole)
    killed = KilledStorage(world(collection(80)).objects, name)
    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert not any(uri.endswith(f"/{part}.manifest") for uri in killed.objects for part in PARTS)
    again = MemoryStorage(killed.objects)
    assert not run(again).unchanged
    assert again.objects == whole.objects
    other = MemoryStorage(killed.objects)
    run(other, test=0)
    assert set(parts(other)) == {"train", "validation"}


def test_a_manifest_without_labels_or_hashes_is_split_as_well():
    storage = world([entry(f"p{number}") for number in range(50)])
    told = run(storage).to_dict()
    counts = [told["parts"][part]["photographs"] for part in PARTS]
    assert sum(counts) == 50
    for count, share in zip(counts, (0.7, 0.2, 0.1), strict=True):
        assert abs(count - 50 * share) <= 50 * 0.05 + 1


def test_too_few_photographs_are_told_and_a_manifest_that_changed():
    with pytest.raises(DataError, match="no photograph is left for"):
        plan(world([entry("a"), entry("b")]))
    with pytest.raises(DataError, match="do not look alike"):
        plan(world([entry(f"p{number}", look=7) for number in range(9)]))
    with pytest.raises(DataError, match="it holds no line"):
        plan(world([]))
    variants = [entry(f"p{number}", variant={"of": "s3://lab/a.jpg"}) for number in range(9)]
    with pytest.raises(DataError, match="variants alone"):
        plan(world(variants))
    storage = world(collection(60))
    made = plan(storage)
    storage.objects[MANIFEST] += b"\n"
    with pytest.raises(DataError, match="changed since"):
        split.run(made, storage=storage)
    assert not parts(storage)
    with pytest.raises(DataError) as told:
        plan(world([*collection(5), "{"]))
    assert told.value.line == 6


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"out": "/"}, "--out"),
        ({"validation": 0.0}, "--validation"),
        ({"validation": 0.5, "test": 0.5}, "--test"),
        ({"test": -0.1}, "--test"),
        ({"tolerance": 1.5}, "--tolerance"),
        ({"distance": 13}, "distance"),
        ({"earlier": f"{OUT}/"}, "--earlier"),
    ],
)
def test_settings_without_sense_are_refused(wrong, told):
    with pytest.raises(UsageError, match=told):
        settings(**wrong)


def test_an_earlier_split_must_be_one():
    storage = world(collection(60))
    with pytest.raises(UsageError, match="no finished split"):
        plan(storage, earlier="s3://lab/nowhere")
    run(storage)
    with pytest.raises(UsageError, match="has a test part"):
        plan(storage, out="s3://lab/new", earlier=OUT, test=0)


@pytest.mark.parametrize(
    "told", [{"digest": "abc"}, {"digest": "0" * 64}, {"digest": "abc", "finished": False}, []]
)
def test_a_receipt_of_somebody_else_is_not_trusted(told):
    storage = world(collection(80))
    storage.objects[f"{OUT}/split.json"] = json.dumps(told).encode()
    storage.objects[f"{OUT}/train.manifest"] = b"mine\n"
    before = dict(storage.objects)
    with pytest.raises(UsageError, match="not written by split"):
        run(storage)
    assert storage.objects == before
    with pytest.raises(UsageError, match="no finished split"):
        plan(storage, out="s3://lab/other", earlier=OUT)


@pytest.mark.parametrize("name", ["train.manifest", "test.manifest", "split.json"])
def test_a_source_among_the_outputs_is_refused(tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "out" / name).write_text("\n".join(collection(80)))
    asked = settings(manifest=f"{tmp_path}/link/{name}", out=f"{tmp_path}/out")
    with pytest.raises(UsageError, match="lies where this run writes"):
        split.plan(asked, storage=LocalFiles(), progress=quiet)
    asked = settings(manifest=f"{tmp_path}/out/{name}", out=f"{tmp_path}/out/{name}")
    with pytest.raises(UsageError, match="is a file; name a folder"):
        split.plan(asked, storage=LocalFiles(), progress=quiet)


def test_one_run_at_a_time_splits_into_a_folder():
    storage = world(collection(80))
    planned = plan(storage)
    with storage.exclusive(OUT), pytest.raises(UsageError, match="another run is writing into"):
        split.run(planned, storage=storage)
    assert set(storage.objects) == {MANIFEST}


def test_several_byte_order_marks_are_left_out():
    marks = b"\xef\xbb\xbf" * 2
    storage = world(collection(80))
    whole = storage.objects[MANIFEST]
    storage.objects[MANIFEST] = marks + b"\n" + whole
    run(storage)
    written = [line for lines in parts(storage).values() for line in lines]
    assert sorted(written) == sorted(whole.decode().splitlines())


def test_an_attribute_that_no_line_has_is_refused():
    storage = world(collection(80))
    with pytest.raises(DataError, match="no line has boxes under 'nope'; they are under boxes"):
        plan(storage, attribute="nope")
    unlabelled = world([entry(f"{number}") for number in range(80)])
    with pytest.raises(DataError, match="no line has boxes under 'boxes'; no key holds any"):
        plan(unlabelled, attribute="boxes")
    assert not run(storage, attribute="boxes").unchanged
