"""Folders as people have them: nothing is lost in silence, nothing is opened that could hang."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from gt_workflow.adapters.walk import LocalFolders
from gt_workflow.errors import StorageError

FOLDERS = LocalFolders()
NOBODY = 65_534


def put(path, data=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def walk(folder, **options):
    """Name → (size, problem, skip) of everything found; each name once."""
    found = list(FOLDERS.walk(str(folder), **options))
    assert len({entry.path for entry in found}) == len(found)
    return {entry.name: (entry.size, entry.problem, entry.skip) for entry in found}


def test_names_are_paths_below_the_folder_whatever_they_are_made_of(tmp_path):
    names = ["a b.jpg", "größe/日本.jpg", "#?%+&=.jpg", "new\nline.jpg", "x/" + "y" * 250 + ".jpg"]
    names += ["/".join(["d" * 50] * 6) + "/300.jpg", "x/same.jpg", "y/same.png", "'\"\\.jpg"]
    for name in names:
        put(tmp_path / name, b"123")
    assert walk(tmp_path) == dict.fromkeys(names, (3, "", ""))


def test_a_name_that_is_no_utf8_is_shown_escaped_and_can_be_read(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.jpg")  # noqa: PTH118 - bytes
    Path(os.fsdecode(path)).write_bytes(b"coffee")
    (found,) = FOLDERS.walk(str(tmp_path))
    assert found.name == "caf\\xe9.jpg"
    found.name.encode()
    assert FOLDERS.read(found.path, limit=99) == b"coffee"


def test_hidden_things_are_skipped_with_all_below_them(tmp_path):
    for name in (".git/a.jpg", ".b.jpg", "__MACOSX/c.jpg", "Thumbs.db", "deep/._d.jpg"):
        put(tmp_path / name)
    put(tmp_path / "deep" / "e.jpg")
    found = walk(tmp_path)
    assert found.pop("deep/e.jpg") == (1, "", "")
    assert sorted(found) == [".b.jpg", ".git", "Thumbs.db", "__MACOSX", "deep/._d.jpg"]
    assert {skip for _, _, skip in found.values()} == {"hidden"}


def test_links_to_files_are_files(tmp_path):
    put(tmp_path / "elsewhere" / "far.jpg", b"far")
    folder = tmp_path / "folder"
    put(folder / "near.jpg", b"near")
    (folder / "link.jpg").symlink_to("near.jpg")
    (folder / "out.jpg").symlink_to(tmp_path / "elsewhere" / "far.jpg")
    (folder / "dangling.jpg").symlink_to("nowhere")
    (folder / "self.jpg").symlink_to("self.jpg")
    assert walk(folder) == {
        "near.jpg": (4, "", ""),
        "link.jpg": (4, "", ""),
        "out.jpg": (3, "", ""),
        "dangling.jpg": (0, "a link to nothing", ""),
        "self.jpg": (0, "a link that leads back to itself", ""),
    }


def test_a_folder_is_walked_once_however_many_links_lead_to_it(tmp_path):
    folder = tmp_path / "folder"
    put(folder / "z" / "real.jpg")
    put(tmp_path / "outside" / "out.jpg")
    (folder / "a").symlink_to("z")  # sorts before the real folder
    (folder / "z" / "loop").symlink_to(folder)
    (folder / "m").symlink_to(tmp_path / "outside")
    (tmp_path / "outside" / "back").symlink_to(folder)
    found = walk(folder)
    assert found.pop("z/real.jpg") == (1, "", "")
    assert found.pop("m/out.jpg") == (1, "", "")
    assert {skip for _, _, skip in found.values()} == {"folder already read"}


def test_a_thicket_of_links_takes_no_exponential_time(tmp_path):
    for level in range(30):
        put(tmp_path / f"d{level:02}" / "p.jpg")
        for name in ("a", "b", "c"):
            (tmp_path / f"d{level:02}" / name).symlink_to(f"../d{level + 1:02}")
    found = [entry for entry in walk(tmp_path).values() if entry == (1, "", "")]
    assert len(found) == 30


def test_pipes_sockets_and_devices_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    short = Path(tempfile.mkdtemp(prefix="s"))  # a socket's path has 107 bytes at most
    (short / "link").symlink_to(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short / "link" / "socket.jpg"))
    shutil.rmtree(short)
    assert walk(tmp_path) == dict.fromkeys(
        ("pipe.jpg", "device.jpg", "socket.jpg"), (0, "", "no regular file")
    )
    for name in ("pipe.jpg", "device.jpg"):
        with pytest.raises(StorageError, match="it is no regular file"):
            FOLDERS.read(str(tmp_path / name), limit=9)
    with pytest.raises(StorageError):
        FOLDERS.read(str(tmp_path / "socket.jpg"), limit=9)


def test_folders_are_left_out_on_request_whatever_they_are_called(tmp_path):
    put(tmp_path / "data" / "copy.jpg")
    put(tmp_path / "own.jpg")
    (tmp_path / "alias").symlink_to("data")
    found = walk(tmp_path, exclude=[str(tmp_path / "alias"), str(tmp_path / "not there")])
    assert found == {
        "own.jpg": (1, "", ""),
        "data": (0, "", "left out as asked"),
        "alias": (0, "", "left out as asked"),
    }


def test_what_is_no_folder_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="there is no such folder"):
        list(FOLDERS.walk(str(tmp_path / "none")))
    with pytest.raises(StorageError, match="it is no folder"):
        list(FOLDERS.walk(str(put(tmp_path / "file.jpg"))))


@pytest.fixture
def unprivileged():
    """A folder, and this process without the right to read everything."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700)
        shutil.rmtree(folder)


