"""An AWS account over boto3: what a preflight asks of SageMaker, S3, IAM, STS and KMS.

Clients come as a function of the service's name. Nothing is changed here but a bucket's CORS rules
and, by `AccountRoles`, roles that are new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from gt_workflow.adapters.aws import translated
from gt_workflow.core.names import workforce
from gt_workflow.errors import AlreadyExistsError, NotFoundError, ServiceError
from gt_workflow.ports import Denial, Identity, Role

# How each service says that something is not there; SageMaker's work teams say it in words.
_ABSENT: Final = frozenset(
    {
        *("404", "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchCORSConfiguration"),
        *("NoSuchEntity", "NotFoundException"),
    }
)
_ABSENT_WORDS: Final = ("does not exist", "not subscribed", "not found")
_LISTS: Final = frozenset({"kms:ResourceAliases"})
_NAME_LIMIT: Final = 63  # characters that NameContains takes


class AwsAccount:
    """`ports.Account` on boto3 clients."""

    def __init__(self, clients: Callable[[str], Any]) -> None:
        """`clients` returns the client of a service: sagemaker, s3, iam, sts, kms."""
        self._clients = clients

    def identity(self) -> Identity:
        """Ask STS; no permission is needed for it."""
        with _asked("GetCallerIdentity"):
            answer = self._clients("sts").get_caller_identity()
        return Identity(answer["Account"], answer["Arn"])

    def try_labeling(self) -> None:
        """List one labeling job: the cheapest call that only admitted accounts may make."""
        with _asked("ListLabelingJobs"):
            self._clients("sagemaker").list_labeling_jobs(MaxResults=1)

    def job_named(self, name: str) -> str | None:
        """Look for the name as it is, then in other letters: AWS compares without case."""
        client = self._clients("sagemaker")
        try:
            with _asked("DescribeLabelingJob"):
                return str(client.describe_labeling_job(LabelingJobName=name)["LabelingJobName"])
        except NotFoundError:
            pass
        with _asked("ListLabelingJobs"):
            pages = client.get_paginator("list_labeling_jobs")
            for page in pages.paginate(NameContains=name[:_NAME_LIMIT]):
                for job in page["LabelingJobSummaryList"]:
                    if job["LabelingJobName"].lower() == name.lower():
                        return str(job["LabelingJobName"])
        return None

    def workteam(self, arn: str) -> str:
        """Describe a private team by its name, a vendor's by its ARN."""
        client = self._clients("sagemaker")
        if arn.startswith("arn:") and workforce(arn) == "vendor":
            with _asked("DescribeSubscribedWorkteam"):
                team = client.describe_subscribed_workteam(WorkteamArn=arn)["SubscribedWorkteam"]
        else:
            with _asked("DescribeWorkteam"):
                team = client.describe_workteam(WorkteamName=arn.rpartition("/")[2])["Workteam"]
        return str(team["WorkteamArn"])

    def bucket_region(self, bucket: str) -> str:
        """Ask for the head, which whoever may list the bucket may, and which tells the region.

        Services that speak S3 without telling it are asked for the location: the first region is
        an empty name, the first in Europe is EU.
        """
        client = self._clients("s3")
        with _asked("HeadBucket"):
            region = client.head_bucket(Bucket=bucket).get("BucketRegion")
        if region:
            return str(region)
        with _asked("GetBucketLocation"):
            place = client.get_bucket_location(Bucket=bucket).get("LocationConstraint")
        return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(place, str(place))

    def cors(self, bucket: str) -> list[dict[str, Any]]:
        """Read the CORS rules."""
        try:
            with _asked("GetBucketCors"):
                return list(self._clients("s3").get_bucket_cors(Bucket=bucket)["CORSRules"])
        except NotFoundError as error:
            if error.code == "NoSuchCORSConfiguration":
                return []
            raise

    def put_cors(self, bucket: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Write all CORS rules anew, which is the only way S3 knows."""
        with _asked("PutBucketCors"):
            self._clients("s3").put_bucket_cors(
                Bucket=bucket, CORSConfiguration={"CORSRules": list(rules)}
            )

    def bucket_policy(self, bucket: str) -> Mapping[str, Any]:
        """Read the bucket's policy."""
        try:
            with _asked("GetBucketPolicy"):
                return _document(self._clients("s3").get_bucket_policy(Bucket=bucket)["Policy"])
        except NotFoundError as error:
            if error.code == "NoSuchBucketPolicy":
                return {}
            raise

    def role(self, arn: str) -> Role:
        """Look a role up by the last part of its ARN."""
        return _role(self._clients("iam"), arn)

    def denied(
        self, role_arn: str, actions: Sequence[str], resource: str, context: Mapping[str, str]
    ) -> dict[str, Denial]:
        """Have IAM simulate; bucket policies and key policies are no part of it."""
        entries = [
            {
                "ContextKeyName": key,
                "ContextKeyValues": [value],
                "ContextKeyType": "stringList" if key in _LISTS else "string",
            }
            for key, value in context.items()
        ]
        denied: dict[str, Denial] = {}
        with _asked("SimulatePrincipalPolicy"):
            pages = self._clients("iam").get_paginator("simulate_principal_policy")
            for page in pages.paginate(
                PolicySourceArn=role_arn,
                ActionNames=list(actions),
                ResourceArns=[resource],
                ContextEntries=entries,
            ):
                for result in page["EvaluationResults"]:
                    if result["EvalDecision"] != "allowed":
                        denied[str(result["EvalActionName"])] = _denial(result)
        return denied

    def key(self, key: str) -> Mapping[str, Any]:
        """Describe a key."""
        with _asked("DescribeKey"):
            answer: Mapping[str, Any] = self._clients("kms").describe_key(KeyId=key)["KeyMetadata"]
            return answer

    def key_policy(self, key: str) -> Mapping[str, Any]:
        """Read the key's one policy."""
        with _asked("GetKeyPolicy"):
            answer = self._clients("kms").get_key_policy(KeyId=key, PolicyName="default")
            return _document(answer["Policy"])


class AccountRoles:
    """`ports.Roles` on a boto3 IAM client."""

    def __init__(self, client: Any) -> None:
        """Take a ready client."""
        self._client = client

    def role(self, arn: str) -> Role:
        """Look a role up by the last part of its ARN."""
        return _role(self._client, arn)

    def policy(self, role: str, name: str) -> Mapping[str, Any]:
        """Read an inline policy."""
        with _asked("GetRolePolicy"):
            answer = self._client.get_role_policy(RoleName=role, PolicyName=name)
            return _document(answer["PolicyDocument"])

    def create(self, role: str, *, trust: Mapping[str, Any], description: str) -> str:
        """Create a role without any permission yet."""
        try:
            with _asked("CreateRole"):
                answer = self._client.create_role(
                    RoleName=role,
                    AssumeRolePolicyDocument=json.dumps(trust),
                    Description=description,
                )
        except ServiceError as error:
            if error.code != "EntityAlreadyExists":
                raise
            raise AlreadyExistsError(
                error.reason, operation=error.operation, code=error.code
            ) from error
        return str(answer["Role"]["Arn"])

    def put_policy(self, role: str, name: str, policy: Mapping[str, Any]) -> None:
        """Write an inline policy."""
        with _asked("PutRolePolicy"):
            self._client.put_role_policy(
                RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy)
            )


