"""What only one storage has: links and modes of plain files, requests and errors of S3."""

from __future__ import annotations

import inspect
import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from gt_workflow.adapters.s3_storage import S3Storage, translated
from gt_workflow.adapters.storage import LocalFiles
from gt_workflow.errors import BusyError, ObjectNotFoundError, StorageError, UsageError
from gt_workflow.object_store import RefusedError


def names(storage, prefix: Path | str) -> list[str]:
    return [stat.uri for stat in storage.list(str(prefix))]


def write(storage, uri: Path | str, data: bytes = b"1") -> None:
    with storage.create(str(uri)) as file:
        file.write(data)


def test_plain_files_are_followed_through_links_but_not_in_circles(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    (outside / "deep").mkdir(parents=True)
    inside.mkdir()
    (outside / "deep" / "photo.jpg").write_bytes(b"1")
    (inside / "folder").symlink_to(outside)
    (inside / "file").symlink_to(outside / "deep" / "photo.jpg")
    (inside / "broken").symlink_to(tmp_path / "none")
    (outside / "loop").symlink_to(inside)
    (inside / "self").symlink_to(inside)
    found = names(LocalFiles(), f"{inside}/")
    assert found == [f"{inside}/file", f"{inside}/folder/deep/photo.jpg"]


def test_a_link_that_is_written_through_stays_a_link(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write(LocalFiles(), tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_file_keeps_its_mode_and_a_new_one_has_the_usual(tmp_path):
    (tmp_path / "old").touch(mode=0o640)
    (tmp_path / "usual").touch()
    for name in ("old", "new"):
        write(LocalFiles(), tmp_path / name)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["old"] == 0o640
    assert modes["new"] == modes["usual"]


def test_paths_are_listed_as_they_were_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(LocalFiles(), "a/b")
    write(LocalFiles(), "c")
    assert names(LocalFiles(), "") == ["a/b", "c"]
    assert names(LocalFiles(), "./a") == ["./a/b"]
    assert names(LocalFiles(), "a/../c") == ["a/../c"]


def test_a_folder_is_no_file(tmp_path):
    for uri in (str(tmp_path), f"{tmp_path}/"):
        for act in (LocalFiles().open, LocalFiles().stat):
            with pytest.raises(ObjectNotFoundError):
                act(uri)
        with pytest.raises(StorageError, match="folder"):
            write(LocalFiles(), uri)
        assert not LocalFiles().exists(uri)


def test_what_the_system_refuses_is_an_error_of_the_storage(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write(LocalFiles(), tmp_path / "file" / "below")
    with pytest.raises(StorageError):
        write(LocalFiles(), tmp_path / ("x" * 256))
    with pytest.raises(StorageError):
        LocalFiles().delete(str(tmp_path))


@pytest.fixture
def counted():
    """S3 that tells which requests were made."""
    with mock_aws():
        client = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        client.create_bucket(Bucket="bucket")
        made: list[str] = []
        client.meta.events.register(
            "before-call.s3",
            lambda model, params, **_: made.append(
                f"{model.name} {params['headers'].get('Range', '')}".strip()
            ),
        )
        yield S3Storage(client), made, client


def test_a_small_object_costs_one_request_and_a_large_one_few(counted):
    storage, made, _ = counted
    write(storage, "s3://bucket/small", b"x" * 1000)
    write(storage, "s3://bucket/large", b"x" * 7_000_000)
    assert made == ["PutObject", "PutObject"]
    made.clear()
    with storage.open("s3://bucket/small") as file:
        assert len(file.read()) == 1000
    assert made == ["GetObject bytes=0-262143"]
    made.clear()
    with storage.open("s3://bucket/large") as file:
        while file.read(1 << 16):
            pass
    assert len(made) == 5
    made.clear()
    with storage.open("s3://bucket/large") as file:
        file.seek(-100, io.SEEK_END)
        assert len(file.read()) == 100
    assert made == ["GetObject bytes=0-262143", "GetObject bytes=6999900-6999999"]


def test_a_large_object_goes_up_in_parts_with_the_type_of_its_name(counted):
    storage, made, client = counted
    write(storage, "s3://bucket/photo.jpg", b"x" * 9_000_000)
    assert "CreateMultipartUpload" in made
    assert client.head_object(Bucket="bucket", Key="photo.jpg")["ContentType"] == "image/jpeg"


def test_an_object_that_changes_while_it_is_read_is_told(counted):
    storage, _, _ = counted
    write(storage, "s3://bucket/a", b"x" * 1_000_000)
    with storage.open("s3://bucket/a") as file:
        write(storage, "s3://bucket/a", b"y" * 1_000_000)
        with pytest.raises(StorageError, match="changed while it was read"):
            file.read()


def refused(code: str, status: int) -> Stubber:
    client = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    stub = Stubber(client)
    for operation in ("head_object", "get_object", "delete_object", "list_objects_v2"):
        stub.add_client_error(operation, code, "as AWS says it", http_status_code=status)
    return stub


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("AccessDenied", 403, "access is denied"),
        ("403", 403, "access is denied"),
        ("SlowDown", 503, "as AWS says it"),
    ],
)
def test_refusals_of_s3_name_the_object_the_reason_and_the_code(code, status, reason):
    with refused(code, status) as stub:
        storage = S3Storage(stub.client)
        uri = "s3://bucket/key"
        for act in (storage.stat, storage.open, storage.delete, lambda u: list(storage.list(u))):
            with pytest.raises(StorageError) as told:
                act(uri)
            assert not isinstance(told.value, ObjectNotFoundError)
            assert str(told.value) == f"{uri}: {reason} [{code}]"


def test_a_server_that_is_not_there_is_an_error_of_the_storage():
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )
    with pytest.raises(StorageError, match="s3://bucket/key"):
        S3Storage(client).exists("s3://bucket/key")
    with pytest.raises(StorageError):
        write(S3Storage(client), "s3://bucket/key", b"x" * 9_000_000)


def test_every_error_of_botocore_is_translated():
    kinds = [
        kind
        for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning)
        if kind.__module__ == "botocore.exceptions"
        # These two tell of a broken model in botocore itself, before any call.
        if not issubclass(kind, botocore.exceptions.UndefinedModelAttributeError)
    ]
    assert len(kinds) > 50
    for kind in kinds:
        error = kind.__new__(kind)
        error.response = {"Error": {"Code": "Odd", "Message": "odd"}}
        with pytest.raises(StorageError), translated("s3://bucket/key"):
            raise error


