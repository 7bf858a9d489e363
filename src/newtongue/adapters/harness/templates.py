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
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from newtongue.core.errors import DataError

LONGEST_TEXT = 2_000_000
"""Characters one template may make."""
LARGEST_POWER = 64
"""Largest exponent, so that a number is never larger than memory."""


def _replaced(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)


class _Sandbox(ImmutableSandboxedEnvironment):
    """The immutable sandbox, in which sums stay small too: `'a' * 10 ** 12` is refused before it is made."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Return a product or a power.

        Raises:
            SecurityError: It would be too large.
        """
        if operator == "**" and not (abs(left) <= LONGEST_TEXT and abs(right) <= LARGEST_POWER):
            raise SecurityError("a power this large is not allowed")
        for value, times in ((left, right), (right, left)):
            if isinstance(value, str | bytes | list | tuple) and len(value) * int(times) > LONGEST_TEXT:
                raise SecurityError("a repetition this long is not allowed")
        return super().call_binop(context, operator, left, right)


_ENVIRONMENT = _Sandbox(undefined=StrictUndefined, keep_trailing_newline=True)
_ENVIRONMENT.filters["regex_replace"] = _replaced


_UNFILLED = (
    *(TemplateError, TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError),
    *(MemoryError, RecursionError),
)
"""What a template that asks too much, or of a row that lacks it, ends with."""


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
    parts, size = [], 0
    try:
        for part in _compiled(template).generate(**row):
            parts.append(part)
            size += len(part)
            if size > LONGEST_TEXT:
                raise DataError(f"the template {_short(template)!r} made {size} characters", place=place)
    except _UNFILLED as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"the template {_short(template)!r} cannot be filled ({reason})", place=place) from None
    return "".join(parts)


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
