"""Transliteration by ICU: its own rules by name (`Devanagari-Latin`), or a file of rules in its notation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from newtongue.core.errors import DataError, MissingExtra, RecipeError


def transliterator(rules: str | Path, *, backwards: bool = False) -> Callable[[str], str]:
    """Return a function that transliterates.

    Args:
        rules: An ICU transform id, or a file of rules (`а <> a;`, https://unicode-org.github.io/icu/userguide/transforms).
        backwards: Whether to go the other way.

    Raises:
        MissingExtra: The ICU binding is not installed.
        RecipeError: ICU has no transform of that name, or none in that direction.
        DataError: The file's rules cannot be read.
    """
    try:
        import icu
    except ImportError as error:
        raise MissingExtra("icu", "script") from error
    direction = icu.UTransDirection.REVERSE if backwards else icu.UTransDirection.FORWARD
    try:
        if isinstance(rules, Path):
            made = icu.Transliterator.createFromRules("rules", rules.read_text("utf-8"), direction)
        else:
            made = icu.Transliterator.createInstance(rules, direction)
    except icu.ICUError as error:
        said = str(error).split(",")[0].strip("(' ")
        if isinstance(rules, Path):
            raise DataError(f"ICU cannot read the rules: {said}", place=rules.name) from None
        raise RecipeError(
            f"ICU has no transform `{rules}`{' in that direction' if backwards else ''}",
            place="transform.rules",
            expected="an id like Any-Latin, Devanagari-Latin, Latin-Arabic, or a file of rules",
        ) from None
    return lambda text: str(made.transliterate(text))
