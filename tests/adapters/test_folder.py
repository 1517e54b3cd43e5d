"""Objects in a folder: what people put there, what links try, what crashes and races leave."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gt_workflow.adapters.files import copy_some
from gt_workflow.adapters.folder import keys as folder_keys
from gt_workflow.adapters.folder.index import Fingerprint
from gt_workflow.adapters.folder.objects import FolderObjects
from gt_workflow.adapters.folder.scan import Listings
from gt_workflow.adapters.storage import FolderStorage
from gt_workflow.errors import ObjectNotFoundError, StorageError
from gt_workflow.object_store import (
    MIN_PART_BYTES,
    Attributes,
    Condition,
    MissingError,
    PartClaim,
    RefusedError,
)

SAID = Attributes(content_type="image/jpeg", metadata={"origin": "x"})


@pytest.fixture
def store(tmp_path):
    made = FolderObjects(tmp_path / "root")
    made.create_bucket("photos")
    yield made
    made.close()


@pytest.fixture
def bucket(store) -> Path:
    return store.root / "photos"


def put(store, key, data, said=SAID, condition=Condition(), **options):  # noqa: B008 - frozen
    writer = store.writer("photos", key)
    try:
        writer.write(data)
        return writer.commit(said, condition, **options)
    finally:
        writer.discard()


def content(store, key) -> bytes:
    with store.get("photos", key)[1] as file:
        return file.read()


def keys(store, **options) -> list[str]:
    return [found.key for found in store.scan("photos", **options)]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_a_file_dropped_in_by_hand_is_an_object(store, bucket):
    (bucket / "some" / "folder").mkdir(parents=True)
    (bucket / "some" / "folder" / "ü.jpg").write_bytes(b"by hand")
    head = store.head("photos", "some/folder/ü.jpg")
    assert (head.size, head.etag) == (7, md5(b"by hand"))
    assert head.attributes == Attributes(content_type="image/jpeg")
    assert content(store, "some/folder/ü.jpg") == b"by hand"
    assert store.page("photos", limit=10).objects == [head]


def test_a_folder_made_by_hand_is_a_bucket_if_its_name_may_be(store):
    (store.root / "other").mkdir()
    (store.root / "No_Bucket").mkdir()
    (store.root / "file").touch()
    (store.root / "linked").symlink_to(store.root / "other")
    assert [b.name for b in store.buckets()] == ["other", "photos"]
    assert store.cors("other") is None
    store.set_cors("other", "<x/>")
    assert store.cors("other") == "<x/>"
    with pytest.raises(MissingError):
        store.bucket("linked")


def test_a_file_edited_by_hand_gets_a_new_etag_and_loses_what_was_said(store, bucket):
    put(store, "a.txt", b"first")
    assert store.head("photos", "a.txt").attributes == SAID
    (bucket / "a.txt").write_bytes(b"other")  # the same size, in place
    head = store.head("photos", "a.txt")
    assert head.etag == md5(b"other")
    assert head.attributes == Attributes(content_type="text/plain")


def test_what_was_said_survives_being_opened_again(store):
    put(store, "a", b"1", etag="0" * 32 + "-2")
    store.close()
    again = FolderObjects(store.root)
    head = again.head("photos", "a")
    assert (head.etag, head.attributes) == ("0" * 32 + "-2", SAID)
    again.close()


def test_a_broken_index_is_told_as_an_error_of_the_storage(store):
    store.close()
    for path in store.own.glob("objects.sqlite*"):
        path.write_bytes(b"this is no database, " * 1000)
    with pytest.raises(StorageError, match="index of objects"):
        FolderObjects(store.root)


def test_many_threads_that_come_and_go_leave_no_connections(store):
    for number in range(5):
        thread = threading.Thread(target=put, args=(store, f"k{number}", b"1"))
        thread.start()
        thread.join()
        store.head("photos", f"k{number}")
    links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    # Other tests' stores are closed whenever the garbage collector finds them.
    assert sum(link.readlink() == store.own / "objects.sqlite" for link in links) in range(1, 5)


def test_objects_outlive_the_loss_of_the_index(store):
    put(store, "a", b"1")
    put(store, "a/b", b"2")
    store.close()
    for path in store.own.glob("objects.sqlite*"):
        path.unlink()
    again = FolderObjects(store.root)
    page = again.page("photos", limit=10)
    assert [(o.key, o.etag) for o in page.objects] == [("a", md5(b"1")), ("a/b", md5(b"2"))]
    again.close()


def test_ordinary_keys_are_ordinary_files(store, bucket):
    for key in ("a.jpg", "b/c d/é.jpg", ".hidden", "x" * 255, "back\\slash", "new\nline"):
        put(store, key, key.encode())
        assert (bucket / key).read_bytes() == key.encode()
    assert (bucket / "a.jpg").stat().st_mode & 0o600 == 0o600


def test_no_key_leaves_the_root(store, tmp_path):
    hostile = ["../x", "../../x", "a/../../../x", "/etc/passwd", "..", ".", "a/./b", "//x", "./x"]
    for key in hostile:
        put(store, key, key.encode())
    assert sorted(keys(store)) == sorted(hostile)
    for key in hostile:
        assert content(store, key) == key.encode()
        store.delete("photos", key)
    assert {path.name for path in tmp_path.iterdir()} == {"root"}
    assert {path.name for path in store.root.iterdir()} == {".gt", "photos"}
    assert list((store.root / "photos").iterdir()) == []


@pytest.mark.parametrize("bad", ["", "x" * 1025, "é" * 513, "\ud800"])
def test_keys_that_s3_would_refuse_are_refused(store, bad):
    for act in (store.writer, store.head, store.get, store.delete):
        with pytest.raises(RefusedError):
            act("photos", bad)


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "Abc", "a_b", "a..b", "-ab", "ab-", "192.168.0.1", ".gt", "a/b", ""]
)
def test_names_that_no_bucket_has_are_refused(store, name):
    with pytest.raises(RefusedError) as refused:
        store.create_bucket(name)
    assert refused.value.code == "InvalidBucketName"
    assert not folder_keys.is_bucket(name)


def test_links_are_not_followed_and_not_written_through(store, bucket, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (bucket / "file").symlink_to(outside / "secret")
    (bucket / "folder").symlink_to(outside)
    (bucket / "loop").symlink_to(bucket)
    assert keys(store) == []
    for key in ("file", "folder/secret", "loop/file", "folder"):
        with pytest.raises(MissingError):
            store.get("photos", key)
        with pytest.raises(MissingError):
            store.head("photos", key)
        store.delete("photos", key)
    for key in ("file", "folder/secret", "folder/new/deep", "loop/x"):
        put(store, key, b"mine")
        assert content(store, key) == b"mine"
    assert (outside / "secret").read_text() == "secret"
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert keys(store) == ["file", "folder/new/deep", "folder/secret", "loop/x"]


def test_what_is_no_regular_file_is_no_object(store, bucket):
    os.mkfifo(bucket / "pipe")
    assert keys(store) == []
    with pytest.raises(MissingError):
        store.get("photos", "pipe")


def test_a_name_that_is_no_utf8_is_left_out_and_told(store, bucket, caplog):
    (bucket / os.fsdecode(b"caf\xe9.jpg")).touch()
    (bucket / "good.jpg").touch()
    with caplog.at_level(logging.WARNING):
        assert keys(store) == ["good.jpg"]
    assert "caf\\xe9.jpg" in caplog.text


def test_a_plain_file_wins_over_an_escaped_one_of_the_same_key(store, bucket):
    put(store, "a", b"file")
    put(store, "a/b", b"escaped")
    store.delete("photos", "a")
    (bucket / "a").mkdir()
    (bucket / "a" / "b").write_bytes(b"by hand")
    assert keys(store) == ["a/b"]
    assert content(store, "a/b") == b"by hand"
    store.delete("photos", "a/b")
    assert keys(store) == []


def test_deleting_removes_the_folders_it_leaves_empty(store, bucket):
    put(store, "a/b/c/d", b"1")
    put(store, "a/x", b"1")
    store.delete("photos", "a/b/c/d")
    assert [path.name for path in (bucket / "a").iterdir()] == ["x"]


def test_a_crash_between_index_and_rename_changes_nothing(store):
    put(store, "a", b"before")
    writer = store.writer("photos", "a")
    writer.write(b"after")
    there = store.check("photos", "a", Condition())
    store.index.put(
        "photos",
        "a",
        Fingerprint.of(writer.sync()),
        etag="f" * 32,
        attributes=Attributes(),
        keep=there.fingerprint,
        durable=True,
    )
    # Here the process dies; another one looks.
    again = FolderObjects(store.root)
    head = again.head("photos", "a")
    assert (head.etag, head.attributes) == (md5(b"before"), SAID)
    again.close()
    writer.discard()


KILLED = """
import sys
from pathlib import Path
from gt_workflow.adapters.storage import FolderStorage

