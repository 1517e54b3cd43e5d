"""`scripts/bench recordio`: JPEGs of about 100 kB become a RecordIO, their bytes as they are.

    packing   our reader, framer and growing file in a loop, paths and labels given: as mxnet's loop
    convert   plan and run in one process, local files: the manifest is read and its boxes judged,
              every image is checked against its label, the files are forced to the disk
    mxnet     mxnet.recordio's writer in a loop: paths and labels are given, nothing is checked
    copying   the images one behind the other in one file, and nothing else

Only `packing` does what the peers do; `convert` beside it shows what all the rest costs. The
records of `packing` and `mxnet` are compared byte by byte.

Interpreters start and modules are imported before the clock runs, but for the whole command, which
is compared with all of `im2rec.py --pass-through` on 1,000 images; the bytes must be the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench_frame import (
    Measure,
    PeerMissingError,
    Per,
    Row,
    against,
    clock,
    interleave,
    missing,
    peer,
    run,
)

COUNT, QUICK, COMMAND = 10_000, 200, 1000
SIZE = (720, 540)
BOXES = ((0, 72, 54, 200, 200), (1, 360, 270, 288, 162))
LABEL = (2.0, 5.0, 0.0, 0.1, 0.1, 0.4, 0.5, 1.0, 0.5, 0.5, 0.9, 0.8)
APPENDED = 1 << 20  # bytes in one call, as `convert` appends them


def rows(work: Path, rounds: int, *, quick: bool = False) -> list[Row]:
    """Measure on one core against both, and the whole command against im2rec.py's."""
    folder = work / "recordio"
    count, some = (QUICK, QUICK // 2) if quick else (COUNT, COMMAND)
    make(folder, count, some)
    work_name = f"RecordIO of {count:,} JPEGs of 100 kB"
    here: list[str | Path] = [sys.executable, __file__]
    contenders: dict[str, Callable[[], Measure]] = {
        name: partial(run, [*here, name, folder, str(count)])
        for name in ("packing", "copying", "convert")
    }
    try:
        python = peer("mxnet")
        contenders["mxnet.recordio"] = partial(
            run, [python, "-W", "ignore", __file__, "mxnet", folder, str(count)]
        )
    except PeerMissingError as error:
        return [missing(work_name, peer_name="mxnet.recordio", reason=error)]
    found = interleave(contenders, rounds=rounds, name="recordio")
    digests = (folder / "digests").read_text().split()
    assert len(digests) == 2 * rounds, "a digest is missing"
    assert len(set(digests)) == 1, "packing and mxnet.recordio make other bytes"
    compare = partial(against, found, unit="images/s", per="core")
    told = [
        compare("mxnet.recordio", ours="packing", work=work_name, bar=1.4),
        compare("copying", ours="packing", work=work_name, bar=0.65),
        compare("mxnet.recordio", ours="convert", work=f"{work_name}, all of `convert`"),
    ]
    command(folder, some)  # compiles both commands' modules; the second reads lists of the first
    im2rec(python, folder, some)
    whole = interleave(
        {"ours": lambda: command(folder, some), "im2rec.py": lambda: im2rec(python, folder, some)},
        rounds=rounds,
        name="recordio, commands",
    )
    for side in ("train", "validation"):
        ours = (folder / "out" / "recordio" / side / f"{side}.rec").read_bytes()
        assert ours == (folder / "lists" / f"{side}.rec").read_bytes(), f"{side}.rec differs"
    name = f"`convert` of {some:,} JPEGs to RecordIO, start to end"
    pers: tuple[Per, Per] = ("core", "wall")
    told += [
        against(whole, "im2rec.py", work=name, unit="images/s", per=per, bar=5) for per in pers
    ]
    return told


def make(folder: Path, count: int, some: int) -> None:
    """Write images of noise, each another, and the manifests of all and of some."""
    from PIL import Image

    (folder / "images").mkdir(parents=True, exist_ok=True)
    drawn = []
    for number in range(20):
        noise = [Image.effect_noise(SIZE, 40 + number) for _ in range(3)]
        buffer = io.BytesIO()
        Image.merge("RGB", noise).save(buffer, "JPEG", quality=42)
        drawn.append(buffer.getvalue())
    for name, lines in (("all", count), ("some", some)):
        with (folder / f"{name}.manifest").open("w", encoding="utf-8") as file:
            for number in range(lines):
                file.write(line(str(folder / "images" / f"{number:06}.jpg")))
    for number in range(count):
        data = drawn[number % len(drawn)]
        path = folder / "images" / f"{number:06}.jpg"
        path.write_bytes(data[:2] + b"\xff\xfe\x00\x0a%08d" % number + data[2:])


def line(ref: str, size: tuple[int, int] = SIZE) -> str:
    """Return a line of an output manifest with two boxes."""
    keys = ("class_id", "left", "top", "width", "height")
    scale = size[0] / SIZE[0]
    boxes = [
        dict(zip(keys, (one[0], *(int(v * scale) for v in one[1:])), strict=True)) for one in BOXES
    ]
    label = {
        "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
        "annotations": boxes,
    }
    metadata = {
        "objects": [{"confidence": 0.9} for _ in boxes],
        "class-map": {"0": "degu", "1": "wheel"},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00.000001",
        "job-name": "labeling-job/bench",
    }
    return json.dumps({"source-ref": ref, "boxes": label, "boxes-metadata": metadata}) + "\n"


def command(folder: Path, count: int) -> Measure:
    """Run our whole command."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    convert = [sys.executable, "-m", "gt_workflow", "convert", folder / "some.manifest"]
    where = ["--to", "recordio", "--out", folder / "out", "--root", folder / "root"]
    return run([*convert, *where, "--json"], amount=count, env=_compiled(folder))


def im2rec(python: Path, folder: Path, count: int) -> Measure:
    """Run im2rec.py on the lists that our command left."""
    lists = folder / "lists"
    shutil.rmtree(lists, ignore_errors=True)
    lists.mkdir()
    for side in ("train", "validation"):
        index = folder / "out" / "recordio" / "index" / f"{side}.lst"
        text = index.read_text(encoding="utf-8").replace(f"\t{side}/", "\t")
        (lists / f"{side}.lst").write_text(text, encoding="utf-8")
    found = next(python.parent.parent.glob("lib/python*/site-packages/mxnet/tools/im2rec.py"))
    flags = ["--pass-through", "--pack-label"]
    return run(
        [python, "-W", "ignore", found, f"{lists}/", folder / "images", *flags],
        amount=count,
        env=_compiled(folder),
    )


def _compiled(folder: Path) -> dict[str, str]:
    """Have modules compiled once, as an installed package is, whatever the environment says."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def measure(method: str, folder: Path, count: int) -> None:
    """Do one method's work in this process, and print its figures."""
    images = [str(folder / "images" / f"{number:06}.jpg") for number in range(count)]
    out = folder / "made"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    {"packing": _pack, "convert": _convert, "mxnet": _mxnet, "copying": _copy}[method](images, out)
    shutil.rmtree(out, ignore_errors=True)


def _note(made: Path, out: Path) -> None:
    """Note what was made, so that its bytes are compared."""
    with made.open("rb") as file, (out.parent / "digests").open("a") as digests:
        digests.write(hashlib.file_digest(file, "sha256").hexdigest() + "\n")


def _pack(images: Sequence[str], out: Path) -> None:
    from gt_workflow.adapters.storage import LocalFiles
    from gt_workflow.core import recordio

    storage, search = LocalFiles(), recordio.quick_search()
    with clock(amount=len(images)):
        growing = storage.grow(str(out / "x.rec"))
        with (out / "x.idx").open("wb") as index:
            frames: list[bytes] = []
            at = 0
            for number, found in enumerate(storage.read_all(images, limit=recordio.LIMIT)):
                record = recordio.record(number, LABEL, found.result(), search=search)
                index.write(recordio.index_line(number, at))
                at += sum(map(len, record))
                frames += record
                if at - growing.size >= APPENDED:
                    growing.append(frames)
                    frames = []
            growing.append(frames)
        growing.close()  # neither does mxnet force its file to the disk
    _note(growing.path, out)


def _convert(images: Sequence[str], out: Path) -> None:
    from gt_workflow.adapters.storage import LocalFiles
    from gt_workflow.workflow import convert

    settings = convert.ConvertSettings(
        manifest=str(out.parent / "all.manifest"), out=str(out / "c"), forms=("recordio",)
    )
    storage, quiet = LocalFiles(), lambda *_: None
    with clock(amount=len(images)):
        planned = convert.plan(settings, storage=storage, progress=quiet)
        convert.run(planned, storage=storage, progress=quiet)


def _mxnet(images: Sequence[str], out: Path) -> None:
    import mxnet
    import numpy as np

    label = np.array(LABEL, np.float32)
    with clock(amount=len(images)):
        writer = mxnet.recordio.MXIndexedRecordIO(str(out / "x.idx"), str(out / "x.rec"), "w")
        for number, path in enumerate(images):
            with open(path, "rb") as file:  # noqa: PTH123 - as the peer's own tool does
                image = file.read()
            header = mxnet.recordio.IRHeader(0, label, number, 0)
            writer.write_idx(number, mxnet.recordio.pack(header, image))
        writer.close()
    _note(out / "x.rec", out)


def _copy(images: Sequence[str], out: Path) -> None:
    with clock(amount=len(images)), (out / "x").open("wb", buffering=0) as target:
        for path in images:
            descriptor = os.open(path, os.O_RDONLY)
            target.write(os.read(descriptor, os.fstat(descriptor).st_size))
            os.close(descriptor)


if __name__ == "__main__":
    measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
