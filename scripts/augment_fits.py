"""`scripts/bench augment --box-fit`: which fit hugs turned objects, on the shared raccoons."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import augment_set


def compare() -> None:
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

    for file in augment_set.raccoons():
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
