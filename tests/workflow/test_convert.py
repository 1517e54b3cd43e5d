"""From output manifests to channels: what is written, what is left out, and what a crash leaves."""

from __future__ import annotations

import io
import json
from contextlib import closing, contextmanager

import pytest
from msgspec.structs import replace
from PIL import Image

from gt_workflow.adapters.engine import ProcessEngine
from gt_workflow.adapters.gradual import GradualEngine
from gt_workflow.adapters.memory import MemoryStorage, SerialEngine
from gt_workflow.adapters.storage import FolderStorage, LocalFiles, Router
from gt_workflow.core import recordio
from gt_workflow.core.split import side as side_by_hash
from gt_workflow.core.split import split
from gt_workflow.errors import DataError, StorageError, UsageError
from gt_workflow.workflow import convert
from gt_workflow.workflow.channels.survey import Survey
from gt_workflow.workflow.convert import ConvertSettings

OUT = "s3://bucket/out"
MANIFEST = "s3://bucket/output.manifest"
SIDES = ("train", "validation")


def quiet(_stage, _done, _total):
    pass


def picture(size=(64, 48), shade=0, image_format="JPEG", mode="RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, shade).save(buffer, image_format, **options)
    return buffer.getvalue()


def labelled(ref, boxes, *, classes=None, size=(64, 48), attribute="boxes", **extra) -> dict:
    """One output line; boxes are (class id, left, top, width, height)."""
    classes = classes or {0: "degu", 1: "wheel"}
    present = {str(box[0]): classes[box[0]] for box in boxes}
    keys = ("class_id", "left", "top", "width", "height")
    return {
        "source-ref": ref,
        **extra,
        attribute: {
            "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
            "annotations": [dict(zip(keys, box, strict=True)) for box in boxes],
        },
        f"{attribute}-metadata": {
            "objects": [{"confidence": index / 10} for index, _ in enumerate(boxes)],
            "class-map": present,
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00.000001",
            "job-name": "labeling-job/j",
        },
    }


def failed(ref) -> dict:
    metadata = {"retry-count": 1, "failure-reason": "expired", "human-annotated": "true"}
    return {"source-ref": ref, "boxes-metadata": metadata}


def world(lines, images=None) -> MemoryStorage:
    """A storage with this manifest, and an image for every line unless told otherwise."""
    body = "".join(
        (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n"
        for line in lines
    )
    objects = {MANIFEST: body.encode()}
    for line in lines:
        if isinstance(line, dict):
            objects[line["source-ref"]] = picture(shade=len(objects))
    return MemoryStorage(objects | (images or {}))


def refs(count):
    return [f"s3://bucket/photos/{number:02}.jpg" for number in range(count)]


def simple(count=12):
    return world(
        [
            labelled(ref, [(0, 1, 2, 20, 10), (1, 5.25, 5, 6, 7.5)], origin=ref)
            for ref in refs(count)
        ]
    )


def settings(**changes) -> ConvertSettings:
    return replace(ConvertSettings(manifest=MANIFEST, out=OUT), **changes)


def plan(storage, **changes):
    return convert.plan(settings(**changes), storage=storage, progress=quiet)


def run(storage, **changes):
    return convert.run(plan(storage, **changes), storage=storage, progress=quiet)


def read(storage, path):
    return json.loads(storage.objects[f"{OUT}/{path}"])


def records(storage, side):
    data = storage.objects[f"{OUT}/recordio/{side}/{side}.rec"]
    return [
        recordio.unpack(payload)
        for _, payload in recordio.read_frames(io.BytesIO(data), uri=f"{side}.rec")
    ]


def files(storage, folder):
    prefix = f"{OUT}/{folder}/"
    return sorted(uri.removeprefix(prefix) for uri in storage.objects if uri.startswith(prefix))


def test_all_three_forms_hold_the_same_images_on_the_same_sides():
    storage = simple()
    receipt = run(storage)
    sides = split(refs(12), validation=0.2)
    assert receipt.to_dict()["unchanged"] == []
    for side in SIDES:
        expected = {ref for ref in refs(12) if sides[ref] == side}
        stems = {ref.rpartition("/")[2].removesuffix(".jpg") for ref in expected}
        images = records(storage, side)
        assert sorted(image.image for image in images) == sorted(
            storage.objects[ref] for ref in expected
        )
        assert {refs(12)[image.record_id] for image in images} == expected
        assert files(storage, f"image/{side}") == sorted(f"{stem}.jpg" for stem in stems)
        assert files(storage, f"image/{side}_annotation") == sorted(f"{s}.json" for s in stems)
        lines = storage.objects[f"{OUT}/manifest/{side}.manifest"].splitlines()
        assert {json.loads(line)["source-ref"] for line in lines} == expected
    for form in ("recordio", "image", "manifest"):
        channel = read(storage, f"{form}/channel.json")
        counts = {side: channel[side]["images"] for side in SIDES}
        assert counts == {side: list(sides.values()).count(side) for side in SIDES}
        assert channel["hyperparameters"]["num_training_samples"] == str(counts["train"])
        assert channel["hyperparameters"]["num_classes"] == "2"
        assert channel["label_width"] == 12
        assert all(isinstance(value, str) for value in channel["hyperparameters"].values())


def test_each_record_is_alone_in_its_folder_and_indexed_outside():
    storage = simple()
    run(storage, forms=("recordio",))
    assert files(storage, "recordio") == [
        "channel.json",
        "index/train.idx",
        "index/train.lst",
        "index/validation.idx",
        "index/validation.lst",
        "train/train.rec",
        "validation/validation.rec",
    ]
    for side in SIDES:
        data = storage.objects[f"{OUT}/recordio/{side}/{side}.rec"]
        offsets = {
            recordio.unpack(payload).record_id: offset
            for offset, payload in recordio.read_frames(io.BytesIO(data), uri="x")
        }
        index = storage.objects[f"{OUT}/recordio/index/{side}.idx"].decode().splitlines()
        assert {int(k): int(v) for k, v in (row.split("\t") for row in index)} == offsets
        listed = storage.objects[f"{OUT}/recordio/index/{side}.lst"].decode().splitlines()
        for row, image in zip(listed, records(storage, side), strict=True):
            number, *label, path = row.split("\t")
            assert int(number) == image.record_id
            assert [float(value) for value in label] == pytest.approx(image.label, abs=1e-9)
            assert path == f"{side}/{refs(12)[image.record_id].rpartition('/')[2]}"


def test_boxes_are_fractions_in_recordio_and_whole_pixels_in_json():
    storage = simple()
    run(storage)
    (first, second) = records(storage, "train")[0].objects
    assert first == pytest.approx((0, 1 / 64, 2 / 48, 21 / 64, 12 / 48), abs=1e-7)
    assert second == pytest.approx((1, 5.25 / 64, 5 / 48, 11.25 / 64, 12.5 / 48), abs=1e-7)
    name = files(storage, "image/train_annotation")[0]
    annotation = read(storage, f"image/train_annotation/{name}")
    assert annotation == {
        "file": name.replace(".json", ".jpg"),
        "image_size": [{"width": 64, "height": 48, "depth": 3}],
        "annotations": [
            {"class_id": 0, "left": 1, "top": 2, "width": 20, "height": 10},
            {"class_id": 1, "left": 5, "top": 5, "width": 6, "height": 8},
        ],
        "categories": [{"class_id": 0, "name": "degu"}, {"class_id": 1, "name": "wheel"}],
    }


def test_a_manifest_line_keeps_what_is_not_its_label():
    ids = {3: "b ", 7: "ü"}
    lines = [
        labelled(
            ref, [(7, 60, 40, 30, 30), (3, 0, 0, 0, 9), (3, 1, 1, 9, 9)], classes=ids, origin=ref
        )
        | {"mine": {"a": [1.50, "é"]}}
        for ref in refs(4)
    ]
    storage = world(lines)
    storage.objects[MANIFEST] = storage.objects[MANIFEST].replace(b"1.5,", b"1.50e0 ,")
    run(storage, forms=("manifest",))
    line = storage.objects[f"{OUT}/manifest/train.manifest"].splitlines()[0]
    assert b'"mine": {"a": [1.50e0 , "\xc3\xa9"]}' in line
    found = json.loads(line)
    assert found["origin"] == found["source-ref"]
    assert found["boxes"]["annotations"] == [
        {"class_id": 1, "left": 60, "top": 40, "width": 4, "height": 8},
        {"class_id": 0, "left": 1, "top": 1, "width": 9, "height": 9},
    ]
    assert found["boxes-metadata"]["objects"] == [{"confidence": 0.0}, {"confidence": 0.2}]
    assert found["boxes-metadata"]["class-map"] == {"0": "b ", "1": "ü"}
    assert found["boxes-metadata"]["job-name"] == "labeling-job/j"
    (channel,) = [read(storage, "manifest/channel.json")]
    assert [(c["class_id"], c["name"], c["class_ids_in_manifest"]) for c in channel["classes"]] == [
        (0, "b ", [3]),
        (1, "ü", [7]),
    ]


def test_the_request_blocks_name_what_was_written():
    storage = simple()
    run(storage)
    for form in ("recordio", "image", "manifest"):
        channel = read(storage, f"{form}/channel.json")
        for block in channel["input_data_config"]:
            source = block["DataSource"]["S3DataSource"]
            matched = [uri for uri in storage.objects if uri.startswith(source["S3Uri"])]
            assert matched
            if form == "manifest":
                assert matched == [source["S3Uri"]]
                assert source["AttributeNames"] == ["source-ref", "boxes"]
            elif form == "recordio":
                assert len(matched) == 1
            else:
                assert block["ContentType"] == "image/jpeg"
                assert len(matched) == channel[block["ChannelName"].partition("_")[0]]["images"]


def test_a_local_folder_is_described_by_where_it_will_be_copied():
    storage = simple()
    local = replace(settings(), out="channels/", forms=("recordio",))
    for changes, base in (({}, "s3://BUCKET/PREFIX"), ({"upload_to": "s3://b/p/"}, "s3://b/p")):
        planned = convert.plan(replace(local, **changes), storage=storage, progress=quiet)
        convert.run(planned, storage=storage, progress=quiet)
        channel = json.loads(storage.objects["channels/recordio/channel.json"])
        source = channel["input_data_config"][0]["DataSource"]["S3DataSource"]
        assert source["S3Uri"] == f"{base}/recordio/train/"


def mixed():
    """Every kind of line, and images for all that could be used."""
    names = refs(30)
    lines = [labelled(ref, [(0, 1, 2, 20, 10)], origin=ref) for ref in names[:20]]
    lines[3] = labelled(names[3], [(0, 50, 40, 20, 20), (1, 64, 0, 4, 4)], origin=names[3])
    lines += [labelled(ref, [], origin=ref) for ref in names[20:26]]
    lines += [failed(names[26]), {"source-ref": names[27]}]
    lines += [labelled(names[28], [(1, 0, 0, 0.5, 4)], origin=names[28])]
    lines += [labelled(names[29], [(1, 0, 0, 9, 9)], origin=names[0])]
    return world(lines)


def test_the_plan_counts_every_kind_of_line():
    found = plan(mixed()).to_dict()
    assert found["lines"] == {
        "lines": 30,
        "labelled": 28,
        "labelled_by_people": 28,
        "labelled_by_machine": 0,
        "failed": 1,
        "untouched": 1,
        "rejected": 0,
        "without_boxes": 6,
        "without_a_box_left": 1,
        "boxes_clipped": 1,
        "boxes_left_out": 2,
        "images_on_several_lines": 0,
        "near_duplicates": 0,
        "leaks_prevented": 0,
        "perceptual_hashes": 0,
    }
    assert sum(found[side]["images"] for side in SIDES) == 21
    assert sum(found[side]["boxes"] for side in SIDES) == 21
    assert found["label_width"] == 7


def test_the_report_says_what_was_left_out_and_why():
    storage = mixed()
    receipt = run(storage)
    report = read(storage, "report.json")
    assert receipt.report == f"{OUT}/report.json"
    assert report["finished"] is True
    assert report["images"] == []
    assert report["counts"]["failed"] == 1
    told = [(event["line"], event["what"]) for event in report["lines"]]
    assert told == [
        (4, "boxes clipped"),
        (4, "boxes left out"),
        *[(line, "no boxes") for line in range(21, 27)],
        (27, "failed"),
        (28, "untouched"),
        (29, "no box left"),
        (29, "boxes left out"),
    ]
    by_line = {(event["line"], event["what"]): event for event in report["lines"]}
    assert by_line[4, "boxes left out"]["boxes"] == [1]
    assert by_line[27, "failed"]["why"] == "expired"
    assert by_line[28, "untouched"]["source-ref"] == refs(30)[27]
    assert not {refs(30)[number] for number in range(20, 29)} & {
        refs(30)[image.record_id] for side in SIDES for image in records(storage, side)
    }


def test_images_of_nothing_can_stay_in_validation_in_recordio_alone():
    storage = mixed()
    sides = split(refs(30), validation=0.5)
    empty = [ref for ref in refs(30)[20:26] if sides[ref] == "validation"]
    assert empty
    run(storage, keep_empty="validation", validation=0.5)
    images = {side: records(storage, side) for side in SIDES}
    bare = [image for image in images["validation"] if not image.objects]
    assert sorted(refs(30)[image.record_id] for image in bare) == empty
    assert {image.label for image in bare} == {recordio.NO_OBJECT}
    assert all(image.objects for image in images["train"])
    channel = read(storage, "recordio/channel.json")
    assert channel["validation"]["images_without_boxes"] == len(empty)
    assert channel["hyperparameters"]["num_training_samples"] == str(len(images["train"]))
    for form in ("image", "manifest"):
        other = read(storage, f"{form}/channel.json")
        assert other["validation"]["images_without_boxes"] == 0
        assert other["validation"]["images"] == channel["validation"]["images"]
    assert len(files(storage, "image/validation")) == channel["validation"]["images"]
    kept = [
        e["line"]
        for e in read(storage, "report.json")["lines"]
        if e.get("why") == "kept in validation"
    ]
    assert len(kept) == len(empty)


def test_variants_of_a_photograph_stay_on_its_side():
    lines = [
        labelled(f"s3://bucket/{origin}-{variant}.jpg", [(0, 1, 1, 9, 9)], origin=f"o{origin}")
        for origin in range(8)
        for variant in range(5)
    ]
    storage = world(lines)
    run(storage, validation=0.3)
    found = {
        side: {lines[image.record_id]["origin"] for image in records(storage, side)}
        for side in SIDES
    }
    assert all(found.values())
    assert not found["train"] & found["validation"]


def test_both_channels_have_images_however_small_the_set():
    storage = simple(2)
    receipt = run(storage, validation=0.01)
    assert [len(records(storage, side)) for side in SIDES] == [1, 1]
    assert any("was moved to validation" in warning for warning in receipt.warnings)


@pytest.mark.parametrize(("images", "told"), [((80, 20), 0), ((76, 24), 0), ((90, 10), 1)])
def test_a_share_far_from_what_was_asked_is_told(images, told):
    found = Survey(validation=0.2)
    for side, count in zip(SIDES, images, strict=True):
        found.sides[side].images = count
    warnings = [text for text in found.warnings() if "instead of 20%" in text]
    assert len(warnings) == told


def test_images_outside_s3_are_told_where_a_manifest_channel_would_need_them():
    lines = [labelled(f"photos/{ref[-6:]}", [(0, 1, 1, 9, 9)]) for ref in refs(12)]
    storage = world(lines)
    receipt = run(storage)
    assert any(text.startswith("12 images are not in S3") for text in receipt.warnings)
    assert not any("not in S3" in text for text in run(storage, forms=("recordio",)).warnings)


def test_one_origin_cannot_be_split():
    storage = world([labelled(ref, [(0, 1, 1, 9, 9)], origin="same") for ref in refs(5)])
    with pytest.raises(DataError, match="one origin"):
        plan(storage)


def test_a_class_that_only_validation_has_is_told():
    sides = split(refs(12), validation=0.2)
    lines = [
        labelled(ref, [(1 if sides[ref] == "validation" else 0, 1, 1, 9, 9)]) for ref in refs(12)
    ]
    planned = plan(world(lines))
    assert any("'wheel' has boxes in validation only" in text for text in planned.warnings)
    assert any("'degu' has no box in validation" in text for text in planned.warnings)


def test_fixed_classes_keep_their_ids_and_refuse_others():
    storage = simple()
    run(storage, classes=("wheel", "never", "degu"))
    assert {row[0] for row in records(storage, "train")[0].objects} == {2.0, 0.0}
    channel = read(storage, "image/channel.json")
    assert [entry["name"] for entry in channel["classes"]] == ["wheel", "never", "degu"]
    assert "class 'never' has no box at all" in channel["warnings"]
    with pytest.raises(DataError, match="none of the fixed classes 'wheel'"):
        plan(simple(), classes=("wheel",))


def test_a_second_run_does_nothing_and_says_so():
    storage = simple()
    first = run(storage)
    before = dict(storage.objects)
    again = run(storage)
    assert storage.objects == before
    assert again.unchanged == ("recordio", "image", "manifest")
    assert again.to_dict()["images"] == first.to_dict()["images"]
    assert "report" not in again.to_dict()


def test_a_form_can_be_added_without_touching_the_others():
    storage = simple()
    run(storage, forms=("recordio",))
    before = dict(storage.objects)
    receipt = run(storage, forms=("manifest", "recordio"))
    assert receipt.unchanged == ("recordio",)
    assert all(storage.objects[uri] == data for uri, data in before.items() if "recordio" in uri)
    assert list(receipt.to_dict()["channels"]) == ["manifest", "recordio"]


def test_a_file_that_was_lost_is_written_again():
    storage = simple()
    run(storage)
    before = dict(storage.objects)
    del storage.objects[f"{OUT}/recordio/train/train.rec"]
    storage.objects[f"{OUT}/manifest/train.manifest"] += b"{}"
    assert run(storage).unchanged == ("image",)
    assert storage.objects == before


def test_the_same_input_gives_the_same_bytes():
    one, two = mixed(), mixed()
    run(one)
    run(two)
    assert one.objects == two.objects


def test_other_settings_replace_the_form_and_leave_no_stale_image():
    storage = simple(20)
    run(storage)
    before = {side: set(files(storage, f"image/{side}")) for side in SIDES}
    run(storage, salt="another")
    after = {side: set(files(storage, f"image/{side}")) for side in SIDES}
    assert after != before
    assert not after["train"] & after["validation"]
    assert sum(map(len, after.values())) == 20
    assert not [uri for uri in storage.objects if uri.endswith("unfinished.json")]


def test_files_of_somebody_else_are_not_trained_on():
    storage = simple()
    storage.objects[f"{OUT}/image/train/old.jpg"] = b"mine"
    with pytest.raises(UsageError, match=r"out/image/train/old.jpg was not written by convert"):
        run(storage)
    assert [uri for uri in storage.objects if uri.startswith(f"{OUT}/")] == [
        f"{OUT}/image/train/old.jpg"
    ]


@pytest.mark.parametrize("told", [{"files": {}}, {"files": {}, "digest": "abc"}, {"digest": ""}])
def test_a_receipt_of_somebody_else_is_not_trusted(told):
    storage = simple()
    storage.objects[f"{OUT}/image/channel.json"] = json.dumps(told).encode()
    with pytest.raises(UsageError, match=r"channel.json was not written by convert"):
        run(storage)


def test_order_is_shuffled_but_can_be_kept():
    storage = simple(40)
    run(storage, forms=("recordio",))
    shuffled = [image.record_id for image in records(storage, "train")]
    assert shuffled != sorted(shuffled)
    run(storage, forms=("recordio",), order="manifest")
    assert [image.record_id for image in records(storage, "train")] == sorted(shuffled)


def test_an_address_that_the_storage_refuses_is_told_with_its_line(tmp_path):
    storage = simple()
    bad, untold = "file:///etc/passwd", "s3://.gt/secret"
    lines = storage.objects[MANIFEST]
    for ref, index in ((bad, 3), (untold, 7)):
        lines = lines.replace(f'"{refs(12)[index]}"'.encode(), f'"{ref}"'.encode())
    storage.objects[MANIFEST] = lines
    refusing = FolderStorage(tmp_path)

    class Routed(MemoryStorage):
        def open(self, uri):
            if uri in {bad, untold}:
                return Router(s3=refusing, local=LocalFiles()).open(uri)
            return super().open(uri)

    routed = Routed(storage.objects)
    with closing(refusing.objects):
        with pytest.raises(DataError, match="2 cannot be used") as caught:
            run(routed, validation=0.5)
        assert (caught.value.line, bad in str(caught.value)) == (4, True)
        receipt = run(routed, on_bad_line="skip", validation=0.5)
        assert receipt.to_dict()["images_refused"] == 2


@pytest.mark.parametrize(
    ("damage", "what", "why"),
    [
        (None, "image missing", None),
        (b"", "image unusable", "the file is empty"),
        (picture()[:-30], "image unusable", "cut short"),
        (picture(image_format="GIF"), "image unusable", "a GIF"),
        (picture((48, 64)), "image unusable", "the sides are swapped"),
        (picture(mode="CMYK"), "image unusable", "its pixels are CMYK"),
    ],
)
def test_images_that_cannot_be_used_stop_the_run_and_are_all_named(damage, what, why):
    storage = simple()
    bad = [refs(12)[index] for index in (3, 7)]
    for ref in bad:
        if damage is None:
            del storage.objects[ref]
        else:
            storage.objects[ref] = damage
    with pytest.raises(DataError, match="2 cannot be used") as caught:
        run(storage, validation=0.5)
    assert (caught.value.line, bad[0] in str(caught.value)) == (4, True)
    report = read(storage, "report.json")
    assert report["finished"] is False
    assert [(event["line"], event["what"]) for event in report["images"]] == [(4, what), (8, what)]
    assert all((why or "") in event.get("why", "") for event in report["images"])
    made = [uri for uri in storage.objects if uri.startswith(f"{OUT}/")]
    assert not [uri for uri in made if uri.endswith((".rec", ".manifest", "channel.json"))]
    assert [
        event.what
        for event in convert.examine(plan(storage, validation=0.5), storage=storage, progress=quiet)
    ] == ([what, what] if why != "cut short" else [])

    receipt = run(storage, on_bad_line="skip", validation=0.5)
    assert receipt.to_dict()["images_refused"] == 2
    assert "2 images could not be used; the report names them" in receipt.warnings
    assert sum(receipt.to_dict()["images"]["recordio"].values()) == 10
    assert sum(len(files(storage, f"image/{side}")) for side in SIDES) == 10
    assert read(storage, "report.json")["finished"] is True


def test_other_modes_pass_when_asked_and_grey_always():
    storage = simple()
    storage.objects[refs(12)[0]] = picture(mode="CMYK")
    storage.objects[refs(12)[1]] = picture(mode="L")
    run(storage, other_modes="pass")
    images = [image.image for side in SIDES for image in records(storage, side)]
    assert storage.objects[refs(12)[0]] in images
    assert storage.objects[refs(12)[1]] in images


def test_an_orientation_is_never_guessed():
    exif = Image.Exif()
    exif[0x0112] = 6
    storage = simple()
    storage.objects[refs(12)[0]] = picture(exif=exif)
    with pytest.raises(DataError, match="EXIF orientation is 6"):
        run(storage, other_modes="pass")


def test_a_side_that_loses_all_images_stops_even_a_patient_run():
    storage = simple(2)
    del storage.objects[refs(2)[0]]
    with pytest.raises(DataError, match="no image is left for"):
        run(storage, on_bad_line="skip")
    assert read(storage, "report.json")["finished"] is False


def test_lines_that_cannot_be_read_are_kept_aside():
    lines = [labelled(ref, [(0, 1, 1, 9, 9)]) for ref in refs(12)]
    storage = world([*lines[:5], "{broken", *lines[5:]])
    with pytest.raises(DataError, match=r"output.manifest:6"):
        plan(storage)
    planned = plan(storage, on_bad_line="skip")
    assert (planned.survey.rejected, planned.survey.lines) == (1, 13)
    convert.run(planned, storage=storage, progress=quiet)
    assert storage.objects[f"{OUT}/rejected.manifest"] == b"{broken\n"
    event = read(storage, "report.json")["lines"][0]
    assert (event["line"], event["what"]) == (6, "rejected")
    assert event["why"]
    assert {image.record_id for side in SIDES for image in records(storage, side)} == {
        *range(5),
        *range(6, 13),
    }


def test_names_that_meet_are_resolved_and_endings_follow_the_content():
    shared = ["s3://bucket/x/a.jpeg", "s3://bucket/y/a.png", "s3://bucket/z/a.JPG"]
    lines = [labelled(ref, [(0, 1, 1, 9, 9)]) for ref in [*shared, *refs(9)]]
    storage = world(lines, {shared[1]: picture(image_format="PNG")})
    run(storage)
    listed = [json.loads(line) for line in storage.objects[f"{OUT}/image/files.jsonl"].splitlines()]
    by_ref = {entry["source-ref"]: entry["file"].partition("/")[2] for entry in listed}
    assert by_ref[shared[0]] == "a.jpg"
    assert by_ref[shared[1]].startswith("a-")
    assert by_ref[shared[1]].endswith(".png")
    assert by_ref[shared[2]].endswith(".jpg")
    stems = [name.rpartition(".")[0] for name in by_ref.values()]
    assert len(set(stems)) == 12
    channel = read(storage, "image/channel.json")
    assert {block["ContentType"] for block in channel["input_data_config"]} == {
        "application/x-image"
    }
    for entry in listed:
        assert (
            storage.objects[f"{OUT}/image/{entry['file']}"] == storage.objects[entry["source-ref"]]
        )


def test_one_image_on_several_lines_is_kept_together_and_told():
    lines = [labelled(ref, [(0, 1, 1, 9, 9)]) for ref in [*refs(8), refs(8)[0], refs(8)[0]]]
    receipt = run(world(lines))
    assert "2 lines name an image that an earlier line names too" in receipt.warnings


def test_the_attribute_must_be_chosen_where_there_are_several():
    lines = [
        labelled(ref, [(0, 1, 1, 9, 9)]) | labelled(ref, [(0, 2, 2, 9, 9)], attribute="adjusted")
        for ref in refs(6)
    ]
    storage = world(lines)
    with pytest.raises(DataError, match=r"several label attributes .* adjusted, boxes"):
        plan(storage)
    assert plan(storage, attribute="adjusted").attribute == "adjusted"
    with pytest.raises(DataError, match=r"no line has boxes under 'other'.* boxes, adjusted"):
        plan(storage, attribute="other")


def test_a_manifest_without_any_box_is_refused():
    with pytest.raises(DataError, match="no line has a box"):
        plan(world([labelled(ref, []) for ref in refs(3)]))
    with pytest.raises(DataError, match="no line has a box"):
        plan(world([{"source-ref": ref} for ref in refs(3)]))
    with pytest.raises(DataError, match="no line has a box"):
        plan(MemoryStorage({MANIFEST: b""}))


def test_a_manifest_that_changed_since_the_plan_is_not_converted():
    storage = simple()
    planned = plan(storage)
    storage.objects[MANIFEST] += b"\n"
    with pytest.raises(DataError, match="has changed"):
        convert.run(planned, storage=storage, progress=quiet)


@pytest.mark.parametrize(
    "changes",
    [
        {"out": ""},
        {"out": "/"},
        {"forms": ()},
        {"forms": ("recordio", "recordio")},
        {"forms": ("coco",)},
        {"validation": 0},
        {"validation": 1},
        {"validation": float("nan")},
        {"min_side": 0},
        {"classes": ()},
        {"classes": ("a", "a")},
        {"upload_to": "folder"},
    ],
)
def test_settings_that_make_no_sense_are_refused(changes):
    with pytest.raises(UsageError):
        settings(**changes)


class Failing(MemoryStorage):
    """Breaks at the n-th object that is written, or deleted, as a full disk or a kill would."""

    def __init__(self, objects, after):
        super().__init__(objects)
        self.left = after

    def create(self, uri):
        self._count(uri)
        return super().create(uri)

    def delete(self, uri):
        self._count(uri)
        super().delete(uri)

    def _count(self, uri):
        self.left -= 1
        if self.left < 0:
            raise StorageError("the disk is full", uri=uri)


def test_a_run_broken_off_anywhere_leaves_no_receipt_and_is_made_good():
    whole = simple(6)
    run(whole, salt="b")
    start = simple(6)
    run(start, salt="a")
    broken = 0
    while True:
        storage = Failing(start.objects, broken)
        try:
            run(storage, salt="b")
        except StorageError:
            broken += 1
        else:
            break
        found = {uri: data for uri, data in storage.objects.items() if "channel.json" in uri}
        for uri, data in found.items():
            # A receipt that is there tells of files that are there.
            for path, size in json.loads(data)["files"].items():
                assert len(storage.objects[f"{OUT}/{path}"]) == size, uri
        storage.left = 10**6
        run(storage, salt="b")
        assert storage.objects == whole.objects
    assert broken > 30


class Corrupting(MemoryStorage):
    """Stores something else than it was given, as a bad disk or a proxy would."""

    def __init__(self, objects, name, change):
        super().__init__(objects)
        self.name, self.change = name, change

    @contextmanager
    def create(self, uri):
        with super().create(uri) as file:
            yield file
        if uri.endswith(self.name):
            self.objects[uri] = self.change(self.objects[uri])


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("train.rec", lambda data: data[:-4], "were stored"),
        ("train.rec", lambda data: b"\0" + data[1:], "not where the index has it"),
        ("train.idx", lambda data: data.replace(b"\t0\n", b"\t8\n"), "not where the index has it"),
        ("train.rec", lambda data: one_frame(len(data)), "not where the index has it"),
    ],
)
def test_what_was_stored_is_read_back_before_it_is_called_done(name, change, reason):
    storage = Corrupting(simple().objects, name, change)
    with pytest.raises((DataError, StorageError), match=reason):
        run(storage)
    assert f"{OUT}/recordio/channel.json" not in storage.objects