storage = FolderStorage(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    with storage.create(f"s3://photos/n/{number % 5}") as file:
        for _ in range(64):
            file.write(number.to_bytes(4, "big") * 256)
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_whole_objects_only(store):
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(store.root)], stdout=subprocess.PIPE, text=True
        ) as process:
            for _ in range(7):
                last = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            told = process.stdout.read().split()
        last = int(told[-1]) if told else last
        seen = set()
        for key in keys(store):
            data = content(store, key)
            assert len(data) == 64 * 1024
            assert data == data[:4] * (len(data) // 4)
            seen.add(int.from_bytes(data[:4], "big"))
            assert store.head("photos", key).etag == md5(data)
        # Whatever was told to be written is there, or what was written over it.
        assert set(range(last - 4, last + 1)) & seen


def test_abandoned_temporary_files_are_swept_after_a_day(store):
    old, new = (store.own / "tmp" / f".gt-{digit * 24}.part" for digit in "01")
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    FolderObjects(store.root).close()
    assert not old.exists()
    assert new.exists()


def test_one_of_many_creators_wins(store):
    barrier = threading.Barrier(8)

    def create(number: int) -> bool:
        barrier.wait()
        try:
            put(store, "lock", str(number).encode(), condition=Condition(if_none_match=True))
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert won.count(True) == 1
    assert content(store, "lock") == str(won.index(True)).encode()


def test_counting_with_conditions_loses_no_count(store):
    put(store, "count", b"0")

    def count(_: int) -> None:
        while True:
            head, file = store.get("photos", "count")
            with file:
                number = int(file.read())
            try:
                put(store, "count", str(number + 1).encode(), condition=Condition(head.etag))
            except RefusedError:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))
    assert content(store, "count") == b"20"


