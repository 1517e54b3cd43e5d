"""A world of labeling jobs, seen as the stages see it: a labeling API and a storage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jobs_world import ACCOUNT, REGION, World

from gt_workflow import config
from gt_workflow.core.described import DescribedJob, describe
from gt_workflow.errors import AlreadyExistsError, NotFoundError
from gt_workflow.service.faults import Fault

SETTINGS = config.load()


class Killed(BaseException):
    """Ends a run as a kill would: nothing after it happens."""


class Api:
    """`ports.GroundTruth` on a world's jobs; its calls are counted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.created: list[str] = []

    def create(self, request: Any) -> str:
        name = request["LabelingJobName"]
        # As over the wire: what a job is made of is plain JSON.
        request = json.loads(json.dumps(request))
        try:
            self.world.jobs.create(region=REGION, account=ACCOUNT, request=request)
        except Fault as error:
            raise AlreadyExistsError(str(error), operation="Create", code=error.code) from error
        self.created.append(name)
        return name

    def describe(self, name: str) -> dict[str, Any]:
        try:
            return self.world.describe(name)
        except Fault as error:
            raise NotFoundError(str(error), operation="Describe", code=error.code) from error


class Fatal:
    """Lets `left` calls through to an object's methods and dies at the next."""

    def __init__(self, *inner: Any, left: int) -> None:
        self.left = left
        self.parts = [_Counted(self, one) for one in inner]

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class _Counted:
    def __init__(self, fatal: Fatal, inner: Any) -> None:
        self._fatal, self._inner = fatal, inner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._fatal.step()
            result = method(*arguments, **named)
            if name == "create":
                # Also between the call and whatever follows it.
                return _Stepped(self._fatal, result) if hasattr(result, "__enter__") else result
            return result

        return call


class _Stepped:
    """A write that may be cut off before it is published, and after."""

    def __init__(self, fatal: Fatal, inner: Any) -> None:
        self._fatal, self._inner = fatal, inner

    def __enter__(self) -> Any:
        return self._inner.__enter__()

    def __exit__(self, *error: object) -> Any:
        if error[0] is None:
            try:
                self._fatal.step()
            except Killed as killed:
                self._inner.__exit__(Killed, killed, None)
                raise
        return self._inner.__exit__(*error)


def seen(world: World, name: str = "job") -> DescribedJob:
    return describe(world.describe(name))


def half_done(world: World, *, lines: int = 6, done: int = 3, **options: Any) -> DescribedJob:
    """A job that was stopped with `done` lines labelled, a box on each."""
    name = world.begin([*map(world.line, range(lines))], **options)
    for _ in range(done):
        world.label_one("w0", ("cat", 1, 2, 30, 40))
    if done < lines:
        world.stop(name)
        world.run()
    return seen(world, name)


def finish(world: World, name: str, *boxes: tuple[Any, ...]) -> DescribedJob:
    """Let a worker answer all of a job."""
    world.run()
    for _ in range(world.describe(name)["LabelCounters"]["Unlabeled"]):
        world.label_one("w1", *boxes)
    assert world.status(name) == "Completed"
    return seen(world, name)


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()
