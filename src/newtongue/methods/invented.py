"""An invented language: a reversible transform of English with its own script, endings, dictionary and word order.

It gives what no download can: exact bitext, an exact translator, transliteration and code-switching, for tests,
experiments and the offline teacher. The script is Tifinagh, the tag `qaa_Tfng` (private use). Words of Latin letters
are translated; everything else (digits, marks, code points of other scripts) stays.
Source: ours.
"""

from __future__ import annotations

import re
from typing import Final

TAG: Final = "qaa_Tfng"
"""Tag of the language: private use, in Tifinagh."""
LATIN: Final = "abcdefghijklmnopqrstuvwxyz"
SCRIPT: Final = "ⴻⴱⵛⴷⵉⴼⴳⵀⵓⵊⴽⵍⵎⵏⴰⵒⵇⵔⵙⵜⵄⵖⵡⵅⵢⵣ"
"""The letter for each of `LATIN`."""
ENDING, LISTED, CAPITAL, MIXED = "ⵟ", "ⵥ", "ⵯ", "ⴹ"
"""Letters that stand before an ending, a word of the dictionary, a capital, and a word of mixed case."""
ENDINGS: Final = ("ing", "ed", "ly", "s", "er")
"""English endings, replaced by `ENDING` and the letter of their place; the stem keeps at least three letters."""
DICTIONARY: Final = (
    "the", "of", "and", "to", "in", "a", "is", "that", "it", "was", "for", "on", "are", "as", "with", "his", "they",
    "at", "be", "this", "have", "from", "or", "one", "had", "by",
)  # fmt: skip
"""Frequent English words that have a word of their own."""

_TO_SCRIPT = dict(zip(LATIN, SCRIPT, strict=True))
_TO_LATIN = {own: latin for latin, own in _TO_SCRIPT.items()}
_LETTERS = f"{SCRIPT}{ENDING}{LISTED}{CAPITAL}{MIXED}"
_ENGLISH_RUN = re.compile(r"[A-Za-z]+(?: [A-Za-z]+)*")
_OWN_RUN = re.compile(rf"[{_LETTERS}]+(?: [{_LETTERS}]+)*")


def from_english(text: str) -> str:
    """Return an English text in the invented language.

    Args:
        text: Any text without Tifinagh letters; words of Latin letters are translated.

    Example:
        >>> from_english("The cats walked home, 3 times.")
        'ⵀⴰⵎⵉ ⵡⴻⵍⴽⵟⴱ ⵛⴻⵜⵟⴷ ⵯⵥⴻ, 3 ⵜⵓⵎⵉⵟⴷ.'
        >>> to_english(from_english("The cats walked home, 3 times."))
        'The cats walked home, 3 times.'
    """
    return _ENGLISH_RUN.sub(lambda run: " ".join(_word_from_english(w) for w in reversed(run[0].split(" "))), text)


def to_english(text: str) -> str:
    """Return the English text that `from_english` was given."""
    return _OWN_RUN.sub(lambda run: " ".join(_word_to_english(w) for w in reversed(run[0].split(" "))), text)


def mix(text: str, every: int) -> str:
    """Return an English text with every n-th of its words in the invented language, in place: code-switching.

    Example:
        >>> mix("one two three four", 2)
        'one ⵜⵡⴰ three ⴼⴰⵄⵔ'
    """
    places = iter(range(1, len(text) + 2))
    return re.sub(
        "[A-Za-z]+", lambda match: _word_from_english(match[0]) if next(places) % every == 0 else match[0], text
    )


def _word_from_english(word: str) -> str:
    if word.islower():
        return _lower_from_english(word)
    if word[0].isupper() and word[1:] == word[1:].lower():
        return CAPITAL + _lower_from_english(word.lower())
    if word.isupper():
        return CAPITAL * 2 + _lower_from_english(word.lower())
    return MIXED + "".join(_TO_SCRIPT[c] if c.islower() else CAPITAL + _TO_SCRIPT[c.lower()] for c in word)


def _lower_from_english(word: str) -> str:
    if word in DICTIONARY:
        return LISTED + SCRIPT[DICTIONARY.index(word)]
    for place, ending in enumerate(ENDINGS):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return _spell(word.removesuffix(ending)) + ENDING + SCRIPT[place]
    return _spell(word)


def _spell(word: str) -> str:
    return "".join(_TO_SCRIPT[letter] for letter in word)


def _word_to_english(word: str) -> str:
    if word.startswith(MIXED):
        return re.sub(f"{CAPITAL}?.", lambda match: _mixed(match[0]), word[1:])
    if word.startswith(CAPITAL * 2):
        return _lower_to_english(word[2:]).upper()
    if word.startswith(CAPITAL):
        return _lower_to_english(word[1:]).capitalize()
    return _lower_to_english(word)


def _mixed(letter: str) -> str:
    return _TO_LATIN[letter[-1]].upper() if letter.startswith(CAPITAL) else _TO_LATIN.get(letter, letter)


def _lower_to_english(word: str) -> str:
    if word.startswith(LISTED) and word[1:] in SCRIPT and len(word) == 2:
        return DICTIONARY[SCRIPT.index(word[1])]
    stem, mark, last = word.rpartition(ENDING)
    if mark and last in SCRIPT[: len(ENDINGS)] and len(last) == 1:
        return _lower_to_english(stem) + ENDINGS[SCRIPT.index(last)]
    return "".join(_TO_LATIN.get(letter, letter) for letter in word)
