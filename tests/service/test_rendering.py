from __future__ import annotations

import json
import re
from base64 import b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from liquid import Environment

from gt_workflow.service.faults import Fault
from gt_workflow.service.sagemaker.preview import render_ui_template
from gt_workflow.service.sagemaker.read_links import Signer, read_links
from gt_workflow.service.sagemaker.templates import TemplateError, render

FILTERS = sorted(set(Environment().filters) | {"to_json"})
NASTY = "</script><b a='1' b=\"2\">&amp;"
DEAR = (
    # Numbers of a billion digits.
    "{% assign a = 99999 %}{% for i in (1..99) %}{% assign a = a | times: a %}{% endfor %}",
    # A text of ten billion characters.
    "{% assign s = task.input.s %}{{ s | replace: '', s }}",
    "{% assign s = task.input.s | split: '' %}{{ s | join: task.input.s }}",
    "{{ (1..1000000000) | to_json }}",
    "{{ (1..1000000000000000000000) | size }}",
)


def shown(content: str, task_input: Any = None) -> str:
    return render(content, task_input=task_input, grant=lambda uri: f"https://read?a=1&u={uri}")


def previewed(content: str, task_input: Any = None) -> tuple[str, list[dict[str, str]]]:
    answer = render_ui_template(
        {"UiTemplate": {"Content": content}, "Task": {"Input": json.dumps(task_input or {})}},
        grant=read_links("http://localhost:1", Signer()),
        cpu_seconds=1,
    )
    return answer["RenderedContent"], answer["Errors"]


def test_text_is_escaped_unless_the_template_says_otherwise():
    assert shown("{{ task.input }}", NASTY) == (
        "&lt;/script&gt;&lt;b a=&#39;1&#39; b=&#34;2&#34;&gt;&amp;amp;"
    )
    assert shown("{{ task.input | skip_autoescape }}", NASTY) == NASTY
    assert shown("{{ task.input | escape }}", "<") == "&lt;"
    # What stands in the template is its author's, and so is not escaped.
    assert shown("{% assign x = task.input %}{{ '<br>' | append: x }}", "<") == "<br>&lt;"


def test_json_is_safe_in_attributes_and_in_scripts():
    attribute = shown("{{ task.input | to_json | escape }}", [NASTY])
    assert not re.search(r"[<>\"']", attribute)
    script = shown("{{ task.input | to_json | skip_autoescape }}", [NASTY, "ü", 1.5, None])
    assert "</" not in script
    assert json.loads(script) == [NASTY, "ü", 1.5, None]
    assert shown("{{ nothing.there | to_json }}") == "null"
    assert shown("{{ (1..3) | to_json }}") == "[1, 2, 3]"


def test_keys_with_hyphens_and_lookups_by_variable():
    line = {"my-job": {"annotations": [{"class_id": 1, "left": 2.5}]}}
    line["my-job-metadata"] = {"class-map": {"1": "degu"}}
    content = (
        "{% for box in task.input.manifestLine.my-job.annotations %}"
        "{% capture id %}{{ box.class_id }}{% endcapture %}"
        "{% assign label = task.input.manifestLine.my-job-metadata.class-map[id] %}"
        "{label: {{ label | to_json }}, left: {{ box.left }}},{% endfor %}"
    )
    rendered = shown(content, {"manifestLine": line})
    assert rendered == "{label: &#34;degu&#34;, left: 2.5},"


@pytest.mark.parametrize("task_input", [NASTY, [NASTY], {"a": NASTY}, quote(NASTY)])
def test_no_filter_undoes_the_escaping(task_input):
    encoded = b64encode(NASTY.encode()).decode()
    for name in FILTERS:
        for arguments in ("", ": 'a'", ": 1", ": 'a', 'b'", ": task.input", ": 'x', task.input"):
            for given in (task_input, encoded):
                with suppress(TemplateError):
                    content = "{{ task.input | %s%s }}" % (name, arguments)  # noqa: UP031 - braces
                    assert "<b" not in shown(content, given)


