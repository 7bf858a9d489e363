"""Tests of paired yes-or-no outcomes, correction for many tests, and what a sample can detect at all.

Shapes: G groups, D tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POWER = 0.8
"""Chance of finding an effect of the size called detectable."""


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Items that both models answer alike say nothing of the difference; of the others, without a difference,
    each is gained or lost with equal chance.

    Args:
        gained: Items only the second model answers correctly.
        lost: Items only the first model answers correctly.

    Example:
        >>> round(mcnemar(9, 1), 4), mcnemar(5, 5)
        (0.0215, 1.0)

    Source: McNemar 1947; exact binomial form as in Fagerland, Lydersen and Laake 2013
        (BMC Medical Research Methodology 13:91, eq. 2).
    """
    n, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**n))


def paired_p(differences: Sequence[int] | NDArray[np.int64]) -> float:
    """Return the exact two-sided p-value of differences summed per group, under random swaps of the two models.

    Without a difference between the models, every group's difference is as likely to have the other sign. With
    one item per group this is McNemar's exact test; with several (questions on one passage) groups swap whole, so
    that answers that rise and fall together do not count as independent.

    Args:
        differences: Per group, items gained minus items lost: whole numbers (G,).

    Example:
        >>> paired_p([1] * 9 + [-1]) == mcnemar(9, 1)
        True
        >>> paired_p([3, 3])
        0.5

    Source: Fisher's randomisation test for pairs (Good 2005, section 3.2), by convolution over whole numbers.
    """
    sizes = np.abs(np.asarray(differences, dtype=np.int64))
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return 1.0
    reached, room = int(abs(np.sum(differences))), int(sizes.sum())
    if (sizes == 1).all():
        return mcnemar((room + reached) // 2, (room - reached) // 2)
    chances = np.zeros(2 * room + 1)
    chances[room] = 1.0
    for size in sizes:
        chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2
    far = np.abs(np.arange(-room, room + 1)) >= reached
    return float(min(1.0, chances[far].sum()))


def normal_p(value: float, error: float | None) -> float:
    """Return the two-sided p-value of a value with a known standard error, by the normal distribution.

    Example:
        >>> round(normal_p(1.96, 1.0), 3), normal_p(0.0, 0.0)
        (0.05, 1.0)

    Source: Wald test; the standard error is that of the paired bootstrap.
    """
    if error is None:
        return 1.0
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return 2 * (1 - NormalDist().cdf(abs(value) / error))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values adjusted so that one false finding among all tests is as rare as for a single test.

    Args:
        p_values: Name of each test -> its p-value (D).

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'c': 0.06, 'b': 0.06}

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), p. 65-70.
    """
    ranked = sorted(p_values, key=lambda name: (p_values[name], name))
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(ranked):
        highest = max(highest, min(1.0, (len(ranked) - rank) * p_values[name]))
        adjusted[name] = round(highest, 12)
    return adjusted


def detectable(error: float | None, confidence: float = 0.95) -> float | None:
    """Return the smallest true difference that would be found with a chance of `POWER`, given a standard error.

    Example:
        >>> round(detectable(0.01), 4)
        0.028

    Source: Bloom 1995 (Evaluation Review 19(5)), minimum detectable effect.
    """
    normal = NormalDist()
    return None if error is None else error * (normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(POWER))


def sign_test(better: int, worse: int) -> float:
    """Return the exact two-sided p-value that a paired difference is as often above as below zero.

    Example:
        >>> round(sign_test(15, 5), 4)
        0.0414

    Source: Dixon and Mood 1946, JASA 41(236): the binomial of McNemar's test, over documents instead of items.
    """
    return mcnemar(better, worse)
