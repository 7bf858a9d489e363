"""How near an answer comes to its reference, on words of any script: exact match, F1, ROUGE-L.

Source: exact match and F1 after Rajpurkar et al. 2016 (SQuAD, arXiv 1606.05250, section 6), without its English
    articles and ASCII punctuation; ROUGE-L after Lin 2004, section 3.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from newtongue.methods.similarity import rouge_l
from newtongue.methods.words import words


def normalise(text: str) -> str:
    """Return a text as it is compared: compatibility forms and case folded, digits as ASCII, spaces single.

    Example:
        >>> normalise("  کُل ۴۲ ") == normalise("کُل 42"), normalise("ＡＢ")
        (True, 'ab')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(_ascii_digit(character) for character in folded).split())


def _ascii_digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def answer_words(text: str) -> list[str]:
    """Return the words that answers are compared by, without punctuation.

    Example:
        >>> answer_words("پانی۔"), answer_words("Yes, 4.")
        (['پانی'], ['yes', '4'])
    """
    return words(normalise(text))


def exact_match(answer: str, references: Sequence[str]) -> bool:
    """Return whether an answer has the words of one of the references, in order, and nothing else.

    Answers without words (a sign, a formula) are compared as they are.

    Example:
        >>> exact_match("پانی!", ["پانی۔", "آب"]), exact_match("+", ["-"])
        (True, False)
    """
    found = answer_words(answer) or [normalise(answer)]
    return any(found == (answer_words(reference) or [normalise(reference)]) for reference in references)


def f1(answer: str, references: Sequence[str]) -> float:
    """Return the best F1 of shared words over the references, in [0, 1].

    Example:
        >>> round(f1("سرخ اور سبز", ["سرخ سبز"]), 3)
        0.8
    """
    return max((_f1(answer_words(answer), answer_words(reference)) for reference in references), default=0.0)


def _f1(found: list[str], wanted: list[str]) -> float:
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted)) if shared else 0.0


def best_rouge_l(answer: str, references: Sequence[str]) -> float:
    """Return the best ROUGE-L F-measure over the references, in [0, 1].

    Example:
        >>> best_rouge_l("ฉันรักน้ำ", ["ฉันรักน้ำ"])
        1.0
    """
    found = answer_words(answer)
    return max((rouge_l(found, answer_words(reference)) for reference in references), default=0.0)
