"""Statements that every task runs: compiled once, then handed to the database driver itself.

SQLAlchemy still writes the SQL, for whichever database; but its way of running a statement takes
several times as long as SQLite takes to carry it out, and the service hands out the more tasks a
second. For what runs now and then, `Connection.execute` is the simpler way.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Dialect, Executable


class Prepared:
    """One statement; its `bindparam`s get their values by name.

    Values go to the driver as they are: numbers, text, bytes and None, no type that SQLAlchemy
    would have to translate. Rows have their columns as attributes. Lists (`in_`) are not for
    here: their number of parameters is not known before they run.
    """

    def __init__(self, statement: Executable) -> None:
        """Keep a statement; it is compiled when it first runs."""
        self._statement = statement
        self._form: _Form | None = None

    def first(self, connection: Connection, **values: Any) -> Any:
        """Return the first row, or None."""
        rows = self.all(connection, **values)
        return rows[0] if rows else None

    def all(self, connection: Connection, **values: Any) -> list[Any]:
        """Return all rows."""
        form = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        cursor.execute(form.sql, form.arguments(values))
        # To the end: a statement left halfway would keep its transaction from ending.
        rows = cursor.fetchall()
        cursor.close()
        return [form.row(row) for row in rows]

    def change(self, connection: Connection, **values: Any) -> int:
        """Run a statement that returns no rows; return how many it changed."""
        form = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        cursor.execute(form.sql, form.arguments(values))
        changed: int = cursor.rowcount
        cursor.close()
        return changed

    def _for(self, dialect: Dialect) -> _Form:
        # Two threads may both compile it; either result is as good.
        form = self._form
        if form is None or form.dialect != dialect.name:
            form = self._form = _Form(self._statement, dialect)
        return form


class _Form:
    """A statement as one database wants it."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        columns = getattr(statement, "exported_columns", None)
        self.dialect = dialect.name
        self.sql = str(compiled)
        self.row: Callable[[Any], Any] = tuple
        if columns is not None and len(columns):
            self.row = _row_of(columns.keys())
        self._fixed = dict(compiled.params)
        self._names: tuple[str, ...] | None = (
            tuple(compiled.positiontup) if compiled.positional else None
        )

    def arguments(self, values: dict[str, Any]) -> Any:
        """Return the values in the driver's order, or by name where it wants names."""
        unknown = values.keys() - self._fixed.keys()
        if unknown:
            raise ValueError(f"no such parameters: {sorted(unknown)}")
        given = {**self._fixed, **values}
        if self._names is None:
            return given
        return [given[name] for name in self._names]


def _row_of(columns: Iterable[str]) -> Any:
    """Return what makes rows with these attributes; type checkers want them written out."""
    make: Any = namedtuple  # noqa: PYI024 - its columns are known only here
    return make("Row", columns)._make
