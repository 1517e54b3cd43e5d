"""XML that is read is hostile; XML that is written can be read again."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.service.faults import Fault
from gt_workflow.service.s3 import cors as objects_cors
from gt_workflow.service.s3 import xml as objects_xml


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"<Other/>",
        b"<Delete>",
        b"<Delete/><Delete/>",
        b"<Delete><a></Delete>",
        b"<!DOCTYPE Delete [<!ENTITY a 'aaaa'>]><Delete>&a;</Delete>",
        b"<!DOCTYPE Delete SYSTEM 'file:///etc/passwd'><Delete/>",
        b"<Delete>" + b"<a>" * 50 + b"</a>" * 50 + b"</Delete>",
        b"<Delete>\xff</Delete>",
        b"<Delete>&#0;</Delete>",
    ],
)
def test_what_is_no_such_document_is_refused(data):
    with pytest.raises(Fault) as refused:
        objects_xml.parse(data, "Delete")
    assert (refused.value.code, refused.value.status) == ("MalformedXML", 400)


def test_a_document_is_read_with_and_without_a_namespace():
    for attribute in ("", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'):
        data = f"<Delete{attribute}><a>1</a><b/><a> 2&lt;</a></Delete>".encode()
        element = objects_xml.parse(data, "Delete")
        assert element.texts("a") == ("1", " 2<")
        assert (element.get("b"), element.get("c")) == ("", None)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_text_that_is_written_is_read_again(text):
    data = objects_xml.document("R", {"Key": text}, namespace=False)
    if "\ufffe" not in text and "\uffff" not in text:
        assert (ET.fromstring(data).findtext("Key") or "") == text  # noqa: S314 - our own
    assert objects_xml.parse(data, "R").get("Key") == text or "\ufffe" in text or "\uffff" in text


def test_values_are_written_as_s3_writes_them():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    data = objects_xml.document(
        "R", {"T": moment, "B": True, "N": 7, "None": None, "L": ["a\r", {"x": "\x01"}], "E": []}
    )
    assert data.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<R xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<T>2026-01-02T03:04:05.678Z</T><B>true</B><N>7</N><L>a&#13;</L><L><x>&#1;</x></L></R>"
    )
    with pytest.raises(TypeError):
        objects_xml.document("R", {"x": object()})


def rules(inner: str) -> bytes:
    return f"<CORSConfiguration>{inner}</CORSConfiguration>".encode()


GET = "<AllowedMethod>GET</AllowedMethod>"
ANY = "<AllowedOrigin>*</AllowedOrigin>"


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("", "MalformedXML"),
        (f"<CORSRule>{GET}</CORSRule>", "MalformedXML"),
        (f"<CORSRule>{ANY}</CORSRule>", "MalformedXML"),
        (f"<CORSRule>{ANY}{GET}</CORSRule>" * 101, "MalformedXML"),
        (f"<CORSRule>{ANY}{GET}<MaxAgeSeconds>x</MaxAgeSeconds></CORSRule>", "MalformedXML"),
        (f"<CORSRule>{ANY}<AllowedMethod>PATCH</AllowedMethod></CORSRule>", "InvalidRequest"),
        (f"<CORSRule><AllowedOrigin>*.*</AllowedOrigin>{GET}</CORSRule>", "InvalidRequest"),
    ],
)
def test_rules_of_origin_that_s3_refuses_are_refused(inner, code):
    with pytest.raises(Fault) as refused:
        objects_cors.parse(rules(inner))
    assert refused.value.code == code


def test_a_wildcard_stands_for_text_and_nothing_else():
    parsed = objects_cors.parse(
        rules(f"<CORSRule><AllowedOrigin>http://*.a.b</AllowedOrigin>{GET}</CORSRule>")
    )
    assert objects_cors.match(parsed, origin="http://x.y.a.b", method="GET") is not None
    for origin in ("http://xa.b", "https://x.a.b", "http://x.a.b.c", "http://xxaxb"):
        assert objects_cors.match(parsed, origin=origin, method="GET") is None
    assert objects_cors.match(parsed, origin="http://x.a.b", method="PUT") is None