def test_a_body_that_breaks_off_is_an_error_of_the_storage():
    client = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stub:
        for _ in range(10):  # it is asked for again, though not for ever
            body = StreamingBody(io.BytesIO(b"short"), 100)
            answer = {"Body": body, "ETag": '"x"', "ContentRange": "bytes 0-99/100"}
            stub.add_response("get_object", answer)
        with pytest.raises(StorageError, match="expected is 100"):
            S3Storage(client).open("s3://bucket/key")


def test_nothing_temporary_is_left_behind(tmp_path):
    written = LocalFiles().create(str(tmp_path / "a"))
    with pytest.raises(ZeroDivisionError), written as file:  # noqa: PT012 - the body is the point
        file.write(b"1" * 1_000_000)
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - hidden names too


def test_what_a_killed_process_left_goes_and_what_another_is_writing_stays(tmp_path):
    dead = tmp_path / f".gt-{'0' * 24}.tmp"
    kept = [tmp_path / f".gt-{'1' * 24}.part", tmp_path / ".gt-mine.tmp", tmp_path / "x.tmp"]
    for path in (dead, *kept):
        path.write_bytes(b"half")
    with LocalFiles().create(str(tmp_path / "a")) as file:
        file.write(b"a")
        (writing,) = set(tmp_path.iterdir()) - {*kept}
        with LocalFiles().create(str(tmp_path / "b")) as other:
            other.write(b"b")
        assert writing.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", *(path.name for path in kept)}
    assert (tmp_path / "a").read_bytes() == b"a"


