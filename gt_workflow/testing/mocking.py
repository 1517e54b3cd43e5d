"""Our labeling API inside moto, for as long as a block or a test takes.

moto has no plugin hook: its dispatcher looks an operation up among the methods of
`SageMakerResponse`, so methods are put there and taken away again. Every operation that the
labeling API owns is ours; what moto knows and we do not, training jobs say, stays moto's, and a
resource's tags are kept by whoever keeps the resource.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar, overload

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.errors import UsageError
from gt_workflow.testing.service import REGION, Answers, GroundTruthService

_REQUEST_ID = "00000000-0000-4000-8000-000000000000"

F = TypeVar("F", bound=Callable[..., Any])


class Mocking:
    """What `mock_ground_truth` returns: a decorator, and a context manager to be used again."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of `mock_ground_truth`."""
        self._options = options
        self._open: list[ExitStack] = []

    def __enter__(self) -> GroundTruthService:
        """Start moto and the labeling API; return the service."""
        with ExitStack() as stack:
            service = stack.enter_context(_running(**self._options))
            self._open.append(stack.pop_all())
        return service

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put everything back; what was made is forgotten."""
        self._open.pop().__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Run a function inside; a parameter named `ground_truth` is given the service."""
        if inspect.isclass(function) or inspect.iscoroutinefunction(function):
            raise UsageError("mock_ground_truth decorates plain functions; else use it in a with")
        signature = inspect.signature(function)
        wanted = "ground_truth" in signature.parameters

        @wraps(function)
        def mocked(*args: Any, **kwargs: Any) -> Any:
            with self as service:
                return function(*args, **kwargs, **({"ground_truth": service} if wanted else {}))

        # pytest must not look for a fixture where the decorator gives the argument.
        left = [one for name, one in signature.parameters.items() if name != "ground_truth"]
        mocked.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined] # what `inspect` reads first
        return mocked  # type: ignore[return-value] # the same function but for one argument


@overload
def mock_ground_truth(function: F, /) -> F: ...
@overload
def mock_ground_truth(
    *,
    region: str = ...,
    clock: ManualClock | None = ...,
    image_size: tuple[int, int] | None = ...,
    answers: Answers | None = ...,
    vendors: Iterable[str] = ...,
) -> Mocking: ...
def mock_ground_truth(
    function: F | None = None,
    /,
    *,
    region: str = REGION,
    clock: ManualClock | None = None,
    image_size: tuple[int, int] | None = None,
    answers: Answers | None = None,
    vendors: Iterable[str] = (),
) -> F | Mocking:
    """Mock AWS with moto's `mock_aws`, and add Ground Truth's labeling jobs and work teams.

    With or without parentheses a decorator; with them also a context manager that gives the
    `GroundTruthService`. `region` has the work team `default`; `clock`, `image_size` and
    `answers` and `vendors` are those of `GroundTruthService`. Make boto3 clients inside, or at
    least after moto was imported. Raises `UsageError` if moto is not installed or has no place
    for us.
    """
    made = Mocking(
        region=region, clock=clock, image_size=image_size, answers=answers, vendors=tuple(vendors)
    )
    return made if function is None else made(function)


@contextmanager
def _running(**options: Any) -> Iterator[GroundTruthService]:
    try:
        from moto import mock_aws
    except ImportError as error:
        raise UsageError(
            f"gt_workflow.testing needs moto ({error}); install it: pip install 'moto[s3]>=5.2,<6'"
        ) from error
    import boto3

    from gt_workflow.adapters.s3_storage import S3Storage

    with mock_aws():
        objects = boto3.client(
            "s3",
            region_name=options["region"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - nobody checks it
        )
        with GroundTruthService(S3Storage(objects), **options) as service, _registered(service):
            yield service


@contextmanager
def _registered(service: GroundTruthService) -> Iterator[None]:
    """Put the operations among the methods of moto's class, and take them away at the end."""
    from moto.core.utils import camelcase_to_underscores
    from moto.sagemaker.responses import SageMakerResponse

    from gt_workflow.service.sagemaker.api import OPERATIONS

    with ExitStack() as stack:
        for operation in sorted(OPERATIONS):
            name = camelcase_to_underscores(operation)
            before = SageMakerResponse.__dict__.get(name)
            method = _method(operation, service, before)
            setattr(SageMakerResponse, name, method)
            if before is None:
                stack.callback(delattr, SageMakerResponse, name)
            else:
                stack.callback(setattr, SageMakerResponse, name, before)
        yield


def _method(
    operation: str, service: GroundTruthService, other: Callable[[Any], Any] | None
) -> Callable[[Any], Any]:
    """Return one operation as moto calls it; `other` answers what is not kept by us."""
    from gt_workflow.service import wire
    from gt_workflow.service.faults import Fault

    def method(response: Any) -> Any:
        given = json.loads(response.body or "{}")
        if other is not None and not service.api.owns(operation, given):
            return other(response)
        # Our own writer, not moto's, so that answers and refusals are those of the service.
        try:
            answer = service.call(operation, given, region=response.region)
            reply = wire.answer(answer, request_id=_REQUEST_ID)
        except Fault as fault:
            reply = wire.error(fault, protocol="json", request_id=_REQUEST_ID)
        return reply.body, {**reply.headers, "status": reply.status}

    return method
