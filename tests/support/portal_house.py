"""The whole service around the portal, in memory, and a small ASGI client to knock at it."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image
from starlette.applications import Starlette

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.images import PillowImages
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.adapters.thumbnail import thumbnail
from gt_workflow.core.requests.job import JobSpec, create_labeling_job
from gt_workflow.service.labeling.jobs import Jobs
from gt_workflow.service.portal import routes as portal
from gt_workflow.service.portal.doors import Limits
from gt_workflow.service.portal.workers import Role, Workers
from gt_workflow.service.store import Store

ACCOUNT = "123456789012"
REGION = "us-east-1"
TEAMS = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:workteam/private-crowd/"
TEAM = TEAMS + "default"
SECRET = b"0123456789abcdef0123456789abcdef"
WIDTH, HEIGHT = 64, 48
LEASE = 600
GIVEN = [
    {"class_id": 0, "left": 1.5, "top": 2, "width": 10, "height": 12.25},
    {"class_id": 1, "left": 30, "top": 20, "width": 20, "height": 10},
]


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return self.json()["error"]["message"]


def image(form: str = "JPEG", *, shade: int = 90, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 120, 60)).save(buffer, form)
    return buffer.getvalue()


class House:
    def __init__(self, folder: Path) -> None:
        numbers = count(1)
        self.folder = folder
        self.clock = ManualClock()
        self.store = Store(f"sqlite:///{folder}/service.sqlite")
        self.storage = MemoryStorage()
        self.jobs = Jobs(
            store=self.store,
            storage=self.storage,
            clock=self.clock,
            new_id=lambda: f"{next(numbers):032x}",
            read_size=PillowImages().read_size,
        )
        self.workers = Workers(
            store=self.store, clock=self.clock, new_token=lambda: f"secret-token-{next(numbers)}"
        )
        self.app = self.portal()

    def portal(self, *, secret: bytes = SECRET, limits: Limits | None = None) -> Starlette:
        return Starlette(
            routes=portal.routes(
                jobs=self.jobs,
                workers=self.workers,
                storage=self.storage,
                clock=self.clock,
                secret=secret,
                thumbnail=thumbnail,
                limits=limits,
            )
        )

    def worker(self, name: str = "Ada", *, team: str = TEAM) -> str:
        self.workers.add(name, team_arns=[team])
        return self.workers.invite(name)

    def invite(self, name: str = "Ada", *, role: Role = "worker", team: str = TEAM) -> str:
        """An invitation, good once."""
        self.workers.add(name, team_arns=[team])
        self.workers.appoint(name, role)
        return self.workers.invite_once(name)

    def sign_in(
        self, name: str = "Ada", *, role: Role = "worker", app: Starlette | None = None
    ) -> dict[str, str]:
        """The headers of a signed-in worker's page."""
        body = {"invite": self.invite(name, role=role)}
        begun = self.call("POST", "/_/api/session", body=body, app=app)
        assert begun.status == 200, begun
        return {"x-gt-page": "1", "cookie": begun.headers["set-cookie"].partition(";")[0]}

    def job(  # noqa: PLR0913 - each is what one of the tests is about
        self,
        name: str = "cats",
        *,
        kind: str = "label",
        objects: int = 3,
        workers: int = 1,
        labels: tuple[str, ...] = ("cat", "dog"),
        keys: tuple[str, ...] = (),
        team: str = TEAM,
        title: str = "Box the cats",
        description: str = "Tight boxes.",
        tags: tuple[tuple[str, str], ...] = (),
    ) -> str:
        base = f"s3://bucket/{name}"
        keys = keys or tuple(f"photo {index}.jpg" for index in range(objects))
        lines = []
        for index, key in enumerate(keys):
            self.storage.objects[f"{base}/{key}"] = image(shade=index)
            line: dict[str, Any] = {"source-ref": f"{base}/{key}", "photograph": f"album/{key}"}
            if kind != "label":
                line |= _earlier_label()
            lines.append(json.dumps(line).encode())
        self.storage.objects[f"{base}/input.manifest"] = b"\n".join(lines)
        categories = {"labels": [{"label": label} for label in labels]}
        self.storage.objects[f"{base}/labels.json"] = json.dumps(categories).encode()
        template = '{{ task.input.manifestLine["boxes"] }} {{ task.input.manifestLine.boxes }}'
        self.storage.objects[f"{base}/template.liquid"] = template.encode()
        spec = JobSpec(
            name=name,
            attribute="checked" if kind != "label" else "boxes",
            kind=kind,
            region=REGION,
            manifest_uri=f"{base}/input.manifest",
            labels_uri=f"{base}/labels.json",
            template_uri=f"{base}/template.liquid",
            output_uri="s3://bucket/output",
            role_arn=f"arn:aws:iam::{ACCOUNT}:role/labeling",
            workteam_arn=team,
            title=title,
            description=description,
            workers_per_object=workers,
            task_time_limit=LEASE,
            tags=tags,
        )
        arn = self.jobs.create(region=REGION, account=ACCOUNT, request=create_labeling_job(spec))
        self.settle()
        return arn

    def settle(self) -> None:
        while self.jobs.advance():
            pass

    def counters(self, name: str = "cats") -> dict[str, int]:
        self.settle()
        return self.jobs.describe(region=REGION, name=name)["LabelCounters"]

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        app: Starlette | None = None,
    ) -> Reply:
        """`body`: bytes as they are, anything else as JSON; a POST without one sends {}."""
        sent = {"host": "labels.test", **(headers or {})}
        if token is not None:
            sent.setdefault("authorization", f"Bearer {token}")
        if method == "POST":
            sent.setdefault("content-type", "application/json")
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        return asyncio.run(_ask(app or self.app, method, path, headers=sent, content=content))

    def accept(self, token: str, job_arn: str | None = None) -> dict[str, Any]:
        body = {} if job_arn is None else {"job_arn": job_arn}
        reply = self.call("POST", "/_/api/tasks/accept", token=token, body=body)
        assert reply.status == 200, reply
        return reply.json()["task"]

    def submit(
        self, token: str, task_id: str, answer: Any, *, query: str = "", **more: Any
    ) -> Reply:
        path = f"/_/api/tasks/{task_id}/submit{query}"
        return self.call("POST", path, token=token, body=answer, **more)

    def close(self) -> None:
        self.store.close()


