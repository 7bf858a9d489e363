"""What counting n-grams of tokens predicts of a text it was counted on, each place predicted as if it were not there.

Few passes over little text teach a network what is frequent; a table knows at once what was said even once. Its
predictions, learnt beside the text, smooth what the network makes of it.

Shapes: `S` ids of the counted text, `N` places, `E` counted pairs of history and next token, `V` ids in all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

Arrays = tuple[Ints, NDArray[np.int32], NDArray[np.int32], Ints, float]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Order:
    """Counts of one length of n-grams.

    Attributes:
        histories: Hashes of the ids before, sorted, one per distinct history.
        starts: First entry of each history, and the number of entries after the last.
        tokens: Next ids, `E`.
        counts: How often each follows (at the longest length), or after how many different ids the n-gram stands.
        totals: Sum of the counts of each history.
        discount: What is taken off every count for n-grams one shorter, in (0, 1).
    """

    histories: NDArray[np.uint64]
    starts: Ints
    tokens: NDArray[np.int32]
    counts: NDArray[np.int32]
    totals: Ints
    discount: float

    def arrays(self) -> Arrays:
        """Return starts, next ids, counts, totals and discount."""
        return self.starts, self.tokens, self.counts, self.totals, self.discount


@dataclass(frozen=True, slots=True)
class Predicted:
    """Distributions over `V` ids at `N` places: `rest[n] * base`, and `shares` added to the ids of each place.

    Attributes:
        starts: First entry of each place, and the number of entries after the last, `N + 1`.
        tokens: Ids of the entries.
        shares: Probability of the entries.
        rest: Probability left to `TokenCounts.base`, `N`.
    """

    starts: Ints
    tokens: NDArray[np.int32]
    shares: Floats
    rest: Floats


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Interpolated Kneser-Ney counts of a text in tokens.

    Attributes:
        orders: Pairs, triples and so on up to the longest n-grams.
        base: Distribution of single tokens, `V`.
    """

    orders: tuple[Order, ...]
    base: Floats

    def left_out(self, inputs: Ints, labels: Ints) -> Predicted:
        """Return what the counts say of each place of a row of the counted text, without that place's own count.

        Args:
            inputs: Ids of the row, `N`; those before the row are not known.
            labels: The id after each, `N`, as it stands in the counted text.

        Source: leaving one out as in Ney, Essen and Kneser 1995 (On the estimation of 'small' probabilities by
            leaving-one-out): an n-gram that stands nowhere else counts for nothing, and so do, order by order, the
            shorter ones that had no other neighbour.
        """
        inputs, labels = np.ascontiguousarray(inputs, np.int64), np.ascontiguousarray(labels, np.int64)
        places, owned = [], np.zeros((len(self.orders), len(inputs)), np.bool_)
        alone = np.ones(len(inputs), np.bool_)
        for number in range(len(self.orders) - 1, -1, -1):
            order = self.orders[number]
            found = _find(order.histories, _histories(inputs, number + 1))
            alone, owned[number] = _own(order.arrays(), found, labels, alone)
            places.append(found)
        return _blend(self.orders, places[::-1], owned, labels)


def count_tokens(ids: NDArray[np.unsignedinteger], order: int, size: int) -> TokenCounts:
    """Count the n-grams of a text.

    Args:
        ids: The text, documents one after the other, `S`.
        order: Tokens of the longest n-gram, the predicted one included, at least 2; no longer than the text counts.
        size: Ids in all, `V`.

    Returns:
        The counts: about 25 bytes per distinct n-gram, in O(order x S log S).

    Source: interpolated Kneser-Ney with one discount per order (Chen and Goodman 1999, section 2.7); below the longest
        n-grams a count is the number of different ids that stand before.
    """
    text = np.asarray(ids, np.int64)
    order = min(order, len(text))
    orders = []
    for length in range(2, order + 1):
        keys = _histories(text[:-1], length - 1)[length - 2 :]
        last = text[length - 1 :]
        if length < order:
            first = _firsts(_histories(text, length + 1)[length:])
            keys, last = keys[1:][first], last[1:][first]
        orders.append(_order(keys, last))
    _, places = np.unique(text[:-1] * size + text[1:], return_index=True)
    follows = np.bincount(text[1:][places], minlength=size)
    base, discount = _discounted(follows)
    return TokenCounts(tuple(orders), (base + discount / size).astype(np.float32))


