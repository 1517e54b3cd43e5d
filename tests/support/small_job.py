"""A labeling job over a few small images, put up with plain boto3 as a user's own code does."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image

from gt_workflow.core.names import function_arn

REGION = "us-east-1"
BOX = {"label": "degu", "left": 1, "top": 2, "width": 10, "height": 11}


def picture(shade: int = 0) -> bytes:
    """A JPEG of 64 x 48 pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (shade * 30 % 256, 90, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def put_files(s3: Any, bucket: str, *, images: int = 3, prefix: str = "") -> None:
    """Put images, manifest, labels and template into a bucket that is there."""

    def put(key: str, body: bytes | str) -> None:
        s3.put_object(Bucket=bucket, Key=prefix + key, Body=body)

    lines = []
    for number in range(images):
        put(f"{number}.jpg", picture(number))
        lines.append(json.dumps({"source-ref": f"s3://{bucket}/{prefix}{number}.jpg"}) + "\n")
    put("input.manifest", "".join(lines))
    put(
        "labels.json", json.dumps({"labels": [{"label": "degu"}], "document-version": "2018-11-28"})
    )
    put("template.html", "<crowd-form></crowd-form>")


def request(
    name: str,
    *,
    bucket: str,
    workteam_arn: str,
    role_arn: str,
    region: str = REGION,
    workers: int = 1,
    prefix: str = "",
    kind: str = "label",
    **human: Any,
) -> dict[str, Any]:
    """Return a CreateLabelingJob request over what `put_files` put."""
    base = f"s3://{bucket}/{prefix}"
    return {
        "LabelingJobName": name,
        "LabelAttributeName": "boxes",
        "InputConfig": {"DataSource": {"S3DataSource": {"ManifestS3Uri": f"{base}input.manifest"}}},
        "OutputConfig": {"S3OutputPath": f"{base}out"},
        "RoleArn": role_arn,
        "LabelCategoryConfigS3Uri": f"{base}labels.json",
        "HumanTaskConfig": {
            "WorkteamArn": workteam_arn,
            "UiConfig": {"UiTemplateS3Uri": f"{base}template.html"},
            "PreHumanTaskLambdaArn": function_arn(region, "PRE", kind),
            "TaskTitle": "Draw boxes",
            "TaskDescription": "Draw a box around each degu",
            "NumberOfHumanWorkersPerDataObject": workers,
            "TaskTimeLimitInSeconds": 300,
            "AnnotationConsolidationConfig": {
                "AnnotationConsolidationLambdaArn": function_arn(region, "ACS", kind)
            },
            **human,
        },
    }
