"""Workers' instructions: text, a little Markdown, or HTML → HTML that can do nothing but be read.

Of HTML stays what nh3 (ammonia's rules) lets through: text, lists, tables, links, images. Of
Markdown known: paragraphs (a blank line between), `#` headings, `-`/`*` and `1.` lists, **bold**,
*italic*, `code`. Everything else is text: every character that means something to HTML or to
Liquid becomes an entity, so that no instruction can run a script or read a task.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

_LIQUID: Final = str.maketrans({"{": "&#123;", "}": "&#125;", "%": "&#37;"})
_HEADING: Final = re.compile(r"(#{1,6}) +(.*)")
_BULLET: Final = re.compile(r"[-*] +(.*)")
_NUMBERED: Final = re.compile(r"[0-9]{1,3}[.)] +(.*)")
# The text between the marks neither begins nor ends with a space: 2 * 3 * 4 stays as it is.
_INLINE: Final = (
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(?=[^\s*])([^*\n]*[^\s*])\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])"), r"<em>\1</em>"),
)


_SCHEMES: Final = frozenset({"http", "https", "mailto", "data"})  # data: images in the file itself


@dataclass(frozen=True, slots=True)
class Html:
    """Instructions that are HTML already, as their owner wrote them."""

    text: str


def literal(text: str) -> str:
    """Return text that HTML (attributes included) and Liquid show as it is."""
    return html.escape(text, quote=True).translate(_LIQUID)


def to_html(text: str) -> str:
    """Return the HTML of plain text or simple Markdown, one block a line."""
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
    return "\n".join(
        block for kind, group in groupby(lines, key=_kind) for block in _block(kind, list(group))
    )


def clean_html(given: Html) -> str:
    """Return HTML without scripts, styles, forms and Liquid; nothing in it is rendered."""
    import nh3

    return nh3.clean(given.text.removeprefix("\ufeff"), url_schemes=set(_SCHEMES)).translate(
        _LIQUID
    )


def _kind(line: str) -> str:
    if not line:
        return ""
    for tag, pattern in (("h", _HEADING), ("ul", _BULLET), ("ol", _NUMBERED)):
        if pattern.fullmatch(line):
            return tag
    return "p"


def _block(kind: str, lines: list[str]) -> Iterator[str]:
    if kind == "p":
        yield f"<p>{'<br>'.join(_inline(line) for line in lines)}</p>"
    elif kind == "h":
        for line in lines:
            # The page has its own first and second level.
            marks, _, title = line.partition(" ")
            level = min(len(marks) + 2, 6)
            yield f"<h{level}>{_inline(title.strip())}</h{level}>"
    elif kind:
        items = "".join(f"<li>{_inline(line.split(' ', 1)[1].strip())}</li>" for line in lines)
        yield f"<{kind}>{items}</{kind}>"


def _inline(text: str) -> str:
    marked = literal(text)
    for pattern, replacement in _INLINE:
        marked = pattern.sub(replacement, marked)
    return marked
