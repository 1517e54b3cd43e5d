"""What a tuning of the built-in Object Detection may search, and how much.

Source: developer guide, "Tune an Object Detection Model" (the ranges, the only metric) and
"Resource limits for automatic model tuning" (the numbers of jobs).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from gt_workflow.errors import UsageError

OBJECTIVE: Final = "validation:mAP"
MOST_JOBS: Final = 750
MOST_PARALLEL: Final = 100

Kind: TypeAlias = Literal["Integer", "Continuous", "Categorical"]


class Range(Struct, frozen=True):
    """Where one hyperparameter is searched: from `values[0]` to `values[1]`, or among `values`."""

    name: str
    kind: Kind
    values: tuple[str, ...]

    def to_request(self) -> dict[str, Any]:
        """Return the member of `ParameterRanges`."""
        if self.kind == "Categorical":
            return {"Name": self.name, "Values": list(self.values)}
        low, high = self.values
        # A logarithm spreads the trials evenly over magnitudes; it needs a start above zero.
        wide = self.kind == "Continuous" and float(low) > 0 and float(high) / float(low) >= 100
        return {
            "Name": self.name,
            "MinValue": low,
            "MaxValue": high,
            "ScalingType": "Logarithmic" if wide else "Auto",
        }


# The widest ranges that are recommended; the first three matter most and are searched unasked.
RANGES: Final[Mapping[str, Range]] = MappingProxyType(
    {
        "learning_rate": Range("learning_rate", "Continuous", ("1e-6", "0.5")),
        "mini_batch_size": Range("mini_batch_size", "Integer", ("8", "64")),
        "optimizer": Range("optimizer", "Categorical", ("sgd", "adam", "rmsprop", "adadelta")),
        "momentum": Range("momentum", "Continuous", ("0.0", "0.999")),
        "weight_decay": Range("weight_decay", "Continuous", ("0.0", "0.999")),
    }
)
_UNASKED: Final = ("learning_rate", "mini_batch_size", "optimizer")


def ranges(texts: Iterable[str], *, samples: int) -> tuple[Range, ...]:
    """Return the ranges to search: `NAME=LOW:HIGH` or `NAME=WORD,WORD`, else the recommended ones.

    A batch is never larger than the `samples` images of the train channel. `UsageError` names a
    range that the algorithm does not tune over.
    """
    found = [_parse(text) for text in texts]
    if not found:
        found = [_capped(RANGES[name], samples) for name in _UNASKED]
        found = [entry for entry in found if entry.values[0] != entry.values[-1]]
    names = [entry.name for entry in found]
    if len(set(names)) < len(names):
        raise UsageError("--range: name each hyperparameter once")
    for entry in found:
        if entry.name == "mini_batch_size" and int(entry.values[1]) > samples:
            raise UsageError(f"--range mini_batch_size: at most {samples}, the training images")
    return tuple(found)


def _capped(entry: Range, samples: int) -> Range:
    if entry.name != "mini_batch_size":
        return entry
    low, high = (str(min(int(value), samples)) for value in entry.values)
    return Range(entry.name, entry.kind, (low, high))


def _parse(text: str) -> Range:
    name, equals, value = text.partition("=")
    known = RANGES.get(name.strip())
    if not equals or known is None:
        raise UsageError(f"--range {text}: NAME=LOW:HIGH with NAME one of {', '.join(RANGES)}")
    if known.kind == "Categorical":
        words = tuple(word.strip() for word in value.split(","))
        if set(words) - set(known.values) or len(set(words)) < len(words):
            raise UsageError(f"--range {name}: choose from {', '.join(known.values)}, each once")
        return Range(known.name, known.kind, words)
    low, colon, high = (part.strip() for part in value.partition(":"))
    limits = tuple(float(limit) for limit in known.values)
    try:
        numbers = (float(low), float(high)) if colon else ()
        if known.kind == "Integer":
            numbers = (int(low), int(high)) if colon else ()
    except ValueError:
        numbers = ()
    if not numbers or not limits[0] <= numbers[0] < numbers[1] <= limits[1]:
        raise UsageError(
            f"--range {text}: LOW:HIGH within {known.values[0]}:{known.values[1]}, LOW below HIGH"
        )
    return Range(known.name, known.kind, (low, high))


def check_jobs(jobs: int, parallel: int) -> None:
    """Raise UsageError for numbers of trainings that a tuning may not have."""
    if not 1 <= jobs <= MOST_JOBS:
        raise UsageError(f"--jobs is 1 to {MOST_JOBS}, not {jobs}")
    if not 1 <= parallel <= min(jobs, MOST_PARALLEL):
        raise UsageError(f"--parallel is 1 to {min(jobs, MOST_PARALLEL)}, not {parallel}")