def _denial(result: Mapping[str, Any]) -> Denial:
    """Read one answer of the simulator; with a resource named, what it missed stands deeper."""
    parts = (result, *result.get("ResourceSpecificResults", ()))
    if any(part.get("MissingContextValues") for part in parts):
        return "unsure"
    return "explicit" if result["EvalDecision"] == "explicitDeny" else "implicit"


def _role(client: Any, arn: str) -> Role:
    with _asked("GetRole"):
        found = client.get_role(RoleName=arn.rpartition("/")[2])["Role"]
    trust = _document(found["AssumeRolePolicyDocument"])
    return Role(found["Arn"], trust, str(found.get("Description", "")))


def _document(policy: Any) -> Mapping[str, Any]:
    """S3 and KMS return a policy as text, IAM's client has parsed it."""
    parsed: Mapping[str, Any] = json.loads(policy) if isinstance(policy, str) else policy
    return parsed


@contextmanager
def _asked(operation: str) -> Iterator[None]:
    """Translate errors; what each service has for "there is none" becomes `NotFoundError`."""
    try:
        with translated(operation):
            yield
    except NotImplementedError as error:  # so says moto, which answers in one's own tests
        raise ServiceError(str(error), operation=operation, code="NotImplemented") from error
    except NotFoundError:
        raise
    except ServiceError as error:
        absent = error.code in _ABSENT or (
            error.code in {"ValidationException", "ValidationError"}
            and any(words in error.reason for words in _ABSENT_WORDS)
        )
        if not absent:
            raise
        raise NotFoundError(
            error.reason, operation=operation, code=error.code, request_id=error.request_id
        ) from error
