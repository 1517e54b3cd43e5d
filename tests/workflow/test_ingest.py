"""Photographs in, images and a manifest out; whatever lies in the folder beside them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import signal
from pathlib import Path

import pytest
from PIL import Image

from gt_workflow.adapters.engine import ProcessEngine
from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.memory import MemoryStorage, SerialEngine
from gt_workflow.adapters.storage import FolderStorage
from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.core.near_duplicates import NEAR
from gt_workflow.errors import DataError, StorageError, UsageError
from gt_workflow.ports import Found, Inspection
from gt_workflow.workflow import ingest
from gt_workflow.workflow.examine import Examine, Store

IMAGES = "s3://bucket/job/images"
MANIFEST = "s3://bucket/job/input.manifest"
REPORT = "s3://bucket/job/ingest.json"


def silent(stage, done, total):
    assert done <= total
    assert stage in {ingest.CHECKING, ingest.STORING}


class Bench:
    """A storage and the other ports; plans and runs on them."""

    def __init__(self, objects=None, **ports):
        self.storage = ports.pop("storage", None) or MemoryStorage(objects)
        self.ports = {
            "folders": LocalFolders(),
            "engine": SerialEngine(),
            "images": PillowImages(),
            "progress": silent,
            **ports,
        }

    def plan(self, source, **settings):
        chosen = {"images": IMAGES, "manifest": MANIFEST, "report": REPORT, **settings}
        return ingest.plan(
            ingest.IngestSettings(str(source), **chosen), storage=self.storage, **self.ports
        )

    def run(self, plan):
        return ingest.run(plan, storage=self.storage, **self.ports)

    def manifest(self):
        return self.storage.objects[MANIFEST].decode().splitlines()


def jpeg(shade=0, size=(16, 12), **options):
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade * 37 % 256, shade * 91 % 256, 200)).save(
        buffer, "JPEG", **options
    )
    return buffer.getvalue()


def encoded(form, shade=0, size=(16, 12), mode="RGB", **options):
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade * 37 % 256, shade * 91 % 256, 200)).convert(mode).save(
        buffer, form, **options
    )
    return buffer.getvalue()


def turned(orientation, shade=0):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(shade, exif=exif.tobytes())


def put(folder, name, data):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def sha(data):
    return hashlib.sha256(data).hexdigest()


def names(plan):
    return [entry.photograph for entry in plan.photographs]


def test_a_folder_becomes_images_a_manifest_and_a_report(tmp_path):
    plain, deep, gray = jpeg(1), encoded("PNG", 2), jpeg(3)
    put(tmp_path, "b.jpeg", plain)
    put(tmp_path, "a/tür 1.PNG", deep)
    put(tmp_path, "c.jpg", gray)
    bench = Bench()
    plan = bench.plan(tmp_path)
    assert bench.storage.objects == {}, "a plan writes nothing"
    receipt = bench.run(plan)
    uris = {
        "a/tür 1.PNG": f"{IMAGES}/tur-1-{sha(deep)[:12]}.png",
        "b.jpeg": f"{IMAGES}/b-{sha(plain)[:12]}.jpg",
        "c.jpg": f"{IMAGES}/c-{sha(gray)[:12]}.jpg",
    }
    originals = {"a/tür 1.PNG": deep, "b.jpeg": plain, "c.jpg": gray}
    assert bench.manifest() == [
        json.dumps(
            {"source-ref": uri, "origin": sha(originals[name])[:16], "photograph": name},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for name, uri in uris.items()
    ]
    for name, uri in uris.items():
        assert bench.storage.objects[uri] == originals[name], "byte for byte"
    assert (receipt.lines, receipt.stored, receipt.present) == (3, 3, 0)
    assert receipt.manifest == MANIFEST
    assert json.loads(json.dumps(receipt.to_dict()))["digest"] == plan.digest
    assert plan.photographs[0].width == 16
    assert plan.photographs[0].height == 12
    assert plan.photographs[0].size == len(deep)


def test_everything_odd_is_told_in_the_report_and_nothing_is_lost_in_silence(tmp_path):
    put(tmp_path, "fine.jpg", jpeg(1))
    put(tmp_path, "turned.jpg", turned(6, 2))
    put(tmp_path, "really a png.jpg", encoded("PNG", 3))
    put(tmp_path, "really a gif.jpg", encoded("GIF", 4))
    put(tmp_path, "no suffix", jpeg(5))
    put(tmp_path, "gray.png", encoded("PNG", 6, mode="L"))
    put(tmp_path, "cmyk.jpg", encoded("JPEG", 7, mode="CMYK"))
    put(tmp_path, "empty.jpg", b"")
    put(tmp_path, "cut.jpg", jpeg(8)[:300])
    put(tmp_path, "text.png", b"no image")
    put(tmp_path, "phone.heic", b"\0\0\0\x18ftypheic" + bytes(90))
    put(tmp_path, "camera.nef", b"MM\0*" + bytes(90))
    put(tmp_path, "layers.psd", b"8BPS" + bytes(90))
    put(tmp_path, "other.jxl", bytes(90))
    put(tmp_path, "notes.txt", b"BM and other words that begin like a bitmap")
    put(tmp_path, "empty", b"")
    put(tmp_path, "film.mp4", b"\0\0\0\x18ftypisom" + bytes(90))
    put(tmp_path, ".hidden.jpg", jpeg(9))
    put(tmp_path, "zz copy of fine.jpg", jpeg(1))
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "dangling.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "dangling.txt").symlink_to("nowhere.txt")
    (tmp_path / "link.jpg").symlink_to("fine.jpg")
    bench = Bench()
    plan = bench.plan(tmp_path)
    bench.run(plan)
    report = json.loads(bench.storage.objects[REPORT])
    assert names(plan) == [
        "cmyk.jpg",
        "fine.jpg",
        "gray.png",
        "no suffix",
        "really a gif.jpg",
        "really a png.jpg",
        "turned.jpg",
    ]
    assert {entry["photograph"]: entry["note"] for entry in report["converted"]} == {
        "cmyk.jpg": "CMYK converted to RGB",
        "gray.png": "grayscale converted to RGB",
        "no suffix": "its content is JPEG, its name is not",
        "really a gif.jpg": "GIF converted; palette converted to RGB",
        "really a png.jpg": "its content is PNG, its name is not",
        "turned.jpg": "EXIF orientation 6 applied",
    }
    assert {entry["photograph"]: entry["reason"] for entry in report["rejected"]} == {
        "camera.nef": "it is a camera's raw file; develop it to JPEG",
        "cut.jpg": "it is truncated: Truncated File Read",
        "dangling.jpg": "a link to nothing",
        "empty.jpg": "the file is empty",
        "layers.psd": "Photoshop is not read; save it as JPEG",
        "other.jxl": "JXL is not read; save it as JPEG",
        "phone.heic": "HEIF or AVIF is not read; save it as JPEG",
        "text.png": "it is damaged, or none of JPEG, PNG, GIF, WEBP, BMP, TIFF",
    }
    assert report["duplicates"] == [
        {"photograph": "link.jpg", "of": "fine.jpg", "kept": False},
        {"photograph": "zz copy of fine.jpg", "of": "fine.jpg", "kept": False},
    ]
    assert report["skipped"] == {
        "folder already read": 1,
        "hidden": 1,
        "no image": 3,
        "no regular file": 1,
        "unreadable, no photograph by its name": 1,
    }
    assert report["counts"] == {
        "photographs": 7,
        "converted": 4,
        "in-place": 0,
        "rejected": 8,
        "duplicates": 2,
        "skipped": 7,
    }
    by_name = {entry.photograph: entry for entry in plan.photographs}
    assert by_name["really a png.jpg"].uri.endswith(".png")
    assert by_name["no suffix"].uri.endswith(".jpg")
    assert (by_name["turned.jpg"].width, by_name["turned.jpg"].height) == (12, 16)
    for entry in plan.photographs:
        stored = bench.storage.objects[entry.uri]
        assert sha(stored) == entry.sha256
        assert len(stored) == entry.size
        assert Image.open(io.BytesIO(stored)).size == (entry.width, entry.height)
        assert Image.open(io.BytesIO(stored)).mode == "RGB"


HOSTILE = [
    "with space.jpg",
    "größe 日本.jpg",
    "#?%+&=;:@.jpg",
    "new\nline.jpg",
    "'\"\\`$(x).jpg",
    "{{ liquid }}<script>.jpg",
    "-rf.jpg",
    "x..jpg.jpg",
    "x" * 250 + ".jpg",
    "/".join(["deep" * 12] * 6) + "/photo.jpg",
    "one/stem.jpg",
    "two/stem.jpg",
    "stem.jpeg",
    "日本.jpg",
]


def test_hostile_names_give_safe_keys_and_are_kept_in_the_manifest(tmp_path):
    for shade, name in enumerate(HOSTILE):
        put(tmp_path, name, jpeg(shade))
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/latin\xe9.jpg"))).write_bytes(jpeg(99))
    assert max(map(len, HOSTILE)) >= 290
    bench = Bench()
    plan = bench.plan(tmp_path)
    bench.run(plan)
    assert sorted(names(plan)) == sorted([*HOSTILE, "latin\\xe9.jpg"])
    lines = [json.loads(line) for line in bench.storage.objects[MANIFEST].splitlines()]
    assert [line["photograph"] for line in lines] == names(plan)
    assert names(plan) == sorted(names(plan), key=str.encode)
    for line in lines:
        key = line["source-ref"].removeprefix(f"{IMAGES}/")
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}-[0-9a-f]{12}\.jpg", key)
        assert line["source-ref"] in bench.storage.objects
    assert len({line["source-ref"] for line in lines}) == len(lines)


def test_the_digest_follows_from_names_and_contents_alone(tmp_path):
    def folder(where, names, content=jpeg):
        for name in names:
            put(tmp_path / where, name, content(int(name[:1])))
        return tmp_path / where

    first = folder("first", ["1.jpg", "2.jpg", "3.jpg"])
    second = folder("deep/er", ["3.jpg", "1.jpg", "2.jpg"])
    os.utime(second / "1.jpg", (1, 1))
    bench = Bench()
    digest = bench.plan(first).digest
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert bench.plan(second).digest == digest
    assert bench.plan(second, images="s3://other/place").digest == digest
    put(second, "3.jpg", jpeg(4))
    assert bench.plan(second).digest != digest
    put(second, "3.jpg", jpeg(3))
    (second / "2.jpg").rename(second / "4.jpg")
    assert bench.plan(second).digest != digest
    put(first, "notes.txt", b"to do")
    assert bench.plan(first).digest == digest


def test_two_files_of_the_same_pixels_are_one_data_object(tmp_path):
    put(tmp_path, "a.bmp", encoded("BMP", 5))
    put(tmp_path, "b.tiff", encoded("TIFF", 5))
    plan = Bench().plan(tmp_path)
    assert names(plan) == ["a.bmp"]
    assert plan.duplicates == (ingest.Duplicate("b.tiff", "a.bmp"),)


def test_duplicates_may_be_kept_and_then_share_an_origin(tmp_path):
    for name in ("a.jpg", "b.jpg", "sub/a.jpg"):
        put(tmp_path, name, jpeg(1))
    put(tmp_path, "c.bmp", encoded("BMP", 2))
    put(tmp_path, "d.tiff", encoded("TIFF", 2))
    put(tmp_path, "e.jpg", jpeg(3))
    bench = Bench()
    plan = bench.plan(tmp_path, keep_duplicates=True)
    assert plan.duplicates == (
        ingest.Duplicate("b.jpg", "a.jpg", kept=True),
        ingest.Duplicate("d.tiff", "c.bmp", kept=True),
        ingest.Duplicate("sub/a.jpg", "a.jpg"),  # it would have the same address
    )
    assert names(plan) == ["a.jpg", "b.jpg", "c.bmp", "d.tiff", "e.jpg"]
    origins = [entry.origin for entry in plan.photographs]
    assert origins[0] == origins[1] != origins[2] == origins[3] != origins[4]
    bench.run(plan)
    addresses = [json.loads(line)["source-ref"] for line in bench.manifest()]
    assert len(set(addresses)) == 5
    assert all(uri in bench.storage.objects for uri in addresses)


def test_a_second_run_stores_nothing_and_writes_the_same_bytes(tmp_path):
    for shade in range(4):
        put(tmp_path, f"{shade}.bmp", encoded("BMP", shade))
    bench = Bench()
    assert bench.run(bench.plan(tmp_path)).stored == 4
    before = dict(bench.storage.objects)
    receipt = bench.run(bench.plan(tmp_path))
    assert (receipt.stored, receipt.present) == (0, 4)
    assert bench.storage.objects == before


class Interrupted(MemoryStorage):
    """Ctrl-C comes when so many objects were stored."""

    left = 2

    def create(self, uri):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().create(uri)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    for shade in range(5):
        put(tmp_path, f"{shade}.jpg", jpeg(shade))
    bench = Bench(storage=Interrupted())
    plan = bench.plan(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        bench.run(plan)
    assert MANIFEST not in bench.storage.objects
    assert len(bench.storage.objects) == 2
    bench.storage.objects[plan.photographs[1].uri] = b"half"  # by whoever stores otherwise
    bench.storage.left = 99
    receipt = bench.run(plan)
    assert (receipt.stored, receipt.present) == (4, 1)
    assert len(bench.manifest()) == 5
    assert bench.storage.objects[plan.photographs[1].uri] == jpeg(1)


def test_what_changes_between_plan_and_run_stops_the_manifest_only(tmp_path):
    for shade in range(4):
        put(tmp_path, f"{shade}.jpg", jpeg(shade))
    converted = put(tmp_path, "9.bmp", encoded("BMP", 9))
    bench = Bench()
    plan = bench.plan(tmp_path)
    (tmp_path / "0.jpg").unlink()
    put(tmp_path, "1.jpg", jpeg(77))
    converted.write_bytes(encoded("BMP", 10))
    with pytest.raises(DataError, match=r"3 photographs are no longer .*0\.jpg: it vanished"):
        bench.run(plan)
    assert sorted(bench.storage.objects) == sorted(entry.uri for entry in plan.photographs[2:4])
    assert bench.run(bench.plan(tmp_path)).lines == 4


def test_a_file_that_vanishes_while_the_folder_is_checked_is_rejected(tmp_path):
    put(tmp_path, "a.jpg", jpeg(1))
    put(tmp_path, "b.jpg", jpeg(2))

    class Vanishing(LocalFolders):
        def walk(self, folder, *, exclude=()):
            yield from super().walk(folder, exclude=exclude)
            (tmp_path / "b.jpg").unlink()

    plan = Bench(folders=Vanishing()).plan(tmp_path)
    assert names(plan) == ["a.jpg"]
    assert plan.rejected == (ingest.Rejected("b.jpg", "it vanished while it was looked at"),)


def test_unreadable_photographs_are_rejected_and_unreadable_others_skipped():
    class Locked:
        def walk(self, folder, *, exclude=()):
            del folder, exclude
            yield Found("secret.jpg", "secret.jpg", size=9)
            yield Found("key.pem", "key.pem", size=9)
            yield Found("room", "room", problem="the folder cannot be listed", is_folder=True)
            yield Found("open.jpg", "open.jpg", size=9)

        def read(self, path, *, limit):
            del limit
            if path != "open.jpg":
                raise StorageError("permission denied", uri=path)
            return jpeg(1)

    plan = Bench(folders=Locked()).plan("folder")
    assert [(entry.name, entry.reason) for entry in plan.rejected] == [
        ("room", "the folder cannot be listed"),
        ("secret.jpg", "permission denied"),
    ]
    assert dict(plan.skipped) == {"unreadable, no photograph by its name": 1}


def test_what_runs_in_other_processes_can_be_sent_there():
    parts = (LocalFolders(), PillowImages())
    for work in (Examine("storage", *parts), Store("storage", *parts)):
        assert pickle.loads(pickle.dumps(work)) == work  # noqa: S301 - as the engine does


class Deadly(PillowImages):
    """A decoder that some bytes kill."""

    def inspect(self, data):
        if Image.open(io.BytesIO(data)).size == (13, 13):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().inspect(data)


def test_processes_do_the_work_and_one_that_dies_costs_one_photograph(tmp_path):
    for shade in range(5):
        put(tmp_path, f"photos/{shade}.bmp", encoded("BMP", shade))
    serial = Bench()
    expected = serial.plan(tmp_path / "photos")
    serial.run(expected)
    engine = ProcessEngine(2, batch=2)
    bench = Bench(storage=FolderStorage(tmp_path / "root"), engine=engine)
    try:
        plan = bench.plan(tmp_path / "photos")
        assert plan == expected
        assert bench.run(plan).stored == 5
        for uri, data in serial.storage.objects.items():
            with bench.storage.open(uri) as file:
                assert file.read() == data
        put(tmp_path, "photos/deadly.jpg", jpeg(1, (13, 13)))
        bench.ports["images"] = Deadly()
        survived = bench.plan(tmp_path / "photos")
        assert survived.photographs == expected.photographs
        assert [entry.name for entry in survived.rejected] == ["deadly.jpg"]
    finally:
        engine.close()


class Countless:
    """A folder of so many photographs, and images that take any bytes."""

    def __init__(self, count):
        self.count = count
        self.read_count = 0

    def walk(self, folder, *, exclude=()):
        del exclude
        for number in range(self.count):
            yield Found(f"{number:07}.jpg", f"{folder}/{number}", size=9)

    def read(self, path, *, limit):
        del limit
        self.read_count += 1
        return b"\xff\xd8\xff" + path.encode()

    def inspect(self, data):
        return Inspection(stored=data, format="JPEG", width=4, height=3)


def test_as_many_photographs_as_a_job_takes_and_no_more():
    folder = Countless(100_005)
    bench = Bench(folders=folder, images=folder)
    with pytest.raises(UsageError, match=r"more than 100,000 photographs .*one by one"):
        bench.plan("folder")
    assert folder.read_count == 100_001, "it stops at the first one too many"
    assert bench.storage.objects == {}


def test_giants_are_refused_without_being_read(tmp_path):
    for name, head in (
        ("huge.jpg", jpeg(1)),
        ("film.dat", b"\0\0\0\x18ftypisom"),
        ("h", b"\xff\xd8\xff"),
    ):
        os.truncate(put(tmp_path, name, head), 41_000_000)
    os.truncate(put(tmp_path, "most.jpg", jpeg(2)), 40_000_000)
    limits = []

    class Watched(LocalFolders):
        def read(self, path, *, limit):
            limits.append(limit)
            return super().read(path, limit=limit)

    plan = Bench(folders=Watched()).plan(tmp_path)
    assert sorted(limits) == [64, 64, 64, 64, 40_000_001]
    assert names(plan) == ["most.jpg"]
    assert [entry.name for entry in plan.rejected] == ["h", "huge.jpg"]
    assert all("more than the 40 MB" in entry.reason for entry in plan.rejected)
    assert dict(plan.skipped) == {"no image": 1}


def test_nothing_usable_is_an_error_that_says_why(tmp_path):
    bench = Bench()
    with pytest.raises(DataError, match=r"there is no photograph; JPEG, PNG"):
        bench.plan(tmp_path)
    put(tmp_path, "notes.txt", b"text")
    with pytest.raises(DataError, match="there is no photograph among 1 files"):
        bench.plan(tmp_path)
    put(tmp_path, "a.jpg", b"")
    with pytest.raises(DataError, match=r"none of its 1 photographs.*a\.jpg: the file is empty"):
        bench.plan(tmp_path)
    assert bench.storage.objects == {}


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("x", {"images": "out"}, "the images go to s3://bucket/..."),
        ("x", {"images": "s3://bucket/"}, "the images go to s3://bucket/..."),
        ("x", {"manifest": "out.manifest"}, "the manifest go"),
        ("", {}, "name a folder"),
        ("https://example.com/x", {}, "neither a folder nor an s3:// address"),
        (MANIFEST, {}, "read and written at once"),
        (f"{IMAGES}/", {}, "is where images are stored"),
        (f"{IMAGES}/sub", {}, "is where images are stored"),
    ],
)
def test_settings_that_make_no_sense_are_refused(source, settings, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        Bench().plan(source, **settings)


def test_a_folder_that_is_none_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="there is no such folder"):
        Bench().plan(tmp_path / "none")
    with pytest.raises(StorageError, match=r"photo\.jpg: it is no folder"):
        Bench().plan(put(tmp_path, "photo.jpg", jpeg(1)))


def test_a_line_tells_what_its_image_looks_like(tmp_path, shared):
    real = shared / "data" / "raccoons" / "images"
    for name in ("raccoon-51.jpg", "raccoon-85.jpg"):  # the same picture, one with a caption
        put(tmp_path, name, (real / name).read_bytes())
    put(tmp_path, "flat.jpg", jpeg(1))
    bench = Bench()
    bench.run(bench.plan(tmp_path))
    lines = {line["photograph"]: line for line in map(json.loads, bench.manifest())}
    assert "perceptual-hash" not in lines["flat.jpg"]
    one, other = (
        int(lines[name]["perceptual-hash"], 16) for name in ("raccoon-51.jpg", "raccoon-85.jpg")
    )
    assert 0 < (one ^ other).bit_count() <= NEAR
    own = {"source-ref": "s3://lab/a.jpg", "perceptual-hash": "mine"}
    bench = Bench({"s3://lab/own.manifest": json.dumps(own).encode() + b"\n"})
    bench.storage.objects[own["source-ref"]] = (real / "raccoon-51.jpg").read_bytes()
    bench.run(bench.plan("s3://lab/own.manifest"))
    assert json.loads(bench.manifest()[0])["perceptual-hash"] == "mine", "it is another's member"
