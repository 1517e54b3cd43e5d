"""Near-duplicates as a manifest's lines tell them."""

from __future__ import annotations

import json

from gt_workflow.core.looks import alike_in
from gt_workflow.core.split import digest


def line(ref, look, **members):
    return json.dumps({"source-ref": ref, "perceptual-hash": look, **members}).encode()


def alike(*lines, distance=6, salt=""):
    return alike_in(lines, salt=salt, distance=distance)


def test_lines_are_known_by_their_origin_or_else_by_their_image():
    found = alike(
        line("s3://b/1.jpg", "00000000000000ff", origin="one"),
        line("s3://b/2.jpg", "00000000000000fe"),
        line("s3://b/3.jpg", "ffffffffffffffff"),
        b'{"source-ref":"s3://b/4.jpg"}',
    )
    assert len(found) == 2
    assert found.unit(digest("one")) == found.unit(digest("s3://b/2.jpg")) is not None
    assert found.unit(digest("s3://b/3.jpg")) is None


def test_other_members_and_broken_lines_are_passed_over():
    look = "00000000000000ff"
    assert not alike(
        line("a", look),
        line("c", 255),
        line("d", {"a": look}),
        line("e", "no hash"),
        json.dumps({"source-ref": "f", "photograph": f'"perceptual-hash":"{look}"'}).encode(),
        b'{"perceptual-hash":"00000000000000ff"}',
        line("g", look)[:-1],
        b'{"source-ref":"\xff","perceptual-hash":"00000000000000ff"}',
    )


def test_variants_speak_for_a_photograph_that_is_not_listed_and_for_no_other():
    one, other = "00000000000000ff", "ffffffff00000000"
    of = {"variant": {"of": "x", "name": "flip-lr"}}
    found = alike(
        line("1", other, origin="one", **of),
        line("2", one, origin="two", **of),
        line("3", one, origin="two", **of),
        line("4", one, origin="three", **of),
        line("5", other, origin="four"),
        line("6", one, origin="one"),
    )
    assert len(found) == 3
    assert len({found.unit(digest(origin)) for origin in ("one", "two", "three")}) == 1
    assert found.unit(digest("four")) is None
    assert not alike(line("1", one, origin="one"), line("2", one, origin="one", **of))


def test_a_distance_and_a_salt_are_heeded():
    lines = [line("a", "00000000000000ff"), line("b", "00000000000000f0")]
    assert len(alike(*lines, distance=4)) == 2
    assert not alike(*lines, distance=2)
    assert not alike(*lines, distance=-1)
    salted = alike(*lines, salt="x")
    assert salted.unit(digest("a", salt="x")) is not None
    assert salted.unit(digest("a")) is None