def one_frame(size):
    return b"".join(recordio.frame(bytes(size - 8)))


def test_labels_of_people_and_of_machines_are_counted_apart():
    lines = [labelled(ref, [(0, 1, 1, 9, 9)]) for ref in refs(6)]
    lines[0]["boxes-metadata"]["human-annotated"] = "no"
    found = plan(world(lines)).to_dict()["lines"]
    assert (found["labelled_by_people"], found["labelled_by_machine"]) == (5, 1)


def packed_by(storage, engine):
    planned = plan(storage, order="manifest")
    return convert.run(planned, storage=storage, progress=quiet, engine=engine)


class Stops(SerialEngine):
    """Ends with an interrupt at the n-th item, as Ctrl-C would."""

    def __init__(self, after):
        self.after = after

    def map(self, fn, items, *, batch=None):
        for number, outcome in enumerate(super().map(fn, items, batch=batch)):
            if number == self.after:
                raise KeyboardInterrupt
            yield outcome


class Reads(MemoryStorage):
    """Remembers which objects were opened."""

    def open(self, uri):
        self.opened = [*getattr(self, "opened", []), uri]
        return super().open(uri)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_interrupted_run_goes_on_at_the_shard_to_the_same_bytes(after):
    whole = simple(100)
    packed_by(whole, None)
    storage = Reads(simple(100).objects)
    with pytest.raises(KeyboardInterrupt):
        packed_by(storage, Stops(after))
    assert not [uri for uri in storage.objects if uri.endswith((".rec", "channel.json"))]
    storage.opened = []
    packed_by(storage, SerialEngine())
    assert storage.objects == whole.objects
    assert not storage.growing
    again = [uri for uri in storage.opened if uri in refs(100)]
    assert len(again) == len(set(again))
    assert (len(again) < 100) == (after > 0)


