"""The command behind `scripts/bench`; every figure of speed in the docs comes from here.

Each `scripts/bench_NAME.py` that has `rows` is a bench. Figures go to bench/results.json, which
is kept between runs and not committed; the README's table is written from it.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from bench_frame import ROOT, PeerMissingError, Row, RunFailedError, missing, progress

HERE = Path(__file__).parent
RESULTS = ROOT / "bench" / "results.json"
MARKS = re.compile(r"(<!-- speed -->\n).*?(<!-- /speed -->)", re.DOTALL)
ORDER = ("augment", "manifest", "recordio", "pack", "s3", "split", "help", "service", "page")


def main(words: Sequence[str], *, home: Path = HERE, results: Path = RESULTS) -> int:
    """Run benches, print and keep their rows; return 1 if one of them broke, else 0."""
    modules = benches(home)
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=(__doc__ or "").split(";")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(modules)}; or all")
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--quick", action="store_true", help="tiny inputs: does it run; kept nowhere"
    )
    parser.add_argument(
        "--readme", action="store_true", help="write the README's table of the last results; no run"
    )
    chosen, further = parser.parse_known_args(words)
    if unknown := sorted(set(chosen.names) - set(modules)):
        parser.error(f"no bench {', '.join(unknown)}; there are {', '.join(modules)}")
    if chosen.readme:
        return write_readme(json.loads(results.read_text()))
    if further:
        return _own_options(parser, modules, chosen.names, further)
    names = [name for name in modules if name in chosen.names or not chosen.names]
    rounds = 1 if chosen.quick else chosen.rounds
    found = {name: _bench(modules[name], name, rounds=rounds, quick=chosen.quick) for name in names}
    progress("")
    if not chosen.quick:
        keep(results, found)
    print(json.dumps(found, indent=2) if chosen.json else table(found))
    return int(any("broken" in one for one in found.values()))


def benches(home: Path) -> dict[str, ModuleType]:
    """Return the benches of a folder by name, those of `ORDER` first."""
    found = {}
    for file in sorted(home.glob("bench_*.py")):
        if re.search(r"^def rows\(", file.read_text(encoding="utf-8"), re.MULTILINE):
            specification = importlib.util.spec_from_file_location(file.stem, file)
            assert specification is not None
            assert specification.loader is not None
            module = importlib.util.module_from_spec(specification)
            sys.modules[file.stem] = module  # dataclasses look their module up
            specification.loader.exec_module(module)
            found[file.stem.removeprefix("bench_")] = module
    named = [name for name in ORDER if name in found]
    return {name: found[name] for name in [*named, *(name for name in found if name not in named)]}


def _bench(module: ModuleType, name: str, *, rounds: int, quick: bool) -> dict[str, Any]:
    """Run one bench in a folder of its own; a broken one is a row that says so."""
    began = time.perf_counter()
    told: dict[str, Any] = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "rounds": rounds}
    with tempfile.TemporaryDirectory(prefix=f"gt-bench-{name}-") as work:
        try:
            rows: list[Row] = module.rows(Path(work), rounds, quick=quick)
        except (PeerMissingError, RunFailedError, subprocess.CalledProcessError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            last = str(error).splitlines()[-1]
            rows, told["broken"] = [missing(name, peer_name="", reason=last)], last
    return {
        **told,
        "seconds": round(time.perf_counter() - began, 1),
        "rows": [dataclasses.asdict(row) | {"verdict": row.verdict} for row in rows],
    }


def _own_options(
    parser: argparse.ArgumentParser,
    modules: Mapping[str, ModuleType],
    names: Sequence[str],
    words: Sequence[str],
) -> int:
    """Give options that are not ours to the one bench that is named."""
    if len(names) != 1 or not hasattr(modules[names[0]], "options"):
        parser.error(f"unknown: {' '.join(words)}")
    modules[names[0]].options(words)
    return 0


def keep(results: Path, found: Mapping[str, Any]) -> None:
    """Lay the figures beside those of earlier runs."""
    before = json.loads(results.read_text()) if results.exists() else {}
    kept = {**before.get("benches", {}), **found}
    results.parent.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), "benches": kept}, indent=2)
    results.write_text(text + "\n")


def machine() -> str:
    """Return what the figures were measured on."""
    model, memory = platform.processor() or platform.machine(), 0.0
    for file, pattern in (("cpuinfo", r"model name\s*: (.+)"), ("meminfo", r"MemTotal:\s*(\d+)")):
        path = Path("/proc") / file
        if path.exists() and (match := re.search(pattern, path.read_text())):
            if file == "cpuinfo":
                model = match[1].strip()
            else:
                memory = int(match[1]) / 2**20
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model}, {memory:.0f} GiB, Python {platform.python_version()}"


def table(found: Mapping[str, Any]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| work | ours | peer | ratio [quartiles] | bar | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for bench in found.values():
        lines += [_line(row) for row in bench["rows"]]
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    if row["reason"]:
        return f"| {row['work']} | | {row['peer']} | | | not measured: {row['reason']} |"
    ours = f"{_number(row['ours'])} {row['unit']}{_memory(row['memory'])}"
    theirs, ratio = "", ""
    if row["theirs"] is not None:
        theirs = f"{row['peer']}: {_number(row['theirs'])}{_memory(row['peer_memory'])}"
        ratio = f"{_number(row['ratio'])} "
    if row["rounds"] > 1:
        ratio += f"[{_number(row['low'])} to {_number(row['high'])}]"
    sign = "≤" if row["at_most"] else "≥"
    bar = "" if row["bar"] is None else f"{sign} {_number(row['bar'])}"
    return f"| {row['work']} | {ours} | {theirs} | {ratio} | {bar} | {row['verdict']} |"


def _number(value: float) -> str:
    """Return three digits that count, and thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 3 if abs(value) < 0.1 else 2 if abs(value) < 10 else 1
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") or "0"


def _memory(value: float | None) -> str:
    return "" if not value else f" ({value:.0f} MB)"


def write_readme(kept: Mapping[str, Any], readme: Path = ROOT / "README.md") -> int:
    """Write the table between the README's marks; return 2 if there are none."""
    dates = sorted({bench["date"] for bench in kept["benches"].values()})
    rounds = sorted({bench["rounds"] for bench in kept["benches"].values()})
    said = (
        f"`scripts/bench` on {' to '.join(dates[:1] + dates[1:][-1:])}, {kept['machine']}; "
        f"medians of {' to '.join(map(str, rounds[:1] + rounds[1:][-1:]))} interleaved rounds.\n\n"
    )
    inside = said + table(dict(sorted(kept["benches"].items(), key=_place))) + "\n"
    before = readme.read_text(encoding="utf-8")
    after, count = MARKS.subn(lambda match: match[1] + inside + match[2], before)
    if count != 1:
        print("README.md: the marks of the table of speed are missing", file=sys.stderr)
        return 2
    readme.write_text(after, encoding="utf-8")
    return 0


def _place(item: tuple[str, Any]) -> tuple[int, str]:
    name = item[0]
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
