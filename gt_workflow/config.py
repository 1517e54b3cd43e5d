"""Settings: every default in one place, and what `gt.toml`, environment and flags make of them.

Later wins: defaults, `gt.toml`, environment, flags. An environment variable is `GT_` and the
setting's path in capitals: `GT_STORE_ROOT`, `GT_JOB_TASK_TIME_LIMIT`, `GT_LABELS=degu,wheel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from gt_workflow.errors import DataError, UsageError

Form = Literal["recordio", "image", "manifest"]
FORMS: tuple[Form, ...] = ("recordio", "image", "manifest")

_PREFIX: Final = "GT_"  # of the variables in the environment

# Settings that are one of a few words, or a list of such; for errors.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "backend": ("embedded", "aws"),
    "duplicates": ("keep", "drop"),
    "workers.kind": ("people", "simulated"),
    "channels.forms": FORMS,
    "channels.images": ("check", "trust"),
    "augment.box-fit": ("rectangle", "ellipse"),
}

# Settings that are lists; in the environment and on the command line they are written with commas.
LISTS = frozenset(
    {
        "labels",
        "job.keywords",
        "job.tags",
        "job.content-classifiers",
        "auto-label.subnets",
        "auto-label.security-groups",
        "cost.tiers",
        "channels.forms",
        "augment.variants",
        "training.hyperparameters",
        "training.subnets",
        "training.security-groups",
    }
)

# What a setting of a type has to be; for errors. All others are sections.
_KINDS: Mapping[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}


class _Section(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """A table of the settings file; a key that nobody knows is an error, not a silence."""


class Job(_Section, frozen=True):
    """What the labeling job asks of its workers; limits as in CreateLabelingJob."""

    title: str = ""
    description: str = ""
    instructions: str = ""  # a text or Markdown file shown beside every photograph
    workers: int = 1
    task_time_limit: int = 3600  # seconds
    availability: int = 2_592_000  # seconds: 30 days, the most a private team may have
    max_concurrent: int = 1000
    max_objects: int = 100_000  # photographs a labeling job; more make several jobs
    keywords: tuple[str, ...] = ()
    attribute: str = "boxes"
    tags: tuple[str, ...] = ()  # KEY=VALUE
    kms_key: str = ""  # encrypts the output; empty: the bucket's own way
    max_human_labeled: int = 0  # stop after so many objects; 0: no limit
    max_percentage: int = 0  # stop after this share of the objects; 0: no limit
    gold: str = ""  # a manifest of images with known boxes, mixed in; our own service only
    gold_rate: float = 0.1  # the share of a worker's tasks that are gold
    price: str = ""  # US dollars a task; for the public work team alone
    content_classifiers: tuple[str, ...] = ()


class Aws(_Section, frozen=True):
    """The account whose Ground Truth is used when the backend is `aws`."""

    profile: str = ""  # empty: whatever credentials the SDK finds
    role: str = ""  # the execution role, by name or ARN
    workteam: str = ""  # by name or ARN; a vendor's also by its Marketplace title
    public_anyway: bool = False  # the public workforce, closed on 2026-09-30
    fix: bool = False  # add what image buckets lack


class AutoLabel(_Section, frozen=True):
    """Automated labeling: a model labels what it is sure of."""

    enabled: bool = False
    start_from: str = ""  # a labeling job's name, or a model's ARN
    volume_kms_key: str = ""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()


class CostSection(_Section, frozen=True):
    """Prices in US dollars, and what may be spent without asking."""

    max: str = ""  # empty: no limit
    # AWS's fee per labelled object, `up to:price` by the month's objects; checked 2025-02-13.
    tiers: tuple[str, ...] = ("50000:0.08", "1000000:0.04", ":0.02")
    per_task: str = "0"  # what one worker gets for one object: a vendor's price, or 0
    # Of the objects, expected to be labelled by the model.
    machine_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class Training(_Section, frozen=True):
    """The training job of the built-in Object Detection algorithm."""

    instance_type: str = "ml.g5.2xlarge"
    instance_count: int = 1
    volume_gb: int = 50
    max_runtime: int = 86_400  # seconds
    spot: bool = False
    max_wait: int = 0  # seconds, for spot capacity and the run together; 0: twice max-runtime
    output: str = ""  # an s3:// prefix; empty: beside the channels
    kms_key: str = ""
    subnets: tuple[str, ...] = ()  # of a private network to train in; with security groups
    security_groups: tuple[str, ...] = ()
    hyperparameters: tuple[str, ...] = ()  # KEY=VALUE, over the computed ones


class StoreSection(_Section, frozen=True):
    """Where objects and the service's own files live."""

    root: str = "gt-data"
    bucket: str = "gt-workflow"
    prefix: str = ""
    region: str = ""  # empty: us-east-1 on this machine, on AWS what the profile says


