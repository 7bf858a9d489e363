"""A toy translation between two real languages that understands nothing and goes back exactly, letter for letter.

Words are exchanged by rank of frequency, so that a translation is made of words of its language and looks like it to
a script check and an identifier; what the lexicon has not is spelt in the other alphabet, or stays. How to go back is
noted in variation selectors behind a word, which print as nothing. Everything that is no word stays where it is.
Source: ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

TITLE, UPPER, SPELT, KEPT = "\ufe00", "\ufe01", "\ufe02", "\ufe03"
"""Notes behind a word: it began with a capital, was in capitals, was spelt, stayed as it was."""
LAST_MARK: Final = 0x1F000
"""Below it stand the combining marks of all scripts."""
NOTES: Final = TITLE + UPPER + SPELT + KEPT


@dataclass(frozen=True, slots=True)
class Lexicon:
    """How to go one way.

    Attributes:
        words: Word in small letters -> word of the other language, one to one.
        letters: Letter -> letter of the other alphabet, one to one.
    """

    words: Mapping[str, str]
    letters: Mapping[str, str]

    def back(self) -> Lexicon:
        """Return the other way."""
        return Lexicon({b: a for a, b in self.words.items()}, {b: a for a, b in self.letters.items()})


def make_lexicon(source: Iterable[str], target: Iterable[str]) -> Lexicon:
    """Return a lexicon from texts of the two languages; ranks of frequency meet, ties by code point.

    Example:
        >>> make_lexicon(["the cat the"], ["ہے ایک ہے"]).words
        {'the': 'ہے', 'cat': 'ایک'}
    """
    here, there = (
        _ranked(word for text in texts for word in _pattern().findall(text) if word == word.lower())
        for texts in (source, target)
    )
    letters = (_ranked(c for word in some for c in word if c.isalpha()) for some in (here, there))
    return Lexicon(dict(zip(here, there, strict=False)), dict(zip(*letters, strict=False)))


def exchange(text: str, lexicon: Lexicon) -> str:
    """Return a text in the other language.

    Args:
        text: Any text; one that was made by `exchange` with `lexicon.back()` comes out as it went in.
        lexicon: The way to go.

    Example:
        >>> there = make_lexicon(["the cat"], ["ہے ایک"])
        >>> exchange(exchange("The cat, 3 XYZ", there), there.back())
        'The cat, 3 XYZ'
    """
    return _pattern().sub(lambda match: _word(match[0], lexicon), text)


def _word(word: str, lexicon: Lexicon) -> str:
    plain = word.rstrip(NOTES)
    notes = word[len(plain) :]
    if notes:
        return _returned(plain, notes, lexicon)
    small = plain.lower()
    case = TITLE if plain == small.capitalize() != small else UPPER if plain == small.upper() != small else ""
    known = plain == small or bool(case)
    if known and small in lexicon.words:
        return lexicon.words[small] + case
    if known and all(letter in lexicon.letters for letter in small):
        return "".join(map(lexicon.letters.__getitem__, small)) + SPELT + case
    return plain + KEPT


def _returned(plain: str, notes: str, lexicon: Lexicon) -> str:
    """Return what a word with notes was before."""
    if KEPT in notes:
        return plain
    found = "".join(lexicon.letters.get(c, c) for c in plain) if SPELT in notes else lexicon.words.get(plain, plain)
    return found.upper() if UPPER in notes else found.capitalize() if TITLE in notes else found


def _ranked(things: Iterable[str]) -> list[str]:
    return [thing for thing, _ in sorted(Counter(things).items(), key=lambda pair: (-pair[1], pair[0]))]


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern of a word: letters with their marks."""
    marks = "".join(c for code in range(LAST_MARK) if unicodedata.category(c := chr(code)) in ("Mn", "Mc"))
    return re.compile(rf"[^\W\d_](?:[^\W\d_]|[{re.escape(marks)}])*")
