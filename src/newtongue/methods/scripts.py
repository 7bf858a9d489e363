"""Which script a text is written in, by counting letters against code point ranges.

The ranges are data (language cards, `languages/scripts.yaml`); this file only counts.

Source: scripts as in Unicode Standard Annex 24.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

LAST_LETTER = 0x33480
"""Code point above every letter assigned so far; larger ones are treated as no letter."""
SHARED_MARKS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE00, 0xFE2F))
"""Combining marks and variation selectors of no script of their own; they never count."""


def script_fraction(text: str, ranges: Sequence[tuple[int, int]]) -> float | None:
    """Return the share of letters that lie in the given code point ranges.

    Letters are characters of the Unicode categories L*, and the marks that scripts write vowels with (M*);
    digits, punctuation, accents shared between scripts and emoji do not count.

    Args:
        text: Any text.
        ranges: Inclusive code point ranges of the wanted scripts.

    Returns:
        A number in [0, 1], or None when the text has no letter.

    Example:
        >>> script_fraction("اردو ab", [(0x0600, 0x06FF)])
        0.6666666666666666
        >>> script_fraction("1234", [(0x0600, 0x06FF)]) is None
        True
    """
    codes = _letter_codes(text)
    if not len(codes):
        return None
    return float(_lookup(tuple((int(first), int(last)) for first, last in ranges))[codes].mean())


def count_letters(text: str) -> int:
    """Return the number of letters and vowel marks, as `script_fraction` counts them.

    Example:
        >>> count_letters("a1 ب")
        2
    """
    return len(_letter_codes(text))


def _letter_codes(text: str) -> NDArray[np.uint32]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = codes[codes < LAST_LETTER]
    return codes[_letters()[codes]]


@cache
def _letters() -> NDArray[np.bool_]:
    categories = (unicodedata.category(chr(code))[0] for code in range(LAST_LETTER))
    table = np.fromiter((category in "LM" for category in categories), dtype=np.bool_, count=LAST_LETTER)
    for first, last in SHARED_MARKS:
        table[first : last + 1] = False
    return table


@cache
def _lookup(ranges: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    table = np.zeros(LAST_LETTER, dtype=np.bool_)
    for first, last in ranges:
        table[first : last + 1] = True
    return table
