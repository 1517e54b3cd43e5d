"""One way to make the ten variants, measured in a process of its own: `METHOD FOLDER`.

Runs in the peers' environment, too; each method warms up with one photograph and then has its
processor seconds counted over all of them. Files are written to memory where there is such a place.

    ours            the stage `augment` on a labelled manifest, from planning to its receipt
    albumentations  read once, its transforms with boxes, OpenCV's encoder, write files
    pillow          as the seed's script had it: read again for each variant, turn, save
    codec-rgb       libjpeg-turbo alone, in memory: decode once to colours, encode ten times
    codec-planes    libjpeg-turbo alone, in memory: decode once to planes, encode ten times
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from augment_set import BOXES, LABEL, QUALITY
from bench_process import clock

ANGLES = (15, 75, 135, 195, 255)
Vary = Callable[[Path, Path], int]


def main() -> None:
    """Measure one method over a set."""
    method, folder = sys.argv[1], Path(sys.argv[2])
    files = sorted(folder.glob("*.jpg"))
    with tempfile.TemporaryDirectory(prefix="gt-bench-", dir=folder) as to:
        if method == "ours":
            _ours(folder / "first.manifest", Path(to) / "warm")
            with clock() as told:
                told["amount"] = _ours(folder / "all.manifest", Path(to) / "out")
            return
        one = _METHODS[method]()
        one(files[0], Path(to))
        with clock() as told:
            told["amount"] = sum(one(file, Path(to)) for file in files)


class _InTurn:
    """An engine of this process alone."""

    def map(self, fn: Any, items: Iterable[Any], **_how: Any) -> Iterator[Any]:
        from gt_workflow.ports import Outcome

        for item in items:
            yield Outcome(item=item, value=fn(item))

    def close(self) -> None:
        """There is nothing to release."""


def _ours(manifest: Path, to: Path) -> int:
    from gt_workflow.adapters import process

    process.begin()
    from gt_workflow.adapters.images import PillowImages
    from gt_workflow.adapters.storage import LocalFiles
    from gt_workflow.adapters.walk import LocalFolders
    from gt_workflow.adapters.warp import Warp
    from gt_workflow.core.variant_boxes import Keeping
    from gt_workflow.workflow import augment

    def quiet(*_told: object) -> None: ...

    storage, folders = LocalFiles(), LocalFolders()
    settings = augment.AugmentSettings(
        # Boxes that leave the frame may take their variant along; here all ten are to be made.
        *(str(manifest), str(to)),
        keeping=Keeping(min_visible=0),
        attribute=LABEL,
    )
    planned = augment.plan(settings, storage=storage, folders=folders, progress=quiet)
    receipt = augment.run(
        planned,
        storage=storage,
        folders=folders,
        engine=_InTurn(),
        images=PillowImages(),
        warper=Warp(),
        progress=quiet,
    )
    made = receipt.counts["variants"]
    assert made == 10 * planned.photographs, f"{made} variants of {planned.photographs}"
    assert made == receipt.counts["images_planes"], "some were not made by planes"
    return int(made)


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


def _codec_rgb() -> Vary:
    simplejpeg: Any = importlib.import_module("simplejpeg")

    def vary(file: Path, _to: Path) -> int:
        pixels = simplejpeg.decode_jpeg(file.read_bytes(), "BGR")
        for _ in range(10):
            simplejpeg.encode_jpeg(pixels, QUALITY, "BGR", "420")
        return 10

    return vary


def _codec_planes() -> Vary:
    from gt_workflow.adapters import warp_jpeg

    def vary(file: Path, _to: Path) -> int:
        picture = warp_jpeg.decode(file.read_bytes())
        assert picture is not None
        for _ in range(10):
            warp_jpeg.encode(picture, QUALITY)
        return 10

    return vary


_METHODS: dict[str, Callable[[], Vary]] = {
    "albumentations": _albumentations,
    "pillow": _pillow,
    "codec-rgb": _codec_rgb,
    "codec-planes": _codec_planes,
}

if __name__ == "__main__":
    main()
