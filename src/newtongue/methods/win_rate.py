"""How often one system's answer is preferred to another's, each pair judged in both orders.

A judge that prefers whatever stands first says nothing; asked in both orders, its two verdicts cancel and the pair
is a tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from newtongue.methods.bootstrap import Interval, first_over_second, interval

Verdict = Literal["first", "second", "tie"]
POINTS = {"first": 1.0, "second": 0.0, "tie": 0.5}
"""Points of the answer that stands first."""


def win_rate(
    ours_first: Sequence[Verdict],
    ours_second: Sequence[Verdict],
    groups: Sequence[str] = (),
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the share of prompts our answer wins, ties counted half, with its interval.

    Args:
        ours_first: Verdict per prompt with our answer shown first.
        ours_second: Verdict per prompt with our answer shown second.
        groups: Group of every prompt, resampled whole; none given makes every prompt its own.
        draws: Draws of the bootstrap.
        seed: Its seed.

    Returns:
        Wins over prompts, in [0, 1]: the mean of both orders.

    Raises:
        ValueError: The two orders hold different numbers of prompts, or none.

    Example:
        >>> win_rate(["first"] * 4, ["first"] * 4).value
        0.5

    Source: position bias and swapping, Zheng et al. 2023 (arXiv 2306.05685, section 3.3); M-DaQ (arXiv 2509.15549)
        reports win rates, its handling of ties is not published.
    """
    if len(ours_first) != len(ours_second) or not ours_first:
        raise ValueError(f"{len(ours_first)} verdicts in one order and {len(ours_second)} in the other")
    points = [(POINTS[a] + 1 - POINTS[b]) / 2 for a, b in zip(ours_first, ours_second, strict=True)]
    names = list(groups) or [str(number) for number in range(len(points))]
    _, place = np.unique(names, return_inverse=True)
    table = np.column_stack([np.bincount(place, points), np.bincount(place)]).astype(np.float64)
    return interval(table, first_over_second, draws=draws, seed=seed)


def consistency(ours_first: Sequence[Verdict], ours_second: Sequence[Verdict]) -> float:
    """Return the share of prompts whose verdict does not change with the order.

    Example:
        >>> consistency(["first", "first"], ["second", "first"])
        0.5
    """
    same = [POINTS[a] == 1 - POINTS[b] for a, b in zip(ours_first, ours_second, strict=True)]
    return sum(same) / len(same)
