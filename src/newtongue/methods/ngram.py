"""A byte n-gram model: what counting alone makes of the training text.

A neural model that does not beat it has learnt nothing that a table would not know. Training and
held-out bytes are ranked together, order by order, so that everything is a handful of sorts and
the time does not depend on the number of distinct n-grams.

Shapes: S positions of the joint stream, P positions that are predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Smoothing = Literal["kneser_ney", "witten_bell"]

EDGE = 256
"""Symbol before the first byte of a document; never predicted."""
SYMBOLS = 257


@dataclass(frozen=True, slots=True)
class _Order:
    """Ranks at one order: which n-gram and which history every position holds."""

    gram: Ints
    history: Ints


def ngram_bits(
    train: Sequence[bytes], heldout: Sequence[bytes], order: int, smoothing: Smoothing = "kneser_ney"
) -> list[Floats]:
    """Return the bits an interpolated byte n-gram model needs for every held-out byte.

    Args:
        train: Documents to count on.
        heldout: Documents to score; their counts are never used.
        order: Bytes per n-gram, the predicted one included, at least 1.
        smoothing: How orders share probability: `kneser_ney` (the stronger) or `witten_bell`.

    Returns:
        One array per held-out document with one number per byte. Without any training byte
        each is exactly 8: every byte alike.

    Raises:
        ValueError: The order is below 1.

    Source: Chen and Goodman 1999, equations 21-26 (modified Kneser-Ney, interpolated, three discounts per
        order) and section 2.5 (Witten-Bell). The lowest order is interpolated with 1/256 so that every
        byte is possible; n-grams that begin before the document keep their plain counts, as in SRILM.
    """
    if order < 1:
        raise ValueError(f"order is {order}; an n-gram has at least 1 byte")
    stream, predicted, is_train = _join(train, heldout, order)
    ranks = _rank(stream, predicted, order)
    counted = is_train[predicted]
    probability = np.full(len(predicted), 1 / 256)
    for k, rank in enumerate(ranks):
        if smoothing == "witten_bell":
            counts = _counts(rank, None, counted, counted)
            discount = np.zeros(len(counts))
            probability = _interpolate(rank, counts, discount, (counts > 0).astype(np.float64), probability)
            continue
        longer = ranks[k + 1] if k + 1 < order else None
        counts = _counts(rank, longer, counted, counted & (stream[predicted - k] == EDGE))
        discount = _discounts(counts)[np.minimum(counts, 3)]
        probability = _interpolate(rank, counts, discount, discount, probability)
    return _split(-np.log2(probability[~counted]), heldout)


def _join(train: Sequence[bytes], heldout: Sequence[bytes], order: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return the stream of symbols with edges, the places of real bytes, and which places are training text."""
    edge = np.full(order - 1, EDGE, dtype=np.int64)
    parts = [part for text in (*train, *heldout) for part in (edge, np.frombuffer(text, np.uint8).astype(np.int64))]
    stream = np.concatenate([edge, *parts])
    train_symbols = (order - 1) * (len(train) + 1) + sum(map(len, train))
    return stream, np.flatnonzero(stream != EDGE), np.arange(len(stream)) < train_symbols


def _rank(stream: Ints, predicted: Ints, order: int) -> list[_Order]:
    """Rank n-grams and histories of every order at every predicted place."""
    history = np.zeros(len(predicted), dtype=np.int64)
    orders = []
    for k in range(order):
        if k:
            history = _dense(history * SYMBOLS + stream[predicted - k])
        orders.append(_Order(_dense(history * SYMBOLS + stream[predicted]), history))
    return orders


def _dense(codes: Ints) -> Ints:
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64)


def _counts(rank: _Order, longer: _Order | None, counted: NDArray[np.bool_], edge: NDArray[np.bool_]) -> Ints:
    """Return Kneser-Ney counts per n-gram: plain at the highest order and at edges, else distinct left neighbours."""
    size = int(rank.gram.max(initial=-1)) + 1
    plain = np.bincount(rank.gram[counted], minlength=size)
    if longer is None:
        return plain
    _, first = np.unique(longer.gram[counted], return_index=True)
    distinct = np.bincount(rank.gram[counted][first], minlength=size)
    at_edge = np.zeros(size, dtype=bool)
    at_edge[rank.gram[edge]] = True
    return np.where(at_edge, plain, distinct)


def _interpolate(rank: _Order, counts: Ints, discount: Floats, left: Floats, lower: Floats) -> Floats:
    """Return p(byte | history): counts less their discounts, and what is left over given to the order below.

    With absolute discounts `left` equals `discount` and the mass is shared out of the counts;
    Witten-Bell discounts nothing and adds one imagined count per distinct n-gram instead.
    """
    grams, first = np.unique(rank.gram, return_index=True)
    history = rank.history[first]
    size = int(rank.history.max(initial=-1)) + 1
    kept = np.bincount(history, weights=(counts - discount)[grams], minlength=size)
    spare = np.bincount(history, weights=left[grams], minlength=size)
    total = (kept + spare)[rank.history]
    with np.errstate(divide="ignore", invalid="ignore"):
        own = (counts - discount)[rank.gram] / total
        share = spare[rank.history] / total
    return np.where(total > 0, own + share * lower, lower)


def _discounts(counts: Ints) -> Floats:
    """Return the discounts of n-grams seen 0, 1, 2 and 3 or more times."""
    n1, n2, n3, n4 = (float(np.count_nonzero(counts == k)) for k in (1, 2, 3, 4))
    if not n1 or not n2:
        return np.array([0.0, 0.5, 0.5, 0.5])
    y = n1 / (n1 + 2 * n2)
    found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3 if n3 else 1.0]
    return np.array([0.0, *(min(max(d, 0.05), k - 0.05) for k, d in enumerate(found, 1))])


def _split(values: Floats, documents: Sequence[bytes]) -> list[Floats]:
    ends = np.cumsum([len(document) for document in documents])
    return [np.asarray(part, dtype=np.float64) for part in np.split(values, ends[:-1])] if len(ends) else []
