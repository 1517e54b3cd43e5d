"""Photographs and labelled lines in; variants, their boxes and a manifest out; once."""

from __future__ import annotations

import io
import json
import os
from contextlib import nullcontext

import pytest
from PIL import Image

from gt_workflow.adapters.engine import ProcessEngine
from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.memory import MemoryStorage, SerialEngine
from gt_workflow.adapters.storage import FolderStorage
from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.adapters.warp import Warp
from gt_workflow.core.looks import alike_in
from gt_workflow.core.manifest import read
from gt_workflow.core.near_duplicates import NEAR
from gt_workflow.core.split import digest, side
from gt_workflow.core.variant_boxes import Keeping
from gt_workflow.core.variants import SEED_TEN
from gt_workflow.errors import BusyError, DataError, StorageError, UsageError
from gt_workflow.ports import Look
from gt_workflow.workflow import augment

SOURCE = "s3://bucket/labels/output.manifest"
OUT = "s3://bucket/varied"


def jpeg(size=(64, 48), color="gray", **options):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def labelled(number, boxes=((10, 10, 20, 16),), **extra):
    annotations = [
        {"class_id": index, "left": left, "top": top, "width": width, "height": height}
        for index, (left, top, width, height) in enumerate(boxes)
    ]
    return {
        "source-ref": f"s3://bucket/images/{number}.jpg",
        "price": 1.50,
        "boxes": {
            "annotations": annotations,
            "image_size": [{"width": 64, "height": 48, "depth": 3}],
        },
        "boxes-metadata": {
            "job-name": "labeling-job/x",
            "class-map": {str(index): f"class {index}" for index in range(len(boxes))},
            "human-annotated": "yes",
            "objects": [{"confidence": 0.5 + index / 10} for index in range(len(boxes))],
            "creation-date": "2026-11-01T00:00:00.000000",
            "type": "groundtruth/object-detection",
        },
        **extra,
    }


class Bench:
    def __init__(self, lines=(), objects=None, **ports):
        count = len(lines)
        held = {f"s3://bucket/images/{number}.jpg": jpeg() for number in range(count)}
        held[SOURCE] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        self.storage = ports.pop("storage", None) or MemoryStorage({**held, **(objects or {})})
        self.folders = LocalFolders()
        self.ports = {
            "engine": SerialEngine(),
            "images": PillowImages(),
            "warper": Warp(),
            **ports,
        }

    def plan(self, source=SOURCE, **settings):
        return augment.plan(
            augment.AugmentSettings(str(source), settings.pop("out", OUT), **settings),
            storage=self.storage,
            folders=self.folders,
            progress=lambda *_: None,
        )

    def run(self, source=SOURCE, progress=lambda *_: None, **settings):
        return augment.run(
            self.plan(source, **settings),
            storage=self.storage,
            folders=self.folders,
            progress=progress,
            **self.ports,
        )

    def lines(self):
        return [json.loads(line) for line in self.raw().splitlines()]

    def raw(self):
        with self.storage.open(f"{OUT}/augmented.manifest") as file:
            return file.read()

    def written(self):
        return {uri: data for uri, data in self.storage.objects.items() if uri.startswith(OUT)}


def test_the_seeds_ten_follow_a_labelled_line():
    bench = Bench([labelled(0, photograph="a/0.jpg")])
    receipt = bench.run()
    first, *others = bench.lines()
    assert first == labelled(0, photograph="a/0.jpg")
    assert [line["variant"]["name"] for line in others] == list(SEED_TEN)
    assert receipt.counts["boxes_before"] == 1
    assert receipt.counts["boxes"] == 10
    for line in others:
        assert line["origin"] == line["variant"]["of"] == "s3://bucket/images/0.jpg"
        assert line["photograph"] == "a/0.jpg"
        assert line["price"] == 1.5
        made = Image.open(io.BytesIO(bench.storage.objects[line["source-ref"]]))
        size = line["boxes"]["image_size"][0]
        assert (size["width"], size["height"], size["depth"]) == (*made.size, 3)
        assert line["boxes-metadata"] == labelled(0)["boxes-metadata"]
    by_name = {line["variant"]["name"]: line["boxes"]["annotations"][0] for line in others}
    assert by_name["flip-lr"] == {"class_id": 0, "left": 34, "top": 10, "width": 20, "height": 16}
    assert by_name["rotate-90"] == {"class_id": 0, "left": 10, "top": 34, "width": 16, "height": 20}
    assert list(read(bench.raw().splitlines(), uri="x", attribute="boxes"))


