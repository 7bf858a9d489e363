"""Intervals by resampling whole documents, pairs kept together.

Two models scored on the same documents agree on which are hard, so the difference is far more
certain than either value. Resampling documents (or groups of them) keeps that pairing and does not
pretend that windows of one document are independent.

Shapes: G groups, K draws, M columns resampled together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CELLS_PER_BLOCK = 100_000
"""Numbers drawn at once (draws x groups): few enough to stay in a processor's cache."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and how sure it is.

    Attributes:
        value: The estimate on all groups.
        low: Lower end of the percentile interval.
        high: Upper end.
        n: Groups resampled.
        error: Standard error, None when it is not known.
    """

    value: float
    low: float
    high: float
    n: int
    error: float | None = None


def resampled_sums(columns: Floats, draws: int, seed: int) -> Floats:
    """Return column sums over groups drawn with replacement, once per draw.

    Everything that is resampled together (bits before, bits after, bytes) is one column each, so
    that a draw takes a group with all its columns.

    Args:
        columns: Array (G, M), a row per group.
        draws: Number of draws K.
        seed: Seed; equal seeds and G give equal draws whatever the columns hold.

    Returns:
        Array (K, M).

    Source: Efron and Tibshirani 1993, chapters 6 and 8; how often each group is drawn is counted, and the counts
        multiply the columns, so that many columns cost little more than one.
    """
    groups = len(columns)
    generator = np.random.default_rng(seed)
    block = max(1, CELLS_PER_BLOCK // max(1, groups))
    sums = np.empty((draws, columns.shape[1]))
    for done in range(0, draws, block):
        count = min(block, draws - done)
        drawn = generator.integers(0, groups, (count, groups), dtype=np.int64)
        drawn += (np.arange(count) * groups)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * groups).reshape(count, groups)
        sums[done : done + count] = times.astype(np.float64) @ columns
    return sums


def interval(
    columns: Floats, statistic: Callable[[Floats], Floats], *, draws: int, seed: int, confidence: float = 0.95
) -> Interval:
    """Return a statistic of column sums with its percentile interval.

    Args:
        columns: Array (G, M), a row per group, G at least 1.
        statistic: Maps sums (…, M) to values (…); for bits per byte the ratio of two columns.
        draws: Number of draws.
        seed: Seed of the draws.
        confidence: Coverage aimed at, in (0, 1).

    Returns:
        Value, ends and number of groups. Draws in which the statistic is not finite are left out;
        with a single group both ends are infinite, because one document says nothing of its spread.

    Example:
        >>> table = np.array([[8.0, 4.0], [8.0, 4.0], [8.0, 4.0]])
        >>> interval(table, lambda s: s[..., 0] / s[..., 1], draws=200, seed=0)
        Interval(value=2.0, low=2.0, high=2.0, n=3, error=0.0)

    Source: Efron and Tibshirani 1993, chapter 13 (percentile interval); Koehn 2004 (paired bootstrap).
    """
    value = float(statistic(columns.sum(axis=0)))
    if len(columns) < 2:
        return Interval(value, float("-inf"), float("inf"), len(columns))
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = statistic(resampled_sums(columns, draws, seed))
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), len(columns), float(drawn.std()))


def means(columns: Floats, *, draws: int, seed: int, confidence: float = 0.95) -> list[Interval]:
    """Return the mean of every column with its percentile interval, from the same draws of rows for all columns.

    Args:
        columns: Array (G, M), a row per sentence and a column per figure, such as those of every layer.
        draws: Number of draws.
        seed: Seed of the draws.
        confidence: Coverage aimed at, in (0, 1).

    Returns:
        One interval per column; with a single row all ends are infinite.

    Example:
        >>> means(np.array([[0.0, 2.0], [0.0, 2.0]]), draws=100, seed=0)[1]
        Interval(value=2.0, low=2.0, high=2.0, n=2, error=0.0)

    Source: as `interval`.
    """
    rows, values = len(columns), columns.mean(axis=0)
    if rows < 2:
        return [Interval(float(value), float("-inf"), float("inf"), rows) for value in values]
    drawn = resampled_sums(columns, draws, seed) / rows
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    ends = zip(values, low, high, drawn.std(axis=0), strict=True)
    return [Interval(float(v), float(lo), float(hi), rows, float(error)) for v, lo, hi, error in ends]


def first_over_second(sums: Floats) -> Floats:
    """Return column 0 over column 1: bits per byte from (bits, bytes), a share from (hits, items)."""
    return np.asarray(sums[..., 0] / sums[..., 1], dtype=np.float64)


def difference_of_ratios(sums: Floats) -> Floats:
    """Return column 1 over 2 minus column 0 over 2: bits per byte after minus before, from (before, after, bytes)."""
    return np.asarray((sums[..., 1] - sums[..., 0]) / sums[..., 2], dtype=np.float64)


def relative_change(sums: Floats) -> Floats:
    """Return column 1 over column 0, minus 1: +0.02 is two per cent more bits after than before."""
    return np.asarray(sums[..., 1] / sums[..., 0] - 1, dtype=np.float64)


def saving(sums: Floats) -> Floats:
    """Return 1 minus column 0 over column 1: the share of bits that a context saves, from (with it, without it)."""
    return np.asarray(1 - sums[..., 0] / sums[..., 1], dtype=np.float64)


def change_of_saving(sums: Floats) -> Floats:
    """Return how much more is saved after than before, from (with, without) before and (with, without) after."""
    return np.asarray(sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3], dtype=np.float64)