def test_a_condition_on_what_is_missing_is_told_so(store):
    for act in (
        lambda: put(store, "a", b"", condition=Condition(if_match="x")),
        lambda: store.delete("photos", "a", Condition(if_match="x")),
    ):
        with pytest.raises(MissingError) as missing:
            act()
        assert missing.value.code == "NoSuchKey"


def test_writers_and_deleters_of_shared_folders_do_not_disturb_each_other(store):
    def work(number: int) -> None:
        for turn in range(30):
            key = f"a/{turn % 3}/b/{number}"
            put(store, key, key.encode())
            assert content(store, key) == key.encode()
            store.delete("photos", key)
            assert not store.exists("photos", key)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert keys(store) == []
    assert list((store.root / "photos").iterdir()) == []


def test_a_reader_keeps_what_it_opened(store):
    put(store, "a", b"before")
    head, file = store.get("photos", "a")
    put(store, "a", b"after and longer", said=Attributes())
    with file:
        assert (file.read(), head.attributes) == (b"before", SAID)


def test_a_bucket_is_deleted_only_when_it_holds_nothing(store, bucket):
    put(store, "a/", b"")
    with pytest.raises(RefusedError) as refused:
        store.delete_bucket("photos")
    assert refused.value.code == "BucketNotEmpty"
    store.delete("photos", "a/")
    (bucket / "empty" / "folders").mkdir(parents=True)
    (bucket / "empty" / "link").symlink_to("/")
    with pytest.raises(RefusedError, match="no object"):
        store.delete_bucket("photos")
    (bucket / "empty" / "link").unlink()
    store.delete_bucket("photos")
    with pytest.raises(MissingError):
        store.bucket("photos")
    store.create_bucket("photos")
    assert store.cors("photos") is None


