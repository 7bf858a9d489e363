"""Prompts as data: `assets/prompts/<tag>/<generator>.yaml`, named texts with `{slots}`, or the user's own file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from newtongue.core.errors import DataError

PROMPTS = files("newtongue") / "assets" / "prompts"
_SLOT = re.compile(r"\{([a-z_]+)\}")
FALLBACK = "eng_Latn"
"""Language of the prompts for a language that has none of its own."""


@cache
def load_prompts(generator: str, tag: str = FALLBACK) -> dict[str, Any]:
    """Return the named texts of a generator in one language; what a language has not, English has.

    Example:
        >>> "{blocks}" in load_prompts("alif", "urd_Arab")["frame"]
        True
    """
    return {**_read(generator, FALLBACK), **(_read(generator, tag) if tag != FALLBACK else {})}


def read_prompts(generator: str, file: Path, base: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the user's texts of a generator over the shipped English ones, or over `base`.

    Raises:
        DataError: The file is no mapping, names an unknown text, or one of its texts has an unknown slot.
    """
    shipped = load_prompts(generator)
    given = yaml.load(file.read_text("utf-8"), Loader=yaml.SafeLoader)
    if not isinstance(given, dict):
        raise DataError("the prompts are no mapping of name to text", place=file.name)
    for name, text in given.items():
        if name not in shipped or not isinstance(text, type(shipped[name])):
            raise DataError(f"`{name}` is no text of `{generator}`", place=file.name, expected=", ".join(shipped))
        if isinstance(text, str) and (extra := set(_SLOT.findall(text)) - set(_SLOT.findall(shipped[name]))):
            known = ", ".join(f"{{{slot}}}" for slot in _SLOT.findall(shipped[name]))
            raise DataError(f"`{name}` has the unknown slot {{{min(extra)}}}", place=file.name, expected=known)
    return {**(base or shipped), **given}


def prompt_languages(generator: str) -> list[str]:
    """Return the tags of the languages with shipped prompts of a generator, sorted."""
    return sorted(entry.name for entry in PROMPTS.iterdir() if (entry / f"{generator}.yaml").is_file())


def _read(generator: str, tag: str) -> dict[str, Any]:
    file = PROMPTS / tag / f"{generator}.yaml"
    if not file.is_file():
        return {}
    texts: dict[str, Any] = yaml.load(file.read_text("utf-8"), Loader=yaml.SafeLoader)
    return {name: text.strip() if isinstance(text, str) else text for name, text in texts.items()}
