"""Files, objects and pictures, without any service: what planning and converting need.

What a command may do without is made when it is first asked for: a conversion of plain files opens
no bucket, starts no process and decodes no picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gt_workflow.adapters.clock import SystemClock
from gt_workflow.adapters.gradual import GradualEngine
from gt_workflow.adapters.plain_files import LocalFiles
from gt_workflow.adapters.router import Router
from gt_workflow.config import Settings
from gt_workflow.errors import StorageError, UsageError
from gt_workflow.ports import Storage

if TYPE_CHECKING:
    from gt_workflow.adapters.engine import ProcessEngine
    from gt_workflow.adapters.images import PillowImages
    from gt_workflow.adapters.walk import LocalFolders
    from gt_workflow.workflow.specify import Place

# Requests to S3 cost processor time, files next to none: shards of files would be packed more
# slowly by processes that have to send them back. A few of S3 are done before a pool would start.
_SHARDS_ALONE = 4
# Sixteen MiB of a manifest are counted before processes would have begun.
_BLOCKS_ALONE = 16


@dataclass(frozen=True)
class Local:
    """Files, objects and pictures; `stack` closes what is made of them on demand."""

    root: Path | None  # of the embedded backend
    storage: Router
    clock: SystemClock
    cores: int
    find_place: Callable[[], Place]
    stack: ExitStack

    @cached_property
    def engine(self) -> ProcessEngine:
        """Processes; none is started before there is work for it."""
        from gt_workflow.adapters.engine import ProcessEngine

        return self.stack.enter_context(closing(ProcessEngine(self.cores)))

    @cached_property
    def _others(self) -> ProcessEngine:
        """Processes beside this one, which works with them."""
        from gt_workflow.adapters.engine import ProcessEngine

        made = ProcessEngine(max(self.cores - 1, 1), ahead=2, along=True)
        return self.stack.enter_context(closing(made))

    @property
    def packing(self) -> GradualEngine | None:
        """What packs shards of images, if it is worth the sending."""
        if self.root is not None:
            return None
        return GradualEngine(self._if_any(lambda: self.engine), alone=_SHARDS_ALONE)

    @property
    def counting(self) -> GradualEngine:
        """What counts blocks of manifests."""
        return GradualEngine(self._if_any(lambda: self._others), alone=_BLOCKS_ALONE)

    def _if_any(self, processes: Callable[[], ProcessEngine]) -> Callable[[], ProcessEngine] | None:
        return processes if self.cores > 1 else None

    @cached_property
    def images(self) -> PillowImages:
        """The codecs."""
        from gt_workflow.adapters.images import PillowImages

        return PillowImages()

    @cached_property
    def folders(self) -> LocalFolders:
        """Folders as people have them."""
        from gt_workflow.adapters.walk import LocalFolders

        return LocalFolders()

    @cached_property
    def place(self) -> Place:
        """Where jobs live; asked for once, since an account has to be asked for its names."""
        return self.find_place()

    def path(self, uri: str) -> str:
        """Return the file behind an object, relative to the current folder if that is shorter."""
        if self.root is None or not uri.startswith("s3://"):
            return uri
        return min(str(file := self.root / uri[5:]), os.path.relpath(file), key=len)


@contextmanager
def local(settings: Settings, *, writes: bool = True) -> Iterator[Local]:
    """Open the objects and the machine's processes; nothing is started yet.

    Without `writes` a root folder that is no service's stays as it is, and is not made either.
    """
    store = settings.store
    base = f"s3://{store.bucket}/{store.prefix.strip('/')}".rstrip("/") + "/"
    objects: Storage | Callable[[], Storage]
    with ExitStack() as stack:
        if settings.backend == "aws":
            from gt_workflow.adapters.clients import AccountStorage
            from gt_workflow.wiring import places

            clients = places.account(settings)
            root, objects = None, AccountStorage(clients)
            find_place = partial(places.on_aws, settings, clients, base)
        else:
            root = root_folder(store.root) if writes else Path(store.root).absolute()
            objects = partial(_folder, root) if writes else _Untouched(root, stack)
            find_place = partial(_place_here, store.region, base)
        yield Local(
            root=root,
            storage=Router(s3=objects, local=LocalFiles()),
            clock=SystemClock(),
            cores=_cores(),
            find_place=find_place,
            stack=stack,
        )


def _cores() -> int:
    """Count the cores that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)  # Linux alone knows
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


def root_folder(path: str) -> Path:
    """Make the root folder; its `.gt` is the owner's alone, for it holds tokens' digests."""
    root = Path(path).absolute()
    try:
        (root / ".gt").mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"cannot be made: {error.strerror}", uri=str(root)) from None
    return root


def require_root(settings: Settings) -> None:
    """Raise `UsageError` if there is no service folder: a look at it must not make one."""
    root = settings.store.root
    if settings.backend == "embedded" and not (Path(root) / ".gt").is_dir():
        raise UsageError(
            f"there is no service folder at {root}; name it with --root, or launch a job first"
        )


def _place_here(region: str, base: str) -> Place:
    from gt_workflow.wiring import places

    return places.here(region, base)


def _folder(root: Path, own: Path | None = None) -> Storage:
    """Open a folder of buckets; a function of the module, so that it can be sent to a process."""
    from gt_workflow.adapters.folder.storage import FolderStorage

    return FolderStorage(root, own)


class _Untouched:
    """Opens a root folder without leaving a trace, whether it is there or not."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        """Open nothing yet."""
        self._root = root
        self._stack = stack

    def __call__(self) -> Storage:
        """Open it."""
        return _folder(*self._places)

    def __reduce__(self) -> tuple[Any, ...]:
        """Open the same places in another process."""
        return partial, (_folder, *self._places)

    @cached_property
    def _places(self) -> tuple[Path, Path | None]:
        import tempfile

        root = self._root
        if (root / ".gt").is_dir():
            return root, None
        made = tempfile.TemporaryDirectory(prefix="gt-workflow-")
        other = Path(self._stack.enter_context(made))
        return root if root.is_dir() else other, other / ".gt"
