"""A detector's training: channel blocks, hyperparameters and requests, as plain dicts."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from gt_workflow.errors import UsageError

Form: TypeAlias = Literal["recordio", "image", "manifest"]

# Every default of the algorithm but those that differ between its documentation and its
# container, as the documentation has them (developer guide, "Object Detection
# Hyperparameters"). The container's own default of use_pretrained_model was seen to be 0.
# Left out: freeze_layer_pattern and kv_store, whose default is to be absent.
_HYPERPARAMETERS: Final = MappingProxyType(
    {
        "base_network": "vgg-16",
        "use_pretrained_model": "1",
        "image_shape": "300",
        "epochs": "30",
        "learning_rate": "0.001",
        "lr_scheduler_step": "",
        "lr_scheduler_factor": "0.1",
        "optimizer": "sgd",
        "momentum": "0.9",
        "weight_decay": "0.0005",
        "nms_threshold": "0.45",
        "overlap_threshold": "0.5",
        "early_stopping": "False",
        "early_stopping_min_epochs": "10",
        "early_stopping_patience": "5",
        "early_stopping_tolerance": "0.0",
    }
)
_DEFAULT_BATCH: Final = 32
_SHUFFLE_SEED: Final = 1


def hyperparameters(*, classes: int, samples: int, label_width: int) -> dict[str, str]:
    """Return the HyperParameters of a CreateTrainingJob request, every one explicit.

    `samples` counts what the train channel really holds, `label_width` is 2 + 5 x the most boxes
    on one image of either channel. A batch is never larger than the channel. `UsageError` if one
    of them is below 1.
    """
    for name, value in (("classes", classes), ("samples", samples), ("label_width", label_width)):
        if value < 1:
            raise UsageError(f"{name} is {value}; a training job needs at least 1")
    return {
        "num_classes": str(classes),
        "num_training_samples": str(samples),
        "label_width": str(label_width),
        "mini_batch_size": str(min(_DEFAULT_BATCH, samples)),
        **_HYPERPARAMETERS,
    }


def input_data_config(
    form: Form,
    *,
    train_uri: str,
    validation_uri: str,
    train_annotation_uri: str | None = None,
    validation_annotation_uri: str | None = None,
    attribute: str | None = None,
    content_type: str = "application/x-image",
) -> list[dict[str, Any]]:
    """Return the InputDataConfig of a CreateTrainingJob request for channels of one form.

    `recordio` and `image` take folders (a slash is added: a bare `train` would match
    `train_annotation` too), `manifest` the two manifests. `image` needs the annotation folders
    and may say `image/jpeg` or `image/png` if all are of that type; `manifest` needs the label
    attribute. `UsageError` if something is missing.
    """
    if form == "manifest":
        if not attribute:
            raise UsageError("a manifest channel needs the label attribute's name")
        return [
            # Without a seed every epoch would see the lines in the same order.
            _manifest_channel("train", train_uri, attribute)
            | {"ShuffleConfig": {"Seed": _SHUFFLE_SEED}},
            _manifest_channel("validation", validation_uri, attribute),
        ]
    if form == "recordio":
        return [
            _folder_channel("train", train_uri, "application/x-recordio"),
            _folder_channel("validation", validation_uri, "application/x-recordio"),
        ]
    if not train_annotation_uri or not validation_annotation_uri:
        raise UsageError("image channels need the folders of their annotations")
    # The annotation channels are declared as images too; the algorithm wants it so.
    return [
        _folder_channel("train", train_uri, content_type),
        _folder_channel("validation", validation_uri, content_type),
        _folder_channel("train_annotation", train_annotation_uri, content_type),
        _folder_channel("validation_annotation", validation_annotation_uri, content_type),
    ]


def _folder_channel(name: str, uri: str, content_type: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri if uri.endswith("/") else f"{uri}/",
                "S3DataDistributionType": "FullyReplicated",
            }
        },
        "ContentType": content_type,
        "CompressionType": "None",
        "RecordWrapperType": "None",
        "InputMode": "File",
    }


def _manifest_channel(name: str, uri: str, attribute: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "AugmentedManifestFile",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
                # The image first: the order is that of the frames in the pipe.
                "AttributeNames": ["source-ref", attribute],
            }
        },
        "ContentType": "application/x-recordio",
        "CompressionType": "None",
        "RecordWrapperType": "RecordIO",
        "InputMode": "Pipe",
    }
