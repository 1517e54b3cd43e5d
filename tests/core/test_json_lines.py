from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.json_lines import (
    LONGEST_LINE,
    encode,
    repeated_member,
    split_lines,
    with_members,
)
from gt_workflow.errors import DataError

texts = st.text(max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars.filter(lambda value: value not in {float("inf"), float("-inf")}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=6)
spellings = st.sampled_from(
    [
        {},
        {"ensure_ascii": False},
        {"separators": (",", ":")},
        {"separators": (" ,\t", " : ")},
    ]
)


def dump(value, spelling):
    """Spell JSON in one of several ways, in UTF-8 (a lone surrogate can only be escaped)."""
    try:
        return json.dumps(value, **spelling).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


class Trickle(io.RawIOBase):
    """A file that hands out a few bytes at a time, as a socket may."""

    def __init__(self, data, step):
        super().__init__()
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size=-1):
        return self._data.read(self._step if size < 0 else min(size, self._step))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"{}", [b"{}"]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\r\nb", [b"a", b"b"]),
        (b"a\n\n\nb\n", [b"a", b"", b"", b"b"]),
        (b"\xef\xbb\xbfa\nb", [b"a", b"b"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbf\xef\xbb\xbf\na", [b"", b"a"]),
        (b"a\nb\r", [b"a", b"b"]),
        (b"\n", [b""]),
        ("x\u2028y\x85z\nb".encode(), ["x\u2028y\x85z".encode(), b"b"]),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1 << 20])
def test_lines_are_cut_the_same_whatever_a_read_returns(data, lines, step):
    assert list(split_lines(Trickle(data, step))) == lines


@given(st.lists(st.binary(max_size=40).map(lambda b: b.translate(None, b"\r\n\xef\xff\xfe"))))
def test_any_lines_come_back(lines):
    data = b"".join(line + b"\r\n" for line in lines)
    assert list(split_lines(Trickle(data, 5))) == lines


def test_a_file_that_is_no_manifest_is_refused_before_it_fills_memory():
    with pytest.raises(DataError, match="pile:2: the line is longer"):
        list(split_lines(io.BytesIO(b"{}\n" + bytes(LONGEST_LINE + 200_000)), uri="pile"))


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_is_named(codec):
    data = "\ufeff{}\n".encode(codec)
    with pytest.raises(DataError, match="UTF-16; save it as UTF-8"):
        list(split_lines(Trickle(data, 1)))


@given(objects, spellings, objects)
def test_members_are_replaced_and_added_and_nothing_else_changes(line, spelling, changes):
    raw = dump(line, spelling)
    changed = with_members(raw, changes)
    decoded = json.loads(changed)
    assert list(decoded) == list(line | changes)
    for key in decoded:
        if key in changes:
            assert decoded[key] == json.loads(encode(changes[key]))
        else:
            assert decoded[key] == line[key]
            assert dump(line[key], spelling) in changed


@given(objects, spellings, st.data())
def test_dropped_members_are_gone_and_the_others_keep_their_bytes(line, spelling, data):
    drop = data.draw(st.sets(st.sampled_from(sorted(line)))) if line else set()
    shorter = with_members(dump(line, spelling), {}, drop=drop)
    assert json.loads(shorter) == {key: line[key] for key in line if key not in drop}
    for key in line.keys() - drop:
        assert dump(line[key], spelling) in shorter


def test_numbers_are_not_respelled_and_escapes_not_resolved():
    raw = b'{ "n":1.50 , "t" : "\\u00e9\\/", "big":' + b"9" * 5000 + b',"old":1}'
    assert with_members(raw, {"new": "é"}) == raw[:-1] + ',"new":"é"}'.encode()
    replaced = with_members(raw, {"old": [2]}, drop=["t"])
    assert replaced == b'{"n":1.50,"big":' + b"9" * 5000 + b',"old":[2]}'


def test_a_member_twice_is_replaced_once():
    assert with_members(b'{"a":1,"b":2,"a":3}', {"a": 4}) == b'{"a":4,"b":2}'


def test_a_line_without_changes_is_returned_as_it_is():
    raw = b'{ "a" : 1 }  '
    assert with_members(raw, {}) is raw
    assert with_members(raw, {}, drop=["b"]) is raw
    assert with_members(b"{ }", {"a": 1}) == b'{ "a":1}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_json_number_is_not_written(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"deep": [{"er": number}]})
    assert encode({"fine": None}) == b'{"fine":null}'


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b'{"a":1,"b":2}', None),
        (b'{"a":1,"a":1}', "a"),
        (b'{"a":1,"\\u0061":1}', "a"),
        (b'{"own":{"x":[{"y":1},{"y":1,"y":2}]}}', "own.x[1].y"),
        (b'{"own":[[{"y":1,"y":2}]]}', "own[0][0].y"),
        (b'{"theirs":{"y":1,"y":2}}', None),
    ],
)
def test_a_member_that_stands_twice_is_found_where_it_matters(raw, path):
    assert repeated_member(raw, ["own"]) == path
