"""Prompt templates: text with `{slots}`, filled and read back.

Templates are data files. A filled template can be read again, which is how the stand-in teacher understands a prompt
in any language without a model. Slots stand between fixed marks (`<text>…</text>`), so reading is unambiguous.
Source: ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

NUMBERS: Final = ("count", "next", "characters")
"""Slots that hold digits only."""
_SLOT = re.compile(r"\{([a-z_]+)\}")


def slots_of(template: str) -> list[str]:
    """Return the names of the slots of a template, in order, each once.

    Example:
        >>> slots_of("Write {count} tasks in {language}, in {language} only. {}")
        ['count', 'language']
    """
    return list(dict.fromkeys(_SLOT.findall(template)))


def fill(template: str, slots: Mapping[str, object]) -> str:
    """Return a template with its slots filled; braces inside the values are left alone.

    Raises:
        KeyError: A slot has no value.

    Example:
        >>> fill("{a} + {b}", {"a": "{b}", "b": 2})
        '{b} + 2'
    """
    return _SLOT.sub(lambda match: str(slots[match[1]]), template)


def read(template: str, text: str) -> dict[str, str] | None:
    """Return the values a template was filled with to give a text, or None when it was not filled to give it.

    Example:
        >>> read("Translate <text>{text}</text> into {language}.", "Translate <text>a. b</text> into Urdu.")
        {'text': 'a. b', 'language': 'Urdu'}
        >>> read("Translate {text}", "Write") is None
        True
    """
    match = _pattern(template).fullmatch(text)
    return match.groupdict() if match else None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return the expression that reads a template: the first place of a slot takes any text, later ones repeat it."""
    parts, seen, end = [], set(), 0
    for match in _SLOT.finditer(template):
        name = match[1]
        value = r"\d+" if name in NUMBERS else ".*?"
        parts += [re.escape(template[end : match.start()]), f"(?P={name})" if name in seen else f"(?P<{name}>{value})"]
        seen.add(name)
        end = match.end()
    return re.compile("".join([*parts, re.escape(template[end:])]), re.DOTALL)
