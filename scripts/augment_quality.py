"""How near our variants and Pillow's come to the ideal ones, and how big they are: `FOLDER`.

The ideal is the picture with its pixels moved or, for turns, a wider filter in floats; it is
compared where a turn leaves the frame filled. Prints decibels and kilobytes as JSON.
"""

from __future__ import annotations

import io
import json
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
from PIL import ImageChops, ImageStat

from gt_workflow.adapters import warp_pillow
from gt_workflow.adapters.warp import Warp
from gt_workflow.core.variants import SEED_TEN, draw, recipe
from gt_workflow.ports import Look

PHOTOGRAPHS = 4


def main() -> None:
    """Print the figures of both paths."""
    files = sorted(Path(sys.argv[1]).glob("*.jpg"))[:PHOTOGRAPHS]
    found = {}
    for path, warp in (("ours", Warp()), ("pillow", Warp(fast=False))):
        compared = [one for file in files for one in _compared(file, warp)]
        for what in ("turned", "moved"):
            near = [psnr for kind, psnr, _ in compared if kind == what]
            found[f"{path} {what}"] = statistics.mean(near)
        found[f"{path} kB"] = statistics.mean(size for _, _, size in compared) / 1000
    print(json.dumps(found))


def _compared(file: Path, warp: Warp) -> Iterator[tuple[str, float, int]]:
    """Yield whether a variant is turned or moved, its decibels and its bytes."""
    data = file.read_bytes()
    source = PIL.Image.open(io.BytesIO(data))
    width, height = source.size
    for name in SEED_TEN:
        variant = draw(name, width=width, height=height, boxes=[], seed=0, key="")
        one = recipe(variant, width=width, height=height, expand=False)
        (made,) = warp.render(data, [one], look=Look(), uri=file.name)
        image: Any = PIL.Image.open(io.BytesIO(made.data))
        if one.geometry.rigid:
            ideal = warp_pillow.vary(source, one, fill=(0, 0, 0))
            yield "moved", _psnr(ideal, image), len(made.data)
            continue
        angle = variant.parameters["degrees"]
        bands = [
            band.convert("F").rotate(angle, PIL.Image.Resampling.BICUBIC) for band in source.split()
        ]
        ideal = PIL.Image.merge("RGB", [band.convert("L") for band in bands])
        # The square that every turn leaves filled.
        middle, reach = (width / 2, height / 2), min(width, height) / 2 * 0.68
        x0, y0, x1, y1 = (int(at + sign * reach) for sign in (-1, 1) for at in middle)
        square = (x0, y0, x1, y1)
        yield "turned", _psnr(ideal.crop(square), image.crop(square)), len(made.data)


def _psnr(ideal: Any, image: Any) -> float:
    squares = [rms**2 for rms in ImageStat.Stat(ImageChops.difference(ideal, image)).rms]
    return 10 * math.log10(255**2 / max(1e-9, statistics.mean(squares)))


if __name__ == "__main__":
    main()
