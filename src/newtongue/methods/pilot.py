"""What a finished data set will cost, from the first few dozen requests: dollars per accepted row with an interval.

A request yields some accepted rows and costs some money, retries and rejected rows included; the ratio of the two
sums, resampled over requests, says what a row costs.
Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentile interval of a ratio).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np

DRAWS: Final = 4000
"""Resamples."""
INTERVAL: Final = (2.5, 97.5)
"""Percentiles of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class PerRow:
    """Dollars per accepted row.

    Attributes:
        low: Lower end of the 95 % interval; `inf` when even that says no row would be accepted.
        likely: Ratio of the sums; `inf` when no row was accepted.
        high: Upper end of the 95 % interval; `inf` when it cannot be bounded.
        requests: Requests the figures rest on.
        rows: Rows accepted among them.
    """

    low: float
    likely: float
    high: float
    requests: int
    rows: int

    def total(self, rows: int) -> tuple[float, float, float]:
        """Return (low, likely, high) dollars for a number of rows."""
        return (self.low * rows, self.likely * rows, self.high * rows) if rows else (0.0, 0.0, 0.0)


def dollars_per_row(micro_usd: Sequence[int], accepted: Sequence[int], seed: int = 0) -> PerRow:
    """Return dollars per accepted row with a 95 % interval.

    Args:
        micro_usd: Cost of each request, all its attempts together.
        accepted: Rows accepted from each request.
        seed: Of the resampling.

    Raises:
        ValueError: The lists are empty or differ in length.

    Example:
        >>> dollars_per_row([100] * 30, [2, 0, 1] * 10).likely  # 3,000 micro-dollars, 30 rows
        0.0001
    """
    if len(micro_usd) != len(accepted) or not micro_usd:
        raise ValueError(f"{len(micro_usd)} costs and {len(accepted)} counts of rows")
    costs, rows = np.asarray(micro_usd, dtype=float) / 1e6, np.asarray(accepted, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(costs), (DRAWS, len(costs)))
    sums, kept = costs[picks].sum(axis=1), rows[picks].sum(axis=1)
    ratios = np.divide(sums, kept, out=np.full(DRAWS, inf), where=kept > 0)
    low, high = np.percentile(ratios, INTERVAL, method="inverted_cdf")
    likely = sum(micro_usd) / sum(accepted) / 1e6 if sum(accepted) else inf
    return PerRow(float(low), likely, float(high), len(costs), int(rows.sum()))
