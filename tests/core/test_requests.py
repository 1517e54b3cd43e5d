"""Settings become the requests that AWS documents: whole, and by botocore's own model.

To write the expected requests anew: UPDATE_GOLDEN=1, then read the difference.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from gt_workflow.core import limits, names
from gt_workflow.core.request_arns import PII_CLASSIFIER
from gt_workflow.core.requests import (
    JobSpec,
    create_labeling_job,
    hyperparameters,
    input_data_config,
)
from gt_workflow.errors import UsageError

GOLDEN = Path(__file__).parents[1] / "golden"
ACCOUNT = "123456789012"
TEAMS = {
    "private": names.private_workteam_arn("us-west-2", ACCOUNT, "a-team"),
    "vendor": "arn:aws:sagemaker:us-west-2:111122223333:workteam/vendor-crowd/some-team",
    "public": names.public_workteam_arn("us-west-2"),
}


@pytest.fixture(scope="module")
def sagemaker():
    return ServiceModel(create_loader().load_service_model("sagemaker", "service-2"))


def spec(kind="label", force="private"):
    """Every field given that this kind and workforce may have."""
    base = JobSpec(
        name="degu-1",
        attribute={"label": "boxes", "adjust": "boxes-2", "verify": "verdict"}[kind],
        kind=kind,
        region="us-west-2",
        manifest_uri="s3://bucket/degu-1/input.manifest",
        labels_uri="s3://bucket/degu-1/labels.json",
        template_uri="s3://bucket/degu-1/template.liquid.html",
        output_uri="s3://bucket/degu-1/output/",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/GroundTruth",
        workteam_arn=TEAMS[force],
        title='Draw boxes: degus, 浣熊 & "wheels"',
        description="Draw a box around every animal.",
        workers_per_object=3,
        task_time_limit=3600,
        availability=21_600,
        max_concurrent=1000,
        keywords=("boxes", "animal photographs"),
    )
    if force == "private":
        return replace(
            base,
            max_human_labeled=500,
            max_percentage=50,
            output_kms_key=f"arn:aws:kms:us-west-2:{ACCOUNT}:key/1234abcd",
            tags=(("project", "degu"), ("für", "")),
        )
    if force == "public":
        return replace(base, price=Decimal("0.036"), content_classifiers=(PII_CLASSIFIER,))
    return base


def compare(name, value):
    path = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    expected = json.loads(path.read_text(encoding="utf-8"))
    assert value == expected
    assert json.dumps(value) == json.dumps(expected), "the order of the members changed"


def shape_errors(shape, value, path=""):
    """Yield what botocore's own validator leaves to the server: patterns, enums, maxima."""
    limits_ = shape.metadata
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from shape_errors(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        if len(value) > limits_.get("max", len(value)):
            yield f"{path} is too long"
        for index, member in enumerate(value):
            yield from shape_errors(shape.member, member, f"{path}[{index}]")
    elif shape.type_name == "string":
        if len(value) > limits_.get("max", len(value)):
            yield f"{path} is too long"
        # `re` knows no \p; a word character is a letter or a number.
        pattern = limits_.get("pattern", "(?s).*").replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
        if not re.fullmatch(pattern, value) or value not in limits_.get("enum", [value]):
            yield f"{path} does not match"
    elif shape.type_name in {"integer", "long"} and value > limits_.get("max", value):
        yield f"{path} is too large"


def assert_valid(shape, value):
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()
    assert list(shape_errors(shape, value)) == []


@pytest.mark.parametrize("kind", names.KINDS)
@pytest.mark.parametrize("force", TEAMS)
def test_labeling_job(kind, force, sagemaker):
    request = create_labeling_job(spec(kind, force))
    compare(f"{kind}-{force}", request)
    assert_valid(sagemaker.operation_model("CreateLabelingJob").input_shape, request)
    assert limits.check_labeling_request(request, account=ACCOUNT, region="us-west-2") == []
    assert limits.kind_of(request) == kind
    assert limits.workforce(request["HumanTaskConfig"]["WorkteamArn"]) == force


def test_smallest_labeling_job_has_no_empty_member(sagemaker):
    request = create_labeling_job(
        replace(
            spec("label", "vendor"),
            availability=None,
            max_concurrent=None,
            keywords=(),
            output_kms_key="",
        )
    )
    compare("label-smallest", request)
    assert_valid(sagemaker.operation_model("CreateLabelingJob").input_shape, request)
    assert limits.check_labeling_request(request) == []


def test_the_same_settings_give_the_same_bytes():
    assert json.dumps(create_labeling_job(spec())) == json.dumps(create_labeling_job(spec()))


def test_empty_tag_value_is_kept():
    request = create_labeling_job(spec())
    assert {"Key": "für", "Value": ""} in request["Tags"]


def test_region_without_ground_truth_is_refused():
    with pytest.raises(UsageError, match="not in region 'us-west-1'"):
        create_labeling_job(replace(spec(), region="us-west-1"))


@pytest.mark.parametrize(
    ("price", "amount"),
    [("0.036", (0, 3, 6)), ("1.200", (1, 20, 0)), ("0.84", (0, 84, 0)), ("2.999", (2, 99, 9))],
)
def test_price_is_written_as_aws_counts(price, amount):
    request = create_labeling_job(replace(spec(force="public"), price=Decimal(price)))
    written = request["HumanTaskConfig"]["PublicWorkforceTaskPrice"]["AmountInUsd"]
    assert tuple(written.values()) == amount


@pytest.mark.parametrize("price", ["0.0365", "-0.036", "3", "NaN", "Infinity"])
def test_price_that_cannot_be_written_is_refused(price):
    with pytest.raises(UsageError, match="no price per task"):
        create_labeling_job(replace(spec(force="public"), price=Decimal(price)))


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
