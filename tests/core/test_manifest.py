from __future__ import annotations

import json
import pickle
import re
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box
from gt_workflow.core.json_lines import LONGEST_LINE
from gt_workflow.core.manifest import (
    Annotation,
    Failure,
    Label,
    Record,
    attributes,
    failed_line,
    input_line,
    labelled_line,
    read,
    split_lines,
    with_members,
)
from gt_workflow.errors import DataError

SOURCE = "s3://b/a.jpg"


def value(*boxes, size=(640, 480)):
    return {
        "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
        "annotations": [
            {"class_id": c, "left": left, "top": top, "width": width, "height": height}
            for c, left, top, width, height in boxes
        ],
    }


def metadata(*ids, **changes):
    return {
        "objects": [{"confidence": 0.09} for _ in ids],
        "class-map": {str(i): f"class {i}" for i in ids},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-08T07:17:35.219298",
        "job-name": "labeling-job/degus",
    } | {key.replace("_", "-"): change for key, change in changes.items()}


def labelled(**changes):
    line = {
        "source-ref": SOURCE,
        "bb": value((0, 1, 2, 3, 4), (2, 5.5, 6.25, 7, 8)),
        "bb-metadata": metadata(0, 2),
    }
    return line | {key.replace("_", "-"): change for key, change in changes.items()}


def raw(line):
    return json.dumps(line).encode()


def one(line, **options):
    (record,) = read([line if isinstance(line, bytes) else raw(line)], uri="m", **options)
    return record


def test_a_labelled_line():
    record = one(labelled())
    assert record.state == "labelled"
    assert (record.line, record.source_ref, record.origin) == (1, SOURCE, SOURCE)
    assert (record.attribute, record.failure) == ("bb", None)
    assert record.human is True
    assert record.class_ids == (0, 2)
    assert record.label == Label(
        attribute="bb",
        width=640,
        height=480,
        depth=3,
        annotations=(
            Annotation(0, Box(1, 2, 3, 4), 0.09, "class 0"),
            Annotation(2, Box(5.5, 6.25, 7, 8), 0.09, "class 2"),
        ),
        class_map={0: "class 0", 2: "class 2"},
        human=True,
        job_name="degus",
        creation_date="2026-01-08T07:17:35.219298",
        kind="groundtruth/object-detection",
    )
    assert record.label is record.label


def test_no_boxes_and_an_empty_class_map_are_a_label():
    record = one(labelled(bb=value(), bb_metadata=metadata()))
    assert record.state == "labelled"
    assert record.label is not None
    assert record.label.annotations == ()
    assert record.label.class_map == {}
    assert record.class_ids == ()


def test_a_failed_line():
    line = {
        "source-ref": SOURCE,
        "bb-metadata": {
            "retry-count": 1,
            "failure-reason": "ClientError: Annotation tasks expired.",
            "human-annotated": "true",
        },
    }
    for attribute in (None, "bb"):
        record = one(line, attribute=attribute)
        assert (record.state, record.attribute) == ("failed", "bb")
        assert record.failure == Failure("ClientError: Annotation tasks expired.", 1)
        assert record.label is None
        assert record.human is None
        assert record.class_ids == ()


def test_a_failure_wins_over_a_value_that_the_input_had():
    line = labelled(bb_metadata={"failure-reason": "expired", "human-annotated": "true"})
    assert one(line).failure == Failure("expired", None)


def test_a_label_wins_over_a_failure_that_an_earlier_job_left():
    line = labelled(bb_metadata=metadata(0, 2, failure_reason="expired", retry_count=1))
    assert one(line).state == "labelled"


def test_an_untouched_line_and_its_origin():
    line = raw({"source-ref": SOURCE, "origin": "00ff", "photograph": "é.jpg", "x": {"y": 1}})
    record = one(line)
    assert (record.state, record.origin, record.attribute) == ("untouched", "00ff", None)
    assert record.raw == line
    assert one(line, attribute="bb").attribute == "bb"


