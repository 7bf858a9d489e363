"""What new output rows can do to the old language, known before the model runs.

    V  rows before expansion    N  new tokens    p  the old model's next-token distribution

New rows never change an old logit. They change two things: which token is the most likely, and how much probability
is left for the old ones. Both are bounded by W alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.initialiser import Initialiser, mixed_with_mean

Wide = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OldRows:
    """What a bound has to know of the old model.

    Attributes:
        used: Old rows the mean is taken over: ids below this.
        frequency_V: Share of each old token in text of the old language; stands for the old model's average
            prediction, which equals it for a calibrated model. Sums to 1.
        padding: Rows beside the new tokens' that are added at the mean (they stay in the softmax).
    """

    used: int
    frequency_V: Wide
    padding: int = 0


@dataclass(frozen=True, slots=True)
class Certificate:
    """Bounds on the damage of new output rows at step 0, for every text or for text of a kind.

    Attributes:
        greedy: Whether greedy decoding provably stays inside the old vocabulary, ties and rounding of the stored
            rows apart.
        worst_bits: Bound on KL(old || new), bits per token, in every context whatsoever; None when W is not convex.
        expected_bits: Bound on its average over text with the given token frequencies; None likewise.
    """

    greedy: bool
    worst_bits: float | None
    expected_bits: float | None

    def facts(self) -> dict[str, float | bool | None]:
        """Return plain JSON values."""
        return {"greedy": self.greedy, "worst_bits": self.worst_bits, "expected_bits": self.expected_bits}


def certify(head: object, old: OldRows) -> Certificate:
    """Bound what an initialiser of the output matrix does to the old language.

    Args:
        head: The initialiser. Only convex linear ones can be bounded.
        old: What is known of the old model.

    Returns:
        Greedy decoding stays old because a new logit is an average of old ones and no larger than their maximum.

    Source: ours; Jensen's inequality on exp. A monotone cap on logits after the product changes nothing.
    """
    if not isinstance(head, Initialiser) or not head.convex:
        return Certificate(False, None, None)
    sums = column_sums(head, old)
    return Certificate(True, _bits(float(sums.max(initial=0))), _bits(float(sums @ old.frequency_V)))


def column_sums(head: Initialiser, old: OldRows) -> Wide:
    """Return how much weight all added rows together put on each old one, (V,)."""
    sums = np.asarray(np.bincount(head.indices, head.data.astype(np.float64), head.shape[1]), np.float64)
    sums[: old.used] += (head.mean_share.sum(dtype=np.float64) + old.padding) / max(1, old.used)
    return sums


def kl_bound(head: Initialiser, old: OldRows, chances_V: Wide) -> float:
    """Return the bound on KL(old || new) in one context, in bits: log2(1 + sum of c p).

    Args:
        head: A convex initialiser.
        old: What is known of the old model.
        chances_V: The old model's distribution in this context.

    Source: ours. KL = log(1 + Z_new / Z_old) exactly, and exp of an average is at most the average of exp.
    """
    return _bits(float(column_sums(head, old) @ chances_V))


def least_bits(tokens: int, old: OldRows) -> float:
    """Return the bound when every new token starts at the mean row: log2(1 + added rows / V)."""
    return _bits((tokens + old.padding) / max(1, old.used))


def limited(head: Initialiser, old: OldRows, most_bits: float) -> tuple[Initialiser, float | None]:
    """Mix a head with the mean row until its expected bound is at most a limit.

    Args:
        head: A convex initialiser.
        old: What is known of the old model.
        most_bits: The limit, bits per token.

    Returns:
        The head and the share of the mean in it: 0 when nothing was needed, None when no mixture reaches the limit.
    """
    weight = float(column_sums(head, old) @ old.frequency_V)
    least = (head.shape[0] + old.padding) / max(1, old.used)
    wanted = 2**most_bits - 1
    if weight <= wanted:
        return head, 0.0
    if wanted < least or weight <= least:
        return head, None
    share = (weight - wanted) / (weight - least)
    return mixed_with_mean(head, share), share


def _bits(weight: float) -> float:
    return math.log1p(weight) / math.log(2)