def test_lost_boxes_take_their_confidence_and_class_along():
    bench = Bench([labelled(0, [(0, 0, 5, 5), (28, 20, 8, 8)])])
    receipt = bench.run(variants=("rotate-45",), originals=False)
    (line,) = bench.lines()
    assert [box["class_id"] for box in line["boxes"]["annotations"]] == [1]
    assert line["boxes-metadata"]["objects"] == [{"confidence": 0.6}]
    assert line["boxes-metadata"]["class-map"] == {"1": "class 1"}
    assert receipt.counts["boxes_left_out"] == 1


def test_a_variant_never_says_nothing_is_there_when_its_boxes_were_lost():
    bench = Bench([labelled(0, [(0, 0, 5, 5)]), labelled(1, [])])
    receipt = bench.run(variants=("rotate-45",), originals=False)
    (line,) = bench.lines()
    assert line["variant"]["of"].endswith("1.jpg")
    assert line["boxes"]["annotations"] == []
    assert receipt.counts["variants_without_a_box_left"] == 1
    assert sum(uri.endswith(".jpg") for uri in bench.written()) == 1


def test_labels_that_were_not_moved_are_not_passed_on():
    old = {"boxes": "old", "boxes-metadata": "old-metadata"}
    more = {new: labelled(0)[key] for key, new in old.items()}
    bench = Bench([labelled(0, **more)])
    bench.run(variants=("flip-lr",), attribute="boxes")
    original, varied = bench.lines()
    assert "old" in original
    assert {"old", "old-metadata"}.isdisjoint(varied)


def test_a_variant_tells_what_its_photograph_looks_like():
    bench = Bench([labelled(0, **{"perceptual-hash": "00000000000000ff"})])
    bench.run(variants=("flip-lr",), originals=False)
    assert [line["perceptual-hash"] for line in bench.lines()] == ["00000000000000ff"]
    bench = Bench([{"source-ref": "s3://bucket/images/0.jpg", "perceptual-hash": "f" * 16}])
    bench.run(variants=("flip-lr",), originals=False)
    assert [line["perceptual-hash"] for line in bench.lines()] == ["f" * 16]


def test_near_duplicates_stay_together_when_their_variants_alone_are_listed(tmp_path):
    for number in range(24):
        noise = Image.effect_noise((6, 6), 90).resize((64, 64))
        noise.save(tmp_path / f"a{number:02}.png")
        noise.point(lambda value: int(value * 0.97)).save(tmp_path / f"b{number:02}.jpg")
    for originals in (True, False):
        bench = Bench()
        bench.run(tmp_path, variants=("flip-lr",), originals=originals)
        assert all(len(line["perceptual-hash"]) == 16 for line in bench.lines())
        alike = alike_in(bench.raw().splitlines(), salt="", distance=NEAR)
        units = {}
        for line in bench.lines():
            unit = alike.unit(digest(line["origin"]))
            units.setdefault(line["photograph"][1:3], set()).add(unit)
        assert None not in set.union(*units.values())
        assert all(len(found) == 1 for found in units.values())


