"""The worker templates render as Ground Truth's Liquid would, whatever people write in them."""

from __future__ import annotations

import json
import re
import tomllib
from html.parser import HTMLParser

import pytest
from liquid import Environment
from liquid.filter import string_filter

from gt_workflow import config
from gt_workflow.core.names import KINDS
from gt_workflow.errors import UsageError
from gt_workflow.workflow import templates

HOSTILE = [
    "degu",
    'say "degu"',
    "it's",
    "<script>alert(1)</script>",
    "</crowd-form>",
    "a & b &amp; c",
    "浣熊 ",
    "{{ task.input.taskObject }}{% raw %}",
    "back\\slash \\u0041",
]


class Elements(HTMLParser):
    """Collects the elements of a page: name, attributes, and the text inside."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.open = []
        self.text = {}

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in self.open:
            self.text[tag] = self.text.get(tag, "") + data


def page(template, task_input):
    """Render as Ground Truth does: escaped by default, with its own filters."""
    environment = Environment(autoescape=True)
    environment.add_filter("to_json", lambda value: json.dumps(value, ensure_ascii=False))
    environment.add_filter("grant_read_access", string_filter(lambda uri: f"https://x/?u={uri}"))
    rendered = environment.from_string(template).render(task={"input": task_input})
    elements = Elements()
    elements.feed(rendered)
    elements.close()
    return elements


def one(elements, tag):
    (attributes,) = [attributes for name, attributes in elements.found if name == tag]
    return attributes


def task(labels, attribute="boxes", shown=HOSTILE):
    """What PRE-BoundingBox and its siblings hand to a template; one box a shown label."""
    boxes = [
        {"class_id": index, "left": 1.5, "top": 76.19999999999999, "width": 3, "height": 4}
        for index, _ in enumerate(shown)
    ]
    return {
        "taskObject": 's3://bucket/a&b "c".jpg',
        "labels": labels,
        "manifestLine": {
            "source-ref": "s3://bucket/a.jpg",
            attribute: {
                "image_size": [{"width": 9, "height": 9, "depth": 3}],
                "annotations": boxes,
            },
            f"{attribute}-metadata": {
                "class-map": {str(index): label for index, label in enumerate(shown)}
            },
        },
    }


def expected_boxes(shown):
    return [
        {"label": label, "left": 1.5, "top": 76.19999999999999, "width": 3, "height": 4}
        for label in shown
    ]


def test_label_template():
    template = templates.render("label", header='Boxes & "more"', instructions="# Draw\n*well*")
    elements = page(template, task(HOSTILE))
    box = one(elements, "crowd-bounding-box")
    assert box["name"] == "boundingBox"
    assert box["src"] == 'https://x/?u=s3://bucket/a&b "c".jpg'
    assert box["header"] == 'Boxes & "more"'
    assert json.loads(box["labels"]) == HOSTILE
    assert "initial-value" not in box
    assert [name for name, _ in elements.found] == [
        "script",
        "crowd-form",
        "crowd-bounding-box",
        *("full-instructions", "h3", "p", "em"),
        *("short-instructions", "h3", "p", "em"),
    ]
    assert one(elements, "script") == {"src": "https://assets.crowd.aws/crowd-html-elements.js"}


@pytest.mark.parametrize("attribute", ["boxes", "my-job-2", "2024-boxes", "B"])
def test_adjust_template_shows_the_boxes_of_the_audited_attribute(attribute):
    template = templates.render("adjust", audited=attribute)
    box = one(page(template, task(HOSTILE, attribute)), "crowd-bounding-box")
    assert box["name"] == "boundingBox"
    assert json.loads(box["labels"]) == HOSTILE
    assert json.loads(box["initial-value"]) == expected_boxes(HOSTILE)


def test_verify_template_shows_boxes_under_their_own_labels():
    template = templates.render("verify", audited="boxes")
    elements = page(template, task(["good", "it's bad"]))
    classifier = one(elements, "crowd-image-classifier")
    assert classifier["name"] == "crowd-image-classifier"
    assert json.loads(classifier["categories"]) == ["good", "it's bad"]
    assert json.loads(classifier["overlay"]) == {
        "boundingBox": {"labels": HOSTILE, "value": expected_boxes(HOSTILE)}
    }


def test_verify_template_names_every_shown_label_once():
    shown = task(["good", "bad"], shown=["degu", "wheel"])
    line = shown["manifestLine"]
    line["boxes"]["annotations"] += line["boxes"]["annotations"][:1]
    classifier = one(
        page(templates.render("verify", audited="boxes"), shown), "crowd-image-classifier"
    )
    overlay = json.loads(classifier["overlay"])["boundingBox"]
    assert overlay["labels"] == ["degu", "wheel"]
    assert [box["label"] for box in overlay["value"]] == ["degu", "wheel", "degu"]


@pytest.mark.parametrize("kind", ["adjust", "verify"])
@pytest.mark.parametrize("line", ["no box", "no label"])
def test_image_without_boxes_is_shown_without_boxes(kind, line):
    empty = task(["good"], shown=[])
    if line == "no label":
        empty["manifestLine"] = {"source-ref": "s3://bucket/a.jpg"}
    elements = page(templates.render(kind, audited="boxes"), empty)
    if kind == "adjust":
        assert json.loads(one(elements, "crowd-bounding-box")["initial-value"]) == []
    else:
        overlay = json.loads(one(elements, "crowd-image-classifier")["overlay"])
        assert overlay == {"boundingBox": {"labels": [], "value": []}}


@pytest.mark.parametrize("text", [*HOSTILE[1:], "@@audited@@ and @@header@@", '" onload="x()'])
@pytest.mark.parametrize("kind", KINDS)
def test_header_and_instructions_are_text_and_nothing_else(kind, text):
    audited = None if kind == "label" else "boxes"
    plain = page(templates.render(kind, audited=audited, instructions="text"), task(["a"]))
    template = templates.render(kind, header=text, instructions=text, audited=audited)
    elements = page(template, task(["a"]))
    assert [name for name, _ in elements.found] == [name for name, _ in plain.found]
    tag = "crowd-image-classifier" if kind == "verify" else "crowd-bounding-box"
    assert one(elements, tag)["header"] == text.strip()
    assert elements.text["full-instructions"].strip() == text.strip()
    assert elements.text["short-instructions"].strip() == text.strip()


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_tell_workers_what_to_do(kind):
    template = templates.render(kind, audited=None if kind == "label" else "boxes")
    elements = page(template, task(["a"]))
    assert len(elements.text["short-instructions"].split()) > 20
    assert "@@" not in template
    assert not re.search(r"\*\w", elements.text["short-instructions"])


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("label", {"audited": "boxes"}, "looks at no attribute"),
        ("adjust", {}, "whose boxes workers adjust"),
        ("verify", {}, "whose boxes workers verify"),
        ("adjust", {"audited": "a_b"}, "the attribute to adjust"),
        ("adjust", {"audited": "a }} {{ b"}, "the attribute to adjust"),
        ("label", {"instructions": "x" * 64_000}, "characters; shorten them"),
    ],
)
def test_what_makes_no_template_is_refused(kind, arguments, message):
    with pytest.raises(UsageError, match=message):
        templates.render(kind, **arguments)


def test_a_placeholder_that_nobody_fills_is_refused():
    with pytest.raises(UsageError, match="@@colour@@"):
        templates.fill("<p>@@colour@@</p>", {"header": "a"})


@pytest.mark.parametrize("name", ["../pyproject.toml", "nothing.html", "", "label"])
def test_only_the_packages_own_files_are_loaded(name):
    with pytest.raises(UsageError, match="no template"):
        templates.load(name)


def settings_with_every_line():
    """The settings file with every commented setting switched on."""
    return re.sub(r"(?m)^#(?=[a-z-]+ = )", "", templates.load(templates.SETTINGS))


def test_settings_file_says_what_the_defaults_say():
    as_written = config.load(text=templates.load(templates.SETTINGS))
    switched_on = config.load(text=settings_with_every_line())
    defaults = config.load(flags={"photographs": "photos", "labels": ["degu"]})
    assert as_written == switched_on == defaults


def test_settings_file_knows_every_setting():
    def paths(table, prefix=""):
        for key, value in table.items():
            if isinstance(value, dict):
                yield from paths(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    assert sorted(paths(tomllib.loads(settings_with_every_line()))) == sorted(
        config.setting_paths()
    )


def test_settings_file_explains_every_setting():
    text = templates.load(templates.SETTINGS)
    assert all(len(line) <= 100 for line in text.splitlines())
    for block in re.split(r"\n\n", text):
        if re.search(r"(?m)^#?[a-z-]+ = ", block):
            assert re.search(r"(?m)^# [A-Z]", block), f"no comment: {block}"
