"""Who may do what, for exactly one plan: the execution role's policy, its trust, the caller's.

Least privilege: buckets by the prefixes of the plan, roles and work teams by ARN, and `*` only
where AWS knows no narrower resource. Sources: developer guide, "SageMaker Roles"
(CreateTrainingJob), "Create a SageMaker Execution Role for a Ground Truth Labeling Job", "Encrypt
Output Data and Storage Volume with AWS KMS", "API Permissions: Actions, Permissions, and Resources
Reference".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gt_workflow.core.access.policies import SAGEMAKER, Policy, document, statement
from gt_workflow.core.access.touched import Access, bucket_of, key_arn
from gt_workflow.core.names import TRAINING_ACCOUNTS, account_of, labeling_job_arn, workforce

_USE_KEY: Final = (
    *("kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"),
    *("kms:ReEncrypt*", "kms:GenerateDataKey*"),
)
_LOGS: Final = (
    *("logs:CreateLogGroup", "logs:CreateLogStream"),
    *("logs:DescribeLogStreams", "logs:PutLogEvents"),
)
_NETWORK: Final = (
    *("ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission"),
    *("ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions"),
    *("ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"),
)
_PASSED: Final = {"StringEquals": {"iam:PassedToService": SAGEMAKER}}
_FIND: Final = ("s3:GetBucketLocation", "s3:ListBucket")
_WRITE: Final = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")
# A simulator wants one action where a policy may name a family.
_EXAMPLE: Final = {
    "kms:ReEncrypt*": "kms:ReEncryptFrom",
    "kms:GenerateDataKey*": "kms:GenerateDataKey",
}
_ANY_VALUE: Final = "ForAnyValue:StringEquals"
# In a policy these are wildcards and variables; a key may hold them as they are.
_PLAIN: Final = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})
_PATTERN: Final = re.compile(r"\$\{(.)\}|\*")


class Need(NamedTuple):
    """Actions that must all be allowed on each of the resources."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]


def execution_policy(access: Access) -> Policy:
    """Return what the job may do in the account: its role's policy."""
    return document(
        [
            statement("FindBuckets", _FIND, _buckets(access, access.reads, access.writes)),
            statement("ReadInput", ("s3:GetObject",), _objects(access, access.reads)),
            statement("WriteOutput", _WRITE, _objects(access, access.writes)),
            statement("Metrics", ("cloudwatch:PutMetricData",), ("*",)),
            statement("Logs", _LOGS, (_log_group(access),)),
            *_execution_keys(access),
            *_execution_extras(access),
        ]
    )


def trust_policy() -> Policy:
    """Return who may take the role on: SageMaker, and nobody else."""
    return document(
        [{"Effect": "Allow", "Principal": {"Service": SAGEMAKER}, "Action": "sts:AssumeRole"}]
    )


def caller_policy(access: Access) -> Policy:
    """Return what whoever launches, follows and checks the job needs."""
    return document(
        [
            *_calls(access),
            statement("PassRole", ("iam:PassRole",), (access.role_arn,), _PASSED),
            statement(
                "LookAtRole", ("iam:GetRole", "iam:SimulatePrincipalPolicy"), (access.role_arn,)
            ),
            statement(
                "LookAtBuckets",
                (
                    *(*_FIND, "s3:GetBucketCORS", "s3:GetBucketPolicy"),
                    *(("s3:PutBucketCORS",) if access.mend else ()),
                ),
                _buckets(access, access.reads, access.writes, access.uploads, access.channels),
            ),
            statement("Upload", _WRITE, _objects(access, access.uploads)),
            # Unfinished channels are taken away again.
            statement("Channels", (*_WRITE, "s3:DeleteObject"), _objects(access, access.channels)),
            statement("Download", ("s3:GetObject",), _objects(access, access.reads, access.writes)),
            *_caller_keys(access),
            *_caller_training(access),
        ]
    )


def execution_needs(access: Access) -> Iterator[Need]:
    """Yield what to ask a policy simulator about the execution role."""
    for allowed in execution_policy(access)["Statement"]:
        if "kms:ResourceAliases" in allowed.get("Condition", {}).get(_ANY_VALUE, {}):
            continue  # the simulator knows no aliases
        yield Need(
            tuple(_EXAMPLE.get(action, action) for action in allowed["Action"]),
            tuple(_example(resource) for resource in allowed["Resource"]),
        )


def _execution_keys(access: Access) -> Iterator[Policy]:
    # A volume that is encrypted is attached with a grant.
    grant = (*_USE_KEY, "kms:CreateGrant")
    for name, key, actions in (
        ("OutputKey", access.output_kms_key, _USE_KEY),
        ("VolumeKey", access.volume_kms_key, grant),
        ("TrainingKey", access.training_kms_key, grant),
    ):
        if key:
            yield _key_statement(name, access, key, actions)