def test_the_order_of_members_does_not_matter():
    def turned(item):
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(item)}
        return [turned(part) for part in item] if isinstance(item, list) else item

    assert one(turned(labelled())).label == one(labelled()).label


@pytest.mark.parametrize(("word", "human"), [("yes", True), ("true", True), ("no", False)])
def test_who_annotated(word, human):
    record = one(labelled(bb_metadata=metadata(0, 2, human_annotated=word)))
    assert record.human is human
    assert record.label is not None
    assert record.label.human is human


def test_what_a_label_may_leave_out():
    line = labelled()
    for name in ("objects", "creation-date", "job-name"):
        del line["bb-metadata"][name]
    del line["bb"]["image_size"][0]["depth"]
    label = one(line).label
    assert label is not None
    assert [annotation.confidence for annotation in label.annotations] == [None, None]
    assert (label.depth, label.creation_date, label.job_name) == (3, None, None)


def test_names_keep_their_spaces_and_letters():
    line = labelled(bb_metadata=metadata(0, 2, class_map={"0": "设备 ", "2": "\tÅ "}))
    label = one(line).label
    assert label is not None
    assert [annotation.label for annotation in label.annotations] == ["设备 ", "\tÅ "]


def test_line_ends_blank_lines_and_a_byte_order_mark():
    lines = [b"\xef\xbb\xbf" + raw(labelled()) + b"\r\n", b"\r\n", b"  \n", raw(labelled())]
    records = list(read(lines, uri="m"))
    assert [record.line for record in records] == [1, 4]
    assert {record.raw for record in records} == {raw(labelled())}


def test_an_adjustment_is_a_label():
    assert one(labelled(bb_metadata=metadata(0, 2, adjustment_status="adjusted"))).label


CHAINED = labelled() | {"second": value(), "second-metadata": metadata()}


def test_of_several_attributes_one_is_chosen_by_name():
    assert one(CHAINED, attribute="second").class_ids == ()
    assert one(CHAINED, attribute="bb").class_ids == (0, 2)
    assert one(CHAINED, attribute="third").state == "untouched"
    assert attributes([raw(CHAINED)], uri="m") == ("bb", "second")


@pytest.mark.parametrize(
    "lines",
    [
        [CHAINED],
        [labelled(), CHAINED],
        [
            labelled(),
            {"source-ref": SOURCE, "second": value(), "second-metadata": metadata()},
        ],
        [
            {"source-ref": SOURCE},
            labelled(),
            {"source-ref": SOURCE, "second-metadata": {"failure-reason": "x"}},
        ],
    ],
)
@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_several_attributes_are_listed_and_never_skipped(lines, policy):
    rejected = []
    with pytest.raises(DataError, match="choose one: bb, second") as caught:
        list(
            read(
                map(raw, lines),
                uri="m",
                on_bad_line=policy,
                reject=lambda *what: rejected.append(what),
            )
        )
    assert (caught.value.uri, caught.value.line) == ("m", len(lines))
    assert rejected == []


def test_other_kinds_of_label_are_no_choice():
    line = labelled() | {
        "check": "1",
        "check-metadata": {"type": "groundtruth/label-verification", "class-name": "good"},
        "camera-metadata": 5,
        "lens-metadata": {"type": ["a"]},
        "bb2-metadata": {"failure-reason": "expired"},
    }
    assert one(line).attribute == "bb"
    assert attributes([b"", raw(line)], uri="m") == ("bb",)
    with pytest.raises(DataError, match="not boxes but groundtruth/label-verification") as caught:
        one(line, attribute="check")
    assert caught.value.field == "check-metadata.type"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bb_metadata": None}, "bb-metadata"),
        ({"bb_metadata": {"type": 5}}, "bb-metadata.type"),
        ({"bb_metadata": {}}, "bb-metadata.type"),
        ({"bb_metadata": 5}, "bb-metadata"),
    ],
)
def test_a_label_whose_metadata_are_broken_is_found_all_the_same(changes, field):
    line = {key: item for key, item in labelled(**changes).items() if item is not None}
    with pytest.raises(DataError) as caught:
        one(line)
    assert caught.value.field == field


