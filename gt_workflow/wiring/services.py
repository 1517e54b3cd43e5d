"""A labeling API and what belongs to it: the account's, or our own service's, hosted here."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from gt_workflow.adapters.clients import Clients
from gt_workflow.adapters.clock import SystemClock
from gt_workflow.config import Settings
from gt_workflow.core.names import private_workteam_arn
from gt_workflow.errors import UsageError
from gt_workflow.ports import WorkTeams
from gt_workflow.wiring.embedded import address_of, hosted, take_port
from gt_workflow.wiring.files import Local, root_folder
from gt_workflow.wiring.places import ACCOUNT, REGION, TEAM, account

if TYPE_CHECKING:
    from gt_workflow.adapters.aws import GroundTruth
    from gt_workflow.adapters.simulated import Tally
    from gt_workflow.core.truth import Truth
    from gt_workflow.service.portal.workers import Role, Workers


@dataclass(frozen=True, slots=True)
class Backend:
    """A labeling API, and what belongs to it.

    `workers` and `address` (http://host:port, no slash at the end) are our own service's; on AWS
    there are none. `client` makes boto3 clients of the same account, or of our own service.
    """

    ground_truth: GroundTruth
    client: Clients
    workteam_arn: str
    workers: Workers | None = None
    address: str = ""
    hosting: bool = False  # whether the service runs in this process

    def token(self, worker: str) -> str:
        """Return a new token of the task API; whoever has it is that worker."""
        if self.workers is None:
            raise UsageError(
                "on AWS workers are members of a work team and sign in at its portal; see `teams`"
            )
        self.workers.add(worker, team_arns=[self.workteam_arn])
        return self.workers.invite(worker)

    def worker_names(self) -> dict[str, str]:
        """Return the names that people chose, by worker id; AWS tells none."""
        return {one.id: one.name for one in self.workers.list()} if self.workers else {}

    def gold(self, job_arn: str) -> dict[str, tuple[int, float]]:
        """Return by worker id how many gold questions of a job were answered, and how well.

        The second is the mean of `core.gold.feedback`'s score, 0 to 1. AWS shows none.
        """
        if self.workers is None:
            return {}
        from gt_workflow.service.labeling.review import Review

        found = Review(store=self.workers.store, clock=self.workers.clock).workers(job_arn)
        return {
            one["id"]: (one["gold"]["answered"], one["gold"]["accuracy"])
            for one in found
            if one["gold"] is not None
        }

    def page(self, worker: str, *, role: Role | None = None) -> str:
        """Return a new personal address of the worker page, good once; a role that is named stays.

        Whoever may read the service's folder may do all: its owner's own page is an admin's.
        """
        if self.workers is None:
            raise UsageError("on AWS workers sign in at their work team's portal; see `teams`")
        self.workers.add(worker, team_arns=[self.workteam_arn])
        if role is not None:
            self.workers.appoint(worker, role)
        return f"{self.address}/_/#invite={self.workers.invite_once(worker)}"

    def revoke(self, worker: str) -> int:
        """End all tokens, links and sessions of a worker; return how many there were."""
        if self.workers is None:
            raise UsageError("on AWS take workers out of their work team: teams remove")
        if worker.strip() not in {one.name for one in self.workers.list()}:
            raise UsageError(
                f"there is no worker {worker!r}; `python -m gt_workflow teams list --members` "
                "names them"
            )
        return self.workers.revoke(worker)


@contextmanager
def backend(
    settings: Settings, *, host: str = "127.0.0.1", port: int | None = None
) -> Iterator[Backend]:
    """Find the labeling API: the account's, or the root's service, hosted here if nobody does.

    With `port` given this process must be the host, and `UsageError` says if it cannot be.
    """
    if settings.backend == "aws":
        yield _on_aws(settings)
        return
    from filelock import FileLock, Timeout

    from gt_workflow.adapters.aws import GroundTruth
    from gt_workflow.service.portal.workers import Workers
    from gt_workflow.service.store import Store

    root = root_folder(settings.store.root)
    region = settings.store.region or REGION
    clock = SystemClock()
    with ExitStack() as stack:
        lock = FileLock(root / ".gt" / "host.lock")
        try:
            stack.enter_context(lock.acquire(blocking=False))
            hosting = True
        except Timeout:
            hosting = False
        if not hosting and port is not None:
            raise UsageError(f"{root} is already served at {address_of(root, clock)}")
        store = stack.enter_context(closing(Store(f"sqlite:///{root / '.gt' / 'service.sqlite'}")))
        workers = Workers(store=store, clock=clock, new_token=lambda: secrets.token_urlsafe(32))
        if hosting:
            server = stack.enter_context(take_port(host, port))
            stack.enter_context(hosted(region, root, store, workers, server))
            address = server.address
        else:
            address = address_of(root, clock)
        clients = _of_service(address, region)
        yield Backend(
            ground_truth=GroundTruth(clients("sagemaker")),
            client=clients,
            workteam_arn=private_workteam_arn(region, ACCOUNT, TEAM),
            workers=workers,
            address=address,
            hosting=hosting,
        )


def work_teams(running: Backend) -> WorkTeams:
    """Return the backend's work teams: the account's, or our own service's."""
    from gt_workflow.adapters.workteams import CognitoTeams, OwnTeams

    sagemaker = running.client("sagemaker")
    if running.workers is not None:
        return OwnTeams(sagemaker=sagemaker, workers=running.workers, address=running.address)
    cognito = running.client("cognito-idp")
    return CognitoTeams(sagemaker=sagemaker, cognito=cognito, clock=SystemClock())


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


def _on_aws(settings: Settings) -> Backend:
    from gt_workflow.adapters.aws import GroundTruth

    clients = account(settings)
    return Backend(
        ground_truth=GroundTruth(clients("sagemaker")),
        client=clients,
        workteam_arn=settings.aws.workteam,
    )


def _of_service(address: str, region: str) -> Clients:
    """Return clients of the service at `address`; real AWS credentials are never sent there."""
    return Clients(
        region=region,
        endpoint=address,
        access_key=os.environ.get("GT_ACCESS_KEY_ID", "gt-workflow"),
        secret_key=os.environ.get("GT_SECRET_ACCESS_KEY", "gt-workflow"),
    )
