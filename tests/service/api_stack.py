"""A whole service for tests: the real parts over objects in memory, on a real port."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import boto3
from botocore.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.core.limits import function_arn, label_category_file
from gt_workflow.service.fallback import Fallback
from gt_workflow.service.http import LOOPBACK, application
from gt_workflow.service.labeling.jobs import Jobs
from gt_workflow.service.sagemaker.api import Api
from gt_workflow.service.sagemaker.arns import ACCOUNT, workteam_arn
from gt_workflow.service.sagemaker.read_links import Signer, read_links
from gt_workflow.service.sagemaker.teams import Teams
from gt_workflow.service.server import Server
from gt_workflow.service.store import Store

REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/labeler"
TEAM = workteam_arn(REGION, "default")
FILES = {
    "s3://pictures/input.manifest": b'{"source-ref":"s3://pictures/a.jpg"}\n',
    "s3://pictures/labels.json": label_category_file(["degu"]),
    "s3://pictures/template.liquid": b"<crowd-form></crowd-form>",
}


def request(name: str = "degus", **changes: Any) -> dict[str, Any]:
    """Return a CreateLabelingJob request that is in order, but for `changes` at its top level."""
    return {
        "LabelingJobName": name,
        "LabelAttributeName": "boxes",
        "InputConfig": {
            "DataSource": {"S3DataSource": {"ManifestS3Uri": "s3://pictures/input.manifest"}}
        },
        "OutputConfig": {"S3OutputPath": "s3://pictures/out/"},
        "RoleArn": ROLE,
        "LabelCategoryConfigS3Uri": "s3://pictures/labels.json",
        "HumanTaskConfig": human(),
        **changes,
    }


def human(**changes: Any) -> dict[str, Any]:
    """Return a HumanTaskConfig that is in order, but for `changes`."""
    return {
        "WorkteamArn": TEAM,
        "UiConfig": {"UiTemplateS3Uri": "s3://pictures/template.liquid"},
        "PreHumanTaskLambdaArn": function_arn(REGION, "PRE", "label"),
        "TaskTitle": "Draw boxes",
        "TaskDescription": "Draw a box around each degu",
        "NumberOfHumanWorkersPerDataObject": 1,
        "TaskTimeLimitInSeconds": 300,
        "AnnotationConsolidationConfig": {
            "AnnotationConsolidationLambdaArn": function_arn(REGION, "ACS", "label")
        },
        **changes,
    }


def no_size(_file: BinaryIO) -> tuple[int, int]:
    """Stand in for a reader of images: these tests hand out no task."""
    return 1, 1


class Counted:
    """An ASGI application that notes every request that reaches it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.requests: list[tuple[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests.append((scope["method"], scope["path"]))
        await self.app(scope, receive, send)


async def objects(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for S3: says in the first bucket's name what was asked."""
    asked = Request(scope, receive)
    name = f"objects {asked.method} {asked.url.path}"
    body = f"<R><Buckets><Bucket><Name>{name}</Name></Bucket></Buckets></R>"
    await Response(body, 200, media_type="text/xml")(scope, receive, send)


def _portal() -> list[BaseRoute]:
    async def home(_request: Request) -> Response:
        return PlainTextResponse("portal")

    return [Mount("/_", app=Starlette(routes=[Route("/", home), Route("/tasks", home)]))]


@dataclass
class Stack:
    """The running service and what it is made of."""

    address: str
    api: Api
    jobs: Jobs
    teams: Teams
    storage: MemoryStorage
    clock: ManualClock
    calls: Counted
    changed: threading.Event = field(default_factory=threading.Event)

    def client(self, service: str = "sagemaker", region: str = REGION, **config: Any) -> Any:
        """Return an unmodified boto3 client; it checks nothing itself, so the service must."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.address,
            aws_access_key_id=config.pop("access_key", "local"),
            aws_secret_access_key=config.pop("secret_key", "local"),
            config=Config(parameter_validation=False, **config),
        )


def make_api(
    store: Store, storage: MemoryStorage, clock: ManualClock, changed: threading.Event
) -> tuple[Api, Jobs, Teams]:
    """Put the parts together."""
    ids = (f"id-{number}" for number in itertools.count(1))
    jobs = Jobs(
        store=store,
        storage=storage,
        clock=clock,
        new_id=lambda: next(ids),
        read_size=no_size,
    )
    teams = Teams(store=store, clock=clock, sub_domain="localhost/_")
    teams.ensure_default(REGION)
    api = Api(
        jobs=jobs,
        teams=teams,
        storage=storage,
        grant=read_links("http://localhost", Signer()),
        secret=b"sixteen bytes or so",
        on_change=changed.set,
    )
    return api, jobs, teams


@contextmanager
def running(
    folder: Path, *, secrets: Mapping[str, str] | None = None, clock: Any = None
) -> Iterator[Stack]:
    """Run a service until the end of the block."""
    clock = clock or ManualClock()
    storage = MemoryStorage(FILES)
    store = Store(f"sqlite:///{folder / 'service.sqlite'}")
    changed = threading.Event()
    api, jobs, teams = make_api(store, storage, clock, changed)
    ids = (f"request-{number}" for number in itertools.count(1))
    with Server() as server:
        calls = Counted(
            application(
                api=api,
                objects=objects,
                other=Fallback(new_id=lambda: next(ids)),
                portal=_portal(),
                clock=clock,
                new_id=lambda: next(ids),
                allowed_hosts=LOOPBACK | {"gt.example"},
                secrets=secrets,
                admits=teams.workforces.admits,
            )
        )
        server.start(calls)
        yield Stack(
            address=server.address,
            api=api,
            jobs=jobs,
            teams=teams,
            storage=storage,
            clock=clock,
            calls=calls,
            changed=changed,
        )
    store.close()