@pytest.mark.parametrize("change", ["salt", "lost", "damaged"])
def test_what_an_interrupted_run_left_is_not_taken_for_another_ones(change):
    storage = simple(100)
    with pytest.raises(KeyboardInterrupt):
        packed_by(storage, Stops(2))
    notes = [uri for uri in storage.objects if "/unfinished/" in uri]
    assert len(notes) > 1
    if change == "salt":
        storage.objects[MANIFEST] += b"\n"
    elif change == "lost":
        del storage.objects[notes[0]]
    else:
        storage.growing.clear()
    packed_by(storage, None)
    expected = world([], dict(simple(100).objects) | {MANIFEST: storage.objects[MANIFEST]})
    packed_by(expected, None)
    assert storage.objects == expected.objects
    assert not storage.growing


def test_a_refused_image_leaves_nothing_to_go_on_with():
    storage = simple(100)
    good = storage.objects[refs(100)[70]]
    storage.objects[refs(100)[70]] = b""
    with pytest.raises(DataError):
        packed_by(storage, None)
    assert not storage.growing
    assert not [uri for uri in storage.objects if "/unfinished/" in uri]
    storage.objects[refs(100)[70]] = good
    packed_by(storage, None)
    expected = simple(100)
    packed_by(expected, None)
    written = {
        uri: data for uri, data in storage.objects.items() if not uri.endswith("report.json")
    }
    assert written == {uri: expected.objects[uri] for uri in written}


