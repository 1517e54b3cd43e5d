"""Our own Ground Truth in this process: one host at a time for each root folder.

Whoever comes first (`serve`, `launch`, `wait`) takes the lock in `ROOT/.gt/`, runs the service
and writes its address there; everybody else finds the address and speaks to that host. The
database outlives all of them.
"""

from __future__ import annotations

import json
import os
import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gt_workflow.adapters.clock import SystemClock
from gt_workflow.adapters.folder.storage import FolderStorage
from gt_workflow.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from gt_workflow.service.portal.workers import Workers
    from gt_workflow.service.server import Server

PREFERRED_PORT = 8577
_SEARCH_SECONDS = 10.0  # for the address of a host that is just starting
_SECRET_BYTES = 32
_HOST_INTERVAL = 1.0  # seconds between two looks at the jobs; changes are told at once


def take_port(host: str, port: int | None) -> Server:
    """Take the port asked for; else the usual one, so that workers' links stay good, or any."""
    from gt_workflow.service.server import Server

    if port is not None:
        return Server(host=host, port=port)
    try:
        return Server(host=host, port=PREFERRED_PORT)
    except UsageError:
        return Server(host=host, port=0)


@contextmanager
def hosted(region: str, root: Path, store: Any, workers: Workers, server: Server) -> Iterator[None]:
    """Run the service in this process's threads, and tell others where it is."""
    from gt_workflow.adapters.headers import read_size
    from gt_workflow.adapters.thumbnail import thumbnail
    from gt_workflow.service import http
    from gt_workflow.service.fallback import Fallback
    from gt_workflow.service.labeling.jobs import Jobs
    from gt_workflow.service.portal import routes as portal
    from gt_workflow.service.s3.application import Objects
    from gt_workflow.service.sagemaker.api import Api
    from gt_workflow.service.sagemaker.read_links import Signer, read_links
    from gt_workflow.service.sagemaker.teams import Teams
    from gt_workflow.service.server import Host

    clock = SystemClock()
    credentials = _credentials(server.host)
    storage = FolderStorage(root)
    teams = Teams(store=store, clock=clock, sub_domain=server.address.partition("//")[2] + "/_")
    teams.ensure_default(region)
    jobs = Jobs(store=store, storage=storage, clock=clock, new_id=_new_id, read_size=read_size)
    advancing = Host(jobs.advance, interval=_HOST_INTERVAL)
    secret = _secret(root)
    name = _new_id()
    access_key, secret_key = next(iter((credentials or {"local": "local"}).items()))
    api = Api(
        jobs=jobs,
        teams=teams,
        storage=storage,
        grant=read_links(server.address, Signer(access_key, secret_key)),
        secret=secret,
        on_change=advancing.wake,
    )
    server.start(
        http.application(
            api=api,
            objects=Objects(storage.objects, clock=clock, new_id=_new_id, secrets=credentials),
            other=Fallback(new_id=_new_id),
            portal=portal.routes(
                jobs=jobs,
                workers=workers,
                storage=storage,
                clock=clock,
                secret=secret,
                thumbnail=thumbnail,
            ),
            clock=clock,
            new_id=_new_id,
            name=name,
            # Off loopback every call is signed or carries a token, so no site can borrow a name.
            allowed_hosts={"*"} if credentials else {*http.LOOPBACK, server.host},
            secrets=credentials,
            admits=teams.workforces.admits,
        )
    )
    advancing.start()
    note = root / ".gt" / "address"
    _publish(note, json.dumps({"address": server.address, "host": name}).encode())
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        advancing.stop()
        server.stop()


def _new_id() -> str:
    return uuid.uuid4().hex


def _credentials(host: str) -> Mapping[str, str] | None:
    """Return the access key and secret that callers must sign with; none on loopback."""
    key, secret = os.environ.get("GT_ACCESS_KEY_ID"), os.environ.get("GT_SECRET_ACCESS_KEY")
    if key and secret:
        return {key: secret}
    if host in {"127.0.0.1", "::1", "localhost"}:
        return None
    raise UsageError(
        f"to listen on {host}, set GT_ACCESS_KEY_ID and GT_SECRET_ACCESS_KEY: whoever reaches "
        "the service must sign with them"
    )


def _secret(root: Path) -> bytes:
    """Return the key that signs image links and page tokens; made once per root, by its host."""
    path = root / ".gt" / "secret"
    if path.is_file() and len(found := path.read_bytes()) >= _SECRET_BYTES:
        return found
    made = secrets.token_bytes(_SECRET_BYTES)
    _publish(path, made)
    return made


def _publish(path: Path, data: bytes) -> None:
    """Write one of the host's own files, whole or not at all, for the owner's eyes alone."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def address_of(root: Path, clock: SystemClock) -> str:
    """Find where the host of this root listens; one that is just starting is waited for.

    A host that was killed leaves its note behind, and its port may be another's by now: whoever
    answers there must know the name that stands in the note.
    """
    for _ in range(int(_SEARCH_SECONDS * 10)):
        with suppress(FileNotFoundError, ValueError):
            note = json.loads((root / ".gt" / "address").read_bytes())
            if _answers(note["address"], note["host"]):
                return str(note["address"])
        clock.sleep(0.1)
    raise ServiceError(
        f"another process holds {root} but does not answer; end it or name another --root",
        operation="connect",
        code="NoAddress",
    )


def _answers(address: str, host: str) -> bool:
    """Ask whether the service at an address is the host of this name."""
    import urllib3

    try:
        answer = urllib3.request("GET", f"{address}/_/health", timeout=2.0, retries=False)
        return bool(answer.json()["host"] == host)
    except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
        return False
