"""The composition root: settings → storage, engine, labeling API, clock. Knows every adapter.

A root folder has one host at a time. Whoever comes first (`serve`, `launch`, `wait`) takes the
lock in `ROOT/.gt/`, runs the service and writes its address there; everybody else finds the
address and speaks to that host. The database outlives all of them.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from gt_workflow.adapters.clock import SystemClock
from gt_workflow.adapters.storage import FolderStorage, LocalFiles, Router
from gt_workflow.config import Settings
from gt_workflow.core.names import private_workteam_arn
from gt_workflow.errors import ServiceError, StorageError, UsageError
from gt_workflow.workflow.launch import Place

if TYPE_CHECKING:
    from gt_workflow.adapters.aws import GroundTruth
    from gt_workflow.adapters.engine import ProcessEngine
    from gt_workflow.adapters.images import PillowImages
    from gt_workflow.adapters.simulated import Tally
    from gt_workflow.adapters.walk import LocalFolders
    from gt_workflow.core.truth import Truth
    from gt_workflow.service.portal.workers import Workers
    from gt_workflow.service.server import Server

ACCOUNT = "123456789012"  # moto's, so that both halves of the service speak of one account
TEAM = "default"
PREFERRED_PORT = 8577
_SEARCH_SECONDS = 10.0  # for the address of a host that is just starting
_SECRET_BYTES = 32
_HOST_INTERVAL = 1.0  # seconds between two looks at the jobs; changes are told at once


@dataclass(frozen=True, slots=True)
class Local:
    """Files, objects and pictures, without any service: what planning and converting need."""

    root: Path
    storage: Router
    clock: SystemClock
    engine: ProcessEngine
    images: PillowImages
    folders: LocalFolders
    place: Place

    def path(self, uri: str) -> str:
        """Return the file behind an object, relative to the current folder if that is shorter."""
        if not uri.startswith("s3://"):
            return uri
        return min(str(file := self.root / uri[5:]), os.path.relpath(file), key=len)


@dataclass(frozen=True, slots=True)
class Backend:
    """A running labeling API, and what belongs to it."""

    ground_truth: GroundTruth
    workers: Workers
    address: str  # http://host:port, no slash at the end
    hosting: bool  # whether the service runs in this process
    workteam_arn: str

    def token(self, worker: str) -> str:
        """Return a new token of the task API; whoever has it is that worker."""
        self.workers.add(worker, team_arns=[self.workteam_arn])
        return self.workers.invite(worker)

    def page(self, worker: str) -> str:
        """Return a new personal address of the worker page."""
        return f"{self.address}/_/#token={self.token(worker)}"


@contextmanager
def local(settings: Settings, *, writes: bool = True) -> Iterator[Local]:
    """Open the root folder's objects and the machine's processes; nothing is started yet.

    Without `writes` a root folder that is no service's stays as it is, and is not made either.
    """
    from gt_workflow.adapters.engine import ProcessEngine
    from gt_workflow.adapters.images import PillowImages
    from gt_workflow.adapters.walk import LocalFolders

    store = settings.store
    base = f"s3://{store.bucket}/{store.prefix.strip('/')}".rstrip("/") + "/"
    with ExitStack() as stack:
        if writes:
            objects = FolderStorage(root := _root(store.root))
        else:
            objects = _readable(root := Path(store.root).absolute(), stack)
        engine = stack.enter_context(closing(ProcessEngine(os.cpu_count() or 1)))
        yield Local(
            root=root,
            storage=Router(s3=objects, local=LocalFiles()),
            clock=SystemClock(),
            engine=engine,
            images=PillowImages(),
            folders=LocalFolders(),
            place=Place(
                base=base,
                region=store.region,
                role_arn=f"arn:aws:iam::{ACCOUNT}:role/gt-workflow",
                workteam_arn=private_workteam_arn(store.region, ACCOUNT, TEAM),
            ),
        )


@contextmanager
def backend(
    settings: Settings, *, host: str = "127.0.0.1", port: int | None = None
) -> Iterator[Backend]:
    """Find the root's service, or host it here until the block ends.

    With `port` given this process must be the host, and `UsageError` says if it cannot be.
    """
    from filelock import FileLock, Timeout

    from gt_workflow.service.portal.workers import Workers
    from gt_workflow.service.store import Store

    root = _root(settings.store.root)
    clock = SystemClock()
    with ExitStack() as stack:
        lock = FileLock(root / ".gt" / "host.lock")
        try:
            stack.enter_context(lock.acquire(blocking=False))
            hosting = True
        except Timeout:
            hosting = False
        if not hosting and port is not None:
            raise UsageError(f"{root} is already served at {_address(root, clock)}")
        store = stack.enter_context(closing(Store(f"sqlite:///{root / '.gt' / 'service.sqlite'}")))
        workers = Workers(store=store, clock=clock, new_token=lambda: secrets.token_urlsafe(32))
        if hosting:
            server = stack.enter_context(_server(host, port))
            stack.enter_context(_hosted(settings, root, store, workers, server))
            address = server.address
        else:
            address = _address(root, clock)
        yield Backend(
            ground_truth=_ground_truth(address, settings.store.region),
            workers=workers,
            address=address,
            hosting=hosting,
            workteam_arn=private_workteam_arn(settings.store.region, ACCOUNT, TEAM),
        )


def truth(settings: Settings, *, wired: Local) -> Truth:
    """Read what simulated workers know, so that a mistake in it is met before there is a job."""
    from gt_workflow.adapters.simulated import load_truth

    return load_truth(settings.workers.truth, storage=wired.storage)


def simulate(
    settings: Settings,
    *,
    known: Truth,
    wired: Local,
    running: Backend,
    job_name: str,
    halted: Event,
) -> Tally:
    """Let simulated workers do a job over the task API; returns when it is over, or `halted`."""
    from gt_workflow.adapters.simulated import run_simulated
    from gt_workflow.core.simulate import Noise
    from gt_workflow.workflow.follow import look

    job_arn = running.ground_truth.describe(job_name)["LabelingJobArn"]
    chosen = settings.workers

    def over() -> bool:
        now = look(job_name, ground_truth=running.ground_truth, clock=wired.clock)
        return halted.is_set() or now.over

    return run_simulated(
        address=running.address,
        tokens=[running.token(f"simulated-{number + 1}") for number in range(chosen.count)],
        truth=known,
        noise=Noise(
            position=chosen.position_noise,
            miss=chosen.miss,
            false_box=chosen.false_box,
            wrong_class=chosen.wrong_class,
        ),
        seed=chosen.seed,
        stop=over,
        clock=wired.clock,
        job_arn=job_arn,
    )


def require_root(settings: Settings) -> None:
    """Raise `UsageError` if there is no service folder: a look at it must not make one."""
    root = settings.store.root
    if not (Path(root) / ".gt").is_dir():
        raise UsageError(
            f"there is no service folder at {root}; name it with --root, or launch a job first"
        )


def _readable(root: Path, stack: ExitStack) -> FolderStorage:
    """Open a root folder without leaving a trace, whether it is there or not."""
    if (root / ".gt").is_dir():
        return FolderStorage(root)
    other = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gt-workflow-")))
    return FolderStorage(root if root.is_dir() else other, own=other / ".gt")


def _root(path: str) -> Path:
    """Make the root folder; its `.gt` is the owner's alone, for it holds tokens' digests."""
    root = Path(path).absolute()
    try:
        (root / ".gt").mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"cannot be made: {error.strerror}", uri=str(root)) from None
    return root


def _server(host: str, port: int | None) -> Server:
    """Take the port asked for; else the usual one, so that workers' links stay good, or any."""
    from gt_workflow.service.server import Server

    if port is not None:
        return Server(host=host, port=port)
    try:
        return Server(host=host, port=PREFERRED_PORT)
    except UsageError:
        return Server(host=host, port=0)


@contextmanager
def _hosted(
    settings: Settings, root: Path, store: Any, workers: Workers, server: Server
) -> Iterator[None]:
    """Run the service in this process's threads, and tell others where it is."""
    from gt_workflow.adapters.headers import read_size
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
    teams.ensure_default(settings.store.region)
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
                jobs=jobs, workers=workers, storage=storage, clock=clock, secret=secret
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


def _address(root: Path, clock: SystemClock) -> str:
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


def _ground_truth(address: str, region: str) -> GroundTruth:
    """Speak to the service at `address` with boto3; real AWS credentials are never sent there."""
    import boto3
    from botocore.config import Config

    from gt_workflow.adapters.aws import GroundTruth

    return GroundTruth(
        boto3.client(
            "sagemaker",
            endpoint_url=address,
            region_name=region,
            aws_access_key_id=os.environ.get("GT_ACCESS_KEY_ID", "gt-workflow"),
            aws_secret_access_key=os.environ.get("GT_SECRET_ACCESS_KEY", "gt-workflow"),
            config=Config(
                retries={"mode": "standard", "max_attempts": 5}, proxies={}, tcp_keepalive=True
            ),
        )
    )