def contents(storage):
    stats = list(storage.list("s3://bucket/"))
    return zip(stats, storage.read_all((one.uri for one in stats), limit=1 << 30), strict=True)


def test_processes_write_the_bytes_that_one_process_writes(tmp_path):
    alone, several = (FolderStorage(tmp_path / name) for name in ("alone", "several"))
    for storage in (alone, several):
        for uri, data in simple(100).objects.items():
            with storage.create(uri) as file:
                file.write(data)
    packed_by(alone, None)
    with closing(ProcessEngine(2)) as engine:
        packed_by(several, GradualEngine(lambda: engine, alone=2))
    found = [
        {uri.uri: outcome.result() for uri, outcome in contents(storage)}
        for storage in (alone, several)
    ]
    assert found[0] == found[1]
    for storage in (alone, several):
        storage.objects.close()


def alike_world():
    """Twelve photographs of which the first five look alike, the last line being unlabelled."""
    looks = [0x0F0F0F0F0F0F0F0F ^ (1 << n) for n in range(5)] + [
        (n * 0x9E3779B97F4A7C15) % 2**64 for n in range(1, 8)
    ]
    entries = [
        labelled(ref, [(0, 1, 2, 30, 20)], **{"perceptual-hash": f"{look:016x}"})
        for ref, look in zip(refs(12), looks, strict=True)
    ]
    return world(entries)


