"""The hyperparameters of the built-in Object Detection: every one, its range, its default.

Source: developer guide, "Object Detection Hyperparameters" and "Tune an Object Detection Model".
All are sent, as text, since the container's own defaults are not those of its documentation
(`use_pretrained_model` was seen to be 0 there). Absent by default are `freeze_layer_pattern`, and
`kv_store` on one machine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from gt_workflow.errors import UsageError


class Whole(Struct, frozen=True):
    """A whole number from `low` on."""

    low: int

    def accepts(self, text: str) -> bool:
        """Tell whether a text is such a number."""
        return bool(re.fullmatch(r"[0-9]{1,9}", text)) and int(text) >= self.low

    def __str__(self) -> str:
        return f"a whole number from {self.low} on"


class Real(Struct, frozen=True):
    """A number from `low` to `high`; an open end is not among them."""

    low: float
    high: float
    open_low: bool = True
    open_high: bool = False

    def accepts(self, text: str) -> bool:
        """Tell whether a text is such a number."""
        if not re.fullmatch(r"[0-9]*\.?[0-9]+([eE][-+]?[0-9]{1,3})?|[0-9]+\.", text):
            return False
        value = float(text)
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return math.isfinite(value) and above and below

    def __str__(self) -> str:
        start, end = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"a number in {start}{self.low:g}, {self.high:g}{end}"


class Choice(Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]

    def accepts(self, text: str) -> bool:
        """Tell whether a text is one of them."""
        return text in self.words

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}"


class Text(Struct, frozen=True):
    """A text of a form that `what` puts into words."""

    pattern: str
    what: str

    def accepts(self, text: str) -> bool:
        """Tell whether a text has that form."""
        return re.fullmatch(self.pattern, text) is not None

    def __str__(self) -> str:
        return self.what


TABLE: Final[Mapping[str, Whole | Real | Choice | Text]] = MappingProxyType(
    {
        "num_classes": Whole(1),
        "num_training_samples": Whole(1),
        "label_width": Whole(7),
        "mini_batch_size": Whole(1),
        "base_network": Choice(("vgg-16", "resnet-50")),
        "use_pretrained_model": Choice(("0", "1")),
        "image_shape": Whole(300),
        "epochs": Whole(1),
        "learning_rate": Real(0, 1),
        "lr_scheduler_step": Text("|[1-9][0-9]*(,[1-9][0-9]*)*", 'epochs, as in "10,20"'),
        "lr_scheduler_factor": Real(0, 1, open_high=True),
        "optimizer": Choice(("sgd", "adam", "rmsprop", "adadelta")),
        "momentum": Real(0, 1),
        "weight_decay": Real(0, 1, open_high=True),
        "nms_threshold": Real(0, 1),
        "overlap_threshold": Real(0, 1),
        "freeze_layer_pattern": Text(".{1,2500}", "a regular expression of layer names"),
        "kv_store": Choice(("dist_sync", "dist_async")),
        "early_stopping": Choice(("True", "False")),
        "early_stopping_min_epochs": Whole(1),
        "early_stopping_patience": Whole(1),
        "early_stopping_tolerance": Real(0, 1, open_low=False),
    }
)

_DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
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
_COMPUTED: Final = ("num_classes", "num_training_samples")


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
        **_DEFAULTS,
    }


def overridden(
    computed: Mapping[str, str], assignments: Iterable[str], *, machines: int = 1
) -> dict[str, str]:
    """Lay `KEY=VALUE` texts over the computed hyperparameters; `UsageError` names a wrong one.

    What the channel decides cannot be set; `label_width` may be made wider. With several machines
    `kv_store` is `dist_sync` if nothing else is said.
    """
    found = dict(computed)
    if machines > 1:
        found["kv_store"] = "dist_sync"
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or name not in TABLE:
            known = ", ".join(name for name in TABLE if name not in _COMPUTED)
            raise UsageError(f"hyperparameter {assignment!r}: KEY=VALUE with KEY one of {known}")
        if not TABLE[name].accepts(value):
            raise UsageError(f"hyperparameter {name} is {TABLE[name]}, not {value!r}")
        if name in _COMPUTED and value != found[name]:
            raise UsageError(f"hyperparameter {name} is {found[name]}: the channel decides it")
        found[name] = value
    _agree(found, computed, machines)
    return found


def _agree(found: Mapping[str, str], computed: Mapping[str, str], machines: int) -> None:
    """Raise UsageError for what the channel or the machines do not allow."""
    if int(found["label_width"]) < int(computed["label_width"]):
        raise UsageError(
            f"hyperparameter label_width is at least {computed['label_width']}: the image with the "
            "most boxes needs it"
        )
    if int(found["mini_batch_size"]) > int(found["num_training_samples"]):
        raise UsageError(
            f"hyperparameter mini_batch_size is at most {found['num_training_samples']}, the "
            "number of training images"
        )
    if "kv_store" in found and machines == 1:
        raise UsageError(
            "hyperparameter kv_store is for several machines (training.instance-count)"
        )
