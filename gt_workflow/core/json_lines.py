"""JSON Lines as bytes: cut files into lines, change members of a line, say what is broken.

Nothing here knows Ground Truth. A member that is not named keeps its bytes: numbers are not
respelled, escapes not resolved, order and spaces not touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TypeAlias

import msgspec

from gt_workflow.errors import DataError

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes; ten labeling jobs in a row stay far below. A longer line is no manifest but an image."""

Span: TypeAlias = tuple[str, bytes, bytes]
"""A member's key, its bytes, and those of them before its value."""

_CHUNK = 128 * 1024  # stays in the processor's cache; a MiB takes twice as long to read
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# Numbers are cut out, not computed: Python refuses integers of more than 4,300 digits.
_scan = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode
_space = re.compile(r"[ \t\r\n]*")
_place = re.compile(r"^(?P<reason>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>.*)`)?$", re.DOTALL)
_missing = re.compile(r"^Object missing required field `(?P<name>.*)`$")


def split_lines(file: BinaryIO, *, uri: str = "manifest") -> Iterator[bytes]:
    r"""Yield a file's lines without `\n`, `\r\n` or leading byte order marks, blank ones too.

    The file is read in pieces of 128 KiB; the last line needs no newline. Raises `DataError`
    for a line above `LONGEST_LINE` and for UTF-16.
    """
    chunk = _head(file.read, _CHUNK, uri=uri) or file.read(_CHUNK)
    rest = b""
    number = 0
    while chunk:
        rest += chunk
        lines = rest.split(b"\n")
        rest = lines.pop()
        number += len(lines)
        if b"\r" in chunk or (lines and lines[0].endswith(b"\r")):
            yield from [line.removesuffix(b"\r") for line in lines]
        else:
            yield from lines
        if len(rest) > LONGEST_LINE:
            raise too_long(uri=uri, line=number + 1)
        chunk = file.read(_CHUNK)
    if rest:
        yield rest.removesuffix(b"\r")


def blocks(read: Callable[[int], bytes], *, uri: str = "manifest") -> Iterator[bytes]:
    r"""Yield what `read` gives in pieces of 128 KiB or so that end where a line does.

    Leading byte order marks are left out. Raises `DataError` for UTF-16. Of a line above
    `LONGEST_LINE` the beginning may be the last thing that is yielded, but always more than
    `LONGEST_LINE` bytes.
    """
    yield from whole_lines(read, _head(read, _CHUNK, uri=uri))


def whole_lines(read: Callable[[int], bytes], piece: bytes = b"") -> Iterator[bytes]:
    """Yield `piece` and what `read` gives behind it as `blocks` does, marks left where they are."""
    rest = b""
    piece = piece or read(_CHUNK)
    while piece:
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = b""
        rest += piece[end:]
        if len(rest) > LONGEST_LINE:
            break
        piece = read(_CHUNK)
    if rest:
        yield rest


def lines_of(block: bytes) -> list[bytes]:
    r"""Cut a block into lines, without `\n` or `\r\n`; blank ones stay."""
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines] if b"\r" in block else lines


def count_lines(block: bytes) -> int:
    """Count the lines that `lines_of` gives."""
    return block.count(b"\n") + (block[-1:] not in {b"", b"\n"})


def _head(read: Callable[[int], bytes], size: int, *, uri: str) -> bytes:
    """Read until a byte order mark would be complete, or all is read; return what is behind all."""
    head = b""
    while True:
        while len(head) < len(_BOM) and (piece := read(size)):
            head += piece
        if head[:2] in _UTF16:
            raise DataError("the file is UTF-16; save it as UTF-8", uri=uri, line=1)
        if not head.startswith(_BOM):
            return head
        head = head.removeprefix(_BOM)


def too_long(*, uri: str, line: int) -> DataError:
    """Say that a line is above `LONGEST_LINE`."""
    return DataError(
        f"the line is longer than {LONGEST_LINE:,} bytes; is this a manifest?", uri=uri, line=line
    )


def members(raw: bytes) -> dict[str, msgspec.Raw]:
    """Return the top-level members of a line, their values undecoded; raises as msgspec does."""
    return _members(raw)


def encode(value: Any) -> bytes:
    """Return compact JSON in UTF-8, nothing escaped that need not be; numbers must be finite."""
    encoded = _encode(value)
    if b"null" in encoded:
        # msgspec writes NaN and infinity as null; json refuses them.
        json.dumps(value, allow_nan=False, default=str)  # bytes that are JSON already
    return encoded


