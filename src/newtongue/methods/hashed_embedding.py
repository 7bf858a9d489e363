"""Texts as vectors without a network: hashed character n-grams, weighted by rarity, projected at random.

What it sees is spelling: near-copies, shared names and topics within one language. A text and its translation are far
apart; that takes an encoder.

Shapes: B texts, D dimensions, S slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.hashed_ngrams import Stream, ngram_hashes, normalised, stream_of
from newtongue.methods.unit_grid import Grid, to_grid

ORDERS = (3, 4, 5)
"""Lengths of the n-grams, characters."""
SLOTS = 1 << 20
"""Slots document frequencies are counted in."""
SIGNS = 4
"""Dimensions every n-gram adds a sign to."""
BATCH_TEXTS = 256
"""Texts worked on together; a matter of memory only."""

UInts = NDArray[np.uint64]


def embed_texts(texts: Sequence[str], dimensions: int) -> Grid:
    """Return a unit vector per text: array (B, D) on the grid; an empty text is all zeros.

    Cosines approximate those of tf-idf vectors of n-grams (tf under a logarithm) with an error of about 1/sqrt(D).

    Args:
        texts: All texts of a pool; how rare an n-gram is, is counted on them.
        dimensions: D.

    Source: sparse random projections, Achlioptas 2003 and Kane and Nelson 2014 (arXiv 1012.1577), with SIGNS non-zero
        entries per n-gram; hashing as in Weinberger et al. 2009 (arXiv 0902.2206).
    """
    return project_texts(texts, inverse_frequency(occurrences(texts), len(texts)), dimensions)


def occurrences(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return in how many of some texts the n-grams of every slot occur: array (SLOTS,), to be added up over a pool."""
    found = np.zeros(SLOTS, dtype=np.int64)
    for part in _batches(texts):
        found += _slot_counts(part)
    return found


def inverse_frequency(frequency: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return the rarity of slots that occur in `frequency` of `count` texts: log((1 + count) / (1 + frequency))."""
    return np.asarray(np.log((1 + count) / (1 + frequency)))


def project_texts(texts: Sequence[str], rare: NDArray[np.float64], dimensions: int) -> Grid:
    """Return the vectors of some texts of a pool: array (B, D) on the grid, equal however the pool is divided.

    Args:
        texts: Some texts.
        rare: Rarity of the n-grams in the pool.
        dimensions: D.
    """
    if not texts:
        return np.zeros((0, dimensions), dtype=np.int16)
    return np.concatenate([to_grid(_project(part, rare, dimensions)) for part in _batches(texts)])


def _batches(texts: Sequence[str]) -> Iterator[Stream]:
    for first in range(0, len(texts), BATCH_TEXTS):
        yield stream_of([normalised(text) for text in texts[first : first + BATCH_TEXTS]])


def _distinct(stream: Stream, order: int) -> tuple[NDArray[np.int64], UInts, NDArray[np.int64]]:
    """Return (row, hash, occurrences) of every different n-gram of every text."""
    hashes = ngram_hashes(stream, order)
    by_place = np.lexsort((hashes, stream.rows))
    rows, hashes = stream.rows[by_place], hashes[by_place]
    new = np.r_[True, (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])]
    starts = np.flatnonzero(new)
    return rows[starts], hashes[starts], np.diff(np.r_[starts, len(rows)])


def _slot_counts(stream: Stream) -> NDArray[np.int64]:
    found = [_distinct(stream, order)[1] & np.uint64(SLOTS - 1) for order in ORDERS]
    return np.bincount(np.concatenate(found).astype(np.int64), minlength=SLOTS)


def _project(stream: Stream, rare: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    total = np.zeros(stream.texts * dimensions)
    for order in ORDERS:
        rows, hashes, counts = _distinct(stream, order)
        weights = (1 + np.log(counts)) * rare[(hashes & np.uint64(SLOTS - 1)).astype(np.int64)]
        for k in range(SIGNS):
            mixed = _mix(hashes + np.uint64(k + 1))
            places = rows * dimensions + (mixed % np.uint64(dimensions)).astype(np.int64)
            signs = np.where(mixed >> np.uint64(63), 1.0, -1.0)
            total += np.bincount(places, weights=signs * weights, minlength=len(total))
    empty = np.bincount(stream.rows, minlength=stream.texts) == 1
    return np.where(empty[:, None], 0.0, total.reshape(stream.texts, dimensions))


def _mix(values: UInts) -> UInts:
    """Return splitmix64 of every value (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
