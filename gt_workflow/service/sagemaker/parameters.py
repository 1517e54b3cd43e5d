"""Checks a SageMaker request against AWS's own service model and words the refusal as AWS does.

The model is botocore's `sagemaker/2017-07-24/service-2.json`, read at the first request (0.1 s)
and cut down to the shapes of the operations asked for; botocore's client is not involved. As
AWS does: members that the model does not know are ignored, a JSON null counts as absent, a value
of the wrong type is a `SerializationException` at once, and everything else is collected into one
`ValidationException` that names each member by its camelCase path.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from gt_workflow.service.faults import Fault, invalid

_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\.")  # an escape, a class, or any character
_ECHO_LIMIT = 1024  # characters of a refused value that are sent back
_INT32 = 2**31


class Parameters:
    """The input shapes of some operations; `check` is the only thing to ask of it."""

    def __init__(self, operations: Iterable[str]) -> None:
        """Read the model and keep what these operations' inputs reach."""
        # Imported and read here, not at the module's head: `--help` must not pay for it.
        from botocore.loaders import create_loader

        model = create_loader().load_service_model("sagemaker", "service-2")
        self._inputs = {
            name: model["operations"][name]["input"]["shape"] for name in sorted(operations)
        }
        self._shapes: dict[str, Any] = {}
        for name in self._inputs.values():
            self._keep(name, model["shapes"])

    def _keep(self, name: str, shapes: Mapping[str, Any]) -> None:
        """Copy a shape and all that it is made of."""
        if name in self._shapes:
            return
        shape = self._shapes[name] = {
            key: value for key, value in shapes[name].items() if key != "documentation"
        }
        parts = [*shape.get("members", {}).values()]
        parts += [shape[key] for key in ("member", "key", "value") if key in shape]
        for part in parts:
            self._keep(part["shape"], shapes)

    def check(self, operation: str, parameters: object) -> dict[str, Any]:
        """Return the known members that are there, times as aware datetimes; or raise a Fault."""
        problems: list[str] = []
        checked = self._structure(self._inputs[operation], parameters, "", problems)
        if problems:
            errors = (
                "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
            )
            raise invalid(f"{errors} detected: {'; '.join(problems)}")
        return checked

    def _structure(
        self, name: str, value: object, path: str, problems: list[str]
    ) -> dict[str, Any]:
        """Check an object's members in the model's order."""
        if not isinstance(value, dict):
            raise _wrong_type(value, "structure")
        shape = self._shapes[name]
        required = shape.get("required", ())
        checked = {}
        for member, reference in shape["members"].items():
            where = f"{path}.{_camel(member)}" if path else _camel(member)
            if value.get(member) is not None:
                checked[member] = self._value(reference["shape"], value[member], where, problems)
            elif member in required:
                problems.append(_problem(None, where, "Member must not be null"))
        return checked

    def _value(self, name: str, value: object, path: str, problems: list[str]) -> object:
        """Check a value of any type."""
        shape = self._shapes[name]
        kind = shape["type"]
        if kind == "structure":
            return self._structure(name, value, path, problems)
        if kind == "list":
            return self._list(shape, value, path, problems)
        if kind == "map":
            return self._map(shape, value, path, problems)
        checked = _scalar(kind, value)
        problems.extend(
            _problem(checked, path, broken, sensitive=shape.get("sensitive", False))
            for broken in _broken(shape, checked)
        )
        return checked

    def _list(
        self, shape: Mapping[str, Any], value: object, path: str, problems: list[str]
    ) -> list[Any]:
        """Check a list; AWS speaks of scalars in it as a whole, of structures one by one."""
        if not isinstance(value, list):
            raise _wrong_type(value, "list")
        problems.extend(_problem(value, path, broken) for broken in _broken(shape, value))
        if len(value) > shape.get("max", len(value)):
            return []  # one error says it; a million wrong tags must not make a million errors
        name = shape["member"]["shape"]
        member = self._shapes[name]
        if member["type"] not in {"string", "integer"}:
            return [
                self._value(name, item, f"{path}.{position}.member", problems)
                for position, item in enumerate(value, start=1)
            ]
        checked = [_scalar(member["type"], item) for item in value]
        if any(_broken(member, item) for item in checked):
            problems.append(
                _problem(checked, path, f"Member must satisfy constraint: {_all(member)}")
            )
        return checked

    def _map(
        self, shape: Mapping[str, Any], value: object, path: str, problems: list[str]
    ) -> dict[str, Any]:
        """Check a map of strings."""
        if not isinstance(value, dict):
            raise _wrong_type(value, "map")
        problems.extend(_problem(value, path, broken) for broken in _broken(shape, value))
        key, item = (self._shapes[shape[part]["shape"]] for part in ("key", "value"))
        checked = {name: _scalar(item["type"], part) for name, part in value.items()}
        if any(_broken(key, name) for name in checked):
            problems.append(_problem(value, path, f"Map keys must satisfy constraint: {_all(key)}"))
        if any(_broken(item, part) for part in checked.values()):
            problems.append(
                _problem(value, path, f"Map value must satisfy constraint: {_all(item)}")
            )
        return checked


