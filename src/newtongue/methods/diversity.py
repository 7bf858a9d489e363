"""Greedy choices of rows that differ: maximal marginal relevance, k-centre, facility location, coverage of tokens.

Every greedy here is lazy: a row's gain can only fall as rows are chosen, so an old gain is a bound, and only rows
whose bound could win are looked at again. The choice is the one the plain greedy makes, row by row, ties included.
Cosines are exact (`methods.unit_grid`), so it does not depend on how many rows are looked at together either.

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

POOL_ROWS = 4096
"""Rows kept up to date together; a matter of speed only."""
GAIN_ROWS = 64
"""Rows whose gain is computed together; a matter of speed only."""
BLOCK_ROWS = 1024
AGE = 256
"""Rows last compared within so many choices of each other are compared together."""


def mmr(
    rows: Grid,
    quality: Floats,
    weight: float,
    quotas: Quotas,
    ties: Ints,
    *,
    chosen: Sequence[int] = (),
    pool_rows: int = POOL_ROWS,
    progress: Callable[[int], None] = lambda count: None,
) -> list[int]:
    """Choose rows one by one, the highest of weight * quality - (1 - weight) * largest cosine to a chosen row.

    Nothing chosen yet counts as a cosine of -1. Weight 1 gives the best by quality, weight 0 farthest-first.

    Args:
        rows: Unit vectors (N, D) on the grid.
        quality: Number per row (N,), finite; comparable with cosines when in [0, 1].
        weight: Share of quality against difference, in [0, 1].
        quotas: How many rows to choose, and of which kinds.
        ties: A different number per row (N,); the lower one wins between equal scores.
        chosen: Rows chosen before, counted in `quotas` and differed from.
        pool_rows: Rows kept up to date together.
        progress: Told how many rows are chosen.

    Returns:
        Places in the order chosen, without those chosen before.

    Source: Carbonell and Goldstein 1998 (maximal marginal relevance); M-DaQ v2 (arXiv 2509.15549) takes it for
        instruction data, its weight is not published. Lazy evaluation after Minoux 1978.
    """
    state = _Mmr(rows, quality, weight, ties, quotas)
    for place in chosen:
        state.take(place)
    found: list[int] = []
    while not quotas.full and (pool := state.pool(pool_rows)) is not None:
        for place in state.from_pool(*pool):
            found.append(place)
            progress(len(found))
    return found


class _Mmr:
    """Bounds of all rows, and how many chosen rows each has been compared with."""

    def __init__(self, rows: Grid, quality: Floats, weight: float, ties: Ints, quotas: Quotas) -> None:
        self.rows, self.weight, self.ties, self.quotas = rows, weight, ties, quotas
        self.gains = weight * quality
        self.nearest = np.full(len(rows), -ONE, dtype=np.float32)
        self.seen = np.zeros(len(rows), dtype=np.int64)
        self.open = np.ones(len(rows), dtype=np.bool_)
        self.bounds = self._scores(np.arange(len(rows)))
        self.points = np.empty((max(1, quotas.total), rows.shape[1]), dtype=np.float32)
        self.count = 0
        self._close(quotas.closed())

    def _scores(self, places: Ints) -> Floats:
        return self.gains[places] - (1 - self.weight) * (self.nearest[places].astype(np.float64) / ONE)

    def take(self, place: int) -> None:
        """Count a row as chosen: others differ from it from now on."""
        self.points[self.count] = self.rows[place]
        self.count += 1
        self._close([place, *self.quotas.take(place)])

    def _close(self, places: list[int]) -> None:
        self.open[places] = False
        self.bounds[places] = -np.inf

    def pool(self, size: int) -> tuple[Ints, float, float] | None:
        """Return the open rows with the highest bounds, up to date, and the best bound (with its tie) of the others."""
        if not self.open.any():
            return None
        best = _highest(self.bounds, self.ties, size + 1)
        best = best[self.open[best]]
        pool, outside = best[:size], best[size:]
        self._update(pool)
        if not len(outside):
            return pool, -np.inf, np.inf
        return pool, float(self.bounds[outside[0]]), float(self.ties[outside[0]])

    def _update(self, pool: Ints) -> None:
        """Compare rows with what was chosen since they were last compared."""
        stale = pool[self.seen[pool] < self.count]
        for age in np.unique(self.seen[stale] // AGE):
            group = stale[self.seen[stale] // AGE == age]
            vectors = self.rows[group].astype(np.float32)
            for first in range(int(self.seen[group].min()), self.count, BLOCK_ROWS):
                found = vectors @ self.points[first : min(first + BLOCK_ROWS, self.count)].T
                self.nearest[group] = np.maximum(self.nearest[group], found.max(axis=1))
        self.seen[pool] = self.count
        self.bounds[pool] = self._scores(pool)

    def from_pool(self, pool: Ints, limit: float, limit_tie: float) -> list[int]:
        """Choose from the pool while no row outside it could be better."""
        found: list[int] = []
        vectors, nearest = self.rows[pool].astype(np.float32), self.nearest[pool]
        ties = self.ties[pool]
        scores = self.bounds[pool]
        while not self.quotas.full:
            scores[~self.open[pool]] = -np.inf
            top = scores.max()
            best = int(np.flatnonzero(scores == top)[ties[scores == top].argmin()])
            if top == -np.inf or (top, -float(ties[best])) < (limit, -limit_tie):
                break
            found.append(int(pool[best]))
            self.take(int(pool[best]))
            np.maximum(nearest, vectors @ vectors[best], out=nearest)
            self.nearest[pool], self.seen[pool] = nearest, self.count
            scores = self._scores(pool)
        self.bounds[pool] = np.where(self.open[pool], self._scores(pool), -np.inf)
        return found


def _highest(values: Floats, ties: Ints, count: int) -> Ints:
    """Return the places of the highest values in order; between equal values the lower tie comes first."""
    if count < len(values):
        least = np.partition(values, len(values) - count)[len(values) - count]
        above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
        missing = count - len(above)
        if missing < len(equal):
            equal = equal[np.argpartition(ties[equal], missing - 1)[:missing]] if missing else equal[:0]
        places = np.concatenate([above, equal])
    else:
        places = np.arange(len(values))
    return places[np.lexsort((ties[places], -values[places]))]


def k_center(
    rows: Grid,
    quotas: Quotas,
    ties: Ints,
    *,
    chosen: Sequence[int] = (),
    pool_rows: int = POOL_ROWS,
    progress: Callable[[int], None] = lambda count: None,
) -> list[int]:
    """Choose rows one by one, always the one farthest from those chosen: every row ends near a chosen one.

    Args:
        rows: Unit vectors (N, D) on the grid.
        quotas: How many rows to choose, and of which kinds.
        ties: A different number per row (N,); the lowest is chosen first.
        chosen: Rows chosen before.
        pool_rows: Rows kept up to date together.
        progress: Told how many rows are chosen.

    Returns:
        Places in the order chosen.

    Source: Gonzalez 1985: at most twice the optimal radius (without quotas). `mmr` with weight 0.
    """
    nothing = np.zeros(len(rows))
    return mmr(rows, nothing, 0.0, quotas, ties, chosen=chosen, pool_rows=pool_rows, progress=progress)


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

    def __init__(
        self, gains: Callable[[Ints], Floats], add: Callable[[int], None], quotas: Quotas, ties: Ints
    ) -> None:
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


def _root_gain(have: Floats, ids: Ints, counts: Ints) -> float:
    return float((np.sqrt(have[ids] + counts) - np.sqrt(have[ids])).sum())
