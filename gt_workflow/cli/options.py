"""What the commands share: flags with one meaning everywhere, and how settings come of them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gt_workflow.errors import DataError, UsageError

if TYPE_CHECKING:
    from gt_workflow.config import Settings
    from gt_workflow.core.markup import Html

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings file [default: gt.toml, if there]."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting of gt.toml by its path."),
]
Root = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="The service's folder [default: gt-data]."),
]
JobName = Annotated[
    str | None, typer.Argument(metavar="[JOB]", help="A job's name [default: the newest job].")
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend", metavar="embedded|aws", help="Our own Ground Truth, or the account's."
    ),
]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="The AWS profile; implies --backend aws.")
]
Region = Annotated[str | None, typer.Option(metavar="REGION", help="The AWS region.")]
Augment = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[,NAME...]",
        help="Variants of each labelled photograph on the train side: seed-ten, or as in "
        "`augment --variants` [default: none].",
    ),
]

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
    set_: list[str] | None
    as_json: bool

    def settings(self, flags: dict[str, Any] | None = None) -> Settings:
        """Return the settings under these and a command's own flags; a profile means AWS."""
        whose = {
            "store.root": self.root,
            "backend": self.backend or ("aws" if self.profile else None),
            "aws.profile": self.profile,
            "store.region": self.region,
        }
        return read_settings(self.settings_file, self.set_, whose | (flags or {}))


_COMMON: tuple[tuple[str, Any, Any], ...] = (
    ("root", Root, None),
    ("backend", Backend, None),
    ("profile", Profile, None),
    ("region", Region, None),
    ("settings_file", SettingsFile, None),
    ("set_", Set, None),
    ("as_json", Json, False),
)


def with_common(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common flags behind its own; it takes them as `common`."""
    own = inspect.signature(command, eval_str=True)
    mine = [one for one in own.parameters.values() if one.name != "common"]
    flags = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind, default in _COMMON
    ]

    @wraps(command)
    def called(**given: Any) -> None:
        common = Common(**{name: given.pop(name) for name, *_ in _COMMON})
        command(**given, common=common)

    # typer reads both.
    called.__signature__ = own.replace(parameters=[*mine, *flags])  # type: ignore[attr-defined] # as `inspect` documents it
    called.__annotations__ = {one.name: one.annotation for one in (*mine, *flags)}
    del called.__wrapped__  # it would lead typer back to the first
    return called


def names(text: str | None) -> list[str] | None:
    """Split a comma list; blanks around names are a typing habit, not part of them."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def read_settings(
    file: Path | None, assignments: list[str] | None, flags: dict[str, Any]
) -> Settings:
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
    for assignment in assignments or ():
        key, equals, value = assignment.partition("=")
        if not equals or key not in config.setting_paths():
            known = ", ".join(config.setting_paths())
            raise UsageError(f"--set {assignment}: expected KEY=VALUE with KEY one of {known}")
        flags[key] = names(value) if key in config.LISTS else value
    written = _FLAGS | {text.partition("=")[0]: f"--set {text}" for text in assignments or ()}
    return config.load(
        text=text, uri=str(path), environment=os.environ, flags=flags, written=written
    )


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
