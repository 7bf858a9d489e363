"""Read JSON out of what a model wrote, mend what can be mended without guessing, and check it against a schema.

Mended means: a fence or chatter around the value, a trailing comma, single quotes, bare line ends or unescaped quotes
inside a text. Never mended: anything cut off. A text that a library closes for the model looks complete and is not.
Source: ours; the schema keywords are those of JSON Schema 2020-12 that servers with guided decoding understand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_TRAILING_COMMA: Final = re.compile(r",(\s*[}\]])")
_CLOSERS: Final = {"{": "}", "[": "]"}
_AFTER_TEXT: Final = re.compile(r"\s*(?:[,:}\]]|\Z)")
KEYWORDS: Final = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "enum", "const",
        "minLength", "maxLength", "minimum", "maximum", "pattern", "title", "description", "default", "$schema",
    }
)  # fmt: skip
"""Keywords of a schema that are checked here, or that say nothing to check."""
TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read.

    Attributes:
        value: The JSON value; None when there is a problem (or when it is `null`).
        repaired: Whether it had to be mended.
        problem: Why nothing could be read, a short stable phrase; "" when something was.
    """

    value: Any = None
    repaired: bool = False
    problem: str = ""


def read_json(text: str, *, cut_off: bool = False) -> Parsed:
    r"""Return the JSON value in an answer.

    Args:
        text: What the model wrote.
        cut_off: Whether the answer ended because it became too long: then only whole JSON counts.

    Example:
        >>> read_json('Here you are:\n```json\n{"a": 1,}\n```')
        Parsed(value={'a': 1}, repaired=True, problem='')
        >>> read_json('{"a": "b').problem
        'cut off'
    """
    try:
        return Parsed(json.loads(text))
    except (ValueError, RecursionError):
        pass
    if cut_off:
        return Parsed(problem="cut off")
    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
    if start < 0:
        return Parsed(problem="no JSON")
    inner, whole = _outermost(text[start:])
    if not whole:
        mended = _escape_inner_quotes(text[start:])
        inner, whole = _outermost(mended)
        if not whole:
            return Parsed(problem="cut off")
    tidy = _TRAILING_COMMA.sub(r"\1", inner)
    for candidate in (inner, tidy, _escape_inner_quotes(tidy), _double_quotes(tidy)):
        try:
            return Parsed(json.loads(candidate, strict=False), repaired=True)
        except (ValueError, RecursionError):
            continue
    return Parsed(problem="broken JSON")


def _outermost(text: str) -> tuple[str, bool]:
    """Return the first bracketed value of a text that begins with it, and whether its brackets close."""
    stack: list[str] = []
    quoted = escaped = False
    for place, letter in enumerate(text):
        if quoted:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                quoted = False
        elif letter == '"':
            quoted = True
        elif letter in _CLOSERS:
            stack.append(_CLOSERS[letter])
        elif stack and letter == stack[-1]:
            stack.pop()
            if not stack:
                return text[: place + 1], True
    return text, False


def _escape_inner_quotes(text: str) -> str:
    """Escape quotes inside texts: one that ends a text is followed by a comma, a colon or a closing bracket."""
    out: list[str] = []
    quoted = escaped = False
    for place, letter in enumerate(text):
        if letter == '"' and not escaped:
            if not quoted:
                quoted = True
            elif _AFTER_TEXT.match(text, place + 1):
                quoted = False
            else:
                out.append("\\")
        escaped = letter == "\\" and not escaped
        out.append(letter)
    return "".join(out)


def _double_quotes(text: str) -> str:
    """Write texts in single quotes with double ones; a quote that ends a text is followed as in JSON."""
    out: list[str] = []
    quoted = False
    for place, letter in enumerate(text):
        if letter == "'" and (not quoted or _AFTER_TEXT.match(text, place + 1)):
            quoted = not quoted
            out.append('"')
        else:
            out.append('\\"' if letter == '"' and quoted else letter)
    return "".join(out)


def check_schema(schema: Mapping[str, Any], place: str = "schema") -> None:
    """Refuse a schema with keywords nobody here would check.

    Raises:
        ValueError: It holds such a keyword; the message names it.
    """
    unknown = sorted(set(schema) - KEYWORDS)
    if unknown:
        raise ValueError(f"{place}: `{unknown[0]}` is not supported; supported are {', '.join(sorted(KEYWORDS))}")
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{place}.{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), Mapping):
            check_schema(schema[keyword], f"{place}.{keyword}")


def violation(value: Any, schema: Mapping[str, Any], place: str = "answer") -> str:
    """Return the first way in which a value breaks a schema, in a few words; "" when it fits.

    Example:
        >>> violation({"n": "3"}, {"type": "object", "properties": {"n": {"type": "integer"}}})
        'answer.n is no integer'
    """
    wanted = schema.get("type")
    kinds = [wanted] if isinstance(wanted, str) else list(wanted or ())
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"{place} is no {' or '.join(kinds)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{place} is none of the allowed values"
    if "const" in schema and value != schema["const"]:
        return f"{place} is not the required value"
    if isinstance(value, dict):
        return _object_violation(value, schema, place)
    if isinstance(value, list):
        return _array_violation(value, schema, place)
    return _scalar_violation(value, schema, place)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[kind])


def _object_violation(value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> str:
    known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            return f"{place} lacks {name}"
    for name, item in value.items():
        if name not in known and more is False:
            return f"{place} has a key nobody asked for"
        inner = known.get(name, more)
        problem = violation(item, inner, f"{place}.{name}") if isinstance(inner, Mapping) else ""
        if problem:
            return problem
    return ""


def _array_violation(value: list[Any], schema: Mapping[str, Any], place: str) -> str:
    if len(value) < schema.get("minItems", 0):
        return f"{place} has fewer than {schema['minItems']} items"
    if len(value) > schema.get("maxItems", len(value)):
        return f"{place} has more than {schema['maxItems']} items"
    problems = (violation(item, schema["items"], f"{place}[]") for item in value) if "items" in schema else ()
    return next((problem for problem in problems if problem), "")


def _scalar_violation(value: Any, schema: Mapping[str, Any], place: str) -> str:
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return f"{place} has the wrong length"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return f"{place} does not have the wanted form"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{place} is out of range"
    return ""
