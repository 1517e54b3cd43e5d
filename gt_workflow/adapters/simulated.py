"""Simulated workers: they know the truth, err at stated rates, and answer over HTTP like anyone.

What a worker answers to a photograph follows from (seed, worker's name, photograph) alone: not
from the order of tasks, the number of threads, or an earlier run. *Who* gets which photograph is
the service's choice when there are more workers than a job asks for per object; with as many
workers as it asks for, the whole output follows from the seed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from gt_workflow.adapters.task_client import TaskClient, UnreachableError
from gt_workflow.core import manifest
from gt_workflow.core.boxes import Box, iou
from gt_workflow.core.simulate import Noise, answer_boxes
from gt_workflow.core.truth import Boxes, Truth, find, from_manifest, from_voc, parse_voc
from gt_workflow.errors import DataError, ServiceError
from gt_workflow.ports import Clock, Storage

_SHORTEST_WAIT = 0.05  # seconds between two looks for work
_LONGEST_WAIT = 1.0
_PATIENCE = 60  # looks at a service that does not answer, at the longest wait: a minute
_GOOD = 0.5  # IoU from which a verifier calls a box right
# The task ended otherwise while it was being answered: nothing to mend here.
_LOST = {"ConflictException", "AccessDeniedException", "ResourceNotFound"}


@dataclass(slots=True)
class Tally:
    """What the workers did; keys are workers' names."""

    tasks: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    """Tasks whose lease ended, or whose job was stopped, before the answer came."""


def load_truth(uri: str, *, storage: Storage, attribute: str | None = None) -> Truth:
    """Read what simulated workers know: a label manifest, or a folder of Pascal VOC files.

    `attribute` names the label attribute, needed where a manifest has several. Raises
    `DataError` or `StorageError`.
    """
    if storage.exists(uri):
        with closing(storage.open(uri)) as file:
            lines = manifest.split_lines(file)
            truth = from_manifest(manifest.read(lines, uri=uri, attribute=attribute))
    else:
        truth = from_voc(
            parse_voc(_content(storage, stat.uri), uri=stat.uri)
            for stat in storage.list(uri.rstrip("/") + "/")
            if stat.uri.lower().endswith(".xml")
        )
    if not truth:
        raise DataError(
            "holds no truth: expected a manifest with labels, or a folder of VOC files", uri=uri
        )
    return truth


def run_simulated(  # noqa: PLR0913 - all by keyword; each is one decision of the caller
    *,
    address: str,
    tokens: Sequence[str],
    truth: Truth,
    noise: Noise,
    seed: int,
    stop: Callable[[], bool],
    clock: Clock,
    job_arn: str | None = None,
    skip_unknown: bool = False,
) -> Tally:
    """Work with one thread per token until `stop` says so, and return what was done.

    `stop` is asked, from any of the threads, whenever a worker finds nothing to do. A service
    that does not answer is waited for, about a minute. An image that the truth does not know is
    a `DataError`, or with `skip_unknown` an image with nothing on it. `job_arn` keeps the workers
    to one job. The first error stops all workers and is raised.
    """
    tally = Tally()
    lock = threading.Lock()
    halt = threading.Event()

    def stopped() -> bool:
        return halt.is_set() or stop()

    def work(token: str) -> None:
        try:
            with closing(TaskClient(address, token)) as client:
                worker = _Simulated(client, truth, noise, seed, skip_unknown)
                for name, boxes in worker.run(stopped=stopped, clock=clock, job_arn=job_arn):
                    with lock:
                        if boxes is None:
                            tally.lost += 1
                        else:
                            tally.tasks[name] += 1
                            tally.boxes[name] += boxes
        except BaseException:
            halt.set()
            raise

    with ThreadPoolExecutor(max(len(tokens), 1), thread_name_prefix="simulated") as pool:
        futures = [pool.submit(work, token) for token in tokens]
    for future in futures:
        future.result()
    return tally


