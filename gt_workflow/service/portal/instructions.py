"""A job's instructions, from its worker template to plain blocks of text.

A template is hostile input: of its markup nothing but headings, paragraphs, list items, bold and
italic is understood, and nothing but text leaves this module. Liquid is cut out, not rendered:
instructions are the same for all tasks of a job.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any, Final

from gt_workflow.errors import ObjectNotFoundError
from gt_workflow.ports import Storage

# `UiTemplate.Content` of the API reference; four bytes for each character at most.
MAX_CHARACTERS: Final = 128_000
MAX_OUTPUT: Final = 20_000  # characters of the blocks, their structure counted in
_OVERHEAD: Final = 20  # characters that a block or a run costs beside its text
_LIQUID: Final = (("{%", "%}"), ("{{", "}}"))
# The first of these that says anything is shown; the later ones are shorter.
_SECTIONS: Final = (
    "full-instructions",
    "detailed-instructions",
    "short-instructions",
    "short-summary",
)
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS: Final = _HEADINGS | frozenset(
    {
        "p",
        "div",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "tr",
        "td",
        "th",
        "blockquote",
        "pre",
        "section",
        "article",
        "hr",
    }
)
_DROPPED: Final = frozenset(
    {
        "script",
        "style",
        "template",
        "iframe",
        "object",
        "svg",
        "math",
        "head",
        "title",
        "noscript",
        "textarea",
        "select",
    }
)
_MARKS: Final = {"b": "bold", "strong": "bold", "i": "italic", "em": "italic"}
# A tag, or a "<" that begins none. Without attributes and open ends, html.parser is linear.
_TAG: Final = re.compile(r"<(?:(/?[a-zA-Z][a-zA-Z0-9-]*)(?:[\s/][^<>]*)?>)?")

Block = dict[str, Any]


def read(storage: Storage, uri: str) -> list[Block]:
    """Return the instructions of the template at `uri`; none if it is missing or too large."""
    try:
        with storage.open(uri) as file:
            data = file.read(4 * MAX_CHARACTERS + 1)
    except ObjectNotFoundError:
        return []
    return blocks(data.decode(errors="replace"))


@lru_cache(maxsize=16)
def blocks(template: str) -> list[Block]:
    """Return `{"kind": "heading"|"paragraph"|"item", "runs": [{"text", "bold"?, "italic"?}]}`.

    Kept, since all workers of a job ask for the same; the caller leaves the list as it is.
    """
    if len(template) > MAX_CHARACTERS:
        return []
    text = template
    for opening, closing in _LIQUID:
        text = _without(text, opening, closing)
    reader = _Reader()
    text = _TAG.sub(_plain, _without(text, "<!--", "-->"))
    reader.feed(text)
    reader.close()
    found = (reader.sections[name] for name in _SECTIONS if reader.sections.get(name))
    return _within_limit(next(found, []))


def _plain(tag: re.Match[str]) -> str:
    return f"<{tag[1]}>" if tag[1] else "&lt;"


def _without(text: str, opening: str, closing: str) -> str:
    """Cut out everything between two marks; a mark that is never closed cuts off the rest."""
    kept = []
    at = 0
    while (start := text.find(opening, at)) >= 0:
        kept.append(text[at:start])
        end = text.find(closing, start + len(opening))
        if end < 0:
            return "".join(kept)
        at = end + len(closing)
    kept.append(text[at:])
    return "".join(kept)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sections: dict[str, list[Block]] = {}
        self._section = ""
        self._dropping: list[str] = []
        self._kind = "paragraph"
        self._marks = {"bold": 0, "italic": 0}
        self._runs: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if not self._section:
            if tag in _SECTIONS and not self._dropping:
                self._section = tag
                self._marks = {"bold": 0, "italic": 0}
            elif tag in {"script", "style", "template"}:
                self._dropping.append(tag)
        elif tag in _DROPPED:
            self._dropping.append(tag)
        elif tag == "br":
            self._add("\n")
        elif tag in _BLOCKS:
            self._end_block()
            if tag in _HEADINGS:
                self._kind = "heading"
            elif tag == "li":
                self._kind = "item"
        elif tag in _MARKS:
            self._marks[_MARKS[tag]] += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Only SVG's elements end with `/>`; to HTML `<p/>` is `<p>`.
        if tag not in _DROPPED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._section and tag == self._section:
            self._end_block()
            self._section = ""
            self._dropping.clear()
        elif self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.pop()
        elif tag in _BLOCKS:
            self._end_block()
        elif tag in _MARKS:
            self._marks[_MARKS[tag]] = max(self._marks[_MARKS[tag]] - 1, 0)

    def handle_data(self, data: str) -> None:
        if data and self._section and not self._dropping:
            shown = "".join(sign if sign.isprintable() else " " for sign in data)
            words = " ".join(shown.split())
            before = " " if shown[0].isspace() else ""
            self._add(before + words + (" " if words and shown[-1].isspace() else ""))

    def close(self) -> None:
        super().close()
        if self._section:
            self._end_block()

    def _add(self, text: str) -> None:
        if self._dropping or not text:
            return
        if not self._runs or self._runs[-1]["text"][-1].isspace():
            text = text.lstrip(" ")
        if text:
            marks = {name: True for name, depth in self._marks.items() if depth}
            self._runs.append({"text": text, **marks})

    def _end_block(self) -> None:
        if "".join(run["text"] for run in self._runs).strip():
            self._runs[-1]["text"] = self._runs[-1]["text"].rstrip() or "\n"
            block = {"kind": self._kind, "runs": self._runs}
            self.sections.setdefault(self._section, []).append(block)
        self._runs = []
        self._kind = "paragraph"


def _within_limit(found: list[Block]) -> list[Block]:
    """Return as many blocks as may be shown; the last run of a longer text ends with "…"."""
    left = MAX_OUTPUT
    kept: list[Block] = []
    for block in found:
        runs: list[dict[str, Any]] = []
        left -= _OVERHEAD
        for run in block["runs"]:
            left -= _OVERHEAD
            if len(run["text"]) >= left:
                runs.append({**run, "text": run["text"][: max(left - 1, 0)] + "…"})
                return [*kept, {"kind": block["kind"], "runs": runs}]
            left -= len(run["text"])
            runs.append(run)
        kept.append({"kind": block["kind"], "runs": runs})
    return kept