def _scalar(kind: str, value: object) -> Any:
    """Take a string, a number, a boolean or a time as it came over the wire."""
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "timestamp":
        return _time(value)
    if kind == "integer" and isinstance(value, int | float) and not isinstance(value, bool):
        if value != int(value) or not -_INT32 <= value < _INT32:
            raise _serialization("Number is not an Integer of 32 bits")
        return int(value)
    raise _wrong_type(value, kind)


def _time(value: object) -> datetime:
    """Read epoch seconds, which is what AWS's clients send, or ISO 8601."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo else read.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise _serialization("Value can not be converted to a Timestamp") from None
    raise _wrong_type(value, "timestamp")


def _broken(shape: Mapping[str, Any], value: Any) -> list[str]:
    """Return the constraints of a shape that a value does not keep."""
    return [text for text, kept in _constraints(shape, value) if not kept]


def _all(shape: Mapping[str, Any]) -> str:
    """Return every constraint of a shape, as AWS lists them for the members of a list."""
    value: Any = "" if shape["type"] == "string" else 0
    return f"[{', '.join(text for text, _ in _constraints(shape, value))}]"


def _constraints(shape: Mapping[str, Any], value: Any) -> list[tuple[str, bool]]:
    """Pair each constraint of a shape with whether the value keeps it."""
    pairs = []
    number = isinstance(value, int)
    size = value if number else len(value) if hasattr(value, "__len__") else 0
    unit = "value" if number else "length"
    low, high = shape.get("min"), shape.get("max")
    if high is not None:
        pairs.append((f"Member must have {unit} less than or equal to {high}", size <= high))
    if low:
        pairs.append((f"Member must have {unit} greater than or equal to {low}", size >= low))
    if "pattern" in shape:
        # What is far too long is not searched: some of AWS's patterns take quadratic time.
        short = high is None or size <= 4 * high
        kept = not short or _matches(shape["pattern"], value)
        pairs.append((f"Member must satisfy regular expression pattern: {shape['pattern']}", kept))
    if "enum" in shape:
        names = ", ".join(shape["enum"])
        pairs.append((f"Member must satisfy enum value set: [{names}]", value in shape["enum"]))
    return pairs


def _matches(pattern: str, value: str) -> bool:
    r"""Match the whole value as Java would.

    Python's `re` knows no `\p{L}`, so such a class is spelled out with those of the value's own
    characters that belong to it, and with a lone surrogate, which no value holds, to be never
    empty.
    """
    if r"\p{" not in pattern:
        return _compiled(pattern).fullmatch(value) is not None

    def members(found: re.Match[str]) -> str:
        own = {char for char in value if unicodedata.category(char)[0] == found[1]}
        return "".join(re.escape(char) for char in sorted(own)) + r"\ud800"

    return re.fullmatch(re.sub(r"\\p\{(\w)\}", members, pattern), value, re.ASCII) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    r"""Compile one of the model's patterns; in Java `\w`, `\d` and `\s` mean ASCII alone."""
    return re.compile(_TOKEN.sub(_any_character, pattern), re.ASCII)


def _any_character(token: re.Match[str]) -> str:
    """Let `.` stop at each line end that Java knows; Python's stops at the newline alone."""
    return r"[^\n\r\x85\u2028\u2029]" if token[0] == "." else token[0]


def _problem(value: object, path: str, broken: str, *, sensitive: bool = False) -> str:
    """Word one broken constraint; a secret is not sent back."""
    shown = " null" if value is None else "" if sensitive else f" '{_echo(value)}'"
    return f"Value{shown} at '{path}' failed to satisfy constraint: {broken}"


def _echo(value: object) -> str:
    """Write a value as Java's toString would, cut where it gets long."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        text = f"[{', '.join(value)}]"
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _ECHO_LIMIT else f"{text[:_ECHO_LIMIT]}..."


def _camel(member: str) -> str:
    """Return a member's name as AWS's messages spell it."""
    return member[:1].lower() + member[1:]


_ARTICLES = {"string": "a String", "integer": "an Integer", "boolean": "a Boolean"}


def _wrong_type(value: object, kind: str) -> Fault:
    """Refuse a JSON type that the model does not allow at this place, as AWS's parser does."""
    if isinstance(value, dict):
        return _serialization("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return _serialization("Start of list found where not expected.")
    if kind not in _ARTICLES:
        return _serialization("Unexpected value type in payload")
    if isinstance(value, bool):
        token = "TRUE_VALUE" if value else "FALSE_VALUE"
    else:
        token = "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
    return _serialization(f"{token} can not be converted to {_ARTICLES[kind]}")


def _serialization(message: str) -> Fault:
    """Refuse a body that cannot be read as the operation's input."""
    return Fault("SerializationException", message)