def test_a_file_that_comes_to_nothing_leaves_no_new_folders(tmp_path):
    (tmp_path / "old").mkdir()
    storage = LocalFiles()
    with suppress(LookupError), storage.create(str(tmp_path / "old/new/newer/file")):
        raise LookupError
    assert list(tmp_path.rglob("*")) == [tmp_path / "old"]
    with suppress(LookupError), storage.create(str(tmp_path / "old/new/file")):
        (tmp_path / "old/new/other").write_bytes(b"")
        raise LookupError
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["other"]


def test_places_are_compared_not_spellings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for path in ("real/a", "./link/a", "link//a", str(tmp_path / "real" / ".." / "link" / "a")):
        assert LocalFiles().place(path) == str(tmp_path.resolve() / "real/a")


HOLDER = """
import sys
from gt_workflow.adapters.plain_files import LocalFiles
storage = LocalFiles()
with storage.exclusive(sys.argv[1]):
    growing = storage.grow(sys.argv[1] + "/train/train.rec")
    growing.append([b"half"])
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_killed_run_lets_go_of_its_folder_and_its_half_is_cleared_away(tmp_path):
    out = str(tmp_path / "out")
    command = [sys.executable, "-c", HOLDER, out]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        storage = LocalFiles()
        with pytest.raises(BusyError):
            storage.exclusive(out).__enter__()
        other = storage.grow(f"{out}/train/train.rec")
        assert len(list((tmp_path / "out/train").iterdir())) == 2  # a living one's stays
        process.kill()
    with storage.exclusive(out):
        again = storage.grow(f"{out}/train/train.rec")
        other.discard()
        again.append([b"whole"])
        again.publish()
    assert [path.name for path in (tmp_path / "out/train").iterdir()] == ["train.rec"]


def test_what_another_process_grows_is_not_gone_on_with(tmp_path):
    storage = LocalFiles()
    one = storage.grow(str(tmp_path / "a.rec"))
    one.append([b"first"])
    two = storage.grow(str(tmp_path / "a.rec"), token=one.token, size=5)
    assert two.size == 0
    one.publish()
    assert (tmp_path / "a.rec").read_bytes() == b"first"
    two.discard()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_held_in_vain_goes_again(tmp_path):
    storage = LocalFiles()
    with suppress(LookupError), storage.exclusive(str(tmp_path / "new/newer")):
        raise LookupError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"mine")
    for path in ("file", "file/below"):
        with pytest.raises(UsageError, match="is no folder; name another --out"):
            storage.exclusive(str(tmp_path / path)).__enter__()


def test_reading_many_waits_for_no_pipe_and_tells_of_names_that_cannot_be(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "real").write_bytes(b"1")
    reasons = {
        "pipe": "it is no regular file",
        "link": "it is no regular file",
        "self": "it is a link that leads back to itself",
        "a\0b": "its name holds a null character",
        "x" * 5000: "its name is too long for this system",
    }
    uris = [f"{tmp_path}/{name}" for name in (*reasons, "real")]
    *refused, real = LocalFiles().read_all(uris, limit=9)
    assert real.result() == b"1"
    assert all(isinstance(one.error, RefusedError) for one in refused)
    assert [getattr(one.error, "reason", None) for one in refused] == list(reasons.values())


@pytest.mark.parametrize("name", ["new/.", "./new", ".//new", "folder/../new"])
def test_a_local_file_may_be_named_in_roundabout_ways(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    files = LocalFiles()
    with files.create(name) as file:
        file.write(b"x")
    assert (tmp_path / "new").read_bytes() == b"x"
    assert files.exists(name)


@pytest.mark.parametrize("name", ["", ".", "..", "folder", "folder/", "new/", "new/..", "folder/."])
def test_a_folder_is_no_local_file_to_write(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="is a folder, not a file"), LocalFiles().create(name):
        raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
