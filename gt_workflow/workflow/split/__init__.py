"""A manifest becomes train, validation and test: three manifests of the same lines.

`plan` decides about every line and writes nothing; `run` writes the files, each whole, and
`split.json` last, which says what is in them. Lines pass through byte for byte, labelled or not. A
photograph goes with its variants and with those that look like it; an earlier split, if one is
named, is kept. A line of the manifest costs 16 bytes of memory.
"""

from gt_workflow.workflow.split.planning import READING, plan
from gt_workflow.workflow.split.running import run
from gt_workflow.workflow.split.settings import SplitPlan, SplitReceipt, SplitSettings
from gt_workflow.workflow.split.standing import Standing, standing

__all__ = [
    "READING",
    "SplitPlan",
    "SplitReceipt",
    "SplitSettings",
    "Standing",
    "plan",
    "run",
    "standing",
]
