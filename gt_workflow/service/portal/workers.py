"""Who labels: workers, their role, the teams they are in, and the tokens that let them in.

A token is known only to whom it was given: the database keeps its SHA-256. Tokens are drawn with
256 bits of randomness by the `new_token` passed in (`secrets.token_urlsafe`), so an unsalted hash
is enough: there is nothing to guess. A worker's id follows from the name alone, so that a job
that is run again with the same workers writes the same output.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, Select, Table, bindparam, delete, insert, select

from gt_workflow.core.names import MAX_WORKER_NAME, worker_name
from gt_workflow.errors import UsageError
from gt_workflow.ports import Clock
from gt_workflow.service.faults import invalid, not_found
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import (
    Store,
    invitations,
    sessions,
    worker_roles,
    worker_teams,
    worker_tokens,
    workers,
)

Role = Literal["worker", "admin"]

NAME_LIMIT = MAX_WORKER_NAME
TOKEN_LIMIT = 512
TOKEN_LIFE = timedelta(days=30)
INVITATION_LIFE: Final = timedelta(days=7)


def worker_rows(secrets: Table) -> Select[Any]:
    """Return the query for a worker by one of a table's digests, a row for each team."""
    return (
        select(
            secrets.c.token_sha256,
            secrets.c.expires,
            workers.c.id,
            workers.c.name,
            worker_roles.c.role,
            worker_teams.c.workteam_arn,
        )
        .join(workers, workers.c.id == secrets.c.worker_id)
        .outerjoin(worker_roles, worker_roles.c.worker_id == workers.c.id)
        .outerjoin(worker_teams, worker_teams.c.worker_id == workers.c.id)
        .order_by(worker_teams.c.workteam_arn)
    )


