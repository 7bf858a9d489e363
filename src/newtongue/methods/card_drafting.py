"""What a text tells about the writing of its language: letters, digits, sentence marks, spaces, frequent words.

Counts only; what the counts mean for a language card is said where the card is drafted.

Source: our own; categories and decimal values as in the Unicode Character Database (Unicode Standard Annex 44).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from newtongue.methods.scripts import script_fraction
from newtongue.methods.words import words

MIN_SENTENCE_ENDS = 3
"""A mark counts as ending sentences when it stands before white space or a line's end this often."""
MIN_SHARE_OF_ENDS = 0.02
"""… and in at least this share of all such places."""
CLOSING = "\"'»”’)]}›」』"
"""Marks that may follow the end of a sentence."""
BETWEEN = ",،、，;؛；:：-–—/\\%&*@#·•…'\"«»“”‘’‹›()[]{}「」『』་"
"""Marks that separate or enclose within sentences in the scripts of the world; never taken for the end of one."""
WORD_SPACES = r"[\s\u1361]+"
"""What separates words: white space, and the Ethiopic word space."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was counted.

    Attributes:
        letters: Letters and vowel marks seen.
        scripts: Script -> share of the letters, falling; below a thousandth left out.
        letters_per_space: Letters between two spaces, in the mean; infinite without any.
        sentence_marks: Marks before white space that may end sentences, most frequent first, with their numbers.
        digits: Zero of each set of digits -> digits of that set seen, most frequent first.
        words: Most frequent words of letters, with their numbers.
        characters: Most frequent letters and vowel marks, with their numbers.
        changed_by_nfc: Characters that composition (NFC) changes or removes.
        presentation_forms: Characters that stand for a shape, not a letter (NFKC changes them).
        format_characters: Code point -> number, of invisible joiners and direction controls.
    """

    letters: int
    scripts: Mapping[str, float]
    letters_per_space: float
    sentence_marks: Sequence[tuple[str, int]]
    digits: Mapping[str, int]
    words: Sequence[tuple[str, int]]
    characters: Sequence[tuple[str, int]]
    changed_by_nfc: int = 0
    presentation_forms: int = 0
    format_characters: Mapping[str, int] = field(default_factory=dict)


def look(text: str, scripts: Mapping[str, Sequence[tuple[int, int]]], most: int = 40) -> Evidence:
    """Count what a text tells about its writing.

    Args:
        text: Some pages of the language, as found (not normalised).
        scripts: Script -> its code point ranges (inclusive).
        most: Words and characters kept.

    Example:
        >>> found = look("Ba ko. Ba mi? Ba ko. Ba mi. Ko ba.", {"Latn": [(0x41, 0x2E4)]})
        >>> found.sentence_marks, found.words[0]
        ([('.', 4)], ('ba', 5))
    """
    composed = unicodedata.normalize("NFC", text)
    counted = Counter(c for c in composed if unicodedata.category(c)[0] in "LM")
    letters = counted.total()
    shares = {name: _share(counted, ranges) for name, ranges in scripts.items()}
    gaps = len(re.findall(WORD_SPACES, composed.strip()))
    frequent = Counter(word.lower() for word in words(composed) if not any(c.isdecimal() for c in word))
    return Evidence(
        letters=letters,
        scripts=dict(sorted(((n, s) for n, s in shares.items() if s >= 0.001), key=lambda pair: -pair[1])),
        letters_per_space=letters / gaps if gaps else float("inf"),
        sentence_marks=_sentence_marks(composed),
        digits=_digits(composed),
        words=frequent.most_common(most),
        characters=counted.most_common(most),
        changed_by_nfc=sum((Counter(text) - Counter(composed)).values()),
        presentation_forms=sum(number for c, number in counted.items() if 0xFB00 <= ord(c) <= 0xFEFF),
        format_characters=dict(Counter(f"U+{ord(c):04X}" for c in composed if unicodedata.category(c) == "Cf")),
    )


def _share(counted: Counter[str], ranges: Sequence[tuple[int, int]]) -> float:
    whole = sum(number for c, number in counted.items() if script_fraction(c, ranges) is not None)
    inside = sum(number for c, number in counted.items() if script_fraction(c, ranges))
    return inside / whole if whole else 0.0


def _sentence_marks(text: str) -> list[tuple[str, int]]:
    """Return marks that stand after a word, perhaps closed by a quote, before white space or the end."""
    ends = re.findall(rf"(?<=\S)([^\w\s])[{re.escape(CLOSING)}]*(?=\s|$)", text)
    counted = Counter(c for c in ends if unicodedata.category(c) == "Po" and c not in BETWEEN)
    enough = max(MIN_SENTENCE_ENDS, MIN_SHARE_OF_ENDS * counted.total())
    return [(c, number) for c, number in counted.most_common() if number >= enough]


def _digits(text: str) -> dict[str, int]:
    """Return zero -> digits of its set; a set of digits stands in order in Unicode."""
    counted = Counter(chr(ord(c) - unicodedata.decimal(c)) for c in text if c.isdecimal())
    return dict(counted.most_common())
