"""What is wrong with a request, a label or a line, as a value: found, listed, told all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule.

    `code` is a short stable word for programs, `field` the path as in the request or the file
    (`HumanTaskConfig.TaskTitle`, `labels[3].label`), `message` one sentence that says what is
    wrong and what to do.
    """

    code: str
    field: str
    message: str

    def __str__(self) -> str:
        """Put the place in front of the sentence."""
        return f"{self.field}: {self.message}"


def member(request: Any, path: str) -> Any:
    """Return the member at a dotted path; None if it or any part of the way is missing."""
    for name in path.split("."):
        if not isinstance(request, Mapping):
            return None
        request = request.get(name)
    return request


def short(value: object) -> str:
    """Quote a value for a message, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
