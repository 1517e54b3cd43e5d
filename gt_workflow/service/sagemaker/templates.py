"""Worker task templates: Liquid with Ground Truth's three filters, escaped by default.

`render` works in this process, within python-liquid's own limits on nesting, loops, variables and
output, and those of `budget` on time and filters. A template of unknown origin is parsed and first
rendered by `preview.py` in a process of its own.

python-liquid is the engine because it renders all of AWS's sample templates, keys with hyphens
(`manifestLine.my-job-metadata.class-map[id]`) included; liquidpy reads those as subtractions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, cast

from liquid import BoundTemplate, Environment, Markup, RenderContext
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.filter import liquid_filter, string_filter, with_context
from liquid.undefined import Undefined

from gt_workflow.service.sagemaker.budget import Template

_MEGABYTE = 1_000_000
# Not among Ground Truth's filters, and `safe` would switch escaping off under another name.
_NOT_OURS = ("safe", "escapejs")

Grant = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of RenderUiTemplate's `Errors`."""

    code: str
    message: str


class TemplateError(Exception):
    """A template cannot be parsed or rendered; `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        """Keep the code apart from the sentence."""
        super().__init__(problem.message)
        self.problem = problem


class _Environment(Environment):
    """Liquid with limits that no honest template comes near."""

    block_nesting_limit: ClassVar[int] = 30
    context_depth_limit: ClassVar[int] = 30
    loop_iteration_limit: ClassVar[int | None] = 100_000
    local_namespace_limit: ClassVar[int | None] = 4 * _MEGABYTE
    output_stream_limit: ClassVar[int | None] = 4 * _MEGABYTE
    template_class = Template


def render(content: str, *, task_input: Any, grant: Grant) -> str:
    """Render a template for a task, or raise a TemplateError.

    `task_input` is what the template sees as `task.input`; `grant` turns an S3 URI into an
    address that the worker's browser may read (the filter `grant_read_access`).
    """
    try:
        return _parsed(content).render({"task": {"input": task_input}, _GRANT: grant})
    except LiquidError as error:
        raise TemplateError(_problem(error)) from error
    except _MISUSE as error:
        message = f"a filter was given what it cannot use: {type(error).__name__}: {error}"
        raise TemplateError(Problem("InvalidTemplate", message)) from error
    except RecursionError as error:
        message = "the template, or its input, is nested too deeply"
        raise TemplateError(Problem("TemplateLimitExceeded", message)) from error


# python-liquid's filters let these through for some values, as `sum` does for texts.
_MISUSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

# What stands under this name is looked up by the filter, so that one parsed template serves many
# tasks; no template can spell it.
_GRANT = "\0grant"


@lru_cache(maxsize=16)
def _parsed(content: str) -> BoundTemplate:
    """Parse a template; a job's workers all ask for the same one."""
    return _environment().from_string(content)


@cache
def _environment() -> Environment:
    """Build the environment, once."""
    environment = _Environment(autoescape=True)
    for name in _NOT_OURS:
        del environment.filters[name]
    environment.add_filter("to_json", _to_json)
    environment.add_filter("skip_autoescape", _skip_autoescape)
    environment.add_filter("grant_read_access", _grant_read_access)
    return environment


@liquid_filter
def _to_json(value: object) -> str:
    """Write JSON that cannot end a script element, should the template not escape it."""
    value = None if isinstance(value, Undefined) else value
    text = json.dumps(value, ensure_ascii=False, default=_plain)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _plain(value: object) -> object:
    """Write a range as a list and whatever else a template can make as its text."""
    return list(value) if isinstance(value, range) else str(value)


@string_filter
def _skip_autoescape(value: str) -> str:
    """Leave a text as it is: on text that others wrote this lets their scripts in, as on AWS."""
    return Markup(value)


@with_context
@string_filter
def _grant_read_access(value: str, *, context: RenderContext) -> str:
    """Turn an S3 URI into an address that a browser may read for a while."""
    grant = cast("Grant", context.globals[_GRANT])
    return grant(value)


def _problem(error: LiquidError) -> Problem:
    """Name the line, if the engine knows it."""
    code = "TemplateLimitExceeded" if isinstance(error, ResourceLimitError) else "InvalidTemplate"
    message = str(error.message)
    if error.token is not None and 0 <= error.token.start_index < len(error.token.source):
        line = error.token.source.count("\n", 0, error.token.start_index) + 1
        message = f"line {line}: {message}"
    return Problem(code, message)