def _execution_extras(access: Access) -> Iterator[Policy]:
    if access.auto_label:
        # Ground Truth starts the training and inference jobs as the role, with the role.
        yield statement("PassRoleToSelf", ("iam:PassRole",), (access.role_arn,), _PASSED)
    if access.vpc:
        yield statement("Network", _NETWORK, ("*",))
    if access.training:
        yield statement("RegistryToken", ("ecr:GetAuthorizationToken",), ("*",))
        owner = TRAINING_ACCOUNTS.get(access.region, "*")
        yield statement(
            "TrainingImage",
            (
                *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"),
                "ecr:GetDownloadUrlForLayer",
            ),
            (f"arn:aws:ecr:{access.region}:{owner}:repository/object-detection",),
        )


def _calls(access: Access) -> Iterator[Policy]:
    jobs = sorted(
        {
            arn
            for name in access.job_names
            for exact in [labeling_job_arn(access.region, access.account, name)]
            # AWS lower-cases the name in the ARN; whether IAM compares before that is not told.
            for arn in (exact, f"{exact.rpartition('/')[0]}/{name}")
        }
    )
    team = access.workteam_arn
    only = {"ArnEquals": {"sagemaker:WorkteamArn": team}} if team else None
    if only is not None:
        only["StringEquals"] = {"sagemaker:WorkteamType": f"{workforce(team)}-crowd"}
    yield statement("Create", ("sagemaker:CreateLabelingJob",), jobs, only)
    follow = ("sagemaker:DescribeLabelingJob", "sagemaker:StopLabelingJob")
    yield statement("Follow", (*follow, *(("sagemaker:AddTags",) if access.tags else ())), jobs)
    yield statement("List", ("sagemaker:ListLabelingJobs",), ("*",))
    if team and workforce(team) == "private":
        yield statement("LookAtTeam", ("sagemaker:DescribeWorkteam",), (team,))
    if team and workforce(team) == "vendor":
        yield statement(
            "LookAtTeam",
            ("sagemaker:DescribeSubscribedWorkteam", "sagemaker:ListSubscribedWorkteams"),
            ("*",),
        )


def _caller_keys(access: Access) -> Iterator[Policy]:
    look = ("kms:DescribeKey", "kms:GetKeyPolicy")
    for name, key, actions in (
        ("OutputKey", access.output_kms_key, (*look, "kms:Decrypt")),
        ("VolumeKey", access.volume_kms_key, look),
        ("TrainingKey", access.training_kms_key, (*look, "kms:CreateGrant")),
    ):
        if key:
            yield _key_statement(name, access, key, actions)


def _caller_training(access: Access) -> Iterator[Policy]:
    if not access.training:
        return
    place = f"arn:aws:sagemaker:{access.region}:{access.account}"
    yield statement(
        "Train",
        (
            *("sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob"),
            "sagemaker:StopTrainingJob",
            *(("sagemaker:AddTags",) if access.tags else ()),
        ),
        (f"{place}:training-job/*",),
    )
    yield statement(
        "TrainingLogs",
        ("logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"),
        (f"arn:aws:logs:{access.region}:{access.account}:log-group:/aws/sagemaker/TrainingJobs:*",),
    )


def _key_statement(name: str, access: Access, key: str, actions: Sequence[str]) -> Policy:
    """Name the key; an alias is no resource in IAM, so there the condition tells the key."""
    arn = key_arn(key, region=access.region, account=access.account)
    before, alias, _ = arn.partition(":alias/")
    if not alias:
        return statement(name, actions, (arn,))
    wanted = {_ANY_VALUE: {"kms:ResourceAliases": arn[len(before) + 1 :]}}
    return statement(name, actions, (f"{before}:key/*",), wanted)


def _buckets(access: Access, *uris: Sequence[str]) -> list[str]:
    found = {bucket_of(uri) for group in uris for uri in group}
    return [f"arn:{_partition(access)}:s3:::{bucket}" for bucket in sorted(found)]


def _objects(access: Access, *uris: Sequence[str]) -> list[str]:
    found = {uri.removeprefix("s3://") for group in uris for uri in group}
    folders = {path for path in found if path.endswith("/")}
    return [
        f"arn:{_partition(access)}:s3:::{path.translate(_PLAIN)}{'*' if path.endswith('/') else ''}"
        for path in sorted(found)
        if not any(path != folder and path.startswith(folder) for folder in folders)
    ]


def _partition(access: Access) -> str:
    return access.role_arn.split(":", 2)[1] if access.role_arn.startswith("arn:") else "aws"


def _log_group(access: Access) -> str:
    owner = account_of(access.role_arn) or access.account
    return f"arn:aws:logs:{access.region}:{owner}:log-group:/aws/sagemaker/*"


def _example(resource: str) -> str:
    """Return one resource of a pattern: the simulator takes no wildcard but `*` alone."""
    if resource == "*":
        return resource
    return _PATTERN.sub(lambda found: found[1] or "gt-workflow-preflight", resource)
