from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box
from gt_workflow.core.manifest import read
from gt_workflow.core.truth import Voc, find, from_manifest, from_voc, parse_voc
from gt_workflow.errors import DataError

VOC = """<annotation verified="yes">
  <folder>images</folder>
  <filename> b.jpg </filename>
  <size><width>650</width><height>417</height><depth>3</depth></size>
  <object><name>raccoon</name>
    <part><name>tail</name><bndbox><xmin>1</xmin></bndbox></part>
    <bndbox><xmin>81</xmin><ymin>88.5</ymin><xmax>522</xmax><ymax>408</ymax></bndbox></object>
  <object><bndbox><ymax>4</ymax><xmax>3</xmax><ymin>2</ymin><xmin>1</xmin></bndbox>
    <name>Käfig &amp; Rad</name></object>
</annotation>"""


def test_a_voc_file():
    expected = Voc(
        filename="b.jpg",
        width=650,
        height=417,
        boxes=(
            ("raccoon", Box(81, 88.5, 441, 319.5)),
            ("Käfig & Rad", Box(1, 2, 2, 2)),
        ),
    )
    assert parse_voc(VOC, uri="b.xml") == expected
    assert parse_voc(VOC.encode(), uri="b.xml") == expected
    latin = '<?xml version="1.0" encoding="latin-1"?>' + VOC
    assert parse_voc(latin.encode("latin-1"), uri="b.xml") == expected


def test_a_photograph_without_objects():
    size = "<size><width>1</width><height>2</height></size>"
    text = f"<annotation><filename>a</filename>{size}</annotation>"
    assert parse_voc(text, uri="a.xml").boxes == ()


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<annotation><filename>&b;</filename></annotation>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>'


@pytest.mark.parametrize(
    "text", [BOMB, OUTSIDE, BOMB.encode("utf-16"), "<!DOCTYPE a><annotation/>"]
)
def test_nothing_can_be_defined(text):
    with pytest.raises(DataError, match="document type is not read"):
        parse_voc(text, uri="a.xml")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("</annotation>", "", "a.xml:10: no XML"),
        (VOC, "", "no XML: no element found"),
        (VOC, "<annotation>\ud800</annotation>", "no XML"),
        (VOC, "<a>&undefined;</a>", "undefined entity"),
        (VOC, "<a/>" + " " * 17_000_000, "larger than"),
        ("annotation", "annotations", "the root is <annotations>"),
        ("b.jpg", "", "annotation.filename: must not be empty"),
        ("filename", "file", "annotation: <filename> is missing"),
        ("size>", "sizes>", "annotation: <size> is missing"),
        ("650", "0", "annotation.size.width: 0 is no number of pixels"),
        ("650", "65.5", "annotation.size.width: 65.5 is no number of pixels"),
        ("81", "", "object[0].bndbox.xmin: must not be empty"),
        ("81", "left", "object[0].bndbox.xmin: 'left' is no number"),
        ("81", "nan", "object[0].bndbox.xmin: 'nan' is no number"),
        ("81", "1e99", "object[0].bndbox.xmin: '1e99' is no number"),
        ("81", "600", "object[0].bndbox: the box ends before it begins"),
        ("<xmin>1</xmin></bndbox>\n    <name>", "</bndbox><name>", "object[1].bndbox: <xmin> is"),
    ],
)
def test_what_is_no_voc_file(old, new, reason):
    assert old in VOC
    with pytest.raises(DataError) as caught:
        parse_voc(VOC.replace(old, new), uri="a.xml")
    assert reason in str(caught.value)
    assert str(caught.value).startswith("a.xml")


@pytest.mark.parametrize("codec", ["martian", "utf-32", "utf-7", "base64"])
def test_an_encoding_nobody_knows(codec):
    text = f'<?xml version="1.0" encoding="{codec}"?>{VOC}'
    with pytest.raises(DataError, match="no XML"):
        parse_voc(text.encode(), uri="a.xml")


def test_depth_is_no_trouble():
    deep = "<annotation>" + "<x>" * 200_000 + "</x>" * 200_000 + "</annotation>"
    with pytest.raises(DataError, match="<size> is missing"):
        parse_voc(deep, uri="a.xml")


@given(st.text(max_size=40) | st.binary(max_size=40))
def test_no_text_raises_anything_but_a_data_error(text):
    with pytest.raises(DataError):
        parse_voc(text, uri="a.xml")


def test_all_raccoons(shared):
    folder = shared / "data" / "raccoons"
    paths = sorted((folder / "annotations").glob("*.xml"))
    annotations = [parse_voc(path.read_bytes(), uri=path.name) for path in paths]
    assert len(annotations) == 200
    assert sum(len(annotation.boxes) for annotation in annotations) == 217
    truth = from_voc(annotations)
    for path in (folder / "images").iterdir():
        assert find(truth, f"s3://bucket/images/{path.name}")


def voc(name, edge):
    return Voc(name, 100, 100, (("degu", Box(edge, 0, 9, 9)),))


def test_photographs_are_found_by_any_form_of_their_name():
    truth = from_voc([voc("cage 1/degu #3.jpg", 1), voc("b", 2)])
    boxes = truth["cage 1/degu #3.jpg"]
    for name in ("s3://b/x/degu #3.jpg", "degu #3.png", "C:\\x\\degu #3.jpg", "degu #3"):
        assert find(truth, "unknown", name) == boxes
    assert find(truth, "x/b.jpg") == truth["b"]
    assert find(truth, "c.jpg", "") is None


def test_a_name_that_fits_two_photographs_fits_none():
    truth = from_voc([voc("one/a.jpg", 1), voc("two/a.jpg", 2), voc("c.jpg", 3), voc("c.png", 4)])
    assert find(truth, "a.jpg") is None
    assert find(truth, "one/a.jpg") == truth["one/a.jpg"]
    assert find(truth, "c.png") == truth["c.png"]
    assert find(truth, "c.gif") is None


def test_a_manifest_tells_the_truth():
    value = {
        "image_size": [{"width": 9, "height": 9, "depth": 3}],
        "annotations": [{"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4}],
    }
    metadata = {
        "class-map": {"0": "degu "},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
    }
    label = {"bb": value, "bb-metadata": metadata}
    empty = {"bb": value | {"annotations": []}, "bb-metadata": metadata}
    lines = [
        {"source-ref": "s3://b/1.jpg", "origin": "00ff", "photograph": "x/y.gif"} | label,
        {"source-ref": "s3://b/2.jpg"} | empty,
        {"source-ref": "s3://b/3.jpg"},
        {"source-ref": "s3://b/4.jpg", "photograph": 5} | empty,
    ]
    truth = from_manifest(read([json.dumps(line).encode() for line in lines], uri="m"))
    for name in ("s3://b/1.jpg", "1.png", "00ff", "x/y.gif", "y.png"):
        assert find(truth, name) == (("degu ", Box(1, 2, 3, 4)),)
    assert find(truth, "2.jpg") == ()
    assert find(truth, "3.jpg") is None
    assert find(truth, "4.jpg") == ()
