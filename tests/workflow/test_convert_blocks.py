"""A manifest counted block by block, and passed on as it stands, against a reader line by line."""

from __future__ import annotations

import io
import json
import pickle
import re
from contextlib import ExitStack, closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gt_workflow.adapters.engine import ProcessEngine
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.adapters.storage import LocalFiles
from gt_workflow.core import json_lines
from gt_workflow.core.looks import alike_in
from gt_workflow.core.manifest import is_variant, read, split_lines
from gt_workflow.errors import DataError
from gt_workflow.ports import Outcome
from gt_workflow.workflow import convert
from gt_workflow.workflow.channels import repeats
from gt_workflow.workflow.channels.labels import judge
from gt_workflow.workflow.channels.survey import side_of, survey
from gt_workflow.workflow.convert import ConvertSettings

OUT = "s3://bucket/out"
MANIFEST = "s3://bucket/output.manifest"
PATHS = [f"{OUT}/manifest/{side}.manifest" for side in ("train", "validation")]


def quiet(_stage, _done, _total):
    pass


def labelled(ref, *boxes, ids=(0, 1), attribute="bb", **further):
    keys = ("class_id", "left", "top", "width", "height")
    return {
        "source-ref": ref,
        attribute: {
            "image_size": [{"width": 64, "height": 48, "depth": 3}],
            "annotations": [dict(zip(keys, box, strict=True)) for box in boxes],
        },
        f"{attribute}-metadata": {
            "objects": [{"confidence": 0.5} for _ in boxes],
            "class-map": {str(i): f"class {i}" for i in ids},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00.000001",
            "job-name": "labeling-job/j",
        },
    } | further


