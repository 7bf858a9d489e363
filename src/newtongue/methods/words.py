"""Words and character clusters of any script, without a dictionary.

Fertility, n-gram overlap and length limits need units that mean the same in every script.
Where writing separates words, the unit is the word; where it does not (Thai, Lao, Khmer,
Myanmar, Han, kana), the unit is what a reader calls one character: a letter with all its marks.
Linguistic segmentation needs a model per language and is no business of this file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

JOINERS = "\u200c\u200d\u2060\u00ad"
"""Format characters that stand inside a word: ZWNJ, ZWJ, word joiner, soft hyphen."""
APOSTROPHES = "'\u2019"
"""Marks that belong to a word when a letter stands on both sides (`ng'ombe`, `don't`)."""
SPACELESS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1980, 0x19DF),  # New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),  # Han iteration mark and zero
    (0x3021, 0x302F),  # Han numerals and tone marks
    (0x3031, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Myanmar extension B
    (0xAA60, 0xAA7F),  # Myanmar extension A
    (0xAA80, 0xAADF),  # Tai Viet
    (0xF900, 0xFAFF),  # Han compatibility
    (0xFF66, 0xFF9F),  # half-width Katakana
    (0x116D0, 0x116FF),  # Myanmar extension C
    (0x1B000, 0x1B16F),  # kana supplements
    (0x20000, 0x3FFFF),  # Han extensions B and later
)
"""Code point ranges (inclusive) of scripts written without spaces between words."""
STACKERS = "\u1039\u17d2\u1a60"
"""Signs that join the next consonant to the cluster: Myanmar virama, Khmer coeng, Tai Tham sakot."""
SPACING_VOWELS = "\u0e33\u0eb3"
"""Thai and Lao sara am: letters by category that complete the cluster before them."""

_SCANNED = (range(0x0, 0x20000), range(0xE0100, 0xE01F0))


def words(text: str) -> list[str]:
    """Return the words of a text; scripts without spaces give one item per character cluster.

    A word is a run of letters, combining marks and digits; ZWNJ and ZWJ stay inside it.
    Punctuation, symbols and white space separate words and are left out.

    Args:
        text: Any text; NFC is not required.

    Returns:
        Words in order, spelt as in the text.

    Example:
        >>> words("کتاب‌ها: I don't know 42.")
        ['کتاب‌ها', 'I', "don't", 'know', '42']
        >>> words("ที่นี่")
        ['ที่', 'นี่']

    Source: after Unicode Standard Annex 29 (word and grapheme cluster boundaries); we differ in that kana
        and south-east Asian scripts split into clusters and numbers split at their separators.
    """
    return _pattern().findall(text)


def count_words(text: str) -> int:
    """Return the number of items that `words` gives.

    Example:
        >>> count_words("اردو زبان، हिन्दी भाषा")
        4
    """
    return sum(1 for _ in _pattern().finditer(text))


@cache
def _pattern() -> re.Pattern[str]:
    spaceless = list(_spaceless_letters())
    apart = set(spaceless)
    marks = [code for code in _scanned() if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")]
    letters = [code for code in _scanned() if chr(code).isalnum() and code not in apart]
    cluster_base, mark = _character_class(spaceless), _character_class(marks)
    letter = _character_class(sorted({*letters, *marks}))
    cluster = f"[{cluster_base}](?:[{STACKERS}][{cluster_base}]|[{mark}{JOINERS}{SPACING_VOWELS}])*"
    run = f"[{letter}][{letter}{JOINERS}]*"
    return re.compile(f"{cluster}|{run}(?:(?<=[^\\W\\d])[{APOSTROPHES}](?=[^\\W\\d_]){run})*")


def _scanned() -> Iterator[int]:
    for block in _SCANNED:
        yield from block


def _spaceless_letters() -> Iterator[int]:
    """Yield the code points of spaceless scripts that are neither marks, digits nor punctuation."""
    for first, last in SPACELESS:
        for code in range(first, min(last, 0x3FFFF) + 1):
            if first >= 0x20000 or unicodedata.category(chr(code)) in ("Lo", "Lm", "Nl", "So"):
                yield code


def _character_class(codes: Iterable[int]) -> str:
    """Return the inside of a regular expression class that matches the given ascending code points."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{_escape(first)}-{_escape(last)}" for first, last in ranges)


def _escape(code: int) -> str:
    return f"\\U{code:08x}"
