from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape

import pytest
from portal_house import House, answer, image

SCRIPT = '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>'
BOXES = (
    SCRIPT
    + """
<crowd-form>
  <crowd-bounding-box name="boundingBox" src="{{ task.input.taskObject | grant_read_access }}"
    labels="{{ task.input.labels | to_json | escape }}"></crowd-bounding-box>
</crowd-form>"""
)


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def templated(house: House, template: str, **job) -> tuple[str, dict]:
    """Return the token of a worker, and a task of a job with this template."""
    token = house.worker()
    arn = house.job(**job)
    name = job.get("name", "cats")
    house.storage.objects[f"s3://bucket/{name}/template.liquid"] = template.encode()
    return token, house.accept(token, arn)


def framed(house: House, template: str, **job) -> str:
    _, task = templated(house, template, **job)
    reply = house.call("GET", task["frame"])
    assert reply.status == 200
    return reply.body.decode()


def test_the_template_runs_with_our_elements_and_a_link_to_the_image(house):
    token, task = templated(house, BOXES)
    page = house.call("GET", task["frame"]).body.decode()
    assert "assets.crowd.aws" not in page
    assert '<script src="/_/static/crowd/crowd-html-elements.js"></script>' in page
    assert 'labels="[&#34;cat&#34;, &#34;dog&#34;]"' in page
    (source,) = re.findall(r'src="(/_/image/[^"]*)"', page)
    assert unescape(source) == task["image"]["url"]
    assert house.call("GET", unescape(source)).body == image(shade=0)
    (told,) = re.findall(r'<meta name="gt-task" content="([^"]*)">', page)
    assert json.loads(unescape(told)) == {
        "kind": "label",
        "image": task["image"]["url"],
        "width": 64,
        "height": 48,
    }
    assert token not in page


@pytest.mark.parametrize(
    "address",
    [
        "https://assets.crowd.aws/crowd-html-elements.js",
        "http://assets.crowd.aws/crowd-html-elements.js",
        "//assets.crowd.aws/crowd-html-elements.js",
        "https://assets.crowd.aws/crowd-html-elements.js?v=1&amp;x",
        "https://assets.crowd.aws/crowd-html-elements-v2.min.js",
    ],
)
def test_every_spelling_of_the_scripts_address_is_ours(house, address):
    page = framed(house, f"<script src='{address}'></script>")
    assert "<script src='/_/static/crowd/crowd-html-elements.js'></script>" in page


def test_a_frame_can_reach_nothing(house):
    _, task = templated(house, BOXES)
    headers = house.call("GET", task["frame"]).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-forms; default-src 'none'; ")
    assert "connect-src 'none'" in policy
    assert "form-action 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "eval" not in policy
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"


def test_a_frame_loads_from_this_service_by_its_name_too(house):
    _, task = templated(house, BOXES)
    for host, own in (
        ("labels.example:8080", "'self' http://labels.example:8080"),
        ("[::1]:80", "'self' http://[::1]:80"),
        ("x; script-src *", "'self'"),
    ):
        reply = house.call("GET", task["frame"], headers={"host": host})
        policy = reply.headers["content-security-policy"]
        assert f"script-src {own} 'unsafe-inline'; " in policy


def test_the_later_frames_of_a_job_are_rendered_with_their_own_tasks(house):
    token, task = templated(house, "{{ task.input.taskObject }} {{ task.input.manifestLine }}")
    shown = [house.call("GET", task["frame"]).body.decode()]
    more = [house.accept(token) for _ in range(2)]
    shown += [house.call("GET", one["frame"]).body.decode() for one in more]
    for index, page in enumerate(shown):
        assert f"s3://bucket/cats/photo {index}.jpg {{" in page
        assert f"album/photo {index}.jpg" in page


def test_a_template_that_takes_too_long_is_not_tried_by_everybody_who_opens_a_task(house):
    number = "{{ task.input.manifestLine.photograph | split: ' ' | last | replace: '.jpg', '' }}"
    template = (
        f"{{% capture n %}}{number}{{% endcapture %}}"
        "{% if n == '2' %}ok{% else %}{{ (1..1000000000) | to_json }}{% endif %}"
    )
    token, first = templated(house, template)
    second, third = house.accept(token), house.accept(token)
    for task in (first, second, third):  # the last one, too, which would go well
        assert b"a range is too long" in house.call("GET", task["frame"]).body
    house.clock.sleep(61)
    assert house.call("GET", third["frame"]).body.endswith(b"ok")
    assert b"a range is too long" in house.call("GET", second["frame"]).body
    assert house.call("GET", third["frame"]).body.endswith(b"ok")


