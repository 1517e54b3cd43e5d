"""The real SageMaker SDK sends what we would send, and has our table of images."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from gt_workflow.core import names

pytestmark = pytest.mark.oracle

ROOT = Path(__file__).parents[2]
FORMS = ("recordio", "image", "manifest", "everything")


@pytest.fixture(scope="module")
def told(sdk, tmp_path_factory):
    """What the SDK makes of the committed requests, and its images of all our regions."""
    requests = []
    for form in FORMS:
        request = json.loads((ROOT / f"tests/golden/training-{form}.json").read_text("utf-8"))
        if "Tags" in request:  # those without a value are lost there, and refused here
            request["Tags"] = [tag for tag in request["Tags"] if tag["Value"]]
        requests.append(request)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path_factory.mktemp("home")),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [sdk, "-W", "ignore", Path(__file__).with_name("sdk_request.py")],
        input=json.dumps({"requests": requests, "regions": list(names.TRAINING_ACCOUNTS)}),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    return {**answer, "requests": dict(zip(FORMS, requests, strict=True))}


@pytest.mark.parametrize("form", FORMS)
def test_its_trainer_sends_our_request(told, form):
    sent = dict(told["sent"][FORMS.index(form)])
    expected = dict(told["requests"][form])
    # It puts the time behind every name.
    assert sent.pop("TrainingJobName").startswith(expected.pop("TrainingJobName"))
    assert sent == expected


@pytest.mark.parametrize("region", names.TRAINING_ACCOUNTS)
def test_its_image_is_ours(told, region):
    assert names.training_image(region) == told["images"][region]


def test_it_knows_no_other_region(told):
    assert set(told["regions"]) == set(names.TRAINING_ACCOUNTS)
