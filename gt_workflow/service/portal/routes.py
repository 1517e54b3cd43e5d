"""What workers reach: the task API, the images of their tasks, and the page.

Everything is under `/_/`. The API speaks JSON, knows a worker by a script's bearer token or a
page's session (see `doors`), reads at most `BODY_LIMIT` bytes, and gives no other site leave to
read an answer. `replies` is the one place where a refusal gets its HTTP status.

    POST api/session                {invite}: see `signin`, and `admin` for api/admin/...
    GET  api/me                     who is asking, and what they did: see `Review.tally`
    GET  api/jobs                   jobs of the worker's teams, with what is available in each
    GET  api/tasks                  tasks that the worker holds
    POST api/tasks/accept           {job_arn?, ahead?} → {task}; task is null if there is none;
                                    `ahead: true` is for one that is not shown yet, see `begin`
    GET  api/tasks/ID               one task that the worker holds
    POST api/tasks/ID/begin         {} → {begun}: a task fetched ahead is shown now; false if it
                                    was passed on, see `labeling.available`
    POST api/tasks/ID/submit        the answer, in Ground Truth's form; with ?then=any or a job's
                                    ARN the next task comes back with the acknowledgement; with
                                    ?next=ID that task is begun, and the one that comes back ahead
    POST api/tasks/ID/return        {}
    POST api/tasks/ID/decline       {reason}; also with ?next=ID
    GET  image/ID?...               the image; see `image_links`
    GET  frame/ID?...               the job's worker template, rendered; see `frames`
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from gt_workflow.ports import Clock, Storage
from gt_workflow.service.faults import Fault, invalid
from gt_workflow.service.labeling.jobs import MOST_IMAGES, Jobs, Offer, Task, Unmeasured
from gt_workflow.service.portal.admin import Admin
from gt_workflow.service.portal.doors import Credential, Doors, Limits, no_token
from gt_workflow.service.portal.frames import Frames
from gt_workflow.service.portal.gathered import Gathered
from gt_workflow.service.portal.image_links import LINK_LIFE, ImageLinks
from gt_workflow.service.portal.images import Images
from gt_workflow.service.portal.page import Guarded, page_routes
from gt_workflow.service.portal.recent import Recent
from gt_workflow.service.portal.replies import BODY_LIMIT, HANDLERS, answer, json_body, text
from gt_workflow.service.portal.sessions import Sessions
from gt_workflow.service.portal.signin import SignIn
from gt_workflow.service.portal.thumbnails import Make, Thumbnails
from gt_workflow.service.portal.workers import Worker, Workers

__all__ = ["BODY_LIMIT", "routes"]

REASON_LIMIT: Final = 1000  # characters


@dataclass(frozen=True, slots=True)
class _Call:
    """One authenticated request; `body` is what its JSON says; for a GET, its query.

    `query` is a POST's. `then`: whose next task is wanted with the answer, a job's ARN or `any`;
    `next`: the task that is shown after this one.
    """

    worker: Worker
    task_id: str
    body: Any
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Wanting:
    """A call that is done but for the task it hands out, of which an image has to be looked at.

    `told` is the answer without it; `strict` is whether a refusal is the answer.
    """

    worker: Worker
    told: dict[str, Any]
    job_arn: str | None
    ahead: bool
    strict: bool
    image: Unmeasured


_Done: TypeAlias = "dict[str, Any] | _Wanting"


def routes(
    *,
    jobs: Jobs,
    workers: Workers,
    storage: Storage,
    clock: Clock,
    secret: bytes,
    thumbnail: Make,
    limits: Limits | None = None,
) -> list[BaseRoute]:
    """Return the portal as routes for the service's application.

    `secret` signs image links; `thumbnail` makes the small pictures, see `thumbnails`.
    """
    links = ImageLinks(secret=secret, clock=clock)
    doors = Doors(
        workers=workers, sessions=Sessions(workers), clock=clock, secret=secret, limits=limits
    )
    calls = Gathered(jobs.together)
    api = _TaskApi(jobs=jobs, doors=doors, calls=calls, storage=storage, clock=clock, links=links)
    signin = SignIn(doors=doors, calls=calls)
    images = Images(jobs=jobs, storage=storage, links=links)
    admin = Admin(
        jobs=jobs,
        workers=workers,
        doors=doors,
        calls=calls,
        images=images,
        thumbnails=Thumbnails(storage=storage, make=thumbnail),
    )
    frames = Frames(jobs=jobs, storage=storage, links=links, clock=clock)
    portal = Starlette(
        routes=[
            *page_routes(),
            *signin.routes(),
            *api.routes(),
            *admin.routes(),
            Route("/image/{task_id}", images.serve),
            Route("/frame/{task_id}", frames.serve),
            Route("/frame/{task_id}/object", images.serve_other),
        ],
        exception_handlers=HANDLERS,
    )
    return [Route("/_", _to_page), Mount("/_", app=Guarded(portal))]


class _TaskApi:
    def __init__(
        self,
        *,
        jobs: Jobs,
        doors: Doors,
        calls: Gathered,
        storage: Storage,
        clock: Clock,
        links: ImageLinks,
    ) -> None:
        self._jobs = jobs
        self._doors = doors
        self._calls = calls
        self._storage = storage
        self._clock = clock
        self._links = links
        self._looking: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        # Asked with every task, and no worse for being a moment old.
        self._progress: Recent[dict[str, int]] = Recent(clock)

    def routes(self) -> list[Route]:
        return [
            self._route("GET", "me", self._me),
            self._route("GET", "jobs", self._offers),
            self._route("GET", "tasks", self._held),
            self._route("POST", "tasks/accept", self._accept),
            self._route("GET", "tasks/{task_id}", self._task),
            self._route("POST", "tasks/{task_id}/begin", self._begin),
            self._route("POST", "tasks/{task_id}/submit", self._submit),
            self._route("POST", "tasks/{task_id}/return", self._give_back),
            self._route("POST", "tasks/{task_id}/decline", self._decline),
        ]

    def _route(self, method: str, path: str, act: Callable[[_Call], _Done]) -> Route:
        return Route(f"/api/{path}", self._endpoint(act), methods=[method])

    def _endpoint(self, act: Callable[[_Call], _Done]) -> Callable[[Request], Awaitable[Response]]:
        def work(
            credential: Credential, address: str, task_id: str, body: Any, query: Mapping[str, str]
        ) -> _Done:
            worker = self._doors.enter(credential, address)
            return act(_Call(worker, task_id, body, query))

        async def endpoint(request: Request) -> Response:
            credential = self._doors.credential(request)
            if credential is None:
                raise no_token()
            query = dict(request.query_params)
            body = await json_body(request) if request.method == "POST" else query
            task_id = request.path_params.get("task_id", "")
            address = request.client.host if request.client else ""
            done = await self._calls.run(partial(work, credential, address, task_id, body, query))
            return answer(await self._complete(done))

        return endpoint

    async def _complete(self, done: _Done) -> dict[str, Any]:
        """Look at images where there is need to, beside the workers' calls, not among them."""
        for _ in range(MOST_IMAGES):
            if not isinstance(done, _Wanting):
                return done
            # One look serves all who wait for the same.
            lock = self._looking.setdefault(done.image.job.id, asyncio.Lock())
            async with lock:
                await run_in_threadpool(self._jobs.look, done.image)
            done = await self._calls.run(
                partial(
                    self._hand_out,
                    done.worker,
                    done.told,
                    done.job_arn,
                    ahead=done.ahead,
                    strict=done.strict,
                )
            )
        return done.told | {"task": None} if isinstance(done, _Wanting) else done

    def _me(self, call: _Call) -> dict[str, Any]:
        worker = call.worker
        return {
            "id": worker.id,
            "name": worker.name,
            "teams": worker.teams,
            "role": worker.role,
            "statistics": self._jobs.review.tally(worker.id),
        }

    def _offers(self, call: _Call) -> dict[str, Any]:
        mine = self._jobs.review.mine(call.worker.id)
        offers = self._jobs.offers(call.worker.id)
        return {
            "jobs": [
                self._offer_json(offer) | {"mine": mine.get(offer.job_arn, 0)} for offer in offers
            ]
        }

    def _held(self, call: _Call) -> dict[str, Any]:
        held = self._jobs.held(call.worker.id)
        return {"tasks": [self._task_json(call.worker, task) for task in held]}

    def _accept(self, call: _Call) -> _Done:
        arn = text(call.body, "job_arn", limit=2048)
        ahead = call.body.get("ahead") is True
        return self._hand_out(call.worker, {}, arn, ahead=ahead, strict=True)

    def _hand_out(
        self, worker: Worker, told: dict[str, Any], arn: str | None, *, ahead: bool, strict: bool
    ) -> _Done:
        """Add the next task to what is told."""
        try:
            task = self._jobs.next(worker.id, job_arn=arn, ahead=ahead)
        except Fault:
            if strict:
                raise
            task = None
        if isinstance(task, Unmeasured):
            return _Wanting(worker, told, arn, ahead, strict, task)
        return told | {"task": None if task is None else self._task_json(worker, task)}

    def _task(self, call: _Call) -> dict[str, Any]:
        task = self._jobs.task(call.worker.id, call.task_id)
        return {"task": self._task_json(call.worker, task)}

    def _begin(self, call: _Call) -> dict[str, Any]:
        return {"id": call.task_id, "begun": self._jobs.begin(call.worker.id, call.task_id)}

    def _submit(self, call: _Call) -> _Done:
        gold = self._jobs.submit(call.worker.id, call.task_id, call.body)
        told: dict[str, Any] = {"id": call.task_id, "state": "submitted", **self._shown(call)}
        if gold is not None:
            link = self._links.link(
                task_id=call.task_id,
                worker_id=call.worker.id,
                lease_until=self._clock.now() + LINK_LIFE,
            )
            told["gold"] = gold | {"image": link}
        then = call.query.get("then")
        if then is None:
            return told
        # What is against another task does not undo the answer.
        return self._hand_out(
            call.worker,
            told,
            None if then == "any" else then,
            ahead=told.get("begun", False),
            strict=False,
        )

    def _shown(self, call: _Call) -> dict[str, bool]:
        """Begin the task that is shown next, if the call names one."""
        following = call.query.get("next")
        return {} if following is None else {"begun": self._jobs.begin(call.worker.id, following)}

    def _give_back(self, call: _Call) -> dict[str, Any]:
        self._jobs.give_back(call.worker.id, call.task_id)
        return {"id": call.task_id, "state": "returned"}

    def _decline(self, call: _Call) -> dict[str, Any]:
        reason = (text(call.body, "reason", limit=REASON_LIMIT) or "").strip()
        if not reason:
            raise invalid("reason: say why the task is declined.")
        self._jobs.decline(call.worker.id, call.task_id, reason)
        return {"id": call.task_id, "state": "declined", **self._shown(call)}

    def _offer_json(self, offer: Offer) -> dict[str, Any]:
        return {
            "job_arn": offer.job_arn,
            "job_name": offer.job_name,
            "kind": offer.kind,
            "title": offer.title,
            "description": offer.description,
            "available": offer.available,
            "held": offer.held,
            "workers_per_object": offer.workers_per_object,
            "task_time_limit": offer.task_time_limit,
            "progress": self._progress.get(offer.job_arn, self._jobs.progress),
        }

    def _task_json(self, worker: Worker, task: Task) -> dict[str, Any]:
        link = self._links.link(task_id=task.id, worker_id=worker.id, lease_until=task.lease_until)
        left = (task.lease_until - self._clock.now()).total_seconds()
        return {
            "id": task.id,
            "job_arn": task.job_arn,
            "job_name": task.job_name,
            "kind": task.kind,
            "title": task.title,
            "description": task.description,
            "labels": task.labels,
            "image": {"url": link, "width": task.width, "height": task.height},
            "frame": self._links.frame(
                task_id=task.id, worker_id=worker.id, lease_until=task.lease_until
            ),
            "boxes": task.boxes,
            "object": task.object_uri,
            "line": msgspec.Raw(task.line),
            "lease_until": task.lease_until.isoformat(),
            "seconds_left": round(max(left, 0.0), 3),
            "progress": self._progress.get(task.job_arn, self._jobs.progress),
        }


async def _to_page(_request: Request) -> Response:
    return RedirectResponse("/_/", status_code=308)