def test_a_bucket_deleted_by_hand_comes_back_empty(store, bucket):
    store.set_cors("photos", "<x/>")
    put(store, "a//b", b"1")
    store.uploads.start("photos", "k", SAID, algorithm=None)
    bucket.rmdir()
    store.create_bucket("photos", "eu-west-1")
    assert keys(store) == []
    assert store.cors("photos") is None
    assert store.uploads.under_way("photos") == []
    assert store.bucket("photos").region == "eu-west-1"


def test_one_of_many_creators_of_a_bucket_wins(store):
    def create(_: int) -> bool:
        try:
            store.create_bucket("fresh")
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(create, range(8))).count(True) == 1


TREE = st.sets(st.text("ab/.0", min_size=1, max_size=5), max_size=12)


@given(
    tree=TREE,
    prefix=st.sampled_from(["", "a", "a/", "b", "/", "."]),
    delimiter=st.sampled_from(["", "/", "a", "b/"]),
    limit=st.integers(1, 5),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_join_to_the_whole_listing(store, tree, prefix, delimiter, limit):
    for found in list(store.scan("photos")):
        store.delete("photos", found.key)
    for key in tree:
        put(store, key, b"")
    expected: list[str] = []
    for key in sorted(key for key in tree if key.startswith(prefix)):
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if end < 0 else key[: end + len(delimiter)] + " group"
        if name not in expected:
            expected.append(name)
    after, seen = "", []
    while True:
        page = store.page("photos", prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        found = [o.key for o in page.objects] + [name + " group" for name in page.prefixes]
        assert len(found) <= limit
        seen += found
        if not page.truncated:
            break
        assert len(found) == limit
        after = page.last
    assert sorted(seen) == sorted(expected)
    assert len(seen) == len(set(seen))


def test_a_large_folder_is_read_again_only_when_it_has_changed(tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03d}").touch()
    listings = Listings()
    assert listings(folder) is not listings(folder)  # it has only just changed
    os.utime(folder, (0, 0))
    names = listings(folder)
    assert len(names) == 300
    assert listings(folder) is names
    (folder / "x").mkdir()
    assert listings(folder) == [*names, b"x/"]
    assert listings(tmp_path / "none") == []
    small = tmp_path / "small"
    small.mkdir()
    os.utime(small, (0, 0))
    assert listings(small) is not listings(small)


def test_a_listing_of_a_large_folder_shows_every_change(store, bucket):
    for number in range(300):
        (bucket / f"{number:03d}").touch()
    os.utime(bucket, (0, 0))
    assert len(keys(store)) == 300
    put(store, "new", b"")
    store.delete("photos", "000")
    assert len(keys(store)) == 300
    assert keys(store, after=b"298") == ["299", "new"]
    assert keys(store, prefix="29") == [f"{number}" for number in range(290, 300)]


@pytest.mark.parametrize("flags", [0, os.O_APPEND])  # the kernel copies to no appended file
def test_bytes_are_copied_by_the_kernel_or_else_by_hand(tmp_path, flags):
    data = os.urandom(2_500_000)
    (tmp_path / "source").write_bytes(data)
    source = os.open(tmp_path / "source", os.O_RDONLY)
    target = os.open(tmp_path / "target", os.O_WRONLY | os.O_CREAT | flags)
    while copy_some(source, target, 3_000_000):
        pass
    os.close(source)
    os.close(target)
    assert (tmp_path / "target").read_bytes() == data


def test_a_listing_after_a_key_starts_behind_it(store):
    names = ["a", "a/b", "a/b/c", "a0", "b"]
    for key in names:
        put(store, key, b"")
    for number, key in enumerate(names):
        assert keys(store, after=key.encode()) == names[number + 1 :]
    assert keys(store, after=b"a/b/") == ["a/b/c", "a0", "b"]


def test_parts_join_to_an_object(store):
    uploads = store.uploads
    upload = uploads.start("photos", "big", SAID, algorithm="crc32")
    parts = []
    for number, data in ((2, b"end"), (1, b"x" * MIN_PART_BYTES)):
        writer = uploads.writer(upload, number)
        writer.write(data)
        parts.append(writer.commit({}))
    assert [part.number for part in uploads.parts(upload)] == [1, 2]
    assert uploads.under_way("photos") == [upload]
    assert keys(store) == []
    claims = [PartClaim(part.number, part.etag) for part in reversed(parts)]
    stored = uploads.complete(upload, claims)
    digests = b"".join(bytes.fromhex(claim.etag) for claim in claims)
    assert stored.etag == md5(digests) + "-2"
    assert store.head("photos", "big") == stored
    assert stored.attributes == SAID
    assert content(store, "big") == b"x" * MIN_PART_BYTES + b"end"
    assert uploads.under_way("photos") == []
    with pytest.raises(MissingError):
        uploads.get("photos", "big", upload.id)
    assert list((store.own / "uploads" / "photos").iterdir()) == []


def test_completions_that_are_wrong_are_refused_and_leave_the_upload(store):
    uploads = store.uploads
    upload = uploads.start("photos", "big", SAID, algorithm=None)
    etags = {}
    for number in (1, 2):
        writer = uploads.writer(upload, number)
        writer.write(b"small")
        etags[number] = writer.commit({"crc32": "AAAAAA=="}).etag
    for claims, code in (
        ([PartClaim(2, etags[2]), PartClaim(1, etags[1])], "InvalidPartOrder"),
        ([PartClaim(1, etags[1]), PartClaim(1, etags[1])], "InvalidPartOrder"),
        ([PartClaim(1, "0" * 32)], "InvalidPart"),
        ([PartClaim(3, etags[1])], "InvalidPart"),
        ([PartClaim(1, etags[1], {"crc32": "BBBBBB=="})], "InvalidPart"),
        ([PartClaim(1, etags[1]), PartClaim(2, etags[2])], "EntityTooSmall"),
    ):
        with pytest.raises(RefusedError) as refused:
            uploads.complete(upload, claims)
        assert refused.value.code == code
    assert uploads.complete(upload, [PartClaim(2, etags[2])]).size == 5


def test_a_part_is_replaced_by_the_next_of_its_number(store):
    upload = store.uploads.start("photos", "k", SAID, algorithm=None)
    for data in (b"first", b"second"):
        writer = store.uploads.writer(upload, 7)
        writer.write(data)
        last = writer.commit({})
    assert store.uploads.parts(upload) == [last]
    store.uploads.abort(upload)
    store.uploads.abort(upload)
    with pytest.raises(MissingError):
        store.uploads.writer(upload, 8)


def test_an_upload_id_is_no_path(store):
    for bad in ("../../../etc", "x", "", "." * 32, "A" * 32):
        with pytest.raises(MissingError):
            store.uploads.get("photos", "k", bad)


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        FolderStorage(tmp_path / "file")


def test_a_folder_storage_can_be_sent_to_another_process(tmp_path):
    storage = FolderStorage(tmp_path)
    with storage.create("s3://photos/a") as file:
        file.write(b"1")
    sent = pickle.loads(pickle.dumps(storage))  # noqa: S301 - our own
    with sent.open("s3://photos/a") as file:
        assert file.read() == b"1"
    with pytest.raises(ObjectNotFoundError):
        sent.stat("s3://photos/b")
    storage.objects.close()
    sent.objects.close()
