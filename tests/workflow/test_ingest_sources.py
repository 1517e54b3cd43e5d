"""Photographs that are in S3 already, and manifests: referenced in place, lines kept."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import closing

import pytest
from PIL import Image

from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.memory import MemoryStorage, SerialEngine
from gt_workflow.adapters.storage import FolderStorage
from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.errors import DataError, StorageError, UsageError
from gt_workflow.workflow import ingest

IMAGES = "s3://bucket/job/images"
MANIFEST = "s3://bucket/job/input.manifest"
REPORT = "s3://bucket/job/ingest.json"
SOURCE = "s3://lab/in.manifest"


def quiet(stage, done, total):
    del stage, done, total


def ingested(objects, source, *, storage=None, **settings):
    """Plan and run; return plan, receipt and the storage's objects."""
    storage = storage or MemoryStorage(objects)
    ports = {
        "storage": storage,
        "folders": LocalFolders(),
        "engine": SerialEngine(),
        "images": PillowImages(),
        "progress": quiet,
    }
    chosen = {"images": IMAGES, "manifest": MANIFEST, "report": REPORT, **settings}
    plan = ingest.plan(ingest.IngestSettings(source, **chosen), **ports)
    return plan, ingest.run(plan, **ports), storage.objects


def encoded(shade, form="JPEG", **options):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (shade * 37 % 256, shade * 91 % 256, 200)).save(
        buffer, form, **options
    )
    return buffer.getvalue()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def lines(objects):
    return [json.loads(line) for line in objects[MANIFEST].splitlines()]


def test_images_in_s3_that_need_nothing_stay_where_they_are():
    fine, odd = encoded(1), encoded(2, "BMP")
    objects = {
        "s3://lab/photos/sub/größe #?%+ .JPG": fine,
        "s3://lab/photos/z.bmp": odd,
        "s3://lab/photos/named wrong.jpg": encoded(3, "PNG"),
        "s3://lab/photos/plain": encoded(4),
        "s3://lab/photos/.hidden/x.jpg": encoded(5),
        "s3://lab/photos/folder/": b"",
        "s3://lab/photos/notes.txt": b"text",
        "s3://lab/photos/broken.png": b"",
        "s3://lab/photos-of-others/x.jpg": encoded(6),
        "s3://lab/photos/images/copy.jpg": encoded(7),
        "s3://lab/photos/skipped/x.jpg": encoded(8),
    }
    plan, receipt, stored = ingested(
        objects,
        "s3://lab/photos",
        images="s3://lab/photos/images",
        exclude=("s3://lab/photos/skipped/", "/somewhere/local"),
    )
    assert [entry.photograph for entry in plan.photographs] == [
        "named wrong.jpg",
        "plain",
        "sub/größe #?%+ .JPG",
        "z.bmp",
    ]
    by_name = {entry["photograph"]: entry for entry in lines(stored)}
    kept = by_name["sub/größe #?%+ .JPG"]
    assert kept["source-ref"] == "s3://lab/photos/sub/größe #?%+ .JPG"
    assert kept["origin"] == sha(fine)[:16]
    assert by_name["z.bmp"]["origin"] == sha(odd)[:16]
    assert by_name["z.bmp"]["source-ref"].startswith("s3://lab/photos/images/z-")
    assert by_name["named wrong.jpg"]["source-ref"].endswith(".png")
    assert by_name["plain"]["source-ref"].endswith(".jpg")
    assert (receipt.stored, plan.counts()["in-place"]) == (3, 1)
    assert dict(plan.skipped) == {
        "folder marker": 1,
        "hidden": 1,
        "no image": 1,
        "stored by this command": 2,
    }
    assert [entry.name for entry in plan.rejected] == ["broken.png"]


@pytest.mark.parametrize("source", ["s3://lab/varied", "s3://lab/varied/images/", "s3://lab/"])
def test_a_prefix_of_variants_is_refused_with_its_manifest_s_name(source):
    objects = {
        "s3://lab/varied/augment.json": b"{}",
        "s3://lab/varied/augmented.manifest": b"",
        "s3://lab/varied/images/a.jpg": encoded(1),
        "s3://lab/other/augment.json": b"{}",
    }
    with pytest.raises(UsageError, match=r"instead: s3://lab/varied/augmented\.manifest$"):
        ingested(objects, source)
    _, receipt, _ = ingested(objects, "s3://lab/varied", exclude=("s3://lab/varied/augment",))
    assert receipt.lines == 1


