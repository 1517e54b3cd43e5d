"""What templates write into attributes, rendered and then read by the page's own reader."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gt_workflow.service.sagemaker.templates import render
from gt_workflow.workflow import templates

HERE = Path(__file__).parent
READER = Path(templates.__file__).parents[1] / "service/portal/static/crowd/literal.js"
LITERALS = ("labels", "initial-value", "categories", "overlay")
NASTY = ["it's", '"><script>', "a\\b\nc", "é ☃", "{{ x }}"]
BOXES = [
    {"class_id": index, "left": 1.5 + index, "top": 2, "width": 10.25, "height": 12}
    for index in range(len(NASTY))
]
LINE = {
    "source-ref": "s3://b/k",
    "boxes": {"image_size": [{"width": 64, "height": 48, "depth": 3}], "annotations": BOXES},
    "boxes-metadata": {"class-map": {str(index): label for index, label in enumerate(NASTY)}},
}


class _Attributes(HTMLParser):
    """Collects the attributes of the element that shows the image."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"crowd-bounding-box", "crowd-image-classifier"}:
            self.found = {name: value or "" for name, value in attrs}


def read(template: str, labels: list[str] = NASTY) -> dict[str, Any]:
    """Return the values of a rendered template's literals, as the page reads them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; it runs the page's JavaScript")
    given = {"taskObject": "s3://b/k", "labels": labels, "manifestLine": LINE}
    parser = _Attributes()
    parser.feed(render(template, task_input=given, grant=lambda uri: f"/image?{uri}"))
    texts = {name: parser.found[name] for name in LITERALS if name in parser.found}
    program = (
        f"import {{ read }} from {json.dumps(READER.as_uri())};"
        "const texts = JSON.parse(process.argv[1]);"
        "const values = Object.entries(texts).map(([name, text]) => [name, read(text)]);"
        "console.log(JSON.stringify(Object.fromEntries(values)));"
    )
    run = subprocess.run(
        [node, "--input-type=module", "--eval", program, json.dumps(texts)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    values: dict[str, Any] = json.loads(run.stdout)
    return values


def boxes(labels: list[str] = NASTY) -> list[dict[str, Any]]:
    sides = ("left", "top", "width", "height")
    return [
        {"label": label, **{side: box[side] for side in sides}}
        for label, box in zip(labels, BOXES, strict=True)
    ]


def test_labels_of_any_kind_come_through_our_own_templates():
    assert read(templates.render("label")) == {"labels": NASTY}
    adjust = read(templates.render("adjust", audited="boxes"))
    assert adjust == {"labels": NASTY, "initial-value": boxes()}
    verify = read(templates.render("verify", audited="boxes"))
    assert verify["categories"] == NASTY
    assert verify["overlay"] == {"boundingBox": {"labels": NASTY, "value": boxes()}}


def test_the_constructs_of_awss_samples_are_read():
    folder = HERE / "templates"
    guide = read((folder / "boxes_as_in_the_guide.liquid.html").read_text())
    assert guide == {"labels": ["cat", "dog"]}
    adjust = read((folder / "adjust_from_a_manifest_line.liquid.html").read_text())
    assert adjust == {"labels": NASTY, "initial-value": boxes()}
    verify = read((folder / "verify_with_an_overlay.liquid.html").read_text(), ["good"])
    assert verify["categories"] == ["good", "bad", "not sure"]
    assert verify["overlay"]["boundingBox"]["value"][1]["left"] == 2.5
