from __future__ import annotations

import pytest

from gt_workflow import config
from gt_workflow.errors import DataError, UsageError


def test_nothing_given_means_the_defaults():
    assert config.load() == config.Settings()


def test_flags_win_over_environment_and_environment_over_the_file():
    text = 'labels = ["a"]\n[job]\nworkers = 2\ntask-time-limit = 60\n[store]\nroot = "file"\n'
    settings = config.load(
        text=text,
        environment={"GT_JOB_TASK_TIME_LIMIT": "90", "GT_STORE_ROOT": "env", "GT_SHARED": "x"},
        flags={"store.root": "flag", "labels": None},
    )
    assert settings.labels == ("a",)
    assert settings.job.workers == 2
    assert settings.job.task_time_limit == 90
    assert settings.store.root == "flag"


def test_lists_in_the_environment_are_written_with_commas():
    settings = config.load(environment={"GT_LABELS": "degu,wheel", "GT_CHANNELS_FORMS": "image"})
    assert settings.labels == ("degu", "wheel")
    assert settings.channels.forms == ("image",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[job]\nworker = 2", "gt.toml: job: Object contains unknown field `worker`"),
        ('[job]\nworkers = "two"', "gt.toml: job.workers: Expected `int`, got `str`"),
        ("labels = [", "gt.toml: is no valid TOML"),
        (
            '[channels]\nforms = ["coco"]',
            "gt.toml: channels.forms: is recordio, image or manifest, not 'coco'",
        ),
    ],
)
def test_a_bad_file_is_named_with_the_setting(text, said):
    with pytest.raises(DataError) as caught:
        config.load(text=text)
    assert str(caught.value).startswith(said)


def test_a_bad_flag_is_a_usage_error():
    with pytest.raises(UsageError, match=r"job\.workers"):
        config.load(flags={"job.workers": "many"})


def test_every_setting_has_a_path():
    assert "job.task-time-limit" in config.setting_paths()
    assert "store.root" in config.setting_paths()


@pytest.mark.parametrize("share", ["7", "-0.1"])
def test_a_share_that_is_none_is_told_whether_or_not_it_is_used(share):
    with pytest.raises(UsageError, match="GT_COST_MACHINE_SHARE: Expected `float`"):
        config.load(environment={"GT_COST_MACHINE_SHARE": share})