@dataclass(frozen=True, slots=True)
class _Simulated:
    client: TaskClient
    truth: Truth
    noise: Noise
    seed: int
    skip_unknown: bool

    def run(
        self, *, stopped: Callable[[], bool], clock: Clock, job_arn: str | None
    ) -> Iterator[tuple[str, int | None]]:
        """Yield the worker's name and the number of boxes for each task; None for a lost one."""
        wait, silent, name = _SHORTEST_WAIT, 0, ""
        # Tasks of a run that was killed are still this worker's.
        held: list[dict[str, Any]] | None = None
        while True:
            try:
                name = name or str(self.client.me()["name"])
                if held is None:
                    held = self._own(job_arn)
                task = held.pop() if held else self.client.accept(job_arn)
                if task is not None:
                    yield name, self._do(task, name)
                    wait, silent = _SHORTEST_WAIT, 0
                    continue
                silent = 0
            except UnreachableError:
                # Whether the last request was carried out is not known: look what is held.
                held, silent = None, silent + 1
                if silent > _PATIENCE:
                    raise
            if stopped():
                return
            clock.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT)

    def _own(self, job_arn: str | None) -> list[dict[str, Any]]:
        return [task for task in self.client.held() if job_arn in {None, task["job_arn"]}]

    def _do(self, task: dict[str, Any], name: str) -> int | None:
        answer, boxes = self._answer(task, name)
        try:
            self.client.submit(task["id"], answer)
        except UnreachableError:
            raise
        except ServiceError as error:
            if error.code in _LOST:
                return None
            raise
        return boxes

    def _answer(self, task: dict[str, Any], name: str) -> tuple[dict[str, Any], int]:
        known = self._known(task)
        if task["kind"] == "verify":
            return {"crowd-image-classifier": {"label": _verdict(task, known)}}, 0
        image = task["image"]
        width, height = int(image["width"]), int(image["height"])
        drawn = answer_boxes(
            known,
            width=width,
            height=height,
            labels=task["labels"],
            noise=self.noise,
            key=f"{name}\0{_names(task)[0]}",
            seed=self.seed,
        )
        boxes = [_whole(label, box, width=width, height=height) for label, box in drawn]
        content: dict[str, Any] = {
            "boundingBoxes": boxes,
            "inputImageProperties": {"width": width, "height": height},
        }
        if task["kind"] == "adjust":
            given = [
                _whole(box["label"], _box(box), width=width, height=height) for box in task["boxes"]
            ]
            content["initialValueModified"] = boxes != given
        return {"boundingBox": content}, len(boxes)

    def _known(self, task: dict[str, Any]) -> Boxes:
        known = self.truth.get(task["object"])
        if known is None:
            known = find(self.truth, *_names(task))
        if known is None:
            if self.skip_unknown:
                return ()
            raise DataError(
                "the truth does not know this photograph, or knows several of its name; simulated "
                "workers cannot label it",
                uri=_names(task)[0],
            )
        return known


def _names(task: dict[str, Any]) -> list[str]:
    """Return what the photograph may be called in the truth, the best name first."""
    photograph = task["line"].get("photograph")
    names = [photograph] if isinstance(photograph, str) and photograph else []
    return [*names, task["object"]]


def _verdict(task: dict[str, Any], known: Boxes) -> str:
    """Return the first category if the boxes shown are right, else the second."""
    shown = [(str(box["label"]), _box(box)) for box in task["boxes"]]
    right = len(shown) == len(known) and all(_matched(one, shown) for one in known)
    categories: list[str] = task["labels"]
    return categories[0] if right or len(categories) == 1 else categories[1]


def _matched(one: tuple[str, Box], among: Iterable[tuple[str, Box]]) -> bool:
    label, box = one
    return any(label == other and iou(box, shown) >= _GOOD for other, shown in among)


def _box(raw: dict[str, Any]) -> Box:
    return Box(raw["left"], raw["top"], raw["width"], raw["height"])


def _whole(label: str, box: Box, *, width: int, height: int) -> dict[str, Any]:
    """Return a box as the page submits it: whole pixels inside the raster, a pixel at least."""
    left = min(max(round(box.left), 0), width - 1)
    top = min(max(round(box.top), 0), height - 1)
    right = min(max(round(box.right), left + 1), width)
    bottom = min(max(round(box.bottom), top + 1), height)
    return {
        "label": label,
        "left": left,
        "top": top,
        "width": right - left,
        "height": bottom - top,
    }


def _content(storage: Storage, uri: str) -> bytes:
    with closing(storage.open(uri)) as file:
        return file.read()
