"""What the stages need from the outside, as narrow as their use; one contract suite each.

A *uri* is `s3://bucket/key`, or a plain file path where a stage says that it takes one. Values are
msgspec Structs: every command imports this module, and a dataclass takes forty times as long to
define.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, Literal, Protocol, TypeAlias, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from gt_workflow.core.variants import Recipe

T = TypeVar("T")
R = TypeVar("R")


class Stat(Struct, frozen=True):
    """One stored object: `size` in bytes, `modified` aware and in UTC."""

    uri: str
    size: int
    modified: datetime


class Storage(Protocol):
    """Whole objects under URIs; nothing is visible before it is complete.

    Every method raises `StorageError`; a missing object or bucket is `ObjectNotFoundError`.
    """

    def open(self, uri: str) -> BinaryIO:
        """Open an object for reading, seekable; the caller closes it."""
        ...

    def create(self, uri: str) -> AbstractContextManager[BinaryIO]:
        """Write an object: it appears whole at a clean exit; an exception leaves what was there."""
        ...

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield every object whose URI starts with `prefix`, sorted by the key's UTF-8 bytes."""
        ...

    def exists(self, uri: str) -> bool:
        """Tell whether the object is there."""
        ...

    def stat(self, uri: str) -> Stat:
        """Describe one object."""
        ...

    def delete(self, uri: str) -> None:
        """Delete one object; deleting what is not there is no error."""
        ...

    def read_all(self, uris: Iterable[str], *, limit: int) -> Iterator[Outcome[str, bytes]]:
        """Read many objects, each at most `limit` bytes of it; one outcome each, in order.

        A few are fetched ahead where that takes time. An error is a `StorageError`.
        """
        ...

    def exclusive(self, folder: str) -> AbstractContextManager[None]:
        """Keep every other run out of a folder or prefix while this one writes into it.

        Raises `BusyError` if one is there, `UsageError` if it is no folder. A killed run lets go.
        S3 itself cannot guard a prefix: there it is the caller's to run one at a time.
        """
        ...

    def place(self, uri: str) -> str:
        """Tell where an object lies, be it there or not: two addresses of one have one place."""
        ...

    def grow(self, uri: str, *, token: str = "", size: int = 0) -> Growing:
        """Begin an object that may be written in several runs, or go on with one.

        `token` and `size` are an earlier run's, and good for one go: what is no longer as they
        say is thrown away, and `size` of what is returned is 0.
        """
        ...


class Growing(Protocol):
    """An object on its way, which nobody sees before it is published; one writer at a time.

    What was appended beyond `kept` is lost with the process; `step` is how many bytes are worth
    noting `token` and `kept` anew.
    """

    @property
    def token(self) -> str:
        """What `grow` finds it by."""
        ...

    @property
    def size(self) -> int:
        """How many bytes it has."""
        ...

    @property
    def kept(self) -> int:
        """How many of them outlive this process."""
        ...

    @property
    def step(self) -> int:
        """How far `kept` should move between two notes."""
        ...

    def append(self, buffers: Sequence[bytes]) -> None:
        """Append bytes; `kept` grows to an end of such a call."""
        ...

    def hasten(self) -> None:
        """Have what was appended on its way already, where that may be; `publish` waits for it."""
        ...

    def seal(self) -> None:
        """Say that nothing more will be appended, so that all of it may be kept."""
        ...

    def publish(self) -> None:
        """Make it visible, whole, in place of what was there."""
        ...

    def discard(self) -> None:
        """Throw it away."""
        ...

    def close(self) -> None:
        """Leave it for a later run; nothing after `publish` and `discard`."""
        ...