def test_an_object_that_vanishes_is_rejected_and_a_storage_that_fails_is_an_error():
    class Failing(MemoryStorage):
        error: StorageError | None = None

        def open(self, uri):
            if self.error:
                raise self.error
            if uri.endswith("gone.jpg"):
                del self.objects[uri]
            return super().open(uri)

    storage = Failing({"s3://lab/p/gone.jpg": b"x", "s3://lab/p/here.jpg": encoded(1)})
    plan, _, _ = ingested(None, "s3://lab/p", storage=storage)
    assert plan.rejected == (ingest.Rejected("gone.jpg", "there is no such object"),)
    storage.error = StorageError("access denied", uri="s3://lab/p/here.jpg")
    with pytest.raises(StorageError, match="access denied"):
        ingested(None, "s3://lab/p", storage=storage)


def test_an_address_that_the_store_refuses_is_rejected_and_the_others_are_stored(tmp_path):
    storage = FolderStorage(tmp_path)
    for uri, data in (
        ("s3://lab/here.jpg", encoded(1)),
        (SOURCE, b'{"source-ref":"s3://.gt/secret"}\n{"source-ref":"s3://lab/here.jpg"}\n'),
    ):
        with storage.create(uri) as file:
            file.write(data)
    with closing(storage.objects):
        plan = ingest.plan(
            ingest.IngestSettings(SOURCE, images=IMAGES, manifest=MANIFEST, report=REPORT),
            storage=storage,
            folders=LocalFolders(),
            engine=SerialEngine(),
            images=PillowImages(),
            progress=quiet,
        )
    assert [photograph.uri for photograph in plan.photographs] == ["s3://lab/here.jpg"]
    assert plan.rejected == (ingest.Rejected("secret", "the bucket name is not valid"),)


def test_a_manifests_other_members_pass_through_byte_for_byte_and_in_order():
    objects = {
        "s3://lab/a/2.jpg": encoded(2),
        "s3://lab/a/1.jpg": encoded(1),
        "s3://lab/a/3.bmp": encoded(3, "BMP"),
        "s3://lab/a/4.jpg": encoded(4),
    }
    raw = [
        rb'{ "n": 1.50e0, "source-ref":"s3://lab/a/2.jpg" , "t":"\u00f6", "o":{"b":1,"a":[ ]}}',
        rb'{"source-ref":"s3:\/\/lab\/a\/1.jpg","origin":"mine","photograph":"holiday/1.jpg"}',
        rb'{"x":12345678901234567890123,"source-ref":"s3://lab/a/3.bmp","y":null}',
        rb'{"source-ref":"s3://lab/a/4.jpg","photograph":7}',
    ]
    objects[SOURCE] = b"\xef\xbb\xbf" + raw[0] + b"\r\n\r\n" + raw[1] + b"\n" + b"\n".join(raw[2:])
    plan, _, stored = ingested(objects, SOURCE)
    new = plan.photographs[2].uri
    assert stored[MANIFEST].splitlines() == [
        raw[0][:-1] + b',"origin":"%s","photograph":"a/2.jpg"}' % sha(encoded(2))[:16].encode(),
        raw[1],
        b'{"x":12345678901234567890123,"source-ref":"%s","y":null,"origin":"%s","photograph":"a/3.bmp"}'
        % (new.encode(), sha(encoded(3, "BMP"))[:16].encode()),
        raw[3][:-1] + b',"origin":"%s"}' % sha(encoded(4))[:16].encode(),
    ]
    assert [entry.photograph for entry in plan.photographs] == [
        "a/2.jpg",
        "holiday/1.jpg",
        "a/3.bmp",
        "a/4.jpg",
    ]
    assert [entry.line for entry in plan.photographs] == [1, 3, 4, 5]


