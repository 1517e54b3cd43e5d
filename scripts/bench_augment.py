"""`scripts/bench augment`: the ten variants of a photograph, and which fit hugs turned objects.

Every method runs in a process of its own on one core, in interleaved rounds; ratios are of the
same round. The peer that is not ours runs in an environment made here from pinned requirements.
Photographs are the shared ones, scaled to one size, half of them off the grid of JPEG's blocks.

    ours      read once, warp planes, encode, boxes follow, write files
    albumentations  read once, its transforms with boxes, OpenCV's encoder, write files
    pillow    as the seed had it: read again for each variant, turn, save
    codec     what no method can beat: decode once to planes and encode ten times, nothing else
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import math
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PINNED = ("albumentations==2.0.8", "opencv-python-headless==5.0.0.93", "pillow==13.0.0")
METHODS = ("ours", "albumentations", "pillow", "codec")
ANGLES = (15, 75, 135, 195, 255)
BOXES = [[10, 20, 300, 200], [400, 100, 700, 500], [50, 400, 260, 640], [600, 500, 990, 740]]
BARS = {"albumentations": 1.7, "pillow": 4.0, "codec": 0.6}
ROOT = Path(__file__).resolve().parents[1]
QUALITY = 90

Vary = Callable[[Path, Path], int]


def main() -> None:
    """Run a round of everything, one method, or the comparison of fits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photographs", type=int, default=16)
    parser.add_argument("--box-fit", action="store_true", help="compare --box-fit on real objects")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--set", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.method:
        measure(chosen.method, chosen.set)
    elif chosen.box_fit:
        compare_fits()
    else:
        with tempfile.TemporaryDirectory(prefix="gt-bench-") as folder:
            bench(Path(folder), chosen.rounds, chosen.photographs)


def bench(folder: Path, rounds: int, photographs: int) -> None:
    """Measure every method, the whole command, and the quality; print and keep the figures."""
    source = make_set(folder / "set", photographs)
    peer = peers()
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    for _ in range(rounds):
        for name in random.sample(METHODS, len(METHODS)):
            python = peer if name in {"albumentations", "pillow"} else Path(sys.executable)
            figures[name].append(_one(python, name, source))
    result: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count()}
    for name, rows in figures.items():
        rates = [row["per_second"] for row in rows]
        memory = max(row["memory_mb"] for row in rows)
        result[name] = {"per_second": statistics.median(rates), "memory_mb": memory}
        print(f"{name:15} {statistics.median(rates):6.0f} images/s a core, {memory:.0f} MB")
    for name, bar in BARS.items():
        ratios = sorted(
            mine["per_second"] / other["per_second"]
            for mine, other in zip(figures["ours"], figures[name], strict=True)
        )
        low, middle, high = _quartiles(ratios)
        met = "met" if middle >= bar else "NOT MET"
        result[f"ours/{name}"] = {"median": middle, "quartiles": [low, high], "bar": bar}
        print(f"ours / {name:14} {middle:5.2f} [{low:.2f} to {high:.2f}]  bar {bar}: {met}")
    result["quality"] = quality(source)
    result["command"] = whole_command(folder, source)
    to = ROOT / "bench" / "results.json"
    to.parent.mkdir(exist_ok=True)
    kept = json.loads(to.read_text()) if to.exists() else {}
    to.write_text(json.dumps(kept | {"augment": result}, indent=2) + "\n")
    print(f"figures: {to.relative_to(ROOT)}")


def _one(python: Path, name: str, source: Path) -> dict[str, float]:
    command = [str(python), __file__, "--method", name, "--set", str(source)]
    if _can_pin():
        core = max(os.sched_getaffinity(0))
        command = ["taskset", "-c", str(core), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _can_pin() -> bool:
    return hasattr(os, "sched_getaffinity") and Path("/usr/bin/taskset").exists()


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def peers() -> Path:
    """Return the Python of the peers' environment; it is made once."""
    home = ROOT / ".venv" / "bench-augment"
    python = home / "bin" / "python"
    mark = home / "pinned"
    if not mark.exists() or mark.read_text() != "\n".join(PINNED):
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *PINNED], check=True)
        mark.write_text("\n".join(PINNED))
    return python


