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
PIECE_SCORES = 1 << 19
"""Scores that exist at a time in each thread, so that they stay in the processor's cache."""
GROUPS = 64
"""Groups of candidates whose largest scores make the first bound."""
ROOM = 1024
"""Scores that are kept per row before it counts as crowded."""
STRIDE = 256
"""Scores that are compared at one go."""
NO_SCORE = np.float32(-4)
"""Stands below every cosine."""
ROUNDING = 1e-6
"""More than a threshold between -2 and 1 can lose when it is rounded to fp32."""


class Found(NamedTuple):
    """Scores that may be in the support of some rows.

    Attributes:
        values: The scores of each row, (R, ROOM).
        columns: Their candidates.
        counts: How many there are, (R,); -1 where there was not room enough.
        bounds: What a score has to reach, (R,).
        sums: Their sums, (R,).
        checked: How many there were when the bound was last computed exactly, (R,).
    """

    values: Floats
    columns: Ints
    counts: Ints
    bounds: Floats
    sums: NDArray[np.float64]
    checked: Ints

    @classmethod
    def nothing(cls, rows: int) -> Found:
        """Return room for so many rows."""
        values, columns = np.empty((rows, ROOM), np.float32), np.empty((rows, ROOM), np.int64)
        counts, checked = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        return cls(values, columns, counts, np.full(rows, NO_SCORE), np.zeros(rows), checked)


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
    if not len(new_NK) or not len(old_CK):
        nothing = np.zeros(0, np.int64)
        return SparseRows(np.zeros(len(new_NK) + 1, np.int64), nothing, np.zeros(0, np.float32)), nothing
    blocks = np.array_split(new_NK, -(-len(new_NK) // ROWS))
    step = max(GROUPS, PIECE_SCORES // len(blocks[0]))
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
    units = np.empty((pieces.step, old_CK.shape[1]), np.float32)
    scores = np.empty((pieces.step, len(new_RK)), np.float32)
    found = Found.nothing(len(new_RK))
    for at in pieces:
        some = old_CK[at : min(end, at + pieces.step)]
        known = _to_units(some, units)
        piece = np.matmul(units[: len(some)], new_RK.T, out=scores[: len(some)])
        if at == pieces.start:
            _first_bounds(piece, known, found.bounds)
        _take(piece, known, at, found)
    width = found.counts.max(initial=0)
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
    """Take up the scores of a piece that reach their row's bound."""
    rows, near = scores_SR.shape[1], np.empty(STRIDE + 1, np.int64)
    for at in range(len(known)):
        for start in range(0, rows if known[at] else 0, STRIDE):
            count = _reaching(scores_SR[at, start : start + STRIDE], found.bounds[start : start + STRIDE], near)
            for number in range(count):
                row = start + near[number]
                if found.counts[row] >= 0:
                    _keep(found, row, scores_SR[at, row], first + at)
    for row in range(rows):
        if found.counts[row] > 2 * found.checked[row] + 32:
            _sharpen(found, row)


@njit(nogil=True, cache=True)
def _reaching(scores: Floats, bounds: Floats, out: Ints) -> int:
    """Write the places of the scores that reach their bounds, and return how many; without a branch per score."""
    reached = False
    for at in range(len(scores)):
        reached |= scores[at] >= bounds[at]
    count = 0
    if reached:
        for at in range(len(scores)):
            out[count] = at
            count += scores[at] >= bounds[at]
    return count


@njit(nogil=True, cache=True)
def _keep(found: Found, row: int, score: np.float32, candidate: int) -> None:
    """Keep a score; (sum - 1) / count of any scores bounds the threshold of all from below."""
    count = found.counts[row]
    found.values[row, count] = score
    found.columns[row, count] = candidate
    found.sums[row] += score
    found.counts[row] = count + 1
    found.bounds[row] = max(found.bounds[row], np.float32((found.sums[row] - 1) / (count + 1) - ROUNDING))
    if count + 1 == found.values.shape[1]:
        _sharpen(found, row)


@njit(nogil=True, cache=True)
def _sharpen(found: Found, row: int) -> None:
    """Raise a row's bound to the threshold of what was found, and drop what lies below; give up when that is little."""
    values, columns, count = found.values[row], found.columns[row], found.counts[row]
    bound = max(found.bounds[row], _below_threshold(values[:count]))
    kept, total = 0, 0.0
    for at in range(count):
        if values[at] >= bound:
            values[kept], columns[kept] = values[at], columns[at]
            total += values[at]
            kept += 1
    found.bounds[row], found.sums[row] = bound, total
    found.counts[row] = found.checked[row] = kept if kept < len(values) // 2 else -1


@njit(nogil=True, cache=True)
def _below_threshold(scores: Floats) -> np.float32:
    """Return a value just below sparsemax's threshold of some scores."""
    tau, count = -np.inf, 0
    while True:
        total, above = 0.0, 0
        for score in scores:
            if score > tau:
                total += score
                above += 1
        if above == count:
            return np.float32(tau - ROUNDING)
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
    written, room = 0, counts_PR.shape[0] * values_PRB.shape[2]
    found, where = np.empty(room, np.float32), np.empty(room, np.int64)
    for row in range(counts_PR.shape[1]):
        filled = 0
        for part in range(len(counts_PR)):
            count = counts_PR[part, row]
            found[filled : filled + count] = values_PRB[part, row, :count]
            where[filled : filled + count] = columns_PRB[part, row, :count]
            filled += count
        near = np.flatnonzero(found[:filled] >= _below_threshold(found[:filled])) if filled else where[:0]
        scores = found[near].astype(np.float64)
        order = np.argsort(-scores, kind="mergesort")
        size, total, tau = 0, 0.0, 0.0
        while size < len(order) and 1 + (size + 1) * scores[order[size]] > total + scores[order[size]]:
            total += scores[order[size]]
            size += 1
            tau = (total - 1) / size
        for at in order[:size]:
            if scores[at] > tau:
                out.indices[written], out.data[written] = where[near[at]], scores[at] - tau
                written += 1
        out.indptr[row + 1] = written
