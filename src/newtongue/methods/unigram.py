"""Scores of pieces that join an existing Unigram vocabulary.

A Unigram tokenizer picks the split with the highest sum of log probabilities. Old pieces keep the scores they have;
a new one is worth what its frequency in the new text says. An arbitrary score would leave it unused, or would let it
displace old pieces where they were right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set


def piece_scores(uses: Mapping[str, int], total: int, floor: float) -> dict[str, float]:
    """Return the log probability of each new piece on text that was just split with them.

    Args:
        uses: New piece -> how often the best split of the text uses it.
        total: Pieces, old and new, in that split.
        floor: Lowest score of the old vocabulary; a lower one would change how unknown letters are judged.

    Example:
        >>> piece_scores({"ab": 10, "rare": 1}, 10, floor=-2.0)
        {'ab': 0.0, 'rare': -2.0}

    Source: Kudo 2018 (arXiv 1804.10959), section 3.2, the M step; the E step takes the best split alone, and old
        pieces are frozen.
    """
    return {piece: max(floor, math.log(count / total)) for piece, count in uses.items() if count}


def worth(uses: Mapping[str, int], parts: Mapping[str, int]) -> list[str]:
    """Return pieces by the tokens each saves, the most first; ties by text.

    Args:
        uses: Piece -> how often it is used.
        parts: Piece -> old pieces it replaces.

    Example:
        >>> worth({"a": 9, "abc": 4, "bc": 5}, {"a": 1, "abc": 3, "bc": 2})
        ['abc', 'bc', 'a']

    Source: own; Kudo 2018 prunes by likelihood lost, here the aim is fewer tokens.
    """
    return sorted(uses, key=lambda piece: (-uses[piece] * (parts[piece] - 1), piece))


def without(scores: Mapping[str, float], dropped: Set[str]) -> dict[str, float]:
    """Return scores without some pieces, in the same order."""
    return {piece: score for piece, score in scores.items() if piece not in dropped}
