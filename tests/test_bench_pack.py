"""The benchmark of packing runs: bucket to bucket over our own S3, killed and gone on with."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def test_two_hundred_images_are_packed_and_again_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    sys.modules.pop("bench_pack", None)
    import bench_pack

    found = bench_pack.rows(tmp_path, 1, quick=True)  # it compares the bytes itself
    assert len(found) == 4
    assert all(row.ratio > 0 for row in found)
