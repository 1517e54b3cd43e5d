"""The benchmark of manifests: what it makes is what convert passes on, and peers may be missing."""

from __future__ import annotations

import sys
from pathlib import Path

from gt_workflow.core.plain_lines import Rules, sort_out

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def test_a_thousand_lines_are_compared(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    sys.modules.pop("bench_manifest", None)
    import bench_manifest

    def no_peer(name):
        raise bench_manifest.PeerMissingError(name)

    monkeypatch.setattr(bench_manifest, "peer", no_peer)
    found = bench_manifest.rows(tmp_path, 1, quick=True)
    assert [row.verdict for row in found if row.reason] == ["not measured"]
    assert {row.peer for row in found} >= {"copying", "the small input"}
    lines = (tmp_path / "large.manifest").read_bytes().splitlines()
    rules = Rules("bbox", given=False, min_side=1, validation=0.2, salt="")
    assert len(lines) == 1000
    assert not sort_out(lines, rules).verdicts.count(0)
    assert {chr(line[bench_manifest.DIGIT]) for line in lines} == set("0123456789")
    for name in ("json", "copying"):
        train, validation = tmp_path / f"{name}-train", tmp_path / f"{name}-validation"
        getattr(bench_manifest, f"by_{name}")(
            str(tmp_path / "large.manifest"), str(train), str(validation)
        )
        assert train.stat().st_size > 3 * validation.stat().st_size > 0
