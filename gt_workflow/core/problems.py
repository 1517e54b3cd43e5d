"""What is wrong with a request, a label or a line, as a value: found, listed, told all at once."""

from __future__ import annotations

from dataclasses import dataclass


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
