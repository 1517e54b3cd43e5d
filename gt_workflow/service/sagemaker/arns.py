"""The ARNs that this service gives out: one account, the region of the request."""

from __future__ import annotations

from gt_workflow.core.names import private_workteam_arn

ACCOUNT = "123456789012"
OWN_KINDS = frozenset({"labeling-job", "workteam", "workforce"})


def workteam_arn(region: str, name: str) -> str:
    """Return the ARN of a private work team."""
    return private_workteam_arn(region, ACCOUNT, name)


def workforce_arn(region: str, name: str) -> str:
    """Return the ARN of a workforce."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:workforce/{name}"


def kind_of(arn: str) -> str:
    """Return the type of the resource: what stands before the first slash of the last part."""
    return arn.split(":", 5)[-1].split("/", 1)[0]