def _discounted(counts: Ints) -> tuple[NDArray[np.float64], float]:
    """Return shares of the counts less their discount, and what the discounts leave over: all, where nothing counts."""
    discount, total = _discount(counts), int(counts.sum())
    if not total:
        return np.zeros(len(counts)), 1.0
    return np.maximum(counts - discount, 0) / total, discount * np.count_nonzero(counts) / total


def _discount(counts: Ints) -> float:
    once, twice = int(np.count_nonzero(counts == 1)), int(np.count_nonzero(counts == 2))
    return once / (once + 2 * twice) if once and twice else 0.5


def _firsts(hashes: NDArray[np.uint64]) -> Ints:
    return np.asarray(np.unique(hashes, return_index=True)[1], np.int64)


def _histories(ids: Ints, length: int) -> NDArray[np.uint64]:
    """Return the hash of the `length` ids that end at each place; places with fewer before them get 0."""
    found = np.zeros(len(ids), np.uint64)
    if len(ids) >= length:
        part = np.zeros(len(ids) - length + 1, np.uint64)
        for k in range(length):
            part = (part ^ (ids[k : k + len(part)].astype(np.uint64) + np.uint64(1))) * _FACTOR
            part ^= part >> np.uint64(29)
        found[length - 1 :] = part
    return found


def _order(keys: NDArray[np.uint64], last: Ints) -> Order:
    sorting = np.lexsort((last, keys))
    keys, last = keys[sorting], last[sorting]
    new = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]) | (last[1:] != last[:-1])))
    counts = np.diff(np.append(new, len(keys)))
    keys, last = keys[new], last[new]
    heads = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    followers, often = last.astype(np.int32), counts.astype(np.int32)
    starts = np.append(heads, len(keys))
    return Order(keys[heads], starts, followers, often, np.add.reduceat(counts, heads), _discount(counts))


def _find(sorted_hashes: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> Ints:
    places = np.minimum(np.searchsorted(sorted_hashes, wanted), len(sorted_hashes) - 1)
    return np.where(sorted_hashes[places] == wanted, places, -1)


@njit(cache=True)
def _own(
    counted: Arrays, found: Ints, labels: Ints, alone: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return at which places the shorter n-gram loses a neighbour too, and at which this order's count loses one."""
    starts, followers, counts, _, _ = counted
    still, owned = alone.copy(), np.zeros(len(found), np.bool_)
    for n in range(len(found)):
        if alone[n] and found[n] >= 0:
            first, end = starts[found[n]], starts[found[n] + 1]
            entry = first + np.searchsorted(followers[first:end], labels[n])
            owned[n] = entry < end and followers[entry] == labels[n]
            still[n] = owned[n] and counts[entry] == 1
    return still, owned


def _blend(orders: tuple[Order, ...], found: list[Ints], owned: NDArray[np.bool_], labels: Ints) -> Predicted:
    """Interpolate from the longest n-grams to the shortest."""
    sizes = np.zeros(len(labels), np.int64)
    for order, places in zip(orders, found, strict=True):
        sizes += np.where(places >= 0, order.starts[places + 1] - order.starts[places], 0)
    starts = np.append(0, np.cumsum(sizes))
    tokens, shares = np.zeros(starts[-1], np.int32), np.zeros(starts[-1], np.float32)
    rest, filled = np.ones(len(labels)), starts[:-1].copy()
    for number in range(len(orders) - 1, -1, -1):
        order = orders[number]
        _add(order.arrays(), found[number], owned[number], labels, (tokens, shares, rest, filled))
    return Predicted(starts, tokens, shares, rest.astype(np.float32))


@njit(cache=True)
def _add(
    counted: Arrays,
    found: Ints,
    owned: NDArray[np.bool_],
    labels: Ints,
    made: tuple[NDArray[np.int32], Floats, NDArray[np.float64], Ints],
) -> None:
    """Add one order's shares of what is left at each place, and leave less."""
    starts, followers, counts, totals, discount = counted
    tokens, shares, rest, filled = made
    for n in range(len(found)):
        if found[n] < 0:
            continue
        total, kinds = totals[found[n]] - owned[n], 0
        if total <= 0:
            continue
        at = filled[n]
        for entry in range(starts[found[n]], starts[found[n] + 1]):
            count = counts[entry] - (owned[n] and followers[entry] == labels[n])
            if count > 0:
                kinds += 1
                tokens[at], shares[at] = followers[entry], rest[n] * (count - discount) / total
                at += 1
        filled[n] = at
        rest[n] *= discount * kinds / total
