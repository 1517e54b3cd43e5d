"""Who knocks: what a request says about its sender, and whether a page of ours has sent it.

    Authorization: Bearer TOKEN        a script; no browser adds this by itself
    Cookie: gt_session_…=TOKEN         a person's browser; needs the header `X-GT-Page: 1` too

A browser sends cookies whoever's page made it ask. So a request by cookie must carry a header
that only a page of this origin can set (another's would have to ask first, and is never answered),
beside `SameSite=Strict` and the check of `Sec-Fetch-Site` and `Origin` that every request passes.
The cookie's name follows from the service's secret: cookies do not tell ports apart, and two
services on one machine must not sign each other's people out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gt_workflow.ports import Clock
from gt_workflow.service.portal.rates import Rates
from gt_workflow.service.portal.recent import Recent
from gt_workflow.service.portal.sessions import Session, Sessions
from gt_workflow.service.portal.workers import Worker, Workers

PAGE_HEADER: Final = "x-gt-page"
_PATH: Final = "/_/"
_COOKIES_LIMIT: Final = 8192  # characters; a browser keeps 4096 for one cookie


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a second, and how many at once, of one person, one script and one address.

    A page asks a few times for each image; scripts are simulated workers and benchmarks, held
    back only when something runs wild. `failures` are sign-ins and tokens that were none.
    """

    person: tuple[float, int] = (30.0, 300)
    script: tuple[float, int] = (2_000.0, 10_000)
    failures: tuple[float, int] = (0.2, 20)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request came with; `key` is the same for the same secret."""

    kind: Literal["token", "session"]
    secret: str

    @property
    def key(self) -> str:
        """Name it among others."""
        return f"{self.kind}:{self.secret}"


class Doors:
    """Lets workers in; all but `credential` and the cookies is used by one thread."""

    def __init__(
        self,
        *,
        workers: Workers,
        sessions: Sessions,
        clock: Clock,
        secret: bytes,
        limits: Limits | None = None,
    ) -> None:
        """`secret` is the service's own."""
        limits = limits or Limits()
        self._workers = workers
        self._sessions = sessions
        self._clock = clock
        self._cookie = "gt_session_" + hashlib.sha256(b"cookie name:" + secret).hexdigest()[:12]
        # Asked with every task, and no worse for being a moment old.
        self._known: Recent[Worker | None] = Recent(clock)
        self._rates = {
            "session": _rates(clock, limits.person),
            "token": _rates(clock, limits.script),
        }
        self._failures = _rates(clock, limits.failures)

    def credential(self, request: Request, *, page: bool = True) -> Credential | None:
        """Return what a request came with, if anything; a cookie needs the page's header.

        Without `page` it does not: for images, which a page cannot ask for with headers, and
        which change nothing.
        """
        refuse_other_sites(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return Credential("token", token) if scheme.lower() == "bearer" else None
        secret = self._session(request)
        if secret is None:
            return None
        if page and request.headers.get(PAGE_HEADER) != "1":
            raise HTTPException(403, "Requests by cookie must come from this service's own page.")
        return Credential("session", secret)

    def enter(self, credential: Credential | None, address: str) -> Worker:
        """Return whose credential it is; else 401, or 429 with the seconds to wait."""
        if credential is None:
            raise no_token()
        worker = self.who(credential)
        if worker is None:
            self.failed(address)
            raise no_token()
        wait = self._rates[credential.kind].take(worker.id)
        if wait:
            raise _too_many(wait)
        return worker

    def who(self, credential: Credential) -> Worker | None:
        """Return whose credential it is, as known a moment ago, or None."""

        def ask(_key: str) -> Worker | None:
            if credential.kind == "token":
                return self._workers.authenticate(credential.secret)
            return self._sessions.who(credential.secret)

        return self._known.get(credential.key, ask)

    def begin(self, invitation: str, credential: Credential | None, address: str) -> Session | None:
        """Exchange an invitation for a session; see `Sessions.begin`. Failures are counted."""
        wait = self._failures.wait(address)
        if wait:
            raise _too_many(wait)
        present = None if credential is None else self.who(credential)
        try:
            return self._sessions.begin(invitation, present=present)
        except Exception:
            self.failed(address)
            raise

    def end(self, credential: Credential) -> None:
        """Sign out, at once."""
        if credential.kind == "session":
            self._sessions.end(credential.secret)
        self._known.forget(credential.key)

    def failed(self, address: str) -> None:
        """Count a failure of an address; 429 for one that fails too often."""
        wait = self._failures.take(address)
        if wait:
            raise _too_many(wait)

    def set_cookie(self, response: Response, token: str, *, expires: datetime, tls: bool) -> None:
        """Let the browser keep a session, out of reach of every script."""
        response.set_cookie(
            self._cookie,
            token,
            max_age=int((expires - self._clock.now()).total_seconds()),
            path=_PATH,
            secure=tls,
            httponly=True,
            samesite="strict",
        )

    def drop_cookie(self, response: Response, *, tls: bool) -> None:
        """Let the browser forget its session."""
        response.delete_cookie(
            self._cookie, path=_PATH, secure=tls, httponly=True, samesite="strict"
        )

    def _session(self, request: Request) -> str | None:
        """Return what our cookie holds; twice the same name is somebody's trick, and none."""
        given = "; ".join(request.headers.getlist("cookie"))
        if len(given) > _COOKIES_LIMIT:
            raise HTTPException(431, "The request carries too many cookies.")
        found = [
            value
            for name, _, value in (one.strip().partition("=") for one in given.split(";"))
            if name == self._cookie
        ]
        return found[0] if len(found) == 1 else None


def refuse_other_sites(request: Request) -> None:
    """Refuse what a page of another origin makes a browser send.

    `Sec-Fetch-Site` cannot be set by a page; browsers leave it out on plain HTTP to other than
    local addresses, where the host that `Origin` names has to be the one that was asked.
    """
    fetched_by = request.headers.get("sec-fetch-site")
    if fetched_by is not None:
        ours = fetched_by in {"same-origin", "none"}
    else:
        origin = request.headers.get("origin")
        host = request.headers.get("host", "")
        ours = origin is None or origin.lower().partition("://")[2] == host.lower()
    if not ours:
        raise HTTPException(403, "Requests from other sites are not accepted.")


def is_tls(request: Request) -> bool:
    """Tell whether the browser speaks HTTPS, to us or to a proxy before us.

    `Origin` is believed because it can only make the sender's own cookie stricter.
    """
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:")


def no_token() -> HTTPException:
    """Refuse who is nobody."""
    return HTTPException(
        401,
        "A valid token is needed; ask for an invitation link.",
        {"WWW-Authenticate": 'Bearer realm="tasks"'},
    )


def _too_many(wait: int) -> HTTPException:
    return HTTPException(
        429, f"Too many requests; try again in {wait} s.", {"Retry-After": str(wait)}
    )


def _rates(clock: Clock, limit: tuple[float, int]) -> Rates:
    return Rates(clock, rate=limit[0], burst=limit[1])
