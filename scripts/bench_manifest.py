"""`scripts/bench manifest`: a million lines of an output manifest become two manifests.

Ours is the whole command, `convert --to manifest` with images that are trusted: it checks every
line in full, hashes the manifest, finds repeated images, counts classes and lines by side, splits
by the hash of the origin, and passes lines on as they stand. The others do what the task takes in
their own way and check nothing: decode, leave out what has no box or was not drawn by people, count
classes, split by a digit of the name, and write. jsonlines and json run over a tenth of the lines,
as each line costs them the same.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from bench_frame import (
    Measure,
    PeerMissingError,
    Row,
    against,
    growth,
    interleave,
    missing,
    peer,
    progress,
    run,
    value,
)

LINES, QUICK = 1_000_000, 1000
NAMES = ("degu", "chinchilla", "guinea pig", "hamster")
SIZES = ((1024, 768), (1021, 765), (1920, 1080), (4032, 3024))
ADDRESS = "s3://my-bucket/datasets/rodents/2024/batch-000/IMG_{:07}.jpg"
DIGIT = len('{"source-ref": "') + len(ADDRESS.format(0)) - 5  # by which the others split
BLOCK = 5000  # lines that are drawn; the others repeat them with other addresses


def rows(work: Path, rounds: int, *, quick: bool = False) -> list[Row]:
    """Compare; a round takes most of a minute, so there are half as many."""
    count = QUICK if quick else LINES
    rounds = max(1, rounds // 2)
    large, small = work / "large.manifest", work / "small.manifest"
    progress(f"manifest: writing {count:,} lines")
    write(large, count)
    write(small, count // 10)
    contenders: dict[str, Any] = {
        "ours": lambda: ours(large, work / "ours", count, cores=1),
        "ours, all cores": lambda: ours(large, work / "ours", count, cores=None),
        "ours, a tenth": lambda: ours(small, work / "ours", count // 10, cores=1),
        "copying": partial(other, sys.executable, "copying", large, lines=count, cores=1),
    }
    work_name = f"{count:,} manifest lines: read, filter, count classes, split in two"
    lacking: list[Row] = []
    try:
        python = peer("manifest")
    except PeerMissingError as error:
        lacking.append(missing(work_name, peer_name="jsonlines, polars, duckdb", reason=error))
    else:
        for name, source, lines, cores in (
            ("jsonlines", small, count // 10, 1),
            ("json", small, count // 10, 1),
            ("polars", large, count, None),
            ("duckdb", large, count, None),
        ):
            contenders[name] = partial(other, python, name, source, lines=lines, cores=cores)
    figures = interleave(contenders, rounds=rounds, name="manifest")
    named: dict[str, Any] = {"work": work_name, "unit": "lines/s"}
    found = []
    if not lacking:
        found = [
            against(figures, "jsonlines", per="core", bar=6.0, **named),
            against(figures, "json", per="core", **named),
            against(figures, "polars", ours="ours, all cores", per="wall", bar=1.0, **named),
            against(figures, "duckdb", ours="ours, all cores", per="wall", **named),
        ]
    return [
        *lacking,
        *found,
        against(figures, "copying", per="core", **named),
        _memory(figures["ours"], f"{count:,} manifest lines on one core: peak memory"),
        _memory(figures["ours, all cores"], f"{count:,} manifest lines on all cores: peak memory"),
        growth(
            figures["ours, a tenth"],
            figures["ours"],
            work=f"memory, {count // 10:,} to {count:,} manifest lines",
            bar=1.1,
        ),
    ]


def _memory(measures: list[Measure], work: str) -> Row:
    return value([one.memory for one in measures], work=work, unit="MB", bar=60, at_most=True)


def ours(source: Path, out: Path, lines: int, *, cores: int | None) -> Measure:
    """Run the command."""
    shutil.rmtree(out, ignore_errors=True)
    words = ["convert", source, "--out", out, "--to", "manifest", "--set", "channels.images=trust"]
    return run([sys.executable, "-m", "gt_workflow", *words], amount=lines, cores=cores)


def other(python: Path | str, name: str, source: Path, *, lines: int, cores: int | None) -> Measure:
    """Run a peer over the same lines."""
    for side in ("train", "validation"):
        (source.parent / side).unlink(missing_ok=True)
    return run([python, __file__, name, source, source.parent], amount=lines, cores=cores)


def write(path: Path, count: int) -> None:
    """Write an output manifest as Ground Truth does, 1 to 8 boxes a line."""
    chance = random.Random(1)  # noqa: S311 - a made-up manifest
    block = b"".join(_line(chance, number) for number in range(min(BLOCK, count)))
    with path.open("wb") as file:
        for start in range(0, count, BLOCK):
            lines = block if count - start >= BLOCK else b"".join(
                block.splitlines(keepends=True)[: count - start]
            )  # fmt: skip
            file.write(lines.replace(b"batch-000", b"batch-%03d" % (start // BLOCK)))


def _line(chance: random.Random, number: int) -> bytes:
    width, height = chance.choice(SIZES)
    annotations = []
    for _ in range(1 + int(chance.random() * 8)):
        wide, high = (8 + int(chance.random() * side * 0.4) for side in (width, height))
        box = {"class_id": int(chance.random() ** 2 * len(NAMES))}
        box |= {"top": int(chance.random() * (height - high))}
        box |= {"left": int(chance.random() * (width - wide)), "height": high, "width": wide}
        annotations.append(box)
    used = sorted({box["class_id"] for box in annotations})
    line = {
        "source-ref": ADDRESS.format(number),
        "bbox": {
            "image_size": [{"width": width, "height": height, "depth": 3}],
            "annotations": annotations,
        },
        "bbox-metadata": {
            "objects": [{"confidence": round(chance.random(), 2)} for _ in annotations],
            "class-map": {str(one): NAMES[one] for one in used},
            "type": "groundtruth/object-detection",
            "human-annotated": "no" if chance.random() < 0.03 else "yes",
            "creation-date": f"2024-03-01T00:{number // 60 % 60:02}:{number % 60:02}.123456",
            "job-name": "labeling-job/rodents",
        },
    }
    return json.dumps(line).encode() + b"\n"


def _loop(found: Any, train: Any, validation: Any) -> None:
    """Do the task with decoded lines."""
    counts: dict[int, int] = {}
    for line in found:
        boxes = line["bbox"]["annotations"]
        if line["bbox-metadata"]["human-annotated"] != "yes" or not boxes:
            continue
        for box in boxes:
            counts[box["class_id"]] = counts.get(box["class_id"], 0) + 1
        (validation if line["source-ref"][-5] in "01" else train)(line)


def by_jsonlines(source: str, train: str, validation: str) -> None:
    """With jsonlines, which gives and takes decoded lines."""
    import jsonlines

    with (
        jsonlines.open(source) as lines,
        jsonlines.open(train, "w") as one,
        jsonlines.open(validation, "w") as two,
    ):
        _loop(lines, one.write, two.write)


def by_json(source: str, train: str, validation: str) -> None:
    """With the standard library."""
    with (
        Path(source).open("rb") as lines,
        Path(train).open("w") as one,
        Path(validation).open("w") as two,
    ):
        _loop(
            map(json.loads, lines),
            lambda line: one.write(json.dumps(line) + "\n"),
            lambda line: two.write(json.dumps(line) + "\n"),
        )


def by_copying(source: str, train: str, validation: str) -> None:
    """Write every line to one of two files without decoding it: what cannot be beaten."""
    with (
        Path(source).open("rb") as lines,
        Path(train).open("wb") as one,
        Path(validation).open("wb") as two,
    ):
        for line in lines:
            (two if line[DIGIT] in b"01" else one).write(line)


def by_polars(source: str, train: str, validation: str) -> None:
    """Use the quickest way found with polars: lines as text, the members needed decoded."""
    import polars as pl

    annotations = pl.Struct({"annotations": pl.List(pl.Struct({"class_id": pl.Int64}))})
    needed = {"source-ref": pl.String, "bbox": annotations}
    needed |= {"bbox-metadata": pl.Struct({"human-annotated": pl.String})}
    lines = pl.scan_csv(
        source, has_header=False, separator="\x01", quote_char=None, new_columns=["line"]
    ).with_columns(read=pl.col("line").str.json_decode(pl.Struct(needed)))
    read = pl.col("read").struct
    boxes = read.field("bbox").struct.field("annotations")
    human = read.field("bbox-metadata").struct.field("human-annotated") == "yes"
    lines = lines.filter(human & (boxes.list.len() > 0))
    held = read.field("source-ref").str.slice(-5, 1).is_in(["0", "1"])
    plainly: dict[str, Any] = {
        "include_header": False, "quote_style": "never", "separator": "\x01", "lazy": True
    }  # fmt: skip
    classes = boxes.list.explode().struct.field("class_id")
    pl.collect_all(
        [
            lines.filter(~held).select("line").sink_csv(train, **plainly),
            lines.filter(held).select("line").sink_csv(validation, **plainly),
            lines.select(classes).group_by("class_id").len(),
        ],
        engine="streaming",
    )


def by_duckdb(source: str, train: str, validation: str) -> None:
    """With DuckDB: lines as text beside what is needed of them, in a table of its own."""
    import duckdb

    reference, metadata = '$."source-ref"', '$."bbox-metadata"."human-annotated"'
    connection = duckdb.connect(f"{train}.db")
    connection.execute(
        f"CREATE TABLE m AS SELECT * FROM (SELECT json::VARCHAR AS line, "  # noqa: S608 - our own path
        f"json_extract_string(json, '{reference}')[-5] IN ('0', '1') AS held, "
        f"json_extract_string(json, '{metadata}') AS human, "
        f"json_extract(json, '$.bbox.annotations[*].class_id') AS classes "
        f"FROM read_json_objects('{source}', format='newline_delimited')) "
        f"WHERE human = 'yes' AND len(classes) > 0"
    )
    form = "(FORMAT csv, HEADER false, QUOTE '', DELIMITER '\x01', ESCAPE '')"
    for path, held in ((train, "NOT held"), (validation, "held")):
        connection.execute(f"COPY (SELECT line FROM m WHERE {held}) TO '{path}' {form}")  # noqa: S608 - paths of our own
    connection.execute(
        "SELECT c::INT, count(*) FROM (SELECT unnest(classes) AS c FROM m) GROUP BY 1"
    ).fetchall()
    connection.close()
    Path(f"{train}.db").unlink()


if __name__ == "__main__":
    name, source, folder = sys.argv[1:]
    globals()[f"by_{name}"](source, f"{folder}/train", f"{folder}/validation")
