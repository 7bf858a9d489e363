"""Learn byte-pair merges on weighted words, with a veto on every merge, in arrays.

Words are strings of ids of an old vocabulary, so what is learnt here goes on where that vocabulary stopped. Training
libraries can neither resume nor be told that a merge is forbidden; this learner can, and counts each distinct word
once however often it occurs.

All words stand in one array, with links between living symbols. A pair only loses occurrences after its youngest part
was made, so noted counts are upper bounds: they are lowered where a loss is seen anyway, the pair that comes up is
recounted, and merged if its bound was exact.
For the same reason pairs below a floor can be left aside until no pair above it remains: most never have their turn.

    P  places in the array of all symbols    n  new id
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.continued_bpe import Merge, Pieces

Ints = NDArray[np.int64]
Veto = Callable[[Pieces, Pieces], str | None]

END = -1
"""Stands between words."""
DEAD = -2
"""Stands where the right part of a merge was."""
FIRST_FLOOR = 64
"""The first floor is the mean use of a token to come, over this; it changes the time taken, not the result."""
NEXT_FLOOR = 16
"""Each floor is the last one over this."""


class WordArrays(Protocol):
    """Words as old ids, one word behind the other."""

    @property
    def ids(self) -> Ints:
        """Old ids of all words."""

    @property
    def ends(self) -> Ints:
        """Where each word ends in `ids`."""

    @property
    def counts(self) -> Ints:
        """How often each word occurs."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What `learn_merges` found.

    Attributes:
        merges: Merges in the order learnt.
        saved: Tokens each merge saved on the words it was learnt on.
        refused: Merges the veto excluded, with its reason, in the order they came up.
    """

    merges: tuple[Merge, ...]
    saved: tuple[int, ...]
    refused: tuple[tuple[Merge, str], ...]


def learn_merges(
    counts: Mapping[Pieces, int] | WordArrays, number: int, min_count: int = 2, veto: Veto = lambda _left, _right: None
) -> Learned:
    """Learn up to `number` merges on top of an old segmentation.

    The most frequent pair is merged first; ties go to the pair whose parts came first (old ids by number, then new
    ones in the order learnt). A merge the veto refuses is never made, and what it would have joined stays apart.

    Args:
        counts: Old ids of each word and how often it occurs, as a mapping or in arrays.
        number: Merges to learn at most.
        min_count: A pair must occur at least this often.
        veto: Given both parts in old ids, the reason why they must not be joined, or None.

    Example:
        >>> learn_merges({(1, 2, 3): 5, (2, 3): 4}, 2).merges
        (Merge(left=(2,), right=(3,)), Merge(left=(1,), right=(2, 3)))

    Source: Sennrich, Haddow, Birch 2016 (arXiv 1508.07909), algorithm 1; continued as in Purason et al. 2025
    (arXiv 2512.03989). The veto is ours.
    """
    if number < 1:
        return Learned((), (), ())
    words = _laid_out(counts) if isinstance(counts, Mapping) else (counts.ids, counts.ends, counts.counts)
    state = _Words(words, max(1, min_count), number)
    merges: list[Merge] = []
    saved: list[int] = []
    refused: list[tuple[Merge, str]] = []
    while len(merges) < number and (found := state.best()) is not None:
        left, right, places = found
        merge = Merge(state.pieces(left), state.pieces(right))
        reason = veto(*merge)
        if reason is not None:
            refused.append((merge, reason))
            state.barred.add((left, right))
            continue
        saved.append(state.merge(left, right, places))
        merges.append(merge)
    return Learned(tuple(merges), tuple(saved), tuple(refused))


def uses_after(learned: Learned, number: int, before: Mapping[Pieces, int]) -> dict[Pieces, int]:
    """Return how often each new token stands in the text it was learnt on, once the first `number` merges are made.

    A merge takes away one use of each of its parts for every token it saves, so nothing has to be segmented.

    Args:
        learned: What was learnt.
        number: Merges made.
        before: Uses of further tokens to follow, before the first merge.

    Example:
        >>> uses_after(learn_merges({(1, 2, 3): 5, (2, 3): 4}, 2), 2, {})
        {(2, 3): 4, (1, 2, 3): 5}

    Source: own.
    """
    uses = dict(before)
    for merge, saved in zip(learned.merges[:number], learned.saved, strict=False):
        for part in merge:
            if part in uses:
                uses[part] -= saved
        uses[merge.pieces] = saved
    return uses


def _laid_out(counts: Mapping[Pieces, int]) -> tuple[Ints, Ints, Ints]:
    ends = np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))
    return np.fromiter(chain.from_iterable(counts), np.int64), ends, np.fromiter(counts.values(), np.int64, len(counts))


class _Words:
    """All words as one array of symbols, and the pairs in it by frequency."""

    def __init__(self, words: tuple[Ints, Ints, Ints], min_count: int, number: int) -> None:
        ids, ends, counts = words
        lengths = np.diff(ends, prepend=0)
        several = lengths > 1
        kept, lengths = np.repeat(several, lengths), lengths[several]
        size = int(lengths.sum() + len(lengths)) + 1
        self.symbols: Ints = np.full(size, END, np.int64)
        self.weights: Ints = np.zeros(size, np.int64)
        inner = np.ones(size, bool)
        inner[np.cumsum(lengths + 1) - lengths - 1] = False
        inner[-1] = False
        self.symbols[inner] = ids[kept]
        self.weights[inner] = np.repeat(counts[several], lengths)
        self.before: Ints = np.arange(-1, size - 1)
        self.after: Ints = np.arange(1, size + 1)
        self.after[-1] = size - 1
        self.first_id = self.next_id = int(self.symbols.max()) + 1
        self.spelt: list[Pieces] = []
        self.heap: list[tuple[int, int, int]] = []
        self.places: dict[tuple[int, int], Ints] = {}
        self.bounds: dict[tuple[int, int], int] = {}
        self.barred: set[tuple[int, int]] = set()
        self.min_count = min_count
        self.floor = max(min_count, int(self.weights.sum()) // (FIRST_FLOOR * number))
        self._note_all()

    def pieces(self, symbol: int) -> Pieces:
        """Return a symbol as old ids."""
        return (symbol,) if symbol < self.first_id else self.spelt[symbol - self.first_id]

    def best(self) -> tuple[int, int, Ints] | None:
        """Take the most frequent pair: both parts and its places; None when none is frequent enough."""
        found = self._best_above_floor()
        while found is None and self.floor > self.min_count:
            self.floor = max(self.min_count, self.floor // NEXT_FLOOR)
            self._note_all()
            found = self._best_above_floor()
        return found

    def _best_above_floor(self) -> tuple[int, int, Ints] | None:
        symbols, after, bounds = self.symbols, self.after, self.bounds
        while self.heap:
            noted, left, right = heapq.heappop(self.heap)
            count, pair = -noted, (left, right)
            if bounds[pair] == count:
                places = self.places[pair]
                places = places[(symbols[places] == left) & (symbols[after[places]] == right)]
                bounds[pair] = int(np.add.reduce(self.weights[places]))
                if bounds[pair] == count:
                    del self.places[pair], bounds[pair]
                    return left, right, places
                self.places[pair] = places
            if bounds[pair] >= self.floor:
                heapq.heappush(self.heap, (-bounds[pair], left, right))
            else:
                del self.places[pair], bounds[pair]
        return None

    def merge(self, left: int, right: int, places: Ints) -> int:
        """Join a pair everywhere, leftmost first; return how many tokens that saves."""
        if left == right:
            places = _without_overlaps(places, self.after)
        new = self.next_id
        self.next_id += 1
        self.spelt.append(self.pieces(left) + self.pieces(right))
        gone = self.after[places]
        following = self.after[gone]
        self.symbols[places] = new
        self.symbols[gone] = DEAD
        self.after[places] = following
        self.before[following] = places
        after = self.symbols[following]
        open_right = after >= 0
        for other, count, at in self._beside(places[open_right], after[open_right]):
            self._lower((right, other), count)
            self._note((new, other), count, at)
        preceding = self.before[places]
        before = self.symbols[preceding]
        open_left = (before >= 0) & (before != new)
        for other, count, at in self._beside(preceding[open_left], before[open_left]):
            self._lower((other, left), count)
            self._note((other, new), count, at)
        return int(np.add.reduce(self.weights[places]))

    def _beside(self, places: Ints, others: Ints) -> Iterator[tuple[int, int, Ints]]:
        """Yield each neighbour on one side, how often it stands there, and where; leave out those too rare."""
        weights = self.weights[places]
        if int(np.add.reduce(weights)) < self.floor:
            return
        order = np.argsort(others)
        others, places = others[order], places[order]
        cuts = np.concatenate([[0], np.flatnonzero(others[1:] != others[:-1]) + 1, [len(others)]])
        sums = np.add.reduceat(weights[order], cuts[:-1])
        for k in np.flatnonzero(sums >= self.floor).tolist():
            yield int(others[cuts[k]]), int(sums[k]), places[cuts[k] : cuts[k + 1]]

    def _lower(self, pair: tuple[int, int], count: int) -> None:
        if pair in self.bounds:
            self.bounds[pair] -= count

    def _note(self, pair: tuple[int, int], count: int, places: Ints) -> None:
        self.places[pair], self.bounds[pair] = places, count
        heapq.heappush(self.heap, (-count, *pair))

    def _note_all(self) -> None:
        """Note every pair there is now, above the floor, that is not barred; nothing else is noted."""
        left = np.flatnonzero((self.symbols >= 0) & (self.symbols[self.after] >= 0))
        if len(left) == 0:
            return
        span = self.next_id
        keys = self.symbols[left] * span + self.symbols[self.after[left]]
        order = np.argsort(keys)
        keys, places = keys[order], left[order]
        cuts = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]])
        sums = np.add.reduceat(self.weights[places], cuts[:-1])
        for k in np.flatnonzero(sums >= self.floor).tolist():
            pair = divmod(int(keys[cuts[k]]), span)
            if pair not in self.barred:
                self._note(pair, int(sums[k]), places[cuts[k] : cuts[k + 1]])


def _without_overlaps(places: Ints, after: Ints) -> Ints:
    """Return the places of a pair of equal symbols that can be merged from the left: every second one of a run."""
    places = np.sort(places)
    linked = np.concatenate([[False], after[places[:-1]] == places[1:]])
    index = np.arange(len(places))
    start = np.maximum.accumulate(np.where(linked, 0, index))
    chosen: Ints = places[(index - start) % 2 == 0]
    return chosen
