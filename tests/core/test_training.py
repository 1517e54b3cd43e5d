"""Channels and settings become training requests: whole, and by botocore's own model.

To write the expected requests anew: UPDATE_GOLDEN=1, then read the difference.
"""

from __future__ import annotations

import pytest
from golden import assert_valid, compare, service_model

from gt_workflow.core import names
from gt_workflow.core.training import hyperparameters, input_data_config
from gt_workflow.errors import UsageError

ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def sagemaker():
    return service_model("sagemaker")


def training_request(channels, parameters):
    return {
        "TrainingJobName": "degu-1",
        "AlgorithmSpecification": {
            "TrainingImage": names.training_image("us-east-1"),
            "TrainingInputMode": "File",
        },
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Training",
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/model/"},
        "ResourceConfig": {
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 50,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "HyperParameters": parameters,
    }


CHANNELS = {
    "recordio": {
        "train_uri": "s3://bucket/out/recordio/train",
        "validation_uri": "s3://bucket/out/recordio/validation/",
    },
    "image": {
        "train_uri": "s3://bucket/out/image/train/",
        "validation_uri": "s3://bucket/out/image/validation/",
        "train_annotation_uri": "s3://bucket/out/image/train_annotation/",
        "validation_annotation_uri": "s3://bucket/out/image/validation_annotation/",
    },
    "manifest": {
        "train_uri": "s3://bucket/out/manifest/train.manifest",
        "validation_uri": "s3://bucket/out/manifest/validation.manifest",
        "attribute": "boxes",
    },
}


@pytest.mark.parametrize("form", CHANNELS)
def test_channels(form, sagemaker):
    channels = input_data_config(form, **CHANNELS[form])
    compare(f"channels-{form}", channels)
    request = training_request(channels, hyperparameters(classes=2, samples=160, label_width=350))
    assert_valid(sagemaker.operation_model("CreateTrainingJob").input_shape, request)


def test_folder_channels_end_in_a_slash():
    # Otherwise `train` would match the objects of `train_annotation`, too.
    for form in ("recordio", "image"):
        for channel in input_data_config(form, **CHANNELS[form]):
            assert channel["DataSource"]["S3DataSource"]["S3Uri"].endswith("/")


@pytest.mark.parametrize(
    ("form", "missing"),
    [
        ("manifest", "attribute"),
        ("image", "train_annotation_uri"),
        ("image", "validation_annotation_uri"),
    ],
)
def test_channels_that_lack_something_are_refused(form, missing):
    given = {name: value for name, value in CHANNELS[form].items() if name != missing}
    with pytest.raises(UsageError, match="need"):
        input_data_config(form, **given)


def test_hyperparameters_are_all_there_and_all_text():
    parameters = hyperparameters(classes=2, samples=160, label_width=352)
    compare("hyperparameters", parameters)
    assert all(isinstance(value, str) for value in parameters.values())


@pytest.mark.parametrize(("samples", "batch"), [(1, "1"), (31, "31"), (32, "32"), (5000, "32")])
def test_batch_is_no_larger_than_the_channel(samples, batch):
    parameters = hyperparameters(classes=1, samples=samples, label_width=7)
    assert parameters["mini_batch_size"] == batch


@pytest.mark.parametrize("name", ["classes", "samples", "label_width"])
def test_training_without_anything_to_learn_is_refused(name):
    with pytest.raises(UsageError, match=name):
        hyperparameters(**{"classes": 1, "samples": 1, "label_width": 7, name: 0})
