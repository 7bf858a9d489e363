"""Put words of another language into a text by a dictionary: code-switching as training data.

Source: dictionary code-switching of inputs as in SDRRL (Zhang et al. 2024, arXiv 2402.12204) and CoSDA-ML (Qin et al.
    2020, arXiv 2006.06402); we fix the number of words switched instead of drawing each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

from newtongue.methods.words import words


def code_switch(
    text: str, dictionary: Mapping[str, Sequence[str]], fraction: float, rng: Random
) -> tuple[str, int, int]:
    """Return a text with some of its words replaced, how many, and how many words it has.

    Args:
        text: Any text of a script that separates words.
        dictionary: Case-folded word -> its translations.
        fraction: Share of all words to replace, in [0, 1]; fewer when the dictionary does not know enough of them.
        rng: Decides which words and which of their translations.

    Example:
        >>> code_switch("the cat sat", {"cat": ["بلی"]}, 0.4, Random(0))
        ('the بلی sat', 1, 3)
    """
    found = words(text)
    known = [place for place, word in enumerate(found) if word.casefold() in dictionary]
    chosen = set(rng.sample(known, min(len(known), round(fraction * len(found)))))
    pieces, end = [], 0
    for place, word in enumerate(found):
        start = text.index(word, end)
        other = rng.choice(dictionary[word.casefold()]) if place in chosen else word
        pieces += [text[end:start], other]
        end = start + len(word)
    return "".join([*pieces, text[end:]]), len(chosen), len(found)


def learn_dictionary(pairs: Sequence[tuple[str, str]], min_count: int = 3) -> dict[str, list[str]]:
    """Return word -> likeliest translation from aligned sentences, by the Dice coefficient of their occurrence.

    Args:
        pairs: (sentence, its translation).
        min_count: Word pairs seen together less often are left out.

    Example:
        >>> learn_dictionary([("a cat", "ek billi"), ("a dog", "ek kutta"), ("the cat", "billi")], 2)
        {'a': ['ek'], 'cat': ['billi']}
    """
    left: dict[str, int] = {}
    right: dict[str, int] = {}
    both: dict[tuple[str, str], int] = {}
    for first, second in pairs:
        ours, theirs = ({w.casefold() for w in words(text) if not re.fullmatch(r"\d+", w)} for text in (first, second))
        for counts, group in ((left, ours), (right, theirs)):
            for word in group:
                counts[word] = counts.get(word, 0) + 1
        for pair in ((a, b) for a in ours for b in theirs):
            both[pair] = both.get(pair, 0) + 1
    best: dict[str, tuple[float, str]] = {}
    for (one, other), count in both.items():
        if count >= min_count:
            score = (2 * count / (left[one] + right[other]), other)
            best[one] = max(best.get(one, (0.0, "")), score)
    return {word: [other] for word, (score, other) in sorted(best.items()) if score > 0.5}