def test_two_lines_of_one_photograph_are_cut_by_their_own_boxes():
    first, second = labelled(0, [(2, 2, 6, 6)]), labelled(0, [(52, 38, 8, 6)])
    bench = Bench([first, second])
    bench.run(variants=("crop",), originals=False)
    lines = bench.lines()
    assert len({line["source-ref"] for line in lines}) == 2
    for line in lines:
        image = Image.open(io.BytesIO(bench.storage.objects[line["source-ref"]]))
        size = line["boxes"]["image_size"][0]
        assert image.size == (size["width"], size["height"])


def test_failed_and_untouched_lines_are_passed_on():
    failed = {"source-ref": "s3://bucket/gone.jpg", "boxes-metadata": {"failure-reason": "x"}}
    untouched = {"source-ref": "s3://bucket/other.jpg"}
    bench = Bench([labelled(0), failed, untouched])
    assert bench.plan().passed == 2
    bench.run(variants=("flip-tb",))
    assert [line["source-ref"] for line in bench.lines() if "variant" not in line] == [
        "s3://bucket/images/0.jpg",
        "s3://bucket/gone.jpg",
        "s3://bucket/other.jpg",
    ]
    assert len(bench.lines()) == 4


def test_an_input_manifest_is_varied_before_labeling():
    line = {"source-ref": "s3://bucket/images/0.jpg", "origin": "abc", "photograph": "p.jpg"}
    bench = Bench([line])
    bench.run(variants=("rotate-30",))
    original, varied = bench.lines()
    assert original == line
    assert varied["origin"] == "abc"
    assert varied["variant"]["parameters"] == {"degrees": 30}


def test_a_folder_of_photographs_is_varied_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(jpeg(exif=exif))
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("hello")
    bench = Bench()
    receipt = bench.run(tmp_path, variants=("flip-lr",))
    original, varied = bench.lines()
    assert original["photograph"] == varied["photograph"] == "a.jpg"
    assert original["origin"] == varied["origin"]
    assert varied["variant"]["of"] == original["source-ref"]
    stored = Image.open(io.BytesIO(bench.storage.objects[varied["source-ref"]]))
    assert stored.size == (48, 64)
    ((name, reason),) = receipt.left_out
    assert name == "bad.jpg"
    assert "damaged" in reason


def test_only_the_train_side_is_varied():
    lines = [labelled(number) for number in range(30)]
    bench = Bench(lines)
    bench.run(variants=("flip-lr",), side="train", validation=0.3, salt="s")
    varied = {line["origin"] for line in bench.lines() if "variant" in line}
    train = {
        line["source-ref"]
        for line in lines
        if side(line["source-ref"], validation=0.3, salt="s") == "train"
    }
    assert varied == train
    assert 0 < len(varied) < 30
    assert len(bench.lines()) == 30 + len(varied)


def test_a_second_run_does_nothing_and_says_the_same():
    bench = Bench([labelled(0)])
    first = bench.run()
    before = bench.written()
    bench.storage.create = None  # nothing may be written
    second = bench.run()
    assert second.unchanged
    assert second.to_dict() == first.to_dict()
    assert bench.written() == before


def test_other_settings_do_not_mix_into_a_folder():
    bench = Bench([labelled(0)])
    bench.run(variants=("flip-lr",))
    with pytest.raises(UsageError, match="another folder"):
        bench.run(variants=("flip-tb",))


class Halting(MemoryStorage):
    """Breaks off at a number of objects written."""

    left = 10**9

    def create(self, uri):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().create(uri)


def test_an_interrupted_run_goes_on_at_the_shard_and_ends_the_same():
    lines = [labelled(number) for number in range(70)]
    whole = Bench(lines)
    whole.run(variants=("flip-lr", "rotate-20"))
    broken = Bench(lines)
    broken.storage = Halting(broken.storage.objects)
    broken.storage.left = 100
    with pytest.raises(KeyboardInterrupt):
        broken.run(variants=("flip-lr", "rotate-20"))
    assert f"{OUT}/augmented.manifest" not in broken.storage.objects
    broken.storage.left = 10**9
    seen = []
    broken.run(variants=("flip-lr", "rotate-20"), progress=lambda *told: seen.append(told))
    assert seen[0] == (augment.VARYING, 64, 140)
    assert broken.written() == whole.written()


