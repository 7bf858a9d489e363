"""Does an answer rest on a passage without copying it?

Source: ours.
"""

from __future__ import annotations

from newtongue.methods.words import words


def used_fraction(answer: str, passage: str) -> float:
    """Return the share of the different words of an answer that stand in a passage, in [0, 1].

    Example:
        >>> used_fraction("The river is long.", "A long river runs here.")
        0.5
    """
    said = {word.casefold() for word in words(answer)}
    return len(said & {word.casefold() for word in words(passage)}) / len(said) if said else 0.0


def longest_copy(answer: str, passage: str) -> int:
    """Return the length, in words, of the longest stretch of an answer that stands in a passage.

    Example:
        >>> longest_copy("we saw a long river there", "Here a long river runs")
        3
    """
    ours, theirs = ([word.casefold() for word in words(text)] for text in (answer, passage))
    best, row = 0, [0] * (len(theirs) + 1)
    for word in ours:
        row = [0, *(row[place] + 1 if word == other else 0 for place, other in enumerate(theirs))]
        best = max(best, *row)
    return best
