"""The same items in several languages: do answers agree, and how much of the first language's score is reached.

Shapes: N items, L languages; the first language is the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.bootstrap import Interval, interval

Floats = NDArray[np.float64]


def agreement(outputs: Sequence[Sequence[str]]) -> float:
    """Return the mean share of items answered alike over all pairs of languages.

    Args:
        outputs: Per language (L) the answer to every item (N), in a form that can be compared across languages: the
            place of the choice, a number; never the words of a language.

    Example:
        >>> agreement([["a", "b", "c", "d"], ["a", "b", "x", "y"]])
        0.5

    Source: Qi, Fernández and Bisazza 2023 (arXiv 2310.10378) measure it on ranked answers; here on the first answer.
    """
    pairs = list(combinations(outputs, 2))
    if not pairs or not outputs[0]:
        return float("nan")
    return float(np.mean([np.mean([a == b for a, b in zip(x, y, strict=True)]) for x, y in pairs]))


def agreement_matrix(outputs: Sequence[Sequence[str]]) -> Floats:
    """Return the share of items answered alike by every two languages: array (L, L), ones on its diagonal.

    Args:
        outputs: As in `agreement`; at least one item.

    Example:
        >>> agreement_matrix([["a", "b"], ["a", "c"], ["d", "c"]]).tolist()
        [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]

    Source: as `agreement`, pair by pair (the figures of Qi, Fernández and Bisazza 2023 are such matrices).
    """
    return np.array([[np.mean([a == b for a, b in zip(x, y, strict=True)]) for y in outputs] for x in outputs])


def all_correct(correct: NDArray[np.bool_]) -> float:
    """Return the share of items answered correctly in every language.

    Args:
        correct: Right or wrong, (L, N).

    Example:
        >>> all_correct(np.array([[True, True], [True, False]]))
        0.5

    Source: AC3's consistency term, Wang et al. 2024 (SeaEval, arXiv 2309.04766, section 4).
    """
    return float(correct.all(axis=0).mean())


def gap(reference: Floats, other: Floats, groups: NDArray[np.int64], **drawing: Any) -> dict[str, Interval]:
    """Return how far a language stands behind the reference on the same items, paired.

    Args:
        reference: Score of every item in the reference language (N), in [0, 1].
        other: Score of the same items in the other language (N).
        groups: Group of every item; groups are resampled whole.
        drawing: `draws`, `seed`, `confidence` of the bootstrap.

    Returns:
        `difference` (other minus reference) and `fraction_of_reference`.

    Example:
        >>> same = np.ones(4)
        >>> gap(same, same, np.arange(4), draws=10, seed=0)["fraction_of_reference"].value
        1.0

    Source: percent of English performance, as reported by Ahuja et al. 2023 (MEGA, arXiv 2303.12528).
    """
    size = int(groups.max()) + 1
    sums = [np.bincount(groups, part, size) for part in (reference, other, np.ones(len(other)))]
    columns: Floats = np.column_stack(sums).astype(np.float64)
    columns = columns[columns[:, 2] > 0]
    return {
        "difference": interval(columns, lambda s: np.asarray((s[..., 1] - s[..., 0]) / s[..., 2]), **drawing),
        "fraction_of_reference": interval(columns, lambda s: np.asarray(s[..., 1] / s[..., 0]), **drawing),
    }


def spread(scores: Sequence[float]) -> dict[str, float]:
    """Return how much a score moves with the wording of the prompt.

    Example:
        >>> spread([0.5, 0.7, 0.6])["range"]
        0.2

    Source: Mizrahi et al. 2024 (arXiv 2401.00595): one wording says little, several with their spread say more.
    """
    values = np.asarray(scores, dtype=np.float64)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    ends = {"lowest": float(values.min()), "highest": float(values.max())}
    found = {"mean": float(values.mean()), **ends, "range": float(np.ptp(values)), "deviation": deviation}
    return {name: round(value, 6) for name, value in found.items()}