def test_any_interruption_ends_in_the_same_files():
    lines = [labelled(number) for number in range(3)]
    whole = Bench(lines)
    whole.run(variants=("flip-lr",))
    for at in range(8):
        broken = Bench(lines)
        broken.storage = Halting(broken.storage.objects)
        broken.storage.left = at
        try:
            broken.run(variants=("flip-lr",))
        except KeyboardInterrupt:
            broken.storage.left = 10**9
            broken.run(variants=("flip-lr",))
        assert broken.written() == whole.written()


def test_processes_write_the_same_bytes_as_one(tmp_path):
    lines = [labelled(number) for number in range(40)]
    alone = Bench(lines)
    settings = {"variants": ("seed-ten", "noise", "crop"), "per_image": 4, "seed": 7}
    alone.run(**settings)
    (tmp_path / "root").mkdir()
    storage = FolderStorage(tmp_path / "root", tmp_path / "own")
    for uri, data in alone.storage.objects.items():
        if not uri.startswith(OUT):
            with storage.create(uri) as file:
                file.write(data)
    engine = ProcessEngine(2, batch=3)
    try:
        Bench(storage=storage, engine=engine).run(**settings)
    finally:
        engine.close()
    found = {}
    for stat in storage.list(f"{OUT}/"):
        with storage.open(stat.uri) as file:
            found[stat.uri] = file.read()
    assert found == alone.written()


def test_the_order_of_a_manifest_changes_the_order_of_lines_alone():
    lines = [labelled(number) for number in range(40)]
    ahead, back = Bench(lines), Bench(lines[::-1])
    for bench in (ahead, back):
        bench.run(variants=("seed-ten", "noise", "crop"), per_image=3)
    assert sorted(ahead.raw().splitlines()) == sorted(back.raw().splitlines())
    images = [
        {uri: data for uri, data in bench.written().items() if uri.endswith(".jpg")}
        for bench in (ahead, back)
    ]
    assert images[0] == images[1]
    assert len(images[0]) == 120


def test_variants_get_no_variants_of_their_own():
    bench = Bench([labelled(0), labelled(1, variant={"of": "s3://bucket/images/0.jpg"})])
    assert (bench.plan().photographs, bench.plan().passed) == (1, 1)
    receipt = bench.run(variants=("flip-lr",))
    assert receipt.counts["variants"] == 1
    assert len(bench.lines()) == 3


def test_what_channels_would_drop_gets_no_variants_on_the_train_side():
    lines = [labelled(number) for number in range(8)] + [labelled(8, []), labelled(9, [])]
    every, train = (Bench(lines).plan(side=side, validation=0.01) for side in ("all", "train"))
    assert every.photographs == 10
    assert train.photographs == 7  # one of eight goes to validation, which had none otherwise


def test_two_lines_alike_are_done_once_as_well():
    bench = Bench([labelled(0), labelled(0)])
    bench.run(variants=("crop",))
    assert bench.run(variants=("crop",)).unchanged


def test_images_that_were_taken_from_an_interrupted_run_are_made_again():
    lines = [labelled(number) for number in range(40)]
    whole = Bench(lines)
    whole.run(variants=("flip-lr",))
    broken = Bench(lines)
    broken.storage = Halting(broken.storage.objects)
    broken.storage.left = 35
    with pytest.raises(KeyboardInterrupt):
        broken.run(variants=("flip-lr",))
    broken.storage.left = 10**9
    for uri in list(broken.written()):
        if "/images/" in uri:
            broken.storage.delete(uri)
    assert f"{OUT}/part-00000000.lines" in broken.storage.objects
    broken.run(variants=("flip-lr",))
    assert broken.written() == whole.written()