def test_near_duplicates_are_on_one_side_and_leaks_are_told():
    storage = alike_world()
    apart = plan(storage, distance=-1, validation=0.5)
    together = plan(storage, validation=0.5)
    sides = {ref: side_by_hash(ref, validation=0.5) for ref in refs(5)}
    assert len(set(sides.values())) == 2, "by themselves they are spread"
    assert apart.survey.to_dict()["near_duplicates"] == 0
    counts = together.survey.to_dict()
    assert counts["near_duplicates"] == 5
    assert counts["leaks_prevented"] == list(sides.values()).count("validation")
    receipt = convert.run(together, storage=storage, progress=quiet)
    assert (receipt.near_duplicates, receipt.leaks_prevented) == (5, counts["leaks_prevented"])
    held = {
        name: [
            json.loads(line)["source-ref"]
            for line in storage.objects[f"{OUT}/manifest/{name}.manifest"].splitlines()
        ]
        for name in SIDES
    }
    assert any(set(refs(5)) <= set(there) for there in held.values())
    for ref in refs(12)[5:]:
        assert ref in held[side_by_hash(ref, validation=0.5)], "the others are where they were"


def test_a_manifest_that_tells_no_hashes_gives_the_same_digests_as_before_they_were_known():
    storage = world([labelled(ref, [(0, 1, 2, 30, 20)]) for ref in refs(12)])
    assert "distance" not in plan(storage).recorded_settings()
    assert plan(storage, distance=2).recorded_settings()["distance"] == 2


