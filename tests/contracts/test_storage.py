"""The Storage contract, over every storage that is shipped."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.adapters.storage import FolderStorage, LocalFiles, Router, S3Storage
from gt_workflow.errors import BusyError, ObjectNotFoundError, StorageError
from gt_workflow.object_store import RefusedError
from gt_workflow.ports import Growing, Storage

KINDS = ["memory", "local", "folder", "served", "moto", "router"]
counter = itertools.count()


@dataclass(frozen=True)
class Case:
    kind: str
    storage: Storage
    base: str  # of all URIs, with a slash at its end

    @property
    def missing_bucket(self) -> str:
        return "/no/such/folder/" if self.kind == "local" else "s3://no-such-bucket/"


@pytest.fixture(params=KINDS)
def case(request, tmp_path: Path) -> Iterator[Case]:
    kind: str = request.param
    bucket = f"bucket-{next(counter)}"
    base = f"s3://{bucket}/"
    if kind == "memory":
        yield Case(kind, MemoryStorage(), base)
    elif kind == "local":
        yield Case(kind, LocalFiles(), f"{tmp_path}/")
    elif kind in {"folder", "router"}:
        folder = FolderStorage(tmp_path)
        folder.objects.create_bucket(bucket)
        storage = folder if kind == "folder" else Router(s3=folder, local=MemoryStorage())
        yield Case(kind, storage, base)
        folder.objects.close()
    elif kind == "served":
        address, _ = request.getfixturevalue("object_server")
        yield Case(kind, S3Storage(_client(bucket, endpoint_url=address), part=5 << 20), base)
    else:
        with mock_aws():
            yield Case(kind, S3Storage(_client(bucket), part=5 << 20), base)


def _client(bucket: str, **options: Any) -> Any:
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        **options,
    )
    client.create_bucket(Bucket=bucket)
    return client


def write(storage: Storage, uri: str, data: bytes) -> None:
    with storage.create(uri) as file:
        file.write(data)


def read(storage: Storage, uri: str) -> bytes:
    with storage.open(uri) as file:
        return file.read()


def fail_while_writing(storage: Storage, uri: str, error: type[BaseException]) -> None:
    before = read(storage, uri) if storage.exists(uri) else None
    with pytest.raises(error), storage.create(uri) as file:  # noqa: PT012 - the body is the point
        file.write(b"x" * 1_000_000)
        assert (read(storage, uri) if storage.exists(uri) else None) == before
        raise error


def listed(case: Case, prefix: str = "") -> list[str]:
    return [stat.uri.removeprefix(case.base) for stat in case.storage.list(case.base + prefix)]


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 4096])
def test_what_was_written_is_read(case, data):
    uri = case.base + "folder/name.bin"
    assert not case.storage.exists(uri)
    write(case.storage, uri, data)
    assert read(case.storage, uri) == data
    assert case.storage.exists(uri)
    stat = case.storage.stat(uri)
    assert (stat.uri, stat.size) == (uri, len(data))
    assert stat.modified.utcoffset() is not None


def test_an_object_of_many_parts_is_read_whole_and_in_pieces(case):
    block = bytes(range(251)) * 4  # no power of two, so that no shift goes unseen
    uri = case.base + "big"
    with case.storage.create(uri) as file:
        for _ in range(9 * 1024):
            file.write(block)
    size = len(block) * 9 * 1024
    assert size > 8 * 1024 * 1024
    assert case.storage.stat(uri).size == size
    with case.storage.open(uri) as file:
        total = 0
        while data := file.read(1_000_003):
            assert data == (block * 1100)[total % len(block) :][: len(data)]
            total += len(data)
        assert total == size
        file.seek(5_000_000)
        assert file.read(7) == (block * 2)[5_000_000 % len(block) :][:7]
        assert file.seek(-3, io.SEEK_END) == size - 3
        assert file.read() == block[-3:]
        assert file.read() == b""


def test_nothing_is_visible_before_a_clean_exit(case):
    uri = case.base + "a"
    with case.storage.create(uri) as file:
        file.write(b"x" * 1_000_000)
        assert not case.storage.exists(uri)
        assert listed(case) == []
    assert listed(case) == ["a"]


def test_an_exception_leaves_nothing(case):
    uri = case.base + "a/b"
    fail_while_writing(case.storage, uri, ZeroDivisionError)
    assert not case.storage.exists(uri)
    assert listed(case) == []


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_leaves_what_was_there(case, error):
    uri = case.base + "a"
    write(case.storage, uri, b"before")
    fail_while_writing(case.storage, uri, error)
    assert read(case.storage, uri) == b"before"
    assert listed(case) == ["a"]


def test_the_last_writer_wins_and_an_open_reader_is_not_torn(case):
    uri = case.base + "a"
    write(case.storage, uri, b"first")
    with case.storage.open(uri) as file:
        write(case.storage, uri, b"second one")
        assert file.read() == b"first"
    assert read(case.storage, uri) == b"second one"
    assert case.storage.stat(uri).size == 10


def test_listing_is_sorted_by_the_bytes_of_the_whole_key(case):
    keys = ["a.txt", "a/b", "a/c/d", "a0", "a-", "B", "é", "e", "z/é", "z/e\u0301", "z/\U0001f986"]
    for key in keys:
        write(case.storage, case.base + key, b"1")
    assert listed(case) == sorted(keys, key=str.encode)


def test_a_prefix_is_a_prefix_of_the_text_not_a_folder(case):
    for key in ("photo/1", "photo/2", "photograph", "photo.jpg", "pho", "other/photo"):
        write(case.storage, case.base + key, b"1")
    assert listed(case, "photo") == ["photo.jpg", "photo/1", "photo/2", "photograph"]
    assert listed(case, "photo/") == ["photo/1", "photo/2"]
    assert listed(case, "photo/2") == ["photo/2"]
    assert listed(case, "nothing") == []
    assert listed(case, "photo/1/") == []


def test_deleting_is_idempotent(case):
    uri = case.base + "a/b/c"
    write(case.storage, uri, b"1")
    case.storage.delete(uri)
    case.storage.delete(uri)
    assert not case.storage.exists(uri)
    assert listed(case) == []
    write(case.storage, uri, b"2")
    assert read(case.storage, uri) == b"2"


@pytest.mark.parametrize("act", ["open", "stat"])
def test_what_is_missing_is_told_so(case, act):
    write(case.storage, case.base + "folder/file", b"1")
    for uri in (
        case.base + "none",
        case.base + "folder",
        case.base + "folder/file/below",
        case.missing_bucket + "key",
    ):
        with pytest.raises(ObjectNotFoundError) as missing:
            getattr(case.storage, act)(uri)
        assert missing.value.uri == uri
        assert isinstance(missing.value, StorageError)
        assert not case.storage.exists(uri)


def test_names_are_taken_as_they_are(case):
    keys = ["with space", "per%20cent%2F", "plus+", "q?x=1", "#hash", "a&b<c>\"'", "new\nline"]
    keys += ["back\\slash", "..a", "a..", "...", ".hidden", "~", "x" * 200 + ".jpg", "\x01\x7f"]
    for key in keys:
        write(case.storage, case.base + key, key.encode())
    assert listed(case) == sorted(keys, key=str.encode)
    for key in keys:
        assert read(case.storage, case.base + key) == key.encode()


# Names that no file can have; what cannot leave through boto3 unchanged is tested in the raw.
ODD = ["a", "a/b", "a/b/c", "a//b", "a/", "//", "x" * 256, "x" * 1024, "n\0ul", "a/b//", "b/", "b"]


@pytest.mark.parametrize("case", ["memory", "folder", "served", "router"], indirect=True)
@pytest.mark.parametrize("order", ["forth", "back"])
def test_objects_have_keys_that_no_file_can_have(case, order):
    keys = ODD if order == "forth" else ODD[::-1]
    for key in keys:
        write(case.storage, case.base + key, key.encode())
    assert listed(case) == sorted(ODD, key=str.encode)
    assert listed(case, "a/") == sorted((k for k in ODD if k.startswith("a/")), key=str.encode)
    for key in keys:
        assert read(case.storage, case.base + key) == key.encode()
    for key in keys:
        case.storage.delete(case.base + key)
    assert listed(case) == []


KEYS = st.lists(
    st.text(st.sampled_from("ab/.é\0\\"), min_size=1, max_size=6), min_size=1, max_size=8
)


@given(keys=KEYS, prefix=st.text("ab/.", max_size=3))
@example(keys=["..", "../..", "a/../../b", "/", "/etc/passwd"], prefix="")
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_keeps_any_keys_as_memory_does(tmp_path, keys, prefix):
    folder, memory = FolderStorage(tmp_path), MemoryStorage()
    base = f"s3://bucket-{next(counter)}/"
    for number, key in enumerate(keys):
        for storage in (folder, memory):
            write(storage, base + key, str(number).encode())
    assert [s.uri for s in folder.list(base + prefix)] == [
        s.uri for s in memory.list(base + prefix)
    ]
    assert all(read(folder, base + key) == read(memory, base + key) for key in keys)
    for key in keys[::2]:
        for storage in (folder, memory):
            storage.delete(base + key)
    assert [s.uri for s in folder.list(base)] == [s.uri for s in memory.list(base)]
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith("bucket-")} == {".gt"}
    folder.objects.close()


def test_a_router_refuses_what_neither_side_knows():
    router = Router(s3=MemoryStorage(), local=MemoryStorage())
    with pytest.raises(StorageError, match="neither an s3:// address nor a path"):
        router.exists("https://example.com/x")


@pytest.mark.parametrize("case", ["folder", "served"], indirect=True)
@pytest.mark.parametrize(
    "uri", ["s3://", "s3://B/x", "s3://../x", "s3://.gt/x", "plain/x", "s3://a/x"]
)
def test_an_address_that_names_no_bucket_is_refused(case: Case, uri: str):
    for act in (case.storage.open, case.storage.stat, case.storage.delete, _created(case.storage)):
        with pytest.raises(StorageError):
            act(uri)


def _created(storage: Storage) -> Callable[[str], None]:
    return lambda uri: write(storage, uri, b"1")


def grown(case: Case, *pieces: bytes, token: str = "", size: int = 0) -> Growing:
    growing = case.storage.grow(case.base + "a/grown.rec", token=token, size=size)
    for piece in pieces:
        growing.append([piece[:7], b"", piece[7:]])
        growing.hasten()
    return growing


MIB = 1 << 20


@pytest.mark.parametrize("sizes", [(), (1,), (0,), (9, 3), (7 * MIB, 5 * MIB, 6 * MIB, 5)])
def test_what_has_grown_appears_when_it_is_published(case: Case, sizes):
    uri = case.base + "a/grown.rec"
    write(case.storage, uri, b"before")
    pieces = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    growing = grown(case, *pieces)
    assert growing.size == sum(sizes)
    assert read(case.storage, uri) == b"before"
    growing.publish()
    growing.close()
    assert read(case.storage, uri) == b"".join(pieces)
    assert listed(case) == ["a/grown.rec"]


@pytest.mark.parametrize("beyond", [0, 3, 6 * MIB])
def test_a_later_run_goes_on_behind_what_was_kept(case: Case, beyond):
    first = b"x" * (6 * MIB)
    growing = grown(case, first, b"y" * beyond)
    growing.close()  # S3 sends in the background
    growing.append([])
    note = growing.token, len(first)
    assert listed(case) == []
    again = grown(case, b"behind", token=note[0], size=note[1])
    assert again.size == len(first) + 6
    again.publish()
    assert read(case.storage, case.base + "a/grown.rec") == first + b"behind"
    late = grown(case, b"new", token=note[0], size=note[1])
    assert late.size == 3  # that token is used up
    late.discard()
    assert read(case.storage, case.base + "a/grown.rec") == first + b"behind"


@pytest.mark.parametrize("change", ["shorter", "discarded", "other"])
def test_what_is_not_as_it_was_left_begins_anew(case: Case, change):
    growing = grown(case, b"x" * (6 * MIB))
    growing.close()
    growing.append([])
    token, size = growing.token, growing.kept
    assert size
    if change == "discarded":
        growing.discard()
    growing.close()
    if change == "shorter":
        size += 1
    if change == "other":
        token = "../../etc/passwd"
    again = grown(case, b"anew", token=token, size=size)
    assert again.size == 4
    again.publish()
    assert read(case.storage, case.base + "a/grown.rec") == b"anew"


def test_many_objects_are_read_in_order_and_each_has_its_own_outcome(case: Case):
    data = {f"m/{number:02}": bytes([number]) * (number * 100) for number in range(30)}
    for key, value in data.items():
        write(case.storage, case.base + key, value)
    keys = [*data, "m/none", "m", *reversed(data)]
    found = list(case.storage.read_all((case.base + key for key in keys), limit=2000))
    assert [outcome.item for outcome in found] == [case.base + key for key in keys]
    for key, outcome in zip(keys, found, strict=True):
        if key in data:
            assert outcome.result() == data[key][:2000]
        else:
            assert isinstance(outcome.error, ObjectNotFoundError)


def test_reading_many_can_be_left_early(case: Case):
    for number in range(20):
        write(case.storage, f"{case.base}{number:02}", b"1")
    for _ in case.storage.read_all([f"{case.base}{n:02}" for n in range(20)], limit=9):
        break
    assert case.storage.exists(case.base + "19")


@pytest.mark.parametrize("case", ["folder", "router"], indirect=True)
def test_reading_many_follows_no_link_out_of_the_folder(case: Case, tmp_path: Path):
    write(case.storage, case.base + "m/in", b"inside")
    folder = tmp_path / case.base.removeprefix("s3://") / "m"
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "away").symlink_to("/etc")
    uris = [case.base + key for key in ("m/in", "m/link", "m/away/passwd", "m/..", "m/.")]
    first, *others = case.storage.read_all(uris, limit=9)
    assert first.result() == b"inside"
    assert all(isinstance(other.error, ObjectNotFoundError) for other in others)


def test_reading_many_tells_of_each_address_that_no_side_knows():
    router = Router(s3=MemoryStorage({"s3://b/x": b"1"}), local=MemoryStorage())
    found = list(router.read_all(["ftp://h/1", "ftp://h/2", "s3://b/x", "x"], limit=9))
    assert [type(one.error) for one in found[:2]] == [RefusedError] * 2
    assert found[2].result() == b"1"
    assert isinstance(found[3].error, ObjectNotFoundError)


GUARDED = ["memory", "local", "folder", "router"]


@pytest.mark.parametrize("case", GUARDED, indirect=True)
def test_one_run_at_a_time_writes_into_a_folder(case: Case):
    folder = case.base + "deep/out"
    with case.storage.exclusive(folder), case.storage.exclusive(case.base + "other"):
        write(case.storage, f"{folder}/a", b"1")
        with pytest.raises(BusyError, match="another run is writing into"):
            case.storage.exclusive(folder + "/").__enter__()
    with pytest.raises(ZeroDivisionError), case.storage.exclusive(folder):
        raise ZeroDivisionError
    with case.storage.exclusive(folder):
        assert listed(case) == ["deep/out/a"]


@pytest.mark.parametrize("case", [kind for kind in KINDS if kind not in GUARDED], indirect=True)
def test_where_a_prefix_cannot_be_guarded_nothing_is_in_the_way(case: Case):
    with case.storage.exclusive(case.base + "out"), case.storage.exclusive(case.base + "out"):
        assert listed(case) == []


def test_each_object_has_a_place_of_its_own(case: Case):
    uris = [case.base + key for key in ("a", "a/b", "b", "")]
    assert len({case.storage.place(uri) for uri in uris}) == len(uris)
    assert not case.storage.exists(uris[0])


def test_an_object_and_its_file_have_one_place(tmp_path: Path):
    router = Router(s3=FolderStorage(tmp_path), local=LocalFiles())
    assert router.place("s3://bucket/a/b") == router.place(f"{tmp_path}//bucket/./a/b")