def sent(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - written a moment before


class Shared(MemoryStorage):
    """Objects that other processes see as well, as far as `Pickling` has any."""

    def __reduce__(self):
        return Shared, (dict(self.objects),)


class Pickling:
    """An engine that sends everything through pickle, as processes do, and stays here."""

    def map(self, fn, items, *, batch=None):  # noqa: ARG002 - as the port has it
        for item in items:
            yield Outcome(item=item, value=sent(sent(fn)(sent(item))))

    def close(self):
        pass


def settings(**changes):
    chosen = ConvertSettings(manifest=MANIFEST, out=OUT, forms=("manifest",), images="trust")
    return replace(chosen, **changes)


def line_by_line(data, chosen):
    """Count with one reader from the first line to the last; return what is wrong, if so."""
    rejected = []

    def lines():
        return split_lines(io.BytesIO(data), uri=MANIFEST)

    def records():
        rejected.clear()
        return read(
            lines(),
            uri=MANIFEST,
            attribute=chosen.attribute,
            on_bad_line=chosen.on_bad_line,
            reject=lambda _raw, error: rejected.append(error.line),
        )

    try:
        found = survey(
            records,
            validation=chosen.validation,
            salt=chosen.salt,
            min_side=chosen.min_side,
            fixed_classes=chosen.classes,
            uri=MANIFEST,
            alike=alike_in(lines(), salt=chosen.salt, distance=chosen.distance),
        )
    except DataError as error:
        return error
    found.rejected = len(rejected)
    found.lines += len(rejected)
    return found


boxes = st.sampled_from(
    [(0, 1, 2, 20, 10), (1, 5, 5, 6, 7), (0, 1.5, 2.25, 3, 4), (1, 60, 40, 9, 9), (0, 63, 1, 1, 1),
     (1, 70, 1, 5, 5), (7, 1, 1, 5, 5), (0, -3, 0, 9, 9), (1, 3, 3, 0, 5)]
)  # fmt: skip
good = st.builds(
    lambda n, some, ids, more: json.dumps(labelled(f"s3://b/{n}.jpg", *some, ids=ids, **more)),
    st.integers(0, 9),
    st.lists(boxes, max_size=3),
    st.sampled_from([(0, 1), (0, 1), (1, 0), (0, 1, 7)]),
    st.sampled_from(
        [{}, {}, {"origin": "s3://b/0.jpg"}, {"variant": {"name": "x"}}, {"note": 'é"'},
         {"perceptual-hash": "0" * 16}, {"perceptual-hash": "f" * 16, "photograph": "p.jpg"}]
    ),
)  # fmt: skip
odd = st.sampled_from(
    ["", "  ", "{", '{"source-ref": "a"}', '{"source-ref": ""}',
     '{"source-ref": "a", "source-ref": "b"}',
     json.dumps({"source-ref": "f", "bb-metadata": {"failure-reason": "expired"}}),
     json.dumps({"source-ref": "f", "cc-metadata": {"failure-reason": "expired"}}),
     json.dumps({"source-ref": "t", "bb-metadata": {"type": "groundtruth/text"}}),
     json.dumps(labelled("c", (0, 1, 1, 5, 5), attribute="cc")),
     json.dumps(labelled("d", (0, 1, 1, 5, 5))).replace("class 0", "another")]
)  # fmt: skip
manifests = st.builds(
    lambda lines, end, last: (end.join(lines) + (end if last else "")).encode(),
    st.lists(st.one_of(good, good, good, odd), max_size=12),
    st.sampled_from(["\n", "\n", "\r\n", "\r\r\n"]),
    st.booleans(),
)


@given(
    manifests,
    st.sampled_from([None, None, "bb", "cc"]),
    st.sampled_from(["stop", "skip", "skip"]),
    st.sampled_from([None, None, ("class 1", "class 0", "class 7")]),
    st.sampled_from([1, 300, 1 << 17]),
)
def test_counts_and_errors_are_those_of_a_reader_line_by_line(
    data, attribute, policy, classes, size
):
    chosen = settings(attribute=attribute, on_bad_line=policy, classes=classes, validation=0.4)
    storage = Shared({MANIFEST: data})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_CHUNK", size)
        expected = line_by_line(data, chosen)
        if isinstance(expected, DataError):
            with pytest.raises(DataError, match=f"^{re.escape(str(expected))}$"):
                convert.plan(chosen, storage=storage, progress=quiet)
            return
        images = [side.images for side in expected.sides.values()]
        for engine in (None, Pickling()):
            try:
                found = convert.plan(chosen, storage=storage, progress=quiet, engine=engine).survey
            except DataError:
                assert not all(images)
                continue
            assert found.to_dict() == expected.to_dict()
            assert found.sides == expected.sides
            assert found.classes == expected.classes
            assert found.moved == expected.moved
            assert found.warnings() == expected.warnings()


@given(manifests, st.sampled_from([None, ("class 1", "class 0", "class 7", "another")]))
def test_lines_are_passed_on_or_rewritten(data, classes):
    chosen = settings(on_bad_line="skip", attribute="bb", classes=classes, validation=0.4)
    storage = MemoryStorage({MANIFEST: data})
    try:
        planned = convert.plan(chosen, storage=storage, progress=quiet)
    except DataError:
        return
    receipt = convert.run(planned, storage=storage, progress=quiet)
    written = [storage.objects[path].splitlines() for path in PATHS]
    names = {entry.class_id: entry.name for entry in planned.classes}
    identical = all(set(entry.manifest_ids) <= {entry.class_id} for entry in planned.classes)
    rejects = []
    for record in read(
        split_lines(io.BytesIO(data)),
        uri=MANIFEST,
        attribute="bb",
        on_bad_line="skip",
        reject=lambda raw, _error: rejects.append(raw),
    ):
        judged = judge(record, min_side=1)
        if not judged.boxes:
            continue
        where = side_of(
            record.origin,
            planned.survey.moved,
            validation=0.4,
            salt="",
            alike=planned.survey.alike,
        )
        line = written[where == "validation"].pop(0)
        (after,) = read([line], uri="out", attribute="bb")
        assert (after.source_ref, after.origin) == (record.source_ref, record.origin)
        assert [names[one.class_id] for one in after.label.annotations] == [
            one.annotation.label for one in judged.boxes
        ]
        assert is_variant(line) == is_variant(record.raw)
        touched = (
            judged.clipped
            or judged.dropped
            or b"." in json.dumps(json.loads(record.raw)["bb"]).encode()
        )
        if identical and not touched and b"\r\r" not in data:
            assert line == record.raw
    assert written == [[], []]
    rejected = storage.objects.get(f"{OUT}/rejected.manifest", b"")
    assert rejected == b"".join(raw + b"\n" for raw in rejects)
    report = json.loads(storage.objects[receipt.report])
    assert report["counts"]["rejected"] == len(rejects)


class Recorded(Shared):
    """Tells which objects were opened and begun."""

    def __init__(self, objects):
        super().__init__(objects)
        self.opened, self.begun = [], []

    def open(self, uri):
        self.opened.append(uri)
        return super().open(uri)

    def create(self, uri):
        self.begun.append(uri)
        return super().create(uri)


def converted(chosen, data, *, ahead, engine=None):
    """Plan and run; return the storage, with the error if there was one."""
    storage = Recorded({MANIFEST: data})
    error = None
    with convert.Ahead(chosen, storage, wanted=ahead) as writing:
        try:
            planned = convert.plan(
                chosen, storage=storage, progress=quiet, engine=engine, ahead=writing
            )
            convert.run(planned, storage=storage, progress=quiet, ahead=writing)
        except DataError as raised:
            error = str(raised)
    return storage, error


@given(
    manifests,
    st.sampled_from([None, "bb"]),
    st.sampled_from(["stop", "skip", "skip"]),
    st.sampled_from([None, None, ("class 1", "class 0", "class 7", "another")]),
    st.sampled_from([(6, 300), (-1, 300), (6, 1 << 17)]),
)
def test_what_is_written_ahead_is_what_a_second_reading_writes(
    data, attribute, policy, classes, cut
):
    chosen = settings(
        attribute=attribute,
        on_bad_line=policy,
        classes=classes,
        validation=0.4,
        distance=cut[0],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_CHUNK", cut[1])
        expected, refused = converted(chosen, data, ahead=False)
        for engine in (None, Pickling()):
            found, error = converted(chosen, data, ahead=True, engine=engine)
            assert error == refused
            assert found.objects == expected.objects


@pytest.mark.parametrize(
    ("changes", "readings"),
    [
        ({}, 1),
        ({"classes": ("other", "class 0", "class 1")}, 2),  # every line is rewritten
        ({"images": "check"}, 2),
        ({"forms": ("manifest", "image"), "images": "check"}, 2),
    ],
)
def test_the_manifest_is_read_once_where_nothing_is_in_the_way(changes, readings):
    chosen = settings(attribute="bb", **changes)
    storage = stored(ten())
    recorded = Recorded(storage.objects)
    with convert.Ahead(chosen, recorded) as ahead:
        planned = convert.plan(chosen, storage=recorded, progress=quiet, ahead=ahead)
        assert PATHS[0] not in recorded.objects
        convert.run(planned, storage=recorded, progress=quiet, ahead=ahead)
    assert PATHS[0] in recorded.objects or "manifest" not in chosen.forms
    assert recorded.opened.count(MANIFEST) >= readings
    assert (recorded.opened.count(MANIFEST) == 1) == (readings == 1)


def test_looks_are_seen_to_before_anything_is_written_ahead():
    lines = [line | {"perceptual-hash": f"{17 * n:016x}"} for n, line in enumerate(ten())]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    expected, _ = converted(settings(attribute="bb", distance=2), body, ahead=False)
    found, _ = converted(settings(attribute="bb", distance=2), body, ahead=True)
    assert found.objects == expected.objects


def test_a_form_that_stands_is_not_written_ahead_and_a_plan_leaves_nothing():
    chosen = settings(attribute="bb")
    storage = Recorded(stored(ten()).objects)
    before = dict(storage.objects)
    with convert.Ahead(chosen, storage) as ahead:
        convert.plan(chosen, storage=storage, progress=quiet, ahead=ahead)
        assert storage.begun == PATHS
    assert storage.objects == before
    for written in (True, False):
        storage.begun.clear()
        with convert.Ahead(chosen, storage) as ahead:
            planned = convert.plan(chosen, storage=storage, progress=quiet, ahead=ahead)
            convert.run(planned, storage=storage, progress=quiet, ahead=ahead)
        assert (PATHS[0] in storage.begun) == written


def test_an_error_in_the_middle_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "_CHUNK", 400)
    source, out = tmp_path / "output.manifest", tmp_path / "out"
    source.write_bytes(stored(ten()).objects[MANIFEST] + b"{broken\n")
    chosen = settings(manifest=str(source), out=str(out), attribute="bb")
    storage = LocalFiles()
    with (
        convert.Ahead(chosen, storage) as ahead,
        pytest.raises(DataError, match=r"output\.manifest:11: "),
    ):
        convert.plan(chosen, storage=storage, progress=quiet, ahead=ahead)
    assert not [path for path in out.rglob("*") if path.is_file()]


def picture():
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, "JPEG")
    return buffer.getvalue()


