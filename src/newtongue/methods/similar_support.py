"""Sparsemax over cosines without ever holding the cosines: a piece of the product is searched while it is in cache.

    N  new tokens    C  candidates    K  width of the vectors    R  rows of a block    S  candidates of a piece

Scores found so far bound a row's threshold from below (further ones can only raise it), so what lies under the bound
can be dropped at once and for good: the support is exact. What is left, some tens of scores per row, is sorted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from newtongue.methods.blas_threads import products_of_one_thread
from newtongue.methods.sparsemax import SparseRows, stacked

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
ROWS = 1024
"""New tokens that are worked on at once."""
PIECE_SCORES = 1 << 18
"""Scores that exist at a time in each thread, so that they stay in the processor's cache."""
GROUPS = 64
"""Groups of candidates whose largest scores make the first bound."""
ROOM = 1024
"""Scores that are kept per row before it counts as crowded."""
STRIDE, SHORT_STRIDE = 64, 16
"""Scores that are compared at one go, and again where one of them reaches its bound."""
NO_SCORE = np.float32(-4)
"""Stands below every cosine."""


class Found(NamedTuple):
    """Scores that may be in the support of some rows.

    Attributes:
        values: The scores of each row, (R, ROOM).
        columns: Their candidates.
        counts: How many there are, (R,); -1 where there was not room enough.
        bounds: What a score has to reach, (R,).
        checked: How many there were when the bound was last computed, (R,).
    """

    values: Floats
    columns: Ints
    counts: Ints
    bounds: Floats
    checked: Ints


