"""boto3 clients: of an AWS account, or of our own service at its address.

A value that can be sent to another process, which then makes its own clients; real credentials
stay where the SDK finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gt_workflow.adapters.s3_storage import S3Storage
from gt_workflow.errors import CredentialsError, ServiceError, UsageError


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes clients by service name (`sagemaker`, `s3`, `iam`); each is made once.

    `endpoint` is an address for all services; without it AWS's own, or `AWS_ENDPOINT_URL`.
    `access_key` and `secret_key` are our own service's; without them the SDK looks for AWS's, in
    the `profile` if one is named.
    """

    region: str
    profile: str = ""
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    _made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, service: str) -> Any:
        """Return the client; `UsageError` for a profile that does not exist."""
        if service not in self._made:
            self._made[service] = _client(self, service)
        return self._made[service]

    def __reduce__(self) -> tuple[type[Clients], tuple[str | None, ...]]:
        """Leave the clients behind: their connections are this process's."""
        own = (self.region, self.profile, self.endpoint, self.access_key, self.secret_key)
        return type(self), own


class AccountStorage(S3Storage):
    """The S3 storage of an account; it can be sent to another process."""

    def __init__(self, clients: Clients) -> None:
        """Use the account's S3 client."""
        super().__init__(clients("s3"))
        self._clients = clients

    def __reduce__(self) -> tuple[type[AccountStorage], tuple[Clients]]:
        """Open the same account where it is unpickled."""
        return type(self), (self._clients,)


def region_of(profile: str) -> str:
    """Return the region that the SDK's own settings name, or "" if they name none."""
    with _settings_read():
        return str(_session(profile).region_name or "")


def account_of(clients: Clients) -> str:
    """Return the account's 12 digits; `ServiceError` says which credentials are missing."""
    from gt_workflow.adapters.aws import translated

    try:
        with translated("GetCallerIdentity"):
            return str(clients("sts").get_caller_identity()["Account"])
    except ServiceError as error:
        if error.code in {"NoCredentialsError", "PartialCredentialsError"}:
            raise UsageError(
                "there are no AWS credentials; set a profile with --profile, or label on your own "
                "machine with --backend embedded"
            ) from error
        raise


def _client(clients: Clients, service: str) -> Any:
    from gt_workflow.adapters.aws import client_config
    from gt_workflow.adapters.whole_answers import demand_whole

    keys: dict[str, Any] = {}
    if clients.access_key is not None:
        keys = {
            "aws_access_key_id": clients.access_key,
            "aws_secret_access_key": clients.secret_key,
        }
    own: dict[str, Any] = {} if clients.endpoint is None else {"proxies": {}}
    with _settings_read():
        client = _session(clients.profile).client(
            service,
            region_name=clients.region,
            endpoint_url=clients.endpoint,
            config=client_config(**own),
            **keys,
        )
    demand_whole(client)
    return client


def _session(profile: str) -> Any:
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        return boto3.Session(profile_name=profile or None)
    except ProfileNotFound:
        raise UsageError(
            f"there is no AWS profile {profile!r}; `aws configure list-profiles` shows which are"
        ) from None


@contextmanager
def _settings_read() -> Iterator[None]:
    """Say in one sentence what the SDK finds wrong with its settings, before any call is made."""
    from botocore.exceptions import BotoCoreError, PartialCredentialsError

    try:
        yield
    except PartialCredentialsError as error:
        raise CredentialsError(
            f"{error}; set both of the key's halves, or name a profile with --profile",
            operation="connect",
            code="PartialCredentialsError",
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise UsageError(
            f"the AWS settings cannot be used: {error}; see --region, --profile, AWS_ENDPOINT_URL "
            "and the AWS configuration file"
        ) from error
