"""What a conversion of local files does not import: each part costs milliseconds at every start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from PIL import Image

HEAVY = {
    *("PIL", "boto3", "botocore", "cv2", "numpy", "rich", "simplejpeg", "sqlalchemy", "starlette"),
    *("concurrent.futures.process", "importlib.metadata", "multiprocessing", "sqlite3", "tempfile"),
    *("gt_workflow.adapters.clients", "gt_workflow.adapters.engine", "gt_workflow.adapters.images"),
    *(
        "gt_workflow.adapters.folder",
        "gt_workflow.adapters.s3_storage",
        "gt_workflow.adapters.walk",
    ),
    *("gt_workflow.cli.augment", "gt_workflow.service", "gt_workflow.wiring.services"),
    *(
        "gt_workflow.workflow.augment",
        "gt_workflow.workflow.follow",
        "gt_workflow.workflow.specify",
    ),
}
CODE = (
    "import json, sys; from gt_workflow.cli.app import run\n"
    "try: run(sys.argv[1:])\n"
    "except SystemExit as error: assert not error.code, error.code\n"
    "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
)


def line(ref: str) -> bytes:
    box = {"class_id": 0, "left": 1, "top": 2, "width": 30, "height": 20}
    label = {"image_size": [{"width": 64, "height": 48, "depth": 3}], "annotations": [box]}
    metadata = {
        "objects": [{"confidence": 0.9}],
        "class-map": {"0": "degu"},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00.000001",
        "job-name": "labeling-job/lean",
    }
    told = {"source-ref": ref, "boxes": label, "boxes-metadata": metadata}
    return json.dumps(told).encode() + b"\n"


@pytest.mark.parametrize("form", ["recordio", "image", "manifest"])
def test_a_conversion_of_local_files_imports_what_it_needs(tmp_path, form):
    manifest = tmp_path / "output.manifest"
    with manifest.open("wb") as file:
        for number in range(40):
            path = tmp_path / f"{number}.jpg"
            Image.new("RGB", (64, 48), (number, 0, 0)).save(path)
            file.write(line(str(path)))
    out, root = tmp_path / "out", tmp_path / "root"
    command = ["convert", str(manifest), "--to", form, "--out", str(out), "--root", str(root)]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *command, "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert sum(json.loads(done.stdout)["images"][form].values()) == 40
    assert HEAVY & set(json.loads(done.stderr.splitlines()[-1])) == set()
    assert not root.exists()
