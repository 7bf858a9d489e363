"""Greedy choices of rows that cover: facility location, and concave coverage of tokens.

Both are monotone and submodular: a row's gain can only fall as rows are chosen, so an old gain is a bound, and only
rows whose bound could win are looked at again. The choice is the one the plain greedy makes, ties included. Cosines
are exact (`methods.unit_grid`), so it does not depend on how many rows are looked at together either.

Shapes: N rows, D dimensions, M rows to represent.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.quotas import Quotas
from newtongue.methods.unit_grid import ONE, Grid, dots

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GAIN_ROWS = 64
"""Rows whose gain is computed together; a matter of speed only."""
BLOCK_ROWS = 1024


def facility_location(
    rows: Grid,
    ground: Grid,
    quotas: Quotas,
    ties: Ints,
    *,
    chosen: Sequence[int] = (),
    progress: Callable[[int], None] = lambda count: None,
) -> list[int]:
    """Choose rows one by one so that every row of `ground` has a chosen row as similar as possible.

    Args:
        rows: Candidates, unit vectors (N, D) on the grid.
        ground: What is to be represented (M, D): the candidates themselves, or a sample of them.
        quotas: How many rows to choose, and of which kinds.
        ties: A different number per row (N,); the lower one wins between equal gains.
        chosen: Rows chosen before.
        progress: Told how many rows are chosen.

    Returns:
        Places in the order chosen. Without quotas their value is at least 1 - 1/e of the best choice's.

    Source: Nemhauser, Wolsey and Fisher 1978; similarity is 1 + cosine, so that it is never negative.
    """
    covered = np.zeros(len(ground), dtype=np.float32)

    def add(place: int) -> None:
        np.maximum(covered, _similar(ground, rows[place : place + 1])[:, 0], out=covered)

    greedy = _Greedy(lambda places: _gains(ground, rows[places], covered), add, quotas, ties)
    return greedy.run(chosen, progress)


class _Greedy:
    """Row by row the one that gains most; old gains are bounds, the lower tie wins between equal gains."""

    def __init__(self, gains: Callable[[Ints], Floats], add: Callable[[int], None], quotas: Quotas, ties: Ints) -> None:
        self.gains, self.add, self.quotas, self.ties = gains, add, quotas, ties
        self.open = np.ones(len(ties), dtype=np.bool_)
        self.open[quotas.closed()] = False

    def take(self, place: int) -> None:
        """Count a row as chosen, and close it and every kind that it fills."""
        self.add(place)
        self.open[[place, *self.quotas.take(place)]] = False

    def run(self, chosen: Sequence[int], progress: Callable[[int], None]) -> list[int]:
        """Return the places chosen, in order, after those that were chosen before."""
        for place in chosen:
            self.take(place)
        heap = [(-np.inf, int(tie), -1, place) for place, tie in enumerate(self.ties) if self.open[place]]
        heapq.heapify(heap)
        found: list[int] = []
        while heap and not self.quotas.full:
            if stale := self._stale(heap, len(found)):
                for place, gain in zip(stale, self.gains(np.array(stale)), strict=True):
                    heapq.heappush(heap, (-float(gain), int(self.ties[place]), len(found), place))
                continue
            place = heapq.heappop(heap)[3]
            if self.open[place]:
                found.append(place)
                self.take(place)
                progress(len(found))
        return found

    def _stale(self, heap: list[tuple[float, int, int, int]], age: int) -> list[int]:
        """Take the open rows off the top whose gain is from before the last choice, GAIN_ROWS at most."""
        found: list[int] = []
        while heap and heap[0][2] != age and len(found) < GAIN_ROWS:
            place = heapq.heappop(heap)[3]
            if self.open[place]:
                found.append(place)
        return found


def facility_value(rows: Grid, ground: Grid, chosen: Sequence[int]) -> float:
    """Return the sum over `ground` of the largest 1 + cosine to a chosen row."""
    return float(_similar(ground, rows[list(chosen)]).max(axis=1).sum(dtype=np.float64) / ONE)


def _similar(ground: Grid, rows: Grid) -> NDArray[np.float32]:
    return np.asarray(np.maximum(dots(ground, rows) + np.float32(ONE), 0))


def _gains(ground: Grid, rows: Grid, covered: NDArray[np.float32]) -> Floats:
    """Return how much each row would add; whole numbers, summed exactly."""
    total = np.zeros(len(rows))
    for first in range(0, len(ground), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        more = _similar(ground[block], rows) - covered[block, None]
        total += np.maximum(more, 0).sum(axis=0, dtype=np.float64)
    return total


def token_coverage(
    tokens: Sequence[Ints],
    quotas: Quotas,
    ties: Ints,
    *,
    chosen: Sequence[int] = (),
    progress: Callable[[int], None] = lambda count: None,
) -> list[int]:
    """Choose rows one by one so that many of the wanted tokens occur, each often rather than one very often.

    Args:
        tokens: Wanted tokens of every row, with repetition.
        quotas: How many rows to choose, and of which kinds.
        ties: A different number per row (N,); the lower one wins between equal gains.
        chosen: Rows chosen before.
        progress: Told how many rows are chosen.

    Returns:
        Places in the order chosen; each adds the most to the sum over tokens of the square root of their count.

    Source: concave coverage, Lin and Bilmes 2011, section 4.2; lazy evaluation after Minoux 1978.
    """
    counted = [np.unique(row, return_counts=True) for row in tokens]
    have = np.zeros(1 + max((int(ids.max()) for ids, _ in counted if len(ids)), default=0))

    def add(place: int) -> None:
        have[counted[place][0]] += counted[place][1]

    def gains(places: Ints) -> Floats:
        return np.array([_root_gain(have, *counted[place]) for place in places])

    return _Greedy(gains, add, quotas, ties).run(chosen, progress)


def coverage_value(tokens: Sequence[Ints]) -> float:
    """Return the sum over tokens of the square root of their count in some rows."""
    counts = np.unique(np.concatenate(tokens), return_counts=True)[1] if len(tokens) else np.zeros(0)
    return float(np.sqrt(counts).sum())


def _root_gain(have: Floats, ids: Ints, counts: Ints) -> float:
    return float((np.sqrt(have[ids] + counts) - np.sqrt(have[ids])).sum())