class Outcome(Struct, Generic[T, R], frozen=True):
    """What became of one item: `value`, or `error` if `fn` raised; never both."""

    item: T
    value: R | None = None
    error: Exception | None = None

    def result(self) -> R:
        """Return the value or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # `None` is a legal value of R


class Engine(Protocol):
    """Applies a function to many items; closing it cancels what has not begun."""

    def map(
        self, fn: Callable[[T], R], items: Iterable[T], *, batch: int | None = None
    ) -> Iterator[Outcome[T, R]]:
        """Yield one outcome per item, in the items' order, with a bounded window in flight.

        `batch` items travel together, as the engine likes by default; 1 for large ones.
        """
        ...

    def close(self) -> None:
        """Release workers; idempotent."""
        ...


class Inspection(Struct, frozen=True):
    """One image, decoded: what to store of it (`stored`), or why it is no use (`reason`).

    `stored` is a JPEG or PNG with three 8-bit channels and no EXIF orientation; it is the very
    bytes that were looked at if these are such an image already, and `note` tells what was
    changed otherwise. `format` is "JPEG" or "PNG", `width` and `height` are pixels; all of
    `stored`. `perceptual_hash` tells what it looks like, as 16 hexadecimal digits; "" for an
    image that is all but flat.
    """

    stored: bytes = b""
    format: str = ""
    width: int = 0
    height: int = 0
    note: str = ""
    reason: str = ""
    perceptual_hash: str = ""


class Images(Protocol):
    """Codecs; they can be pickled, so that other processes may use them."""

    def inspect(self, data: bytes) -> Inspection:
        """Decode an image in full; same bytes, same answer. Never raises for what is in them."""
        ...

    def read_size(self, file: BinaryIO) -> tuple[int, int]:
        """Read width and height of a JPEG's or PNG's raster from its header; EXIF is ignored.

        Raises `DataError` for anything else.
        """
        ...


class Found(Struct, frozen=True):
    """What a folder holds: a file, or (`problem`, `skip`) why its bytes cannot be had.

    It stands for a folder (`is_folder`) only if there is a problem with it or it is skipped.

    `name` is the path below the folder with `/` between its parts, printable whatever bytes it
    is made of. `path` opens the file. `problem` is a fault someone may want to know of, `skip`
    an expected reason to pass over it in silence, one word or a few, the same for all alike.
    `modified` is in nanoseconds since 1970.
    """

    name: str
    path: str
    size: int = 0
    problem: str = ""
    skip: str = ""
    is_folder: bool = False
    modified: int = 0


class Folders(Protocol):
    """Folders as people have them, with links, pipes and files that vanish; can be pickled."""

    def walk(self, folder: str, *, exclude: Iterable[str] = ()) -> Iterator[Found]:
        """Yield every file below a folder once, in no order; files are not opened.

        What lies at or below a path of `exclude` is left out. Raises `StorageError` if `folder`
        is no folder or cannot be listed.
        """
        ...

    def read(self, path: str, *, limit: int) -> bytes:
        """Return the first `limit` bytes of a regular file, without ever waiting for a writer.

        Raises `StorageError`: gone, not allowed, no regular file, changed meanwhile.
        """
        ...


class Look(Struct, frozen=True):
    """How variants are written: `fill` is RGB, for what a turn leaves open.

    None keeps the source's JPEG quality (1 to 100) and chroma ("4:4:4", "4:2:2" or "4:2:0").
    With `lossless` flips, right angles and crops move a JPEG's blocks where its grid allows it.
    """

    fill: tuple[int, int, int] = (0, 0, 0)
    quality: int | None = None
    chroma: str | None = None
    lossless: bool = False


class Rendered(Struct, frozen=True):
    """A variant as a file: its `format`, "JPEG" or "PNG", and `how` it was made, in one word."""

    data: bytes
    format: str
    how: str


class Warper(Protocol):
    """Makes variants; can be pickled, and gives the same bytes wherever it runs."""

    def render(
        self, data: bytes, recipes: Sequence[Recipe], *, look: Look, uri: str
    ) -> Iterator[Rendered]:
        """Yield the variants of a JPEG or PNG, in order; it is decoded once.

        Raises `DataError`, with `uri` for its place: no such image, damaged, not upright.
        """
        ...


class Clock(Protocol):
    """The only source of time; `now` is aware and in UTC."""

    def now(self) -> datetime:
        """Return the current instant."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; the only wait there is."""
        ...


