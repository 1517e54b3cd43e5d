"""Instructions become HTML that can do nothing but be read."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.markup import Html, clean_html, literal, to_html

TAGS = {"p", "br", "h3", "h4", "h5", "h6", "ul", "ol", "li", "strong", "em", "code"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("one\ntwo\n\nthree", "<p>one<br>two</p>\n<p>three</p>"),
        ("\ufeffone\r\n\r\ntwo", "<p>one</p>\n<p>two</p>"),
        ("# Degus\ntext\n### More", "<h3>Degus</h3>\n<p>text</p>\n<h5>More</h5>"),
        ("- a\n* b\n1. c\n2) d", "<ul><li>a</li><li>b</li></ul>\n<ol><li>c</li><li>d</li></ol>"),
        ("**bold** and *it*, `co*d*e`", "<p><strong>bold</strong> and <em>it</em>, "),
        ("2 * 3 * 4 and a*b*c", "<p>2 * 3 * 4 and a*b*c</p>"),
        ("#tag and -5", "<p>#tag and -5</p>"),
        ("<script>alert('x')</script>", "<p>&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;</p>"),
        ("{{ task.input }} {% if %}", "<p>&#123;&#123; task.input &#125;&#125; &#123;&#37; if "),
    ],
)
def test_what_becomes_of_a_text(text, expected):
    assert to_html(text).startswith(expected)


@given(st.text())
def test_no_text_makes_any_other_element(text):
    made = to_html(text)
    assert set(re.findall(r"</?([^>]*)>", made)) <= TAGS
    assert not re.search(r"""[{}%"']""", made)


@given(st.text())
def test_every_word_is_still_there(text):
    def bare(words):
        return re.sub(r"[\s*`#\d.)\ufeff-]+", "", words)

    assert bare(html.unescape(re.sub(r"<[^>]*>", "", to_html(text)))) == bare(text)


@given(st.text())
def test_literal_text_reads_as_it_was(text):
    made = literal(text)
    assert not re.search(r"""[<>{}%"']""", made)
    assert html.unescape(made) == text


def test_html_keeps_what_is_read_and_loses_what_acts():
    given = Html(
        '<h3>Degus</h3><p onclick="x()">tight <b>boxes</b></p><script>alert(1)</script>'
        '<style>p{}</style><iframe src="//evil"></iframe><form action="/"><input></form>'
        '<img src="https://example.org/good.png" onerror="x()"><a href="javascript:x()">link</a>'
        "{{ task.input }} {% raw %}"
    )
    assert clean_html(given) == (
        "<h3>Degus</h3><p>tight <b>boxes</b></p>"
        '<img src="https://example.org/good.png"><a rel="noopener noreferrer">link</a>'
        "&#123;&#123; task.input &#125;&#125; &#123;&#37; raw &#37;&#125;"
    )
