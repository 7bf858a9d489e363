"""Weights from scores, for matrices too wide to sort: exact sparsemax, and softmax over the k largest.

    B  rows of scores    V  scores per row    K  candidates kept per row, ragged

Both need only the few largest scores of a row. A lower bound on what can matter comes from a sample of its columns
(adding scores never lowers a threshold), one comparison per score leaves the candidates, and only these are sorted.
Nothing is approximated: the bound holds for any sample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Ints = NDArray[np.int64]
SAMPLE = 16384
"""Columns looked at for the bound."""
SAMPLE_KEPT = 64


class SparseRows(NamedTuple):
    """Weights of B rows in CSR form, largest first within a row.

    Attributes:
        indptr: Start of each row's entries, length B + 1.
        indices: Columns.
        data: Weights.
    """

    indptr: Ints
    indices: Ints
    data: NDArray[np.float32]


def sparsemax(scores_BV: Scores) -> SparseRows:
    """Return the projection of each row of scores onto the simplex; most weights are exactly 0.

    Args:
        scores_BV: Finite scores.

    Example:
        >>> sparsemax(np.asarray([[1.0, 0.8, -1.0]], np.float32)).data.tolist()
        [0.6000..., 0.4000...]

    Source: Martins and Astudillo 2016 (arXiv 1602.02068), algorithm 1; the threshold of a subset of the scores
    bounds the threshold of all from below, because every further score can only raise it.
    """
    sample = _largest(scores_BV, SAMPLE_KEPT)
    tau, _count = _thresholds(np.sort(sample, axis=1)[:, ::-1].astype(np.float64))
    bound = np.nextafter(tau.astype(np.float32), np.float32(-np.inf))
    ordered, columns = _candidates(scores_BV, bound)
    tau, count = _thresholds(ordered)
    weights = np.maximum(ordered - tau[:, None], 0)
    return _csr(weights, columns, (weights > 0) & (np.arange(ordered.shape[1]) < count[:, None]))


def softmax_of_largest(scores_BV: Scores, largest: int, temperature: float) -> SparseRows:
    """Return the softmax of score / temperature over the k largest scores of each row.

    Args:
        scores_BV: Finite scores.
        largest: How many to keep, at least 1; of equal scores the first columns.
        temperature: Above 0; small values put all weight on the largest score.

    Source: Minixhofer et al. 2022 (arXiv 2112.06598), equation 4, shifted by the maximum so that it cannot overflow.
    """
    ordered, columns = _candidates(scores_BV, _bound_of_largest(scores_BV, largest))
    ordered, columns = ordered[:, :largest], columns[:, :largest]
    powers = np.exp((ordered - ordered[:, :1]) / temperature)
    weights = powers / powers.sum(1, keepdims=True)
    return _csr(weights, columns, np.isfinite(ordered))


def largest_scores(scores_BV: Scores, largest: int) -> SparseRows:
    """Return the k largest scores of each row as they are, of equal ones the first columns."""
    ordered, columns = _candidates(scores_BV, _bound_of_largest(scores_BV, largest))
    ordered, columns = ordered[:, :largest], columns[:, :largest]
    return _csr(ordered, columns, np.isfinite(ordered))


def stacked(parts: list[SparseRows]) -> SparseRows:
    """Return several groups of rows as one."""
    starts = np.cumsum([0, *(len(part.indices) for part in parts)])
    indptr = [np.zeros(1, np.int64), *(part.indptr[1:] + start for part, start in zip(parts, starts, strict=False))]
    indices = [np.zeros(0, np.int64), *(part.indices for part in parts)]
    data = [np.zeros(0, np.float32), *(part.data for part in parts)]
    return SparseRows(np.concatenate(indptr), np.concatenate(indices), np.concatenate(data))


def _largest(scores_BV: Scores, kept: int) -> Scores:
    """Return large scores among the first columns, in no order: the largest of each of `kept` groups of columns."""
    sample = scores_BV[:, : min(SAMPLE, scores_BV.shape[1]) // kept * kept]
    if sample.shape[1] <= kept:
        return scores_BV[:, :kept]
    return np.asarray(sample.reshape(len(sample), -1, kept).max(1))


def _bound_of_largest(scores_BV: Scores, largest: int) -> Scores:
    """Return a score per row that at least `largest` scores reach (where there are as many)."""
    sample = scores_BV[:, : max(SAMPLE, largest)]
    if sample.shape[1] <= largest:
        return np.full(len(scores_BV), -np.inf, np.float32)
    at = sample.shape[1] - largest
    return np.partition(sample, at, axis=1)[:, at]


def _candidates(scores_BV: Scores, bound_B: Scores) -> tuple[NDArray[np.float64], Ints]:
    """Return the scores that reach each row's bound, largest first, padded with -inf, and their columns."""
    rows, columns = np.divmod(np.flatnonzero(scores_BV >= bound_B[:, None]), scores_BV.shape[1])
    counts = np.bincount(rows, minlength=len(scores_BV))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    values = np.full((len(scores_BV), counts.max(initial=0)), -np.inf)
    where = np.zeros(values.shape, np.int64)
    values[rows, place] = scores_BV[rows, columns]
    where[rows, place] = columns
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(values, order, 1), np.take_along_axis(where, order, 1)


def _thresholds(ordered_BK: NDArray[np.float64]) -> tuple[NDArray[np.float64], Ints]:
    """Return sparsemax's threshold and support size for rows sorted from the largest down."""
    sums = np.cumsum(ordered_BK, axis=1)
    ranks = np.arange(1, ordered_BK.shape[1] + 1)
    with np.errstate(invalid="ignore"):
        count = (1 + ranks * ordered_BK > sums).sum(1)
    tau = (np.take_along_axis(sums, count[:, None] - 1, 1)[:, 0] - 1) / count
    return tau, count


def _csr(weights_BK: NDArray[np.float64], columns_BK: Ints, wanted_BK: NDArray[np.bool_]) -> SparseRows:
    indptr = np.concatenate([[0], np.cumsum(wanted_BK.sum(1))]).astype(np.int64)
    return SparseRows(indptr, columns_BK[wanted_BK], weights_BK[wanted_BK].astype(np.float32))
