"""Tags on labeling jobs, work teams and workforces: 50 at most on each, keys unique."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from gt_workflow.service.faults import invalid, limit_exceeded, not_found
from gt_workflow.service.sagemaker.arns import kind_of
from gt_workflow.service.store import Store, jobs, tags, workforces, workteams

TAG_LIMIT = 50
_TABLES = {"labeling-job": jobs, "workteam": workteams, "workforce": workforces}

Tag = Mapping[str, str]


class Tags:
    """AddTags, ListTags and DeleteTags, for ARNs of the kinds in `arns.OWN_KINDS`."""

    def __init__(self, *, store: Store) -> None:
        """Keep the tags in a table of the store."""
        self._store = store

    def add(self, arn: str, new: Sequence[Tag]) -> dict[str, Any]:
        """Add or overwrite; answer with all tags of the resource."""
        with self._store.write() as connection:
            _check_resource(connection, arn)
            put(connection, arn, new)
            return {"Tags": _of(connection, arn)}

    def list(self, arn: str) -> list[dict[str, str]]:
        """Return a resource's tags, by key."""
        with self._store.read() as connection:
            _check_resource(connection, arn)
            return _of(connection, arn)

    def delete(self, arn: str, keys: Sequence[str]) -> dict[str, Any]:
        """Delete; a key that is not there is no error."""
        with self._store.write() as connection:
            _check_resource(connection, arn)
            connection.execute(delete(tags).where(tags.c.arn == arn, tags.c.key.in_(keys)))
        return {}


def put(connection: Connection, arn: str, new: Sequence[Tag]) -> None:
    """Add or overwrite tags within the caller's transaction."""
    check(new)
    named = {tag["Key"]: tag["Value"] for tag in new}
    if len({tag["Key"] for tag in _of(connection, arn)} | set(named)) > TAG_LIMIT:
        raise limit_exceeded(f"The resource {arn} can have {TAG_LIMIT} tags at most.")
    connection.execute(delete(tags).where(tags.c.arn == arn, tags.c.key.in_(named)))
    for key, value in named.items():
        connection.execute(insert(tags).values(arn=arn, key=key, value=value))


def check(new: Sequence[Tag]) -> None:
    """Refuse a key that stands there twice or begins with `aws:`."""
    seen = set()
    for tag in new:
        key = tag["Key"]
        if key.lower().startswith("aws:"):
            raise invalid(f"The tag key '{key}' is invalid: 'aws:' is a reserved prefix.")
        if key in seen:
            raise invalid(f"The tag key '{key}' is there twice: tag keys are unique per resource.")
        seen.add(key)


def _of(connection: Connection, arn: str) -> list[dict[str, str]]:
    rows = connection.execute(select(tags).where(tags.c.arn == arn).order_by(tags.c.key))
    return [{"Key": row.key, "Value": row.value} for row in rows]


def _check_resource(connection: Connection, arn: str) -> None:
    """Refuse an ARN under which there is nothing."""
    table = _TABLES[kind_of(arn)]
    if connection.execute(select(table.c.arn).where(table.c.arn == arn)).first() is None:
        raise not_found(f"The resource {arn} does not exist.")