def answer(*boxes: dict[str, Any], width: int = WIDTH, height: int = HEIGHT) -> dict[str, Any]:
    return {
        "boundingBox": {
            "boundingBoxes": list(boxes),
            "inputImageProperties": {"width": width, "height": height},
        }
    }


def box(label: str = "cat", left: Any = 5, top: Any = 6, width: Any = 20, height: Any = 10) -> dict:
    return {"label": label, "left": left, "top": top, "width": width, "height": height}


def _earlier_label() -> dict[str, Any]:
    return {
        "boxes": {
            "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
            "annotations": GIVEN,
        },
        "boxes-metadata": {
            "objects": [{"confidence": 0.5}, {"confidence": 0.5}],
            "class-map": {"0": "cat", "1": "dog"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00.000001",
            "job-name": "labeling-job/earlier",
        },
    }


async def _ask(
    app: Starlette, method: str, path: str, *, headers: dict[str, str], content: bytes
) -> Reply:
    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(target),  # as a server hands it on
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    # In pieces, as a network delivers it.
    pieces = [content[at : at + 65_536] for at in range(0, len(content), 65_536)] or [b""]
    waiting = [
        {"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1}
        for at, piece in enumerate(pieces)
    ]
    ended = asyncio.Event()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    ended.set()
    start = sent[0]
    return Reply(
        status=start["status"],
        headers={name.decode(): value.decode() for name, value in start["headers"]},
        body=b"".join(message.get("body", b"") for message in sent[1:]),
    )