def raccoons() -> list[Path]:
    """Return the shared photographs."""
    shared = Path(os.environ.get("GT_SHARED") or ROOT.parent / "shared")
    found = sorted((shared / "data" / "raccoons" / "images").glob("*.jpg"))
    if not found:
        raise SystemExit("no photographs: set GT_SHARED to the folder that holds data/raccoons")
    return found


def make_set(folder: Path, count: int) -> Path:
    """Write photographs of 1024x768 and 1021x765 pixels, quality 90, as a camera's noise is."""
    import PIL.Image
    from PIL import ImageChops

    folder.mkdir()
    found = sorted(raccoons(), key=lambda path: -path.stat().st_size)[:count]
    for index in range(count):
        size = (1024, 768) if index % 2 == 0 else (1021, 765)
        with PIL.Image.open(found[index % len(found)]) as image:
            picture = image.convert("RGB").resize(size, PIL.Image.Resampling.LANCZOS)
        noise = PIL.Image.effect_noise(size, 8).convert("RGB")
        picture = ImageChops.add(picture, noise, offset=-128)
        picture.save(folder / f"{index:04}.jpg", quality=QUALITY, subsampling="4:2:0")
    return folder


def measure(method: str, source: Path) -> None:
    """Run one method over a set once to warm up and then for the clock; print a line of JSON."""
    vary = {"ours": _ours, "albumentations": _albumentations, "pillow": _pillow, "codec": _codec}
    files = sorted(source.glob("*.jpg"))
    shm = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    base = shm if shm.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="gt-bench-", dir=base) as to:
        one = vary[method]()
        one(files[0], Path(to))
        began = time.process_time()
        made = sum(one(file, Path(to)) for file in files)
        took = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"per_second": made / took, "memory_mb": memory}))


def _ours() -> Vary:
    from gt_workflow.adapters.warp import Warp
    from gt_workflow.core.boxes import Box
    from gt_workflow.core.variant_boxes import Keeping, follow
    from gt_workflow.core.variants import SEED_TEN, draw, recipe
    from gt_workflow.ports import Look

    boxes = [Box.from_corners(*edges) for edges in BOXES]

    def vary(file: Path, to: Path) -> int:
        data = file.read_bytes()
        width, height = _size(data)
        asked = []
        for name in SEED_TEN:
            one = draw(name, width=width, height=height, boxes=boxes, seed=0, key=file.name)
            asked.append(recipe(one, width=width, height=height, expand=False))
            for box in boxes:
                follow(box, asked[-1].geometry, width=width, height=height, keeping=Keeping())
        rendered = Warp().render(data, asked, look=Look(), uri=file.name)
        for made, one_recipe in zip(rendered, asked, strict=True):
            (to / f"{file.stem}-{one_recipe.name}.jpg").write_bytes(made.data)
        return len(asked)

    return vary


def _size(data: bytes) -> tuple[int, int]:
    from gt_workflow.adapters.headers import read_size

    return read_size(io.BytesIO(data))


def _albumentations() -> Vary:
    albumentations: Any = importlib.import_module("albumentations")
    cv2: Any = importlib.import_module("cv2")
    np: Any = importlib.import_module("numpy")
    cv2.setNumThreads(1)
    how = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    turns = [
        albumentations.Rotate(limit=(angle, angle), interpolation=cv2.INTER_LINEAR, p=1)
        for angle in ((angle + 180) % 360 - 180 for angle in ANGLES)
    ]
    flips = [albumentations.HorizontalFlip(p=1), albumentations.VerticalFlip(p=1)]
    rights = [albumentations.RandomRotate90(p=1)]
    labels = albumentations.BboxParams(format="pascal_voc", label_fields=["classes"])
    composed = [
        albumentations.Compose([one], bbox_params=labels) for one in [*flips, *rights * 3, *turns]
    ]
    boxes = np.array(BOXES, np.float32)

    def vary(file: Path, to: Path) -> int:
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        for index, one in enumerate(composed):
            made = one(image=image, bboxes=boxes, classes=[0, 1, 0, 1])["image"]
            name = str(to / f"{file.stem}-{index}.jpg")
            cv2.imwrite(name, cv2.cvtColor(made, cv2.COLOR_RGB2BGR), how)
        return len(composed)

    return vary


