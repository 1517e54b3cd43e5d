"""Photographs become more photographs: variants whose boxes follow, and a manifest of them all.

`plan` reads the source's lines or names, no image. `run` makes every variant once, shard by shard:
a shard's lines are written when all its images are, as the shard's receipt, so that an interrupted
run goes on at the shard. At the end the shards' lines are joined to `OUT/augmented.manifest`, and
`OUT/augment.json` tells what was done. The same source and settings give the same bytes.

    labelled   variants with their boxes; on the train side alone if `side` says so
    untouched  variants without boxes, if no line of the manifest has a label; else passed on
    failed     passed on
    variants   passed on: variants are made of photographs alone
    unreadable passed on and told as left out, if bad lines are skipped

What is passed on is listed with the photographs themselves: without `originals` there are only the
variants made here, and the receipt counts the lines that are not listed.
"""

from gt_workflow.core.label_schema import VARIANT
from gt_workflow.workflow.augment.families import families
from gt_workflow.workflow.augment.planning import plan
from gt_workflow.workflow.augment.running import VARYING, run
from gt_workflow.workflow.augment.settings import AugmentPlan, AugmentReceipt, AugmentSettings

__all__ = [
    "VARIANT",
    "VARYING",
    "AugmentPlan",
    "AugmentReceipt",
    "AugmentSettings",
    "families",
    "plan",
    "run",
]
