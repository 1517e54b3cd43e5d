"""Runs where the SageMaker SDK is: what its ModelTrainer sends for each request, and its images.

Reads {"requests": [...], "regions": [...]} on stdin; prints what was sent, the
image of each region, and the regions that the SDK knows.
Nothing leaves this process: every call of the SDK's clients is answered here.
"""

from __future__ import annotations

import json
import sys

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session

from gt_workflow.sagemaker_sdk import model_trainer

sent = []


def answer(model, params, **_rest):
    """Answer a call instead of AWS; remember the bodies of CreateTrainingJob."""
    if model.name == "CreateTrainingJob":
        sent.append(json.loads(params["body"]))
        name = sent[-1]["TrainingJobName"]
        parsed = {"TrainingJobArn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"}
    elif model.name == "GetCallerIdentity":
        parsed = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}
    elif model.name == "SimulatePrincipalPolicy":
        parsed = {"EvaluationResults": [], "IsTruncated": False}
    elif model.name == "GetRole":
        trusted = {"Effect": "Allow", "Action": "sts:AssumeRole"}
        trusted["Principal"] = {"Service": "sagemaker.amazonaws.com"}
        document = json.dumps({"Statement": [trusted]})
        parsed = {"Role": {"AssumeRolePolicyDocument": document}}
    elif model.name == "DescribeTrainingJob":
        parsed = {**sent[-1], "TrainingJobArn": "arn:aws:x", "TrainingJobStatus": "InProgress"}
    else:
        raise SystemExit(f"the SDK calls {model.name}")

    class Response:
        status_code = 200
        headers = {}  # noqa: RUF012 - nobody writes into it

    return Response, {**parsed, "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}


def main() -> None:
    asked = json.load(sys.stdin)
    account = boto3.Session(
        region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    account.events.register("before-call.*.*", answer)
    session = Session(boto_session=account, default_bucket="bucket")
    for request in asked["requests"]:
        model_trainer(request, sagemaker_session=session).train(wait=False, logs=False)
    images = {
        region: image_uris.retrieve("object-detection", region) for region in asked["regions"]
    }
    table = image_uris.config_for_framework("object-detection")["versions"]["1"]
    regions = sorted(table["registries"])
    print(json.dumps({"sent": sent, "images": images, "regions": regions}))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
