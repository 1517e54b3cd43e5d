"""`serve`, `open`, `invite` and `revoke`: the service and its worker page."""

from __future__ import annotations

import threading
from typing import Any

from gt_workflow import wiring
from gt_workflow.cli import show
from gt_workflow.cli.following import newest
from gt_workflow.cli.interrupts import Interrupts
from gt_workflow.config import Settings
from gt_workflow.core import names
from gt_workflow.errors import UsageError
from gt_workflow.workflow import follow

OWNER = "me"  # whoever runs the service, on its own page


def serve(settings: Settings, *, host: str, port: int, as_json: bool) -> None:
    """Run the service until Ctrl-C or SIGTERM."""
    with wiring.backend(settings, host=host, port=port) as running:
        page = running.page(OWNER, role="admin")
        if as_json:
            show.data(
                {
                    "address": running.address,
                    "page": page,
                    "token": running.token(OWNER),
                    "root": settings.store.root,
                }
            )
        else:
            show.line(f"our own Ground Truth: {running.address}")
            show.line(f"objects and answers:  {settings.store.root}")
            show.line(f"worker page for you:  {page}")
            show.line(f"  good once, then this browser stays signed in; {_again(settings)}")
            show.line("for boto3 and the AWS CLI:")
            show.line(f"  export AWS_ENDPOINT_URL={running.address}")
            show.line(f"  export AWS_DEFAULT_REGION={running.client.region}")
            show.line("  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any")
            show.line(f"default work team: {running.workteam_arn}")
        show.note("Ctrl-C ends it; every answer is kept")
        _until_told()


def open_page(settings: Settings, job: str | None, *, worker: str, as_json: bool) -> None:
    """Print the page's address, and host the service for it if nobody else does."""
    wiring.require_root(settings)
    with wiring.local(settings) as wired, wiring.backend(settings) as running:
        name = job or newest(running.ground_truth)
        now = follow.look(name, ground_truth=running.ground_truth, clock=wired.clock)
        page = running.page(worker, role="admin" if worker == OWNER else None)
        if as_json:
            show.data({"job": now.to_dict(), "page": page})
        else:
            show.line(page)
        show.note(f"{name}: {now.status}, {now.left} left")
        if running.hosting and not now.over:
            show.note("the page is served until Ctrl-C; every answer is kept")
            _until_told()


def invite(settings: Settings, worker: str, *, role: str | None, as_json: bool) -> None:
    """Print a personal link, good once; the service need not run yet."""
    if role not in {None, "worker", "admin"}:
        raise UsageError(f"--role {role}: expected worker or admin")
    worker = names.worker_name(worker)  # before a folder is made for it
    named: Any = role
    with wiring.backend(settings) as running:
        page = running.page(worker, role=named)
        hosting = running.hosting
    if as_json:
        show.data({"worker": worker, "page": page})
    else:
        show.line(page)
    if hosting:
        show.note(f"nobody serves this folder yet: {show.command(settings)}")


def revoke(settings: Settings, worker: str, *, as_json: bool) -> None:
    """Shut a worker out: links, tokens and sessions end; answers stay."""
    wiring.require_root(settings)
    with wiring.backend(settings) as running:
        ended = running.revoke(worker)
    if as_json:
        show.data({"worker": worker, "ended": ended})
    else:
        show.line(f"{worker} is signed out everywhere; links, tokens and sessions ended: {ended}")


def _again(settings: Settings) -> str:
    return f"a new one: {show.command(settings, 'open')}"


def _until_told() -> None:
    """Wait for Ctrl-C or SIGTERM; either ends the service in good order."""
    told = threading.Event()
    Interrupts(told.set).listen()
    told.wait()
