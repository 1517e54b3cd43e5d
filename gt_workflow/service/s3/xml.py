"""The XML of S3: answers written, requests read, without entities and within a depth.

Element names come from S3's API reference. Control characters that a key may hold are written as
character references, as S3 writes them; a client that must parse them asks for URL encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.parsers import expat

from gt_workflow.service.faults import Fault

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MAX_DEPTH = 8
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_SPECIAL = re.compile(r"[&<>\"\x00-\x1f\x7f-\x9f\ufffe\uffff]")

# A document is a mapping; a sequence repeats its element, None leaves it out.
Document = Mapping[str, object]


def document(root: str, content: Document, *, namespace: bool = True) -> bytes:
    """Return an XML document, UTF-8, with its declaration."""
    attribute = f' xmlns="{_NAMESPACE}"' if namespace else ""
    return DECLARATION + f"<{root}{attribute}>{_inner(content)}</{root}>".encode()


def error(code: str, message: str, *, resource: str, request_id: str, host_id: str) -> bytes:
    """Return S3's error document."""
    content = {
        "Code": code,
        "Message": message,
        "Resource": resource,
        "RequestId": request_id,
        "HostId": host_id,
    }
    return document("Error", content, namespace=False)


def time(moment: datetime) -> str:
    """Return a time as S3's XML has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


@dataclass(slots=True)
class Element:
    """An element that was read: its name without namespace, its text, its children."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """Yield the children of that name."""
        return (child for child in self.children if child.name == name)

    def get(self, name: str) -> str | None:
        """Return the text of the first child of that name."""
        return next((child.text for child in self.all(name)), None)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of all children of that name."""
        return tuple(child.text for child in self.all(name))


def parse(data: bytes, root: str) -> Element:
    """Read a document whose root element has this name, or refuse it with `MalformedXML`."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat names no parameters
    except expat.ExpatError:
        raise malformed() from None
    found = reader.top.children[0]
    if found.name != root:
        raise malformed()
    return found


def malformed() -> Fault:
    """Refuse a body that is not what the operation takes."""
    return Fault(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


class _Reader:
    """Builds elements from expat's events."""

    def __init__(self) -> None:
        self.top = Element("")
        self._open = [self.top]

    def start(self, name: str, _attributes: object) -> None:
        if len(self._open) > _MAX_DEPTH:
            raise malformed()
        element = Element(name.rpartition(" ")[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        self._open[-1].text += data

    def doctype(self, *_: object) -> None:
        # A document type may define entities that grow without bound.
        raise malformed()


def _inner(content: Document) -> str:
    return "".join(_element(name, value) for name, value in content.items())


def _element(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            text = "true" if value else "false"
        case str() | int():
            text = _SPECIAL.sub(_reference, str(value))
        case datetime():
            text = time(value)
        case Mapping():
            text = _inner(value)
        case Sequence():
            return "".join(_element(name, item) for item in value)
        case _:
            raise TypeError(f"{name} cannot be written as XML: {value!r}")
    return f"<{name}>{text}</{name}>"


def _reference(match: re.Match[str]) -> str:
    return _NAMED.get(match.group(), f"&#{ord(match.group())};")
