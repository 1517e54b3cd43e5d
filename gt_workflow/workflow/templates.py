"""The worker task templates that come with this package, and their own placeholders.

A template is Liquid, which Ground Truth (or our service) renders for every task. What is known
before the job exists (header, instructions, the audited attribute) stands in it as `@@name@@` and
is filled in here by plain replacement, once over the text: a value is never searched again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gt_workflow.core.limits import Kind, attribute_problem
from gt_workflow.core.markup import Html, clean_html, literal, to_html
from gt_workflow.errors import UsageError

# `UiTemplate.Content` of the API reference.
MAX_TEMPLATE_CHARACTERS: Final = 128_000

SETTINGS: Final = "gt.toml"

_FILES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "label": "label.liquid.html",
        "adjust": "adjust.liquid.html",
        "verify": "verify.liquid.html",
    }
)
_PLACEHOLDER: Final = re.compile(r"@@([a-z-]+)@@")
_DOTTED: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")

HEADERS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "label": "Draw a box around every object",
        "adjust": "Correct the boxes",
        "verify": "Are the boxes right?",
    }
)
INSTRUCTIONS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "label": """\
Draw a box around **every** object that one of the labels names.

- Take the label first, then draw from one corner to the opposite one.
- The box touches the object on all four sides: as tight as you can, nothing cut off.
- If an object is partly hidden, box the part that you can see.
- One box for each object, even where objects overlap.
- If no such object is in the image, choose *Nothing to label*.
""",
        "adjust": """\
The boxes were drawn before. Correct them:

- Move the sides of a box until it touches the object on all four sides.
- Draw the boxes that are missing; delete those around nothing.
- Change the label where it is wrong.
- If everything is right, submit the image as it is.
""",
        "verify": """\
Look at the boxes, and choose the category that fits them best.

- A box is right if it touches its object on all four sides and has the right label.
- Look for objects without a box, too.
- Say in a comment what is wrong, if something is.
""",
    }
)


def load(name: str) -> str:
    """Return the text of a file of `templates/`, from the wheel or from a checkout.

    Raises `UsageError` if this package has no such file.
    """
    for folder in _folders():
        path = folder.joinpath(name)
        if name in {SETTINGS, *_FILES.values()} and path.is_file():
            return path.read_text(encoding="utf-8")
    raise UsageError(f"this installation has no template {name!r}; install it anew")


def _folders() -> tuple[Traversable, ...]:
    # In a checkout, templates/ stands beside the package; the wheel carries it inside.
    return files("gt_workflow").joinpath("templates"), Path(__file__).parents[2] / "templates"


def render(
    kind: Kind, *, header: str = "", instructions: str | Html = "", audited: str | None = None
) -> str:
    """Return the worker template for one job, still Liquid.

    `header` and `instructions` (text, simple Markdown or `Html`, see `core.markup`) have defaults.
    `audited` is the label attribute whose boxes are adjusted or verified. Raises `UsageError`.
    """
    if kind == "label":
        if audited is not None:
            raise UsageError("a labeling job looks at no attribute; adjust and verify do")
    elif audited is None:
        raise UsageError(f"name the label attribute whose boxes workers {kind}")
    elif problem := attribute_problem(audited):
        raise UsageError(f"the attribute to {kind}: {problem.message}")
    if isinstance(instructions, Html):
        text = clean_html(instructions)
    else:
        text = to_html(instructions.strip() or INSTRUCTIONS[kind])
    values = {
        "header": literal(header.strip() or HEADERS[kind]),
        "full-instructions": text,
        "short-instructions": text,
    }
    if audited is not None:
        values["audited"] = _member(audited)
        values["audited-metadata"] = _member(f"{audited}-metadata")
    filled = fill(load(_FILES[kind]), values)
    if len(filled) > MAX_TEMPLATE_CHARACTERS:
        raise UsageError(
            f"with its instructions the worker template has {len(filled):,} characters; "
            f"shorten them, {MAX_TEMPLATE_CHARACTERS:,} are allowed"
        )
    return filled


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in the place of `@@name@@`; a name without a value raises `UsageError`.

    The values are put in as they are: whoever makes them has escaped them.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UsageError(f"the template asks for @@{match[1]}@@, which nobody knows")
        return values[match[1]]

    return _PLACEHOLDER.sub(value, template)


def _member(attribute: str) -> str:
    """Write access to a member in Liquid: with a dot as AWS does, unless it begins with a digit."""
    return f".{attribute}" if _DOTTED.fullmatch(attribute) else f'["{attribute}"]'