def test_one_image_more_does_not_make_up_for_one_less():
    bench = Bench([labelled(0)])
    bench.run()
    before = bench.written()
    image = next(uri for uri in before if "/images/" in uri)
    bench.storage.objects[f"{OUT}/images/other.jpg"] = bench.storage.objects.pop(image)
    assert not bench.run().unchanged
    assert bench.written()[image] == before[image]
    bench.storage.objects[image] = b"shorter"
    assert not bench.run().unchanged
    assert bench.written()[image] == before[image]


def test_a_photograph_that_was_replaced_is_varied_anew(tmp_path):
    path = tmp_path / "a.bmp"
    Image.new("RGB", (8, 8), "red").save(path)
    size, was = path.stat().st_size, path.stat().st_mtime_ns
    bench = Bench()
    bench.run(tmp_path, variants=("flip-lr",))
    assert bench.run(tmp_path, variants=("flip-lr",)).unchanged
    Image.new("RGB", (8, 8), "lime").save(path)
    os.utime(path, ns=(was + 1, was + 1))
    assert path.stat().st_size == size
    assert not bench.run(tmp_path, variants=("flip-lr",)).unchanged
    for line in bench.lines():
        image = Image.open(io.BytesIO(bench.storage.objects[line["source-ref"]]))
        assert image.getpixel((4, 4)) == (0, 255, 0)


class Racing(MemoryStorage):
    """Another run of the same ends, as this one is about to write its manifest."""

    def exclusive(self, folder):  # noqa: ARG002 - as S3, which has no locks
        return nullcontext()

    def __init__(self, objects, other):
        super().__init__(objects)
        self.other = other

    def create(self, uri):
        if uri == f"{OUT}/augmented.manifest" and self.other is not None:
            other, self.other = self.other, None
            other(self)
        return super().create(uri)


def test_two_runs_at_once_end_in_the_same_and_leave_nothing_half_done():
    lines = [labelled(number) for number in range(3)]
    whole = Bench(lines)
    whole.run(variants=("flip-lr",))
    bench = Bench(lines)
    bench.storage = Racing(
        bench.storage.objects,
        lambda storage: Bench(lines, storage=storage).run(variants=("flip-lr",)),
    )
    assert bench.run(variants=("flip-lr",)).counts["variants"] == 3
    assert bench.written() == whole.written()
    bench = Bench(lines)
    bench.storage = Racing(
        bench.storage.objects, lambda storage: storage.delete(f"{OUT}/part-00000000.lines")
    )
    with pytest.raises(StorageError, match="another run of augment is at work in this folder"):
        bench.run(variants=("flip-lr",))


def test_one_run_at_a_time_where_a_folder_can_be_held():
    bench = Bench([labelled(0)])
    with bench.storage.exclusive(OUT), pytest.raises(BusyError, match="wait for it"):
        bench.run()
    assert not bench.written()
    assert bench.run().counts["photographs"] == 1


def test_leftover_parts_go_when_everything_is_there():
    bench = Bench([labelled(0)])
    bench.run()
    before = bench.written()
    bench.storage.objects[f"{OUT}/part-00000000.lines"] = b'{"counts":{},"left_out":[]}\n'
    assert bench.run().unchanged
    assert bench.written() == before


def test_a_run_that_left_only_its_name_does_not_stop_another():
    bench = Bench([labelled(0), labelled(1)])
    del bench.storage.objects["s3://bucket/images/0.jpg"]
    with pytest.raises(DataError):
        bench.run(variants=("flip-lr",))
    assert list(bench.written()) == [f"{OUT}/unfinished.json"]
    assert bench.run(variants=("flip-tb",), on_bad_line="skip").counts["variants"] == 1
    bench = Bench([labelled(0), labelled(1)])
    del bench.storage.objects["s3://bucket/images/1.jpg"]
    with pytest.raises(DataError):
        bench.run(variants=("flip-lr",))
    with pytest.raises(UsageError, match=r"unfinished run of another .* delete that folder"):
        bench.run(variants=("flip-tb",))