class Workers(_Section, frozen=True):
    """Who labels: people at the worker page, or simulated workers who know the truth."""

    kind: Literal["people", "simulated"] = "people"
    truth: str = ""
    count: int = 3
    seed: int = 0
    position_noise: float = 0.03  # standard deviation, as a fraction of the box's side
    miss: float = 0.02  # share of boxes left out
    false_box: float = 0.02  # boxes drawn around nothing, per photograph
    wrong_class: float = 0.01  # share of boxes under another label


class Channels(_Section, frozen=True):
    """What training reads when the job is done."""

    forms: tuple[Form, ...] = FORMS
    validation: float = 0.2  # share of origins
    salt: str = ""  # another text makes another split
    # Bits in which the hashes of near-duplicates differ at most; -1: there are none.
    distance: Annotated[int, msgspec.Meta(ge=-1, le=12)] = 6
    # "trust": manifests are written without a look at the images that they name.
    images: Literal["check", "trust"] = "check"
    out: str = ""  # a folder or s3:// prefix; empty: beside the job, in the bucket


class Augment(_Section, frozen=True):
    """Variants of labelled photographs, made on the train side between labels and channels."""

    variants: tuple[str, ...] = ()  # empty: none; the command `augment` makes seed-ten then
    per_image: int = 0  # so many of them for each image, by chance; 0: all
    seed: int = 0
    expand: bool = False  # turned frames grow
    fill: str = "000000"  # RRGGBB of what a turn leaves open
    box_fit: Literal["rectangle", "ellipse"] = "rectangle"
    min_visible: float = 0.3  # share of a box that is still in the frame
    min_side: float = 1.0  # pixels
    quality: int = 0  # of JPEGs; 0: the source's
    chroma: str = ""  # 4:4:4, 4:2:2 or 4:2:0; empty: the source's
    lossless: bool = False  # flips, right angles and crops, where the blocks allow it


class Settings(_Section, frozen=True):
    """All settings of one launch."""

    photographs: str = ""
    labels: tuple[str, ...] = ()
    name: str = ""
    backend: Literal["embedded", "aws"] = "embedded"
    duplicates: Literal["keep", "drop"] = "keep"  # photographs of exactly the same content
    job: Job = msgspec.field(default_factory=Job)
    store: StoreSection = msgspec.field(default_factory=StoreSection)
    workers: Workers = msgspec.field(default_factory=Workers)
    channels: Channels = msgspec.field(default_factory=Channels)
    augment: Augment = msgspec.field(default_factory=Augment)
    aws: Aws = msgspec.field(default_factory=Aws)
    auto_label: AutoLabel = msgspec.field(default_factory=AutoLabel)
    cost: CostSection = msgspec.field(default_factory=CostSection)
    training: Training = msgspec.field(default_factory=Training)


