"""Vectors for old and new tokens in one space, from text alone or from word vectors, for initialisers to compare.

    V  old tokens    N  new tokens    T  tokens of text    K  width of the vectors    M  words

From text: with continued BPE every new token is a run of whole old tokens, so both kinds can be described by the
same features, the old tokens that stand around them. Old tokens are counted at all their places, also inside new
ones; so even an old token that the new vocabulary hardly uses in this language has a vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
CONTEXT_POWER = 0.75
"""Frequencies of contexts are smoothed with this power, so that rare ones do not dominate."""
OVERSAMPLING, POWER_STEPS = 10, 4
RUN_TOKENS = 200_000


def context_counts(documents: Iterable[Ints], pieces: Sequence[Sequence[int]], rows: int, window: int) -> csr_array:
    """Count which old tokens stand near each old and each new token.

    Args:
        documents: Ids of each document in the new vocabulary; ids from `rows` up are new tokens.
        pieces: Old ids that spell each new token.
        rows: V; new token n has id V + n here.
        window: Old tokens on each side that count as near.

    Returns:
        Counts, (V + N, V).

    Source: word-context counts of Levy, Goldberg, Dagan 2015 (TACL 3), with pieces of old tokens as contexts: ours.
    """
    shape = (rows + len(pieces), rows)
    total = csr_array(shape, dtype=np.float64)
    spelt = [np.asarray(spelling, np.int64) for spelling in pieces]
    gap = np.full(window, -1, np.int64)
    for joined in _joined(documents, gap):
        total = total + _counts_of(joined, spelt, shape, window)
    return total


def _joined(documents: Iterable[Ints], gap: Ints) -> Iterator[Ints]:
    """Yield documents one after the other in long runs, with a gap around each that no context crosses."""
    parts, size = [gap], 0
    for ids in documents:
        parts += [np.asarray(ids, np.int64), gap]
        size += len(ids)
        if size >= RUN_TOKENS:
            yield np.concatenate(parts)
            parts, size = [gap], 0
    yield np.concatenate(parts)


def _counts_of(ids: Ints, spelt: list[Ints], shape: tuple[int, int], window: int) -> csr_array:
    rows = shape[1]
    is_new = ids >= rows
    lengths = np.ones(len(ids), np.int64)
    lengths[is_new] = [len(spelt[i - rows]) for i in ids[is_new]]
    ends = np.cumsum(lengths)
    old = np.repeat(ids, lengths)
    old[np.repeat(is_new, lengths)] = np.concatenate([ids[:0], *(spelt[i - rows] for i in ids[is_new])])
    places = np.flatnonzero(old >= 0)
    owner = np.concatenate([old[places], ids[is_new]])
    first = np.concatenate([places, (ends - lengths)[is_new]])
    last = np.concatenate([places, ends[is_new] - 1])
    columns = np.concatenate([old[at] for k in range(1, window + 1) for at in (first - k, last + k)])
    real = columns >= 0
    return csr_array((np.ones(int(real.sum())), (np.tile(owner, 2 * window)[real], columns[real])), shape=shape)


def ppmi(counts: csr_array) -> csr_array:
    """Return how much more often each pair occurs than chance would have it, in nats, at least 0.

    Args:
        counts: Pairs of things (rows) and contexts (columns).

    Source: Levy, Goldberg, Dagan 2015 (TACL 3), equations 1 and 6: positive pointwise mutual information with
    smoothed contexts.
    """
    pairs = counts.tocoo()
    of_row, of_column = counts.sum(1), counts.sum(0) ** CONTEXT_POWER
    smoothed = of_column.sum()
    with np.errstate(divide="ignore"):
        information = np.log(pairs.data * smoothed / (of_row[pairs.row] * of_column[pairs.col]))
    kept = information > 0
    return csr_array((information[kept], (pairs.row[kept], pairs.col[kept])), shape=counts.shape)


def principal_vectors(matrix: Any, width: int, seed: int) -> Floats:
    """Return rows of U times the square root of the singular values, for the `width` largest.

    Args:
        matrix: Sparse or dense, (rows, columns).
        width: K, lowered to what the matrix has.
        seed: Seed of the random start.

    Returns:
        (rows, K); a row of zeros stays one.

    Source: Halko, Martinsson, Tropp 2011 (SIAM Review 53), algorithms 4.4 and 5.1; the power 1/2 of the singular
    values as Levy, Goldberg, Dagan 2015 recommend.
    """
    small = min(matrix.shape)
    tried = min(width + OVERSAMPLING, small)
    basis = np.random.default_rng(seed).standard_normal((matrix.shape[1], tried))
    basis, _ = np.linalg.qr(matrix @ basis)
    for _step in range(POWER_STEPS):
        other, _ = np.linalg.qr(matrix.T @ basis)
        basis, _ = np.linalg.qr(matrix @ other)
    left, values, _right = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    kept = min(width, tried)
    vectors = (basis @ left[:, :kept]) * np.sqrt(values[:kept])
    filled = np.asarray(abs(matrix).sum(1)).reshape(-1) > 0
    return np.asarray(vectors * filled[:, None], np.float32)


def without_rare(vectors: Floats, counts: csr_array, minimum: int) -> Floats:
    """Set the vectors of things that stood near fewer than `minimum` contexts to zero: too little is known of them."""
    seen = np.asarray(counts.sum(1)).reshape(-1)
    return np.where(seen[:, None] >= minimum, vectors, np.float32(0))


def pooled(vectors_MK: Floats, tokens: Sequence[Sequence[int]], size: int, weights: Sequence[float]) -> Floats:
    """Give each token the weighted average vector of the words it occurs in.

    Args:
        vectors_MK: Word vectors.
        tokens: Ids of the tokens each word is written with; a token counts once per word.
        size: Number of token ids.
        weights: Weight of each word: its frequency (WECHSEL) or 1 (OFA).

    Returns:
        (size, K); zeros for a token of no word.

    Source: Minixhofer et al. 2022 (arXiv 2112.06598, section 3.1, vectors without subword information); Liu et al.
    2024 (arXiv 2311.08849, section 3.2).
    """
    members = [np.unique(np.asarray(ids, np.int64)) for ids in tokens]
    owner = np.repeat(np.arange(len(members)), [len(ids) for ids in members])
    found = np.concatenate([np.zeros(0, np.int64), *members])
    table = csr_array((np.asarray(weights, np.float64)[owner], (found, owner)), shape=(size, len(vectors_MK)))
    sums = np.asarray(table.sum(1)).reshape(-1, 1)
    return np.asarray((table @ vectors_MK.astype(np.float64)) / np.where(sums > 0, sums, 1), np.float32)


def translation_pairs(
    source: Mapping[str, int], target: Mapping[str, int], dictionary: Iterable[tuple[str, str]]
) -> list[tuple[int, int]]:
    """Return rows of words that translate each other: each entry as written, in lower case and in title case.

    Args:
        source: Word of one language -> its row.
        target: Word of the other -> its row.
        dictionary: Words that translate each other; those without a row are left out.

    Example:
        >>> translation_pairs({"cat": 0}, {"Katze": 7}, [("cat", "katze"), ("dog", "Hund")])
        [(0, 7), (0, 7)]

    Source: Minixhofer et al. 2022 (arXiv 2112.06598), as its code does it: a word that has no case, or is written in
    one of the three, counts as often as its forms coincide.
    """
    return [
        (source[first], target[second])
        for pair in dictionary
        for first in _cases(pair[0])
        for second in _cases(pair[1])
        if first in source and second in target
    ]


def _cases(word: str) -> tuple[str, str, str]:
    return word, word.lower(), word.title()


def aligned(source: Floats, target: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Turn source vectors so that words with one meaning come to lie close together; lengths and angles stay.

    Args:
        source: Vectors of one language, (any, K).
        target: Vectors of the other, (any, K).
        pairs: (row of source, row of target) of words that translate each other.

    Returns:
        `source` times the best rotation or reflection.

    Source: Schönemann 1966, orthogonal Procrustes; used so by Minixhofer et al. 2022 (arXiv 2112.06598, section 3.1).
    """
    left, right = np.asarray(pairs, np.int64).reshape(-1, 2).T
    u, _values, v = np.linalg.svd(source[left].astype(np.float64).T @ target[right].astype(np.float64))
    return np.asarray(source @ (u @ v), np.float32)