def ten(**further):
    lines = [labelled(f"s3://b/{n}.jpg", (0, 1, 2, 20, 10), **further) for n in range(10)]
    lines[3]["bb"]["annotations"][0]["left"] = 1.5
    lines[4]["bb"]["annotations"] = lines[4]["bb-metadata"]["objects"] = []
    return lines


def stored(lines, images=True):
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    heads = {line["source-ref"]: picture() for line in lines} if images else {}
    return MemoryStorage({MANIFEST: body} | heads)


def test_the_manifest_form_is_the_same_whatever_else_is_written_and_looked_at():
    found = []
    for changes in ({}, {"images": "check"}, {"forms": ("recordio", "image", "manifest")}):
        storage = stored(ten())
        chosen = settings(**changes)
        planned = convert.plan(chosen, storage=storage, progress=quiet)
        receipt = convert.run(planned, storage=storage, progress=quiet)
        assert receipt.refused == 0
        events = json.loads(storage.objects[receipt.report])["lines"]
        channel = json.loads(storage.objects[f"{OUT}/manifest/channel.json"])
        sizes = {path: len(storage.objects[f"{OUT}/{path}"]) for path in channel["files"]}
        assert channel["files"] == sizes
        counts = {side: channel[side]["images"] for side in ("train", "validation")}
        found.append(([storage.objects[path] for path in PATHS], events, counts))
    assert found[0] == found[1] == found[2]
    assert found[0][2] == {"train": 7, "validation": 2} or sum(found[0][2].values()) == 9