@pytest.mark.parametrize("theirs", [{}, {"annotations": []}, [], "{}", {"image_size": 1}])
def test_other_members_are_no_labels(theirs):
    assert one({"source-ref": SOURCE, "theirs": theirs}).state == "untouched"


@pytest.mark.parametrize("name", ["source-ref", "origin", "photograph"])
def test_members_with_a_meaning_are_no_label_attributes(name):
    with pytest.raises(DataError, match=f"cannot be called '{name}'"):
        one(labelled(), attribute=name)


def broken(path, change):
    """A labelled line with one thing changed; `change` None takes it away."""
    line = json.loads(json.dumps(labelled()))
    *steps, last = path
    place = line
    for step in steps:
        place = place[step]
    if change is None:
        del place[last]
    else:
        place[last] = change
    return raw(line)


BAD = [
    (("source-ref",), None, "source-ref", "missing"),
    (("source-ref",), "", "source-ref", "must not be empty"),
    (("source-ref",), 5, "source-ref", "got `int`"),
    (("origin",), "", "origin", "must not be empty"),
    (("origin",), 5, "origin", "got `int`"),
    (("bb",), None, "bb", "missing"),
    (("bb",), [], "bb", "got `array`"),
    (("bb", "annotations"), None, "bb.annotations", "missing"),
    (("bb", "annotations"), {}, "bb.annotations", "got `object`"),
    (("bb", "annotations", 1, "left"), "5", "bb.annotations[1].left", "got `str`"),
    (("bb", "annotations", 1, "left"), None, "bb.annotations[1].left", "missing"),
    (("bb", "annotations", 1, "left"), 1e10, "bb.annotations[1].left", "<= 1000000000"),
    (("bb", "annotations", 0, "width"), -1, "bb.annotations[0].width", ">= 0"),
    (("bb", "annotations", 0, "height"), -0.5, "bb.annotations[0].height", ">= 0"),
    (("bb", "annotations", 0, "class_id"), -1, "bb.annotations[0].class_id", ">= 0"),
    (("bb", "annotations", 0, "class_id"), "0", "bb.annotations[0].class_id", "got `str`"),
    (("bb", "annotations", 0, "class_id"), 10**30, "bb.annotations[0].class_id", "<="),
    (("bb", "annotations", 1, "class_id"), 7, "bb.annotations[1].class_id", "class 7 is not in"),
    (("bb", "annotations", 1), [2, 5, 6, 7, 8], "bb.annotations[1]", "got `array`"),
    (("bb", "image_size"), None, "bb.image_size", "missing"),
    (("bb", "image_size"), [], "bb.image_size", "length >= 1"),
    (("bb", "image_size"), {"width": 1, "height": 1}, "bb.image_size", "got `object`"),
    (("bb", "image_size", 0, "width"), 0, "bb.image_size[0].width", ">= 1"),
    (("bb", "image_size", 0, "height"), -480, "bb.image_size[0].height", ">= 1"),
    (("bb", "image_size", 0, "height"), 480.5, "bb.image_size[0].height", "got `float`"),
    (("bb-metadata",), 5, "bb-metadata", "got `int`"),
    (("bb-metadata", "type"), None, "bb-metadata.type", "missing"),
    (("bb-metadata", "human-annotated"), None, "bb-metadata.human-annotated", "missing"),
    (("bb-metadata", "human-annotated"), "maybe", "bb-metadata.human-annotated", "maybe"),
    (("bb-metadata", "class-map"), None, "bb-metadata.class-map", "missing"),
    (("bb-metadata", "class-map"), ["a"], "bb-metadata.class-map", "got `array`"),
    (("bb-metadata", "class-map"), {"a": "b"}, "bb-metadata.class-map", "got `str`"),
    (("bb-metadata", "class-map", "0"), 5, "bb-metadata.class-map[...]", "got `int`"),
    (("bb-metadata", "objects"), [{"confidence": 1}], "bb-metadata.objects", "1 entries for 2"),
    (("bb-metadata", "objects", 0), {}, "bb-metadata.objects[0].confidence", "missing"),
    (("bb-metadata", "objects", 0, "confidence"), 1.5, "bb-metadata.objects[0].confidence", "<="),
    (("bb-metadata", "job-name"), 5, "bb-metadata.job-name", "got `int`"),
]


