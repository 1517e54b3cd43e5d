"""A CreateLabelingJob request is told what is wrong with it before AWS is asked."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core import limits
from gt_workflow.core.names import algorithm_arn, function_arn

GOLDEN = Path(__file__).parents[1] / "golden"
ACCOUNT = "123456789012"
REGION = "us-west-2"
HUMAN = "HumanTaskConfig"
ACS = f"{HUMAN}.AnnotationConsolidationConfig.AnnotationConsolidationLambdaArn"
TEAM = f"{HUMAN}.WorkteamArn"
PRICE = f"{HUMAN}.PublicWorkforceTaskPrice"
LIFETIME = f"{HUMAN}.TaskAvailabilityLifetimeInSeconds"
MANIFEST = "InputConfig.DataSource.S3DataSource.ManifestS3Uri"
ALGORITHM = "LabelingJobAlgorithmsConfig.LabelingJobAlgorithmSpecificationArn"
RESOURCES = "LabelingJobAlgorithmsConfig.LabelingJobResourceConfig"
VPC = f"{RESOURCES}.VpcConfig"
MODEL = "LabelingJobAlgorithmsConfig.InitialActiveLearningModelArn"
CLASSIFIERS = "InputConfig.DataAttributes.ContentClassifiers"
GONE = object()


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def changed(request, path, value):
    """Return a copy with the member at a dotted path set, or taken away."""
    request = copy.deepcopy(request)
    *sections, name = path.split(".")
    inner = request
    for section in sections:
        inner = inner.setdefault(section, {})
    if value is GONE:
        inner.pop(name, None)
    else:
        inner[name] = value
    return request


def check(request, **context):
    problems = limits.check_labeling_request(request, **context)
    for problem in problems:
        assert str(problem).startswith(f"{problem.field}: ")
        assert problem.message.strip()
        assert "\n" not in problem.message
    return [(problem.code, problem.field) for problem in problems]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("[alv]*-*.json")), ids=lambda path: path.stem)
def test_good_requests_pass(path):
    request = json.loads(path.read_text(encoding="utf-8"))
    public = "public" in path.stem
    context = {"account": ACCOUNT, "region": REGION, "audited": "other", "public_anyway": public}
    assert check(request, **context) == []


@pytest.mark.parametrize("kind", ["label", "adjust", "verify"])
def test_the_public_is_refused_with_the_reason(kind):
    (problem,) = limits.check_labeling_request(golden(f"{kind}-public"), account=ACCOUNT)
    assert (problem.code, problem.field) == ("public", TEAM)
    assert "closed on 2026-09-30" in problem.message


def test_the_public_is_refused_without_a_word_on_what_it_would_cost():
    request = changed(golden("label-public"), PRICE, GONE)
    assert check(request) == [("public", TEAM)]


PRIVATE = [
    # names
    ("LabelingJobName", GONE, "job-name"),
    ("LabelingJobName", "", "job-name"),
    ("LabelingJobName", "with_underscore", "job-name"),
    ("LabelingJobName", "ends-", "job-name"),
    ("LabelingJobName", "a\n", "job-name"),
    ("LabelingJobName", "x" * 64, "job-name"),
    ("LabelingJobName", "a" + "-" * 70 + "b", "job-name"),
    ("LabelingJobName", "ünicode", "job-name"),
    ("LabelingJobName", 7, "job-name"),
    ("LabelAttributeName", GONE, "attribute-name"),
    ("LabelAttributeName", "with_underscore", "attribute-name"),
    ("LabelAttributeName", "x" * 128, "attribute-name"),
    ("LabelAttributeName", "source", "attribute-reserved"),
    ("LabelAttributeName", "source-ref", "attribute-reserved"),
    ("LabelAttributeName", "boxes-metadata", "attribute-suffix"),
    ("LabelAttributeName", "boxes-ref", "attribute-suffix"),
    # addresses
    (MANIFEST, "input.manifest", "text"),
    (MANIFEST, "s3://bucket/folder/", "text"),
    (MANIFEST, "https://bucket.s3.amazonaws.com/a", "text"),
    (MANIFEST, f"s3://bucket/{'x' * 1024}", "text"),
    ("OutputConfig.S3OutputPath", GONE, "missing"),
    ("OutputConfig.S3OutputPath", "out", "text"),
    ("OutputConfig.KmsKeyId", "a key", "text"),
    ("LabelCategoryConfigS3Uri", GONE, "missing"),
    ("LabelCategoryConfigS3Uri", "s3://bucket", "text"),
    (f"{HUMAN}.UiConfig.UiTemplateS3Uri", GONE, "missing"),
    (f"{HUMAN}.UiConfig.HumanTaskUiArn", "arn:aws:sagemaker:x:1:human-task-ui/a", "template"),
    ("RoleArn", GONE, "missing"),
    ("RoleArn", "GroundTruth", "text"),
    ("RoleArn", f"arn:aws:iam::{ACCOUNT}:user/someone", "text"),
    ("RoleArn", "arn:aws:iam::111122223333:role/Other", "account"),
    # texts
    (f"{HUMAN}.TaskTitle", GONE, "missing"),
    (f"{HUMAN}.TaskTitle", "", "text"),
    (f"{HUMAN}.TaskTitle", "x" * 129, "text"),
    (f"{HUMAN}.TaskTitle", "boxes \U0001f439", "text"),
    (f"{HUMAN}.TaskDescription", "", "text"),
    (f"{HUMAN}.TaskDescription", "x" * 256, "text"),
    (f"{HUMAN}.TaskDescription", "two\nlines", "text"),
    (f"{HUMAN}.TaskKeywords", [], "keywords"),
    (f"{HUMAN}.TaskKeywords", ["a"] * 6, "keywords"),
    # numbers
    (f"{HUMAN}.NumberOfHumanWorkersPerDataObject", GONE, "missing"),
    (f"{HUMAN}.NumberOfHumanWorkersPerDataObject", 0, "range"),
    (f"{HUMAN}.NumberOfHumanWorkersPerDataObject", 10, "range"),
    (f"{HUMAN}.NumberOfHumanWorkersPerDataObject", True, "range"),
    (f"{HUMAN}.NumberOfHumanWorkersPerDataObject", "3", "range"),
    (f"{HUMAN}.NumberOfHumanWorkersPerDataObject", 3.0, "range"),
    (f"{HUMAN}.TaskTimeLimitInSeconds", GONE, "missing"),
    (f"{HUMAN}.TaskTimeLimitInSeconds", 29, "range"),
    (f"{HUMAN}.TaskTimeLimitInSeconds", 28_801, "range"),
    (LIFETIME, 59, "range"),
    (LIFETIME, 2_592_001, "range"),
    (f"{HUMAN}.MaxConcurrentTaskCount", 0, "range"),
    (f"{HUMAN}.MaxConcurrentTaskCount", 5001, "range"),
    ("StoppingConditions.MaxHumanLabeledObjectCount", 0, "range"),
    ("StoppingConditions.MaxPercentageOfInputDatasetLabeled", 101, "range"),
    # work team
    (TEAM, GONE, "missing"),
    (TEAM, "a-team", "workteam"),
    (TEAM, 5, "workteam"),
    (TEAM, f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:workteam/private-crowd/a", "region"),
    (TEAM, "arn:aws:sagemaker:us-west-2:111122223333:workteam/private-crowd/a", "account"),
    (PRICE, {"AmountInUsd": {"Cents": 3, "TenthFractionsOfACent": 6}}, "price"),
    # tags
    ("Tags", "project", "tags"),
    ("Tags", [{"Key": str(number), "Value": ""} for number in range(51)], "tags"),
]


@pytest.mark.parametrize(("path", "value", "code"), PRIVATE)
def test_one_wrong_field_is_one_problem_there(path, value, code):
    request = changed(golden("label-private"), path, value)
    assert check(request, account=ACCOUNT, region=REGION) == [(code, path)]


@pytest.mark.parametrize(
    "keyword", ["", "object-detection", "two  spaces", " a", "x" * 31, "größe", 7, None]
)
def test_a_wrong_keyword_is_named_by_its_place(keyword):
    request = changed(golden("label-private"), f"{HUMAN}.TaskKeywords", ["good one", keyword])
    assert check(request) == [("keywords", f"{HUMAN}.TaskKeywords[1]")]


@pytest.mark.parametrize(
    ("tag", "field"),
    [
        ({"Key": "", "Value": "a"}, "Tags[1]"),
        ({"Key": "x" * 129, "Value": "a"}, "Tags[1]"),
        ({"Key": "a", "Value": "x" * 257}, "Tags[1]"),
        ({"Key": "a;b", "Value": "a"}, "Tags[1]"),
        ({"Key": "a"}, "Tags[1]"),
        ("a", "Tags[1]"),
        ({"Key": "AWS:a", "Value": "a"}, "Tags[1].Key"),
        ({"Key": "first", "Value": "a"}, "Tags[1].Key"),
    ],
)
def test_a_wrong_tag_is_named_by_its_place(tag, field):
    request = changed(golden("label-private"), "Tags", [{"Key": "first", "Value": ""}, tag])
    assert check(request) == [("tags", field)]


@pytest.mark.parametrize("kind", ["adjust", "verify"])
def test_adjusting_and_verifying_need_an_attribute_of_their_own(kind):
    request = golden(f"{kind}-private")
    own = request["LabelAttributeName"]
    assert check(request, audited=own) == [("attribute-audited", "LabelAttributeName")]


def test_without_any_data_source_there_is_no_job():
    request = changed(golden("label-private"), "InputConfig.DataSource", {})
    assert check(request) == [("missing", "InputConfig.DataSource")]


def functions(pre, acs):
    request = changed(golden("label-private"), f"{HUMAN}.PreHumanTaskLambdaArn", pre)
    return changed(request, ACS, acs)


PRE_FIELD = f"{HUMAN}.PreHumanTaskLambdaArn"
PRE_LABEL = function_arn(REGION, "PRE", "label")
ACS_LABEL = function_arn(REGION, "ACS", "label")


@pytest.mark.parametrize(
    ("pre", "acs", "expected"),
    [
        (GONE, ACS_LABEL, [("missing", PRE_FIELD)]),
        (PRE_LABEL, GONE, [("missing", ACS)]),
        (ACS_LABEL, PRE_LABEL, [("function", PRE_FIELD), ("function", ACS)]),
        (PRE_LABEL, function_arn(REGION, "ACS", "verify"), [("function", ACS)]),
        (
            PRE_LABEL.replace("BoundingBox", "SemanticSegmentation"),
            ACS_LABEL,
            [("function", PRE_FIELD)],
        ),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:mine", ACS_LABEL, [("function", PRE_FIELD)]),
        (PRE_LABEL.replace("081040173940", "432418664414"), ACS_LABEL, [("function", PRE_FIELD)]),
        (function_arn("eu-west-1", "PRE", "label"), ACS_LABEL, [("region", PRE_FIELD)]),
        (PRE_LABEL, function_arn("eu-west-1", "ACS", "label"), [("region", ACS)]),
        (
            PRE_LABEL.replace(REGION, "us-west-1"),
            ACS_LABEL,
            [("region", PRE_FIELD), ("region", PRE_FIELD)],
        ),
    ],
)
def test_functions_agree_with_each_other_and_with_the_region(pre, acs, expected):
    assert check(functions(pre, acs), region=REGION) == expected


def test_without_a_region_the_request_agrees_with_itself():
    request = functions(function_arn("eu-west-1", "PRE", "label"), ACS_LABEL)
    assert ("region", TEAM) in check(request)
    assert ("region", ACS) in check(request)


def test_function_that_is_missing_beside_one_in_no_region():
    request = functions(PRE_LABEL.replace(REGION, "us-west-1"), GONE)
    assert check(request) == [("region", PRE_FIELD), ("missing", ACS), ("region", TEAM)]


def test_region_without_ground_truth_is_told_once_with_the_list():
    (problem,) = [
        problem
        for problem in limits.check_labeling_request(golden("label-private"), region="sa-east-1")
        if problem.field != TEAM
    ]
    assert problem.code == "region"
    assert "sa-east-1" in problem.message
    assert "ap-northeast-1" in problem.message


def test_function_of_another_region_is_told_the_right_account():
    wrong = PRE_LABEL.replace("081040173940", "432418664414")
    (problem,) = limits.check_labeling_request(functions(wrong, ACS_LABEL))
    assert "081040173940" in problem.message


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (PRICE, GONE, ("price", PRICE)),
        (PRICE, {"AmountInUsd": {"Cents": 3, "TenthFractionsOfACent": 7}}, ("price", PRICE)),
        (PRICE, {"AmountInUsd": {"Cents": "3"}}, ("price", PRICE)),
        (PRICE, {"AmountInUsd": {"Cents": 1, "TenthFractionsOfACent": 2}}, ("price", PRICE)),
        (
            "InputConfig.DataAttributes",
            {"ContentClassifiers": ["FreeOfAdultContent"]},
            ("classifiers", "InputConfig.DataAttributes.ContentClassifiers"),
        ),
        (LIFETIME, 43_201, ("range", LIFETIME)),
        (
            TEAM,
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:workteam/public-crowd/default",
            ("workteam", TEAM),
        ),
    ],
)
def test_the_public_work_team_has_rules_of_its_own(path, value, expected):
    request = changed(golden("label-public"), path, value)
    assert check(request, account=ACCOUNT, public_anyway=True) == [expected]


def test_verification_may_cost_less():
    price = {"AmountInUsd": {"Cents": 1, "TenthFractionsOfACent": 2}}
    assert check(changed(golden("verify-public"), PRICE, price), public_anyway=True) == []


def test_a_vendor_is_not_paid_per_task():
    request = changed(golden("label-vendor"), PRICE, {"AmountInUsd": {"Cents": 12}})
    assert check(request, account=ACCOUNT) == [("price", PRICE)]


@pytest.mark.parametrize(
    ("name", "arn", "expected"),
    [
        ("label-private", algorithm_arn(REGION), []),
        ("adjust-private", algorithm_arn(REGION), []),
        ("label-private", algorithm_arn("us-east-1"), [("algorithm", ALGORITHM)]),
        (
            "label-private",
            algorithm_arn(REGION).replace("object-detection", "text-classification"),
            [("algorithm", ALGORITHM)],
        ),
        ("verify-private", algorithm_arn(REGION), [("algorithm", ALGORITHM)]),
    ],
)
def test_automated_labeling_is_for_boxes_in_the_jobs_region(name, arn, expected):
    assert check(changed(golden(name), ALGORITHM, arn)) == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (ALGORITHM, GONE, ("algorithm", ALGORITHM)),
        (MODEL, "degu-0", ("model", MODEL)),
        (MODEL, f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/degu-0", ("model", MODEL)),
        (MODEL, f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/degu-0", ("region", MODEL)),
        (MODEL, f"arn:aws:sagemaker:{REGION}:111122223333:model/degu-0", ("account", MODEL)),
        (f"{RESOURCES}.VolumeKmsKeyId", "a key", ("text", f"{RESOURCES}.VolumeKmsKeyId")),
        (f"{VPC}.Subnets", GONE, ("vpc", f"{VPC}.Subnets")),
        (f"{VPC}.Subnets", ["subnet-1"] * 17, ("vpc", f"{VPC}.Subnets")),
        (f"{VPC}.Subnets", ["subnet-1", "subnet_2"], ("vpc", f"{VPC}.Subnets[1]")),
        (f"{VPC}.SecurityGroupIds", [], ("vpc", f"{VPC}.SecurityGroupIds")),
        (f"{VPC}.SecurityGroupIds", ["sg-1"] * 6, ("vpc", f"{VPC}.SecurityGroupIds")),
        (f"{VPC}.SecurityGroupIds", ["s" * 33], ("vpc", f"{VPC}.SecurityGroupIds[0]")),
    ],
)
def test_what_automated_labeling_runs_on_is_checked(path, value, expected):
    request = changed(golden("label-vendor-auto"), path, value)
    assert check(request, account=ACCOUNT, region=REGION) == [expected]


def test_a_content_classifier_is_one_of_two():
    request = changed(golden("label-private"), CLASSIFIERS, ["FreeOfPersonalInformation"])
    assert check(request) == [("classifiers", CLASSIFIERS)]


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("label-private", 2_592_000), ("label-vendor", 2_592_000), ("label-public", 43_200)],
)
def test_how_long_a_task_may_wait_follows_from_the_work_team(name, seconds):
    assert limits.longest_availability(golden(name)[HUMAN]["WorkteamArn"]) == seconds


def streaming(request):
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:photographs"
    return changed(request, "InputConfig.DataSource", {"SnsDataSource": {"SnsTopicArn": topic}})


def test_streaming_has_no_automated_labeling():
    request = changed(golden("label-private"), ALGORITHM, algorithm_arn(REGION))
    assert check(streaming(request)) == [("algorithm", ALGORITHM)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (golden("label-private"), []),
        (golden("label-smallest"), []),
        (
            changed(golden("label-private"), f"{HUMAN}.MaxConcurrentTaskCount", 1001),
            [("concurrency", f"{HUMAN}.MaxConcurrentTaskCount")],
        ),
        (changed(golden("label-private"), LIFETIME, 3599), [("availability", LIFETIME)]),
        (
            changed(golden("label-private"), "OutputConfig.KmsKeyId", ""),
            [("empty", "OutputConfig.KmsKeyId")],
        ),
        (golden("label-public"), [("public", TEAM)]),
        (
            changed(golden("label-public-auto"), f"{HUMAN}.TaskKeywords", GONE),
            [("public", TEAM), ("keywords", f"{HUMAN}.TaskKeywords"), ("vpc", VPC)],
        ),
        (streaming(golden("label-private")), [("streaming", "StoppingConditions")]),
    ],
)
def test_doubts_are_warnings_not_problems(request_, expected):
    assert check(request_, account=ACCOUNT, public_anyway=True) == []
    warnings = limits.warn_labeling_request(request_)
    assert [(warning.code, warning.field) for warning in warnings] == expected


SHAPE = (
    ServiceModel(create_loader().load_service_model("sagemaker", "service-2"))
    .operation_model("CreateLabelingJob")
    .input_shape
)


def leaves(shape, path=""):
    """Yield (path, shape) of every text and number of a request."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from leaves(member, f"{path}.{name}" if path else name)
    elif shape.type_name in {"string", "integer"}:
        yield path, shape


