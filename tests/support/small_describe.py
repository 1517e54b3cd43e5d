"""A described job for tests that need no service."""

from __future__ import annotations

from typing import Any

from gt_workflow.core.described import DescribedJob


def fake_job(**changes: Any) -> DescribedJob:
    """A completed labeling job over `s3://b/in`."""
    known: dict[str, Any] = {
        "name": "job",
        "kind": "label",
        "status": "Completed",
        "region": "us-east-1",
        "attribute": "boxes",
        "input_uri": "s3://b/in",
        "labels_uri": "s3://b/labels.json",
        "template_uri": "s3://b/template",
        "root": "s3://b/job",
        "output_uri": "s3://b/out",
        "workers": 1,
        "answer": {},
    }
    return DescribedJob(**(known | changes))
