"""Curves of a measure over data size, repeated under several seeds: means with intervals over seeds and documents.

Shapes: S seeds, G groups of held-out items, K draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.bootstrap import Interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rung:
    """One size of one method.

    Attributes:
        method: How rows were chosen.
        size: Rows trained on.
        value: Bits per byte, mean over seeds, with its interval.
        against_control: Difference to the control of the same size (below zero is better), None for the control.
        seeds: Value under each seed.
    """

    method: str
    size: int
    value: Interval
    against_control: Interval | None
    seeds: tuple[float, ...]


def climb(
    bits: Mapping[tuple[str, int], Floats],
    weights: Floats,
    control: str,
    *,
    draws: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[Rung]:
    """Return every rung with intervals that resample seeds and groups, all rungs together.

    Args:
        bits: (method, size) -> bits per seed and group (S, G); the same seeds and groups everywhere.
        weights: Bytes of every group (G,).
        control: Name of the method all others are compared with, size by size.
        draws: K.
        seed: Seed of the draws.
        confidence: Coverage aimed at, in (0, 1).

    Source: a crossed bootstrap over seeds and items (Owen 2007, "The pigeonhole bootstrap"): conservative for means.
    """
    shape = next(iter(bits.values())).shape
    source = np.random.default_rng(seed)
    by_seed = source.multinomial(shape[0], np.full(shape[0], 1 / shape[0]), size=draws).astype(np.float64)
    by_group = source.multinomial(shape[1], np.full(shape[1], 1 / shape[1]), size=draws).astype(np.float64)
    drawn = {key: _resampled(values, weights, by_seed, by_group) for key, values in bits.items()}
    means = {key: float(values.sum() / (shape[0] * weights.sum())) for key, values in bits.items()}
    found = []
    for method, size in bits:
        here, there = (method, size), (control, size)
        against = None
        if method != control and there in bits:
            against = _interval(means[here] - means[there], drawn[here] - drawn[there], confidence, shape[1])
        value = _interval(means[here], drawn[here], confidence, shape[1])
        each = tuple(float(row.sum() / weights.sum()) for row in bits[here])
        found.append(Rung(method, size, value, against, each))
    return found


def missing(settings: Sequence[tuple[str, int, int]], control: str) -> list[tuple[int, int]]:
    """Return the (size, seed) pairs of (method, size, seed) runs that lack a control run.

    Example:
        >>> missing([("mdaq_mmr", 100, 0), ("mdaq_mmr", 100, 1), ("random", 100, 0)], "random")
        [(100, 1)]
    """
    there = {(size, seed) for method, size, seed in settings if method == control}
    return sorted({(size, seed) for _, size, seed in settings} - there)


def _resampled(bits: Floats, weights: Floats, by_seed: Floats, by_group: Floats) -> Floats:
    sums = np.einsum("ks,kg,sg->k", by_seed, by_group, bits, optimize=True)
    return np.asarray(sums / (by_seed.sum(axis=1) * (by_group @ weights)))


def _interval(value: float, drawn: Floats, confidence: float, groups: int) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high), groups)