def load(
    *,
    text: str = "",
    uri: str = "gt.toml",
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    written: Mapping[str, str] | None = None,
) -> Settings:
    """Merge a settings file's text, the environment and flags (dotted paths; None is absent).

    `written` tells how a path is written on the command line, for errors.
    Raises `DataError` for a file that is no TOML, `UsageError` for a setting, which it names.
    """
    merged = _parsed(text, uri) if text else {}
    for path, value in _from_environment(environment or {}).items():
        _put(merged, path, value)
    for path, value in (flags or {}).items():
        if value is not None:
            _put(merged, path, value)
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        path, reason = _wrong(error, merged)
        if (flags or {}).get(path) is not None:
            source = (written or {}).get(path, path)
        else:
            source = _variable(path)
        raise UsageError(f"{source}: {reason}") from None


def fill(text: str, flags: Mapping[str, Any], *, written: Mapping[str, str]) -> str:
    """Return a commented settings file's text with the flags (as in `load`) in place of its own.

    Raises `UsageError` as `load` does.
    """
    settings = msgspec.to_builtins(load(flags=flags, written=written))
    given = {path for path, value in flags.items() if value is not None}
    lines, section = [], ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]") + "."
        key = line.removeprefix("#").partition(" = ")[0]
        if section + key in given:
            value = settings if not section else settings[section[:-1]]
            lines.append(f"{key} = {msgspec.json.encode(value[key]).decode()}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _parsed(text: str, uri: str) -> dict[str, Any]:
    """Read a settings file, and check it by itself."""
    import tomllib  # most commands have no such file

    try:
        merged = tomllib.loads(text)
        msgspec.convert(merged, Settings)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"is no valid TOML: {error}", uri=uri) from None
    except msgspec.ValidationError as error:
        path, reason = _wrong(error, merged)
        raise UsageError(f"{uri}: {path}: {reason}") from None
    return merged


def no_such(path: str) -> str:
    """Say that there is no such setting, which one may be meant, and where all of them are."""
    import difflib  # nobody needs it who makes no mistake

    near = difflib.get_close_matches(path, setting_paths(), n=1)
    meant = f"; did you mean {near[0]}?" if near else "."
    return f"there is no such setting{meant} All are in the file that `launch --init` writes"


def setting_paths(section: type[msgspec.Struct] = Settings) -> list[str]:
    """Return every setting's dotted path, as it is written in the settings file."""
    paths = []
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            nested = setting_paths(field.type)
            paths += [f"{field.encode_name}.{path}" for path in nested]
        else:
            paths.append(field.encode_name)
    return paths


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Pick the variables that name a setting; lists are written with commas."""
    found: dict[str, Any] = {}
    if not any(name.startswith(_PREFIX) for name in environment):
        return found  # to list all settings takes a millisecond
    for path in setting_paths():
        value = environment.get(_variable(path))
        if value is not None:
            found[path] = value.split(",") if path in LISTS else value
    return found


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted path in nested dicts."""
    *sections, key = path.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[key] = value


def _wrong(error: msgspec.ValidationError, tree: Mapping[str, Any]) -> tuple[str, str]:
    """Return the dotted path of the setting that is wrong, and what is wrong with it."""
    message, _, place = str(error).partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".").partition("[")[0]
    _, unknown, key = message.partition(" unknown field ")
    if unknown:
        whole = f"{path}.{key.strip('`')}".removeprefix(".")
        return whole, no_such(whole)
    if message.startswith("Invalid enum value"):
        return path, f"{_expected(path)}, not{message.removeprefix('Invalid enum value')}"
    value: Any = tree
    for name in path.split("."):
        value = value[name]
    return path, f"{_expected(path)}, not {value!r}"


def _expected(path: str) -> str:
    """Say what a setting has to be."""
    if path in CHOICES:
        *others, last = CHOICES[path]
        return f"is {', '.join(others)} or {last}"
    kind: Any = Settings
    for name in path.split("."):
        kind = next(
            field.type for field in msgspec.structs.fields(kind) if field.encode_name == name
        )
    limits = getattr(kind, "__metadata__", ())
    between = f" from {limits[0].ge} to {limits[0].le}" if limits else ""
    return _KINDS.get(getattr(kind, "__origin__", kind), "a table") + between


def _variable(path: str) -> str:
    """Name a setting's environment variable."""
    return _PREFIX + path.replace(".", "_").replace("-", "_").upper()