class GroundTruth(Protocol):
    """The labeling API, as the stages use it; requests and answers have AWS's own form.

    Every method raises `ServiceError`, `AlreadyExistsError` or `NotFoundError`.
    """

    def create(self, request: Mapping[str, Any]) -> str:
        """Create a labeling job from a CreateLabelingJob request; return its ARN."""
        ...

    def describe(self, name: str) -> dict[str, Any]:
        """Return the DescribeLabelingJob answer."""
        ...

    def list(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield LabelingJobSummary dicts, page after page; filters as in ListLabelingJobs."""
        ...

    def stop(self, name: str) -> None:
        """Ask for the job to be stopped; what is labelled is kept."""
        ...


class WorkTeam(Struct, frozen=True):
    """Who labels together: one's own work team, or a vendor's that the account subscribes to.

    `title` and `seller` are the Marketplace's and empty for one's own; `groups` are the Cognito
    groups, (user pool, group), whose users are the members. `portal` is where these sign in.
    """

    name: str
    arn: str
    description: str = ""
    portal: str = ""
    title: str = ""
    seller: str = ""
    groups: tuple[tuple[str, str], ...] = ()


class Member(Struct, frozen=True):
    """One worker of a team; `id` is what stands in answers (Cognito's `sub`, our worker id)."""

    name: str
    id: str
    status: str = ""


class Invitation(Struct, frozen=True):
    """How a new member comes in: by e-mail (`page` is empty), or by this personal link."""

    member: str
    page: str = ""


class WorkTeams(Protocol):
    """Work teams and who is in them; every method may raise `ServiceError`."""

    @property
    def region(self) -> str:
        """The region whose teams these are."""
        ...

    def list(self) -> Iterator[WorkTeam]:
        """Yield one's own work teams, by name."""
        ...

    def subscribed(self) -> Iterator[WorkTeam]:
        """Yield the vendors' work teams that the account subscribes to."""
        ...

    def find(self, name: str) -> WorkTeam | None:
        """Return one's own team of this name, or None."""
        ...

    def workforce(self) -> str | None:
        """Return the name of the private workforce, or None if the first team will make it."""
        ...

    def check_member(self, name: str) -> None:
        """Raise `UsageError` for what cannot be a new member's name."""
        ...

    def members(self, team: WorkTeam) -> Iterator[Member]:
        """Yield who is in a team of one's own, by name."""
        ...

    def create(self, name: str, *, description: str) -> WorkTeam:
        """Create a team, and the workforce if there is none; `AlreadyExistsError` if it is."""
        ...

    def add(self, team: WorkTeam, member: str) -> Invitation:
        """Let somebody into a team; adding a member again is no error."""
        ...

    def remove(self, team: WorkTeam, member: str) -> bool:
        """Take somebody out of a team; False if nobody of this name was in it."""
        ...


class Identity(Struct, frozen=True):
    """Whose credentials are used: 12 digits, and the ARN of the user or assumed role."""

    account: str
    arn: str


class Role(Struct, frozen=True):
    """An execution role: its ARN, and the policy that says who may take it on."""

    arn: str
    trust: Mapping[str, Any]
    description: str = ""


# No statement allows it; one forbids it; or that hangs on what only the real call will tell.
Denial: TypeAlias = Literal["implicit", "explicit", "unsure"]


class Account(Protocol):
    """What an AWS account has and allows, as a preflight asks it; nothing but CORS is changed.

    Every method raises `ServiceError` with AWS's code, `NotFoundError` for what is not there.
    """

    def identity(self) -> Identity:
        """Tell whose credentials these are."""
        ...

    def try_labeling(self) -> None:
        """Return if the account may list labeling jobs; that no refusal comes is the answer."""
        ...

    def job_named(self, name: str) -> str | None:
        """Return the labeling job's name that is this one, but for capitals; None if it is free."""
        ...

    def workteam(self, arn: str) -> str:
        """Return the ARN of a private team by its ARN or name, or of a vendor's by its ARN."""
        ...

    def bucket_region(self, bucket: str) -> str:
        """Tell in which region a bucket is."""
        ...

    def cors(self, bucket: str) -> list[dict[str, Any]]:
        """Return the bucket's CORS rules as S3 writes them; none is an empty list."""
        ...

    def put_cors(self, bucket: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Replace the bucket's CORS rules."""
        ...

    def bucket_policy(self, bucket: str) -> Mapping[str, Any]:
        """Return the bucket's own policy; none is an empty one."""
        ...

    def role(self, arn: str) -> Role:
        """Return the role of this ARN or name."""
        ...

    def denied(
        self, role_arn: str, actions: Sequence[str], resource: str, context: Mapping[str, str]
    ) -> dict[str, Denial]:
        """Return the actions that a simulation of a role's policies does not allow."""
        ...

    def key(self, key: str) -> Mapping[str, Any]:
        """Return KMS's KeyMetadata of a key id, ARN or alias."""
        ...

    def key_policy(self, key: str) -> Mapping[str, Any]:
        """Return the key's own policy."""
        ...


class Roles(Protocol):
    """Making roles; every method raises `ServiceError`, `NotFoundError` for what is not there."""

    def role(self, arn: str) -> Role:
        """Return the role of this ARN or name."""
        ...

    def policy(self, role: str, name: str) -> Mapping[str, Any]:
        """Return a role's inline policy."""
        ...

    def create(self, role: str, *, trust: Mapping[str, Any], description: str) -> str:
        """Create a role and return its ARN; `AlreadyExistsError` if there is one."""
        ...

    def put_policy(self, role: str, name: str, policy: Mapping[str, Any]) -> None:
        """Give a role an inline policy."""
        ...


class LogLine(Struct, frozen=True):
    """One line of a job's log; `id` is unique in the log, `when` in milliseconds since 1970."""

    id: str
    when: int
    text: str


class Training(Protocol):
    """Training and tuning jobs; requests and answers have AWS's own form.

    Every method raises `ServiceError`, `AlreadyExistsError` or `NotFoundError`.
    """

    def create(self, request: Mapping[str, Any]) -> str:
        """Create a training job from a CreateTrainingJob request; return its ARN."""
        ...

    def describe(self, name: str) -> dict[str, Any]:
        """Return the DescribeTrainingJob answer."""
        ...

    def log(self, name: str, *, since: int) -> Iterator[LogLine]:
        """Yield what the job's first machine has logged at or after `since`, in milliseconds."""
        ...

    def create_tuning(self, request: Mapping[str, Any]) -> str:
        """Create a CreateHyperParameterTuningJob request's job; return its ARN."""
        ...

    def describe_tuning(self, name: str) -> dict[str, Any]:
        """Return the DescribeHyperParameterTuningJob answer."""
        ...


class Detector(Protocol):
    """A trained detector that answers; may be called from several threads."""

    def detect(self, image: bytes) -> bytes:
        """Return its answer to one JPEG or PNG, as JSON; raises `ServiceError`."""
        ...


class Progress(Protocol):
    """Told how far a long stage is; drawing it is the caller's business."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Note that `done` of `total` are through; `total` 0 means it is not known yet."""
        ...