def _pillow() -> Vary:
    import PIL.Image
    from PIL.Image import Resampling, Transpose

    moves = (
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.ROTATE_90,
        Transpose.ROTATE_180,
        Transpose.ROTATE_270,
    )

    def vary(file: Path, to: Path) -> int:
        for index, move in enumerate((*moves, *ANGLES)):
            with PIL.Image.open(file) as image:
                made = (
                    image.transpose(move)
                    if index < len(moves)
                    else image.rotate(move, resample=Resampling.BILINEAR)
                )
            made.save(to / f"{file.stem}-{index}.jpg", quality=QUALITY, subsampling="4:2:0")
        return len(moves) + len(ANGLES)

    return vary


def _codec() -> Vary:
    from gt_workflow.adapters.warp_turbo import Turbo, find

    library = find()
    assert library is not None, "the fast path's library is not installed"
    turbo = Turbo(library)

    def vary(file: Path, _to: Path) -> int:
        planes, width, height, sampling = turbo.planes(file.read_bytes())
        for _ in range(10):
            turbo.encode(planes, width=width, height=height, sampling=sampling, quality=QUALITY)
        return 10

    return vary


def quality(source: Path) -> dict[str, float]:
    """Compare both paths with the ideal: pixels moved, or turned with a wider filter in floats."""
    from gt_workflow.adapters.warp import Warp

    found: dict[str, float] = {}
    for path, warp in (("planes", Warp()), ("pillow", Warp(fast=False))):
        flips, turns, sizes = [], [], []
        for file in sorted(source.glob("*.jpg"))[:4]:
            for ideal, image, made, turned in _compared(file, warp):
                (turns if turned else flips).append(_psnr(ideal, image, turned=turned))
                sizes.append(made)
        found[f"{path} flips dB"] = statistics.mean(flips)
        found[f"{path} turns dB"] = statistics.mean(turns)
        found[f"{path} kB"] = statistics.mean(sizes) / 1000
        print(
            f"PSNR {path}: flips and right angles {found[f'{path} flips dB']:.1f} dB, "
            f"turns {found[f'{path} turns dB']:.1f} dB, {found[f'{path} kB']:.0f} kB an image"
        )
    return found


def _compared(file: Path, warp: Any) -> Iterator[tuple[Any, Any, int, bool]]:
    """Yield the ideal variant, the one made, its size in bytes and whether it is turned."""
    import PIL.Image

    from gt_workflow.adapters import warp_pillow
    from gt_workflow.core.variants import SEED_TEN, draw, recipe
    from gt_workflow.ports import Look

    data = file.read_bytes()
    width, height = _size(data)
    source = PIL.Image.open(io.BytesIO(data))
    for name in SEED_TEN:
        variant = draw(name, width=width, height=height, boxes=[], seed=0, key="")
        one = recipe(variant, width=width, height=height, expand=False)
        (made,) = warp.render(data, [one], look=Look(), uri=file.name)
        turned = not one.geometry.rigid
        if turned:
            angle = variant.parameters["degrees"]
            bands = [
                band.convert("F").rotate(angle, PIL.Image.Resampling.BICUBIC)
                for band in source.split()
            ]
            ideal = PIL.Image.merge("RGB", [band.convert("L") for band in bands])
        else:
            ideal = warp_pillow.vary(source, one, fill=(0, 0, 0))
        yield ideal, PIL.Image.open(io.BytesIO(made.data)), len(made.data), turned


def _psnr(ideal: Any, image: Any, *, turned: bool) -> float:
    """Compare all pixels, or the square that a turn leaves inside the frame."""
    from PIL import ImageChops, ImageStat

    if turned:
        middle, reach = (ideal.width / 2, ideal.height / 2), min(ideal.size) / 2 * 0.68
        square = tuple(int(at + sign * reach) for sign in (-1, 1) for at in middle)
        ideal, image = ideal.crop(square), image.crop(square)
    squares = [rms**2 for rms in ImageStat.Stat(ImageChops.difference(ideal, image)).rms]
    return 10 * math.log10(255**2 / max(1e-9, statistics.mean(squares)))


def whole_command(folder: Path, source: Path) -> dict[str, float]:
    """Run `augment` on all cores, on the set and on ten times as many."""
    found: dict[str, float] = {}
    files = sorted(source.glob("*.jpg"))
    for times in (1, 10):
        photographs = folder / f"photographs-{times}"
        photographs.mkdir()
        for index in range(times):
            for file in files:
                (photographs / f"{index}-{file.name}").hardlink_to(file)
        command = [sys.executable, "-m", "gt_workflow", "augment", str(photographs)]
        began = time.perf_counter()
        subprocess.run(
            [*command, "--out", str(folder / f"out-{times}"), "--json"],
            check=True,
            capture_output=True,
        )
        took = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        rate = 10 * times * len(files) / took
        found |= {f"{times}x per_second": rate, f"{times}x memory_mb": memory}
        print(
            f"augment of {times * len(files)} photographs, all cores, start and durable writes "
            f"included: {rate:.0f} images/s, {memory:.0f} MB in the largest process"
        )
    return found