def test_photographs_that_all_look_alike_give_no_two_channels_unless_told_apart():
    entries = [
        labelled(ref, [(0, 1, 2, 30, 20)], **{"perceptual-hash": "0123456789abcdef"})
        for ref in refs(12)
    ]
    with pytest.raises(DataError, match="or of photographs that look alike"):
        plan(world(entries))
    assert plan(world(entries), distance=-1, validation=0.5).survey.lines == 12
    with pytest.raises(UsageError, match="from 0 to 12 bits"):
        plan(world(entries), distance=13)


def test_the_rejected_lines_are_not_lost_to_the_next_run():
    lines = [labelled(ref, [(0, 1, 1, 9, 9)]) for ref in refs(12)]
    storage = world([*lines, "{broken"])
    run(storage, on_bad_line="skip", salt="b")
    run(storage, on_bad_line="skip")  # they are as they were: they are written again
    rejects = f"{OUT}/rejected.manifest"
    repaired = json.dumps(lines[0]).encode() + b"\n"
    storage.objects[rejects] = repaired
    with pytest.raises(UsageError, match=r"rejected.manifest lies where this run writes into"):
        plan(storage, manifest=rejects)
    before = dict(storage.objects)
    with pytest.raises(UsageError, match=r"rejected.manifest is not as convert wrote it"):
        run(storage, on_bad_line="skip", salt="c")
    assert storage.objects == before
    del storage.objects[rejects]
    run(storage, on_bad_line="skip", salt="c")
    assert storage.objects[rejects] == b"{broken\n"


