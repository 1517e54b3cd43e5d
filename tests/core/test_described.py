"""What DescribeLabelingJob says becomes files to read and a request that can be sent again."""

from __future__ import annotations

import pytest

from gt_workflow.core import limits
from gt_workflow.core.described import audited_attribute, describe
from gt_workflow.core.requests.job import JobSpec, create_labeling_job
from gt_workflow.errors import UsageError

TEAM = "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/team"


def request(**changes):
    known = {
        "name": "job",
        "attribute": "boxes",
        "kind": "label",
        "region": "us-east-1",
        "manifest_uri": "s3://b/in",
        "labels_uri": "s3://b/labels.json",
        "template_uri": "s3://b/template",
        "output_uri": "s3://b/out/",
        "role_arn": "arn:aws:iam::123456789012:role/labeling",
        "workteam_arn": TEAM,
        "title": "t",
        "description": "d",
        "workers_per_object": 3,
        "task_time_limit": 300,
        "tags": (("team", "degu"),),
        "max_percentage": 50,
    }
    return create_labeling_job(JobSpec(**(known | changes)))


def answer(status="Completed", **changes):
    made = request(**changes)
    # As AWS writes it: empty strings, tags of its own, and more members than a request has.
    made["OutputConfig"]["KmsKeyId"] = ""
    made["Tags"].append({"Key": "aws:cloudformation:stack", "Value": "x"})
    return made | {
        "LabelingJobStatus": status,
        "LabelingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:labeling-job/job",
        "LabelCounters": {},
        "JobReferenceCode": "abc",
    }


def test_an_answer_becomes_the_same_request_over_another_manifest():
    job = describe(answer())
    again = job.request(name="again", manifest_uri="s3://b/other")
    assert again == request(name="again", manifest_uri="s3://b/other")
    assert not limits.check_labeling_request(again)
    assert (job.kind, job.workers, job.region, job.over) == ("label", 3, "us-east-1", True)


def test_the_output_is_where_the_answer_says_or_where_it_would_be():
    assert describe(answer()).output_uri == "s3://b/out/job/manifests/output/output.manifest"
    told = answer() | {"LabelingJobOutput": {"OutputDatasetS3Uri": "s3://b/there"}}
    assert describe(told).output_uri == "s3://b/there"
    assert describe(told).root == "s3://b/out/job"


def test_jobs_of_other_kinds_are_refused_in_words():
    other = answer()
    other["HumanTaskConfig"]["PreHumanTaskLambdaArn"] = "arn:aws:lambda:us-east-1:1:function:X"
    with pytest.raises(UsageError, match="no box job"):
        describe(other)
    streaming = answer()
    streaming["InputConfig"]["DataSource"] = {"SnsDataSource": {"SnsTopicArn": "arn"}}
    with pytest.raises(UsageError, match="streaming"):
        describe(streaming)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ task.input.manifestLine.boxes.annotations }}", "boxes"),
        ('{{ task.input.manifestLine["2nd"].annotations }}', "2nd"),
        ("{{ task.input.manifestLine.own.annotations }}", None),
        ("{{ task.input.taskObject }}", None),
    ],
)
def test_the_audited_attribute_stands_in_the_template(template, name):
    assert audited_attribute(template, own="own") == name
