"""Which script a text is written in, by counting letters against code point ranges.

The ranges are data (language cards, `languages/scripts.yaml`); this file only counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

LAST_LETTER = 0x33480
"""Code point above every letter assigned so far; larger ones are treated as no letter."""


def script_fraction(text: str, ranges: Sequence[tuple[int, int]]) -> float | None:
    """Return the share of letters that lie in the given code point ranges.

    Letters are characters of the Unicode categories L*; digits, marks, punctuation and emoji
    do not count, so that numbers and quotations of any language leave the share alone.

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
    """Return the number of letters (Unicode categories L*).

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
    return np.fromiter((chr(code).isalpha() for code in range(LAST_LETTER)), dtype=np.bool_, count=LAST_LETTER)


@cache
def _lookup(ranges: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    table = np.zeros(LAST_LETTER, dtype=np.bool_)
    for first, last in ranges:
        table[first : last + 1] = True
    return table