def test_what_may_not_be_read_is_told(unprivileged):
    put(unprivileged / "locked" / "in.jpg")
    (unprivileged / "locked").chmod(0)
    put(unprivileged / "secret.jpg").chmod(0)
    put(unprivileged / "open.jpg")
    assert walk(unprivileged) == {
        "locked": (0, "the folder cannot be listed: permission denied", ""),
        "secret.jpg": (1, "", ""),
        "open.jpg": (1, "", ""),
    }
    with pytest.raises(StorageError, match="permission denied"):
        FOLDERS.read(str(unprivileged / "secret.jpg"), limit=9)
    with pytest.raises(StorageError, match="permission denied"):
        list(FOLDERS.walk(str(unprivileged / "locked")))


def test_a_folder_that_is_listed_but_not_entered_tells_of_its_files(unprivileged):
    put(unprivileged / "shown" / "in.jpg")
    (unprivileged / "shown").chmod(0o400)
    try:
        assert walk(unprivileged) == {"shown/in.jpg": (0, "permission denied", "")}
    finally:
        (unprivileged / "shown").chmod(0o700)


def test_reading_stops_at_the_limit(tmp_path):
    path = put(tmp_path / "a.jpg", b"0123456789")
    assert FOLDERS.read(str(path), limit=4) == b"0123"
    assert FOLDERS.read(str(path), limit=99) == b"0123456789"
    assert FOLDERS.read(str(put(tmp_path / "empty.jpg", b"")), limit=9) == b""
    with pytest.raises(StorageError, match="vanished"):
        FOLDERS.read(str(tmp_path / "gone.jpg"), limit=9)


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path):
    path = put(tmp_path / "a.jpg", bytes(100))

    def reader(interfere):
        def read_some(descriptor, count):
            interfere()
            return os.read(descriptor, count)

        return LocalFolders(read_some)

    for interfere in (
        lambda: os.truncate(path, 50),
        lambda: path.write_bytes(bytes(200)),
        lambda: os.utime(path, (1, 1)),
    ):
        path.write_bytes(bytes(100))
        with pytest.raises(StorageError, match="it changed while it was read"):
            reader(interfere).read(str(path), limit=1000)
    path.write_bytes(bytes(100))
    assert reader(lambda: path.unlink(missing_ok=True)).read(str(path), limit=1000) == bytes(100)