def test_a_run_that_stopped_at_a_bad_line_goes_on_without_it_and_the_other_way_round():
    bench = Bench([labelled(number) for number in range(40)])
    whole = bench.storage.objects.pop("s3://bucket/images/39.jpg")
    with pytest.raises(DataError, match=r":40: source-ref: .*leave it out with --on-bad-line skip"):
        bench.run(variants=("flip-lr",))
    first = f"{OUT}/part-00000000.lines"
    assert first in bench.storage.objects
    skipped = bench.run(variants=("flip-lr",), on_bad_line="skip")
    assert (skipped.counts["variants"], skipped.fresh) == (39, 7)
    assert bench.run(variants=("flip-lr",), on_bad_line="skip").unchanged
    with pytest.raises(DataError, match=r":40: source-ref: "):
        bench.run(variants=("flip-lr",))
    bench.storage.objects["s3://bucket/images/39.jpg"] = whole
    receipt = bench.run(variants=("flip-lr",))
    assert (receipt.counts["variants"], receipt.left_out) == (40, ())
    assert bench.run(variants=("flip-lr",), on_bad_line="skip").unchanged


def test_sets_apart_lie_side_by_side():
    bench = Bench([labelled(0)])
    receipts = [bench.run(variants=(name,), apart=True) for name in ("flip-lr", "flip-tb")]
    folders = {receipt.manifest.rpartition("/")[0] for receipt in receipts}
    assert len(folders) == 2
    assert all(folder.startswith(f"{OUT}/") for folder in folders)
    assert bench.run(variants=("flip-lr",), apart=True).unchanged


def test_a_line_or_image_that_cannot_be_read_is_passed_on_if_bad_lines_are_skipped():
    bench = Bench([labelled(0), labelled(1), labelled(2)])
    first, *others = bench.storage.objects[SOURCE].splitlines(keepends=True)
    bench.storage.objects[SOURCE] = first + b"no line\n" + b"".join(others)
    bench.storage.objects["s3://bucket/images/1.jpg"] = jpeg()[:300]
    with pytest.raises(DataError, match=r"output\.manifest:2: "):
        bench.plan()
    receipt = bench.run(variants=("flip-lr",), on_bad_line="skip")
    (second, unread), (name, reason) = receipt.left_out
    assert (second, name) == ("line 2", "line 3")
    assert "no JSON" in unread
    assert "images/1.jpg" in reason
    assert receipt.counts["variants"] == 2
    assert bench.raw().splitlines()[2] == b"no line"
    assert len(bench.raw().splitlines()) == 6


@pytest.mark.parametrize("odd", ["1e400", "9" * 5000, "[" * 3000 + "]" * 3000])
@pytest.mark.parametrize("place", ["annotations", "objects", "metadata", "line"])
def test_numbers_that_cannot_be_written_again_make_a_bad_line_or_stay(odd, place):
    bench = Bench([labelled(0), labelled(1)])
    first, second = bench.storage.objects[SOURCE].splitlines()
    before, behind = {
        "annotations": (b'"class_id"', b'"z": ODD, "class_id"'),
        "objects": (b'"confidence"', b'"z": ODD, "confidence"'),
        "metadata": (b'"job-name"', b'"z": ODD, "job-name"'),
        "line": (b'"price"', b'"z": ODD, "price"'),
    }[place]
    first = first.replace(before, behind.replace(b"ODD", odd.encode()), 1)
    bench.storage.objects[SOURCE] = first + b"\n" + second + b"\n"
    receipt = bench.run(variants=("flip-lr",), on_bad_line="skip")
    if receipt.left_out:
        assert receipt.left_out[0][0] == "line 1"
        with pytest.raises(DataError, match=r"output\.manifest:1: "):
            bench.run(variants=("flip-lr",), out="s3://bucket/other")
    assert receipt.counts["variants"] == 2 - len(receipt.left_out)
    assert bench.raw().startswith(first + b"\n")