def test_a_local_manifest_names_files_beside_it(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "größe 1.jpg").write_bytes(encoded(1))
    source = str(tmp_path / "list.jsonl")
    text = '{"source-ref":"photos/größe 1.jpg","k":1}\n{"source-ref":"s3://lab/x.jpg"}\n'
    text += '{"source-ref":"photos/none.jpg"}\n{"source-ref":"list.jsonl"}\n'
    (tmp_path / "list.jsonl").write_text(text)
    objects = {source: text.encode(), "s3://lab/x.jpg": encoded(2)}
    plan, _, stored = ingested(objects, source)
    assert [(line["photograph"], line["source-ref"]) for line in lines(stored)] == [
        ("photos/größe 1.jpg", f"{IMAGES}/groe-1-{sha(encoded(1))[:12]}.jpg"),
        ("x.jpg", "s3://lab/x.jpg"),
    ]
    assert lines(stored)[0]["k"] == 1
    assert [(entry.name, entry.reason[:12]) for entry in plan.rejected] == [
        ("list.jsonl", "it is damage"),
        ("photos/none.jpg", "it vanished "),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"source-ref":"s3://lab/x.jpg"', r"in\.manifest:2: the line breaks off"),
        (b"[1]", r"in\.manifest:2: a line is a JSON object"),
        (b'{"source":"text"}', r":2: source-ref: this member is missing.*not text"),
        (b'{"source-ref":7}', r":2: .*`str`, got `int`"),
        (b'{"source-ref":"x.jpg"}', r":2: source-ref: 'x.jpg' is no image's address"),
        (b'{"source-ref":"https://h/x.jpg"}', r":2: source-ref: .* is no image's address"),
        (b'{"source-ref":"s3://lab"}', r":2: source-ref: .* is no image's address"),
        (b'{"source-ref":"s3://lab/x.jpg","a":1,"a":2}', r":2: a: this member occurs twice"),
        (b'{"source-ref":"s3://lab/x.jpg","a":"\xff"}', r":2: byte \d+ of the line is not UTF-8"),
        (b'{"source-ref":"s3://lab/x.jpg","$a":1}', r":2: \$a: begins with \$"),
        (b'{"source-ref":"s3://lab/x.jpg","a":"%s"}' % (b"x" * 20_001), r":2: a: has 20,003"),
        (
            b'{"source-ref":"s3://lab/x.jpg",%s}'
            % b",".join(b'"k%d":"%s"' % (key, b"x" * 19_000) for key in range(6)),
            r":2: line: has 114,\d+ characters",
        ),
    ],
)
def test_a_broken_line_of_a_manifest_is_named_before_anything_is_stored(line, message):
    objects = {
        "s3://lab/w.jpg": encoded(1, "PNG"),
        "s3://lab/x.jpg": encoded(2),
        SOURCE: b'{"source-ref":"s3://lab/w.jpg"}\n' + line + b"\n",
    }
    before = set(objects)
    storage = MemoryStorage(objects)
    with pytest.raises(DataError, match=message):
        ingested(None, SOURCE, storage=storage)
    assert set(storage.objects) == before


def test_a_manifest_that_changes_between_plan_and_run_is_not_carried_out():
    storage = MemoryStorage(
        {"s3://lab/x.jpg": encoded(1), SOURCE: b'{"source-ref":"s3://lab/x.jpg"}'}
    )
    ports = {
        "storage": storage,
        "folders": LocalFolders(),
        "engine": SerialEngine(),
        "images": PillowImages(),
        "progress": quiet,
    }
    plan = ingest.plan(ingest.IngestSettings(SOURCE, IMAGES, MANIFEST, REPORT), **ports)
    storage.objects[SOURCE] += b'\n{"source-ref":"s3://lab/y.jpg"}'
    with pytest.raises(DataError, match="it changed after it was checked; run the command again"):
        ingest.run(plan, **ports)
    assert MANIFEST not in storage.objects
    assert REPORT not in storage.objects
    changed = ingest.plan(ingest.IngestSettings(SOURCE, IMAGES, MANIFEST, REPORT), **ports)
    assert changed.digest != plan.digest


def test_a_photograph_named_twice_in_a_manifest_is_one_data_object():
    objects = {
        "s3://lab/x.jpg": encoded(1),
        "s3://lab/copy.jpg": encoded(1),
        SOURCE: b"\n".join(
            b'{"source-ref":"s3://lab/%s.jpg"}' % name for name in (b"x", b"copy", b"x")
        ),
    }
    plan, receipt, _ = ingested(objects, SOURCE)
    assert receipt.lines == 1
    assert [entry.name for entry in plan.duplicates] == ["copy.jpg", "x.jpg"]
