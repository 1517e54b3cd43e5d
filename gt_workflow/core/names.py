"""What Ground Truth's regions, functions, work teams and images are called.

Account ids are strings: one of them begins with a zero. The tables come from the API reference
as botocore 1.44.5 ships it (`HumanTaskConfig`, `AnnotationConsolidationConfig`); a test compares
them with the installed botocore.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from gt_workflow.errors import UsageError

Kind: TypeAlias = Literal["label", "adjust", "verify"]
Workforce: TypeAlias = Literal["private", "vendor", "public"]

KINDS: Final[tuple[Kind, ...]] = ("label", "adjust", "verify")

MAX_WORKER_NAME: Final = 64  # characters, on our own service

# One account per region owns every built-in function. A region that is missing here has no
# Ground Truth.
LAMBDA_ACCOUNTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ap-northeast-1": "477331159723",
        "ap-northeast-2": "845288260483",
        "ap-south-1": "565803892007",
        "ap-southeast-1": "377565633583",
        "ap-southeast-2": "454466003867",
        "ca-central-1": "918755190332",
        "eu-central-1": "203001061592",
        "eu-west-1": "568282634449",
        "eu-west-2": "487402164563",
        "us-east-1": "432418664414",
        "us-east-2": "266458841044",
        "us-west-2": "081040173940",
    }
)

FUNCTION_SUFFIX: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "label": "BoundingBox",
        "adjust": "AdjustmentBoundingBox",
        "verify": "VerificationBoundingBox",
    }
)

# The same account in every region (developer guide, "Use the Amazon Mechanical Turk Workforce").
PUBLIC_CROWD_ACCOUNT: Final = "394669845002"

# The same account in every region (`LabelingJobAlgorithmSpecificationArn`).
ALGORITHM_ACCOUNT: Final = "027400017018"

# Accounts of the registry that holds the built-in Object Detection image. Source: aws/
# sagemaker-python-sdk, sagemaker-core, image_uri_config/object-detection.json (2025-11-20).
TRAINING_ACCOUNTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "af-south-1": "455444449433",
        "ap-east-1": "286214385809",
        "ap-northeast-1": "501404015308",
        "ap-northeast-2": "306986355934",
        "ap-northeast-3": "867004704886",
        "ap-south-1": "991648021394",
        "ap-south-2": "628508329040",
        "ap-southeast-1": "475088953585",
        "ap-southeast-2": "544295431143",
        "ap-southeast-3": "951798379941",
        "ap-southeast-4": "106583098589",
        "ca-central-1": "469771592824",
        "ca-west-1": "190319476487",
        "cn-north-1": "390948362332",
        "cn-northwest-1": "387376663083",
        "eu-central-1": "813361260812",
        "eu-central-2": "680994064768",
        "eu-north-1": "669576153137",
        "eu-south-1": "257386234256",
        "eu-south-2": "104374241257",
        "eu-west-1": "685385470294",
        "eu-west-2": "644912444149",
        "eu-west-3": "749696950732",
        "il-central-1": "898809789911",
        "me-central-1": "272398656194",
        "me-south-1": "249704162688",
        "sa-east-1": "855470959533",
        "us-east-1": "811284229777",
        "us-east-2": "825641698319",
        "us-gov-east-1": "237065988967",
        "us-gov-west-1": "226302683700",
        "us-iso-east-1": "490574956308",
        "us-isob-east-1": "765400339828",
        "us-isof-east-1": "108575199400",
        "us-isof-south-1": "124985052026",
        "us-west-1": "632365934929",
        "us-west-2": "433757028032",
    }
)

# Where a region's registry does not end in amazonaws.com (botocore's endpoints.json).
_DNS_SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cn-": "amazonaws.com.cn",
        "us-iso-": "c2s.ic.gov",
        "us-isob-": "sc2s.sgov.gov",
        "us-isof-": "csp.hci.ic.gov",
    }
)

_FUNCTION = re.compile(
    r"arn:aws:lambda:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):function:"
    r"(?P<stage>PRE|ACS)-(?P<suffix>[A-Za-z0-9]+)"
)
_WORKTEAM = re.compile(
    r"arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):workteam/"
    r"(?P<force>private|vendor|public)-crowd/[^/\s]+"
)
_KIND_BY_SUFFIX: Final = {suffix: kind for kind, suffix in FUNCTION_SUFFIX.items()}


def function_arn(region: str, stage: Literal["PRE", "ACS"], kind: Kind) -> str:
    """Name the built-in function that prepares (PRE) or consolidates (ACS) box tasks.

    Raises `UsageError` for a region without Ground Truth.
    """
    account = LAMBDA_ACCOUNTS.get(region)
    if account is None:
        raise UsageError(
            f"Ground Truth is not in region {region!r}; use one of {', '.join(LAMBDA_ACCOUNTS)}"
        )
    return f"arn:aws:lambda:{region}:{account}:function:{stage}-{FUNCTION_SUFFIX[kind]}"


def algorithm_arn(region: str) -> str:
    """Name the algorithm that labels boxes automatically in this region."""
    return (
        f"arn:aws:sagemaker:{region}:{ALGORITHM_ACCOUNT}"
        ":labeling-job-algorithm-specification/object-detection"
    )


def public_workteam_arn(region: str) -> str:
    """Name the one public (Mechanical Turk) work team of this region."""
    return f"arn:aws:sagemaker:{region}:{PUBLIC_CROWD_ACCOUNT}:workteam/public-crowd/default"


def private_workteam_arn(region: str, account: str, team: str) -> str:
    """Name a work team of one's own."""
    return f"arn:aws:sagemaker:{region}:{account}:workteam/private-crowd/{team}"