def test_images_are_looked_at_unless_they_are_trusted():
    storage = stored(ten(), images=False)
    planned = convert.plan(settings(images="check"), storage=storage, progress=quiet)
    with pytest.raises(DataError, match="there is no such image"):
        convert.run(planned, storage=storage, progress=quiet)
    assert PATHS[0] not in storage.objects
    storage.objects |= {f"s3://b/{n}.jpg": picture() for n in range(10) if n != 7}
    planned = convert.plan(
        settings(images="check", on_bad_line="skip"), storage=storage, progress=quiet
    )
    assert convert.run(planned, storage=storage, progress=quiet).refused == 1
    written = b"".join(storage.objects[path] for path in PATHS)
    assert b"s3://b/7.jpg" not in written
    assert b"s3://b/8.jpg" in written
    planned = convert.plan(settings(), storage=storage, progress=quiet)
    assert convert.run(planned, storage=storage, progress=quiet).refused == 0
    assert b"s3://b/7.jpg" in b"".join(storage.objects[path] for path in PATHS)


@pytest.mark.parametrize("change", [b"\n", b"{broken\n", b'{"source-ref": "x"}\n'])
def test_a_manifest_that_changed_gives_no_manifests(change):
    storage = stored(ten())
    planned = convert.plan(settings(), storage=storage, progress=quiet)
    storage.objects[MANIFEST] = change + storage.objects[MANIFEST]
    with pytest.raises(DataError, match="has changed since the conversion was planned"):
        convert.run(planned, storage=storage, progress=quiet)
    assert not any(path in storage.objects for path in PATHS)


def test_looks_that_come_late_keep_their_photographs_together(monkeypatch):
    lines = ten()
    for line in lines[-2:]:
        line["perceptual-hash"] = "0123456789abcdef"
    monkeypatch.setattr(json_lines, "_CHUNK", 400)
    planned = convert.plan(settings(), storage=stored(lines), progress=quiet)
    assert planned.survey.to_dict()["near_duplicates"] == 2
    apart = convert.plan(settings(distance=-1), storage=stored(lines), progress=quiet)
    assert apart.survey.to_dict()["near_duplicates"] == 0


def test_repeats_are_counted_beyond_what_is_held_in_memory(monkeypatch):
    monkeypatch.setattr(repeats, "_HELD", 64)
    monkeypatch.setattr(json_lines, "_CHUNK", 500)
    lines = [*ten(), *ten(), *ten()]
    planned = convert.plan(settings(), storage=stored(lines), progress=quiet)
    assert planned.survey.repeated == 20
    with ExitStack() as stack:
        counted = repeats.Repeats(stack)
        parts = [bytes([part * 4]) * 8 for part in range(64)]
        for _ in range(3):
            counted.add(parts)
        assert counted.count() == 128


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "output.manifest"
    path.write_bytes(stored(ten()).objects[MANIFEST])
    return path


def test_processes_count_as_one_does(kept):
    chosen = settings(manifest=str(kept))
    alone = convert.plan(chosen, storage=LocalFiles(), progress=quiet)
    with closing(ProcessEngine(2)) as engine:
        found = convert.plan(chosen, storage=LocalFiles(), progress=quiet, engine=engine)
    assert found == alone
    assert found.survey.verdicts


class Meddling(Pickling):
    """An engine whose processes find another file than was hashed."""

    def __init__(self, path, change):
        self.path = path
        self.change = change

    def map(self, fn, items, *, batch=None):
        for item in items:
            self.path.write_bytes(self.change(self.path.read_bytes()))
            yield from super().map(fn, [item], batch=batch)


@pytest.mark.parametrize(
    "change", [lambda data: data.replace(b"class 1", b"class 2"), lambda data: data[:-9]]
)
def test_a_manifest_that_changes_while_it_is_counted_is_refused(kept, change):
    chosen = settings(manifest=str(kept))
    with pytest.raises(DataError, match="has changed since it was first read"):
        convert.plan(chosen, storage=LocalFiles(), progress=quiet, engine=Meddling(kept, change))
