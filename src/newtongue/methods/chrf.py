"""How close a translation is to a reference, in characters: chrF, for texts of any script.

Source: Popović 2015 ("chrF: character n-gram F-score for automatic MT evaluation"); as sacreBLEU computes it for one
    segment with one reference (order 6, beta 2, no words, white space left out).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

ORDER: Final = 6
BETA: Final = 2


def chrf(translation: str, reference: str) -> float:
    """Return chrF in [0, 100]: mean over n-gram orders of the F-score that weighs recall `BETA` times.

    Orders for which either text is too short are left out; two empty texts score 0.

    Example:
        >>> chrf("ایک دو تین", "ایک دو تین"), round(chrf("abcd", "abce"), 1)
        (100.0, 47.9)
    """
    first, second = "".join(translation.split()), "".join(reference.split())
    precisions, recalls = [], []
    for order in range(1, ORDER + 1):
        ours, theirs = _grams(first, order), _grams(second, order)
        if ours and theirs:
            common = (ours & theirs).total()
            precisions.append(common / ours.total())
            recalls.append(common / theirs.total())
    if not precisions or not sum(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _grams(text: str, order: int) -> Counter[str]:
    return Counter(text[place : place + order] for place in range(len(text) - order + 1))
