from __future__ import annotations

import pytest

from gt_workflow import config
from gt_workflow.errors import DataError, UsageError
from gt_workflow.workflow import templates


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
        (
            "[job]\nworker = 2",
            "gt.toml: job.worker: there is no such setting; did you mean job.workers? All are in",
        ),
        ("qqq = 2", "gt.toml: qqq: there is no such setting. All are in the file"),
        ('[job]\nworkers = "two"', "gt.toml: job.workers: a whole number, not 'two'"),
        ("[job]\nworkers = 1.5", "gt.toml: job.workers: a whole number, not 1.5"),
        ("job = 3", "gt.toml: job: a table, not 3"),
        ('labels = "degu"', "gt.toml: labels: a list of texts, not 'degu'"),
        ("labels = [1]", "gt.toml: labels: a list of texts, not [1]"),
        ("photographs = 1", "gt.toml: photographs: a text, not 1"),
        ("backend = 1", "gt.toml: backend: is embedded or aws, not 1"),
        ("[augment]\nexpand = 1", "gt.toml: augment.expand: true or false, not 1"),
        (
            "[channels]\ndistance = 99",
            "gt.toml: channels.distance: a whole number from -1 to 12, not 99",
        ),
        (
            '[channels]\nforms = ["coco"]',
            "gt.toml: channels.forms: is recordio, image or manifest, not 'coco'",
        ),
    ],
)
def test_a_bad_file_is_named_with_the_setting(text, said):
    with pytest.raises(UsageError) as caught:
        config.load(text=text)
    assert str(caught.value).startswith(said)


def test_a_file_that_is_no_toml_is_bad_data():
    with pytest.raises(DataError, match=r"gt\.toml: is no valid TOML"):
        config.load(text="labels = [")


def test_a_bad_flag_is_a_usage_error():
    with pytest.raises(UsageError, match=r"job\.workers"):
        config.load(flags={"job.workers": "many"})


def test_every_setting_has_a_path():
    assert "job.task-time-limit" in config.setting_paths()
    assert "store.root" in config.setting_paths()


@pytest.mark.parametrize("share", ["7", "-0.1"])
def test_a_share_that_is_none_is_told_whether_or_not_it_is_used(share):
    with pytest.raises(UsageError, match="GT_COST_MACHINE_SHARE: a number from 0 to 1, not"):
        config.load(environment={"GT_COST_MACHINE_SHARE": share})


def test_a_settings_file_can_be_filled_with_any_flag():
    template = templates.load(templates.SETTINGS)
    values = {int: 7, float: 0.5, str: 'a "ß"\\', bool: True, tuple: ["x", "y"]}
    flags = {}
    for path in config.setting_paths():
        default = config.Settings()
        for name in path.replace("-", "_").split("."):
            default = getattr(default, name)
        flags[path] = values[type(default)]
    flags |= {
        "backend": "aws",
        "duplicates": "drop",
        "workers.kind": "simulated",
        "channels.forms": ["image"],
        "channels.images": "trust",
        "augment.box-fit": "ellipse",
    }
    filled = config.fill(template, flags, written={})
    assert config.load(text=filled) == config.load(flags=flags)
    assert filled.count("\n") == template.count("\n")
    assert config.fill(template, {"labels": None}, written={}) == template
