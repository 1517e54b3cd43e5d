from __future__ import annotations

import json

from gt_workflow.cli import show


def test_names_do_not_steer_the_terminal(capsys):
    show.note("rejected bad\x1b[2J\x9b31m\u202ename.jpg")
    show.line("two\nlines\tand a label: 设备 ")
    printed = capsys.readouterr()
    assert printed.err == "rejected bad\\x1b[2J\\x9b31m\\u202ename.jpg\n"
    assert printed.out == "two\nlines\tand a label: 设备 \n"


def test_a_name_that_is_no_utf8_is_still_json(capsys):
    show.data({"name": "caf\udce9.jpg", "label": "设备 "})
    assert json.loads(capsys.readouterr().out) == {"name": "caf\udce9.jpg", "label": "设备 "}
