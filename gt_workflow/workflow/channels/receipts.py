"""A form's `channel.json`: what a training job has to be told, and the receipt of the form.

It is written last. A run that finds one of its own digest leaves the form alone. While a form is
being written `unfinished.json` stands in its place, so that what an interrupted run left behind
is known as ours and cleared away: a stale image under a channel's prefix would be trained on. From
then on the form's folder is convert's own, and whatever else comes to lie in it is deleted when the
form is written again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from gt_workflow.config import Form
from gt_workflow.core import recordio
from gt_workflow.core.split import SIDES, Side
from gt_workflow.core.training.requests import hyperparameters, input_data_config
from gt_workflow.errors import ObjectNotFoundError, StorageError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.channels import report
from gt_workflow.workflow.channels.labels import ChannelClass
from gt_workflow.workflow.channels.survey import SideCounts
from gt_workflow.workflow.channels.writers import Forms

VERSION = 3
"""Counts up when the same manifest and settings would give other bytes."""

_DIGEST = re.compile("[0-9a-f]{64}")
_CHECKED = 64  # records whose places are looked at; in S3 each is a request

PLACEHOLDER = "s3://BUCKET/PREFIX"
"""Stands for the address to which a folder will be copied, where that was not said."""


def receipt_uri(out: str, form: Form) -> str:
    """Name a form's receipt."""
    return f"{out}/{form}/channel.json"


def _marker_uri(out: str, form: Form) -> str:
    return f"{out}/{form}/unfinished.json"


def written(out: str, forms: Iterable[Form]) -> Iterator[str]:
    """Name the files that a run writes whatever the images are called."""
    yield from report.uris(out)
    for form in forms:
        yield from (receipt_uri(out, form), _marker_uri(out, form))
        yield from (f"{out}/{path}" for path in Forms(out, (form,), "", ()).shared(form))


def digest_of(members: Mapping[str, Any]) -> str:
    """Hash what decides about a form's bytes."""
    encoded = msgspec.json.encode({**members, "version": VERSION}, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()


def describe(
    form: Form,
    *,
    base: str,
    attribute: str,
    classes: tuple[ChannelClass, ...],
    sides: Mapping[Side, SideCounts],
    content_type: str,
) -> dict[str, Any]:
    """Say what training on a form takes: classes, exact counts, request blocks to paste.

    `base` is the address under which the form will be read.
    """
    width = label_width(sides.values())
    if form == "manifest":
        uris = {f"{side}_uri": f"{base}/manifest/{side}.manifest" for side in SIDES}
        channels = input_data_config(form, **uris, attribute=attribute)
    elif form == "recordio":
        uris = {f"{side}_uri": f"{base}/recordio/{side}/" for side in SIDES}
        channels = input_data_config(form, **uris)
    else:
        folders = [*SIDES, *(f"{side}_annotation" for side in SIDES)]
        uris = {f"{folder}_uri": f"{base}/image/{folder}/" for folder in folders}
        channels = input_data_config(form, **uris, content_type=content_type)
    return {
        "form": form,
        "attribute": attribute,
        "classes": [entry.to_dict() for entry in classes],
        **{side: sides[side].to_dict(classes) for side in SIDES},
        "label_width": width,
        "training_input_mode": "Pipe" if form == "manifest" else "File",
        "hyperparameters": hyperparameters(
            classes=len(classes), samples=sides["train"].images, label_width=width
        ),
        "input_data_config": channels,
    }


def label_width(sides: Iterable[SideCounts]) -> int:
    """Compute how many floats the widest label has; the container's default is 350."""
    most = max((counts.most_boxes for counts in sides), default=0)
    return recordio.HEADER_WIDTH + recordio.OBJECT_WIDTH * max(most, 1)


def finished(storage: Storage, out: str, form: Form, digest: str) -> dict[str, Any] | None:
    """Return a form's receipt if this very form was written before and its files still stand."""
    receipt = _read(storage, receipt_uri(out, form))
    if receipt is None or receipt.get("digest") != digest:
        return None
    files: dict[str, int] = receipt["files"]
    for path, size in files.items():
        try:
            if storage.stat(f"{out}/{path}").size != size:
                return None
        except ObjectNotFoundError:
            return None
    # A run may have been killed between its last two steps.
    storage.delete(_marker_uri(out, form))
    return receipt


def _read(storage: Storage, uri: str) -> dict[str, Any] | None:
    """Read a receipt; None if there is none, or something that is none of ours."""
    try:
        with storage.open(uri) as file:
            found = msgspec.json.decode(file.read())
    except (ObjectNotFoundError, msgspec.DecodeError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("files"), dict):
        return None
    digest = found.get("digest")
    return found if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


def refuse_strangers(storage: Storage, out: str, form: Form) -> None:
    """Raise UsageError if a form's folder has files that no run of ours wrote."""
    if _read(storage, receipt_uri(out, form)) or storage.exists(_marker_uri(out, form)):
        return
    if (stranger := next(_listed(storage, f"{out}/{form}/"), None)) is not None:
        raise UsageError(
            f"{stranger} was not written by convert, and what lies in a channel's folder is "
            "trained on; choose an empty folder with --out"
        )


def notes_folder(out: str, form: Form) -> str:
    """Name the folder of an unfinished run's notes; `finish` clears it away."""
    return f"{out}/{form}/unfinished"


def begin(storage: Storage, out: str, form: Form, digest: str) -> None:
    """Claim a form's folder: mark it unfinished and take back its receipt."""
    with storage.create(_marker_uri(out, form)) as file:
        file.write(msgspec.json.encode({"digest": digest}) + b"\n")
    storage.delete(receipt_uri(out, form))


def finish(
    storage: Storage, out: str, form: Form, receipt: Mapping[str, Any], *, also: set[str]
) -> None:
    """Check what was written, clear away what an older run left, write the receipt.

    `also` are the paths under `out` that are not in the receipt's `files`.
    """
    files: Mapping[str, int] = receipt["files"]
    for path, size in files.items():
        if (stored := storage.stat(f"{out}/{path}").size) != size:
            raise StorageError(f"{stored} bytes of {size} were stored", uri=f"{out}/{path}")
        if path.endswith(".rec"):
            side = path.rpartition("/")[2].removesuffix(".rec")
            _check_frames(storage, f"{out}/{path}", f"{out}/recordio/index/{side}.idx")
    marker, final = _marker_uri(out, form), receipt_uri(out, form)
    keep = {marker, final, *(f"{out}/{path}" for path in (*files, *also))}
    for stale in [uri for uri in _listed(storage, f"{out}/{form}/") if uri not in keep]:
        storage.delete(stale)
    with storage.create(final) as file:
        file.write(msgspec.json.format(msgspec.json.encode(receipt), indent=2) + b"\n")
    storage.delete(marker)


def _check_frames(storage: Storage, uri: str, index: str) -> None:
    """Read heads of records back at `_CHECKED` places of the index, the last one among them."""
    with storage.open(index) as lines:
        count = sum(1 for _ in lines)
    step = max(1, count // _CHECKED)
    with storage.open(uri) as file, storage.open(index) as lines:
        offset = -1
        for number, line in enumerate(lines):
            place = int(line.split(b"\t")[1])
            if offset >= 0:
                recordio.check_place(file, offset, place, uri=uri)
            offset = place if number % step == 0 or number == count - 1 else -1
        recordio.check_place(file, offset, file.seek(0, 2), uri=uri)


def _listed(storage: Storage, prefix: str) -> Iterator[str]:
    try:
        for found in storage.list(prefix):
            yield found.uri
    except ObjectNotFoundError:
        return  # no bucket or folder yet
