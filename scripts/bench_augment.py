"""`scripts/bench augment`: the ten variants of photographs of 1024x768 pixels, quality 90.

`rows(work, rounds)` measures the stage against its peers and the codec alone, one core each, in
interleaved rounds; the quality beside Pillow's; and the whole command on all cores with ten times
as many photographs. What each method does is told in `augment_methods`. The peers' environment is
made once from `peers/augment.lock`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import augment_set
from bench_frame import Measure, Row, against, growth, interleave, peer, run, value

HERE = Path(__file__).parent
WORK = "ten variants of a photograph, 1024x768, quality 90, bilinear turns"
PHOTOGRAPHS, SOME = 98, 16  # as many as the seed had; of the rest, fewer tell as much
BARS = {"albumentations": 1.7, "pillow": 4.0, "codec-rgb": 0.6, "codec-planes": 0.6}
TITLES = {
    "albumentations": "albumentations and OpenCV, reading once",
    "pillow": "Pillow as the seed's script, reading for each",
    "codec-rgb": "libjpeg-turbo alone: one decoded to colours, ten encoded",
    "codec-planes": "libjpeg-turbo alone: one decoded to planes, ten encoded",
}


def rows(work: Path, rounds: int, *, quick: bool = False) -> list[Row]:
    """Measure speed, quality, sizes and growth."""
    count, some = (2, 2) if quick else (PHOTOGRAPHS, SOME)
    memory = Path("/dev/shm")  # noqa: S108 - only used if it is there, in a folder of our own
    if memory.is_dir():
        with tempfile.TemporaryDirectory(prefix="gt-bench-", dir=memory) as folder:
            return _rows(work, Path(folder), rounds, count=count, some=some)
    return _rows(work, work, rounds, count=count, some=some)


def options(words: Sequence[str]) -> None:
    """Take `--box-fit`: compare the fits instead."""
    if list(words) != ["--box-fit"]:
        raise SystemExit(f"unknown: {' '.join(words)}; there is --box-fit")
    import augment_fits

    augment_fits.compare()


def _rows(work: Path, home: Path, rounds: int, *, count: int, some: int) -> list[Row]:
    theirs = peer("augment")
    folder = augment_set.make(home / "set", count)
    few = augment_set.make(home / "few", some)
    pythons = dict.fromkeys(("albumentations", "pillow"), theirs)
    contenders = {
        name: partial(_one, pythons.get(name, Path(sys.executable)), name, folder)
        for name in ("ours", *BARS)
    }
    figures = interleave(contenders, rounds=rounds, name="augment")
    figures |= {TITLES[name]: figures[name] for name in BARS}
    found = [
        against(figures, TITLES[name], work=WORK, unit="images/s", per="core", bar=bar)
        for name, bar in BARS.items()
    ]
    return [*found, *_quality(few), *_command(work, few, rounds)]


def _one(python: Path, name: str, folder: Path) -> Measure:
    # Whoever imports NumPy would be charged for threads that wait for linear algebra; as the
    # commands do without them, so do the peers.
    alone = {"OPENBLAS_NUM_THREADS": "1"}
    return run([python, HERE / "augment_methods.py", name, folder], env=alone)


def _quality(folder: Path) -> list[Row]:
    """Hold PSNR and size against Pillow's, of the same source and the same quality."""
    told = run([sys.executable, HERE / "augment_quality.py", folder]).told

    def row(what: str, unit: str, **bar: Any) -> Row:
        mine, other = told[f"ours {what}"], told[f"pillow {what}"]
        title = {"turned": "turns", "moved": "flips and right angles", "kB": "size of a file"}[what]
        return Row(
            work=f"ten variants: {title}",
            unit=unit,
            peer="Pillow",
            ours=mine,
            theirs=other,
            ratio=mine / other,
            low=mine / other,
            high=mine / other,
            rounds=1,
            **bar,
        )

    return [
        row("turned", "dB of the ideal", bar=1.0),
        row("moved", "dB of the ideal", bar=1.0),
        # As big within a hundredth: who is nearer to the ideal keeps more of its noise.
        row("kB", "kB", bar=1.01, at_most=True),
    ]


def _command(work: Path, folder: Path, rounds: int) -> list[Row]:
    """Run `augment` on all cores, on the set and on ten times as many."""
    small, large = (
        [_whole(work, folder, times, number) for number in range(min(2, rounds))]
        for times in (1, 10)
    )
    what = "`augment` of photographs, start and durable writes included"
    rates = [measure.rate("wall") for measure in large]
    return [
        value(rates, work=what, unit="images/s, all cores", memory=max(m.memory for m in large)),
        growth(small, large, work="`augment` of ten times as many photographs"),
    ]


def _whole(work: Path, folder: Path, times: int, number: int) -> Measure:
    photographs = work / f"photographs-{times}-{number}"
    photographs.mkdir()
    files = sorted(folder.glob("*.jpg"))
    for index in range(times):
        for file in files:
            (photographs / f"{index}-{file.name}").write_bytes(file.read_bytes())
    out = work / f"out-{times}-{number}"
    command = [sys.executable, "-m", "gt_workflow", "augment", photographs, "--out", out, "--json"]
    return run(command, amount=10.0 * times * len(files), cores=None)
