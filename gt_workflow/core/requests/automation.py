"""Automated labeling in a CreateLabelingJob request: for which jobs, by what, started from what.

Sources: `LabelingJobAlgorithmsConfig` in the API reference (botocore 1.44.5); developer guide,
"Automate Data Labeling" and "Run a Labeling Job in an Amazon Virtual Private Cloud".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gt_workflow.core.names import account_of, algorithm_arn, function_of, kind_of, region_of
from gt_workflow.core.problems import Problem, member, short

MAX_SUBNETS: Final = 16
MAX_SECURITY_GROUPS: Final = 5

_CONFIG: Final = "LabelingJobAlgorithmsConfig"
_ALGORITHM: Final = f"{_CONFIG}.LabelingJobAlgorithmSpecificationArn"
_MODEL: Final = f"{_CONFIG}.InitialActiveLearningModelArn"
_VOLUME_KEY: Final = f"{_CONFIG}.LabelingJobResourceConfig.VolumeKmsKeyId"
_VPC: Final = f"{_CONFIG}.LabelingJobResourceConfig.VpcConfig"

_KMS_KEY = re.compile(r"[a-zA-Z0-9:/_-]*")
_MODEL_ARN = re.compile(r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]+:[0-9]{12}:model/[^/\s]+")
_VPC_ID = re.compile(r"[-0-9a-zA-Z]{1,32}")


def automation_problems(
    request: Mapping[str, Any], *, region: str | None, account: str | None
) -> Iterator[Problem]:
    """Yield what is wrong with automated labeling, if the request asks for it.

    Without `region` the PRE function's region is the job's; without `account` the model's owner
    is not looked at.
    """
    config = member(request, _CONFIG)
    if config is None:
        return
    if kind_of(request) == "verify":
        yield Problem(
            "algorithm", _ALGORITHM, "nothing verifies labels automatically; leave it out"
        )
    if member(request, "InputConfig.DataSource.SnsDataSource") is not None:
        yield Problem(
            "algorithm", _ALGORITHM, "streaming jobs have no automated labeling; leave it out"
        )
    function = function_of(member(request, "HumanTaskConfig.PreHumanTaskLambdaArn"))
    here = region or (function[0] if function else None)
    wanted = algorithm_arn(here or "REGION")
    if member(request, _ALGORITHM) != wanted:
        yield Problem("algorithm", _ALGORITHM, f"for boxes, use {wanted}")
    yield from _model(member(request, _MODEL), here, account)
    key = member(request, _VOLUME_KEY)
    if key is not None and not (
        isinstance(key, str) and len(key) <= 2048 and _KMS_KEY.fullmatch(key)
    ):
        yield Problem(
            "text", _VOLUME_KEY, f"{short(key)} does not do; name a KMS key, or leave it out"
        )
    vpc = member(request, _VPC)
    if vpc is not None:
        yield from _ids(vpc, "Subnets", MAX_SUBNETS, "subnets")
        yield from _ids(vpc, "SecurityGroupIds", MAX_SECURITY_GROUPS, "security groups")


def _model(arn: object, region: str | None, account: str | None) -> Iterator[Problem]:
    """Check the model of an earlier job (its FinalActiveLearningModelArn) that is to begin with."""
    if arn is None:
        return
    if not isinstance(arn, str) or len(arn) > 2048 or not _MODEL_ARN.fullmatch(arn):
        yield Problem(
            "model",
            _MODEL,
            f"{short(arn)} is no model; take LabelingJobOutput.FinalActiveLearningModelArn "
            "of an earlier job",
        )
        return
    where, owner = region_of(arn), account_of(arn)
    if region is not None and where != region:
        yield Problem("region", _MODEL, f"is in {where}, but the job would be in {region}")
    if account is not None and owner != account:
        yield Problem(
            "account", _MODEL, f"belongs to account {owner}; use one of account {account}"
        )


def _ids(vpc: object, name: str, most: int, what: str) -> Iterator[Problem]:
    """Check one of the two lists of a VpcConfig; AWS wants both."""
    ids, field = member(vpc, name), f"{_VPC}.{name}"
    if not isinstance(ids, list | tuple) or not 1 <= len(ids) <= most:
        yield Problem(
            "vpc",
            field,
            f"a VPC needs 1 to {most} {what}; name subnets and security groups, or neither",
        )
        return
    for index, one in enumerate(ids):
        if not isinstance(one, str) or not _VPC_ID.fullmatch(one):
            yield Problem(
                "vpc",
                f"{field}[{index}]",
                f"{short(one)} does not do; write an id such as "
                f"{'subnet' if name == 'Subnets' else 'sg'}-0123abcd",
            )
