"""What a training is given: a channel that `convert` wrote, and an older model to go on from.

A channel's `channel.json` tells classes, counts and addresses. A trained model's `training.json`,
beside its output, tells the same of the channel it was trained on; so the two can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from gt_workflow.config import FORMS, Form
from gt_workflow.errors import DataError, ObjectNotFoundError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels.receipts import PLACEHOLDER, receipt_uri

MODEL = "/output/model.tar.gz"
RECORD = "training.json"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel to train on; `classes` are names in the order of their ids.

    `blocks` are the InputDataConfig, `hyperparameters` those that the channel decides and the
    algorithm's defaults, `digest` stands for the channel's bytes.
    """

    uri: str
    form: Form
    classes: tuple[str, ...]
    samples: int
    hyperparameters: Mapping[str, str]
    blocks: tuple[Mapping[str, Any], ...]
    digest: str


class _Class(msgspec.Struct):
    name: str


class _Side(msgspec.Struct):
    images: int


class _Receipt(msgspec.Struct):
    """The part of a `channel.json` that training reads."""

    form: Form
    classes: list[_Class]
    train: _Side
    validation: _Side
    hyperparameters: dict[str, str]
    input_data_config: list[dict[str, Any]]
    files: dict[str, int]
    digest: str


def read_channel(channels: str, *, form: Form | None, storage: Storage) -> Channel:
    """Read the channel that lies at `channels`: what `convert --out` named, or one form in it.

    Without `form` the first that stands there is taken: RecordIO, images, manifests. Addresses are
    as `convert` wrote them; a folder that was copied to S3 later is trained on where it lies now.
    Raises `UsageError` if there is no channel or it is not in S3, `DataError` for one that is
    broken or whose files are not those that were written.
    """
    folder = channels.rstrip("/").removesuffix("/channel.json")
    last = folder.rpartition("/")[2]
    found = next((known for known in FORMS if known == last), None)
    if found is not None and storage.exists(f"{folder}/channel.json"):
        if form not in {None, found}:
            raise UsageError(f"{channels} holds the form {found}, not {form}")
        form, folder = found, folder.rpartition("/")[0]
    if form is None:
        form = next((f for f in FORMS if storage.exists(receipt_uri(folder, f))), None)
    if form is None or not storage.exists(uri := receipt_uri(folder, form)):
        what = "channel" if form is None else f"channel of the form {form}"
        raise UsageError(f"there is no {what} at {channels}; `convert` writes them, with --out")
    receipt = _decode(uri, _Receipt, storage)
    blocks = tuple(_placed(block, folder, uri) for block in receipt.input_data_config)
    if folder.startswith("s3://"):
        _check_files(folder, receipt, storage)
    return Channel(
        uri=uri,
        form=form,
        classes=tuple(entry.name for entry in receipt.classes),
        samples=receipt.train.images,
        hyperparameters=receipt.hyperparameters,
        blocks=blocks,
        digest=receipt.digest,
    )


def _placed(block: Mapping[str, Any], folder: str, uri: str) -> Mapping[str, Any]:
    """Return a channel block with the address that the channel has now."""
    try:
        source = dict(block["DataSource"]["S3DataSource"])
        address = str(source["S3Uri"])
    except (KeyError, TypeError):
        raise DataError("has no address", uri=uri, field="input_data_config") from None
    if address.startswith(PLACEHOLDER):
        if not folder.startswith("s3://"):
            raise UsageError(
                f"a training reads its channels from S3, and {folder} is a folder of this machine: "
                f"copy it (aws s3 sync {folder} s3://BUCKET/PREFIX) and name that address, or "
                "convert with --out s3://BUCKET/PREFIX"
            )
        source["S3Uri"] = folder + address.removeprefix(PLACEHOLDER)
    return {**block, "DataSource": {"S3DataSource": source}}


def _check_files(folder: str, receipt: _Receipt, storage: Storage) -> None:
    """Raise DataError for a file that is not the one that was written: it would be trained on."""
    for path, size in receipt.files.items():
        uri = f"{folder}/{path}"
        try:
            stored = storage.stat(uri).size
        except ObjectNotFoundError:
            raise DataError("the channel's file is missing; convert again", uri=uri) from None
        if stored != size:
            raise DataError(
                f"the channel's file has {stored} bytes instead of {size}; convert again", uri=uri
            )


class _Identity(msgspec.Struct):
    """The part of a `training.json` that later trainings and predictions read."""

    classes: list[str]
    hyperparameters: dict[str, str]


def check_model(model: str, channel: Channel, chosen: Mapping[str, str], storage: Storage) -> None:
    """Raise UsageError if an older model's network cannot go on with this channel.

    The numbers that a network gives are the places of the classes: another order would be learnt
    without any error, and wrongly.
    """
    if not model.endswith(MODEL):
        raise UsageError(f"--from {model}: name a training job, or the address of a model.tar.gz")
    record = f"{model.removesuffix(MODEL)}/{RECORD}"
    if not storage.exists(record):
        raise UsageError(
            f"--from {model}: there is no {record}, so the order of its classes is not known; only "
            "models that `train` made can be trained on"
        )
    known = _decode(record, _Identity, storage)
    if tuple(known.classes) != channel.classes:
        raise UsageError(
            f"--from {model}: it has learnt the classes {', '.join(known.classes)} in this order, "
            f"and the channel has {', '.join(channel.classes)}; convert with the older order"
        )
    for name in ("base_network", "num_classes"):
        if known.hyperparameters.get(name) != chosen[name]:
            raise UsageError(
                f"--from {model}: its {name} is {known.hyperparameters.get(name)}, and this "
                f"training's would be {chosen[name]}; both must be the same"
            )


def read_classes(uri: str, *, storage: Storage) -> tuple[str, ...]:
    """Return the names of the classes in the order of their ids.

    `uri` is a `training.json`, a `model.tar.gz` beside one, a `channel.json`, or a folder that
    holds one of the two. Raises `UsageError` if there is none, `DataError` if it is broken.
    """
    base = uri.rstrip("/").removesuffix(MODEL)
    places = [base] if base.endswith(".json") else [f"{base}/{RECORD}", f"{base}/channel.json"]
    places += [] if base.endswith(".json") else [receipt_uri(base, form) for form in FORMS]
    for place in places:
        if storage.exists(place):
            if place.endswith(f"/{RECORD}"):
                return tuple(_decode(place, _Identity, storage).classes)
            return tuple(entry.name for entry in _decode(place, _Receipt, storage).classes)
    raise UsageError(f"{uri} holds neither a training's {RECORD} nor a channel's channel.json")


def _decode(uri: str, kind: type[_T], storage: Storage) -> _T:
    with storage.open(uri) as file:
        data = file.read()
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"is not as it was written: {error}", uri=uri) from error
