"""The SageMaker SDK is an extra: without it one sentence says how to get it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from gt_workflow import sagemaker_sdk
from gt_workflow.errors import UsageError


def test_it_says_what_to_install():
    if importlib.util.find_spec("sagemaker"):
        pytest.skip("the SDK is installed here")
    with pytest.raises(UsageError, match=r"pip install 'gt-workflow\[sagemaker\]'"):
        sagemaker_sdk.model_trainer({})


def test_nothing_imports_it_unasked():
    code = (
        "import sys, gt_workflow.cli.training, gt_workflow.sagemaker_sdk; "
        "sys.exit('sagemaker' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("S3DataSource", "s3_data_source"),
        ("S3Uri", "s3_uri"),
        ("KmsKeyId", "kms_key_id"),
        ("S3OutputPath", "s3_output_path"),
        ("ShuffleConfig", "shuffle_config"),
        ("RecordWrapperType", "record_wrapper_type"),
    ],
)
def test_names_are_spelt_as_the_sdk_does(theirs, ours):
    assert sagemaker_sdk._snake(theirs) == ours