def labeling_job_arn(region: str, account: str, name: str) -> str:
    """Name a labeling job; AWS lower-cases the name here, and only here."""
    return f"arn:aws:sagemaker:{region}:{account}:labeling-job/{name.lower()}"


def training_image(region: str) -> str:
    """Name the built-in Object Detection image; `UsageError` for a region without one."""
    account = TRAINING_ACCOUNTS.get(region)
    if account is None:
        raise UsageError(f"the Object Detection image is not in region {region!r}")
    suffix = next(
        (suffix for start, suffix in _DNS_SUFFIXES.items() if region.startswith(start)),
        "amazonaws.com",
    )
    return f"{account}.dkr.ecr.{region}.{suffix}/object-detection:1"


def workforce(arn: str) -> Workforce:
    """Tell whose workers a work team has, from its ARN; `UsageError` if it is no such ARN."""
    match = _WORKTEAM.fullmatch(arn) if len(arn) <= 256 else None
    if match is None:
        raise UsageError(
            f"{arn!r} is no work team; it reads "
            "arn:aws:sagemaker:REGION:ACCOUNT:workteam/private-crowd/NAME"
        )
    force = match["force"]
    if force == "private":
        return "private"
    return "vendor" if force == "vendor" else "public"


def function_of(arn: object) -> tuple[str, str, str, Kind] | None:
    """Take a built-in box function's ARN apart: region, account, PRE or ACS, kind.

    None for every other function, and for what is no ARN at all.
    """
    match = _FUNCTION.fullmatch(arn) if isinstance(arn, str) else None
    if match is None or match["suffix"] not in _KIND_BY_SUFFIX:
        return None
    return match["region"], match["account"], match["stage"], _KIND_BY_SUFFIX[match["suffix"]]


def kind_of(request: Mapping[str, Any]) -> Kind | None:
    """Tell what a CreateLabelingJob request (or a DescribeLabelingJob answer) asks workers to do.

    None unless both functions are built-in box functions of one kind.
    """
    human = request.get("HumanTaskConfig")
    if not isinstance(human, Mapping):
        return None
    pre = function_of(human.get("PreHumanTaskLambdaArn"))
    consolidation = human.get("AnnotationConsolidationConfig")
    if not isinstance(consolidation, Mapping):
        return None
    acs = function_of(consolidation.get("AnnotationConsolidationLambdaArn"))
    if pre is None or acs is None or (pre[2], acs[2]) != ("PRE", "ACS") or pre[3] != acs[3]:
        return None
    return pre[3]


def worker_name(given: str) -> str:
    """Return the name of a worker of our own service, without outer spaces; else `UsageError`.

    Printable leaves out line breaks, and characters that turn or hide what stands around them.
    """
    name = given.strip()
    if not name or len(name) > MAX_WORKER_NAME or not name.isprintable():
        raise UsageError(
            f"{given[:80]!r} is no worker's name; use 1 to {MAX_WORKER_NAME} printable characters"
        )
    return name


def region_of(arn: object) -> str | None:
    """Return an ARN's region, or None if there is none."""
    parts = arn.split(":", 5) if isinstance(arn, str) else []
    return parts[3] or None if len(parts) == 6 and parts[0] == "arn" else None


def account_of(arn: object) -> str | None:
    """Return an ARN's account id, or None if there is none."""
    parts = arn.split(":", 5) if isinstance(arn, str) else []
    return parts[4] or None if len(parts) == 6 and parts[0] == "arn" else None
