"""Keeping secrets out of everything that is written.

A recipe names secrets (`env:NAME`), never their values. Every name that a config brings is noted here, and one
function, `redact`, replaces the values; it stands on every path by which text leaves the product: command line,
journals, logs, cards, manifests, errors.
"""

from __future__ import annotations

import json
import os
from urllib.parse import quote

MARK = "•••"
SHORTEST_CHARS = 4
"""Shorter values are not replaced: they would be found inside ordinary words."""

_names: set[str] = set()


def note(name: str) -> None:
    """Remember that the environment variable `name` holds a secret."""
    _names.add(name)


def redact(text: str) -> str:
    """Return `text` with the value of every noted secret replaced, in plain, JSON and URL spelling.

    Example:
        >>> os.environ["EXAMPLE_KEY"] = "sk-123456"
        >>> note("EXAMPLE_KEY")
        >>> redact("401 for sk-123456")
        '401 for •••'
    """
    for name in _names:
        value = os.environ.get(name, "")
        if len(value) < SHORTEST_CHARS:
            continue
        spellings = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe="")}
        for spelling in sorted(spellings, key=len, reverse=True):
            text = text.replace(spelling, MARK)
    return text
