"""How people sign in: an invitation, good once, becomes a session that a cookie carries.

The invitation stands behind the `#` of a link, which browsers send to nobody, and is exchanged by
a POST; so neither a server's log nor whoever previews links can spend it. The session is known to
the browser alone (HttpOnly, SameSite=Strict); the database keeps SHA-256 digests of both, for the
reason that `workers` gives. Bearer tokens stay the way in for scripts.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gt_workflow.service.faults import Fault
from gt_workflow.service.portal.workers import (
    TOKEN_LIMIT,
    Worker,
    Workers,
    digest_of,
    worker_of,
    worker_rows,
)
from gt_workflow.service.prepared import Prepared
from gt_workflow.service.store import invitations, sessions, workers

SESSION_LIFE: Final = timedelta(days=30)

_BY_SESSION: Final = Prepared(
    worker_rows(sessions).where(sessions.c.token_sha256 == bindparam("digest"))
)


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was just begun; `token` is what the cookie carries, readable only now."""

    worker: Worker
    token: str
    expires: datetime


class Sessions:
    """Invitations and sessions; durable, safe to call from several threads."""

    def __init__(self, workers: Workers) -> None:
        """Keep them where the workers are."""
        self._workers = workers
        self._store = workers.store
        self._clock = workers.clock
        self._new_token = workers.new_token

    def begin(self, invitation: str, *, present: Worker | None = None) -> Session | None:
        """Exchange an invitation, or a script's token, for a session.

        None if `present`, who is signed in on this browser already, is whom a used invitation was
        for: the link was opened again by its owner. Else a used or expired invitation is a `Fault`
        that names the way to a new one (410), an unknown one is a `Fault` with 401.
        """
        if not invitation or len(invitation) > TOKEN_LIMIT:
            raise _unknown()
        now = self._clock.now()
        with self._store.write() as connection:
            found = connection.execute(
                select(invitations, workers.c.name)
                .join(workers, workers.c.id == invitations.c.worker_id)
                .where(invitations.c.token_sha256 == digest_of(invitation))
            ).first()
            if found is not None:
                if found.used is not None or found.expires <= now.timestamp():
                    if present is not None and present.id == found.worker_id:
                        return None
                    raise _spent(found.name, used=found.used is not None)
                connection.execute(
                    update(invitations)
                    .where(invitations.c.token_sha256 == found.token_sha256)
                    .values(used=now.timestamp())
                )
                worker_id = found.worker_id
            else:
                worker = self._workers.authenticate(invitation)
                if worker is None:
                    raise _unknown()
                worker_id = worker.id
            return self._open(connection, worker_id, now)

    def _open(self, connection: Connection, worker_id: str, now: datetime) -> Session:
        token = self._new_token()
        expires = now + SESSION_LIFE
        connection.execute(delete(sessions).where(sessions.c.expires <= now.timestamp()))
        connection.execute(
            insert(sessions).values(
                token_sha256=digest_of(token),
                worker_id=worker_id,
                created=now.timestamp(),
                expires=expires.timestamp(),
            )
        )
        rows = _BY_SESSION.all(connection, digest=digest_of(token))
        worker = worker_of(rows, digest=digest_of(token), now=now.timestamp())
        assert worker is not None  # noqa: S101 - it was inserted a statement ago
        return Session(worker, token, expires)

    def who(self, token: str) -> Worker | None:
        """Return whose session a cookie carries, or None if there is none or it is over."""
        if not token or len(token) > TOKEN_LIMIT:
            return None
        digest = digest_of(token)
        with self._store.read() as connection:
            rows = _BY_SESSION.all(connection, digest=digest)
        return worker_of(rows, digest=digest, now=self._clock.now().timestamp())

    def end(self, token: str) -> None:
        """Sign out: the cookie is worth nothing from now on."""
        with self._store.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.token_sha256 == digest_of(token)))


def _unknown() -> Fault:
    return Fault(
        "UnknownInvitation", "This invitation is not valid. Ask for a new link.", status=401
    )


def _spent(name: str, *, used: bool) -> Fault:
    why = "was used already" if used else "has expired"
    command = f"python -m gt_workflow invite {shlex.quote(name)}"
    return Fault(
        "SpentInvitation",
        f"This link {why}; each is good once. A new one comes from whoever runs the service, "
        f"with: {command}",
        status=410,
    )
