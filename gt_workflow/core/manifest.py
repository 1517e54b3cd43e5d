"""Manifest lines and typed records: labelled, failed or untouched; one line at a time.

What is read is checked in full (types, finite numbers, class ids, one confidence per box, no
member twice) and every error names file, line and field. Members that the label attribute does
not own are never decoded: `Record.raw` is the line as it stood. The format is that of Ground
Truth's output for boxes; docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html, and what
real jobs write beyond it: floats, `labeling-job/` before the job's name, any order of members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from gt_workflow.core.json_lines import (
    LONGEST_LINE,
    encode,
    explain,
    members,
    repeated_member,
    split_lines,
    too_long,
    with_members,
)
from gt_workflow.core.label_schema import (
    BOXES,
    RESERVED,
    SUFFIX,
    VARIANT,
    VERIFICATION,
    RawLabel,
    RawMetadata,
    box_attributes,
    check,
    kind_of,
    line_type,
    usable,
)
from gt_workflow.core.records import Annotation, Failure, Label, Record, State
from gt_workflow.errors import DataError

__all__ = [
    "BOXES",
    "VERIFICATION",
    "Annotation",
    "Failure",
    "Label",
    "Reader",
    "Record",
    "State",
    "WholeFileError",
    "attributes",
    "failed_line",
    "find_attribute",
    "input_line",
    "is_variant",
    "labelled_line",
    "read",
    "split_lines",
    "with_members",
]


_ENDS = (b"\n", b"\r")


def read(
    lines: Iterable[bytes],
    *,
    uri: str,
    attribute: str | None = None,
    on_bad_line: Literal["stop", "skip"] = "stop",
    reject: Callable[[bytes, DataError], None] | None = None,
) -> Iterator[Record]:
    """Yield one record per line that is not blank, in order; memory does not grow.

    `uri` names the file in errors. Without `attribute` it is found: the one under which boxes
    lie or failed. Raises `DataError` for a file with several, listing them, whatever the policy;
    for a bad line under `stop`. Under `skip` a bad line goes to `reject`, which must be given so
    that nothing is lost.
    """
    if on_bad_line == "skip" and reject is None:
        raise ValueError("skipping bad lines needs `reject`, else they would be lost")
    reader = Reader(uri, attribute)
    for number, line in enumerate(lines, 1):
        raw = line.rstrip(b"\r\n") if line[-1:] in _ENDS else line
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if not raw or raw.isspace():
            continue
        try:
            record = reader.record(raw, number)
        except WholeFileError:
            raise
        except DataError as error:
            if reject is None or on_bad_line == "stop":
                raise
            reject(raw, error)
            continue
        yield record


def attributes(lines: Iterable[bytes], *, uri: str) -> tuple[str, ...]:
    """Return the attributes under which a file's lines hold boxes, or failed to; first one first.

    Raises `DataError` for a line that is no JSON object.
    """
    found: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        raw = line.strip().removeprefix(b"\xef\xbb\xbf")
        if raw:
            try:
                labelled, failed = box_attributes(members(raw))
                found.update(dict.fromkeys(labelled or failed))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise explain(error, raw, uri=uri, line=number) from error
    return tuple(found)


def find_attribute(
    lines: Iterable[bytes], *, uri: str, patient: bool = False
) -> tuple[str | None, int]:
    """Return the attribute that `read` would find, and how many lines come before it is known.

    Raises `DataError` as `read` does; a `patient` one skips bad lines.
    """
    reader = Reader(uri, None)
    number = 0
    for number, line in enumerate(lines, 1):
        raw = line.rstrip(b"\r\n")
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if raw and not raw.isspace():
            try:
                reader.record(raw, number)
            except DataError as error:
                if isinstance(error, WholeFileError) or not patient:
                    raise
            if reader.attribute is not None:
                return reader.attribute, number - 1
    return None, number


class WholeFileError(DataError):
    """What is wrong with the file as a whole: skipping a line does not help."""


class Reader:
    """Turns lines into records; remembers the attribute once it is known."""

    def __init__(self, uri: str, attribute: str | None, *, given: bool = True) -> None:
        """Begin; an attribute that is not `given` was found in the file, see `read`."""
        self._uri = uri
        self._given = given and attribute is not None
        self._use(attribute)

    @property
    def attribute(self) -> str | None:
        """The label attribute, as far as it is known."""
        return self._attribute

    def _use(self, attribute: str | None) -> None:
        if attribute is not None and not usable(attribute):
            raise WholeFileError(f"a label attribute cannot be called {attribute!r}", uri=self._uri)
        self._attribute = attribute
        self._own = {*RESERVED, attribute or "source-ref", (attribute or "") + SUFFIX}
        self._decode = msgspec.json.Decoder(line_type(attribute)).decode

    def record(self, raw: bytes, line: int) -> Record:
        """Return the record of one line, checked; raises `DataError`."""
        if len(raw) > LONGEST_LINE:
            raise too_long(uri=self._uri, line=line)
        try:
            if not raw.isascii():
                raw.decode()  # the members that are passed on must be UTF-8 as well
            if self._attribute is None:
                self._look_for_attribute(members(raw), line, own=False)
            return self._parse(raw, line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._explain(error, raw, line) from error

    def _explain(self, error: Exception, raw: bytes, line: int) -> DataError:
        """Say what is wrong; a value of another type may only follow from something else."""
        if isinstance(error, msgspec.ValidationError):
            try:
                if twice := repeated_member(raw, self._own):
                    return self._error(line, twice, "this member stands twice")
                metadata = members(raw).get((self._attribute or "") + SUFFIX)
            except (msgspec.DecodeError, ValueError, RecursionError):
                metadata = None  # no JSON object: `explain` says so
            kind = None if metadata is None else kind_of(metadata)
            if kind not in {None, BOXES}:
                where = f"{self._attribute}{SUFFIX}.type"
                return self._error(line, where, f"not boxes but {kind}")
        return explain(error, raw, uri=self._uri, line=line)

    def _look_for_attribute(
        self, others: Mapping[str, msgspec.Raw], line: int, *, own: bool
    ) -> None:
        """Look among members that are not the attribute's own; `own` if it has a label here.

        A failure beside a label is history: an earlier job's.
        """
        labelled, failed = box_attributes(others)
        found = labelled or ([] if own else failed)
        names = sorted({*found, *([] if self._attribute is None else [self._attribute])})
        if len(names) > 1:
            raise WholeFileError(
                f"several label attributes hold boxes, choose one: {', '.join(names)}",
                uri=self._uri,
                line=line,
            )
        if self._attribute is None and names:
            self._use(names[0])

    def _parse(self, raw: bytes, line: int) -> Record:
        parsed = self._decode(raw)
        source_ref, origin, attribute = parsed.source_ref, parsed.origin, self._attribute
        if not source_ref:
            raise self._error(line, "source-ref", "must not be empty")
        # How many texts the line holds, keys included, if there are none but those decoded here.
        texts = 2 if parsed.photograph is UNSET else 4
        if parsed.look is not UNSET:
            texts += 2
        if origin is UNSET:
            origin = source_ref
        elif origin:
            texts += 2
        else:
            raise self._error(line, "origin", "must not be empty")
        content, failure = None, None
        if attribute is not None:
            label, metadata = parsed.label, parsed.metadata
            if label is not UNSET and metadata is not UNSET and metadata.type is not UNSET:
                texts += check(label, metadata, attribute, self._uri, line)
                content = (label, metadata)
            elif not (label is UNSET and metadata is UNSET):
                failure = self._failure(label, metadata, line)
                texts = -1
        if raw.count(b'"') != 2 * texts:
            self._check_members(raw, line, texts)
        return Record(line, raw, source_ref, origin, attribute, failure, content)

    def _failure(
        self, label: RawLabel | UnsetType, metadata: RawMetadata | UnsetType, line: int
    ) -> Failure:
        """Return why there is no label; raises `DataError` if there should be one."""
        if metadata is UNSET:
            raise self._error(line, f"{self._attribute}{SUFFIX}", "this member is missing")
        if metadata.failure_reason is UNSET:
            where, reason = (
                (str(self._attribute), "missing, yet there is no failure-reason")
                if label is UNSET
                else (f"{self._attribute}{SUFFIX}.type", "this member is missing")
            )
            raise self._error(line, where, reason)
        retries = None if metadata.retry_count is UNSET else metadata.retry_count
        return Failure(metadata.failure_reason, retries)

    def _error(self, line: int, where: str, reason: str) -> DataError:
        return DataError(reason, uri=self._uri, line=line, field=where)

    def _check_members(self, raw: bytes, line: int, texts: int) -> None:
        """Look closer at a line that holds members which were not decoded, or one twice."""
        table = members(raw)
        others = {key: value for key, value in table.items() if key not in self._own}
        if not self._given:
            self._look_for_attribute(others, line, own=self._attribute in table)
        passed_on = [bytes(value) for value in others.values()]
        quotes = 2 * (texts + len(passed_on)) + sum(value.count(b'"') for value in passed_on)
        # Still another number: a quote inside a text, or a member twice.
        if raw.count(b'"') != quotes and (twice := repeated_member(raw, self._own)):
            raise self._error(line, twice, "this member stands twice")


def is_variant(raw: bytes) -> bool:
    """Tell whether a line that `read` accepted is of an image that augmentation made."""
    return b'"variant"' in raw and VARIANT in members(raw)


def input_line(source_ref: str, extra: Mapping[str, Any]) -> bytes:
    """Return the line of an input manifest, without newline; `extra` passes through every job."""
    if "source-ref" in extra:
        raise ValueError("`source-ref` is given already")
    return encode({"source-ref": source_ref, **extra})


def labelled_line(
    raw: bytes, *, attribute: str, value: Mapping[str, Any], metadata: Mapping[str, Any]
) -> bytes:
    """Return an input line with a label and its metadata; see `consolidate` for the two."""
    return with_members(raw, {attribute: value, attribute + SUFFIX: metadata})


def failed_line(raw: bytes, *, attribute: str, reason: str, retries: int) -> bytes:
    """Return an input line with the reason why it has no label, as Ground Truth writes it."""
    # A string "true" where labelled lines say "yes": seen in Ground Truth's own output.
    metadata = {"retry-count": retries, "failure-reason": reason, "human-annotated": "true"}
    return with_members(raw, {attribute + SUFFIX: metadata}, drop=[attribute])
