"""What admins reach: all jobs, all workers, the contact sheet; they stop jobs and invite.

    GET  admin                      the page
    GET  api/admin/jobs             all jobs with live counters
    GET  api/admin/workers          ?job_arn=...: speed, agreement and gold accuracy of each worker
    GET  api/admin/teams            the work teams that somebody can be invited to
    GET  api/admin/sheet            ?job_arn=...&sort=disagreement|confidence|newest|order
                                    &offset=&limit=: labelled objects with their boxes
    GET  api/admin/image            ?job_arn=...&index=...: an object's image
    GET  api/admin/thumbnail        the same, small, see `thumbnails`
    POST api/admin/stop             {job_arn, confirm}; `confirm` is the job's name
    POST api/admin/invite           {name, team_arn?, role?} → {link}, relative to the page
    POST api/admin/revoke           {name} → {ended}

Everybody else is refused with 403. What is slow runs beside the workers' calls, not among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from typing import Any, Final, get_args

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gt_workflow.service.faults import forbidden, invalid, not_found
from gt_workflow.service.labeling.jobs import Jobs
from gt_workflow.service.labeling.review import SORTS, Sort
from gt_workflow.service.portal.doors import Credential, Doors, no_token
from gt_workflow.service.portal.gathered import Gathered
from gt_workflow.service.portal.images import Images
from gt_workflow.service.portal.replies import answer, json_body, text
from gt_workflow.service.portal.thumbnails import Thumbnails
from gt_workflow.service.portal.workers import NAME_LIMIT, Role, Workers
from gt_workflow.service.store import workteams

_PAGE: Final = "admin.html"
_ARN_LIMIT: Final = 2048
_MOST_OBJECTS: Final = 60  # on one page of the contact sheet

_Act = Callable[[Any], dict[str, Any]]


class Admin:
    """The endpoints of admins."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        workers: Workers,
        doors: Doors,
        calls: Gathered,
        images: Images,
        thumbnails: Thumbnails,
    ) -> None:
        """Keep what it works on."""
        self._jobs = jobs
        self._review = jobs.review
        self._workers = workers
        self._doors = doors
        self._calls = calls
        self._images = images
        self._thumbnails = thumbnails
        self._page = files("gt_workflow.service.portal").joinpath("static", _PAGE).read_bytes()

    def routes(self) -> list[Route]:
        """Return the routes, relative to the portal's prefix."""
        return [
            Route("/admin", self._serve_page),
            Route("/api/admin/image", self._image),
            Route("/api/admin/thumbnail", self._thumbnail),
            self._route("GET", "jobs", lambda _: {"jobs": self._review.jobs()}),
            self._route("GET", "workers", self._list_workers),
            self._route("GET", "teams", self._teams),
            self._route("GET", "sheet", self._sheet),
            self._route("POST", "stop", self._stop),
            self._route("POST", "invite", self._invite),
            self._route("POST", "revoke", self._revoke),
        ]

    def _route(self, method: str, path: str, act: _Act) -> Route:
        async def endpoint(request: Request) -> Response:
            await self._enter(request, self._doors.credential(request))
            is_post = request.method == "POST"
            body = await json_body(request) if is_post else dict(request.query_params)
            return answer(await run_in_threadpool(act, body))

        return Route(f"/api/admin/{path}", endpoint, methods=[method])

    async def _enter(self, request: Request, credential: Credential | None) -> None:
        if credential is None:
            raise no_token()
        address = request.client.host if request.client else ""
        worker = await self._calls.run(partial(self._doors.enter, credential, address))
        if worker.role != "admin":
            raise forbidden("This is for admins: gt_workflow invite NAME --role admin")

    async def _serve_page(self, request: Request) -> Response:
        tag = f'"{hashlib.sha256(self._page).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self._page, media_type="text/html; charset=utf-8", headers=headers)

    async def _image(self, request: Request) -> Response:
        return await self._images.stream(await self._object(request))

    async def _thumbnail(self, request: Request) -> Response:
        picture = await self._thumbnails.get(await self._object(request))
        headers = {"Cache-Control": "private, max-age=900"}
        return Response(picture, media_type="image/jpeg", headers=headers)

    async def _object(self, request: Request) -> str:
        """Return where the image is that an admin asks for."""
        # An <img> sends the cookie and no header; nothing is changed, and no other site gets it.
        await self._enter(request, self._doors.credential(request, page=False))
        query = request.query_params
        index = _number(query, "index", default=-1, most=10**9)
        return await run_in_threadpool(self._review.object_uri, query.get("job_arn", ""), index)

    def _list_workers(self, query: Any) -> dict[str, Any]:
        arn = text(query, "job_arn", limit=_ARN_LIMIT)
        roles = {one.id: one for one in self._workers.list()}
        found = self._review.workers(arn or None)
        return {
            "workers": [
                one | {"role": roles[one["id"]].role, "teams": roles[one["id"]].teams}
                for one in found
            ]
        }

    def _teams(self, _query: Any) -> dict[str, Any]:
        with self._workers.store.read() as connection:
            rows = connection.execute(
                select(workteams.c.arn, workteams.c.name).order_by(workteams.c.name)
            ).all()
        return {"teams": [{"team_arn": row.arn, "name": row.name} for row in rows]}

    def _sheet(self, query: Any) -> dict[str, Any]:
        sort = query.get("sort", SORTS[0])
        chosen: Sort | None = next((one for one in SORTS if one == sort), None)
        if chosen is None:
            raise invalid(f"sort: one of {', '.join(SORTS)} is expected.")
        return self._review.sheet(
            text(query, "job_arn", limit=_ARN_LIMIT) or "",
            sort=chosen,
            offset=_number(query, "offset", default=0, most=10**9),
            limit=_number(query, "limit", default=24, most=_MOST_OBJECTS),
        )

    def _stop(self, body: Any) -> dict[str, Any]:
        region, name = self._review.place(text(body, "job_arn", limit=_ARN_LIMIT) or "")
        if text(body, "confirm", limit=_ARN_LIMIT) != name:
            raise invalid(f"confirm: to stop the job for good, send its name, {name}.")
        self._jobs.stop(region=region, name=name)
        return {"job_name": name, "stopping": True}

    def _invite(self, body: Any) -> dict[str, Any]:
        name = text(body, "name", limit=NAME_LIMIT) or ""
        team = text(body, "team_arn", limit=_ARN_LIMIT)
        given = text(body, "role", limit=20)
        role: Role | None = next((one for one in get_args(Role) if one == given), None)
        if given is not None and role is None:
            raise invalid("role: worker or admin is expected.")
        if team is not None and team not in {one["team_arn"] for one in self._teams({})["teams"]}:
            raise not_found("There is no such work team.")
        self._workers.add(name, team_arns=[] if team is None else [team])
        if role is not None:
            self._workers.appoint(name.strip(), role)
        return {"name": name.strip(), "link": f"/_/#invite={self._workers.invite_once(name)}"}

    def _revoke(self, body: Any) -> dict[str, Any]:
        name = text(body, "name", limit=NAME_LIMIT) or ""
        return {"name": name.strip(), "ended": self._workers.revoke(name)}


def _number(query: Mapping[str, str], field: str, *, default: int, most: int) -> int:
    given = query.get(field, str(default))
    if not (given.isascii() and given.isdecimal()) or len(given) > 10 or int(given) > most:
        raise invalid(f"{field}: a number from 0 to {most} is expected.")
    return int(given)
