"""Small pictures for the contact sheet: made once, beside everything else, for admins alone."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO

import pytest
from PIL import Image
from portal_house import House, image
from starlette.exceptions import HTTPException

from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.core.objects import MAX_IMAGE_BYTES
from gt_workflow.errors import DataError, StorageError
from gt_workflow.ports import Stat
from gt_workflow.service.faults import Fault
from gt_workflow.service.portal.thumbnails import Thumbnails

URI = "s3://bucket/photo.jpg"
PLACE = "/_/api/admin/thumbnail"


class Dated(MemoryStorage):
    """Objects that are replaced tell it by their date."""

    def __init__(self) -> None:
        super().__init__()
        self.age = 0

    def stat(self, uri: str) -> Stat:
        seen = super().stat(uri)
        return Stat(uri, seen.size, seen.modified + timedelta(seconds=self.age))


class Maker:
    """Makes pictures of a stated size, and counts."""

    def __init__(self, size: int = 10) -> None:
        self.size = size
        self.made: list[bytes] = []

    def __call__(self, file: BinaryIO) -> bytes:
        self.made.append(file.read())
        return self.made[-1][:1] * self.size


@pytest.fixture
def storage() -> MemoryStorage:
    storage = Dated()
    storage.objects[URI] = b"one"
    return storage


def get(thumbnails: Thumbnails, *uris: str) -> list[bytes]:
    async def all_at_once() -> list[bytes]:
        return await asyncio.gather(*map(thumbnails.get, uris))

    return asyncio.run(all_at_once())


def test_one_is_made_however_many_ask(storage):
    maker = Maker()
    thumbnails = Thumbnails(storage=storage, make=maker)
    assert get(thumbnails, *[URI] * 20) == [b"o" * 10] * 20
    assert get(thumbnails, URI) == [b"o" * 10]
    assert maker.made == [b"one"]


def test_an_image_that_was_replaced_is_shown_as_it_is_now(storage):
    thumbnails = Thumbnails(storage=storage, make=Maker())
    get(thumbnails, URI)
    storage.objects[URI] = b"two"
    storage.age = 1
    assert get(thumbnails, URI) == [b"t" * 10]


def test_the_least_lately_seen_are_dropped(storage):
    maker = Maker(size=10)
    thumbnails = Thumbnails(storage=storage, make=maker, most_bytes=30)
    uris = [f"s3://bucket/{number}" for number in range(4)]
    for number, uri in enumerate(uris):
        storage.objects[uri] = b"%d" % number
    get(thumbnails, *uris[:3])
    get(thumbnails, uris[0])
    get(thumbnails, uris[3])
    maker.made.clear()
    get(thumbnails, uris[0])
    assert maker.made == []
    get(thumbnails, uris[1])
    assert maker.made == [b"1"]


def test_what_cannot_be_shown_is_refused_and_not_kept(storage):
    def fail(file: BinaryIO) -> bytes:
        raise DataError(f"{file.read()!r} is damaged", uri=URI)

    refusing = Thumbnails(storage=storage, make=fail)
    with pytest.raises(HTTPException) as refused:
        get(refusing, URI)
    assert refused.value.status_code == 415
    with pytest.raises(Fault, match="not there any more"):
        get(refusing, "s3://bucket/gone.jpg")


def test_what_is_too_large_is_not_even_opened(storage):
    class Huge(MemoryStorage):
        def stat(self, uri: str) -> Stat:
            return Stat(uri, MAX_IMAGE_BYTES + 1, storage.stat(URI).modified)

    with pytest.raises(HTTPException) as refused:
        get(Thumbnails(storage=Huge(), make=Maker()), URI)
    assert refused.value.status_code == 415


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def ask(house: House, arn: str, headers: dict[str, str], index: Any = 0) -> Any:
    return house.call("GET", f"{PLACE}?job_arn={arn}&index={index}", headers=headers)


def test_an_admin_sees_a_photograph_small(house):
    arn, admin = house.job(), house.sign_in("Root", role="admin")
    large = image(size=(4000, 3000))
    house.storage.objects["s3://bucket/cats/photo 0.jpg"] = large
    reply = ask(house, arn, admin)
    assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")
    assert reply.headers["cache-control"] == "private, max-age=900"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert Image.open(io.BytesIO(reply.body)).size == (480, 360)
    whole = house.call("GET", f"/_/api/admin/image?job_arn={arn}&index=0", headers=admin)
    assert whole.body == large


def test_nobody_else_does(house):
    arn, admin, ada = house.job(), house.sign_in("Root", role="admin"), house.sign_in("Ada")
    assert ask(house, arn, ada).status == 403
    assert ask(house, arn, {}).status == 401
    assert ask(house, arn, admin | {"sec-fetch-site": "cross-site"}).status == 403
    # An <img> cannot send the page's header.
    assert ask(house, arn, {"cookie": admin["cookie"]}).status == 200


@pytest.mark.parametrize(
    ("index", "status"), [(-1, 422), ("0x1", 422), ("9" * 30, 422), ("", 422), (99, 404)]
)
def test_an_index_that_is_none(house, index, status):
    arn, admin = house.job(), house.sign_in("Root", role="admin")
    assert ask(house, arn, admin, index).status == status


def test_what_is_wrong_with_the_image_has_its_status(house):
    arn, admin = house.job(), house.sign_in("Root", role="admin")
    house.storage.objects["s3://bucket/cats/photo 0.jpg"] = b"<svg onload='alert(1)'/>"
    assert ask(house, arn, admin).status == 415
    del house.storage.objects["s3://bucket/cats/photo 0.jpg"]
    assert ask(house, arn, admin).status == 404

    def broken(uri: str) -> BinaryIO:
        raise StorageError("out of reach: the key is s3cret", uri=uri)

    house.storage.open = broken
    reply = ask(house, arn, admin, 1)
    assert reply.status == 503
    assert b"s3cret" not in reply.body


def test_no_transaction_is_open_while_one_is_made(house):
    arn, admin = house.job(), house.sign_in("Root", role="admin")
    written = threading.Event()
    read = house.storage.open

    def meanwhile(uri: str) -> BinaryIO:
        with house.store.write() as connection:
            connection.exec_driver_sql("UPDATE objects SET width = NULL")
        written.set()
        return read(uri)

    house.storage.open = meanwhile
    assert ask(house, arn, admin).status == 200
    assert written.is_set()
