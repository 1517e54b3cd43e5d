from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gt_workflow.service.faults import Fault
from gt_workflow.service.sagemaker.api import OPERATIONS
from gt_workflow.service.sagemaker.parameters import Parameters

NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
TEXT = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return Parameters(OPERATIONS)


def refusal(parameters: Parameters, operation: str, given: Any) -> tuple[str, str]:
    with pytest.raises(Fault) as caught:
        parameters.check(operation, given)
    return caught.value.code, caught.value.message


def test_a_pattern_is_refused_in_the_words_of_aws(parameters):
    code, message = refusal(parameters, "DescribeLabelingJob", {"LabelingJobName": "a_b"})
    assert code == "ValidationException"
    assert message == (
        "1 validation error detected: Value 'a_b' at 'labelingJobName' failed to satisfy "
        f"constraint: Member must satisfy regular expression pattern: {NAME}"
    )


def test_what_is_missing_is_null(parameters):
    code, message = refusal(parameters, "StopLabelingJob", {"LabelingJobName": None})
    assert code == "ValidationException"
    assert message == (
        "1 validation error detected: Value null at 'labelingJobName' failed to satisfy "
        "constraint: Member must not be null"
    )


def test_several_errors_are_counted_and_told_in_the_order_of_the_model(parameters):
    given = {"SortBy": "Age", "MaxResults": 101, "NameContains": "_"}
    code, message = refusal(parameters, "ListLabelingJobs", given)
    assert code == "ValidationException"
    assert message == (
        "3 validation errors detected: "
        "Value '101' at 'maxResults' failed to satisfy constraint: "
        "Member must have value less than or equal to 100; "
        "Value '_' at 'nameContains' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [a-zA-Z0-9\-]+; "
        "Value 'Age' at 'sortBy' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Name, CreationTime, Status]"
    )


def test_members_of_lists_of_structures_have_their_place(parameters):
    tags = [{"Key": "a", "Value": "b"}, {"Key": "", "Value": "<"}]
    given = {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:workteam/x", "Tags": tags}
    assert refusal(parameters, "AddTags", given)[1] == (
        "2 validation errors detected: "
        "Value '' at 'tags.2.member.key' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; "
        "Value '<' at 'tags.2.member.value' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {TEXT}"
    )


def test_lists_of_texts_are_told_as_a_whole(parameters):
    given = {"WorkforceName": "w", "SourceIpConfig": {"Cidrs": ["10.0.0.0/8", "x"]}}
    message = refusal(parameters, "UpdateWorkforce", given)[1]
    assert message.startswith(
        "1 validation error detected: Value '[10.0.0.0/8, x]' at 'sourceIpConfig.cidrs' failed to "
        "satisfy constraint: Member must satisfy constraint: "
        "[Member must have length less than or equal to 64, "
        "Member must have length greater than or equal to 4, "
        "Member must satisfy regular expression pattern: "
    )


def test_maps_have_constraints_on_keys_and_values(parameters):
    urls = dict.fromkeys(
        ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint"), "https://x"
    ) | dict.fromkeys(("LogoutEndpoint", "JwksUri"), "https://x")
    oidc = {"ClientId": "c", "ClientSecret": "s", **urls}
    given: dict[str, Any] = {"WorkforceName": "w", "OidcConfig": oidc}
    oidc["AuthenticationRequestExtraParams"] = {"k" * 513: "v\n"}
    message = refusal(parameters, "CreateWorkforce", given)[1]
    assert "Map keys must satisfy constraint: [Member must have length less than" in message
    assert "Map value must satisfy constraint: [Member must have length less than" in message
    oidc["AuthenticationRequestExtraParams"] = {"k": "v"}
    assert parameters.check("CreateWorkforce", given)["OidcConfig"] == oidc


def test_a_secret_is_not_sent_back(parameters):
    given = {"WorkforceName": "w", "OidcConfig": {"ClientSecret": "hush\n"}}
    message = refusal(parameters, "CreateWorkforce", given)[1]
    assert "Value at 'oidcConfig.clientSecret' failed to satisfy constraint" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"LabelingJobName": 3}, "NUMBER_VALUE can not be converted to a String"),
        ({"LabelingJobName": True}, "TRUE_VALUE can not be converted to a String"),
        ({"LabelingJobName": False}, "FALSE_VALUE can not be converted to a String"),
        ({"LabelingJobName": ["a"]}, "Start of list found where not expected."),
        ({"LabelingJobName": {}}, "Start of structure or map found where not expected."),
        ([], "Start of list found where not expected."),
        ("x", "Unexpected value type in payload"),
    ],
)
def test_a_wrong_type_is_told_at_once(parameters, given, message):
    assert refusal(parameters, "DescribeLabelingJob", given) == ("SerializationException", message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"MaxResults": "9"}, "STRING_VALUE can not be converted to an Integer"),
        ({"MaxResults": 1.5}, "Number is not an Integer of 32 bits"),
        ({"MaxResults": 2**31}, "Number is not an Integer of 32 bits"),
        ({"CreationTimeAfter": "soon"}, "Value can not be converted to a Timestamp"),
        ({"CreationTimeAfter": 1e30}, "Value can not be converted to a Timestamp"),
        ({"CreationTimeAfter": True}, "Unexpected value type in payload"),
    ],
)
def test_numbers_and_times_have_their_forms(parameters, given, message):
    assert refusal(parameters, "ListLabelingJobs", given) == ("SerializationException", message)