@pytest.mark.parametrize("name", ["report.json", "rejected.manifest"])
def test_reports_of_somebody_else_are_not_replaced(name):
    storage = simple()
    storage.objects[f"{OUT}/{name}"] = b'{"manifest": "mine"}\n'
    before = dict(storage.objects)
    with pytest.raises(UsageError, match=f"{name} (was not written|is not as)"):
        run(storage)
    assert storage.objects == before


class EndsAt(MemoryStorage):
    """Ends a run when an object of this name is begun."""

    name = ""

    def create(self, uri):
        if self.name and uri.endswith(self.name):
            raise KeyboardInterrupt
        return super().create(uri)


@pytest.mark.parametrize("name", ["report.json", "rejected.manifest", "channel.json"])
def test_a_run_that_was_killed_at_its_report_is_gone_on_with(name):
    lines = [labelled(ref, [(0, 1, 1, 9, 9)]) for ref in refs(12)]
    storage = EndsAt(world([*lines, "{broken"]).objects)
    run(storage, on_bad_line="skip", salt="b")
    storage.objects[MANIFEST] += b"{another\n"
    storage.name = name
    with pytest.raises(KeyboardInterrupt):
        run(storage, on_bad_line="skip")
    storage.name = ""
    run(storage, on_bad_line="skip")
    assert storage.objects[f"{OUT}/rejected.manifest"] == b"{broken\n{another\n"


