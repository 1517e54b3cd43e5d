"""Ground Truth in your own tests: labeling jobs that run inside moto, and workers who answer.

    from gt_workflow.testing import mock_ground_truth

    @mock_ground_truth
    def test_my_pipeline(ground_truth):
        create_my_bucket_and_job()  # plain boto3: s3 is moto's, create_labeling_job is ours
        ground_truth.label("my-job", answers=lambda line: [
            {"label": "degu", "left": 4, "top": 3, "width": 20, "height": 10},
        ])
        # describe_labeling_job says Completed, and the output manifest lies in moto's S3

Everything is in this process: no port, no thread, no credentials, and a clock that moves when it
is told to. `mock_ground_truth` is a decorator and a context manager; for pytest there is the
fixture `ground_truth`, after `pytest_plugins = ["gt_workflow.testing.plugin"]` in a conftest.
"""

from __future__ import annotations

from gt_workflow.testing.mocking import mock_ground_truth
from gt_workflow.testing.service import GroundTruthService, Hand

__all__ = ["GroundTruthService", "Hand", "mock_ground_truth"]