def with_members(raw: bytes, changes: Mapping[str, Any], *, drop: Iterable[str] = ()) -> bytes:
    """Return a line with top-level members replaced in place, appended, or dropped.

    Every other byte stays as it is. `raw` is a line that `manifest.read` accepted.
    """
    dropped = set(drop) - set(changes)
    present = _members(raw)
    if dropped.isdisjoint(present) and not any(key in present for key in changes):
        pieces = [encode(key) + b":" + encode(value) for key, value in changes.items()]
        if not pieces:
            return raw
        end = raw.rindex(b"}")
        comma = b"," if present else b""
        return raw[:end] + comma + b",".join(pieces) + raw[end:]
    return with_spans(spans_of(raw), changes, drop=dropped)


def spans_of(raw: bytes) -> list[Span]:
    """Take a line apart, for `with_spans` to put it together more than once."""
    return [
        (key, text.encode(), text[:value].encode()) for key, text, value in _spans(raw.decode())
    ]


def with_spans(
    spans: Iterable[Span], changes: Mapping[str, Any], *, drop: Collection[str] = ()
) -> bytes:
    """Return what `with_members` does of the line with these members."""
    left = dict(changes)
    kept: list[bytes] = []
    for key, member, head in spans:
        if key in drop:
            continue
        if key in changes:
            if key in left:
                kept.append(head + encode(left.pop(key)))
            continue
        kept.append(member)
    kept.extend(encode(key) + b":" + encode(value) for key, value in left.items())
    return b"{" + b",".join(kept) + b"}"


def _spans(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield (key, the member's text, where in it the value starts) of a valid JSON object."""
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        start = at
        key, at = _scan(text, at)
        value = _skip(text, _skip(text, at) + 1)
        _, at = _scan(text, value)
        yield key, text[start:at], value - start
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    """Return the index behind the white space at `at`."""
    match = _space.match(text, at)
    return match.end() if match else at


def explain(error: Exception, raw: bytes, *, uri: str, line: int) -> DataError:
    """Turn a decoder's exception on a line into an error with line, field and reason."""
    if isinstance(error, msgspec.ValidationError):
        return _wrong_value(error, uri=uri, line=line)
    if isinstance(error, RecursionError):
        return DataError("the line is nested too deep", uri=uri, line=line)
    try:
        text = raw.decode()
    except UnicodeDecodeError as utf8:
        return DataError(f"byte {utf8.start + 1} of the line is not UTF-8", uri=uri, line=line)
    return DataError(_syntax(text), uri=uri, line=line)


def _wrong_value(error: msgspec.ValidationError, *, uri: str, line: int) -> DataError:
    found = _place.match(str(error))
    reason, path = (found["reason"], found["path"] or None) if found else (str(error), None)
    if missing := _missing.match(reason):
        path = f"{path}.{missing['name']}" if path else missing["name"]
        reason = "this member is missing"
    elif path is None:
        reason = f"a line is a JSON object: {reason}"
    return DataError(reason, uri=uri, line=line, field=path)


class _NoNumberError(ValueError):
    """NaN or Infinity, which only Python calls JSON."""


def _no_number(name: str) -> None:
    raise _NoNumberError(f"{name} is no JSON number")


def _syntax(text: str) -> str:
    """Say in one sentence why a line is no JSON."""
    try:
        json.loads(text, parse_constant=_no_number, parse_int=str)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
            return "the line breaks off in the middle; was the file cut short?"
        return f"no JSON: {error.msg} at column {error.pos + 1}"
    except RecursionError:
        return "the line is nested too deep"
    except ValueError as error:
        return str(error)
    return "a text holds half of a surrogate pair (\\ud800 to \\udfff)"


_Pairs: TypeAlias = list[tuple[str, Any]]


class _Object(_Pairs):
    """A JSON object as its pairs, so that it differs from an array."""


def repeated_member(raw: bytes, inside: Iterable[str]) -> str | None:
    """Return the path of a member that occurs twice in its object, or None.

    Looks at the top level and into the members `inside`; what the others hold is not ours.
    """
    top = json.loads(raw, object_pairs_hook=_Object, parse_int=str)
    if not isinstance(top, _Object):
        return None
    if twice := _twice(top):
        return twice
    wanted = set(inside)
    for key, value in top:
        if key in wanted and (path := _deep(value)):
            return f"{key}.{path}".replace(".[", "[")
    return None


def _twice(pairs: _Pairs) -> str | None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return None


def _deep(value: Any) -> str | None:
    if isinstance(value, _Object):
        if twice := _twice(value):
            return twice
        steps: Iterable[tuple[str, Any]] = value
    elif isinstance(value, list):
        steps = ((f"[{index}]", item) for index, item in enumerate(value))
    else:
        return None
    for step, item in steps:
        if path := _deep(item):
            return f"{step}.{path}".replace(".[", "[")
    return None
