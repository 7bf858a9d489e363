"""Does an answer stand in the language asked for, and is it an answer at all.

Script, letters that tell neighbours apart, loops and empty outputs, for any script: what is known of
a language comes from its card. An empty or looping output is a failure, never skipped.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from newtongue.methods.scripts import script_fraction

MIN_LOOP_CHARS = 20
"""A repeated tail shorter than this is emphasis, not a loop."""
MIN_LOOP_REPEATS = 4
"""Times a unit must stand in a row, at the end of an answer, to be a loop."""
MIN_COUNTING_REPEATS = 6
"""The same for a unit in which only numbers change: a calculation of a few like steps is none."""
GRAM_CHARS = 12
"""Length of the character n-grams whose repetition shows inexact loops."""
MIN_GRAM_TEXT_CHARS = 80
"""Shorter texts are not judged by repeated n-grams."""
MAX_REPEATED_FRACTION = 0.5
"""Share of n-grams that occur more than once, above which a text is looping."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What one answer looks like.

    Attributes:
        empty: No letter and no digit.
        looped: It repeats itself.
        script_fraction: Share of letters in the language's script, None without letters.
        in_script: Whether that share reaches the threshold; None for an answer of digits alone.
        in_language: Whether letters that tell neighbours apart speak for this language; None when
            they say nothing or the card names none.
    """

    empty: bool
    looped: bool
    script_fraction: float | None
    in_script: bool | None
    in_language: bool | None

    @property
    def faithful(self) -> bool | None:
        """Whether the answer counts as one in the language: None only for a proper answer without letters."""
        if self.empty or self.looped:
            return False
        return self.in_script


def judge(
    answer: str,
    ranges: Sequence[tuple[int, int]],
    *,
    min_script_fraction: float,
    lead_characters: str = "",
    foreign_characters: str = "",
) -> Fidelity:
    """Look at one generated answer.

    Args:
        answer: The generated text without prompt and stop token.
        ranges: Code point ranges of the language's scripts, from its card.
        min_script_fraction: Share of letters that must lie in them, in [0, 1].
        lead_characters: Letters neighbours in the same script do not use, from the card.
        foreign_characters: Letters of neighbours that this language does not use, from the card.

    Returns:
        The verdicts; see `Fidelity`.

    Example:
        >>> judge("میں ٹھیک ہوں", [(0x600, 0x6FF)], min_script_fraction=0.8, lead_characters="ٹھہں").faithful
        True
        >>> judge("", [(0x600, 0x6FF)], min_script_fraction=0.8).faithful
        False
    """
    share = script_fraction(answer, ranges)
    return Fidelity(
        empty=is_empty(answer),
        looped=is_looping(answer),
        script_fraction=share,
        in_script=None if share is None else share >= min_script_fraction,
        in_language=_weigh(answer, lead_characters, foreign_characters),
    )


def is_empty(text: str) -> bool:
    """Return whether a text has neither a letter nor a digit, in any script.

    Example:
        >>> is_empty(" ۔۔ "), is_empty("۴۲")
        (True, False)
    """
    return not any(unicodedata.category(character)[0] in "LN" for character in text)


def is_looping(text: str) -> bool:
    """Return whether a text repeats itself: its tail cycles (with or without its numbers), or most n-grams recur.

    Example:
        >>> is_looping("یہ اچھا ہے۔ " * 6), is_looping("नमस्ते, आप कैसे हैं?")
        (True, False)

    Source: repeated n-grams after Rae et al. 2021 (arXiv 2112.11446, appendix A.1), on characters so that
        no word segmentation is needed; tail cycles by the failure function of Knuth, Morris and Pratt 1977.
    """
    plain = "".join(text.split())
    words = "".join(character for character in plain if not character.isdigit())
    return _tail_cycles(plain, MIN_LOOP_REPEATS) or _tail_cycles(words, MIN_COUNTING_REPEATS) or _repeats(words)


def _tail_cycles(text: str, repeats: int) -> bool:
    """Whether some suffix of at least MIN_LOOP_CHARS is its shortest period `repeats` times or more."""
    reverse = text[::-1]
    border = [0] * len(reverse)
    length = 0
    for i in range(1, len(reverse)):
        while length and reverse[i] != reverse[length]:
            length = border[length - 1]
        length += reverse[i] == reverse[length]
        border[i] = length
        period = i + 1 - length
        if i + 1 >= MIN_LOOP_CHARS and i + 1 >= repeats * period:
            return True
    return False


def _repeats(text: str) -> bool:
    if len(text) < MIN_GRAM_TEXT_CHARS:
        return False
    grams = Counter(text[i : i + GRAM_CHARS] for i in range(len(text) - GRAM_CHARS + 1))
    repeated = sum(count for count in grams.values() if count > 1)
    return repeated > MAX_REPEATED_FRACTION * sum(grams.values())


def _weigh(text: str, lead: str, foreign: str) -> bool | None:
    ours = sum(text.count(character) for character in set(lead))
    theirs = sum(text.count(character) for character in set(foreign))
    return None if ours == theirs else ours > theirs
