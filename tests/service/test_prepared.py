"""Statements on the driver itself: the same rows and counts as SQLAlchemy's own way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, bindparam, create_engine, delete, insert, select, update

from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import metadata, tags

ADD = Prepared(insert(tags))
BY_KEY = select(tags.c.arn, tags.c.value).where(tags.c.key == bindparam("wanted"))
FIND = Prepared(BY_KEY.order_by(tags.c.arn))
CHANGE = Prepared(
    update(tags).where(tags.c.key == bindparam("wanted"), tags.c.value == "old").values(value="new")
)
DROP = Prepared(delete(tags).where(tags.c.arn == bindparam("which")).returning(tags.c.value))


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as opened:
        metadata.create_all(opened)
        for arn, value in (("b", "old"), ("a", "old"), ("c", "Zoë")):
            ADD.change(opened, arn=arn, key="k", value=value)
        yield opened
    engine.dispose()


def test_rows_are_those_of_sqlalchemy(connection):
    rows = FIND.all(connection, wanted="k")
    theirs = connection.execute(BY_KEY.order_by(tags.c.arn), {"wanted": "k"}).all()
    assert [tuple(row) for row in rows] == [tuple(row) for row in theirs]
    assert [(row.arn, row.value) for row in rows] == [("a", "old"), ("b", "old"), ("c", "Zoë")]
    assert FIND.first(connection, wanted="k").arn == "a"
    assert FIND.first(connection, wanted="nothing") is None


def test_changes_are_counted_and_fixed_values_stay_fixed(connection):
    assert CHANGE.change(connection, wanted="k") == 2
    assert CHANGE.change(connection, wanted="k") == 0
    assert [row.value for row in FIND.all(connection, wanted="k")] == ["new", "new", "Zoë"]


def test_a_change_may_return_rows(connection):
    assert DROP.first(connection, which="c").value == "Zoë"
    assert DROP.first(connection, which="c") is None


def test_a_misspelt_parameter_is_an_error_and_not_a_null(connection):
    with pytest.raises(ValueError, match="wnated"):
        FIND.all(connection, wnated="k")