@pytest.mark.parametrize("form", ["recordio", "image", "manifest"])
@pytest.mark.parametrize("spelling", ["{out}/{form}/mine", "{out}/./{form}//mine", "{link}/mine"])
def test_a_source_that_the_run_would_clear_away_is_refused(tmp_path, form, spelling):
    out, storage = tmp_path / "out", LocalFiles()
    (out / form).mkdir(parents=True)
    (tmp_path / "link").symlink_to(out / form)
    (out / form / "mine").write_bytes(simple().objects[MANIFEST])
    source = spelling.format(out=out, form=form, link=tmp_path / "link")
    asked = ConvertSettings(manifest=source, out=f"{out}/", forms=(form,))
    with pytest.raises(UsageError, match="name another --out, or move it"):
        convert.plan(asked, storage=storage, progress=quiet)
    assert [path.name for path in out.rglob("*") if path.is_file()] == ["mine"]


def test_a_source_behind_a_link_that_is_written_through_is_refused(tmp_path):
    source, out = tmp_path / "mine", tmp_path / "out"
    source.write_bytes(simple().objects[MANIFEST])
    (out / "manifest").mkdir(parents=True)
    (out / "manifest/train.manifest").symlink_to(source)
    asked = ConvertSettings(manifest=str(source), out=str(out), forms=("manifest",))
    with pytest.raises(UsageError, match="lies where this run writes"):
        convert.plan(asked, storage=LocalFiles(), progress=quiet)


def test_a_form_can_be_made_from_another_form_of_the_same_folder():
    storage = simple(40)
    run(storage, forms=("manifest",))
    receipt = run(storage, manifest=f"{OUT}/manifest/train.manifest", forms=("image",))
    assert receipt.unchanged == ()


def test_an_out_that_is_a_file_is_refused(tmp_path):
    for name in ("manifest", "out"):
        (tmp_path / name).write_bytes(simple().objects[MANIFEST])
    for out in ("manifest", "out"):
        asked = ConvertSettings(manifest=str(tmp_path / "manifest"), out=str(tmp_path / out))
        with pytest.raises(UsageError, match="is a file; name a folder"):
            convert.plan(asked, storage=LocalFiles(), progress=quiet)


def test_one_run_at_a_time_converts_into_a_folder():
    storage = simple()
    planned, before = plan(storage), dict(storage.objects)
    with storage.exclusive(OUT), pytest.raises(UsageError, match="another run is writing into"):
        convert.run(planned, storage=storage, progress=quiet)
    assert storage.objects == before
    convert.run(planned, storage=storage, progress=quiet)


@pytest.mark.parametrize("number", ["1e400", "7" * 5000])
def test_numbers_beyond_any_float_are_passed_on_beside_the_boxes(number):
    lines = [
        json.dumps(labelled(ref, [(0, 1, 1, 9, 9), (1, 0, 0, 0.25, 9)]), separators=(",", ":"))
        for ref in refs(12)
    ]
    strange = (
        lines[0]
        .replace('"confidence":0.0', f'"confidence":0.0,"z":{number},"n":null')
        .replace('"type":', f'"z":[{number}],"type":')
        .replace('"height":9}', f'"height":9,"z":{number}}}')
    )
    assert strange.count(number) == 4
    storage = world([strange, *lines[1:]], {ref: picture() for ref in refs(12)})
    run(storage)
    made = [
        line
        for side in SIDES
        for line in storage.objects[f"{OUT}/manifest/{side}.manifest"].splitlines()
    ]
    assert len(made) == 12
    (found,) = [line.decode() for line in made if number.encode() in line]
    assert f'"objects":[{{"confidence":0.0,"z":{number},"n":null}}]' in found
    assert f'"z":[{number}],"type":' in found
