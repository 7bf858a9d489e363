"""New rows from similar old tokens: weights come from cosines between auxiliary vectors of new and old tokens.

    N  new tokens    C  candidate old tokens    K  width of the auxiliary vectors    V  rows before expansion

What differs between the published methods is where the vectors come from and how cosines become weights. Vectors
come from elsewhere (`methods.auxiliary_vectors`, a file, another model); this file turns them into W. Similarities
are computed in blocks, so memory does not grow with N times C.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError
from newtongue.methods.initialiser import Initialiser, from_mixtures, from_sparse
from newtongue.methods.sparsemax import SparseRows, largest_scores, softmax_of_largest, sparsemax, stacked

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
BLOCK_SCORES = 1 << 25
"""Scores that exist at a time."""
MOST_WEIGHTS = 200_000_000


@dataclass(frozen=True, slots=True)
class AuxiliaryVectors:
    """Vectors of new and old tokens in one space.

    Attributes:
        new_NK: One per new token; a row of zeros where nothing is known of it.
        old_CK: One per candidate, zeros where nothing is known.
        candidates: Old id of each candidate, length C.
        rows: V.
    """

    new_NK: Floats
    old_CK: Floats
    candidates: Ints
    rows: int


def focus(vectors: AuxiliaryVectors, *, threads: int = 1) -> Initialiser:
    """Start each new token at a sparse average of similar old tokens: sparsemax over the cosines to all candidates.

    Args:
        vectors: Auxiliary vectors; the paper trains fastText on text in the new tokenizer.
        threads: Blocks of rows worked on at once; changes no result.

    Returns:
        Weights that are at least 0 and sum to 1; an empty row for a token without a vector.

    Source: Dobler and de Melo 2023 (arXiv 2305.14481, section 3.2). Candidates are matched by bytes; the reference
    matches decoded text, which makes all incomplete characters one token.
    """
    from newtongue.methods.similar_support import sparsemax_of_cosines  # numba takes a while to load

    new_NK, known = unit(vectors.new_NK)
    tokens, old_CK = np.flatnonzero(known), np.ascontiguousarray(vectors.old_CK, np.float32)
    found, crowded = sparsemax_of_cosines(new_NK[tokens], old_CK, threads)
    made = from_sparse(_spread_out([found], tokens, len(new_NK)), vectors.candidates, vectors.rows)
    if not len(crowded):
        return made
    again = tokens[crowded]
    dense = _weighted(replace(vectors, new_NK=vectors.new_NK[again]), sparsemax, threads)
    return _with_rows(made, again, dense)


def nearest(
    vectors: AuxiliaryVectors, *, neighbours: int = 10, temperature: float = 0.1, threads: int = 1
) -> Initialiser:
    """Start each new token at the softmax-weighted average of its nearest old tokens.

    WECHSEL and OFA share this rule; WECHSEL's vectors are two languages' word vectors turned onto each other
    (`auxiliary_vectors.aligned`), OFA's are multilingual from the start.

    Args:
        vectors: Auxiliary vectors.
        neighbours: Old tokens that take part.
        temperature: Divides the cosines before the softmax; above 0.
        threads: Blocks of rows worked on at once; changes no result.

    Source: Minixhofer et al. 2022, WECHSEL (arXiv 2112.06598, equations 3 and 4); Liu et al. 2024, OFA
    (arXiv 2311.08849, section 3.3; its factorised matrix is `embedding_init.reduced`). The defaults are theirs.
    """
    return _weighted(vectors, lambda scores: softmax_of_largest(scores, neighbours, temperature), threads)


def clp(vectors: AuxiliaryVectors, *, neighbours: int | None = None, threads: int = 1) -> Initialiser:
    """Start each new token at the average of all candidates weighted by their cosines, negative ones included.

    Args:
        vectors: Rows of a helper model that knows both the new and some old tokens.
        neighbours: Candidates that take part, the most similar; None takes all, as published.
        threads: Blocks of rows worked on at once; changes no result.

    Raises:
        DataError: W would have too many weights to keep.

    Source: Ostendorff and Rehm 2023, CLP-Transfer (arXiv 2301.09626, equation 2).
    """
    kept = len(vectors.candidates) if neighbours is None else min(neighbours, len(vectors.candidates))
    if len(vectors.new_NK) * kept > MOST_WEIGHTS:
        raise DataError(
            f"CLP would keep {len(vectors.new_NK) * kept:,} weights",
            expected=f"at most {MOST_WEIGHTS:,}",
            fix="set init.neighbours, for example to 256",
        )
    return _weighted(vectors, lambda scores: _normalised(largest_scores(scores, kept)), threads)


def most_similar(vectors: AuxiliaryVectors, neighbours: int, *, threads: int = 1) -> Initialiser:
    """Return the cosines to the most similar candidates as they are (no weights yet), as rows of a matrix."""
    return _weighted(vectors, lambda scores: largest_scores(scores, neighbours), threads)


def _with_rows(init: Initialiser, tokens: Ints, other: Initialiser) -> Initialiser:
    """Take some tokens' rows from another initialiser."""
    source = {int(token): row for row, token in enumerate(tokens)}
    rows = range(init.shape[0])
    return from_mixtures([dict(other.row(source[n]) if n in source else init.row(n)) for n in rows], init.shape[1])


def _normalised(found: SparseRows) -> SparseRows:
    counts = np.diff(found.indptr)
    owner = np.repeat(np.arange(len(counts)), counts)
    sums = np.bincount(owner, found.data.astype(np.float64), len(counts))
    safe = np.where(np.abs(sums) > 1e-6, sums, 1.0)
    return SparseRows(found.indptr, found.indices, (found.data / safe[owner]).astype(np.float32))


def _weighted(vectors: AuxiliaryVectors, weigh: Callable[[Floats], SparseRows], threads: int) -> Initialiser:
    """Turn cosines into weights, block by block; tokens without a vector get no weights."""
    old_CK, known_old = unit(vectors.old_CK)
    new_NK, known_new = unit(vectors.new_NK)
    candidates, tokens = vectors.candidates[known_old], np.flatnonzero(known_new)
    old_CK = old_CK if known_old.all() else old_CK[known_old]
    if not len(candidates):
        return from_sparse(_spread_out([], np.zeros(0, np.int64), len(new_NK)), candidates, vectors.rows)
    step = max(threads, BLOCK_SCORES // len(candidates))
    scores = np.empty((min(step, len(tokens)), len(candidates)), np.float32)
    parts: list[SparseRows] = []
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(tokens), step):
            some = tokens[start : start + step]
            shares = min(threads, len(some))
            blocks = zip(np.array_split(some, shares), np.array_split(scores[: len(some)], shares), strict=True)
            parts += pool.map(lambda block: weigh(np.matmul(new_NK[block[0]], old_CK.T, out=block[1])), blocks)
    return from_sparse(_spread_out(parts, tokens, len(new_NK)), candidates, vectors.rows)


def _spread_out(parts: list[SparseRows], tokens: Ints, total: int) -> SparseRows:
    """Put the rows of some tokens between empty rows of the others."""
    found = stacked(parts)
    counts = np.zeros(total, np.int64)
    counts[tokens] = np.diff(found.indptr)
    return SparseRows(np.concatenate([[0], np.cumsum(counts)]), found.indices, found.data)


def unit(vectors: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return vectors at length 1 and which of them are not zero."""
    plain = np.ascontiguousarray(vectors, np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", plain, plain))
    known = norms > 0
    return np.asarray(plain / np.where(known, norms, np.float32(1))[:, None], np.float32), known