def test_a_line_cannot_make_a_template_that_went_well_go_on_for_ever(house):
    # What is done depends on the photograph: nothing for the first, which is rendered apart.
    template = (
        "{% assign n = task.input.manifestLine.photograph | split: ' ' | last "
        "| replace: '.jpg', '' | times: 60 %}{% assign a = 99999 %}"
        "{% for i in (1..n) %}{% assign a = a | times: a %}{% endfor %}ok"
    )
    token, task = templated(house, template)
    assert house.call("GET", task["frame"]).body.endswith(b"ok")
    second = house.accept(token)
    page = house.call("GET", second["frame"])
    assert b"times: it was given too much" in page.body
    house.submit(token, second["id"], answer())
    assert house.counters()["HumanLabeled"] == 1


def test_a_line_cannot_break_out_of_the_template(house):
    template = "<p title='{{ task.input.manifestLine.photograph }}'>"
    page = framed(house, template, keys=("x'\"><script>.jpg",))
    assert "<p title='album/x&#39;&#34;&gt;&lt;script&gt;.jpg'>" in page


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("\n{% if %}", "line 2: "),
        ("{{ 'https://elsewhere/x' | grant_read_access }}", "grant_read_access needs an S3 URI"),
        ("{{ task.input.labels | no_such }}", "unknown filter"),
        ("x" * 128_001, "longer than 128,000 characters"),
        ("{% assign a = 99999 %}{% for i in (1..99) %}{% assign a = a | times: a %}{% endfor %}",
         "line 1: times: it was given too much"),
    ],
)  # fmt: skip
def test_the_worker_is_told_what_is_wrong_with_a_template(house, template, message):
    page = framed(house, template)
    assert 'role="alert"' in page
    assert message in page


def test_an_error_that_only_some_tasks_meet_is_told_too(house):
    token, task = templated(house, "{{ 1 | divided_by: task.input.manifestLine.none }}<i>")
    page = house.call("GET", task["frame"]).body.decode()
    assert "divided_by" in page
    again = house.call("GET", house.accept(token)["frame"]).body.decode()
    assert "divided_by" in again


def test_a_template_that_is_missing_or_no_text_is_told(house):
    _, task = templated(house, "")
    uri = "s3://bucket/cats/template.liquid"
    house.storage.objects[uri] = b"\xff\xfe"
    assert "not text in UTF-8" in house.call("GET", task["frame"]).body.decode()
    del house.storage.objects[uri]
    assert f"no object {uri}" in house.call("GET", task["frame"]).body.decode()


def test_a_template_stays_what_it_was_when_the_first_task_was_shown(house):
    token, task = templated(house, "first")
    assert house.call("GET", task["frame"]).body.endswith(b"first")
    house.storage.objects["s3://bucket/cats/template.liquid"] = b"second"
    assert house.call("GET", house.accept(token)["frame"]).body.endswith(b"first")


def test_other_images_that_the_template_names_can_be_seen(house):
    house.storage.objects["s3://examples/good one.png"] = image("PNG")
    token, task = templated(house, "{{ 's3://examples/good one.png' | grant_read_access }}")
    page = house.call("GET", task["frame"]).body.decode()
    (link,) = re.findall(r"/_/frame/\S*/object\?\S*", page)
    link = unescape(link)
    reply = house.call("GET", link)
    assert (reply.status, reply.body) == (200, image("PNG"))
    assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "access-control-allow-origin" not in reply.headers
    assert house.call("GET", link.replace("good", "bad")).status == 403
    assert house.call("GET", link.partition("&uri=")[0]).status == 403
    image_link = task["image"]["url"]
    other = image_link.replace("/_/image/", "/_/frame/").replace("?", "/object?")
    assert house.call("GET", other + "&uri=s3://examples/good+one.png").status == 403
    house.call("POST", f"/_/api/tasks/{task['id']}/return", token=token)
    assert house.call("GET", link).status in {403, 404, 409}


@pytest.mark.parametrize("change", ["worker", "expires", "signature"])
def test_a_forged_link_shows_no_frame(house, change):
    _, task = templated(house, BOXES)
    forged = re.sub(rf"{change}=([^&]*)", lambda found: f"{change}=1{found[1]}", task["frame"])
    assert house.call("GET", forged).status == 403


def test_a_frame_is_gone_with_its_task(house):
    token, task = templated(house, BOXES)
    other = house.accept(token)
    assert house.call("GET", task["frame"].replace(task["id"], other["id"])).status == 403
    house.call("POST", f"/_/api/tasks/{task['id']}/return", token=token)
    assert house.call("GET", task["frame"]).status in {403, 404, 409}
    house.clock.sleep(900)
    assert house.call("GET", other["frame"]).status == 403


def test_the_elements_may_be_loaded_from_the_sandbox(house):
    reply = house.call("GET", "/_/static/start.js")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
    page = house.call("GET", "/_/")
    assert "access-control-allow-origin" not in page.headers
    assert page.headers["cross-origin-resource-policy"] == "same-origin"
