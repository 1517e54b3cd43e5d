"""Channels and settings become training requests: whole, and by botocore's own model.

To write the expected requests anew: UPDATE_GOLDEN=1, then read the difference.
"""

from __future__ import annotations

import pytest
from golden import assert_valid, compare, service_model

from gt_workflow.core.training import instances, tuning
from gt_workflow.core.training.log import Epoch, read_epoch
from gt_workflow.core.training.requests import (
    TrainingSpec,
    create_training_job,
    create_tuning_job,
    hyperparameters,
    input_data_config,
    model_channel,
)
from gt_workflow.errors import UsageError

ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def sagemaker():
    return service_model("sagemaker")


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


def spec(form="recordio", **members):
    return TrainingSpec(
        **{
            "name": "degu-1",
            "region": "us-east-1",
            "role_arn": f"arn:aws:iam::{ACCOUNT}:role/Training",
            "channels": tuple(input_data_config(form, **CHANNELS[form])),
            "hyperparameters": hyperparameters(classes=2, samples=160, label_width=52),
            "output_uri": "s3://bucket/out/training",
            "instance_type": "ml.g5.2xlarge",
            "instance_count": 1,
            "volume_gb": 50,
            "max_runtime": 86_400,
        }
        | members
    )


@pytest.mark.parametrize("form", CHANNELS)
def test_channels(form, sagemaker):
    channels = input_data_config(form, **CHANNELS[form])
    compare(f"channels-{form}", channels)
    request = create_training_job(spec(form))
    compare(f"training-{form}", request)
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


EVERYTHING = {
    "instance_type": "ml.p3.8xlarge",
    "instance_count": 2,
    "max_wait": 172_800,
    "checkpoint_uri": "s3://bucket/out/training/degu-1/checkpoints",
    "kms_key": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd",
    "subnets": ("subnet-1", "subnet-2"),
    "security_groups": ("sg-1",),
    "tags": (("project", "degu"), ("empty", "")),
}


def test_everything_at_once(sagemaker):
    # An older model is read as a file, though the manifests are piped.
    channels = (
        *input_data_config("manifest", **CHANNELS["manifest"]),
        model_channel("s3://bucket/out/training/degu-0/output/model.tar.gz"),
    )
    request = create_training_job(spec(channels=channels, **EVERYTHING))
    compare("training-everything", request)
    assert_valid(sagemaker.operation_model("CreateTrainingJob").input_shape, request)


@pytest.mark.parametrize("case", ["smallest", "everything"])
def test_tuning(case, sagemaker):
    members = EVERYTHING | {"checkpoint_uri": None, "max_wait": 3600, "max_runtime": 1800}
    asked = [] if case == "smallest" else ["momentum=0.5:0.9", "optimizer=sgd,adam"]
    request = create_tuning_job(
        spec(**({} if case == "smallest" else members)),
        ranges=tuning.ranges(asked, samples=160),
        jobs=10,
        parallel=2,
    )
    compare(f"training-tuning-{case}", request)
    shape = sagemaker.operation_model("CreateHyperParameterTuningJob").input_shape
    assert_valid(shape, request)
    job = request["TrainingJobDefinition"]
    ranges = request["HyperParameterTuningJobConfig"]["ParameterRanges"].values()
    searched = {entry["Name"] for kind in ranges for entry in kind}
    assert not searched & set(job["StaticHyperParameters"])


def test_disks_of_the_machine_take_no_key():
    request = create_training_job(spec(**EVERYTHING | {"instance_type": "ml.g5.xlarge"}))
    assert "VolumeKmsKeyId" not in request["ResourceConfig"]
    assert request["OutputDataConfig"]["KmsKeyId"] == EVERYTHING["kms_key"]


def test_image_of_a_region():
    request = create_training_job(spec(region="cn-north-1"))
    image = request["AlgorithmSpecification"]["TrainingImage"]
    assert image == "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/object-detection:1"
    with pytest.raises(UsageError, match="not in region 'ap-southeast-5'"):
        create_training_job(spec(region="ap-southeast-5"))


def test_instances_are_those_of_the_api(sagemaker):
    known = sagemaker.shape_for("TrainingInstanceType").enum
    for family, sizes in instances.SIZES.items():
        offered = {name for name in known if name.split(".")[1] == family}
        assert {f"ml.{family}.{size}" for size in sizes} == offered


@pytest.mark.parametrize("name", ["ml.p2.xlarge", "ml.p3dn.24xlarge", "ml.g4dn.xlarge"])
def test_machines_that_train(name):
    assert instances.check_instance(name) is None


def test_newer_machines_are_a_doubt():
    assert "documented for P2, P3" in instances.check_instance("ml.g6e.2xlarge")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ml.m5.large", "no GPU that the algorithm trains on"),
        ("ml.c5.4xlarge", "no GPU"),
        ("ml.trn1.2xlarge", "no GPU"),
        ("ml.g5.3xlarge", "there are ml.g5.xlarge"),
        ("g5.xlarge", "no instance type"),
        ("", "no instance type"),
    ],
)
def test_machines_that_do_not(name, reason):
    with pytest.raises(UsageError, match=reason):
        instances.check_instance(name)


@pytest.mark.parametrize(
    ("line", "epoch"),
    [
        (
            "[11/16/2018 INFO 1400] #quality_metric: epoch=3, validation mAP <score>=(0.38157)",
            Epoch(3, 0.38157),
        ),
        ("#quality_metric: host=algo-1, epoch=0, validation mAP <score>=(1e-05)", Epoch(0, 1e-05)),
        ("validation mAP <score>=(0.5)", Epoch(None, 0.5)),
        ("validation mAP <score>=(nan)", None),
        ("validation mAP <score>=(1e999)", None),
        ("validation mAP <score>=(e-+)", None),
        ("#quality_metric: host=algo-1, epoch=0, train cross_entropy <loss>=(1.2)", None),
        ("", None),
    ],
)
def test_log_lines(line, epoch):
    assert read_epoch(line) == epoch
