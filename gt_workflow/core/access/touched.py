"""What one plan touches in an account: buckets by prefix, the role, the work team, keys, jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gt_workflow.core.names import account_of, region_of
from gt_workflow.core.problems import member

ANY_JOB: Final = "*"

_MAX_FOLDERS: Final = 20
_FILES: Final = (
    "InputConfig.DataSource.S3DataSource.ManifestS3Uri",
    "LabelCategoryConfigS3Uri",
    "HumanTaskConfig.UiConfig.UiTemplateS3Uri",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one plan touches.

    `reads` are `s3://` addresses of objects or, ending in a slash, of everything below;
    `writes` alike, for what jobs write; `uploads` and `channels` for what the caller puts there
    before the job and makes of its output. A job name may
    be `*`: any. KMS keys are ids, ARNs or aliases; "" means none. `mend` lets the caller add what
    buckets lack.
    """

    region: str
    account: str
    role_arn: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    uploads: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    workteam_arn: str = ""
    job_names: tuple[str, ...] = (ANY_JOB,)
    output_kms_key: str = ""
    volume_kms_key: str = ""
    training_kms_key: str = ""
    auto_label: bool = False
    vpc: bool = False
    tags: bool = False
    training: bool = False
    mend: bool = False


def access_of(
    requests: Sequence[Mapping[str, Any]],
    *,
    images: Iterable[str],
    uploads: Iterable[str] = (),
    channels: Iterable[str] = (),
    account: str = "",
    training: bool = False,
    mend: bool = False,
) -> Access:
    """Read from the CreateLabelingJob requests of one launch what its jobs touch.

    `images` are the addresses of the photographs or of the folders that hold them, `uploads` and
    `channels` what the caller writes before and after. The role, the team and the keys are the
    first request's.
    """
    first = requests[0]
    own = {uri for request in requests for path in _FILES if (uri := member(request, path))}
    automation = member(first, "LabelingJobAlgorithmsConfig")
    resources = member(automation, "LabelingJobResourceConfig")
    function = member(first, "HumanTaskConfig.PreHumanTaskLambdaArn")
    team = str(member(first, "HumanTaskConfig.WorkteamArn") or "")
    role = str(first.get("RoleArn") or "")
    return Access(
        region=region_of(function) or region_of(team) or "",
        account=account or account_of(role) or "",
        role_arn=role,
        reads=tuple(sorted({*folders(images), *own})),
        writes=tuple(map(_output, requests)),
        uploads=tuple(sorted({*uploads, *own})),
        channels=tuple(channels),
        workteam_arn=team,
        job_names=tuple(str(request["LabelingJobName"]) for request in requests),
        output_kms_key=str(member(first, "OutputConfig.KmsKeyId") or ""),
        volume_kms_key=str(member(resources, "VolumeKmsKeyId") or ""),
        auto_label=automation is not None,
        vpc=member(resources, "VpcConfig") is not None,
        tags=bool(first.get("Tags")),
        training=training,
        mend=mend,
    )


def _output(request: Mapping[str, Any]) -> str:
    """Return the folder that a job writes to: its own, below the output path."""
    path = str(member(request, "OutputConfig.S3OutputPath")).rstrip("/")
    return f"{path}/{request['LabelingJobName']}/"


def folders(uris: Iterable[str]) -> tuple[str, ...]:
    """Return the folders that hold these objects, each with its slash: a policy has little room.

    An address that ends in a slash stays as it is; of a bucket with many folders it is the whole.
    """
    found: dict[str, set[str]] = {}
    for uri in uris:
        found.setdefault(bucket_of(uri), set()).add(f"{uri.rpartition('/')[0]}/")
    return tuple(
        sorted(
            folder
            for bucket, below in found.items()
            for folder in (below if len(below) <= _MAX_FOLDERS else (f"s3://{bucket}/",))
        )
    )


def key_arn(key: str, *, region: str, account: str) -> str:
    """Return a KMS key's ARN; of an alias, the alias's ARN."""
    if key.startswith("arn:"):
        return key
    kind = "" if key.startswith("alias/") else "key/"
    return f"arn:aws:kms:{region}:{account}:{kind}{key}"


def bucket_of(uri: str) -> str:
    """Return the bucket of an `s3://` address."""
    return uri.removeprefix("s3://").partition("/")[0]