@pytest.mark.parametrize(("path", "change", "field", "reason"), BAD)
def test_errors_name_file_line_and_field(path, change, field, reason):
    lines = [raw(labelled()), b"", broken(path, change)]
    with pytest.raises(DataError) as caught:
        list(read(lines, uri="s3://b/out.manifest", attribute="bb"))
    assert (caught.value.uri, caught.value.line) == ("s3://b/out.manifest", 3)
    assert caught.value.field == field
    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"s3://b/out.manifest:3: {field}: ")


def test_a_label_without_metadata_is_an_error_once_the_attribute_is_known():
    line = labelled()
    del line["bb-metadata"]
    with pytest.raises(DataError, match="m:2: bb-metadata: this member is missing"):
        list(read([raw(labelled()), raw(line)], uri="m"))


GOOD = raw(labelled())
spellings = st.sampled_from([{}, {"ensure_ascii": False}, {"separators": (" ,", " : ")}])

MALFORMED = [
    (GOOD[:-30], "breaks off in the middle"),
    (GOOD[:15], "breaks off in the middle"),
    (b"{", "breaks off in the middle"),
    (GOOD + b"}", "Extra data"),
    (GOOD + GOOD, "Extra data"),
    (b"[]", "a line is a JSON object"),
    (b"5", "a line is a JSON object"),
    (b"null", "a line is a JSON object"),
    (b'"s3://b/a.jpg"', "a line is a JSON object"),
    (b"source-ref,s3://b/a.jpg", "no JSON: Expecting value at column 1"),
    (b'{"source-ref":"a","x":NaN}', "NaN is no JSON number"),
    (b'{"source-ref":"a","x":[-Infinity]}', "-Infinity is no JSON number"),
    (GOOD.replace(b'"left": 1', b'"left": NaN'), "NaN is no JSON number"),
    (GOOD.replace(b'"left": 1', b'"left": 1e999'), "out of range"),
    (GOOD.replace(b'"left": 1', b'"left": ' + b"1" * 5000), "out of range"),
    (b'{"source-ref":"\xff.jpg"}', "byte 16 of the line is not UTF-8"),
    (b'{"source-ref":"a","theirs":{"x":"\xe9"}}', "is not UTF-8"),
    (b'{"source-ref":"\\ud800"}', "half of a surrogate pair"),
    (b'{"source-ref":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
    (b'{"source-ref":"a","source-ref":"b"}', "source-ref: this member stands twice"),
    (GOOD[:-1] + b',"bb": {}}', "bb: this member stands twice"),
    (GOOD.replace(b'"left": 1,', b'"left": 9, "left": 1,'), "bb.annotations[0].left: this member"),
    (GOOD.replace(b'"0": ', b'"0": "a", "0": '), "bb-metadata.class-map.0: this member stands"),
    (GOOD.replace(b'"type"', b'"job-name": "x", "type"'), "bb-metadata.job-name: this member"),
    (
        GOOD.replace(b'"left": 1,', b'"left": 9, "left": 1,').replace(b"{", b'{"x": {"y": 1},', 1),
        "bb.annotations[0].left: this member",
    ),
    (b"{" + b" " * LONGEST_LINE + b"}", "longer than"),
]


@pytest.mark.parametrize(("line", "reason"), MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("attribute", ["bb", None])
def test_what_is_no_line_of_a_manifest(line, reason, attribute):
    with pytest.raises(DataError) as caught:
        one(line, attribute=attribute)
    assert str(caught.value).startswith("m:1: ")
    assert reason in str(caught.value)


OWN = re.compile(r'"(?:[^"\\\\]|\\\\.)*" ?:')


@given(st.data())
def test_a_member_twice_is_found_wherever_it_stands(data):
    extra = data.draw(st.sampled_from([{}, {"origin": "0f"}, {"x": {"y": '":'}, "z": [1]}]))
    line = json.dumps(labelled() | extra, **data.draw(spellings))
    keys = [found for found in OWN.finditer(line) if found[0].strip(' :"') not in {"y", '":'}]
    key = data.draw(st.sampled_from(keys))
    twice = line[: key.start()] + key[0] + "1," + line[key.start() :]
    with pytest.raises(DataError, match="stands twice"):
        one(twice.encode())


def test_a_member_twice_in_what_is_passed_on_is_not_ours():
    line = GOOD[:-1] + b', "theirs": {"x":1, "x":2, "y" : "\\":"}}'
    assert one(line).raw == line


def test_bad_lines_are_skipped_but_never_lost():
    lines = [GOOD, GOOD[:-9], broken(("bb", "annotations", 0, "left"), "1"), b"", GOOD]
    rejected = []
    records = list(
        read(lines, uri="m", on_bad_line="skip", reject=lambda *what: rejected.append(what))
    )
    assert [record.line for record in records] == [1, 5]
    assert [line for line, _ in rejected] == lines[1:3]
    assert [error.line for _, error in rejected] == [2, 3]


def test_to_skip_without_a_place_for_rejects_is_refused():
    with pytest.raises(ValueError, match="needs `reject`"):
        list(read([], uri="m", on_bad_line="skip"))


def test_attributes_of_a_broken_file():
    with pytest.raises(DataError, match="m:2: the line breaks off"):
        attributes([GOOD, GOOD[:-4]], uri="m")
    failed = raw({"source-ref": "a", "late-metadata": {"failure-reason": "x"}})
    assert attributes([failed, GOOD], uri="m") == ("late", "bb")


# What real jobs wrote.


def test_the_real_manifest_of_one_class(shared):
    path = shared / "data" / "manifests" / "one-class-470.manifest"
    with path.open("rb") as file:
        records = list(read(split_lines(file), uri=path.name))
    labels = [record.label for record in records if record.label]
    assert Counter(record.state for record in records) == {"labelled": 470}
    assert {record.attribute for record in records} == {"bcbs-logo-labeling"}
    assert sum(not label.annotations for label in labels) == 42
    assert all(not label.class_map for label in labels if not label.annotations)
    assert sum(len(record.class_ids) for record in records) == 492
    assert {one.label for label in labels for one in label.annotations} == {"BCBS"}
    assert {label.job_name for label in labels} == {
        "bcbs-logo-labeling",
        "bcbs-logo-labeling-small",
    }
    assert path.read_bytes() == b"".join(record.raw + b"\n" for record in records)


def test_the_real_manifest_with_sparse_classes(shared):
    path = shared / "data" / "manifests" / "symbols-sparse-ids.manifest"
    with path.open("rb") as file:
        records = list(read(split_lines(file), uri=path.name))
    labels = [record.label for record in records if record.label]
    names = {one.class_id: one.label for label in labels for one in label.annotations}
    assert len(labels) == 5
    assert names == {0: "符号", 1: "设备 ", 3: "英文"}
    assert Counter(i for record in records for i in record.class_ids) == {0: 20, 1: 14, 3: 2}


# Writing.

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
passed_on = st.dictionaries(
    texts.map(lambda name: f"x{name}").filter(lambda name: not name.endswith("-metadata")),
    json_values | texts,
    max_size=4,
)
edges = st.floats(0, 1e6).map(lambda edge: round(edge, 4))
drawn = st.lists(st.tuples(st.integers(0, 9), edges, edges, edges, edges), max_size=6)


@given(passed_on, spellings, drawn, st.booleans())
def test_a_written_label_reads_back_and_the_rest_keeps_its_bytes(extra, spelling, boxes, human):
    given_line = json.dumps({"source-ref": SOURCE, **extra}, **spelling).encode()
    untouched = one(given_line)
    assert (untouched.state, untouched.raw) == ("untouched", given_line)
    word = "yes" if human else "no"
    written = labelled_line(
        given_line,
        attribute="bb",
        value=value(*boxes),
        metadata=metadata(*[box[0] for box in boxes], human_annotated=word),
    )
    assert written.startswith(given_line[:-1])
    record = one(written)
    assert record.label is not None
    assert record.human is human
    assert [
        (one.class_id, one.box.left, one.box.top, one.box.width, one.box.height)
        for one in record.label.annotations
    ] == boxes
    # A second time over the same attribute: replaced in place, everything else as it was.
    again = labelled_line(written, attribute="bb", value=value(), metadata=metadata())
    assert one(again).class_ids == ()
    assert list(json.loads(again)) == list(json.loads(written))
    for item in extra.values():
        assert json.dumps(item, **spelling).encode() in again


@given(passed_on, texts, st.integers(0, 9))
def test_a_written_failure_reads_back(extra, reason, retries):
    line = failed_line(
        raw({"source-ref": SOURCE, "bb": "what the input had", **extra}),
        attribute="bb",
        reason=reason,
        retries=retries,
    )
    record = one(line)
    assert record.failure == Failure(reason, retries)
    assert json.loads(line)["bb-metadata"]["human-annotated"] == "true"
    assert json.loads(line).items() >= extra.items()
    assert "bb" not in json.loads(line)


@given(texts.filter(bool), passed_on)
def test_an_input_line_reads_back(source_ref, extra):
    line = input_line(source_ref, extra)
    record = one(line)
    assert b"\n" not in line
    assert (record.state, record.source_ref) == ("untouched", source_ref)
    assert json.loads(line) == {"source-ref": source_ref, **extra}


def test_input_lines_are_compact_and_readable():
    line = input_line("s3://b/é.jpg", {"origin": "0f", "photograph": "Ställe/é.jpg"})
    expected = '{"source-ref":"s3://b/é.jpg","origin":"0f","photograph":"Ställe/é.jpg"}'
    assert line == expected.encode()
    with pytest.raises(ValueError, match="given already"):
        input_line("a", {"source-ref": "b"})


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_data_error(line):
    for candidate in (line, GOOD[: len(line)] + line, GOOD[:60] + line + GOOD[60 + len(line) :]):
        try:
            list(read([candidate], uri="m"))
        except DataError as error:
            assert error.line == 1  # noqa: PT017 - most inputs raise, some do not


def test_records_compare_and_travel_between_processes():
    record = one(labelled())
    assert record == one(labelled())
    assert hash(record) == hash(one(labelled()))
    assert record != one(labelled(bb=value((0, 1, 2, 3, 5), (2, 5.5, 6.25, 7, 8))))
    assert record != "record"
    assert not record != one(labelled())  # noqa: SIM202 - `!=` is what is tried
    assert record.label
    assert not record != one(labelled())  # noqa: SIM202 - as above
    assert record == one(labelled())
    assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301 - our own bytes
    assert repr(record) == "Record(1, 's3://b/a.jpg', 'bb', labelled)"
    made = Record(1, record.raw, SOURCE, SOURCE, "bb", content=record.label)
    assert made == record
    assert (made.state, made.human, made.class_ids) == ("labelled", True, (0, 2))


def test_memory_does_not_grow_with_the_file():
    def peak(count):
        tracemalloc.start()
        for _ in read((GOOD for _ in range(count)), uri="m"):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(5_000) < peak(500) + 20_000


def test_with_members_is_offered_here():
    assert with_members(b"{}", {"a": 1}) == b'{"a":1}'
