"""`scripts/bench split`: a million lines with perceptual hashes become train, validation and test.

The whole command is measured, clusters of near-duplicates and the balance of classes included.
`--distances` shows instead what is joined and missed at which distance, on the shared raccoons.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench_frame import Measure, Row, growth, interleave, run, value

LINES, QUICK = 1_000_000, 1000
NAMES = ("degu", "wheel", "house", "bowl")


def rows(work: Path, rounds: int, *, quick: bool = False) -> list[Row]:
    """Split a manifest and a tenth of it; once each, or every round if there are few lines."""
    lines = QUICK if quick else LINES
    small, large = (_make(work / f"{count}.manifest", count) for count in (lines // 10, lines))
    figures = interleave(
        {
            "a tenth": partial(_split, small, lines // 10),
            "ours": partial(_split, large, lines),
        },
        rounds=min(rounds, 3),
        name="split",
    )
    what = f"`split`: {lines:,} lines with perceptual hashes"
    rates = [measure.rate("core") for measure in figures["ours"]]
    memory = max(measure.memory for measure in figures["ours"])
    return [
        value(rates, work=what, unit="lines/s, one core", memory=memory),
        growth(figures["a tenth"], figures["ours"], work=f"{what}, against a tenth of them"),
    ]


def options(words: Sequence[str]) -> None:
    """Take `--distances`: compare distances instead."""
    if list(words) != ["--distances"]:
        raise SystemExit(f"unknown: {' '.join(words)}; there is --distances")
    import near_duplicates

    near_duplicates.compare()


def _split(manifest: Path, lines: int) -> Measure:
    out = manifest.with_suffix("")
    shutil.rmtree(out, ignore_errors=True)
    command: list[str | Path] = [sys.executable, "-m", "gt_workflow", "split", manifest]
    return run([*command, "--out", out], amount=lines, cwd=manifest.parent)


def _make(file: Path, count: int) -> Path:
    """Write labelled lines; of a hundred photographs, five look like the one before."""
    chance = random.Random(0)  # noqa: S311 - the same lines each time, no secret
    with file.open("w", encoding="utf-8") as manifest:
        look = 0
        for number in range(count):
            again = chance.random() < 0.05
            look = look ^ (1 << chance.randrange(64)) if again else chance.getrandbits(64)
            manifest.write(json.dumps(_line(chance, number, look)) + "\n")
    return file


def _line(chance: random.Random, number: int, look: int) -> dict[str, object]:
    ids = chance.choices(range(len(NAMES)), [50, 30, 15, 5], k=chance.choice((0, 1, 1, 1, 2, 3)))
    metadata = {
        "objects": [{"confidence": 0.9} for _ in ids],
        "class-map": {str(one): NAMES[one] for one in sorted(set(ids))},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00.000001",
        "job-name": "labeling-job/bench",
    }
    boxes = [{"class_id": one, "left": 8, "top": 9, "width": 40, "height": 50} for one in ids]
    size = [{"width": 640, "height": 480, "depth": 3}]
    return {
        "source-ref": f"s3://bucket/photographs/{number:07}.jpg",
        "origin": f"{chance.getrandbits(64):016x}",
        "photograph": f"{number:07}.jpg",
        "perceptual-hash": f"{look:016x}",
        "boxes": {"image_size": size, "annotations": boxes},
        "boxes-metadata": metadata,
    }
