"""What waits in memory, and in a temporary file once it is much."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack

import pytest

from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.workflow.channels.report import HELD, Spool
from gt_workflow.workflow.channels.samples import snapshot

PIECES = [b"x" * (number % 7) + b"%d" % number for number in range(200)]


@pytest.mark.parametrize("held", [0, 1, 50, 500, HELD])
def test_what_was_put_in_comes_out_by_its_place(held):
    with ExitStack() as stack:
        spool = Spool(stack, held=held)
        for piece in PIECES:
            spool.append(piece)
        assert len(spool) == len(PIECES)
        assert list(spool) == PIECES
        assert [spool[place] for place in (199, 0, 198, 3)] == [
            PIECES[place] for place in (199, 0, 198, 3)
        ]


def test_an_empty_one_has_nothing():
    with ExitStack() as stack:
        assert list(Spool(stack)) == []


@pytest.mark.parametrize("size", [0, 5, HELD, HELD + 1, 2 * HELD + 12345])
def test_a_snapshot_is_what_was_there_whatever_happens_to_it_later(size):
    data = (b"0123456789\n" * (size // 11 + 1))[:size]
    storage = MemoryStorage({"s3://b/x": data})
    with snapshot(storage, "s3://b/x") as (file, digest):
        storage.objects["s3://b/x"] = b"another"
        assert digest == hashlib.sha256(data).hexdigest()
        assert file.read() == data
        file.seek(0)
        assert sum(len(line) for line in file) == size
