"""Greedy choices of rows that differ: maximal marginal relevance, k-centre.

The greedy is lazy: a row's gain can only fall as rows are chosen, so an old gain is a bound, and only rows
whose bound could win are looked at again. The choice is the one the plain greedy makes, row by row, ties included.
Cosines are exact (`methods.unit_grid`), so it does not depend on how many rows are looked at together either.

Shapes: N rows, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.quotas import Quotas
from newtongue.methods.unit_grid import ONE, Grid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POOL_ROWS = 4096
"""Rows kept up to date together; a matter of speed only."""
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