def sparsemax_of_cosines(new_NK: Floats, old_CK: Floats, threads: int = 1) -> tuple[SparseRows, Ints]:
    """Return sparsemax of each new token's cosines to all candidates; candidates without a vector take no part.

    Args:
        new_NK: Vectors of length 1.
        old_CK: Vectors of any length.
        threads: Pieces worked on at once; changes no result.

    Returns:
        The weights, and the crowded rows, which are left empty: so many scores are alike that most are in the support.

    Source: see `sparsemax.sparsemax`, which gives the same of a matrix that is there.
    """
    blocks = np.array_split(new_NK, max(1, -(-len(new_NK) // ROWS)))
    step = max(GROUPS, PIECE_SCORES // max(1, len(blocks[0])))
    with products_of_one_thread() as alone, ThreadPoolExecutor(threads if alone else 1) as pool:
        workers = threads if alone else 1
        spans = _spans(len(old_CK), step, 1 if len(blocks) % workers == 0 else workers)
        parts = [(block, span) for block in blocks for span in spans]
        found = list(pool.map(lambda part: _search(part[0], old_CK, *part[1]), parts))
    made = [_weights(found[at : at + len(spans)]) for at in range(0, len(found), len(spans))]
    crowded = np.concatenate([part[1] for part in made])
    return stacked([part[0] for part in made]), np.flatnonzero(crowded)


def _spans(total: int, step: int, shares: int) -> list[tuple[range, int]]:
    """Cut the candidates into stretches of whole pieces: the first candidate of each piece, and the end."""
    count = -(-total // step)
    cuts = [round(share * count / shares) for share in range(shares + 1)]
    pairs = [(first, last) for first, last in pairwise(cuts) if last > first]
    return [(range(first * step, last * step, step), min(total, last * step)) for first, last in pairs]


def _search(new_RK: Floats, old_CK: Floats, pieces: range, end: int) -> Found:
    """Return the scores of a stretch of candidates that may be in the support, no more than needed."""
    rows, room = len(new_RK), (len(new_RK), ROOM)
    units = np.empty((pieces.step, old_CK.shape[1]), np.float32)
    scores = np.empty((pieces.step, rows), np.float32)
    counts, checked = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    found = Found(np.empty(room, np.float32), np.empty(room, np.int64), counts, np.full(rows, NO_SCORE), checked)
    for at in pieces:
        some = old_CK[at : min(end, at + pieces.step)]
        known = _to_units(some, units)
        piece = np.matmul(units[: len(some)], new_RK.T, out=scores[: len(some)])
        if at == pieces.start:
            _first_bounds(piece, known, found.bounds)
        _take(piece, known, at, found)
    width = counts.max(initial=0)
    return found._replace(values=found.values[:, :width].copy(), columns=found.columns[:, :width].copy())


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _to_units(old_SK: Floats, units_SK: Floats) -> Flags:
    """Write vectors at length 1; return which are not zero."""
    known = np.empty(len(old_SK), np.bool_)
    for row in range(len(old_SK)):
        squares = np.float32(0)
        for at in range(old_SK.shape[1]):
            squares += old_SK[row, at] * old_SK[row, at]
        known[row] = squares > 0
        factor = np.float32(1) / np.sqrt(squares) if squares > 0 else np.float32(0)
        for at in range(old_SK.shape[1]):
            units_SK[row, at] = old_SK[row, at] * factor
    return known


@njit(nogil=True, cache=True)
def _first_bounds(scores_SR: Floats, known: Flags, bounds: Floats) -> None:
    """Bound the thresholds by the largest scores of some groups of candidates."""
    rows = scores_SR.shape[1]
    largest = np.full((GROUPS, rows), NO_SCORE)
    for at in range(len(scores_SR)):
        if known[at]:
            best, some = largest[at % GROUPS], scores_SR[at]
            for row in range(rows):
                best[row] = max(best[row], some[row])
    for row in range(rows):
        column = largest[:, row]
        some = column[column > NO_SCORE]
        if len(some):
            bounds[row] = _below_threshold(some)


@njit(nogil=True, cache=True)
def _take(scores_SR: Floats, known: Flags, first: int, found: Found) -> None:
    """Take up the scores of a piece that reach their row's bound; raise a bound when its row has filled up."""
    rows = scores_SR.shape[1]
    for at in np.flatnonzero(known):
        for start in range(0, rows, STRIDE):
            stop = min(start + STRIDE, rows)
            if _any_reaches(scores_SR[at, start:stop], found.bounds[start:stop]):
                for near in range(start, stop, SHORT_STRIDE):
                    end = min(near + SHORT_STRIDE, stop)
                    if _any_reaches(scores_SR[at, near:end], found.bounds[near:end]):
                        _take_some(scores_SR[at, near:end], near, first + at, found)
    for row in range(rows):
        if found.counts[row] > 2 * found.checked[row] + 16:
            _sharpen(found, row)


@njit(nogil=True, cache=True)
def _any_reaches(scores: Floats, bounds: Floats) -> bool:
    """Return whether some score reaches its bound (without a branch, so that many are compared at once)."""
    reached = False
    for at in range(len(scores)):
        reached |= scores[at] >= bounds[at]
    return reached


@njit(nogil=True, cache=True)
def _take_some(scores: Floats, first_row: int, candidate: np.int64, found: Found) -> None:
    """Take up a candidate's scores with a few rows where they reach the bound."""
    for at in range(len(scores)):
        row = first_row + at
        if scores[at] >= found.bounds[row] and found.counts[row] >= 0:
            found.values[row, found.counts[row]] = scores[at]
            found.columns[row, found.counts[row]] = candidate
            found.counts[row] += 1
            if found.counts[row] == found.values.shape[1]:
                _sharpen(found, row)


@njit(nogil=True, cache=True)
def _sharpen(found: Found, row: int) -> None:
    """Raise a row's bound to the threshold of what was found, and drop what lies below; give up when that is little."""
    values, columns, count = found.values[row], found.columns[row], found.counts[row]
    bound = max(found.bounds[row], _below_threshold(values[:count]))
    kept = 0
    for at in range(count):
        if values[at] >= bound:
            values[kept], columns[kept] = values[at], columns[at]
            kept += 1
    found.bounds[row] = bound
    found.counts[row] = found.checked[row] = kept if kept < len(values) // 2 else -1


@njit(nogil=True, cache=True)
def _below_threshold(scores: Floats) -> float:
    """Return a value just below sparsemax's threshold of some scores."""
    tau, count = -np.inf, 0
    while True:
        total, above = 0.0, 0
        for score in scores:
            if score > tau:
                total += score
                above += 1
        if above == count:
            return np.nextafter(np.float32(tau), np.float32(-np.inf))  # type: ignore[no-any-return]
        tau, count = (total - 1) / above, above


def _weights(parts: list[Found]) -> tuple[SparseRows, Flags]:
    """Return the weights of a block of rows from what each stretch of candidates holds, and which are crowded."""
    counts = np.stack([part.counts for part in parts])
    crowded: Flags = np.any(counts < 0, axis=0)
    counts[:, crowded] = 0
    total, width = int(counts.sum()), max(part.values.shape[1] for part in parts)
    values = np.stack([np.pad(part.values, ((0, 0), (0, width - part.values.shape[1]))) for part in parts])
    columns = np.stack([np.pad(part.columns, ((0, 0), (0, width - part.columns.shape[1]))) for part in parts])
    out = SparseRows(np.zeros(len(crowded) + 1, np.int64), np.empty(total, np.int64), np.empty(total, np.float32))
    _project(values, columns, counts, out)
    written = out.indptr[-1]
    return SparseRows(out.indptr, out.indices[:written], out.data[:written]), crowded


@njit(nogil=True, cache=True)
def _project(values_PRB: Floats, columns_PRB: Ints, counts_PR: Ints, out: SparseRows) -> None:
    """Write sparsemax of each row, largest weight first (Martins and Astudillo 2016, algorithm 1)."""
    written = 0
    for row in range(counts_PR.shape[1]):
        scores, where = np.empty(counts_PR[:, row].sum(), np.float64), np.empty(counts_PR[:, row].sum(), np.int64)
        filled = 0
        for part in range(len(counts_PR)):
            count = counts_PR[part, row]
            scores[filled : filled + count] = values_PRB[part, row, :count]
            where[filled : filled + count] = columns_PRB[part, row, :count]
            filled += count
        order = np.argsort(-scores, kind="mergesort")
        size, total, tau = 0, 0.0, 0.0
        while size < filled and 1 + (size + 1) * scores[order[size]] > total + scores[order[size]]:
            total += scores[order[size]]
            size += 1
            tau = (total - 1) / size
        for at in order[:size]:
            if scores[at] > tau:
                out.indices[written], out.data[written] = where[at], scores[at] - tau
                written += 1
        out.indptr[row + 1] = written
