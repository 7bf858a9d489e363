"""Principal directions and k-means for many rows on a CPU: equal clusters for every batch size and thread count.

Rows are unit vectors on an integer grid (`methods.unit_grid`), so sums and dot products are exact. Lloyd's iterations
run on samples that grow, and only the last ones on all rows: early iterations need directions, not precision.

Shapes: N rows, D dimensions, P principal dimensions, K clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.unit_grid import GRID, Grid, dots

Ints = NDArray[np.int64]

BLOCK_ROWS = 8192
"""Rows worked on together; a matter of speed and memory, never of results."""
SEEDING_ROWS_PER_CLUSTER = 16
"""Rows per cluster that first centres are drawn from."""
SAMPLES = ((32, 6), (128, 3))
"""(rows per cluster, iterations) before all rows are looked at."""
FULL_ITERATIONS = 1
"""Iterations over all rows after the samples: one moves every centre to the mean of all its rows. A pool that fits into
the last sample is iterated until no row changes its cluster, LAST_ITERATION times at most."""
LAST_ITERATION = 50


def cluster_count(rows: int) -> int:
    """Return k = floor(sqrt(n / 2)), at least 1.

    Example:
        >>> cluster_count(52002), cluster_count(1)
        (161, 1)

    Source: Ge et al. 2024 (CaR, arXiv 2402.18191), section 3.2 and code.
    """
    return max(1, math.isqrt(rows // 2))


def principal(rows: Grid, variance: float) -> Grid:
    """Rotate rows onto the directions that hold a share of their variance.

    Rows are not centred before the rotation: that would only move all of them together, and neither distances nor
    clusters would change.

    Args:
        rows: Unit vectors (N, D) on the grid.
        variance: Share to keep, in (0, 1]; 1 keeps every direction with any variance.

    Returns:
        Rows (N, P) on the grid, directions by falling variance, each signed so that its largest part is positive.

    Source: Ge et al. 2024 (arXiv 2402.18191): 95 %.
    """
    return turn(rows, rotation(rows, variance))


def rotation(rows: Grid, variance: float) -> Grid:
    """Return the directions `principal` rotates onto: array (D, P) on the grid."""
    values, vectors = _directions(rows)
    shares = np.cumsum(values) / max(values.sum(), 1e-12)
    kept = int(np.searchsorted(shares, variance - 1e-12)) + 1
    return np.asarray(np.rint(vectors[:, : min(kept, len(values))] * GRID).astype(np.int16))


def turn(rows: Grid, directions: Grid) -> Grid:
    """Return rows (N, D) along directions (D, P): array (N, P) on the grid."""
    found = np.empty((len(rows), directions.shape[1]), dtype=np.int16)
    for block in _blocks(len(rows)):
        found[block] = np.rint(dots(rows[block], directions.T) / GRID).astype(np.int16)
    return found


def _directions(rows: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return variances (D,), falling, and directions (D, D); the sums under them are exact integers in float64."""
    total, products = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
    for block in _blocks(len(rows)):
        part = rows[block].astype(np.float64)
        total += part.sum(axis=0)
        products += part.T @ part
    mean = total / len(rows)
    values, vectors = np.linalg.eigh(products / len(rows) - np.outer(mean, mean))
    values, vectors = np.clip(values[::-1], 0, None), vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
    return values, vectors * np.where(largest < 0, -1, 1)


def kmeans(rows: Grid, clusters: int, seed: int, progress: Callable[[int], None] = lambda rows: None) -> Ints:
    """Return the cluster of every row: array (N,) of numbers in [0, K), by the first row in each; none is empty.

    Args:
        rows: Rows (N, P) on the grid, no longer than one unit.
        clusters: Clusters wanted, K; fewer come back when there are fewer different rows.
        seed: Seed of the samples and first centres.
        progress: Told the rows looked at so far.

    Source: Lloyd 1982; first centres by Arthur and Vassilvitskii 2007 (greedy k-means++) on a sample; growing samples
        after Newling and Fleuret 2016 (arXiv 1602.02934).
    """
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(rows))
    wanted = min(clusters, len(rows))
    centres = _first_centres(rows[np.sort(order[: SEEDING_ROWS_PER_CLUSTER * wanted])], wanted, draw)
    done = 0
    for per_cluster, iterations in SAMPLES:
        if per_cluster * wanted >= len(rows):
            break
        sample = rows[np.sort(order[: per_cluster * wanted])]
        for _ in range(iterations):
            centres = _moved(sample, _nearest(sample, centres), centres)
            progress(done := done + len(sample))
    labels = _nearest(rows, centres)
    for _ in range(FULL_ITERATIONS if len(rows) > SAMPLES[-1][0] * wanted else LAST_ITERATION):
        centres = _moved(rows, labels, centres)
        before, labels = labels, _nearest(rows, centres)
        progress(done := done + len(rows))
        if np.array_equal(before, labels):
            break
    return _by_first_row(labels)