def compare_fits() -> None:
    """Turn masks of the raccoons and compare their bounds with either fit's box.

    A mask is drawn by GrabCut inside the box that a person drew; the box to be turned is the
    mask's own bounds, so that a loose box does not count against a fit.
    """
    import cv2
    import numpy as np

    from gt_workflow.core.boxes import Box, iou
    from gt_workflow.core.variant_boxes import BoxFit, Keeping, follow
    from gt_workflow.core.variants import draw, recipe

    fits: tuple[BoxFit, ...] = ("rectangle", "ellipse")
    overlaps: dict[str, list[float]] = {fit: [] for fit in fits}
    missed: dict[str, list[float]] = {fit: [] for fit in fits}
    objects = 0
    for file, boxes in _annotated():
        image = cv2.imread(str(file))
        # Outlines need no fine pixels, and GrabCut takes its time with them.
        scale = min(1.0, 320 / max(image.shape[:2]))
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for edges in boxes:
            left, top, right, bottom = (int(edge * scale) for edge in edges)
            mask = _mask(image, (left, top, right, bottom))
            if mask is None:
                continue
            objects += 1
            height, width = mask.shape
            box = _bounds(mask)
            for angle in range(15, 360, 30):
                variant = draw(
                    f"rotate-{angle}", width=width, height=height, boxes=[], seed=0, key=""
                )
                to = recipe(variant, width=width, height=height, expand=True).geometry
                matrix = np.array([[to.a, to.b, to.c], [to.d, to.e, to.f]])
                turned = cv2.warpAffine(mask * 255, matrix, (to.width, to.height)) > 127
                truth = _bounds(turned)
                for fit in fits:
                    keeping = Keeping(fit, 0.0, 1.0)
                    found = follow(box, to, width=width, height=height, keeping=keeping)
                    assert isinstance(found, Box)
                    overlaps[fit].append(iou(truth, found))
                    left_, top_ = max(0, int(found.left)), max(0, int(found.top))
                    inside = turned[top_ : math.ceil(found.bottom), left_ : math.ceil(found.right)]
                    missed[fit].append(1 - inside.sum() / turned.sum())
    print(f"{objects} raccoons, each turned 12 times")
    for fit in fits:
        print(
            f"{fit:10} IoU with the turned object's bounds {statistics.mean(overlaps[fit]):.3f}, "
            f"of the object outside the box {statistics.mean(missed[fit]):.2%}"
        )


def _annotated() -> Iterator[tuple[Path, list[tuple[int, int, int, int]]]]:
    """Yield the photographs and the corners of the boxes that people drew."""
    from xml.etree import ElementTree as ET

    for file in raccoons():
        notes = file.parents[1] / "annotations" / f"{file.stem}.xml"
        tree = ET.fromstring(notes.read_text())  # noqa: S314 - a shared, known file
        boxes = []
        for box in tree.iter("bndbox"):
            left, top, right, bottom = (
                int(float(box.findtext(side) or 0)) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            boxes.append((left - 1, top - 1, right, bottom))
        yield file, boxes


def _mask(image: Any, corners: tuple[int, int, int, int]) -> Any:
    """Return the object's pixels by GrabCut, None where that finds next to nothing."""
    import cv2
    import numpy as np

    left, top, right, bottom = corners
    height, width = image.shape[:2]
    if (right - left) * (bottom - top) > 0.85 * width * height:
        return None  # there is no ground left to tell the object from
    mask = np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    rectangle = (left, top, right - left, bottom - top)
    cv2.grabCut(image, mask, rectangle, *models, 3, cv2.GC_INIT_WITH_RECT)
    found = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(found)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    whole = (parts == largest).astype(np.uint8)
    return whole if whole.sum() > 0.25 * (right - left) * (bottom - top) else None


def _bounds(mask: Any) -> Any:
    from gt_workflow.core.boxes import Box

    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    return Box.from_corners(
        float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
    )


if __name__ == "__main__":
    main()
