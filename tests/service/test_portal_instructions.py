from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from portal_house import TEAMS, House

from gt_workflow.service.portal.instructions import MAX_CHARACTERS, MAX_OUTPUT, blocks
from gt_workflow.workflow.templates import render

TEMPLATE = "s3://bucket/cats/template.liquid"


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def said(text: str) -> list[tuple[str, str]]:
    return [(b["kind"], "".join(run["text"] for run in b["runs"])) for b in blocks(text)]


def full(text: str) -> str:
    return f"<crowd-form><full-instructions>{text}</full-instructions></crowd-form>"


def ask(house: House, token: str, arn: str):
    return house.call("GET", f"/_/api/jobs/instructions?job_arn={quote(arn)}", token=token)


def test_our_own_template_says_what_its_owner_wrote():
    written = "# Cats\n\nBox **every** cat {{ x }}.\n\n- tight\n- *all*"
    shown = blocks(render("label", instructions=written))
    assert [block["kind"] for block in shown] == ["heading", "paragraph", "item", "item"]
    assert shown[1]["runs"] == [
        {"text": "Box "},
        {"text": "every", "bold": True},
        {"text": " cat {{ x }}."},
    ]
    assert shown[3]["runs"] == [{"text": "all", "italic": True}]


def test_short_instructions_stand_in_for_missing_full_ones():
    short = "<short-instructions><p>short</p></short-instructions>"
    assert said(short + full(" <p> </p>")) == [("paragraph", "short")]
    assert said(short + full("long")) == [("paragraph", "long")]


@pytest.mark.parametrize(
    "markup",
    [
        "<script>alert(1)</script>a",
        "<style>p{}</style>a",
        '<p onload="x" onclick=y>a</p>',
        "<svg onload=x><script>1</script><text>t</text></svg>a",
        "<!-- hidden -->a",
        "{% if task.input.x > 1 %}a{% endif %}{{ task.input.x }}",
        '<img src=x onerror="alert(1)">a',
        "<iframe src=x>inner</iframe>a",
    ],
)
def test_nothing_but_text_is_left(markup):
    assert said(full(markup)) == [("paragraph", "a")]


def test_what_looks_like_markup_stays_text():
    assert said(full("&lt;b&gt;")) == [("paragraph", "<b>")]


def test_deep_nesting_and_open_ends_are_harmless():
    assert said(full("<div><b>" * 5000 + "a")) == [("paragraph", "a")]
    assert said("<full-instructions>a<script>x") == [("paragraph", "a")]
    assert said(full("a{% never closed")) == [("paragraph", "a")]


@pytest.mark.parametrize("piece", ["word ", "<p>a", "<b>a</b>a"])
def test_long_instructions_are_cut(piece):
    shown = blocks(full(piece * (MAX_CHARACTERS // len(piece) - 20)))
    texts = [run["text"] for block in shown for run in block["runs"]]
    assert sum(map(len, texts)) <= MAX_OUTPUT
    assert texts[-1].endswith("…")


def test_a_worker_reads_the_instructions_of_a_job(house):
    token, arn = house.worker(), house.job()
    house.storage.objects[TEMPLATE] = full("<p>Look.</p>").encode()
    assert ask(house, token, arn).json() == {
        "blocks": [{"kind": "paragraph", "runs": [{"text": "Look."}]}]
    }


def test_a_missing_or_huge_template_says_nothing(house):
    token, arn = house.worker(), house.job()
    house.storage.objects[TEMPLATE] = full("x" * 1_000_000).encode()
    assert ask(house, token, arn).json() == {"blocks": []}
    del house.storage.objects[TEMPLATE]
    assert ask(house, token, arn).json() == {"blocks": []}


def test_the_instructions_of_another_teams_job_are_not_found(house):
    token, arn = house.worker(team=TEAMS + "others"), house.job()
    assert ask(house, token, arn).status == 404
    assert ask(house, token, "unknown").status == 404
