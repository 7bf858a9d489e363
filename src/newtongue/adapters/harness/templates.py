"""Templates of task files, rendered where they can change nothing and reach nothing.

Source: lm-evaluation-harness (utils.py, `apply_template`): the same syntax, strictness and filter, there in an
    environment that can reach Python objects; here in jinja2's immutable sandbox.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from newtongue.core.errors import DataError

LONGEST_TEXT = 2_000_000
"""Characters one template may make."""


def _replaced(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)


_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
_ENVIRONMENT.filters["regex_replace"] = _replaced


@lru_cache(maxsize=4096)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(template)


def render(template: str, row: Mapping[str, Any], place: str) -> str:
    """Return a template filled with a row.

    Args:
        template: jinja2 source.
        row: Values by column.
        place: Where the template stands, for messages.

    Raises:
        DataError: It cannot be filled: a column is missing, the syntax is wrong, or it reaches for what it may not.
    """
    try:
        text = _compiled(template).render(**row)
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError) as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"the template {_short(template)!r} cannot be filled ({reason})", place=place) from None
    if len(text) > LONGEST_TEXT:
        raise DataError(f"the template {_short(template)!r} made {len(text)} characters", place=place)
    return text


def literal(text: str, place: str) -> Any:
    """Return the list or number that a template's text spells.

    Raises:
        DataError: It spells none.
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise DataError(f"{_short(text)!r} is no list of texts", place=place, expected='["…", "…"]') from None


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
