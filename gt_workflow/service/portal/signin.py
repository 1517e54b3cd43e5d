"""Signing in and out: the only endpoints that set a cookie.

POST api/session          {invite} → who it is, and a session in a cookie. An invitation that
                          was used or has expired is refused with 410 and the way to a new one,
                          unless this browser is signed in as the same worker: then it stays.
POST api/session/end      {} → the session is over, on this browser alone
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gt_workflow.service.faults import invalid
from gt_workflow.service.portal.doors import Doors, is_tls, no_token
from gt_workflow.service.portal.gathered import Gathered
from gt_workflow.service.portal.replies import answer, json_body, text
from gt_workflow.service.portal.workers import TOKEN_LIMIT, Worker

_BODY_LIMIT: Final = 4_096  # bytes: an invitation has some fifty


class SignIn:
    """The endpoints of sessions."""

    def __init__(self, *, doors: Doors, calls: Gathered) -> None:
        """Keep what it works on."""
        self._doors = doors
        self._calls = calls

    def routes(self) -> list[Route]:
        """Return the routes, relative to the portal's prefix."""
        return [
            Route("/api/session", self._begin, methods=["POST"]),
            Route("/api/session/end", self._end, methods=["POST"]),
        ]

    async def _begin(self, request: Request) -> Response:
        # Refuses other sites too, which could else sign their visitors in as somebody else.
        present = self._doors.credential(request, page=False)
        body = await json_body(request, limit=_BODY_LIMIT)
        invitation = text(body, "invite", limit=TOKEN_LIMIT)
        if not invitation:
            raise invalid("invite: the invitation of a link is expected.")
        address = request.client.host if request.client else ""
        begun = await self._calls.run(partial(self._doors.begin, invitation, present, address))
        if begun is None:
            return answer({"signed_in": True})
        reply = answer({"signed_in": True, "worker": _json(begun.worker)})
        self._doors.set_cookie(reply, begun.token, expires=begun.expires, tls=is_tls(request))
        return reply

    async def _end(self, request: Request) -> Response:
        credential = self._doors.credential(request)
        if credential is None or credential.kind != "session":
            raise no_token()
        await json_body(request, limit=_BODY_LIMIT)
        await self._calls.run(partial(self._doors.end, credential))
        reply = answer({"signed_in": False})
        self._doors.drop_cookie(reply, tls=is_tls(request))
        return reply


def _json(worker: Worker) -> dict[str, Any]:
    return {
        "id": worker.id,
        "name": worker.name,
        "teams": worker.teams,
        "role": worker.role,
    }