_BY_TOKEN = Prepared(
    worker_rows(worker_tokens).where(worker_tokens.c.token_sha256 == bindparam("digest"))
)


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker; `teams` are work team ARNs, sorted."""

    id: str
    name: str
    teams: tuple[str, ...]
    role: Role = "worker"


class Workers:
    """The workers of this service; durable, safe to call from several threads."""

    def __init__(self, *, store: Store, clock: Clock, new_token: Callable[[], str]) -> None:
        """`new_token` returns a fresh, unguessable, URL-safe text at every call."""
        self.store = store  # shared with `sessions`, which are of the same workers
        self.clock = clock
        self.new_token = new_token

    def add(self, name: str, *, team_arns: Iterable[str] = ()) -> str:
        """Make sure that a worker of this name is in these teams; return the worker's id.

        Adding a known name keeps id, tokens and earlier teams. A name is 1 to 64 printable
        characters, else a `Fault`.
        """
        name = _checked(name)
        with self.store.write() as connection:
            worker_id = self._id_of(connection, name)
            if worker_id is None:
                worker_id = worker_id_for(name)
                connection.execute(
                    insert(workers).values(
                        id=worker_id, name=name, created=self.clock.now().timestamp()
                    )
                )
            known = _teams_of(connection, worker_id)
            for arn in sorted(set(team_arns) - set(known)):
                connection.execute(
                    insert(worker_teams).values(worker_id=worker_id, workteam_arn=arn)
                )
        return worker_id

    def leave(self, name: str, team_arn: str) -> bool:
        """Take a worker out of a team; False if no worker of this name is in it.

        Tokens and earlier answers stay; a task in hand can still be submitted until it expires.
        """
        with self.store.write() as connection:
            worker_id = self._id_of(connection, _checked(name))
            gone = connection.execute(
                delete(worker_teams).where(
                    worker_teams.c.worker_id == worker_id, worker_teams.c.workteam_arn == team_arn
                )
            )
            return gone.rowcount > 0

    def invite(self, name: str, *, life: timedelta = TOKEN_LIFE) -> str:
        """Return a new token for a known worker, good for `life`; older tokens stay good.

        This is the only moment at which the token can be read. Tokens long expired are dropped
        on the way.
        """
        token = self.new_token()
        now = self.clock.now()
        with self.store.write() as connection:
            worker_id = self._known(connection, name)
            connection.execute(
                delete(worker_tokens).where(worker_tokens.c.expires <= now.timestamp())
            )
            connection.execute(
                insert(worker_tokens).values(
                    token_sha256=digest_of(token),
                    worker_id=worker_id,
                    created=now.timestamp(),
                    expires=(now + life).timestamp(),
                )
            )
        return token

    def invite_once(self, name: str, *, life: timedelta = INVITATION_LIFE) -> str:
        """Return a new invitation for a known worker: good once, to begin a session.

        This is the only moment at which it can be read; older ones stay good.
        """
        token = self.new_token()
        now = self.clock.now()
        with self.store.write() as connection:
            worker_id = self._known(connection, name)
            connection.execute(
                delete(invitations).where(invitations.c.expires <= (now - TOKEN_LIFE).timestamp())
            )
            connection.execute(
                insert(invitations).values(
                    token_sha256=digest_of(token),
                    worker_id=worker_id,
                    created=now.timestamp(),
                    expires=(now + life).timestamp(),
                )
            )
        return token

    def appoint(self, name: str, role: Role) -> None:
        """Give a known worker a role; an admin sees all jobs, stops them and invites others."""
        with self.store.write() as connection:
            worker_id = self._known(connection, name)
            connection.execute(delete(worker_roles).where(worker_roles.c.worker_id == worker_id))
            if role == "admin":
                connection.execute(insert(worker_roles).values(worker_id=worker_id, role=role))

    def revoke(self, name: str) -> int:
        """End every token, invitation and session of a worker; return how many there were.

        Spent and expired ones count too. What browsers and scripts still hold is worth nothing.
        """
        with self.store.write() as connection:
            worker_id = self._known(connection, name)
            return sum(
                connection.execute(delete(table).where(table.c.worker_id == worker_id)).rowcount
                for table in (worker_tokens, invitations, sessions)
            )

    def authenticate(self, token: str) -> Worker | None:
        """Return whose token this is, or None if it is unknown or expired."""
        # Checked before hashing: a hostile header must not cost more than a short one.
        if not token or len(token) > TOKEN_LIMIT:
            return None
        digest = digest_of(token)
        # One query, since every request of every worker begins with it.
        with self.store.read() as connection:
            rows = _BY_TOKEN.all(connection, digest=digest)
        return worker_of(rows, digest=digest, now=self.clock.now().timestamp())

    def list(self) -> list[Worker]:
        """Return all workers, by name."""
        with self.store.read() as connection:
            rows = connection.execute(
                select(workers, worker_roles.c.role)
                .outerjoin(worker_roles, worker_roles.c.worker_id == workers.c.id)
                .order_by(workers.c.name)
            ).all()
            return [
                Worker(
                    id=row.id,
                    name=row.name,
                    teams=_teams_of(connection, row.id),
                    role=row.role or "worker",
                )
                for row in rows
            ]

    def _known(self, connection: Connection, name: str) -> str:
        worker_id = self._id_of(connection, _checked(name))
        if worker_id is None:
            raise not_found(f"There is no worker named {name!r}; add the worker first.")
        return worker_id

    @staticmethod
    def _id_of(connection: Connection, name: str) -> str | None:
        return connection.execute(
            select(workers.c.id).where(workers.c.name == name)
        ).scalar_one_or_none()


def worker_id_for(name: str) -> str:
    """Return the worker id of a name, in the form of Ground Truth's private workforces."""
    digest = hashlib.sha256(f"worker:{name}".encode()).hexdigest()
    return f"private.us-east-1.{digest[:16]}"


def worker_of(rows: Sequence[Any], *, digest: str, now: float) -> Worker | None:
    """Return the worker that rows of `worker_rows` tell of; None if there are none, or too late."""
    # The index has compared already, but on hashes, whose timing tells nothing of the token;
    # this comparison does not depend on a collation of the database.
    if not rows or not hmac.compare_digest(rows[0].token_sha256, digest):
        return None
    if rows[0].expires <= now:
        return None
    teams = tuple(row.workteam_arn for row in rows if row.workteam_arn is not None)
    first = rows[0]
    return Worker(id=first.id, name=first.name, teams=teams, role=first.role or "worker")


def _teams_of(connection: Connection, worker_id: str) -> tuple[str, ...]:
    return tuple(
        connection.execute(
            select(worker_teams.c.workteam_arn)
            .where(worker_teams.c.worker_id == worker_id)
            .order_by(worker_teams.c.workteam_arn)
        ).scalars()
    )


def _checked(name: str) -> str:
    try:
        return worker_name(name)
    except UsageError as error:
        raise invalid(str(error)) from None


def digest_of(token: str) -> str:
    """Return what the database keeps of a secret."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