def test_a_link_may_be_asked_for_and_is_escaped():
    assert shown("{{ task.input | grant_read_access }}", "s3://b/k") == (
        "https://read?a=1&amp;u=s3://b/k"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{% if %}", "line 1: "),
        ("\n\n{{ a | nothing }}", "line 3: unknown filter 'nothing'"),
        ("{{ a | safe }}", "line 1: unknown filter 'safe'"),
        ("{% include 'x' %}", "line 1: "),
        ("{{ 1 | divided_by: 0 }}", "line 1: divided_by: can't divide by 0"),
        ("{{", "line 1: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(content, message):
    with pytest.raises(TemplateError) as caught:
        shown(content)
    assert caught.value.problem.code == "InvalidTemplate"
    assert caught.value.problem.message.startswith(message)


@pytest.mark.parametrize(
    "content",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..1000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}",
        "{% if true %}" * 31 + "{% endif %}" * 31,
        "{% assign s = 'aaaa' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}",
        "{% assign s = '" + "a" * 1000 + "' %}{% for i in (1..9999) %}{{ s }}{% endfor %}",
        *DEAR,
        # Long, not deep.
        "{% for i in (1..99999) %}" + "{% if i == 0 %}{% endif %}" * 500 + "{% endfor %}",
        "{% for i in (1..99999) %}" + "{{ i | plus: 1 | minus: i }}" * 500 + "{% endfor %}",
    ],
)
def test_limits_end_a_bomb(content):
    with pytest.raises(TemplateError) as caught:
        shown(content, {"s": "a" * 100_000})
    assert caught.value.problem.code == "TemplateLimitExceeded"


@pytest.mark.parametrize(
    "content",
    [
        "{% for a in task.input.many %}{% for b in task.input.many %}"
        + "{{ a | slice: 0 }}" * 3
        + "{% endfor %}{% endfor %}",
        "{{ task.input.long | split: ' ' | join: ', ' | replace: 'word', 'thing' | to_json }}",
        "{{ task.input.long | append: task.input.long | size }}",
        "{% for i in (1..1000) %}{{ i | times: i | modulo: 7 }}{% endfor %}",
        "{% assign x = nothing | default: task.input.many %}{{ x | map: 'a' | sort | uniq }}",
    ],
)
def test_what_an_honest_template_does_is_within_them(content):
    shown(content, {"many": [f"label {at}" for at in range(60)], "long": "word " * 15_000})


def test_a_preview_has_links_that_can_be_read():
    content = '<img src="{{ task.input.taskObject | grant_read_access }}">'
    rendered, errors = previewed(content, {"taskObject": "s3://b/a b.jpg"})
    assert errors == []
    assert rendered.startswith('<img src="http://localhost:1/b/a%20b.jpg?X-Amz-Algorithm=AWS4-HMAC')
    assert "&amp;X-Amz-Signature=" in rendered


@pytest.mark.parametrize("uri", ["https://elsewhere/x", "s3://bucket", "s3:///key", ""])
def test_a_link_to_what_is_no_object(uri):
    rendered, errors = previewed("{{ task.input.o | grant_read_access }}", {"o": uri})
    assert rendered == ""
    assert errors[0]["Message"] == (
        f"grant_read_access needs an S3 URI (s3://bucket/key), not {uri!r}."
    )


@pytest.mark.parametrize(
    "content",
    [
        *DEAR,
        # Nothing in it is looked up, so nobody looks at the clock.
        "{% for i in (1..99999) %}" + "{% if 1 == 0 %}{% endif %}" * 500 + "{% endfor %}",
    ],
)
def test_what_no_limit_of_the_engine_ends_is_ended(content):
    rendered, errors = previewed(content, {"s": "a" * 100_000})
    assert rendered == ""
    assert [error["Code"] for error in errors] == ["TemplateLimitExceeded"]


def test_a_template_that_is_nested_too_deeply_is_reported():
    for content in ("{{ a" + "[a" * 40_000 + "]" * 40_000 + "}}", "{% if true %}" * 9_000):
        rendered, errors = previewed(content)
        assert rendered == ""
        assert len(errors) == 1


@pytest.mark.parametrize("text", ["[]", "{", "null", "[" * 50_000, "9" * 10_000])
def test_a_task_input_is_an_object(text):
    given = {"UiTemplate": {"Content": "x"}, "Task": {"Input": text}}
    with pytest.raises(Fault) as caught:
        render_ui_template(given, grant=str)
    assert caught.value.code == "ValidationException"
    assert caught.value.message.startswith("Task.Input must be a JSON object")
