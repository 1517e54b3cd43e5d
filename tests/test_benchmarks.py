"""The frame of the benchmarks: pairs of one round, honest verdicts, tables, what is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """The scripts import each other by name, as they do where they are run."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCRIPTS)):
            del sys.modules[name]


def measures(*seconds, amount=100.0, memory=10.0):
    from bench_frame import Measure

    return [Measure(amount=amount, wall=one, cpu=one / 2, memory=memory) for one in seconds]


def test_a_ratio_is_of_runs_of_one_round():
    from bench_frame import against

    # The machine was half as fast in the second round; the ratio does not see it.
    figures = {"ours": measures(1.0, 2.0, 1.0), "peer": measures(3.0, 6.0, 3.0)}
    row = against(figures, "peer", work="w", unit="lines/s", per="wall", bar=3.0)
    assert (row.low, row.ratio, row.high) == pytest.approx((3.0, 3.0, 3.0))
    assert (row.ours, row.theirs) == pytest.approx((100.0, 100 / 3))
    assert row.verdict == "met"
    by_core = against(figures, "peer", work="w", unit="lines/s", per="core", bar=3.01)
    assert by_core.ours == pytest.approx(200.0)
    assert by_core.verdict == "NOT MET"


def test_quartiles_are_those_of_the_rounds():
    from bench_frame import value

    row = value([4.0, 1.0, 3.0, 2.0, 5.0], work="w", unit="MB", bar=3.0, at_most=True)
    assert (row.low, row.ratio, row.high) == (2.0, 3.0, 4.0)
    assert row.verdict == "met"


def test_a_cost_may_be_a_multiple_at_most():
    from bench_frame import against

    figures = {"ours": measures(0.9), "peer": measures(0.1)}
    row = against(figures, "peer", work="w", unit="ms", per="wall", bar=10, cost=True)
    assert row.ratio == pytest.approx(9.0)
    assert row.verdict == "met"


def test_growth_compares_a_large_input_with_a_small_one():
    from bench_frame import growth

    row = growth(measures(1.0, memory=50), measures(1.0, memory=60), work="w", bar=1.1)
    assert row.ratio == pytest.approx(1.2)
    assert row.verdict == "NOT MET"


def test_what_was_not_measured_says_so_and_is_not_met():
    from bench_frame import missing

    assert missing("w", peer_name="polars", reason="no wheel").verdict == "not measured"


def test_rounds_are_interleaved_and_turned_about():
    from bench_frame import interleave

    seen: list[str] = []

    def run(name):
        def measured():
            seen.append(name)
            return measures(1.0)[0]

        return measured

    found = interleave({"a": run("a"), "b": run("b")}, rounds=3, name="test")
    assert seen == ["a", "b", "b", "a", "a", "b"]
    assert {name: len(runs) for name, runs in found.items()} == {"a": 3, "b": 3}


def bench(folder: Path, name: str, body: str) -> None:
    (folder / f"bench_{name}.py").write_text(
        f"from bench_frame import value\n\ndef rows(work, rounds, *, quick=False):\n    {body}\n"
    )


def test_benches_run_by_name_and_their_figures_are_kept(tmp_path, capsys):
    import benchmarks

    results = tmp_path / "kept" / "results.json"
    bench(tmp_path, "one", 'return [value([1.5] * rounds, work="one", unit="s", bar=1.0)]')
    bench(tmp_path, "two", 'return [value([9.0], work="two", unit="s", bar=10.0)]')
    assert benchmarks.main(["--rounds", "2"], home=tmp_path, results=results) == 0
    assert "| two | 9 s |" in capsys.readouterr().out
    assert benchmarks.main(["one", "--rounds", "3", "--json"], home=tmp_path, results=results) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["one"]["rows"][0]["verdict"] == "met"
    kept = json.loads(results.read_text())["benches"]
    assert (kept["one"]["rounds"], kept["two"]["rounds"]) == (3, 2)

    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- speed -->\nold\n<!-- /speed -->\nafter\n")
    assert benchmarks.write_readme(json.loads(results.read_text()), readme) == 0
    text = readme.read_text()
    assert text.startswith("before\n<!-- speed -->\n`scripts/bench` on ")
    assert text.endswith("<!-- /speed -->\nafter\n")
    assert "| two | 9 s |" in text
    assert "old" not in text


def test_a_bench_that_breaks_is_a_row_and_a_status(tmp_path, capsys):
    import benchmarks

    bench(tmp_path, "one", 'raise OSError("the disk is full")')
    results = tmp_path / "results.json"
    assert benchmarks.main([], home=tmp_path, results=results) == 1
    assert "the disk is full" in capsys.readouterr().out


def test_a_quick_run_is_kept_nowhere(tmp_path, capsys):
    import benchmarks

    bench(tmp_path, "one", 'return [value([1.0], work="one", unit="s")]')
    results = tmp_path / "results.json"
    assert benchmarks.main(["--quick"], home=tmp_path, results=results) == 0
    assert not results.exists()
    assert "| one | 1 s |" in capsys.readouterr().out


def test_an_unknown_bench_is_refused(tmp_path, capsys):
    import benchmarks

    with pytest.raises(SystemExit) as ended:
        benchmarks.main(["nothing"], home=tmp_path, results=tmp_path / "results.json")
    assert ended.value.code == 2
    assert "no bench nothing" in capsys.readouterr().err
