"""The algorithm's table: what may be set, what the channel decides, what may be searched."""

from __future__ import annotations

import pytest

from gt_workflow.core.training import hyperparameters as table
from gt_workflow.core.training import tuning
from gt_workflow.core.training.hyperparameters import hyperparameters, overridden
from gt_workflow.errors import UsageError

COMPUTED = hyperparameters(classes=2, samples=160, label_width=52)


def test_every_default_is_in_the_table_and_in_range():
    for name, value in COMPUTED.items():
        assert table.TABLE[name].accepts(value), name
    assert set(table.TABLE) - set(COMPUTED) == {"kv_store", "freeze_layer_pattern"}


@pytest.mark.parametrize(
    "assignment",
    [
        "epochs=100",
        "learning_rate=1e-4",
        "learning_rate=1",
        "base_network=resnet-50",
        "image_shape=512",
        "lr_scheduler_step=10,20",
        "early_stopping=True",
        "early_stopping_tolerance=0",
        "freeze_layer_pattern=^(conv1_|conv2_).*",
        "label_width=350",
        "mini_batch_size=160",
        "num_classes=2",
    ],
)
def test_what_is_in_range_is_set(assignment):
    name, _, value = assignment.partition("=")
    assert overridden(COMPUTED, [assignment])[name] == value


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ("epoch=3", "KEY one of .*epochs"),
        ("epochs", "KEY=VALUE"),
        ("epochs=0", "epochs is a whole number from 1 on, not '0'"),
        ("epochs=3.5", "epochs"),
        ("epochs=٣", "epochs"),
        ("image_shape=299", "image_shape"),
        ("learning_rate=0", r"learning_rate is a number in \(0, 1\]"),
        ("learning_rate=nan", "learning_rate"),
        ("learning_rate=1.01", "learning_rate"),
        ("weight_decay=1", r"weight_decay is a number in \(0, 1\)"),
        ("optimizer=SGD", "optimizer is one of sgd, adam"),
        ("early_stopping=true", "early_stopping is one of True, False"),
        ("lr_scheduler_step=10;20", "lr_scheduler_step"),
        ("num_classes=3", "num_classes is 2: the channel decides"),
        ("num_training_samples=159", "num_training_samples is 160"),
        ("label_width=51", "label_width is at least 52"),
        ("mini_batch_size=161", "mini_batch_size is at most 160"),
        ("kv_store=dist_sync", "several machines"),
    ],
)
def test_what_is_not_is_named(assignment, named):
    with pytest.raises(UsageError, match=named):
        overridden(COMPUTED, [assignment])


def test_several_machines_agree_after_every_batch():
    assert overridden(COMPUTED, [], machines=2)["kv_store"] == "dist_sync"
    assert overridden(COMPUTED, ["kv_store=dist_async"], machines=2)["kv_store"] == "dist_async"


def test_what_matters_most_is_searched_unasked():
    names = [entry.name for entry in tuning.ranges([], samples=1000)]
    assert names == ["learning_rate", "mini_batch_size", "optimizer"]


def test_a_batch_is_searched_up_to_the_number_of_images():
    found = {entry.name: entry.values for entry in tuning.ranges([], samples=20)}
    assert found["mini_batch_size"] == ("8", "20")
    assert "mini_batch_size" not in {entry.name for entry in tuning.ranges([], samples=5)}


def test_ranges_are_as_asked():
    found = tuning.ranges(["learning_rate=1e-4:1e-2", "optimizer=sgd,adam"], samples=100)
    assert [entry.to_request() for entry in found] == [
        {
            "Name": "learning_rate",
            "MinValue": "1e-4",
            "MaxValue": "1e-2",
            "ScalingType": "Logarithmic",
        },
        {"Name": "optimizer", "Values": ["sgd", "adam"]},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "epochs=10:20",
        "learning_rate",
        "learning_rate=0.1",
        "learning_rate=0.1:0.01",
        "learning_rate=0.1:0.6",
        "learning_rate=a:b",
        "learning_rate=nan:nan",
        "mini_batch_size=8.5:16",
        "mini_batch_size=8:64",
        "optimizer=sgd,sgd",
        "optimizer=lion",
    ],
)
def test_what_the_algorithm_does_not_tune_is_refused(text):
    with pytest.raises(UsageError, match=r"--range"):
        tuning.ranges([text], samples=50)


@pytest.mark.parametrize(("jobs", "parallel"), [(0, 1), (751, 1), (3, 4), (3, 0), (200, 101)])
def test_numbers_of_trainings(jobs, parallel):
    with pytest.raises(UsageError, match=r"--jobs|--parallel"):
        tuning.check_jobs(jobs, parallel)
