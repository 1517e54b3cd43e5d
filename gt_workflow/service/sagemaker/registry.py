"""Named things of a region with a configuration in JSON: how work teams and workforces are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from gt_workflow.ports import Clock
from gt_workflow.service.store import tags


class Registry:
    """One table of the store; every method works within the caller's transaction."""

    def __init__(self, table: Table, *, clock: Clock) -> None:
        """`table` has the columns arn, region, name, config, created and modified."""
        self._table = table
        self._clock = clock

    def find(self, connection: Connection, region: str, name: str) -> Row[Any] | None:
        """Return the row of this name."""
        columns = self._table.c
        found = select(self._table).where(columns.region == region, columns.name == name)
        return connection.execute(found).one_or_none()

    def count(self, connection: Connection, region: str) -> int:
        """Return how many there are in the region."""
        counted = select(func.count()).select_from(self._table)
        return connection.execute(counted.where(self._table.c.region == region)).scalar_one()

    def listed(
        self, connection: Connection, region: str, parameters: Mapping[str, Any]
    ) -> Sequence[Row[Any]]:
        """Return the rows a List operation asks for: oldest first, unless it says otherwise."""
        part = parameters.get("NameContains", "").lower()
        by_name = parameters.get("SortBy") == "Name"
        rows = connection.execute(select(self._table).where(self._table.c.region == region)).all()
        return sorted(
            (row for row in rows if part in row.name.lower()),
            key=lambda row: (row.name,) if by_name else (row.created, row.name),
            reverse=parameters.get("SortOrder") == "Descending",
        )

    def add(self, connection: Connection, *, config: Mapping[str, Any], **columns: str) -> None:
        """Write a new row."""
        now = self._clock.now().timestamp()
        connection.execute(
            insert(self._table).values(
                **columns, config=json.dumps(config), created=now, modified=now
            )
        )

    def change(self, connection: Connection, row: Row[Any], changes: Mapping[str, Any]) -> None:
        """Replace members of a row's configuration; the others stay."""
        connection.execute(
            update(self._table)
            .where(self._table.c.arn == row.arn)
            .values(
                config=json.dumps(json.loads(row.config) | changes),
                modified=self._clock.now().timestamp(),
            )
        )

    def remove(self, connection: Connection, arn: str) -> None:
        """Delete a row and its tags: a later namesake must not inherit them."""
        connection.execute(delete(self._table).where(self._table.c.arn == arn))
        connection.execute(delete(tags).where(tags.c.arn == arn))


def instant(seconds: float) -> datetime:
    """Return a stored time as answers carry it."""
    return datetime.fromtimestamp(seconds, UTC)


def without(parameters: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Copy parameters but for some members."""
    return {key: value for key, value in parameters.items() if key not in names}
