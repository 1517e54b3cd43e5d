"""A launch that is killed at any boundary between two AWS calls, and run again.

For every call there is: exactly one labeling job exists, and all outputs are those of a launch that
nobody disturbed. To die after call n's answer leaves AWS as to die before call n + 1 does, so
that is tried only where it would cost money, and at the end.
"""

from __future__ import annotations

import boto3
import pytest
from launch_stages import answers, contents, main_job, photographs

from gt_workflow.adapters.aws import GroundTruth, client_config
from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.s3_storage import S3Storage
from gt_workflow.testing import mock_ground_truth


class Killed(BaseException):
    """The process is gone."""


class Account:
    """Clients of one mocked account that count their calls, and kill at the one that is named."""

    def __init__(self, service):
        self.service = service
        self.calls = []
        self.kill = (0, "")
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
        self.s3, self.sagemaker = (
            boto3.client(name, config=client_config(), **keys) for name in ("s3", "sagemaker")
        )
        for client in (self.s3, self.sagemaker):
            client.meta.events.register_first("before-send", self._before)
            client.meta.events.register_last("after-call", self._after)
        self.storage = S3Storage(self.s3)

    def _before(self, event_name, **_):
        self.calls.append(event_name.rpartition(".")[2])
        self._die("before")

    def _after(self, **_):
        self._die("after")

    def _die(self, moment):
        if self.kill == (len(self.calls), moment):
            raise Killed

    def begin(self, kill=(0, "")):
        """Begin with an empty bucket, and no job."""
        self.calls, self.kill = [], (0, "")
        held = self.s3.list_objects_v2(Bucket="lab").get("Contents", [])
        if held:
            keys = [{"Key": one["Key"]} for one in held]
            self.s3.delete_objects(Bucket="lab", Delete={"Objects": keys})
        self.service.reset()
        self.calls, self.kill = [], kill

    def run(self, folder):
        return main_job(
            folder,
            storage=self.storage,
            ground_truth=GroundTruth(self.sagemaker),
            clock=ManualClock(),
        )

    def jobs(self):
        self.kill = (0, "")
        found = self.sagemaker.list_labeling_jobs()["LabelingJobSummaryList"]
        return [one["LabelingJobName"] for one in found]


@pytest.fixture(scope="module")
def account():
    with mock_ground_truth(answers=answers) as service:
        made = Account(service)
        made.s3.create_bucket(Bucket="lab")
        yield made


def test_killed_at_every_call_there_is_one_job_and_the_same_output(account, tmp_path):
    folder = photographs(tmp_path / "photographs", 2)
    account.begin()
    name = account.run(folder)
    calls = list(account.calls)
    expected = contents(account.storage)
    assert {"CreateLabelingJob", "DescribeLabelingJob", "PutObject", "GetObject"} <= set(calls)
    assert any("channels" in uri for uri in expected)
    costly = calls.index("CreateLabelingJob") + 1
    kills = [(number, "before") for number in range(1, len(calls) + 1)]
    for number, moment in [*kills, (costly, "after"), (len(calls), "after")]:
        place = f"{moment} call {number} of {len(calls)}, {calls[number - 1]}"
        account.begin(kill=(number, moment))
        with pytest.raises(Killed):
            account.run(folder)
        there = number > costly or (number, moment) == (costly, "after")
        assert account.jobs() == ([name] if there else []), place
        assert account.run(folder) == name, place
        assert account.jobs() == [name], place
        assert contents(account.storage) == expected, place