LEAVES = dict(leaves(SHAPE))
PRESENT = sorted(
    path
    for path in LEAVES
    if not path.startswith(("LabelingJobAlgorithmsConfig", PRICE))
    and not path.endswith(("HumanTaskUiArn", "SnsTopicArn"))
)


@given(
    path=st.sampled_from(PRESENT),
    value=st.one_of(
        st.integers(-1, 3_000_000),
        st.text(max_size=300),
        st.sampled_from(["", "a" * 1025, "s3://b/k", "s3://b", "-a", "a-", "\n"]),
    ),
)
def test_what_passes_here_passes_botocores_model(path, value):
    request = changed(golden("label-private"), path, value)
    if limits.check_labeling_request(request):
        return
    assert not ParamValidator().validate(request, SHAPE).has_errors()
    allowed = LEAVES[path].metadata
    size = value if isinstance(value, int) else len(value)
    assert allowed.get("min", size) <= size <= allowed.get("max", size)
    if isinstance(value, str) and "pattern" in allowed:
        assert re.fullmatch(allowed["pattern"], value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PATHS = sorted(
    {path.rsplit(".", depth)[0] for path in LEAVES for depth in range(path.count(".") + 1)}
    | {"Tags", f"{HUMAN}.TaskKeywords", "InputConfig.DataAttributes.ContentClassifiers"}
)


@given(
    name=st.sampled_from(["label-private-auto", "label-public", "verify-vendor"]),
    path=st.sampled_from(PATHS),
    value=json_values,
)
def test_a_request_of_any_shape_gets_an_answer(name, path, value):
    request = changed(golden(name), path, value)
    check(request, account=ACCOUNT, region=REGION, public_anyway=True)
    limits.warn_labeling_request(request)
    limits.kind_of(request)


def test_an_empty_request_is_told_all_that_is_missing():
    fields = {field for _, field in check({})}
    required = {"LabelingJobName", "LabelAttributeName", "RoleArn", "InputConfig.DataSource"}
    assert required < fields
    assert {TEAM, ACS, "OutputConfig.S3OutputPath"} < fields