def test_an_address_with_a_null_character_is_a_bad_line():
    bench = Bench([labelled(0) | {"source-ref": "a\0b.jpg"}, labelled(1)])
    with pytest.raises(DataError, match=r"output\.manifest:1: source-ref: .*null character"):
        bench.run()
    assert bench.run(on_bad_line="skip").counts["photographs"] == 1


def test_somebody_elses_files_are_left_alone():
    for name in ("augmented.manifest", "images/cat.jpg"):
        bench = Bench([labelled(0)], {f"{OUT}/{name}": b"mine"})
        with pytest.raises(UsageError, match="was not written by augment"):
            bench.run()
        assert bench.written() == {f"{OUT}/{name}": b"mine"}


def test_a_missing_image_names_its_line():
    bench = Bench([labelled(0), labelled(1)])
    del bench.storage.objects["s3://bucket/images/1.jpg"]
    with pytest.raises(DataError, match=r"output.manifest:2: source-ref.*1\.jpg"):
        bench.run()
    assert f"{OUT}/augmented.manifest" not in bench.storage.objects


def test_an_image_beyond_the_limit_is_an_error_before_it_is_decoded():
    buffer = io.BytesIO()
    Image.new("1", (10_001, 10_000)).save(buffer, "PNG")
    bench = Bench([labelled(0)], {"s3://bucket/images/0.jpg": buffer.getvalue()})
    with pytest.raises(DataError, match=r":1: source-ref: .*0\.jpg has more than 100 million pix"):
        bench.run()


def test_a_label_of_another_size_is_an_error():
    bench = Bench([labelled(0)], {"s3://bucket/images/0.jpg": jpeg((65, 48))})
    with pytest.raises(DataError, match=r"64x48 pixels, but .* has 65x48"):
        bench.run()


@pytest.mark.parametrize(
    "settings",
    [
        {"variants": ("spin",)},
        {"per_image": 0},
        {"per_image": 11},
        {"keeping": Keeping(min_visible=2)},
        {"keeping": Keeping(min_side=0)},
        {"look": Look(quality=0)},
        {"look": Look(chroma="4:1:1")},
        {"out": ""},
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_done(settings):
    with pytest.raises(UsageError):
        Bench([labelled(0)]).plan(**settings)


def test_nothing_to_vary_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no photograph"):
        Bench().plan(tmp_path)
    with pytest.raises(DataError, match="no line has boxes under 'other'"):
        Bench([labelled(0)]).plan(attribute="other")
    with pytest.raises(UsageError, match="train side"):
        Bench([{"source-ref": "s3://bucket/images/0.jpg"}]).plan(side="train")
    with pytest.raises(StorageError):
        Bench().plan("s3://bucket/none.manifest")


def test_a_manifest_that_changed_is_not_varied():
    bench = Bench([labelled(0)])
    planned = bench.plan()
    bench.storage.objects[SOURCE] += b"\n"
    with pytest.raises(DataError, match="has changed"):
        augment.run(
            planned,
            storage=bench.storage,
            folders=bench.folders,
            progress=lambda *_: None,
            **bench.ports,
        )


def test_raccoons_have_ten_times_their_boxes(shared):
    folder = shared / "data" / "raccoons" / "images"
    paths = sorted(folder.glob("*.jpg"))[:20]
    lines = []
    for path in paths:
        with Image.open(path) as image:
            width, height = image.size
        line = labelled(0, [(width * 0.3, height * 0.3, width * 0.4, height * 0.4)])
        line["boxes"]["image_size"] = [{"width": width, "height": height}]
        lines.append(line | {"source-ref": str(path)})
    bench = Bench(objects={SOURCE: b"".join(json.dumps(one).encode() + b"\n" for one in lines)})
    receipt = bench.run()
    assert receipt.counts["boxes"] == 10 * receipt.counts["boxes_before"]
