"""What the commands share: flags with one meaning everywhere, and how settings come of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from gt_workflow.errors import DataError, UsageError

if TYPE_CHECKING:
    from gt_workflow.config import Settings
    from gt_workflow.core.markup import Html

_Function: TypeAlias = Callable[..., None]

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
settings_file = click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Settings file [default: gt.toml, if there].",
)
root = click.option("--root", metavar="DIR", help="The service's folder [default: gt-data].")
newest_job = click.argument(
    "job", metavar="[JOB]", required=False, help="A job's name [default: the newest job]."
)
named_job = click.argument("job", metavar="JOB", help="The job's name.")
augment = click.option(
    "--augment",
    metavar="NAME[,NAME...]",
    is_flag=False,
    flag_value="seed-ten",
    help="Variants of each labelled photograph on the train side: seed-ten (also if no name "
    "follows), or as in `augment --variants` [default: none].",
)


class InOrder(click.Group):
    """Commands listed as they were added, in the order of the work; Click's own are sorted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as Click calls it
        """Return the names of the commands."""
        return list(self.commands)


# How a setting is written on the command line; for errors.
_FLAGS = {
    "photographs": "PHOTOGRAPHS",
    "labels": "--labels",
    "name": "--name",
    "duplicates": "--duplicates",
    "job.workers": "--workers-per-object",
    "job.instructions": "--instructions",
    "job.gold": "--gold",
    "job.gold-rate": "--gold-rate",
    "workers.kind": "--workers",
    "workers.truth": "--truth",
    "channels.forms": "--to",
    "channels.out": "--out",
    "channels.validation": "--validation",
    "channels.distance": "--distance",
    "augment.variants": "--augment",
    "augment.per-image": "--per-image",
    "augment.seed": "--seed",
    "augment.box-fit": "--box-fit",
    "augment.min-visible": "--min-visible",
    "augment.min-side": "--min-side",
    "augment.quality": "--quality",
    "store.root": "--root",
    "store.region": "--region",
    "backend": "--backend",
    "aws.profile": "--profile",
    "store.bucket": "--bucket",
    "aws.role": "--role",
    "aws.workteam": "--workteam",
    "auto-label.start-from": "--auto-label-from",
    "cost.max": "--max-cost",
}


@dataclass(frozen=True, slots=True)
class Common:
    """The flags that every command on jobs has; `with_common` hands them over."""

    root: str | None
    backend: str | None
    profile: str | None
    region: str | None
    settings_file: Path | None
    assignments: tuple[str, ...]
    as_json: bool

    def settings(self, flags: dict[str, Any] | None = None) -> Settings:
        """Return the settings under these and a command's own flags; a profile means AWS."""
        return read_settings(self.settings_file, self.assignments, self._flags() | (flags or {}))

    def settings_text(self, template: str, flags: dict[str, Any]) -> str:
        """Return a settings file's text with what these and a command's own flags say."""
        from gt_workflow import config

        given = _given(self.assignments, self._flags() | flags)
        return config.fill(template, given, written=_written(self.assignments))

    def _flags(self) -> dict[str, Any]:
        return {
            "store.root": self.root,
            "backend": self.backend or ("aws" if self.profile else None),
            "aws.profile": self.profile,
            "store.region": self.region,
        }


_COMMON = (
    root,
    click.option(
        "--backend", metavar="embedded|aws", help="Our own Ground Truth, or the account's."
    ),
    click.option("--profile", metavar="NAME", help="The AWS profile; implies --backend aws."),
    click.option("--region", metavar="REGION", help="The AWS region."),
    settings_file,
    click.option(
        "--set",
        "assignments",
        metavar="KEY=VALUE",
        multiple=True,
        help="Any setting of gt.toml by its path.",
    ),
    as_json,
)


def with_common(command: _Function) -> _Function:
    """Give a command the common flags, as `common`; the lowest decorator, so they come last."""

    @wraps(command)
    def called(**given: Any) -> None:
        common = Common(**{name: given.pop(name) for name in Common.__slots__})
        command(**given, common=common)

    return reduce(lambda made, option: option(made), reversed(_COMMON), called)


def names(text: str | None) -> list[str] | None:
    """Split a comma list; blanks around names are a typing habit, not part of them."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def variants(text: str | None) -> list[str] | None:
    """Split what `--augment` names; `none` asks for no variants, whatever gt.toml says."""
    return [] if text == "none" else names(text)


def read_settings(file: Path | None, assignments: Sequence[str], flags: dict[str, Any]) -> Settings:
    """Read the settings file (one that is named must exist) and lay the flags over it."""
    from gt_workflow import config

    path = file or Path("gt.toml")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if file is not None:
            raise UsageError(f"there is no settings file {file}") from None
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the settings file {path} cannot be read: {error}") from None
    return config.load(
        text=text,
        uri=str(path),
        environment=os.environ,
        flags=_given(assignments, flags),
        written=_written(assignments),
    )


def _given(assignments: Sequence[str], flags: dict[str, Any]) -> dict[str, Any]:
    """Return the flags and what `--set` says, by the settings' paths."""
    from gt_workflow import config

    found = dict(flags)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: expected KEY=VALUE, such as job.workers=3")
        if key not in config.setting_paths():
            raise UsageError(f"--set {assignment}: {config.no_such(key)}")
        found[key] = names(value) if key in config.LISTS else value
    return found


def _written(assignments: Sequence[str]) -> dict[str, str]:
    """Return how each setting is written on the command line."""
    return _FLAGS | {text.partition("=")[0]: f"--set {text}" for text in assignments}


def read_instructions(path: str) -> str | Html:
    """Read the instructions file, if one is named; what it is, its name's ending tells."""
    from gt_workflow.core.markup import Html

    if not path:
        return ""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the instructions cannot be read: {error}", uri=path) from None
    return Html(text) if path.lower().endswith((".html", ".htm")) else text


def require_file(place: str, wanted: str) -> None:
    """Raise `UsageError` for a folder where a file is `wanted`."""
    if Path(place).is_dir():
        raise UsageError(f"{place} is a folder; name {wanted}")


def require_source(source: str) -> None:
    """Raise `UsageError` for a file that is no manifest: one photograph is no pile of them."""
    from gt_workflow.workflow.sources import MANIFEST_SUFFIXES, is_manifest

    if source and Path(source).is_file() and not is_manifest(source):
        raise UsageError(
            f"{source} is no source of photographs; name a folder, an s3:// prefix or a manifest "
            f"(a file that ends in {', '.join(MANIFEST_SUFFIXES)})"
        )
