"""What a template may cost while it renders: time in all, and size in one filter.

The engine's own limits count loops and output. They do not see what one filter makes of long
numbers, texts and ranges, nor how long a loop's body is; and what a template does may depend on the
line that it is given, so that a first rendering which went well says nothing of the next one. A
filter's cost is bounded before it runs, by the product of the sizes of what it is given, since it
cannot be stopped then: `times` on numbers of a billion digits, `replace` on every letter of a book.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from time import thread_time
from typing import Any, Final

from liquid import BoundTemplate, RenderContext, Token
from liquid.exceptions import ResourceLimitError
from liquid.undefined import UNDEFINED

SECONDS: Final = 2.0  # of processor; an honest template takes a thousandth
_MOST: Final = 16_000_000  # characters that a filter may make, or things it may look at
_LONGEST_RANGE: Final = 100_000
_LOOK: Final = 256  # names that are looked up between two looks at the clock
_FILTER: Final = 32  # as many as a filter counts for
# These lay one beside the other, and look at nothing twice.
_ADDING: Final = frozenset({"append", "prepend", "concat", "default", "plus", "minus"})


class _Budgeted(RenderContext):
    """The context of one rendering, which keeps its accounts."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._until = thread_time() + SECONDS
        self._looked_up = 0

    def get(
        self, path: list[object], *, token: Token | None, default: object = UNDEFINED
    ) -> object:
        self._looked_up += 1
        if self._looked_up >= _LOOK:
            self._check()
        return RenderContext.get(self, path, token=token, default=default)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self._check()
        super().raise_for_loop_limit(length)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        self._looked_up += _FILTER
        if self._looked_up >= _LOOK:
            self._check()
        return partial(_bounded, RenderContext.filter(self, name, token), name, token)

    def _check(self) -> None:
        self._looked_up = 0
        if thread_time() > self._until:
            raise ResourceLimitError("rendering took too much time", token=None)


class Template(BoundTemplate):
    """A template whose every rendering has a budget."""

    context_class = _Budgeted


def _bounded(
    run: Callable[..., object], name: str, token: Token | None, *given: object, **named: object
) -> object:
    """Run a filter, unless what it is given could keep it busy for long."""
    if len(given) == 1:
        cost = _size(given[0])
    elif name in _ADDING:
        cost = max(map(_size, given))
    else:
        cost = prod(map(_size, given))
    if cost > _MOST:
        raise ResourceLimitError(f"{name}: it was given too much", token=token)
    return run(*given, **named)


def _size(value: object) -> int:
    """Return how many characters, things or digits a value has, at least 1."""
    if isinstance(value, str):
        return len(value) or 1
    if isinstance(value, range):
        if value[_LONGEST_RANGE:]:
            raise ResourceLimitError("a range is too long", token=None)
        return len(value) or 1
    if isinstance(value, list | tuple):
        return sum(len(one) + 1 if isinstance(one, str) else 1 for one in value) or 1
    if isinstance(value, int):
        return value.bit_length() // 3 or 1
    return 1