def test_times_become_aware_and_what_nobody_knows_is_dropped(parameters):
    given = {"CreationTimeAfter": 1.5, "CreationTimeBefore": "2026-01-02T03:04:05", "Colour": 1}
    assert parameters.check("ListLabelingJobs", given | {"StatusEquals": None}) == {
        "CreationTimeAfter": datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
        "CreationTimeBefore": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    assert parameters.check("ListLabelingJobs", {"MaxResults": 5.0}) == {"MaxResults": 5}


@pytest.mark.parametrize("value", ["Äß 日本 \u0661 _.:/=+-@", "", "a\u00a0b"])
def test_unicode_classes_are_those_of_java(parameters, value):
    given = {
        "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:workteam/x",
        "Tags": [{"Key": "k", "Value": value}],
    }
    assert parameters.check("AddTags", given)["Tags"][0]["Value"] == value


@pytest.mark.parametrize("value", ["😀", "a\tb", "a,b", "e\u0301", "€"])
def test_what_is_in_no_class_is_refused(parameters, value):
    given = {
        "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:workteam/x",
        "Tags": [{"Key": "k", "Value": value}],
    }
    message = refusal(parameters, "AddTags", given)[1]
    assert f"Value '{value}' at 'tags.1.member.value'" in message


@pytest.mark.parametrize("end", ["\n", "\r", "\u0085", "\u2028", "\u2029"])
def test_a_dot_stops_at_every_line_end_that_java_knows(parameters, end):
    given = {
        "WorkteamName": "t",
        "MemberDefinitions": [{"OidcMemberDefinition": {"Groups": ["g"]}}],
        "Description": f"one{end}two",
    }
    code, message = refusal(parameters, "CreateWorkteam", given)
    assert code == "ValidationException"
    assert message.endswith("Member must satisfy regular expression pattern: .+")
    assert parameters.check("CreateWorkteam", given | {"Description": "one 😀 two"})


def test_hostile_lengths_cost_little_and_are_not_echoed_whole(parameters):
    tags = [{"Key": "", "Value": ""}] * 100_000
    message = refusal(parameters, "AddTags", {"ResourceArn": "/\n" * 500_000, "Tags": tags})[1]
    # The pattern alone would take hours on such a text; one error speaks for all the tags.
    assert message.startswith("2 validation errors detected: ")
    assert len(message) < 5_000


def test_every_operation_has_its_shapes(parameters):
    told = {}
    for operation in OPERATIONS - {name for name in OPERATIONS if name.startswith("List")}:
        told[operation] = refusal(parameters, operation, {})
    assert {code for code, _ in told.values()} == {"ValidationException"}
    assert all("Member must not be null" in message for _, message in told.values())
