"""The machines that the built-in Object Detection trains on: P2, P3, G4dn and G5.

Source: developer guide, "EC2 Instance Recommendation for the Object Detection Algorithm"; sizes as
in botocore's `TrainingInstanceType`, which a test compares. CPU types are refused by
CreateTrainingJob; newer GPUs are accepted by it, but nothing says that this image runs on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gt_workflow.errors import UsageError

SIZES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "p2": ("xlarge", "8xlarge", "16xlarge"),
        "p3": ("2xlarge", "8xlarge", "16xlarge"),
        "p3dn": ("24xlarge",),
        "g4dn": ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
        "g5": (
            *("xlarge", "2xlarge", "4xlarge", "8xlarge"),
            *("12xlarge", "16xlarge", "24xlarge", "48xlarge"),
        ),
    }
)

# These have disks of their own, whose key is not ours to choose; the others have a volume.
_LOCAL_DISK: Final = frozenset({"p3dn", "g4dn", "g5"})
_TYPE = re.compile(r"ml\.(?P<family>[a-z][a-z0-9-]*)\.(?P<size>[a-z0-9]+)")
_NEWER_GPU = re.compile(r"(p[4-9]|g[6-9])[a-z0-9-]*")


def check_instance(instance_type: str, *, setting: str = "training.instance-type") -> str | None:
    """Return a warning about an instance type, if there is reason for one.

    `UsageError` for a type that the algorithm is known not to train on.
    """
    match = _TYPE.fullmatch(instance_type)
    usual = "ml.g5.xlarge, ml.g5.2xlarge or ml.g4dn.xlarge"
    if match is None:
        raise UsageError(f"{setting}: {instance_type!r} is no instance type such as {usual}")
    family, size = match["family"], match["size"]
    if family in SIZES:
        if size not in SIZES[family]:
            sizes = ", ".join(f"ml.{family}.{known}" for known in SIZES[family])
            raise UsageError(f"{setting}: there is no {instance_type}; there are {sizes}")
        return None
    if _NEWER_GPU.fullmatch(family):
        return (
            f"{instance_type}: the algorithm is documented for P2, P3, G4dn and G5 alone; "
            f"{usual} are known to work"
        )
    raise UsageError(
        f"{setting}: {instance_type} has no GPU that the algorithm trains on; use {usual}"
    )


def takes_volume_key(instance_type: str) -> bool:
    """Tell whether a request may name a key for the volume of such machines."""
    match = _TYPE.fullmatch(instance_type)
    return match is not None and match["family"] in SIZES and match["family"] not in _LOCAL_DISK
