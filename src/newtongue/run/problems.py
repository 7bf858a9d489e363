"""What is wrong with settings, in words of the recipe."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from newtongue.core.config import Settings


def explained(error: ValidationError, kind: type[Settings]) -> str:
    """Return every problem of some settings in one line: unknown keys first, the nearest name beside them."""
    problems = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    return "; ".join(_problem(problem, kind) for problem in problems)


def _problem(problem: Any, kind: type[Settings]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, problem["loc"][:-1])
        close = get_close_matches(str(problem["loc"][-1]), known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}" if known else ""
        return f"unknown setting {place!r}{hint}"
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _known_keys(kind: type[Settings], loc: tuple[Any, ...]) -> list[str]:
    for part in loc:
        field_info = kind.model_fields.get(str(part)) if isinstance(part, str) else None
        if field_info is not None:
            inner = [t for t in _types_in(field_info.annotation) if isinstance(t, type) and issubclass(t, Settings)]
            if inner:
                kind = inner[0]
    return list(kind.model_fields)


def _types_in(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    return [annotation] if not arguments else [t for argument in arguments for t in _types_in(argument)]
