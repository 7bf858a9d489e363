"""Which rows to keep: by chance, the highest of a number per row, or the best of every cluster.

Ties fall by a seed, never by row order. Choices that weigh difference row by row are in `methods.diversity`.

Source: Zhao et al. 2024 (arXiv 2402.04833) for the longest answers as a baseline that is hard to beat.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def keep_count(available: int, keep: int | None, keep_fraction: float) -> int:
    """Return how many rows to keep: `keep`, else the fraction rounded; never more than there are, never none.

    Example:
        >>> keep_count(10, None, 0.25), keep_count(10, 50, 1.0)
        (2, 10)
    """
    wanted = round(available * keep_fraction) if keep is None else keep
    return min(max(wanted, 1), available)


def draw_order(names: Sequence[str], seed: int) -> list[int]:
    """Return the places of rows in an order of chance that depends on each row's name and the seed alone.

    A row that is added or removed leaves the order of the others as it was.

    Args:
        names: Name of each row; equal names fall by place.
        seed: Seed of the draw.

    Example:
        >>> sorted(draw_order(["a", "b", "c"], seed=0))
        [0, 1, 2]
    """
    return sorted(range(len(names)), key=lambda place: (_chance(names[place], seed), place))


def highest_order(values: Sequence[float], names: Sequence[str], seed: int) -> list[int]:
    """Return the places of rows from the highest value to the lowest; ties fall as in `draw_order`.

    Example:
        >>> highest_order([1.0, 3.0, 2.0], ["a", "b", "c"], seed=0)
        [1, 2, 0]
    """
    return sorted(range(len(values)), key=lambda place: (-values[place], _chance(names[place], seed), place))


def _chance(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}/{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def top_and_clusters(scores: Floats, clusters: Ints, ties: Ints, per_cluster: int) -> list[int]:
    """Return the best rows of every cluster, clusters by number: what CaR adds to the best of all.

    Args:
        scores: Number per row (N,), larger is better.
        clusters: Cluster of every row (N,).
        ties: A different number per row; the lower one wins between equal scores.
        per_cluster: Rows of each cluster, n2.

    Example:
        >>> top_and_clusters(np.array([3.0, 2.0, 1.0]), np.array([0, 0, 1]), np.arange(3), 1)
        [0, 2]

    Source: Ge et al. 2024 (CaR, arXiv 2402.18191), section 3.2: top n1 of all in union with top n2 of every cluster.
    """
    order = np.lexsort((ties, -scores, clusters))
    return [int(place) for place in order[_rounds(clusters[order]) < per_cluster]]


def cluster_rounds(quality: Floats, clusters: Ints, ties: Ints, first: Collection[int] = ()) -> list[int]:
    """Return rows so that every cluster gives its best before any gives its second, better rows first within a round.

    Args:
        quality: Number per row (N,), larger is better.
        clusters: Cluster of every row (N,).
        ties: A different number per row; the lower one wins between equal rows.
        first: Rows that are taken anyway; they use up rounds of their clusters.

    Example:
        >>> cluster_rounds(np.array([0.9, 0.8, 0.1]), np.array([0, 0, 1]), np.arange(3))
        [0, 2, 1]

    Source: M-DaQ (arXiv 2509.15549, version 1) picks good rows of every cluster; its allotment is not published, equal
        shares are ours.
    """
    later = np.ones(len(quality), dtype=np.int64)
    later[list(first)] = 0
    by_cluster = np.lexsort((ties, -quality, later, clusters))
    rounds = np.empty(len(quality), dtype=np.int64)
    rounds[by_cluster] = _rounds(clusters[by_cluster])
    return [int(place) for place in np.lexsort((ties, -quality, rounds))]


def _rounds(ordered: Ints) -> Ints:
    """Return the place of every row within its run of equal numbers."""
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return np.arange(len(ordered)) - np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
