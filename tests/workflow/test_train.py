"""A channel becomes exactly one training job, whatever happens in between."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from golden import assert_valid, service_model
from trainings import PLACE, Trainings, write_channel

from gt_workflow import config
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.adapters.storage import LocalFiles
from gt_workflow.errors import DataError, UsageError
from gt_workflow.workflow.training import train
from gt_workflow.workflow.training.channel import read_classes
from gt_workflow.workflow.training.train import TuneSettings

OUT = "s3://bucket/channels/degus"
MODEL = f"{OUT}/training/degus-0/output/model.tar.gz"


@pytest.fixture
def storage():
    made = MemoryStorage()
    for form in config.FORMS:
        write_channel(made, OUT, form)
    return made


def planned(storage, *, channels=OUT, flags=None, **arguments):
    settings = config.load(flags=flags or {})
    return train.plan(settings, channels, place=PLACE, storage=storage, **arguments)


def put(storage, uri, value):
    with storage.create(uri) as file:
        file.write(json.dumps(value).encode())


@pytest.mark.parametrize("form", config.FORMS)
@pytest.mark.parametrize("tune", [None, TuneSettings()])
def test_requests_by_botocores_model(storage, form, tune):
    found = planned(storage, form=form, tune=tune)
    operation = "CreateTrainingJob" if tune is None else "CreateHyperParameterTuningJob"
    shape = service_model("sagemaker").operation_model(operation).input_shape
    assert_valid(shape, found.request)
    job = found.request.get("TrainingJobDefinition", found.request)
    for block in job["InputDataConfig"]:
        assert block["DataSource"]["S3DataSource"]["S3Uri"].startswith(f"{OUT}/{form}/")
    mode = job["AlgorithmSpecification"]["TrainingInputMode"]
    assert mode == ("Pipe" if form == "manifest" else "File")
    assert job["OutputDataConfig"]["S3OutputPath"] == f"{OUT}/training"


@pytest.mark.parametrize(
    "channels", [OUT, f"{OUT}/", f"{OUT}/recordio", f"{OUT}/recordio/channel.json"]
)
def test_a_channel_is_found_by_its_folder_or_that_above(storage, channels):
    found = planned(storage, channels=channels)
    assert found.channel.uri == f"{OUT}/recordio/channel.json"
    assert found.name == planned(storage).name


def test_the_name_follows_from_what_is_trained(storage):
    name = planned(storage).name
    assert name.startswith("degus-")
    assert planned(storage, flags={"job.tags": ["a=b"]}).name == name
    assert planned(storage, flags={"training.hyperparameters": ["epochs=31"]}).name != name
    assert planned(storage, form="image").name != name
    write_channel(storage, OUT, images=161)
    assert planned(storage).name != name


def test_longest_names_are_those_that_aws_takes(storage):
    flags = {"name": "photographs of degus and of their wheels " * 4}
    for tune, longest in ((None, 63), (TuneSettings(), 32)):
        found = planned(storage, flags=flags, tune=tune)
        assert len(found.attempt(99)) <= longest


def test_spot_keeps_checkpoints(storage):
    found = planned(storage, flags={"training.spot": True, "training.max-runtime": 3600})
    assert found.request["EnableManagedSpotTraining"] is True
    assert found.request["StoppingCondition"]["MaxWaitTimeInSeconds"] == 7200
    where = f"{OUT}/training/{found.name}/checkpoints"
    assert found.request["CheckpointConfig"] == {"S3Uri": where}


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"training.instance-type": "ml.c5.xlarge"}, "training.instance-type"),
        ({"training.instance-count": 0}, "training.instance-count"),
        ({"training.volume-gb": 0}, "training.volume-gb"),
        ({"training.max-runtime": 2_419_201}, "28 days"),
        ({"training.spot": True, "training.max-wait": 60}, "training.max-wait"),
        ({"training.max-wait": 60}, "training.spot=true"),
        ({"training.subnets": ["subnet-1"]}, "name both or none"),
        ({"training.output": "models"}, "training.output"),
        ({"training.hyperparameters": ["epoch=3"]}, "epoch=3"),
        ({"job.tags": ["tag"]}, "job.tags"),
    ],
)
def test_what_sagemaker_would_refuse(storage, flags, reason):
    with pytest.raises(UsageError, match=reason):
        planned(storage, flags=flags)


def test_tuning_on_spot_capacity_is_short(storage):
    flags = {"training.spot": True, "training.max-runtime": 1800}
    found = planned(storage, flags=flags, tune=TuneSettings())
    assert "CheckpointConfig" not in found.request["TrainingJobDefinition"]
    with pytest.raises(UsageError, match="keep no checkpoints"):
        planned(storage, flags={"training.spot": True}, tune=TuneSettings())


def test_no_channel(storage):
    with pytest.raises(UsageError, match="there is no channel at s3://bucket/channels/none"):
        planned(storage, channels="s3://bucket/channels/none")
    with pytest.raises(UsageError, match="holds the form recordio, not image"):
        planned(storage, channels=f"{OUT}/recordio", form="image")


def test_a_channel_that_was_changed(storage):
    with storage.create(f"{OUT}/recordio/data") as file:
        file.write(b"other data")
    with pytest.raises(DataError, match="10 bytes instead of 4"):
        planned(storage)
    storage.delete(f"{OUT}/recordio/data")
    with pytest.raises(DataError, match="missing; convert again"):
        planned(storage)


def test_a_receipt_that_is_none(storage):
    put(storage, f"{OUT}/recordio/channel.json", {"form": "recordio"})
    with pytest.raises(DataError, match=r"channel\.json: is not as it was written"):
        planned(storage)


def test_a_folder_that_was_copied_to_s3_is_trained_on_where_it_lies(storage, tmp_path):
    write_channel(storage, "s3://copy/there", base="s3://BUCKET/PREFIX")
    found = planned(storage, channels="s3://copy/there")
    source = found.request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    assert source["S3Uri"] == "s3://copy/there/recordio/train/"
    write_channel(LocalFiles(), str(tmp_path / "out"), base="s3://BUCKET/PREFIX")
    with pytest.raises(UsageError, match="aws s3 sync"):
        planned(LocalFiles(), channels=str(tmp_path / "out"))


def test_created_once_and_recorded_before(storage):
    training, found = Trainings(), planned(storage)
    first = train.run(found, storage=storage, training=training)
    assert first.new
    assert training.requests == {found.name: found.request}
    with storage.open(first.record_uri) as file:
        record = json.loads(file.read())
    assert record["classes"] == ["degu", "wheel"]
    assert record["request"] == found.request
    second = train.run(planned(storage), storage=storage, training=training)
    assert (second.name, second.new) == (first.name, False)
    assert len(training.requests) == 1


@pytest.mark.parametrize("tune", [None, TuneSettings()])
@pytest.mark.parametrize("crash", ["before", "after"])
def test_killed_around_the_creation(storage, crash, tune):
    training, found = Trainings(), planned(storage, tune=tune)
    training.crash = crash
    with pytest.raises(KeyboardInterrupt):
        train.run(found, storage=storage, training=training)
    assert storage.exists(found.record_uri(found.name))
    training.crash = None
    again = train.run(planned(storage, tune=tune), storage=storage, training=training)
    assert (again.name, again.new) == (found.name, crash == "before")
    assert list(training.requests) == [found.name]


def test_killed_before_the_record(storage):
    training, found = Trainings(), planned(storage)

    class Full:
        def create(self, uri):
            raise KeyboardInterrupt(uri)

    with pytest.raises(KeyboardInterrupt):
        train.run(found, storage=Full(), training=training)
    assert training.requests == {}
    assert train.run(found, storage=storage, training=training).new


def test_two_at_once_are_one(storage):
    training, found = Trainings(), planned(storage)
    describe = training.describe

    def other_creates_first(name):
        try:
            return describe(name)
        finally:
            training.requests.setdefault(name, "the other's")

    training.describe = other_creates_first
    assert not train.run(found, storage=storage, training=training).new
    assert training.requests == {found.name: "the other's"}


@pytest.mark.parametrize("ended", ["Failed", "Stopped"])
def test_what_failed_is_tried_again_only_when_asked(storage, ended):
    training, found = Trainings(), planned(storage)
    train.run(found, storage=storage, training=training)
    training.status[found.name] = ended
    assert not train.run(found, storage=storage, training=training).new
    second = train.run(found, storage=storage, training=training, again=True)
    assert (second.name, second.new) == (f"{found.name}-2", True)
    assert training.requests[second.name]["TrainingJobName"] == second.name
    # One that is under way is never doubled, and it is the one that is followed from now on.
    for again in (True, False):
        third = train.run(found, storage=storage, training=training, again=again)
        assert (third.name, third.new) == (second.name, False)


def older(storage, **members):
    record = {
        "classes": ["degu", "wheel"],
        "hyperparameters": {"base_network": "vgg-16", "num_classes": "2"},
    }
    put(storage, f"{OUT}/training/degus-0/training.json", record | members)


def test_training_on_an_older_model(storage):
    older(storage)
    found = planned(storage, model=MODEL, form="manifest")
    block = found.request["InputDataConfig"][-1]
    assert block["ChannelName"] == "model"
    assert block["ContentType"] == "application/x-sagemaker-model"
    assert block["InputMode"] == "File"
    assert block["DataSource"]["S3DataSource"]["S3Uri"] == MODEL
    assert found.name != planned(storage, form="manifest").name


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"classes": ["wheel", "degu"]}, "has learnt the classes wheel, degu in this order"),
        ({"classes": ["degu"]}, "has learnt the classes degu in"),
        (
            {"hyperparameters": {"base_network": "resnet-50", "num_classes": "2"}},
            "its base_network is resnet-50",
        ),
    ],
)
def test_a_model_of_other_classes_is_refused(storage, members, reason):
    older(storage, **members)
    with pytest.raises(UsageError, match=reason):
        planned(storage, model=MODEL)


def test_a_model_whose_classes_nobody_knows_is_refused(storage):
    with pytest.raises(UsageError, match="the order of its classes is not known"):
        planned(storage, model=MODEL)
    with pytest.raises(UsageError, match="name a training job"):
        planned(storage, model="s3://bucket/model.bin")


def test_a_model_by_the_name_of_its_training():
    training = Trainings()
    training.answers = [
        {"TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts": MODEL}},
        {"TrainingJobStatus": "InProgress", "ModelArtifacts": {"S3ModelArtifacts": MODEL}},
    ]
    assert train.model_of(MODEL, training=training) == MODEL
    assert train.model_of("degus-0", training=training) == MODEL
    with pytest.raises(UsageError, match="InProgress and has no model"):
        train.model_of("degus-0", training=training)


def test_the_best_of_a_tuning_can_be_trained_on(storage):
    found = planned(storage, tune=TuneSettings())
    model = train.record_best(found, "best-1", {"learning_rate": "0.01"}, storage=storage)
    assert planned(storage, model=model).model == model
    assert read_classes(model, storage=storage) == ("degu", "wheel")


@pytest.mark.parametrize("uri", [OUT, f"{OUT}/image", f"{OUT}/image/channel.json"])
def test_classes_of_a_channel(storage, uri):
    assert read_classes(uri, storage=storage) == ("degu", "wheel")


def test_classes_of_nothing(storage):
    with pytest.raises(UsageError, match=r"holds neither a training's training.json nor"):
        read_classes("s3://bucket/none", storage=storage)


def test_no_role(storage):
    with pytest.raises(UsageError, match=r"aws\.role"):
        train.plan(config.load(), OUT, place=replace(PLACE, role_arn=""), storage=storage)
