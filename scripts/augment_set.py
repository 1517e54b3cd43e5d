"""The photographs of `scripts/bench augment`: the shared ones, scaled to one size, with noise.

The noise, four levels of 255, is a camera's in daylight: files of about 280 kB.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from bench_process import ROOT

QUALITY = 90
ON_GRID, OFF_GRID = (1024, 768), (1021, 765)
BOXES = ((10, 20, 300, 200), (400, 100, 700, 500), (50, 400, 260, 640), (600, 500, 990, 740))
LABEL = "boxes"


def raccoons() -> list[Path]:
    """Return the shared photographs."""
    shared = Path(os.environ.get("GT_SHARED") or ROOT.parent / "shared")
    found = sorted((shared / "data" / "raccoons" / "images").glob("*.jpg"))
    if not found:
        raise FileNotFoundError("no photographs: set GT_SHARED to the folder of data/raccoons")
    return found


def make(folder: Path, count: int) -> Path:
    """Write photographs, every other one off the grid of JPEG's blocks, and return their folder.

    Beside them lie two labelled manifests: `all`, and `first` of the first photograph alone.
    """
    import PIL.Image
    from PIL import ImageChops

    folder.mkdir()
    found = sorted(raccoons(), key=lambda path: (-path.stat().st_size, path.name))[:count]
    lines = []
    for index in range(count):
        size = OFF_GRID if index % 2 else ON_GRID
        with PIL.Image.open(found[index % len(found)]) as image:
            picture = image.convert("RGB").resize(size, PIL.Image.Resampling.LANCZOS)
        noise = PIL.Image.effect_noise(size, 4).convert("RGB")
        picture = ImageChops.add(picture, noise, offset=-128)
        file = folder / f"{index:04}.jpg"
        picture.save(file, quality=QUALITY, subsampling="4:2:0")
        lines.append(json.dumps(_line(file, size)) + "\n")
    (folder / "all.manifest").write_text("".join(lines), encoding="utf-8")
    (folder / "first.manifest").write_text(lines[0], encoding="utf-8")
    return folder


def _line(file: Path, size: tuple[int, int]) -> dict[str, object]:
    """Return a photograph's line as Ground Truth writes it."""
    boxes = [
        {"class_id": 0, "left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0}
        for x0, y0, x1, y1 in BOXES
    ]
    return {
        "source-ref": str(file),
        LABEL: {
            "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
            "annotations": boxes,
        },
        f"{LABEL}-metadata": {
            "job-name": "labeling-job/bench",
            "class-map": {"0": "raccoon"},
            "human-annotated": "yes",
            "objects": [{"confidence": 0.9} for _ in boxes],
            "creation-date": "2026-11-01T00:00:00.000000",
            "type": "groundtruth/object-detection",
        },
    }
