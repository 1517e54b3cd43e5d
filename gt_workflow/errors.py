"""Every error this package raises on purpose, and the exit status each family ends with.

    GtWorkflowError                 1
    ├── UsageError                  2   a flag, a setting or a combination of them makes no sense
    │   └── BusyError               2   another run is writing into the same place
    ├── DataError                   3   a file says something it may not (uri, line, field)
    ├── StorageError                4   an object could not be read, written or listed (uri)
    │   └── ObjectNotFoundError     4   there is no such object or bucket
    ├── ServiceError                5   a labeling API refused or broke (operation, code, request)
    │   ├── AlreadyExistsError      5   the name is taken
    │   ├── NotFoundError           5   there is no such job or team
    │   ├── TransientError          5   throttled, broken for a while, or not reached: waiting helps
    │   └── CredentialsError        5   the credentials have expired, or are not to be had
    ├── JobFailedError              6   the labeling job ended without the labels asked for
    └── InterruptedByUserError    130   Ctrl-C; the message says how to go on

A message is one sentence that says what is wrong and what to do. Foreign exceptions are
translated where they arise: once per adapter.
"""

from __future__ import annotations

from typing import Any


class GtWorkflowError(Exception):
    """Any failure a user can meet; `exit_status` is what the command line ends with."""

    exit_status = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way from another process, whatever the constructor asks for."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(
    kind: type[GtWorkflowError], args: tuple[Any, ...], members: dict[str, Any]
) -> GtWorkflowError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(members)
    return error


class UsageError(GtWorkflowError):
    """The user asked for something that cannot be done as asked."""

    exit_status = 2


class BusyError(UsageError):
    """Two runs into one place would delete each other's files."""

    def __init__(self, folder: str) -> None:
        """Name the place."""
        super().__init__(f"another run is writing into {folder}; wait for it or name another --out")


class DataError(GtWorkflowError):
    """A file holds something it may not; the message names the place.

    `line` is 1-based, as editors count; `field` is a path such as `boxes.annotations[2].left`.
    """

    exit_status = 3

    def __init__(
        self, message: str, *, uri: str, line: int | None = None, field: str | None = None
    ) -> None:
        """Keep the place apart from the sentence, so that reports can list it in columns."""
        place = uri if line is None else f"{uri}:{line}"
        where = place if field is None else f"{place}: {field}"
        super().__init__(f"{where}: {message}")
        self.reason = message
        self.uri = uri
        self.line = line
        self.field = field


class StorageError(GtWorkflowError):
    """An object could not be read, written, listed or deleted."""

    exit_status = 4

    def __init__(self, message: str, *, uri: str) -> None:
        """Name the object first."""
        super().__init__(f"{uri}: {message}")
        self.reason = message
        self.uri = uri


class ObjectNotFoundError(StorageError):
    """There is no such object (or bucket)."""


class ServiceError(GtWorkflowError):
    """A labeling API answered with an error, or not at all."""

    exit_status = 5

    def __init__(
        self, message: str, *, operation: str, code: str, request_id: str | None = None
    ) -> None:
        """`code` is AWS's error code, e.g. `ValidationException`."""
        super().__init__(f"{operation}: {message} [{code}]")
        self.reason = message
        self.operation = operation
        self.code = code
        self.request_id = request_id


class AlreadyExistsError(ServiceError):
    """The name is taken."""


class NotFoundError(ServiceError):
    """There is no such labeling job or work team."""


class TransientError(ServiceError):
    """It was asked too often, broke, or could not be reached: the same call may work later."""


class CredentialsError(ServiceError):
    """The credentials have expired or cannot be had; who asked has to sign in anew."""


class JobFailedError(GtWorkflowError):
    """The labeling job ended as Failed or Stopped, or without labels."""

    exit_status = 6


class InterruptedByUserError(GtWorkflowError):
    """Ctrl-C: what was done is kept."""

    exit_status = 130

    def __init__(self, message: str = "interrupted; the same command goes on from here") -> None:
        """Say how to go on."""
        super().__init__(message)