def inertia(rows: Grid, labels: Ints) -> float:
    """Return the sum of squared distances of rows to the mean of their cluster, in squared units.

    Example:
        >>> inertia(np.array([[2048, 0], [0, 2048]], dtype=np.int16), np.array([0, 0]))
        1.0
    """
    count = int(labels.max()) + 1
    sums, sizes = _sums(rows, labels, count)
    squares = sum(float(np.square(rows[block].astype(np.float64)).sum()) for block in _blocks(len(rows)))
    return (squares - float((np.square(sums).sum(axis=1) / np.maximum(sizes, 1)).sum())) / GRID**2


def _first_centres(sample: Grid, clusters: int, draw: np.random.Generator) -> Grid:
    """Draw rows as centres by their squared distance to those drawn before, the best of a few draws each time."""
    plain = sample.astype(np.float32)
    squares, trials = np.square(plain).sum(axis=1), 2 + int(math.log(clusters))
    chosen = [int(draw.integers(len(sample)))]
    distances = squares + squares[chosen[0]] - 2 * (plain @ plain[chosen[0]])
    while len(chosen) < clusters and distances.max() > 0:
        reached = np.cumsum(distances, dtype=np.float64)
        drawn = np.searchsorted(reached, draw.random(trials) * reached[-1], side="right")
        new = squares[:, None] + squares[drawn] - 2 * (plain @ plain[drawn].T)
        np.minimum(new, distances[:, None], out=new)
        best = int(new.sum(axis=0, dtype=np.float64).argmin())
        chosen.append(int(drawn[best]))
        distances = new[:, best].copy()
    return sample[chosen]


def _nearest(rows: Grid, centres: Grid) -> Ints:
    """Return the nearest centre of every row, the lower number at a tie."""
    points = centres.astype(np.float32).T.copy()
    halves = np.square(points).sum(axis=0) / 2
    found = np.empty(len(rows), dtype=np.int64)
    for block in _blocks(len(rows)):
        closeness = rows[block].astype(np.float32) @ points
        closeness -= halves
        found[block] = closeness.argmax(axis=1)
    return found


def _moved(rows: Grid, labels: Ints, centres: Grid) -> Grid:
    """Return the mean of every cluster on the grid; an empty cluster keeps its centre."""
    sums, sizes = _sums(rows, labels, len(centres))
    means = np.rint(sums / np.maximum(sizes, 1)[:, None]).astype(np.int16)
    return np.where(sizes[:, None] > 0, means, centres)


def _sums(rows: Grid, labels: Ints, count: int) -> tuple[NDArray[np.float64], Ints]:
    """Return exact sums (K, P) and sizes (K,) of clusters."""
    sums = np.zeros((count, rows.shape[1]))
    for block in _blocks(len(rows)):
        order = np.argsort(labels[block], kind="stable")
        ordered = labels[block][order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        sums[ordered[starts]] += np.add.reduceat(rows[block][order].astype(np.float32), starts, axis=0)
    return sums, np.bincount(labels, minlength=count)


def _by_first_row(labels: Ints) -> Ints:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    renamed = np.empty(len(first), dtype=np.int64)
    renamed[np.argsort(first, kind="stable")] = np.arange(len(first))
    return renamed[inverse]


def _blocks(count: int) -> Iterator[slice]:
    return (slice(first, first + BLOCK_ROWS) for first in range(0, count, BLOCK_ROWS))
